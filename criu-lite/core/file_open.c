/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * file (open) - in a newborn task: files are made, handed over, put in place
 *
 * First every number that the task will have is filled with a placeholder, so
 * that no descriptor we open meanwhile lands on one of them.  Then files are
 * opened at whatever number the kernel gives, put in place by dup3() at once (a
 * table may be nearly full), and fetched from their owners by pidfd_getfd().
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/inject.h"
#include "base/log.h"
#include "core/files.h"
#include "core/ns.h"
#include "core/outside.h"
#include "core/record.h"
#include "core/shared.h"
#include "core/sock_ns.h"

/* ---- our own descriptors ---- */

static int close_others(const int *keep, size_t n, struct err *err)
{
	unsigned int from = 0;
	size_t i;

	/* kept ones are in rising order */
	for (i = 0; i < n; i++) {
		if ((unsigned int)keep[i] > from &&
		    close_range(from, (unsigned int)keep[i] - 1, 0) < 0)
			return err_sys(err, "cannot close inherited descriptors");
		from = (unsigned int)keep[i] + 1;
	}
	if (close_range(from, ~0u, 0) < 0)
		return err_sys(err, "cannot close inherited descriptors");
	return 0;
}

/* Move *@fd to a number that is nobody's, now and later, below the highest that the task has. */
static int put_into_hole(const struct fdtable *t, int *fd)
{
	const struct fdtable_entry *e;
	int n = 3;

	vec_for_each(e, &t->entries) {
		for (; n < e->fd; n++)
			if (fcntl(n, F_GETFD) < 0) {
				*fd = dup3(*fd, n, O_CLOEXEC);
				return 0;
			}
		n = e->fd < n ? n : e->fd + 1;
	}
	return -EMFILE;
}

/* Move *@fd above every number the task will have; if there is no room, between them. */
static int put_away(const struct fdtable *t, int *fd, struct err *err)
{
	int above = t->entries.n ? t->entries.items[t->entries.n - 1].fd + 1 : 3;
	int moved = fcntl(*fd, F_DUPFD_CLOEXEC, above > 3 ? above : 3);

	if (moved >= 0) {
		*fd = moved;
		return 0;
	}
	err_sys(err, "cannot find a free descriptor number above %d", above);
	if ((err->code == EMFILE || err->code == EINVAL) && put_into_hole(t, fd) == 0) {
		memset(err, 0, sizeof(*err));
		return 0;
	}
	return err_hint(err, "raise the hard limit of open files (ulimit -Hn) for criu-lite");
}

static int compare_fds(const void *pa, const void *pb)
{
	const int *a = pa, *b = pb;

	return (*a > *b) - (*a < *b);
}

/* Where in our table what we own belongs. */
static void find_places(const struct restore *r)
{
	const struct fdtable_entry *e;

	vec_for_each(e, &r->self->fdtable->entries)
		if (e->file->owner == r->self && !e->file->place)
			e->file->place = e;
}

static int fill_placeholders(const struct fdtable *t, struct err *err)
{
	int null = open("/", O_PATH | O_CLOEXEC);
	struct fdtable_entry *e;

	if (null < 0)
		return err_sys(err, "cannot open /");
	/* the lowest number may be one of those we fill: the placeholder there is its own copy */
	if (put_away(t, &null, err) < 0)
		return -err->code;
	vec_for_each(e, &t->entries)
		if (dup3(null, e->fd, O_CLOEXEC) < 0)
			return err_sys(err, "cannot use descriptor number %d", e->fd);
	close(null);
	return 0;
}

static int use_store(struct restore *r, int dir, struct err *err)
{
	uint32_t version = r->store->version;

	if (store_open_dirfd(r->arena, dir, &r->store, err) < 0)
		return -err->code;
	r->store->version = version;
	ns_use_store(r);
	return 0;
}

int files_prepare(struct restore *r, struct err *err)
{
	const struct fdtable *t = r->self->fdtable;
	int32_t *told = r->shared->tasks[r->self->index].fds;
	int log = log_fd(), dir = store_dirfd(r->store);
	int *ours[NR_KEPT] = { &r->coordinator, &r->proc, &dir, outside_socket(r), &log };
	int keep[NR_KEPT];
	size_t i, n = 0;

	for (i = 0; i < NR_KEPT; i++) {
		told[i] = -1;
		if (!ours[i] || *ours[i] < 0)
			continue;
		if (put_away(t, ours[i], err) < 0)
			return -err->code;
		keep[n++] = told[i] = *ours[i];
	}
	log_set_fd(log);
	qsort(keep, n, sizeof(keep[0]), compare_fds);
	if (close_others(keep, n, err) < 0 || use_store(r, dir, err) < 0)
		return -err->code;
	find_places(r);
	return fill_placeholders(t, err);
}

int files_follow(struct restore *r, const struct task *holder, struct err *err)
{
	const int32_t *keep = r->shared->tasks[holder->index].fds;

	r->coordinator = keep[0];
	r->proc = keep[1];
	if (outside_socket(r))
		*outside_socket(r) = keep[3];
	log_set_fd(keep[4]);
	return use_store(r, keep[2], err);
}

