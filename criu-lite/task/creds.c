/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * creds - user and group ids, capabilities, no_new_privs of each thread
 *
 * collect   all is in /proc/PID/task/TID/status
 * drain     securebits, which only the thread itself can ask for
 * plan      a capability that we have not got cannot be given to anybody, and
 *           no_new_privs that we have cannot be taken from anybody
 * map       the restorer sets them, nearly last (pie/creds.c)
 *
 * Ids are as we see them.  A label of a security module is written, and
 * refused by restore.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/kind.h"
#include "core/ns.h"
#include "core/region.h"

enum {
	CAP_WORDS = 2,
	GROUPS_MAX = 65536,
	REAL = 0,
	EFFECTIVE,
	SAVED,
	FS,
};

/* ---- dump ---- */

static uint32_t *cap_words(struct dump *d, uint64_t caps)
{
	uint32_t *w = arena_array(d->arena, uint32_t, CAP_WORDS);

	w[0] = (uint32_t)caps;
	w[1] = (uint32_t)(caps >> 32);
	return w;
}

static void put_caps(struct dump *d, const struct proc_status *s, CredsEntry *e)
{
	e->n_cap_inh = e->n_cap_prm = e->n_cap_eff = e->n_cap_bnd = e->n_cap_amb = CAP_WORDS;
	e->cap_inh = cap_words(d, s->cap_inh);
	e->cap_prm = cap_words(d, s->cap_prm);
	e->cap_eff = cap_words(d, s->cap_eff);
	e->cap_bnd = cap_words(d, s->cap_bnd);
	e->cap_amb = cap_words(d, s->cap_amb);
}

static CredsEntry *creds_record(struct dump *d, const struct proc_status *s)
{
	CredsEntry *e = record_new(d, creds_entry);

	e->uid = ns_uid_inside(d->ns, s->uid[REAL]);
	e->euid = ns_uid_inside(d->ns, s->uid[EFFECTIVE]);
	e->suid = ns_uid_inside(d->ns, s->uid[SAVED]);
	e->fsuid = ns_uid_inside(d->ns, s->uid[FS]);
	e->gid = ns_gid_inside(d->ns, s->gid[REAL]);
	e->egid = ns_gid_inside(d->ns, s->gid[EFFECTIVE]);
	e->sgid = ns_gid_inside(d->ns, s->gid[SAVED]);
	e->fsgid = ns_gid_inside(d->ns, s->gid[FS]);
	e->n_groups = s->nr_groups;
	e->groups = arena_array(d->arena, uint32_t, s->nr_groups + 1);
	for (size_t i = 0; i < s->nr_groups; i++)
		e->groups[i] = ns_gid_inside(d->ns, s->groups[i]);
	put_caps(d, s, e);
	e->has_no_new_privs = true;
	e->no_new_privs = (uint32_t)s->no_new_privs;
	return e;
}

/*
 * "unconfined", "profile (enforce)" or a context.  Reading fails where there
 * is no security module.
 */
static void read_label(struct dump *d, const struct thread *th, CredsEntry *e)
{
	struct err ignored = { 0 };
	char path[48], *label, *mode;
	size_t len;

	snprintf(path, sizeof(path), "%d/attr/current", th->host_tid);
	if (proc_slurp(d->proc, path, d->arena, &label, &len, &ignored) < 0)
		return;
	label[strcspn(label, "\n")] = '\0';
	mode = strstr(label, " (");
	if (mode)
		*mode = '\0';
	if (*label && strcmp(label, "unconfined") != 0)
		e->lsm_profile = label;
}

static int collect_creds(struct dump *d, struct task *t, struct err *err)
{
	if (t->state == TASK_DEAD)
		return 0;

	for (size_t i = 0; i < t->nr_threads; i++) {
		struct thread *th = &t->threads[i];

		th->core->thread_core->creds = creds_record(d, &th->status);
		read_label(d, th, th->core->thread_core->creds);
	}
	return 0;
}

static int drain_creds(struct dump *d, struct task *t, struct err *err)
{
	if (t->state == TASK_DEAD)
		return 0;

	for (size_t i = 0; i < t->nr_threads; i++)
		t->threads[i].core->thread_core->creds->secbits = t->threads[i].inside->securebits;
	return 0;
}

/* ---- restore ---- */

static uint64_t caps_of(const uint32_t *w, size_t n)
{
	return (n > 0 ? w[0] : 0) | (n > 1 ? (uint64_t)w[1] << 32 : 0);
}

static int read_creds(struct restore *r, struct task *t, struct err *err)
{
	if (t->state == TASK_DEAD)
		return 0;

	for (size_t i = 0; i < t->nr_threads; i++) {
		const CredsEntry *e = t->threads[i].core->thread_core->creds;

		if (!e || e->n_cap_inh > CAP_WORDS || e->n_cap_prm > CAP_WORDS ||
		    e->n_cap_eff > CAP_WORDS || e->n_cap_bnd > CAP_WORDS ||
		    e->n_cap_amb > CAP_WORDS || e->n_groups > GROUPS_MAX) {
			err_set(err, EBADMSG, "cannot use the credentials of thread %d",
				t->threads[i].tid);
			return err_hint(err, "the checkpoint is damaged; take it again");
		}
		if (e->lsm_profile) {
			err_set(err, EOPNOTSUPP,
				"cannot put thread %d under security profile \"%s\"",
				t->threads[i].tid, e->lsm_profile);
			return err_hint(
				err,
				"labels of security modules are not restored; dump it unconfined");
		}
	}
	return 0;
}

