/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * time - clocks that count from another start
 *
 * collect   CLOCK_MONOTONIC and CLOCK_BOOTTIME as the tree reads them; of a tree
 *           that has our clocks, ours
 * entered   the offsets with which they go on, in force for the next child, the
 *           root task; inside of the user namespace, so that tasks may enter it
 *
 * Tasks may have namespaces of their own, and one may have made another for its
 * children (unshare), which cannot be had in any other way: then it makes it again
 * itself, when it is born, and its children are born into it.  All others the coordinator
 * makes, and who is to be in one goes there when it is born.
 *
 * Clocks must not run backwards: a tree that had the clocks of its host gets a
 * namespace of its own if those of this host are behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "core/kind.h"
#include "core/proc.h"
#include "core/task.h"
#include "images/image.h"
#include "images/timens.pb-c.h"

enum { SECOND = 1000000000, HOST_ID = 0 };

enum { MONOTONIC, BOOTTIME, NR_CLOCKS };

static const struct {
	clockid_t id;
	const char *name; /* in timens_offsets */
} clocks[NR_CLOCKS] = {
	[MONOTONIC] = { CLOCK_MONOTONIC, "monotonic" },
	[BOOTTIME] = { CLOCK_BOOTTIME, "boottime" },
};

/* One that this task, or an ancestor, has made for its children. */
struct made_ns {
	const struct ns *ns;
	int fd;
};

struct time_state {
	char *own;  /* the coordinator's own offsets */
	int own_ns; /* the coordinator's own namespace, 0: not open */
	vec(struct made_ns) made;
};

extern const struct ns_kind time_ns_kind;

/* The system call: what the vdso has cached belongs to the namespace we were in. */
static void read_clock(size_t clock, Timespec *ret)
{
	struct timespec now = { 0 };

	syscall(SYS_clock_gettime, clocks[clock].id, &now);
	ret->tv_sec = (uint64_t)now.tv_sec;
	ret->tv_nsec = (uint64_t)now.tv_nsec;
}

static TimensEntry *read_clocks(struct arena *a)
{
	TimensEntry *e = record_of(a, &timens_entry__descriptor);

	e->monotonic = record_of(a, &timespec__descriptor);
	e->boottime = record_of(a, &timespec__descriptor);
	read_clock(MONOTONIC, e->monotonic);
	read_clock(BOOTTIME, e->boottime);
	return e;
}

/* What clocks are ahead of the machine's: "monotonic    -5   0". */
static int64_t offset_in(const char *text, const char *name)
{
	struct text value;
	int64_t sec, nsec;

	if (!text_find(text, name, &value) || !text_s64(&value, &sec) || !text_s64(&value, &nsec))
		return 0;
	return sec * SECOND + nsec;
}

/* ---- dump ---- */

static void shift(Timespec *t, int64_t by)
{
	int64_t now = (int64_t)t->tv_sec * SECOND + (int64_t)t->tv_nsec + by;

	t->tv_sec = (uint64_t)(now / SECOND);
	t->tv_nsec = (uint64_t)(now % SECOND);
}

/* Nobody is in it, and its clocks can still be set: going there would end that. */
static int collect_prepared(struct dump *d, struct ns *ns, struct err *err)
{
	TimensEntry *e = read_clocks(d->arena);
	char path[32], *ours, *theirs;

	snprintf(path, sizeof(path), "%d/timens_offsets", ns->maker->host_alive);
	if (proc_slurp(d->proc, "self/timens_offsets", d->arena, &ours, NULL, err) < 0 ||
	    proc_slurp(d->proc, path, d->arena, &theirs, NULL, err) < 0)
		return -err->code;
	shift(e->monotonic,
	      offset_in(theirs, clocks[MONOTONIC].name) - offset_in(ours, clocks[MONOTONIC].name));
	shift(e->boottime,
	      offset_in(theirs, clocks[BOOTTIME].name) - offset_in(ours, clocks[BOOTTIME].name));
	ns->data = e;
	return 0;
}

static int collect_time(struct dump *d, struct ns *ns, struct err *err)
{
	struct ns_visit visit;

	if (!ns->task)
		return collect_prepared(d, ns, err);
	if (ns_enter_dump(d, ns, &visit, err) < 0)
		return -err->code;
	ns->data = read_clocks(d->arena);
	return ns_leave(&visit, err);
}

