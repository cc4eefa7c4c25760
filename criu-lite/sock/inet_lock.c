/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inet_lock - the peers of dumped connections hear nothing until the restore
 *
 * What arrives for a connection that is not there would be answered by a reset.
 * So from the dump to the end of the restore the packets of the connections are
 * dropped, by nf_tables (inet_nft.c) or by iptables, or not at all (skip).
 * inventory.img says how, and names the run, which names the table or chain.
 *
 * Without --network-lock it is nf_tables: for that, no program is needed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/inventory.h"
#include "sock/inet.h"

/* ---- iptables ---- */

static int run_with_input(const char *program, const char *text, struct err *err)
{
	char *argv[] = { (char *)program, (char *)"--noflush", (char *)"-w", NULL };
	scoped_fd input = memfd_create("rules", MFD_CLOEXEC);
	posix_spawn_file_actions_t actions;
	int status = 0, ret;
	pid_t pid;

	if (input < 0 || write(input, text, strlen(text)) != (ssize_t)strlen(text) ||
	    lseek(input, 0, SEEK_SET) < 0)
		return err_sys(err, "cannot write rules for %s", program);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, input, 0);
	ret = posix_spawnp(&pid, program, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (ret) {
		err_set(err, ret, "cannot run %s", program);
		return err_hint(err, "install iptables, or give --network-lock nftables");
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, "cannot wait for %s", program);
	if (status == 0)
		return 0;
	err_set(err, ECANCELED, "cannot change the rules of the network: %s failed", program);
	return err_hint(err, "see what it says, or give --network-lock nftables");
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

static int iptables_lock(struct arena *a, const char *chain, const struct inet_pair *c, size_t n,
			 bool is_v4, struct err *err)
{
	scoped_ptr char *text = NULL;
	size_t len, i, found = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return err_sys(err, "cannot write rules");
	fprintf(f, "*filter\n:%s - [0:0]\n-I INPUT -j %s\n-I OUTPUT -j %s\n", chain, chain, chain);
	for (i = 0; i < n; i++)
		if ((c[i].words == 1) == is_v4) {
			print_rules(f, chain, &c[i]);
			found++;
		}
	fprintf(f, "COMMIT\n");
	fclose(f);
	if (!found)
		return 0;
	return run_with_input(is_v4 ? "iptables-restore" : "ip6tables-restore", text, err);
}

static int iptables_unlock(struct arena *a, const char *chain, bool is_v4, struct err *err)
{
	const char *text =
		arena_printf(a, "*filter\n-D INPUT -j %s\n-D OUTPUT -j %s\n-F %s\n-X %s\nCOMMIT\n",
			     chain, chain, chain, chain);

	return run_with_input(is_v4 ? "iptables-restore" : "ip6tables-restore", text, err);
}

/* ---- whichever it is ---- */

static const char *table_name(struct arena *a, const char *run_id)
{
	return arena_printf(a, "CRIU-%s", run_id);
}

static enum network_lock wanted(const struct dump *d)
{
	const char *name = d->opts->network_lock;

	if (!name || strcmp(name, "nftables") == 0)
		return NETWORK_LOCK_NFTABLES;
	return strcmp(name, "iptables") == 0 ? NETWORK_LOCK_IPTABLES : NETWORK_LOCK_SKIP;
}

static int lock(struct arena *a, const char *run_id, enum network_lock how,
		const struct inet_pair *c, size_t n, struct err *err)
{
	int ret;

	if (how == NETWORK_LOCK_NFTABLES) {
		ret = inet_nft_lock(a, table_name(a, run_id), c, n, err);
		return ret < 0 ? err_hint(err, "give --network-lock iptables, or skip") : 0;
	}
	if (how != NETWORK_LOCK_IPTABLES)
		return 0;
	ret = iptables_lock(a, chain_name(a, run_id), c, n, true, err);
	return ret < 0 ? ret : iptables_lock(a, chain_name(a, run_id), c, n, false, err);
}

int inet_lock(struct dump *d, const struct inet_pair *c, size_t n, struct err *err)
{
	d->network_lock = wanted(d);
	return lock(d->arena, inventory_run_id(d), d->network_lock, c, n, err);
}

int inet_relock(struct restore *r, const struct inet_pair *c, size_t n, struct err *err)
{
	if (!n || !r->run_id)
		return 0;
	/* what locked it at the dump may be there still, if the namespace is */
	if (inet_unlock(r->arena, r->run_id, r->network_lock, true, true, err) < 0)
		return -err->code;
	return lock(r->arena, r->run_id, r->network_lock, c, n, err);
}

/* Whoever restores on another host finds nothing to unlock. */
int inet_unlock(struct arena *a, const char *run_id, enum network_lock how, bool has_v4,
		bool has_v6, struct err *err)
{
	if (!run_id || how == NETWORK_LOCK_SKIP)
		return 0;
	if (how == NETWORK_LOCK_NFTABLES) {
		if (inet_nft_unlock(a, table_name(a, run_id), err) < 0 && err->code != ENOENT)
			return -err->code;
		memset(err, 0, sizeof(*err));
		return 0;
	}
	if (has_v4 && iptables_unlock(a, chain_name(a, run_id), true, err) < 0) {
		log_info("nothing is unlocked: %s", err->what);
		memset(err, 0, sizeof(*err));
	}
	if (has_v6 && iptables_unlock(a, chain_name(a, run_id), false, err) < 0) {
		log_info("nothing is unlocked: %s", err->what);
		memset(err, 0, sizeof(*err));
	}
	return 0;
}
