/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * prctl - small things that a process has set about itself
 *
 *	personality, oom_score_adj, loginuid,
 *	coredump_filter				from /proc
 *	child_subreaper, pdeath_sig, mdwe	told by the parasite
 *	membarrier registrations		the same; repeated by mm
 *
 * What is in /proc/self is written by the newborn task while it is still root;
 * the rest by the restorer.
 *
 * More of the kind: knobs.c.
 *
 * resume    system call user dispatch (Wine), by ptrace
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "core/kind.h"
#include "core/ns.h"
#include "core/region.h"

/* One number of /proc/PID/@name; false: this kernel does not have it. */
static bool read_number(struct arena *a, int proc, const char *pid, const char *name, int64_t *ret)
{
	struct err ignored = { 0 };
	char path[48], *s;
	struct text t;
	size_t len;

	snprintf(path, sizeof(path), "%s/%s", pid, name);
	if (proc_slurp(proc, path, a, &s, &len, &ignored) < 0)
		return false;
	t = text_of(s, len);
	return text_s64(&t, ret);
}

enum { USUAL_FILTER = 0x33 };
static const uint32_t NOT_LOGGED_IN = UINT32_MAX, NOBODY = 65534;

/* Of what memory a core dump consists: hexadecimal, without a sign of that. */
static uint32_t coredump_filter(struct arena *a, int proc, const char *pid)
{
	struct err ignored = { 0 };
	char path[48], *s;
	uint64_t filter;
	struct text t;
	size_t len;

	snprintf(path, sizeof(path), "%s/coredump_filter", pid);
	if (proc_slurp(proc, path, a, &s, &len, &ignored) < 0)
		return USUAL_FILTER;
	t = text_of(s, len);
	return text_hex(&t, &filter) ? (uint32_t)filter : USUAL_FILTER;
}

/* ---- dump ---- */

/*
 * The kernel writes eight hexadecimal digits, CRIU reads them as a decimal
 * number, and that is what images have.  It says all unless there are letters.
 */
static int collect_personality(struct dump *d, struct task *t, struct err *err)
{
	TaskCoreEntry *tc = t->core->tc;
	char path[32], *s;
	struct text text;
	uint64_t exact, decimal;
	size_t len;

	snprintf(path, sizeof(path), "%d/personality", t->host_alive);
	if (proc_slurp(d->proc, path, d->arena, &s, &len, err) < 0)
		return -err->code;

	text = text_of(s, len);
	if (!text_hex(&text, &exact))
		return err_set(err, EPROTO, "cannot understand /proc/%s", path);
	decimal = strtoul(s, NULL, 10);
	tc->personality = (uint32_t)decimal;
	tc->has_exact_personality = s[strspn(s, "0123456789")] != '\n';
	tc->exact_personality = tc->has_exact_personality ? (uint32_t)exact : 0;
	return 0;
}

static void collect_dispatch(struct dump *d, const struct thread *th)
{
	const struct compel_dispatch *in = &th->victim->dispatch;
	DispatchEntry *e;

	if (!in->mode)
		return;
	e = record_new(d, dispatch_entry);
	e->mode = in->mode;
	e->selector = in->selector;
	e->offset = in->offset;
	e->len = in->len;
	th->core->thread_core->dispatch = e;
}

/* One that has no number in the tree's user namespace cannot be set there: it is that of criu-lite. */
static void collect_loginuid(struct dump *d, const char *pid, TaskCoreEntry *tc)
{
	int64_t uid;

	if (!read_number(d->arena, d->proc, pid, "loginuid", &uid))
		return;
	tc->loginuid = ns_uid_inside(d->ns, (uid_t)uid);
	tc->has_loginuid = tc->loginuid != NOBODY || !d->ns->maps;
}

static int collect_prctl(struct dump *d, struct task *t, struct err *err)
{
	TaskCoreEntry *tc = t->core->tc;
	char pid[16];
	int64_t n;

	if (t->state == TASK_DEAD)
		return 0;

	for (size_t i = 0; i < t->nr_threads; i++)
		collect_dispatch(d, &t->threads[i]);

	snprintf(pid, sizeof(pid), "%d", t->host_pid);
	tc->has_oom_score_adj = read_number(d->arena, d->proc, pid, "oom_score_adj", &n);
	tc->oom_score_adj = tc->has_oom_score_adj ? (int32_t)n : 0;
	collect_loginuid(d, pid, tc);
	tc->coredump_filter = coredump_filter(d->arena, d->proc, pid);
	tc->has_coredump_filter = tc->coredump_filter != USUAL_FILTER;
	return collect_personality(d, t, err);
}

static int drain_prctl(struct dump *d, struct task *t, struct err *err)
{
	TaskCoreEntry *tc = t->core->tc;

	if (t->state == TASK_DEAD)
		return 0;

	tc->has_child_subreaper = true;
	tc->child_subreaper = t->inside->child_subreaper;
	tc->has_mdwe = t->inside->mdwe > 0;
	tc->mdwe = t->inside->mdwe > 0 ? (uint32_t)t->inside->mdwe : 0;
	tc->has_membarrier_registration_mask = t->inside->membarrier > 0;
	tc->membarrier_registration_mask =
		t->inside->membarrier > 0 ? (uint32_t)t->inside->membarrier : 0;

	for (size_t i = 0; i < t->nr_threads; i++) {
		ThreadCoreEntry *e = t->threads[i].core->thread_core;

		e->pdeath_sig = t->threads[i].inside->pdeath_sig;
		e->has_pdeath_sig = e->pdeath_sig != 0;
	}
	return 0;
}

