/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * restore - images into a container
 *
 * create	the runtime makes a container, as its config.json says, around a
 *		placeholder, and starts that
 * restore	criu-lite makes the placeholder the root of the tree: so the pid,
 *		namespaces and control groups are those that the runtime knows
 *
 * If anything fails the container is removed.
 *
 * not kept  what hooks "startContainer" and "poststart" would do is not done
 *	     again
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "oci-hook/bundle.h"
#include "oci-hook/options.h"
#include "oci-hook/process.h"

/* Copies of the standard descriptors, for the tree. */
enum { STDIO_COPIES = 20 };

struct restoring {
	struct call *c;
	struct bundle bundle;
	struct container container;
};

/* ---- before ---- */

static int check_images(struct call *c, struct err *err)
{
	const char *path = c->o.image_path ? c->o.image_path : "checkpoint";

	if (access(arena_printf(c->arena, "%s/inventory.img", path), R_OK) == 0)
		return 0;
	err_sys(err, "cannot restore from %s", path);
	if (err->code == ENOENT)
		err_why(err, "there is no checkpoint in it");
	return err_hint(err, "say where it is: --image-path");
}

static int read_bundle(struct restoring *r, struct err *err)
{
	const char *dir = r->c->o.bundle ? r->c->o.bundle : ".";
	char path[PATH_MAX];

	if (!realpath(dir, path)) {
		err_sys(err, "cannot use bundle %s", dir);
		return err_hint(err, "say where it is: --bundle");
	}
	return bundle_open(r->c, arena_strdup(r->c->arena, path), &r->bundle, err);
}

static bool has_terminal(const struct restoring *r)
{
	return json_is_true(r->bundle.config, "process.terminal");
}

static int check_console(const struct restoring *r, struct err *err)
{
	if (!has_terminal(r) || r->c->o.console_socket)
		return 0;
	err_set(err, EINVAL, "cannot restore container %s: it has a terminal", r->c->id);
	err_why(err, "nobody is told to take it");
	return err_hint(err, "give --console-socket");
}

/* ---- the container ---- */

static int make_container(struct restoring *r, int placeholder, struct err *err)
{
	struct process p = { .given = placeholder };
	struct call *c = r->c;
	words argv = { 0 };

	process_runtime(c, "create", &argv);
	process_add(c, &argv, "--bundle");
	process_add(c, &argv, r->bundle.path);
	if (c->o.no_pivot)
		process_add(c, &argv, "--no-pivot");
	process_add(c, &argv, "--preserve-fds");
	process_add(c, &argv, "1");
	process_add(c, &argv, c->id);
	return process_must(c, &argv, &p, err);
}

static int create(struct restoring *r, struct err *err)
{
	scoped_fd placeholder = bundle_placeholder(err);
	struct err later = { 0 };
	int ret;

	if (placeholder < 0 || bundle_change(r->c, &r->bundle, err) < 0)
		return -err->code;
	ret = make_container(r, placeholder, err);
	if (bundle_restore(&r->bundle, &later) == 0)
		return ret;
	*err = later;
	return -err->code;
}

/* The runtime lets it go on, and then it still has to execute the placeholder. */
static int wait_for_placeholder(const struct restoring *r, struct err *err)
{
	const struct timespec a_little = { .tv_nsec = 500000 };
	char link[32], to[64];

	snprintf(link, sizeof(link), "/proc/%d/exe", r->container.pid);
	for (int i = 0; i < 60000; i++) {
		ssize_t n = readlink(link, to, sizeof(to) - 1);

		if (n < 0)
			break;
		to[n] = '\0';
		if (strncmp(to, "/memfd:placeholder", 18) == 0)
			return 0;
		nanosleep(&a_little, NULL);
	}
	err_set(err, ESRCH, "cannot find the first process of container %s", r->c->id);
	return err_hint(err, "see what the runtime says above");
}

static int start(struct restoring *r, struct err *err)
{
	struct process p = { .quiet = true };
	words argv = { 0 };

	process_runtime(r->c, "start", &argv);
	process_add(r->c, &argv, r->c->id);
	if (process_must(r->c, &argv, &p, err) < 0 || container_state(r->c, &r->container, err) < 0)
		return -err->code;
	r->container.config = r->bundle.config;
	return wait_for_placeholder(r, err);
}

/* ---- the tree ---- */

static int copy_descriptor(const struct restoring *r, int fd, struct err *err)
{
	scoped_fd pidfd = (int)syscall(SYS_pidfd_open, r->container.pid, 0);
	scoped_fd its = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);

	if (its < 0 || dup2(its, STDIO_COPIES + fd) < 0)
		return err_sys(err, "cannot copy descriptor %d of process %d", fd,
			       r->container.pid);
	return 0;
}

