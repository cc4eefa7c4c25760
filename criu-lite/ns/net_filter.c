/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * net_filter - iptables and nftables
 *
 * The images are texts of programs, which are run only if there is something to
 * say: iptables-legacy-save, if the kernel has legacy tables in this namespace;
 * nft, if it has any of its own. Tables of nftables that belong to iptables-nft
 * are written by iptables-nft-save, behind the legacy ones, because nft does not
 * understand all of what it shows of them.
 *
 * make      The programs are those of the host: they are run by the one who
 *           stayed outside.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "core/outside.h"
#include "core/program.h"
#include "ns/net.h"

enum tool { SAVE4, SAVE6, SAVE4_NFT, SAVE6_NFT, LIST, LOAD4, LOAD6, LOAD4_NFT, LOAD6_NFT, LOAD };

static const struct {
	const char *names[3]; /* any of them */
	const char *args[2];
} tools[] = {
	[SAVE4] = { { "iptables-legacy-save", "iptables-save" }, { "-c" } },
	[SAVE6] = { { "ip6tables-legacy-save", "ip6tables-save" }, { "-c" } },
	[SAVE4_NFT] = { { "iptables-nft-save" }, { "-c" } },
	[SAVE6_NFT] = { { "ip6tables-nft-save" }, { "-c" } },
	[LIST] = { { "nft" }, { "list", "ruleset" } },
	[LOAD4] = { { "iptables-legacy-restore", "iptables-restore" }, { "-c", "-w" } },
	[LOAD6] = { { "ip6tables-legacy-restore", "ip6tables-restore" }, { "-c", "-w" } },
	[LOAD4_NFT] = { { "iptables-nft-restore", "iptables-restore" }, { "-c", "-w" } },
	[LOAD6_NFT] = { { "ip6tables-nft-restore", "ip6tables-restore" }, { "-c", "-w" } },
	[LOAD] = { { "nft" }, { "-f", "-" } },
};

static bool has_tool(struct arena *a, enum tool tool)
{
	return program_find(a, tools[tool].names) != NULL;
}

static int run(struct arena *a, enum tool tool, int input, char **output_ret, struct err *err)
{
	const char *argv[4] = { program_find(a, tools[tool].names), tools[tool].args[0],
				tools[tool].args[1], NULL };

	if (argv[0])
		return program_run(a, argv, input, output_ret, err);
	err_set(err, ENOENT, "cannot find the program %s", tools[tool].names[0]);
	return err_hint(err, "install it (on Debian: iptables, nftables)");
}

/* ---- collect: what is there? ---- */

/* The kernel lists the legacy tables that somebody has used. */
static bool has_legacy(struct dump *d, const char *file)
{
	char *text;
	size_t len;

	return io_slurp_at(d->proc, file, d->arena, &text, &len) == 0 && len > 0;
}

static int count_table(const struct nlmsghdr *h, void *arg, struct err *err)
{
	++*(unsigned int *)arg;
	return 0;
}

static int has_nftables(bool *has_ret, struct err *err)
{
	const struct nfgenmsg all = { .nfgen_family = AF_UNSPEC };
	unsigned int n = 0;
	int nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	*has_ret = false;
	if (nl < 0) /* this kernel has none */
		return 0;

	scoped_fd end __attribute__((unused)) = nl;

	if (netlink_ask(nl, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, NLM_F_DUMP, &all,
			sizeof(all), count_table, &n, err) < 0) {
		if (err->code != EINVAL && err->code != EOPNOTSUPP)
			return err_in(err, "nftables");
		*err = (struct err){ 0 };
	}
	*has_ret = n > 0;
	return 0;
}

static void append(struct arena *a, char **to, const char *text)
{
	*to = *to ? arena_printf(a, "%s%s", *to, text) : arena_strdup(a, text);
}

static int collect_legacy(struct dump *d, struct net_ns *n, struct err *err)
{
	if (has_legacy(d, "self/net/ip_tables_names") &&
	    run(d->arena, SAVE4, -1, &n->iptables, err) < 0)
		return -err->code;
	if (has_legacy(d, "self/net/ip6_tables_names") &&
	    run(d->arena, SAVE6, -1, &n->ip6tables, err) < 0)
		return -err->code;
	return 0;
}

/* "table ip filter {" begins a table that iptables-nft has saved as "*filter"? */
static bool is_saved(struct text line, const char *family, const char *saved)
{
	struct slice name;
	char mark[40];

	if (!text_lit(&line, "table ") || !text_lit(&line, family) || !text_lit(&line, " ") ||
	    !text_word(&line, &name) || name.n > 32)
		return false;
	snprintf(mark, sizeof(mark), "\n*%.*s\n", (int)name.n, name.p);
	return strstr(saved, mark) != NULL;
}

/* Take the tables out of @ruleset that stand in @saved. */
static void take_out(char *ruleset, const char *family, const char *saved)
{
	struct text t = text_of(ruleset, strlen(ruleset)), line;
	bool inside = false;
	char *to = ruleset;

	while (text_line(&t, &line)) {
		size_t len = (size_t)(line.end - line.p);

		inside |= is_saved(line, family, saved);
		if (!inside) {
			memmove(to, line.p, len);
			to[len] = '\n';
			to += len + 1;
		}
		if (inside && len == 1 && *line.p == '}')
			inside = false;
	}
	*to = '\0';
}

/* Tables that are those of iptables by their names may be its own. */
static bool may_be_saved(const char *ruleset, const char *family)
{
	static const char *const names[] = { "filter", "nat", "mangle", "raw", "security" };
	char begin[40];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(begin, sizeof(begin), "table %s %s {", family, names[i]);
		if (strstr(ruleset, begin))
			return true;
	}
	return false;
}

