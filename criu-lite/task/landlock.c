/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * landlock - tasks that have restricted themselves
 *
 * The kernel tells nobody who is in a Landlock domain, nor what is forbidden there, so
 * such a task would come back without its restrictions: it is refused.  It is
 * recognized by what every domain forbids: to look into processes outside of it,
 * whoever they are.  A process of ours with the same user and group, and no
 * capabilities, holds still for that, or we ourselves, if a task is as mighty as we are; the
 * parasite looks into its /proc/PID.
 *
 * not kept  a domain is not seen under a label of another security module (SELinux,
 *           AppArmor) that criu-lite does not have too, which may forbid the same; nor
 *           where system calls are filtered and we may not suspend that; nor if we
 *           may not become the user; nor of a task without no_new_privs that has
 *           no free descriptor
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/kind.h"
#include "core/proc.h"
#include "core/unknown.h"

enum { NR_LANDLOCK_CREATE = 444, VERSION = 1 };

/* Whom threads with this user and group may look at. */
struct target {
	uint32_t uid, gid;
	pid_t pid; /* our child, or we ourselves */
	int dir;   /* its directory in /proc, -1: we cannot become that user */
};

struct landlock_state {
	enum { NOT_ASKED, SUPPORTED, UNSUPPORTED } kernel;
	struct proc_status us; /* all zero: not asked for yet */
	vec(struct target) targets;
};

extern const struct task_kind landlock_kind;

static bool is_supported(struct landlock_state *s)
{
	if (s->kernel == NOT_ASKED)
		s->kernel = syscall(NR_LANDLOCK_CREATE, NULL, 0, VERSION) > 0 ? SUPPORTED
									      : UNSUPPORTED;
	return s->kernel == SUPPORTED;
}

/* Nothing of ours stays open in it, as the victim notices by a socket if we die. */
static void be_target(int userns, uint32_t uid, uint32_t gid, int told) __attribute__((noreturn));
static void be_target(int userns, uint32_t uid, uint32_t gid, int told)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { 0 };

	if ((userns >= 0 && setns(userns, CLONE_NEWUSER) < 0) || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0 || syscall(SYS_capset, &head, none) < 0 ||
	    prctl(PR_SET_DUMPABLE, 1) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    write(told, "", 1) != 1)
		_exit(1);
	close_range(0, ~0u, 0);
	for (;;)
		pause();
}

static int open_dir(struct dump *d, pid_t pid, struct err *err)
{
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "%d", pid);
	fd = openat(d->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "cannot open /proc/%d", pid) : fd;
}

static void end_target(struct target *t)
{
	if (t->dir >= 0)
		close(t->dir);
	if (t->pid == getpid())
		return;
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, 0);
}

static int open_userns(struct dump *d, struct err *err)
{
	const struct ns *ns = d->ns->root[NS_USER];

	return ns ? ns_open(d, ns, err) : -1;
}

static int start_target(struct dump *d, uint32_t uid, uint32_t gid, struct target *ret,
			struct err *err)
{
	scoped_fd userns = open_userns(d, err), reader = -1, writer = -1;
	char byte;
	int p[2];

	if (err->code || pipe2(p, O_CLOEXEC) < 0)
		return err->code ? -err->code : err_sys(err, "cannot create a pipe");
	reader = p[0];
	writer = p[1];
	*ret = (struct target){ .uid = uid, .gid = gid, .dir = -1 };
	ret->pid = fork();
	if (ret->pid < 0)
		return err_sys(err, "cannot fork");
	if (ret->pid == 0)
		be_target(userns, ns_uid_inside(d->ns, uid), ns_gid_inside(d->ns, gid), writer);
	close(take_fd(&writer));
	if (read(reader, &byte, 1) != 1)
		log_info("cannot become user %u, group %u, to look for Landlock domains", uid, gid);
	else
		ret->dir = open_dir(d, ret->pid, err);
	if (err->code)
		end_target(ret);
	return -err->code;
}

/* Then it may look at us, if it is in no domain. */
static bool is_as_mighty(struct dump *d, struct landlock_state *s, const struct proc_status *st)
{
	struct err ignored = { 0 };

	if (!s->us.nspid &&
	    proc_read_status(d->proc, getpid(), getpid(), d->arena, &s->us, &ignored) < 0)
		return false;
	return !d->ns->root[NS_USER] && !memcmp(st->uid, s->us.uid, sizeof(st->uid)) &&
	       !memcmp(st->gid, s->us.gid, sizeof(st->gid)) && !(s->us.cap_prm & ~st->cap_eff);
}

