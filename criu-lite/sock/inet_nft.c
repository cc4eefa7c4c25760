/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inet_nft - packets of some connections are dropped, by nf_tables
 *
 * A table of our own with two sets, for IPv4 and IPv6, of "source, its port,
 * destination, its port", and two chains, for what arrives and what leaves, that
 * drop whatever is in them and does not carry our mark.  Or, without sets, what
 * is dropped is all that does not carry it.  All of it is one transaction over
 * netlink; nothing is run.
 *
 * The chains come before connection tracking, which so knows nothing of what was
 * dropped.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/netlink.h"
#include "sock/inet.h"

enum { PRIORITY = -350, SET_V4 = 1, SET_V6 = 2, KEY_V4 = 16, KEY_V6 = 40 };

/* Messages one behind the other. */
struct batch {
	struct arena *arena;
	char *buf;
	size_t len, room;
	size_t message; /* where the last one begins */
	uint32_t seq;
};

/* The address changes when the batch grows, so attributes are named by their offsets. */
static size_t reserve(struct batch *b, size_t len)
{
	size_t at = b->len, need = b->len + NLMSG_ALIGN(len);

	if (need > b->room) {
		size_t room = b->room ? 2 * b->room : 4096;
		char *grown;

		while (room < need)
			room *= 2;
		grown = arena_alloc(b->arena, room);
		if (at)
			memcpy(grown, b->buf, at);
		b->buf = grown;
		b->room = room;
	}
	memset(b->buf + at, 0, need - at);
	b->len = need;
	return at;
}

static void add_message(struct batch *b, uint16_t type, uint16_t flags, uint8_t family,
			uint16_t res_id)
{
	struct nlmsghdr h = { .nlmsg_type = type,
			      .nlmsg_flags = NLM_F_REQUEST | flags,
			      .nlmsg_seq = ++b->seq };
	struct nfgenmsg g = { .nfgen_family = family, .res_id = htons(res_id) };

	b->message = reserve(b, sizeof(h));
	memcpy(b->buf + b->message, &h, sizeof(h));
	memcpy(b->buf + reserve(b, sizeof(g)), &g, sizeof(g));
}

static void end_message(struct batch *b)
{
	struct nlmsghdr *h = (void *)(b->buf + b->message);

	h->nlmsg_len = (uint32_t)(b->len - b->message);
}

static void add_nft(struct batch *b, int type, uint16_t flags)
{
	add_message(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, NFPROTO_INET, 0);
}

static void put(struct batch *b, uint16_t type, const void *data, size_t len)
{
	struct nlattr a = { .nla_len = (uint16_t)(sizeof(a) + len), .nla_type = type };
	size_t at = reserve(b, sizeof(a) + len);

	memcpy(b->buf + at, &a, sizeof(a));
	memcpy(b->buf + at + sizeof(a), data, len);
}

static void put_u32(struct batch *b, uint16_t type, uint32_t value)
{
	value = htonl(value);
	put(b, type, &value, sizeof(value));
}

static void put_text(struct batch *b, uint16_t type, const char *text)
{
	put(b, type, text, strlen(text) + 1);
}

static size_t open_nest(struct batch *b, uint16_t type)
{
	struct nlattr a = { .nla_type = (uint16_t)(type | NLA_F_NESTED) };
	size_t at = reserve(b, sizeof(a));

	memcpy(b->buf + at, &a, sizeof(a));
	return at;
}

static void close_nest(struct batch *b, size_t at)
{
	struct nlattr *a = (void *)(b->buf + at);

	a->nla_len = (uint16_t)(b->len - at);
}

/* ---- expressions of a rule ---- */

struct expr {
	size_t elem, data;
};

static struct expr open_expr(struct batch *b, const char *name)
{
	struct expr x;

	x.elem = open_nest(b, NFTA_LIST_ELEM);
	put_text(b, NFTA_EXPR_NAME, name);
	x.data = open_nest(b, NFTA_EXPR_DATA);
	return x;
}

static void close_expr(struct batch *b, struct expr x)
{
	close_nest(b, x.data);
	close_nest(b, x.elem);
}

static void put_meta(struct batch *b, uint32_t key)
{
	struct expr x = open_expr(b, "meta");

	put_u32(b, NFTA_META_DREG, NFT_REG32_00);
	put_u32(b, NFTA_META_KEY, key);
	close_expr(b, x);
}

static void put_cmp(struct batch *b, uint32_t op, const void *data, size_t len)
{
	struct expr x = open_expr(b, "cmp");
	size_t at;

	put_u32(b, NFTA_CMP_SREG, NFT_REG32_00);
	put_u32(b, NFTA_CMP_OP, op);
	at = open_nest(b, NFTA_CMP_DATA);
	put(b, NFTA_DATA_VALUE, data, len);
	close_nest(b, at);
	close_expr(b, x);
}

