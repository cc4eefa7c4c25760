/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inet_lock - the peers of dumped connections hear nothing until the restore
 *
 * What arrives for a connection that is not there would be answered by a reset.
 * So from the dump to the end of the restore the packets of the connections are
 * dropped, by nf_tables (inet_nft.c) or by iptables, or not at all (skip).  Of a
 * tree with a network of its own, it is all packets: who wants to connect to it
 * is not told either that nobody listens there.
 * inventory.img says how, and names the run, which names the table or chain.
 *
 * Without --network-lock it is nf_tables: for that, no program is needed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/inventory.h"
#include "core/outside.h"
#include "core/program.h"
#include "sock/inet.h"

/* Where it is done: here, or in the namespace of somebody who has no such programs. */
struct place {
	struct arena *arena;
	struct restore *r; /* NULL: here */
	int net;	   /* the descriptor of the namespace */
	const char *run_id;
	enum network_lock how;
};

static struct place place_of_dump(struct dump *d)
{
	return (struct place){ d->arena, NULL, -1, inventory_run_id(d), d->network_lock };
}

static struct place place_of_restore(struct restore *r, const struct ns *ns)
{
	return (struct place){ r->arena, ns ? r : NULL, ns ? ns->fd : -1, r->run_id,
			       r->network_lock };
}

/* ---- iptables ---- */

static int load_here(struct arena *a, bool is_v4, int input, struct err *err)
{
	const char *names[] = { is_v4 ? "iptables-restore" : "ip6tables-restore", NULL };
	const char *argv[] = { program_find(a, names), "--noflush", "-w", NULL };

	if (argv[0])
		return program_run(a, argv, input, NULL, err) < 0
			       ? err_hint(err, "see what it says, or give --network-lock nftables")
			       : 0;
	err_set(err, ENOENT, "cannot find the program %s", names[0]);
	return err_hint(err, "install iptables, or give --network-lock nftables");
}

static int load_there(struct restore *r, void *args, int *fd, struct err *err)
{
	return load_here(r->arena, *(const bool *)args, *fd, err);
}

static int load(const struct place *p, bool is_v4, const char *text, struct err *err)
{
	scoped_fd input = program_input(text, err);

	if (input < 0)
		return input;
	if (p->r)
		return outside_run_in_net(p->r, p->net, load_there, &is_v4, sizeof(is_v4), input,
					  err);
	return load_here(p->arena, is_v4, input, err);
}

static const char *chain_name(struct arena *a, const char *run_id)
{
	return arena_printf(a, "CRIU-%.20s", run_id);
}

/* Both directions of a connection. */
static void print_rules(FILE *f, const char *chain, const struct inet_pair *c)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	int family = c->words == 1 ? AF_INET : AF_INET6;

	inet_ntop(family, c->src, src, sizeof(src));
	inet_ntop(family, c->dst, dst, sizeof(dst));
	fprintf(f, "-A %s -p tcp -s %s --sport %u -d %s --dport %u -m mark ! --mark %#x -j DROP\n",
		chain, src, c->src_port, dst, c->dst_port, INET_MARK);
	fprintf(f, "-A %s -p tcp -s %s --sport %u -d %s --dport %u -m mark ! --mark %#x -j DROP\n",
		chain, dst, c->dst_port, src, c->src_port, INET_MARK);
}

static size_t print_pairs(FILE *f, const char *chain, const struct inet_lock *l, bool is_v4)
{
	size_t i, n = 0;

	for (i = 0; i < l->n; i++)
		if ((l->pairs[i].words == 1) == is_v4) {
			print_rules(f, chain, &l->pairs[i]);
			n++;
		}
	return n;
}

static int iptables_lock(const struct place *p, const struct inet_lock *l, bool is_v4,
			 struct err *err)
{
	const char *chain = chain_name(p->arena, p->run_id);
	char *text = NULL;
	bool found = true;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int ret;

	if (!f)
		return err_sys(err, "cannot write rules");
	fprintf(f, "*filter\n:%s - [0:0]\n-I INPUT -j %s\n-I OUTPUT -j %s\n", chain, chain, chain);
	if (l->whole)
		fprintf(f, "-A %s -m mark ! --mark %#x -j DROP\n", chain, INET_MARK);
	else
		found = print_pairs(f, chain, l, is_v4) > 0;
	fprintf(f, "COMMIT\n");
	fclose(f);
	ret = found ? load(p, is_v4, text, err) : 0;
	free(text);
	return ret;
}

static void iptables_unlock(const struct place *p, bool is_v4)
{
	const char *chain = chain_name(p->arena, p->run_id);
	const char *text = arena_printf(p->arena,
					"*filter\n-D INPUT -j %s\n-D OUTPUT -j %s\n-F %s\n-X %s\n"
					"COMMIT\n",
					chain, chain, chain, chain);
	struct err err = { 0 };

	if (load(p, is_v4, text, &err) < 0)
		log_info("nothing is unlocked: %s: %s", err.what, err.why);
}

/* ---- whichever it is ---- */

static const char *table_name(const struct place *p)
{
	return arena_printf(p->arena, "CRIU-%s", p->run_id);
}

static enum network_lock wanted(const struct dump *d)
{
	const char *name = d->opts->network_lock;

	if (!name || strcmp(name, "nftables") == 0)
		return NETWORK_LOCK_NFTABLES;
	return strcmp(name, "iptables") == 0 ? NETWORK_LOCK_IPTABLES : NETWORK_LOCK_SKIP;
}

static int lock(const struct place *p, const struct inet_lock *l, struct err *err)
{
	int ret;

	if (p->how == NETWORK_LOCK_NFTABLES) {
		ret = inet_nft_lock(p->arena, table_name(p), l, err);
		return ret < 0 ? err_hint(err, "give --network-lock iptables, or skip") : 0;
	}
	if (p->how != NETWORK_LOCK_IPTABLES)
		return 0;
	ret = iptables_lock(p, l, true, err);
	return ret < 0 ? ret : iptables_lock(p, l, false, err);
}

/* Whoever restores on another host finds nothing to unlock. */
static int unlock(const struct place *p, bool has_v4, bool has_v6, struct err *err)
{
	if (!p->run_id || p->how == NETWORK_LOCK_SKIP)
		return 0;
	if (p->how == NETWORK_LOCK_NFTABLES) {
		if (inet_nft_unlock(p->arena, table_name(p), err) < 0 && err->code != ENOENT)
			return -err->code;
		memset(err, 0, sizeof(*err));
		return 0;
	}
	if (has_v4)
		iptables_unlock(p, true);
	if (has_v6)
		iptables_unlock(p, false);
	return 0;
}

int inet_lock(struct dump *d, const struct inet_lock *l, struct err *err)
{
	struct place p;

	d->network_lock = wanted(d);
	p = place_of_dump(d);
	return lock(&p, l, err);
}

int inet_unlock(struct dump *d, struct err *err)
{
	struct place p = place_of_dump(d);

	return unlock(&p, true, true, err);
}

int inet_relock(struct restore *r, const struct ns *ns, const struct inet_lock *l, struct err *err)
{
	struct place p = place_of_restore(r, ns);

	if (!r->run_id || (!l->n && !l->whole))
		return 0;
	/* what locked it at the dump may be there still, if the namespace is */
	if (unlock(&p, true, true, err) < 0)
		return -err->code;
	return lock(&p, l, err);
}

int inet_release(struct restore *r, const struct ns *ns, bool has_v4, bool has_v6, struct err *err)
{
	struct place p = place_of_restore(r, ns);

	return unlock(&p, has_v4, has_v6, err);
}