static int target_for(struct dump *d, const struct proc_status *st, const struct target **ret,
		      struct err *err)
{
	struct landlock_state *s = kind_state(d->kinds, &landlock_kind);
	struct target new = { .uid = st->uid[3], .gid = st->gid[3], .pid = getpid() }, *t;
	bool us = is_as_mighty(d, s, st);

	vec_for_each(t, &s->targets)
		if (t->uid == new.uid && t->gid == new.gid &&us == (t->pid == getpid())) {
			*ret = t;
			return 0;
		}
	if (us)
		new.dir = open_dir(d, new.pid, err);
	if (us ? new.dir < 0 : start_target(d, new.uid, new.gid, &new, err) < 0)
		return -err->code;
	t = vec_add(d->arena, &s->targets);
	*t = new;
	*ret = t;
	return 0;
}

static bool has_our_label(struct dump *d, const struct task *t)
{
	struct err ignored = { 0 };
	char path[40], *ours, *theirs;

	snprintf(path, sizeof(path), "%d/attr/current", t->host_alive);
	if (proc_slurp(d->proc, path, d->arena, &theirs, NULL, &ignored) < 0 ||
	    proc_slurp(d->proc, "self/attr/current", d->arena, &ours, NULL, &ignored) < 0)
		return true; /* there is no such module */
	return strcmp(ours, theirs) == 0;
}

static int check_thread(struct dump *d, struct task *t, struct thread *th, int dir, struct err *err)
{
	struct parasite_look look = { .dir = dir };

	if (task_call_thread(t, th, PARASITE_LOOK, &look, sizeof(look), err) < 0)
		return -err->code;
	if (look.result != -EACCES && look.result != -EPERM)
		return 0;
	err_set(err, EOPNOTSUPP, "cannot dump thread %d of task %d: it is in a Landlock domain",
		th->host_tid, t->host_pid);
	err_why(err, "the kernel does not tell what is forbidden there");
	return err_hint(err, "--allow landlock restores it without");
}

/* Who has no free descriptor is not asked, unless it is likely to be in a domain. */
static int not_asked(const struct task *t, struct err *err)
{
	if (err->code != EMFILE)
		return -err->code;
	if (t->threads[0].status.no_new_privs) {
		err_set(err, EOPNOTSUPP,
			"cannot see whether task %d, which has no_new_privs, is in a Landlock domain",
			t->host_pid);
		err_why(err, "it has no free descriptor");
		return err_hint(err, "--allow landlock if it is in none");
	}
	log_info("task %d has no free descriptor, and is not asked for Landlock domains",
		 t->host_pid);
	memset(err, 0, sizeof(*err));
	return 0;
}

/* All threads mostly have the same target. */
static int check_task(struct dump *d, struct task *t, struct err *err)
{
	const struct target *sent = NULL, *target = NULL;
	int dir = -1;

	for (size_t i = 0; i < t->nr_threads; i++) {
		if (target_for(d, &t->threads[i].status, &target, err) < 0)
			return -err->code;
		if (target->dir < 0)
			continue;
		if ((!sent || target->pid != sent->pid) &&
		    compel_send_fd(t->victim, target->dir, &dir, err) < 0)
			return not_asked(t, err);
		sent = target;
		if (check_thread(d, t, &t->threads[i], dir, err) < 0)
			return -err->code;
	}
	return 0;
}

static int drain_landlock(struct dump *d, struct task *t, struct err *err)
{
	struct landlock_state *s = kind_state(d->kinds, &landlock_kind);

	if (t->state == TASK_DEAD || !is_supported(s) || unknown_is_allowed(d, "landlock", 8) ||
	    t->victim->seccomp_in_force || !has_our_label(d, t))
		return 0;
	return check_task(d, t, err);
}

static void dump_end_landlock(struct dump *d, bool ok)
{
	struct landlock_state *s = kind_state(d->kinds, &landlock_kind);
	struct target *t;

	vec_for_each(t, &s->targets)
		end_target(t);
	s->targets.n = 0;
}

const struct task_kind landlock_kind = {
	.name = "landlock",
	.state_size = sizeof(struct landlock_state),
	.drain = drain_landlock,
	.dump_end = dump_end_landlock,
};