static void put_payload(struct batch *b, uint32_t reg, uint32_t base, uint32_t offset, uint32_t len)
{
	struct expr x = open_expr(b, "payload");

	put_u32(b, NFTA_PAYLOAD_DREG, reg);
	put_u32(b, NFTA_PAYLOAD_BASE, base);
	put_u32(b, NFTA_PAYLOAD_OFFSET, offset);
	put_u32(b, NFTA_PAYLOAD_LEN, len);
	close_expr(b, x);
}

static void put_lookup(struct batch *b, const char *set, uint32_t id)
{
	struct expr x = open_expr(b, "lookup");

	put_text(b, NFTA_LOOKUP_SET, set);
	put_u32(b, NFTA_LOOKUP_SREG, NFT_REG32_00);
	put_u32(b, NFTA_LOOKUP_SET_ID, id);
	close_expr(b, x);
}

static void put_drop(struct batch *b)
{
	struct expr x = open_expr(b, "immediate");
	size_t data, verdict;

	put_u32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = open_nest(b, NFTA_IMMEDIATE_DATA);
	verdict = open_nest(b, NFTA_DATA_VERDICT);
	put_u32(b, NFTA_VERDICT_CODE, NF_DROP);
	close_nest(b, verdict);
	close_nest(b, data);
	close_expr(b, x);
}

/* ---- what a table is made of ---- */

static const char *set_name(bool is_v4)
{
	return is_v4 ? "v4" : "v6";
}

static void add_set(struct batch *b, const char *table, bool is_v4)
{
	add_nft(b, NFT_MSG_NEWSET, NLM_F_CREATE);
	put_text(b, NFTA_SET_TABLE, table);
	put_text(b, NFTA_SET_NAME, set_name(is_v4));
	put_u32(b, NFTA_SET_FLAGS, 0);
	put_u32(b, NFTA_SET_KEY_LEN, is_v4 ? KEY_V4 : KEY_V6);
	put_u32(b, NFTA_SET_ID, is_v4 ? SET_V4 : SET_V6);
	end_message(b);
}