static int write_time(struct dump *d, struct ns *ns, struct err *err)
{
	const TimensEntry *e = ns->data;

	return image_put_one(d->store, IMAGE_TIMENS, ns->id, &e->base, err);
}

static int write_inherited_time(struct dump *d, struct err *err)
{
	return image_put_one(d->store, IMAGE_TIMENS, HOST_ID, &read_clocks(d->arena)->base, err);
}

/* ---- restore ---- */

static int64_t nanoseconds(const Timespec *t)
{
	return (int64_t)t->tv_sec * SECOND + (int64_t)t->tv_nsec;
}

static int check(const TimensEntry *e, uint32_t id, struct err *err)
{
	enum { MOST = INT32_MAX }; /* seconds; offsets beyond are refused by the kernel */

	if (e->monotonic->tv_sec < MOST && e->boottime->tv_sec < MOST &&
	    e->monotonic->tv_nsec < SECOND && e->boottime->tv_nsec < SECOND)
		return 0;
	return err_set(err, EINVAL, "cannot use timens-%u.img: it has no sensible clocks", id);
}

static int read_time(struct restore *r, struct ns *ns, struct err *err)
{
	bool found;

	if (image_get_one(r->store, IMAGE_TIMENS, ns->id, r->arena, &ns->data, &found, err) < 0)
		return -err->code;
	if (!found)
		return err_set(err, ENOENT, "cannot read timens-%u.img: there is no such image",
			       ns->id);
	return check(ns->data, ns->id, err);
}

/* Were the clocks of its host ahead of ours? */
static int is_time_behind(struct restore *r, bool *needed_ret, struct err *err)
{
	const TimensEntry *now = read_clocks(r->arena), *then;
	bool found;
	void *e;

	*needed_ret = false;
	if (image_get_one(r->store, IMAGE_TIMENS, HOST_ID, r->arena, &e, &found, err) < 0)
		return -err->code;
	if (!found)
		return 0;
	then = e;
	*needed_ret = nanoseconds(now->monotonic) < nanoseconds(then->monotonic) ||
		      nanoseconds(now->boottime) < nanoseconds(then->boottime);
	return 0;
}

/* Rounded down, as the kernel has it: nanoseconds are never negative. */
static char *offset_line(struct arena *a, const char *name, int64_t offset)
{
	int64_t sec = offset / SECOND, nsec = offset % SECOND;

	if (nsec < 0) {
		nsec += SECOND;
		sec--;
	}
	return arena_printf(a, "%s %" PRId64 " %" PRId64 "\n", name, sec, nsec);
}

/* @own: our offsets before this; in force for our next child. */
static int make_for_children(struct restore *r, const struct ns *ns, const char *own,
			     struct err *err)
{
	const TimensEntry *now, *then = ns->data;
	char *mono, *boot, *lines;

	if (unshare(CLONE_NEWTIME) < 0)
		return err_sys(err, "cannot make a time namespace");
	now = read_clocks(r->arena);
	mono = offset_line(r->arena, "monotonic",
			   nanoseconds(then->monotonic) - nanoseconds(now->monotonic) +
				   offset_in(own, "monotonic"));
	boot = offset_line(r->arena, "boottime",
			   nanoseconds(then->boottime) - nanoseconds(now->boottime) +
				   offset_in(own, "boottime"));
	lines = arena_printf(r->arena, "%s%s", mono, boot);

	scoped_fd fd = openat(r->proc, "self/timens_offsets", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, lines, strlen(lines)) != (ssize_t)strlen(lines))
		return err_sys(err, "cannot set the clocks of a time namespace");
	return 0;
}

static int read_own(struct restore *r, char **own_ret, struct err *err)
{
	if (proc_slurp(r->proc, "self/timens_offsets", r->arena, own_ret, NULL, err) < 0)
		return err_hint(err, "time namespaces need Linux 5.6");
	return 0;
}