/* ---- restore ---- */

static int write_self(struct restore *r, const char *name, int64_t value, struct err *err)
{
	char path[32], text[24];

	snprintf(path, sizeof(path), "self/%s", name);
	snprintf(text, sizeof(text), "%lld", (long long)value);
	scoped_fd fd = openat(r->proc, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || io_write(fd, text, strlen(text)) < 0)
		return err_sys(err, "cannot set %s to %s", name, text);
	return 0;
}

/* Only if it differs: writing may not be allowed. */
static int change_self(struct restore *r, const char *name, int64_t value, struct err *err)
{
	int64_t own;

	if (read_number(r->arena, r->proc, "self", name, &own) && own == value)
		return 0;
	return write_self(r, name, value, err);
}

/*
 * It cannot be set below what somebody with CAP_SYS_RESOURCE has once chosen for us or
 * an ancestor, which the kernel shows nowhere.  So it is tried on ourselves.
 */
static int plan_prctl(struct restore *r, struct task *t, struct err *err)
{
	const TaskCoreEntry *tc = t->core->tc;
	struct err refused = {};
	int64_t own;

	if (t->state == TASK_DEAD || !tc->has_oom_score_adj ||
	    !read_number(r->arena, r->proc, "self", "oom_score_adj", &own) ||
	    tc->oom_score_adj >= own)
		return 0;
	if (write_self(r, "oom_score_adj", tc->oom_score_adj, &refused) == 0)
		return write_self(r, "oom_score_adj", own, err);

	err_set(err, EPERM, "cannot give task %d its oom_score_adj of %d", t->pid,
		tc->oom_score_adj);
	err_why(err, "ours is %d, and lowering it that far needs CAP_SYS_RESOURCE", (int)own);
	return err_hint(err, "let whoever set it for the task run restore, or have it set for us");
}

/*
 * In a user namespace one may log in who has not, but may not become another one, and
 * the newborns have that of criu-lite.
 */
static int prepare_prctl(struct restore *r, struct err *err)
{
	const struct task *t;
	int64_t own;

	if (!r->ns->root[NS_USER] || !read_number(r->arena, r->proc, "self", "loginuid", &own) ||
	    own == NOT_LOGGED_IN)
		return 0;
	for_each_alive(t, r->tree) if (t->core->tc->has_loginuid &&
				       t->core->tc->loginuid !=
					       own) return write_self(r, "loginuid", NOT_LOGGED_IN,
								      err);
	return 0;
}

static int born_prctl(struct restore *r, struct task *t, struct err *err)
{
	const TaskCoreEntry *tc = t->core->tc;
	uint32_t filter = tc->has_coredump_filter ? tc->coredump_filter : USUAL_FILTER;

	if (tc->has_oom_score_adj && change_self(r, "oom_score_adj", tc->oom_score_adj, err) < 0)
		return -err->code;
	if (tc->has_loginuid && change_self(r, "loginuid", tc->loginuid, err) < 0)
		return -err->code;
	if (coredump_filter(r->arena, r->proc, "self") == filter)
		return 0;
	return write_self(r, "coredump_filter", filter, err);
}

static uint32_t personality_of(const TaskCoreEntry *tc)
{
	char digits[16];

	if (tc->has_exact_personality)
		return tc->exact_personality;
	snprintf(digits, sizeof(digits), "%u", tc->personality);
	return (uint32_t)strtoul(digits, NULL, 16);
}

static int map_prctl(struct restore *r, struct task *t, struct err *err)
{
	struct restorer_args *args = r->region->args;

	args->personality = personality_of(t->core->tc);
	args->mdwe = t->core->tc->mdwe;
	args->child_subreaper = t->core->tc->child_subreaper;
	for (size_t i = 0; i < t->nr_threads; i++)
		r->region->threads[i].pdeath_sig = t->threads[i].core->thread_core->pdeath_sig;
	return 0;
}

static int resume_prctl(struct restore *r, struct task *t, struct err *err)
{
	for (size_t i = 0; i < t->nr_threads; i++) {
		const DispatchEntry *e = t->threads[i].core->thread_core->dispatch;
		struct compel_dispatch dispatch;

		if (!e)
			continue;
		dispatch = (struct compel_dispatch){ e->mode, e->selector, e->offset, e->len };
		if (compel_set_dispatch(t->threads[i].host_tid, &dispatch, err) < 0)
			return -err->code;
	}
	return 0;
}

const struct task_kind prctl_kind = {
	.name = "prctl",
	.collect = collect_prctl,
	.drain = drain_prctl,
	.plan = plan_prctl,
	.prepare = prepare_prctl,
	.born = born_prctl,
	.map = map_prctl,
	.resume = resume_prctl,
};
