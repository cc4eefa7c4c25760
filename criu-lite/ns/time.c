/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * time - clocks that count from another start
 *
 * collect   CLOCK_MONOTONIC and CLOCK_BOOTTIME as the tree reads them; of a tree
 *           that has our clocks, ours
 * enter     the offsets with which they go on, in force for the next child, the
 *           root task
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

/* ---- dump ---- */

static int collect_time(struct dump *d, struct ns *ns, struct err *err)
{
	struct ns_visit visit;

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

/* What our own clocks are ahead of the machine's: "monotonic    -5   0". */
static int64_t own_offset(const char *text, const char *name)
{
	struct text value;
	int64_t sec, nsec;

	if (!text_find(text, name, &value) || !text_s64(&value, &sec) || !text_s64(&value, &nsec))
		return 0;
	return sec * SECOND + nsec;
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

static int enter_time(struct restore *r, struct ns *ns, struct err *err)
{
	const TimensEntry *now, *then = ns->data;
	char *own, *mono, *boot, *lines;

	if (proc_slurp(r->proc, "self/timens_offsets", r->arena, &own, NULL, err) < 0)
		return err_hint(err, "time namespaces need Linux 5.6");
	if (unshare(CLONE_NEWTIME) < 0)
		return err_sys(err, "cannot make a time namespace");

	now = read_clocks(r->arena);
	mono = offset_line(r->arena, "monotonic",
			   nanoseconds(then->monotonic) - nanoseconds(now->monotonic) +
				   own_offset(own, "monotonic"));
	boot = offset_line(r->arena, "boottime",
			   nanoseconds(then->boottime) - nanoseconds(now->boottime) +
				   own_offset(own, "boottime"));
	lines = arena_printf(r->arena, "%s%s", mono, boot);

	scoped_fd fd = openat(r->proc, "self/timens_offsets", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, lines, strlen(lines)) != (ssize_t)strlen(lines))
		return err_sys(err, "cannot set the clocks of a time namespace");
	return 0;
}

const struct ns_kind time_ns_kind = {
	.name = "time",
	.type = NS_TIME,
	.collect = collect_time,
	.write = write_time,
	.write_inherited = write_inherited_time,
	.is_needed = is_time_behind,
	.read = read_time,
	.enter = enter_time,
};