/* What we may hand out. */
struct own_caps {
	uint64_t permitted, bounding;
};

static int get_own_caps(const struct restore *r, struct own_caps *ret, struct err *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[CAP_WORDS];
	int has;

	/* who makes a user namespace has all of them in it */
	if (r->ns->root[NS_USER]) {
		ret->permitted = ret->bounding = ~0ull;
		return 0;
	}
	if (syscall(SYS_capget, &head, data) < 0)
		return err_sys(err, "cannot ask for our own capabilities");

	ret->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	ret->bounding = 0;
	for (unsigned int cap = 0; cap < 64 && (has = prctl(PR_CAPBSET_READ, cap)) >= 0; cap++)
		ret->bounding |= (uint64_t)has << cap;
	return 0;
}

static int check_caps(uint64_t wanted, uint64_t ours, const struct thread *th, struct err *err)
{
	uint64_t missing = wanted & ~ours;
	char *name;

	if (!missing)
		return 0;
	name = cap_to_name(__builtin_ctzll(missing));
	err_set(err, EPERM, "cannot give thread %d capability %s", th->tid, name ? name : "");
	cap_free(name);
	err_why(err, "criu-lite has not got it");
	return err_hint(err, "run restore with all the capabilities that the dumped task had");
}

static int check_no_new_privs(const struct thread *th, struct err *err)
{
	if (th->core->thread_core->creds->no_new_privs ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 0;
	err_set(err, EPERM, "cannot restore thread %d without no_new_privs", th->tid);
	err_why(err, "criu-lite has it, and nobody can get rid of it");
	return err_hint(err, "run restore without it; see NoNewPrivileges= in systemd.exec(5)");
}

static int plan_creds(struct restore *r, struct task *t, struct err *err)
{
	struct own_caps own = { 0 };

	/* in a user namespace of its own we shall have them all */
	if (t->state == TASK_DEAD || r->ns->root[NS_USER])
		return 0;
	if (get_own_caps(r, &own, err) < 0)
		return -err->code;

	for (size_t i = 0; i < t->nr_threads; i++) {
		const struct thread *th = &t->threads[i];
		const CredsEntry *e = th->core->thread_core->creds;

		if (check_caps(caps_of(e->cap_prm, e->n_cap_prm) |
				       caps_of(e->cap_eff, e->n_cap_eff),
			       own.permitted, th, err) < 0 ||
		    check_caps(caps_of(e->cap_bnd, e->n_cap_bnd) |
				       caps_of(e->cap_inh, e->n_cap_inh),
			       own.bounding, th, err) < 0)
			return -err->code;
		if (check_no_new_privs(th, err) < 0)
			return -err->code;
		t->region_room += e->n_groups * sizeof(uint32_t) + 16;
	}
	return 0;
}

static int pack_groups(struct restore *r, const CredsEntry *e, struct restorer_creds *out,
		       struct err *err)
{
	uint32_t *groups;

	if (!e->n_groups)
		return 0;
	groups = region_alloc(r->region, e->n_groups * sizeof(*groups), err);
	if (!groups)
		return -err->code;

	memcpy(groups, e->groups, e->n_groups * sizeof(*groups));
	out->groups = (uintptr_t)groups;
	out->nr_groups = e->n_groups;
	return 0;
}

static int map_creds(struct restore *r, struct task *t, struct err *err)
{
	for (size_t i = 0; i < t->nr_threads; i++) {
		const CredsEntry *e = t->threads[i].core->thread_core->creds;
		struct restorer_creds *out = &r->region->threads[i].creds;

		*out = (struct restorer_creds){
			.uids = { e->uid, e->euid, e->suid, e->fsuid },
			.gids = { e->gid, e->egid, e->sgid, e->fsgid },
			.cap_inh = caps_of(e->cap_inh, e->n_cap_inh),
			.cap_prm = caps_of(e->cap_prm, e->n_cap_prm),
			.cap_eff = caps_of(e->cap_eff, e->n_cap_eff),
			.cap_bnd = caps_of(e->cap_bnd, e->n_cap_bnd),
			.cap_amb = caps_of(e->cap_amb, e->n_cap_amb),
			.securebits = e->secbits,
			.no_new_privs = e->no_new_privs,
		};
		if (pack_groups(r, e, out, err) < 0)
			return -err->code;
	}
	return 0;
}

const struct task_kind creds_kind = {
	.name = "creds",
	.collect = collect_creds,
	.drain = drain_creds,
	.read = read_creds,
	.plan = plan_creds,
	.map = map_creds,
};