static int save_tables(struct dump *d, enum tool tool, const char *family, char *ruleset, char **to,
		       struct err *err)
{
	char *saved;

	if (!may_be_saved(ruleset, family) || !has_tool(d->arena, tool))
		return 0;
	if (run(d->arena, tool, -1, &saved, err) < 0)
		return -err->code;
	take_out(ruleset, family, saved);
	append(d->arena, to, saved);
	return 0;
}

static int check_ruleset(const char *ruleset, struct err *err)
{
	if (!strstr(ruleset, "\txt match ") && !strstr(ruleset, "\txt target ") &&
	    !strstr(ruleset, " xt match ") && !strstr(ruleset, " xt target "))
		return 0;
	err_set(err, EOPNOTSUPP,
		"cannot dump nftables rules that use extensions of iptables (xt match, xt target)");
	return err_hint(err,
			"install iptables, or remove these rules (nft list ruleset shows them)");
}

static int collect_nftables(struct dump *d, struct net_ns *n, struct err *err)
{
	bool has;

	if (has_nftables(&has, err) < 0)
		return -err->code;
	if (!has)
		return 0;
	if (run(d->arena, LIST, -1, &n->nft, err) < 0 ||
	    save_tables(d, SAVE4_NFT, "ip", n->nft, &n->iptables, err) < 0 ||
	    save_tables(d, SAVE6_NFT, "ip6", n->nft, &n->ip6tables, err) < 0)
		return -err->code;
	return check_ruleset(n->nft, err);
}

int net_filter_collect(struct dump *d, struct net_ns *n, struct err *err)
{
	if (collect_legacy(d, n, err) < 0)
		return -err->code;
	return collect_nftables(d, n, err);
}

/* ---- images ---- */

static int write_text(struct dump *d, enum image_type type, const struct ns *ns, const char *text,
		      bool always, struct err *err)
{
	scoped_image *img = NULL;

	if ((always ? image_create_now : image_create)(d->store, type, ns->id, &img, err) < 0 ||
	    (text && *text && image_put_raw(img, text, strlen(text), err) < 0))
		return -err->code;
	return image_close(take_ptr(img), err);
}

int net_filter_write(struct dump *d, const struct ns *ns, struct err *err)
{
	const struct net_ns *n = net_ns_of(ns);

	if (write_text(d, IMAGE_IPTABLES, ns, n->iptables, true, err) < 0 ||
	    write_text(d, IMAGE_IP6TABLES, ns, n->ip6tables, true, err) < 0)
		return -err->code;
	return write_text(d, IMAGE_NFTABLES, ns, n->nft, false, err);
}

static int read_text(struct restore *r, enum image_type type, const struct ns *ns, char **text_ret,
		     struct err *err)
{
	struct net_messages m = { 0 };
	scoped_image *img = NULL;
	bool found;

	if (image_open(r->store, type, ns->id, r->arena, &img, &found, err) < 0)
		return -err->code;
	if (!found)
		return 0;
	if (net_read_image(r, img, 0, &m, NULL, err) < 0)
		return -err->code;
	*text_ret = m.len ? arena_printf(r->arena, "%.*s", (int)m.len, m.data) : NULL;
	return 0;
}

int net_filter_read(struct restore *r, const struct ns *ns, struct err *err)
{
	struct net_ns *n = net_ns_of(ns);

	if (read_text(r, IMAGE_IPTABLES, ns, &n->iptables, err) < 0 ||
	    read_text(r, IMAGE_IP6TABLES, ns, &n->ip6tables, err) < 0)
		return -err->code;
	return read_text(r, IMAGE_NFTABLES, ns, &n->nft, err);
}

/* ---- make ---- */

static int run_there(struct restore *r, void *args, int *fd, struct err *err)
{
	return run(r->arena, *(const enum tool *)args, *fd, NULL, err);
}

static int load(struct restore *r, const struct ns *ns, enum tool tool, const char *text,
		struct err *err)
{
	scoped_fd input = program_input(text, err);

	if (input < 0)
		return input;
	return outside_run_in_net(r, ns->fd, run_there, &tool, sizeof(tool), input, err);
}

/* One text after the other: each begins by saying which program has written it. */
static int load_tables(struct restore *r, const struct ns *ns, char *text, bool v6, struct err *err)
{
	static const char begin[] = "\n# Generated by ";

	while (text) {
		char *next = strstr(text, begin), *line_end, *nft;
		enum tool tool = v6 ? LOAD6 : LOAD4;

		/* tables of one program have such a line each */
		if (next)
			*next = '\0';
		line_end = strchr(text, '\n');
		nft = strstr(text, "(nf_tables)");
		if (nft && line_end && nft < line_end)
			tool = v6 ? LOAD6_NFT : LOAD4_NFT;
		if (load(r, ns, tool, arena_printf(r->arena, "%s\n", text), err) < 0)
			return err_in(err, "%s", v6 ? "ip6tables" : "iptables");
		text = next ? next + 1 : NULL;
	}
	return 0;
}

int net_filter_make(struct restore *r, const struct ns *ns, struct err *err)
{
	const struct net_ns *n = net_ns_of(ns);

	if (load_tables(r, ns, n->iptables, false, err) < 0 ||
	    load_tables(r, ns, n->ip6tables, true, err) < 0)
		return -err->code;
	return n->nft && *n->nft && load(r, ns, LOAD, n->nft, err) < 0 ? err_in(err, "nftables")
								       : 0;
}