/* Pipes of the standard descriptors are those that the placeholder has. */
static int add_pipes(const struct restoring *r, words *argv, struct err *err)
{
	struct call *c = r->c;

	const char *path = arena_printf(c->arena, "%s/descriptors.json", c->o.image_path);
	struct json *list;

	if (access(path, F_OK) < 0)
		return 0;
	if (json_read(c->arena, path, &list, err) < 0)
		return -err->code;
	for (int fd = 0; fd < 3 && (size_t)fd < list->items.n; fd++) {
		const char *was = list->items.items[fd]->text;

		if (!was || strncmp(was, "pipe:", 5) != 0)
			continue;
		if (copy_descriptor(r, fd, err) < 0)
			return -err->code;
		process_add(c, argv, "--inherit-fd");
		process_add(c, argv, arena_printf(c->arena, "fd[%d]:%s", STDIO_COPIES + fd, was));
	}
	return 0;
}

/* Wherever the runtime has put it. */
static int add_cgroups(const struct restoring *r, words *argv, struct err *err)
{
	struct call *c = r->c;
	const struct cgroup *g;
	cgroups all = { 0 };

	if (container_cgroups(c, r->container.pid, &all, err) < 0)
		return -err->code;
	vec_for_each(g, &all) {
		process_add(c, argv, "--cgroup-root");
		process_add(c, argv,
			    arena_printf(c->arena, "%.*s:%s", (int)strcspn(g->controllers, ","),
					 g->controllers, g->path));
	}
	return 0;
}

/* What others use, too, has its content. */
static void add_joined(const struct restoring *r, words *argv)
{
	static const char *const types[] = { "ipc", "uts" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		const char *path = container_namespace(&r->container, types[i]);

		if (!path || !*path)
			continue;
		process_add(r->c, argv, "--join-ns");
		process_add(r->c, argv, arena_printf(r->c->arena, "%s:%s", types[i], path));
	}
}

static int run_criu(struct restoring *r, struct err *err)
{
	struct call *c = r->c;
	words argv = { 0 };

	options_begin(c, "restore", "restore.log", &argv);
	options_config(c, r->bundle.config, &argv);
	process_add(c, &argv, "--restore-detached");
	process_add(c, &argv, "--into");
	process_add(c, &argv, arena_printf(c->arena, "%d", r->container.pid));
	if (has_terminal(r)) {
		process_add(c, &argv, "--console-socket");
		process_add(c, &argv, c->o.console_socket);
	}
	if (add_pipes(r, &argv, err) < 0 || add_cgroups(r, &argv, err) < 0)
		return -err->code;
	add_joined(r, &argv);
	return container_criu(c, &argv, err);
}

static int write_pid(const struct restoring *r, struct err *err)
{
	const char *path = r->c->o.pid_file, *draft, *text;

	if (!path)
		return 0;
	draft = arena_printf(r->c->arena, "%s.new", path);
	text = arena_printf(r->c->arena, "%d", r->container.pid);

	scoped_fd fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || io_write(fd, text, strlen(text)) < 0 || rename(draft, path) < 0)
		return err_sys(err, "cannot write %s", path);
	return 0;
}

static int fill(struct restoring *r, struct err *err)
{
	if (start(r, err) < 0 || bundle_give_back(r->c, &r->bundle, err) < 0)
		return -err->code;
	return run_criu(r, err) < 0 ? -err->code : write_pid(r, err);
}

int restore_fill(struct call *c, const struct bundle *b, struct err *err)
{
	struct restoring r = { .c = c, .bundle = *b };

	return fill(&r, err);
}

/* ---- in the foreground ---- */

/* Signals for us are for it. */
static int wait_for_end(const struct restoring *r)
{
	sigset_t all;
	int sig, status = 0;

	sigfillset(&all);
	while (waitpid(r->container.pid, &status, WNOHANG) == 0) {
		sig = sigwaitinfo(&all, NULL);
		if (sig > 0 && sig != SIGCHLD && sig != SIGURG && sig != SIGTTOU &&
		    sig != SIGTTIN && sig != SIGTSTP)
			kill(r->container.pid, sig);
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* It is blocked before: the end of the container may come at any moment. */
static void begin_foreground(void)
{
	sigset_t all;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
}

int restore(struct call *c, struct err *err)
{
	struct restoring r = { .c = c };
	struct err ignored = { 0 };
	int status;

	if (check_images(c, err) < 0 || options_directories(c, err) < 0 ||
	    read_bundle(&r, err) < 0 || check_console(&r, err) < 0)
		return -err->code;
	if (!c->o.detach && !c->o.no_subreaper)
		begin_foreground();
	if (create(&r, err) < 0)
		return -err->code;
	if (fill(&r, err) < 0) {
		container_delete(c, &ignored);
		return -err->code;
	}
	if (c->o.detach || c->o.no_subreaper)
		return 0;
	status = wait_for_end(&r);
	container_delete(c, &ignored);
	return status;
}
