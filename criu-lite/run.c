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
#include "core/script.h"
#include "dump.h"
#include "notify.h"
#include "restore.h"
#include "run.h"

static int open_dir(const char *path, const char *option, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	err_sys(err, "cannot open directory %s", path);
	return err_hint(err, "make it, or give another one by %s", option);
}

int run_enter(struct options *o, struct err *err)
{
	scoped_fd images = open_dir(o->common.images_dir, "-D", err);
	scoped_fd work = -1;

	if (images < 0)
		return images;
	if (o->common.work_dir && (work = open_dir(o->common.work_dir, "-W", err)) < 0)
		return work;
	if (fchdir(work >= 0 ? work : images) < 0)
		return err_sys(err, "cannot enter the work directory");

	o->common.images_fd = take_fd(&images);
	return 0;
}

bool run_log_is_file(const struct common_opts *o)
{
	return o->log_file && strcmp(o->log_file, "-") != 0;
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