void *restore_shared_alloc(struct restore *r, size_t size)
{
	return arena_alloc(r->common, size);
}

int restore_borrow_fd(struct restore *r, int n, struct err *err)
{
	int fd = (int)syscall(SYS_pidfd_getfd, r->coordinator, n, 0);

	if (fd < 0)
		return err_sys(err, "cannot take descriptor %d of the coordinator", n);
	return fd;
}

/* ---- opening ---- */

enum { STATUS_FLAGS = O_APPEND | O_NONBLOCK | O_NOATIME | O_DIRECT };

static int set_flags(int fd, unsigned int want, struct err *err)
{
	int have = fcntl(fd, F_GETFL);

	if (have < 0)
		return err_sys(err, "cannot read the flags of a file");
	if (!((unsigned int)have & O_PATH) && (((unsigned int)have ^ want) & STATUS_FLAGS) &&
	    fcntl(fd, F_SETFL, (unsigned int)have ^ (((unsigned int)have ^ want) & STATUS_FLAGS)) <
		    0)
		return err_sys(err, "cannot set the flags of a file to %#x", want);
	return 0;
}

static int set_signal_owner(int fd, const FownEntry *fown, unsigned int flags, struct err *err)
{
	struct f_owner_ex owner = { .type = (int)fown->pid_type, .pid = (int)fown->pid };

	if (fown->signum && fcntl(fd, F_SETSIG, fown->signum) < 0)
		return err_sys(err, "cannot set the signal of a file to %u", fown->signum);
	if (!fown->pid)
		return 0;
	/* whose signals they are is taken from who sets the owner */
	if (setresuid(fown->uid, fown->euid, (uid_t)-1) < 0)
		return err_sys(err, "cannot become user %u to set the owner of a file", fown->uid);
	if (fcntl(fd, F_SETOWN_EX, &owner) < 0) {
		err_sys(err, "cannot make %u the owner of a file", fown->pid);
		setresuid(0, 0, 0);
		return -err->code;
	}
	if (setresuid(0, 0, 0) < 0)
		return err_sys(err, "cannot become root again");
	/* others of us may still look into us */
	prctl(PR_SET_DUMPABLE, 1);
	if ((flags & O_ASYNC) && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC) < 0)
		return err_sys(err, "cannot ask for signals of a file");
	return 0;
}

int file_set_owner(const struct file *f, int fd, struct err *err)
{
	const FileEntry *status = f->status ? f->status : f->image;
	const uint32_t *flags = record_flags(status);
	FownEntry **fown = record_fown(status);
	struct f_owner_ex nobody = { .type = F_OWNER_PID };

	if (!fown || !*fown)
		return 0;
	if (!(*fown)->pid && fcntl(fd, F_SETOWN_EX, &nobody) < 0)
		return err_sys(err, "cannot make nobody the owner of a file");
	return set_signal_owner(fd, *fown, flags ? *flags : 0, err);
}

/* What all kinds of files have: status flags and the owner for signals. */
static int finish_file(const struct file *f, int fd, struct err *err)
{
	const FileEntry *status = f->status ? f->status : f->image;
	const uint32_t *flags = record_flags(status);
	FownEntry **fown = record_fown(status);

	if (flags && set_flags(fd, *flags, err) < 0)
		return -err->code;
	if (fown && *fown && set_signal_owner(fd, *fown, flags ? *flags : 0, err) < 0)
		return -err->code;
	return 0;
}

static void set_place(struct restore *r, struct file *f, int fd)
{
	f->temp = fd;
	__atomic_store_n(&r->shared->file_fd[f->slot], fd, __ATOMIC_RELEASE);
}

void file_give(struct restore *r, struct file *f, int fd)
{
	set_place(r, f, fd);
}

static int put_in_place(struct restore *r, struct file *f, struct err *err)
{
	int fd = f->temp;

	if (!f->place || fd == f->place->fd)
		return 0;
	if (dup3(fd, f->place->fd, f->place->cloexec ? O_CLOEXEC : 0) < 0)
		return err_sys(err, "cannot put it at descriptor %d", f->place->fd);
	set_place(r, f, f->place->fd);
	close(fd);
	return 0;
}

/* In the network namespace of the file, if it has one. */
static int open_there(struct restore *r, struct file *f, struct err *err)
{
	struct ns_visit visit;
	int fd;

	if (sock_ns_enter_restore(r, f, &visit, err) < 0)
		return -err->code;
	fd = f->kind->open(r, f, err);
	return fd < 0 || ns_leave(&visit, err) < 0 ? -err->code : fd;
}

static int link_there(struct restore *r, struct file *f, struct err *err)
{
	struct ns_visit visit;

	if (sock_ns_enter_restore(r, f, &visit, err) < 0 || f->kind->link(r, f, f->temp, err) < 0)
		return -err->code;
	return ns_leave(&visit, err);
}

