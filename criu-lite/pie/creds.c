/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * creds - who a thread is and what it may do; limits of the process
 *
 * Every step needs a privilege that a later one takes away, hence the order:
 * inheritable capabilities while the bounding set is full, then ambient ones,
 * the bounding set, securebits, and the effective set last.
 */
#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>

#include "pie/restorer.h"
#include "sys.h"

/* restorer_args of a failure says which step it was. */
enum step {
	STEP_SECUREBITS = 1,
	STEP_GROUPS,
	STEP_GIDS,
	STEP_UIDS,
	STEP_INHERITABLE,
	STEP_AMBIENT,
	STEP_BOUNDING,
	STEP_CAPS,
	STEP_NO_NEW_PRIVS,
};

enum { EINVAL_ = 22 };

static void check(struct restorer_thread *t, long ret, enum step step)
{
	restorer_check((struct restorer_args *)t->args, ret, RST_CREDS, step);
}

static long prctl(long option, unsigned long a, unsigned long b)
{
	return sys5(__NR_prctl, option, (long)a, (long)b, 0, 0);
}

static long set_caps(uint64_t eff, uint64_t prm, uint64_t inh)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)eff, (uint32_t)prm, (uint32_t)inh },
		{ (uint32_t)(eff >> 32), (uint32_t)(prm >> 32), (uint32_t)(inh >> 32) },
	};

	return sys2(__NR_capset, (long)&head, (long)data);
}

static long get_caps(uint64_t *eff, uint64_t *prm)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	long ret = sys2(__NR_capget, (long)&head, (long)data);

	*eff = data[0].effective | (uint64_t)data[1].effective << 32;
	*prm = data[0].permitted | (uint64_t)data[1].permitted << 32;
	return ret;
}

static long set_fsid(long nr, uint32_t id)
{
	sys1(nr, id);
	/* it returns the old one, whether it failed or not */
	return (uint32_t)sys1(nr, (long)-1) == id ? 0 : -EINVAL_;
}

/* With SECBIT_NO_SETUID_FIXUP, other user ids do not cost capabilities. */
static void set_ids(struct restorer_thread *t)
{
	const struct restorer_creds *c = &t->creds;

	check(t, prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0), STEP_SECUREBITS);
	check(t, sys2(__NR_setgroups, (long)c->nr_groups, (long)c->groups), STEP_GROUPS);
	check(t, sys3(__NR_setresgid, c->gids[0], c->gids[1], c->gids[2]), STEP_GIDS);
	check(t, set_fsid(__NR_setfsgid, c->gids[3]), STEP_GIDS);
	check(t, sys3(__NR_setresuid, c->uids[0], c->uids[1], c->uids[2]), STEP_UIDS);
	check(t, set_fsid(__NR_setfsuid, c->uids[3]), STEP_UIDS);
}

static void raise_ambient(struct restorer_thread *t)
{
	check(t, prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0), STEP_AMBIENT);
	for (unsigned int cap = 0; cap < 64; cap++)
		if (t->creds.cap_amb >> cap & 1)
			check(t, prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap), STEP_AMBIENT);
}

/* The kernel answers PR_CAPBSET_READ with an error behind the last capability it knows. */
static void drop_bounding(struct restorer_thread *t)
{
	long has;

	for (unsigned int cap = 0; (has = prctl(PR_CAPBSET_READ, cap, 0)) >= 0; cap++)
		if (has && !(t->creds.cap_bnd >> cap & 1))
			check(t, prctl(PR_CAPBSET_DROP, cap, 0), STEP_BOUNDING);
}

int restore_creds(struct restorer_thread *t)
{
	const struct restorer_creds *c = &t->creds;
	uint64_t eff, prm;

	set_ids(t);
	check(t, get_caps(&eff, &prm), STEP_INHERITABLE);
	check(t, set_caps(eff, prm, c->cap_inh), STEP_INHERITABLE);
	raise_ambient(t);
	drop_bounding(t);
	check(t, prctl(PR_SET_SECUREBITS, c->securebits, 0), STEP_SECUREBITS);
	check(t, set_caps(c->cap_eff, c->cap_prm, c->cap_inh), STEP_CAPS);
	if (c->no_new_privs)
		check(t, prctl(PR_SET_NO_NEW_PRIVS, 1, 0), STEP_NO_NEW_PRIVS);
	return 0;
}

int restore_rlimits(struct restorer_args *args)
{
	for (uint32_t i = 0; i < args->nr_rlimits; i++)
		restorer_check(args, sys4(__NR_prlimit64, 0, i, (long)&args->rlimits[i], 0),
			       RST_RLIMIT, i);
	return 0;
}