static void add_chain(struct batch *b, const char *table, const char *name, uint32_t hook)
{
	size_t at;

	add_nft(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	put_text(b, NFTA_CHAIN_TABLE, table);
	put_text(b, NFTA_CHAIN_NAME, name);
	at = open_nest(b, NFTA_CHAIN_HOOK);
	put_u32(b, NFTA_HOOK_HOOKNUM, hook);
	put_u32(b, NFTA_HOOK_PRIORITY, (uint32_t)PRIORITY);
	close_nest(b, at);
	put_text(b, NFTA_CHAIN_TYPE, "filter");
	end_message(b);
}

/* Key of the set: both addresses, each with its port behind it. */
static void put_key(struct batch *b, bool is_v4)
{
	uint32_t words = is_v4 ? 1 : 4, src = is_v4 ? 12 : 8, reg = NFT_REG32_00;

	put_payload(b, reg, NFT_PAYLOAD_NETWORK_HEADER, src, words * 4);
	put_payload(b, reg + words, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2);
	put_payload(b, reg + words + 1, NFT_PAYLOAD_NETWORK_HEADER, src + words * 4, words * 4);
	put_payload(b, reg + 2 * words + 1, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
}

static void put_pairs(struct batch *b, bool is_v4)
{
	const uint8_t family = is_v4 ? NFPROTO_IPV4 : NFPROTO_IPV6, tcp = IPPROTO_TCP;

	put_meta(b, NFT_META_NFPROTO);
	put_cmp(b, NFT_CMP_EQ, &family, sizeof(family));
	put_meta(b, NFT_META_L4PROTO);
	put_cmp(b, NFT_CMP_EQ, &tcp, sizeof(tcp));
	put_key(b, is_v4);
	put_lookup(b, set_name(is_v4), is_v4 ? SET_V4 : SET_V6);
}

enum which { ALL, PAIRS_V4, PAIRS_V6 };

static void add_rule(struct batch *b, const char *table, const char *chain, enum which which)
{
	const uint32_t mark = INET_MARK;
	size_t at;

	add_nft(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	put_text(b, NFTA_RULE_TABLE, table);
	put_text(b, NFTA_RULE_CHAIN, chain);
	at = open_nest(b, NFTA_RULE_EXPRESSIONS);
	put_meta(b, NFT_META_MARK);
	put_cmp(b, NFT_CMP_NEQ, &mark, sizeof(mark));
	if (which != ALL)
		put_pairs(b, which == PAIRS_V4);
	put_drop(b);
	close_nest(b, at);
	end_message(b);
}

static void put_element(struct batch *b, const struct inet_pair *c, bool is_reversed)
{
	const uint32_t *src = is_reversed ? c->dst : c->src, *dst = is_reversed ? c->src : c->dst;
	uint16_t sport = htons(is_reversed ? c->dst_port : c->src_port);
	uint16_t dport = htons(is_reversed ? c->src_port : c->dst_port);
	size_t n = c->words * 4, elem, key;
	char k[KEY_V6] = "";

	memcpy(k, src, n);
	memcpy(k + n, &sport, sizeof(sport));
	memcpy(k + n + 4, dst, n);
	memcpy(k + 2 * n + 4, &dport, sizeof(dport));

	elem = open_nest(b, NFTA_LIST_ELEM);
	key = open_nest(b, NFTA_SET_ELEM_KEY);
	put(b, NFTA_DATA_VALUE, k, 2 * n + 8);
	close_nest(b, key);
	close_nest(b, elem);
}

/* Both directions of each; the length of a list is told in 16 bits. */
static void add_elements(struct batch *b, const char *table, const struct inet_pair *c, size_t n)
{
	size_t at = 0, i;

	for (i = 0; i < n; i++) {
		bool is_v4 = c[i].words == 1;

		if (i == 0 || is_v4 != (c[i - 1].words == 1) || b->len - b->message > 30000) {
			if (i) {
				close_nest(b, at);
				end_message(b);
			}
			add_nft(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE);
			put_text(b, NFTA_SET_ELEM_LIST_TABLE, table);
			put_text(b, NFTA_SET_ELEM_LIST_SET, set_name(is_v4));
			put_u32(b, NFTA_SET_ELEM_LIST_SET_ID, is_v4 ? SET_V4 : SET_V6);
			at = open_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
		}
		put_element(b, &c[i], false);
		put_element(b, &c[i], true);
	}
	if (n) {
		close_nest(b, at);
		end_message(b);
	}
}

/* ---- a transaction ---- */

static void begin(struct batch *b)
{
	add_message(b, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	end_message(b);
}

static void add_table(struct batch *b, int type, const char *table, uint16_t flags)
{
	add_nft(b, type, flags);
	put_text(b, NFTA_TABLE_NAME, table);
	end_message(b);
}

/* The first error, or the one acknowledgment that was asked for. */
static int take_answer(int nl, struct err *err)
{
	_Alignas(struct nlmsghdr) char buf[8192];
	ssize_t n = recv(nl, buf, sizeof(buf), 0);
	const struct nlmsghdr *h = (const void *)buf;
	const int *code;

	if (n < 0)
		return err_sys(err, "cannot receive from nf_tables");
	code = NLMSG_OK(h, (uint32_t)n) ? netlink_payload(h, sizeof(*code)) : NULL;
	if (!code || h->nlmsg_type != NLMSG_ERROR)
		return err_set(err, EPROTO, "cannot read an answer of nf_tables");
	return *code < 0 ? err_set(err, -*code, "cannot change the rules of nf_tables") : 0;
}

static int commit(struct batch *b, struct err *err)
{
	struct nlmsghdr *last = (void *)(b->buf + b->message);
	scoped_fd nl = netlink_open(NETLINK_NETFILTER, err);
	int room;

	last->nlmsg_flags |= NLM_F_ACK;
	add_message(b, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	end_message(b);
	room = (int)(b->len + 65536);
	/* the root of a user namespace may not: then it must fit */
	if (nl >= 0 && setsockopt(nl, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
		setsockopt(nl, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (nl < 0 || send(nl, b->buf, b->len, 0) < 0)
		return nl < 0 ? -err->code : err_sys(err, "cannot send to nf_tables");
	return take_answer(nl, err);
}

static void add_rules(struct batch *b, const char *table, enum which which)
{
	add_rule(b, table, "input", which);
	add_rule(b, table, "output", which);
}

int inet_nft_lock(struct arena *a, const char *table, const struct inet_lock *l, struct err *err)
{
	struct batch b = { .arena = a };

	begin(&b);
	add_table(&b, NFT_MSG_NEWTABLE, table, NLM_F_CREATE);
	add_chain(&b, table, "input", NF_INET_LOCAL_IN);
	add_chain(&b, table, "output", NF_INET_LOCAL_OUT);
	if (l->whole) {
		add_rules(&b, table, ALL);
	} else {
		add_set(&b, table, true);
		add_set(&b, table, false);
		add_rules(&b, table, PAIRS_V4);
		add_rules(&b, table, PAIRS_V6);
		add_elements(&b, table, l->pairs, l->n);
	}
	return commit(&b, err);
}

int inet_nft_unlock(struct arena *a, const char *table, struct err *err)
{
	struct batch b = { .arena = a };

	begin(&b);
	add_table(&b, NFT_MSG_DELTABLE, table, 0);
	return commit(&b, err);
}