static int open_file(struct restore *r, struct file *f, struct err *err)
{
	if (inject_point(err, "open:%s", f->kind->name) < 0)
		return -err->code;
	if (f->temp < 0) {
		int fd = f->kind->open ? open_there(r, f, err)
				       : err_set(err, ENOSYS, "cannot open it");

		if (fd < 0)
			return fd;
		set_place(r, f, fd);
	}
	if (put_in_place(r, f, err) < 0)
		return -err->code;
	return finish_file(f, f->temp, err);
}

int files_open(struct restore *r, unsigned int level, struct err *err)
{
	struct file **f;

	vec_for_each(f, &r->self->owned) {
		if ((*f)->level != level)
			continue;
		log_debug("open %s %u", (*f)->kind->name, (*f)->id);
		if (open_file(r, *f, err) < 0)
			return err_in(err, "%s %u", (*f)->kind->name, (*f)->id);
	}
	return 0;
}

/* ---- handing over ---- */

/*
 * Who becomes somebody else to make a file is closed to others of a user
 * namespace until he says that they may look into him.
 */
static int get_fd(int pidfd, int there)
{
	const struct timespec wait = { .tv_nsec = 1000000 };
	int fd = (int)syscall(SYS_pidfd_getfd, pidfd, there, 0);

	for (int i = 0; fd < 0 && errno == EPERM && i < 1000; i++) {
		nanosleep(&wait, NULL);
		fd = (int)syscall(SYS_pidfd_getfd, pidfd, there, 0);
	}
	return fd;
}

static int fetch(struct restore *r, const struct file *f, struct err *err)
{
	/* the coordinator sees them from outside */
	scoped_fd pidfd =
		(int)syscall(SYS_pidfd_open, r->self ? f->owner->pid : f->owner->host_pid, 0);
	int there = __atomic_load_n(&r->shared->file_fd[f->slot], __ATOMIC_ACQUIRE);
	int fd;

	if (pidfd < 0)
		return err_sys(err, "cannot open a pidfd of task %d", f->owner->pid);
	fd = get_fd(pidfd, there);
	if (fd < 0)
		return err_sys(err, "cannot fetch %s %u from task %d", f->kind->name, f->id,
			       f->owner->pid);
	return fd;
}

int file_borrow(struct restore *r, struct file *f, bool *lent_ret, struct err *err)
{
	*lent_ret = f->owner == r->self;
	if (*lent_ret && f->temp < 0)
		return err_set(err, EBADF, "cannot use %s %u: it is not open yet", f->kind->name,
			       f->id);
	return *lent_ret ? f->temp : fetch(r, f, err);
}

static int take_entry(struct restore *r, const struct fdtable_entry *e, struct err *err)
{
	bool lent;
	int fd = file_borrow(r, e->file, &lent, err);

	if (fd < 0)
		return fd;
	if (fd == e->fd)
		return 0;
	if (dup3(fd, e->fd, e->cloexec ? O_CLOEXEC : 0) < 0)
		return err_sys(err, "cannot put %s %u at descriptor %d", e->file->kind->name,
			       e->file->id, e->fd);
	if (!lent)
		close(fd);
	return 0;
}

/* The file as the task needs it: as it is, or opened once more with other rights. */
static int take_need(struct restore *r, struct file_need *need, struct err *err)
{
	bool lent;
	int fd = file_borrow(r, need->file, &lent, err);
	int have = fd < 0 ? 0 : fcntl(fd, F_GETFL);
	char path[64];

	if (fd < 0)
		return fd;
	if (need->flags < 0 || (have & O_PATH) == (need->flags & O_PATH)) {
		if (need->flags < 0 || (have & O_ACCMODE) == (need->flags & O_ACCMODE)) {
			need->fd = lent ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : fd;
			return need->fd < 0 ? err_sys(err, "cannot copy a descriptor") : 0;
		}
	}
	snprintf(path, sizeof(path), "self/fd/%d", fd);
	need->fd = openat(r->proc, path, need->flags | O_CLOEXEC);
	if (need->fd < 0)
		err_sys(err, "cannot open %s %u anew", need->file->kind->name, need->file->id);
	if (!lent)
		close(fd);
	return need->fd < 0 ? -err->code : 0;
}

int files_take(struct restore *r, struct err *err)
{
	struct fdtable_entry *e;
	struct file_need **need;

	if (r->self->fdtable->task == r->self)
		vec_for_each(e, &r->self->fdtable->entries)
			if (take_entry(r, e, err) < 0)
				return -err->code;
	vec_for_each(need, &r->self->needs)
		if (take_need(r, *need, err) < 0)
			return -err->code;
	return 0;
}

int files_link(struct restore *r, struct err *err)
{
	struct file **f;

	vec_for_each(f, &r->self->owned)
		if ((*f)->kind->link && (inject_point(err, "link:%s", (*f)->kind->name) < 0 ||
					 link_there(r, *f, err) < 0))
			return err_in(err, "%s %u", (*f)->kind->name, (*f)->id);
	return 0;
}

/* What has no place of its own was open until everybody had fetched and linked it. */
int files_done(struct restore *r, struct err *err)
{
	struct file **f;

	vec_for_each(f, &r->self->owned)
		if ((*f)->temp >= 0 && !(*f)->place)
			close((*f)->temp);
	return 0;
}
