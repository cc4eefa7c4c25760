/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * run - one dump or restore, whoever asked for it
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/dedup.h"
#include "core/script.h"
#include "dump.h"
#include "images/store.h"
#include "notify.h"
#include "restore.h"
#include "run.h"

bool run_log_is_file(const struct common_opts *o)
{
	return o->log_file && strcmp(o->log_file, "-") != 0;
}

static int open_dir(const char *path, const char *option, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	err_sys(err, "cannot open directory %s", path);
	return err_hint(err, "make it, or give another one by %s", option);
}

static int not_a_stream(const char *what, const char *hint, struct err *err)
{
	err_set(err, EINVAL, "cannot use %s as the stream of images", what);
	return err_hint(err, "%s", hint);
}

/* What others write to stdout goes to stderr from now on; what they read is empty. */
static int open_stream(struct common_opts *c, bool writes, struct err *err)
{
	int std = writes ? STDOUT_FILENO : STDIN_FILENO, fd;

	if (c->log_file && !run_log_is_file(c))
		return not_a_stream("stdout", "leave out -o -: the log then goes to stderr", err);
	if (isatty(std))
		return not_a_stream("a terminal",
				    writes ? "send stdout to a file or pipe: dump -D - >FILE"
					   : "give it on stdin: restore -D - <FILE",
				    err);
	fd = fcntl(std, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return err_sys(err, "cannot copy a descriptor");
	scoped_fd other = writes ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)
				 : open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (other >= 0)
		dup2(other, std);
	c->stream = true;
	return fd;
}

static int open_images(struct options *o, struct err *err)
{
	if (strcmp(o->common.images_dir, "-") == 0 && o->command & (COMMAND_DUMP | COMMAND_RESTORE))
		return open_stream(&o->common, o->command == COMMAND_DUMP, err);
	return open_dir(o->common.images_dir, "-D", err);
}

int run_enter(struct options *o, struct err *err)
{
	scoped_fd images = open_images(o, err);
	scoped_fd work = -1;

	if (images < 0)
		return images;
	if (o->common.work_dir && (work = open_dir(o->common.work_dir, "-W", err)) < 0)
		return work;
	if (!(work < 0 && o->common.stream) && fchdir(work >= 0 ? work : images) < 0)
		return err_sys(err, "cannot enter the work directory");

	o->common.images_fd = take_fd(&images);
	return 0;
}

int run_open_log(const struct options *o, struct err *err)
{
	const struct common_opts *c = &o->common;
	int fd = c->log_file ? STDOUT_FILENO : STDERR_FILENO;
	const char **note;
	struct utsname u;

	if (run_log_is_file(c)) {
		fd = open(c->log_file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
		if (fd < 0) {
			err_sys(err, "cannot open log file %s", c->log_file);
			return err_hint(err, "give another one by -o; it is in the work directory");
		}
	}

	log_init(fd, (enum log_level)c->verbosity);
	uname(&u);
	log_info("Version: %s (gitid 0)", CRIU_VERSION);
	log_info("criu-lite %s: %s", CRIU_LITE_VERSION, o->command_name);
	log_info("Running on %s %s %s %s %s", u.nodename, u.sysname, u.release, u.version,
		 u.machine);
	vec_for_each(note, &o->notes)
		log_info("%s", *note);
	return 0;
}

int run_announce(const struct options *o, struct err *err)
{
	if (o->restore.pidfile && notify_pidfile(o->restore.pidfile, getpid(), err) < 0)
		return -err->code;
	if (script_run(&o->common, "status-ready", o->common.images_fd, 0, err) < 0)
		return -err->code;
	return o->common.status_fd >= 0 ? notify_ready(o->common.status_fd, err) : 0;
}

int run_dump(struct options *o, struct refusals *refused, struct err *err)
{
	o->dump.common = o->common;
	if (dump_run(&o->dump, refused, err) < 0) {
		log_error("Dumping FAILED.");
		return -err->code;
	}
	log_info("Dumping finished successfully");
	return 0;
}

int run_predump(struct options *o, struct refusals *refused, struct err *err)
{
	o->dump.common = o->common;
	o->dump.common.leave_stopped = false;
	o->dump.leave_running = o->dump.track_mem = true;
	if (predump_run(&o->dump, refused, err) < 0) {
		log_error("Pre-dumping FAILED.");
		return -err->code;
	}
	log_info("Pre-dumping finished successfully");
	return 0;
}

int run_dedup(const struct options *o, struct err *err)
{
	int fd = fcntl(o->common.images_fd, F_DUPFD_CLOEXEC, 3), ret;
	struct store *store = NULL;
	struct arena a;

	if (fd < 0)
		return err_sys(err, "cannot copy a descriptor");
	arena_init(&a);
	ret = store_open_dirfd(&a, fd, &store, err);
	if (ret == 0)
		ret = dedup_dir(&a, store, err);
	store_close(store);
	arena_fini(&a);
	return ret;
}

int run_restore(struct options *o, pid_t *root_ret, struct err *err)
{
	o->restore.common = o->common;
	if (restore_run(&o->restore, root_ret, err) < 0) {
		log_error("Restoring FAILED.");
		return -err->code;
	}
	if (o->restore.dry_run)
		log_info("Restore is possible as far as one can tell before");
	else
		log_info("Restore finished successfully. Tasks resumed.");
	return 0;
}

void run_log_error(const struct common_opts *o, const struct err *err)
{
	if (!run_log_is_file(o) || log_fd() <= STDERR_FILENO)
		return;
	log_error("%s: %s", err->what, err->why);
	if (err->hint[0])
		log_error("do: %s", err->hint);
}