/* In the coordinator, before any other is made: what it has for children then is no more its own. */
static int entered_time(struct restore *r, struct ns *ns, struct err *err)
{
	struct time_state *s = kind_state(r->kinds, &time_ns_kind);

	if (!s->own && read_own(r, &s->own, err) < 0)
		return -err->code;
	if (!s->own_ns)
		s->own_ns = openat(r->proc, "self/ns/time", O_RDONLY | O_CLOEXEC);
	if (s->own_ns < 0)
		return err_sys(err, "cannot open our time namespace");
	return ns->is_root ? make_for_children(r, ns, s->own, err) : 0;
}

static int make_time(struct restore *r, struct ns *ns, struct err *err)
{
	const struct time_state *s = kind_state(r->kinds, &time_ns_kind);

	if (ns->is_root || ns->maker)
		return 0;
	if (make_for_children(r, ns, s->own, err) < 0)
		return -err->code;
	ns->fd = openat(r->proc, "self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	return ns->fd < 0 ? err_sys(err, "cannot open a time namespace") : 0;
}

static void restore_end_time(struct restore *r, bool ok)
{
	struct time_state *s = kind_state(r->kinds, &time_ns_kind);

	if (s->own_ns > 0)
		close(s->own_ns);
	s->own_ns = 0;
}

const struct ns_kind time_ns_kind = {
	.name = "time",
	.type = NS_TIME,
	.state_size = sizeof(struct time_state),
	.collect = collect_time,
	.write = write_time,
	.write_inherited = write_inherited_time,
	.is_needed = is_time_behind,
	.read = read_time,
	.entered = entered_time,
	.make = make_time,
	.restore_end = restore_end_time,
};

/* ---- in a newborn ---- */

/* A descriptor of that of @t: one that an ancestor has made, or one of the coordinator's. */
static int open_own(struct restore *r, const struct task *t, struct err *err)
{
	const struct time_state *s = kind_state(r->kinds, &time_ns_kind);
	const struct ns *ns = ns_of_task(r->ns, t, NS_TIME);
	const struct made_ns *made;
	int fd;

	if (!ns || !ns->maker)
		return restore_borrow_fd(r, ns ? ns->fd : s->own_ns, err);
	vec_for_each(made, &s->made) {
		if (made->ns != ns)
			continue;
		fd = fcntl(made->fd, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? err_sys(err, "cannot copy a descriptor") : fd;
	}
	return err_set(err, EBADMSG, "cannot enter time namespace %u: no ancestor has made it",
		       ns->id);
}

static int join_own(struct restore *r, const struct task *t, struct err *err)
{
	scoped_fd fd = open_own(r, t, err);
	struct stat is, wanted;

	if (fd < 0)
		return fd;
	if (fstat(fd, &wanted) < 0 || fstatat(r->proc, "self/ns/time", &is, 0) < 0)
		return err_sys(err, "cannot ask for the number of a namespace");
	if (is.st_ino != wanted.st_ino && setns(fd, CLONE_NEWTIME) < 0)
		return err_sys(err, "cannot enter a time namespace");
	return 0;
}

/* Children that are born have a copy of the descriptor; it is closed when files are prepared. */
static int make_own(struct restore *r, const struct task *t, struct err *err)
{
	struct time_state *s = kind_state(r->kinds, &time_ns_kind);
	struct made_ns made = { 0 };
	char *own;

	if (!t->ids->has_time_children_ns_id)
		return 0;
	made.ns = ns_by_id(r->ns, NS_TIME, t->ids->time_children_ns_id);
	if (read_own(r, &own, err) < 0 || make_for_children(r, made.ns, own, err) < 0)
		return -err->code;
	made.fd = openat(r->proc, "self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (made.fd < 0)
		return err_sys(err, "cannot open a time namespace");
	*vec_add(r->arena, &s->made) = made;
	return 0;
}

static bool has_nested(const struct restore *r)
{
	struct ns **ns;

	vec_for_each(ns, &r->ns->all)
		if ((*ns)->type == NS_TIME && !(*ns)->is_root)
			return true;
	return false;
}

static int newborn_clocks(struct restore *r, struct task *t, struct err *err)
{
	if (!has_nested(r))
		return 0;
	return join_own(r, t, err) < 0 ? -err->code : make_own(r, t, err);
}

const struct task_kind clocks_kind = {
	.name = "clocks",
	.newborn = newborn_clocks,
};
