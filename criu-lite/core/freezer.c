/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * freezer - a control group stands still for a moment
 *
 * Version 1 has freezer.state, version 2 cgroup.freeze.  A frozen task does not
 * come to its ptrace stop, so the group is thawed again as soon as all have been
 * told to stop.
 *
 * A guardian, a child of ours, does what is left to do if we are killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/freezer.h"
#include "core/opts.h"

struct freezer {
	int dir;
	const char *file, *frozen, *thawed; /* what is written */
	bool was_frozen, is_frozen;
	pid_t guardian;
};

static char *read_file(struct dump *d, const char *file)
{
	char *text;

	return io_slurp_at(d->freezer->dir, file, d->arena, &text, NULL) < 0 ? NULL : text;
}

static int write_state(struct freezer *f, const char *state)
{
	scoped_fd fd = openat(f->dir, f->file, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return io_write(fd, state, strlen(state));
}

/* "1" or "FROZEN" is what is wanted; whether all have come to it is told elsewhere in version 2. */
static bool is_wanted_frozen(struct dump *d)
{
	const char *text = read_file(d, d->freezer->file);

	return text && (*text == '1' || strncmp(text, "FR", 2) == 0);
}

static bool is_frozen(struct dump *d)
{
	bool v2 = *d->freezer->frozen == '1';
	const char *text = read_file(d, v2 ? "cgroup.events" : d->freezer->file);

	return text && (v2 ? strstr(text, "frozen 1") != NULL : strncmp(text, "FROZEN", 6) == 0);
}

static int open_freezer(struct dump *d, struct err *err)
{
	const char *path = d->opts->freeze_cgroup;
	struct freezer *f = arena_new(d->arena, struct freezer);

	f->dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (f->dir < 0) {
		err_sys(err, "cannot open the control group %s", path);
		return err_hint(err, "give the directory of a group with --freeze-cgroup");
	}
	d->freezer = f;
	if (faccessat(f->dir, "freezer.state", F_OK, 0) == 0) {
		f->file = "freezer.state";
		f->frozen = "FROZEN";
		f->thawed = "THAWED";
	} else if (faccessat(f->dir, "cgroup.freeze", F_OK, 0) == 0) {
		f->file = "cgroup.freeze";
		f->frozen = "1";
		f->thawed = "0";
	} else {
		err_set(err, EINVAL, "cannot freeze %s: it is no control group that can be frozen",
			path);
		return err_hint(err,
				"give a group of the freezer, or of version 2, below its root");
	}
	return 0;
}

static int wait_until_frozen(struct dump *d, struct err *err)
{
	const struct timespec a_little = { .tv_nsec = 1000000 };
	unsigned int ms;

	for (ms = 0; !d->opts->common.timeout || ms < d->opts->common.timeout * 1000; ms++) {
		if (is_frozen(d))
			return 0;
		/* version 1: looking is what makes it try again */
		nanosleep(&a_little, NULL);
	}
	err_set(err, ETIMEDOUT, "cannot freeze %s", d->opts->freeze_cgroup);
	return err_hint(err,
			"one of its tasks cannot be interrupted; allow more time by --timeout");
}

/* Whoever ends what belongs to our terminal or group does not end the guardian. */
static void guard(struct freezer *f, int host) __attribute__((noreturn));
static void guard(struct freezer *f, int host)
{
	struct pollfd end = { .fd = host, .events = POLLIN };
	sigset_t all;

	setsid();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	while (poll(&end, 1, -1) < 0 && errno == EINTR)
		;
	write_state(f, f->was_frozen ? f->frozen : f->thawed);
	_exit(0);
}

static int guardian_begin(struct freezer *f, struct err *err)
{
	scoped_fd host = (int)syscall(SYS_pidfd_open, getpid(), 0);

	/* a child without a signal at its end */
	f->guardian = host < 0 ? -1 : (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
	if (f->guardian == 0)
		guard(f, host);
	return f->guardian < 0 ? err_sys(err, "cannot make a process that thaws if we are killed")
			       : 0;
}

static void guardian_end(struct freezer *f)
{
	if (f->guardian <= 0)
		return;
	kill(f->guardian, SIGKILL);
	while (waitpid(f->guardian, NULL, __WALL) < 0 && errno == EINTR)
		;
	f->guardian = 0;
}

int freezer_freeze(struct dump *d, struct err *err)
{
	struct freezer *f;
	int ret;

	if (open_freezer(d, err) < 0)
		return -err->code;
	f = d->freezer;
	f->was_frozen = is_wanted_frozen(d);
	if (guardian_begin(f, err) < 0)
		return -err->code;
	f->is_frozen = true;
	ret = write_state(f, f->frozen);
	if (ret < 0)
		return err_set(err, -ret, "cannot freeze %s", d->opts->freeze_cgroup);
	return wait_until_frozen(d, err);
}

int freezer_thaw(struct dump *d, struct err *err)
{
	struct freezer *f = d->freezer;
	int ret;

	if (!f || !f->file || !f->is_frozen)
		return 0;
	ret = write_state(f, f->thawed);
	if (ret < 0)
		return err_set(err, -ret, "cannot thaw %s", d->opts->freeze_cgroup);
	f->is_frozen = false;
	return 0;
}

void freezer_end(struct dump *d)
{
	struct freezer *f = d->freezer;

	if (!f)
		return;
	if (f->was_frozen && write_state(f, f->frozen) < 0)
		log_warn("cannot freeze %s again", d->opts->freeze_cgroup);
	guardian_end(f);
	close(f->dir);
	d->freezer = NULL;
}

bool freezer_is(const struct dump *d, int group)
{
	struct stat ours, its;

	return d->freezer && fstat(d->freezer->dir, &ours) == 0 && fstat(group, &its) == 0 &&
	       ours.st_dev == its.st_dev && ours.st_ino == its.st_ino;
}

bool freezer_was_frozen(const struct dump *d)
{
	return d->freezer && d->freezer->was_frozen;
}
