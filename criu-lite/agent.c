/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * agent - receives a tree that migrates to this host
 *
 * It talks with stdin and stdout, which somebody has connected with `criu-lite
 * migrate` (see move.h).  What became of each migration stands in a file of
 * its own, /run/criu-lite/ID, which is locked as long as that is not decided:
 *
 *	""		nothing yet: if nobody has it locked, it has come to nothing
 *	"going PID"	was told to go; it runs if that process is there
 *	"running"
 *	"failed"	and will never run
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/script.h"
#include "move.h"
#include "options.h"
#include "run.h"

#define STATE_DIR "/run/criu-lite"

struct agent {
	struct arena *arena;
	int in, out;
	int state; /* the file of this migration, locked */
	struct move_hello hello;
	char dir[32]; /* of images */
	int dirfd;
	opt_strings args; /* of restore */
	struct script_listener listener;
};

/* ---- the file that tells ---- */

static int open_state(const char *id, struct err *err)
{
	char path[128];

	if (strspn(id, "0123456789abcdef") != strlen(id) || !*id)
		return err_set(err, EPROTO, "cannot use the migration \"%s\"", id);
	if (mkdir(STATE_DIR, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "cannot make %s", STATE_DIR);
	snprintf(path, sizeof(path), STATE_DIR "/%s", id);

	scoped_fd fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return err_sys(err, "cannot open %s", path);
	return take_fd(&fd);
}

static void read_state(int fd, char text[32])
{
	ssize_t n = pread(fd, text, 31, 0);

	text[n < 0 ? 0 : n] = '\0';
}

/* On disk or not: it is for those who come while this host is up. */
static int write_state(int fd, const char *text, struct err *err)
{
	int ret = ftruncate(fd, 0) < 0 ? -errno : io_pwrite(fd, text, strlen(text), 0);

	return ret < 0 ? err_set(err, -ret, "cannot note what became of the migration") : 0;
}

static bool is_alive(const char *text)
{
	int pid = 0;

	return sscanf(text, "going %d", &pid) == 1 && pid > 0 &&
	       (kill(pid, 0) == 0 || errno != ESRCH);
}

/* The lock is ours, so it is decided. */
static int answer_question(struct agent *g, const char *id, struct err *err)
{
	scoped_fd fd = open_state(id, err);
	char text[32];

	if (fd < 0)
		return fd;
	read_state(fd, text);
	if (strcmp(text, "running") == 0 || is_alive(text))
		return move_send(g->out, MOVE_DONE, NULL, 0);
	if (write_state(fd, "failed", err) < 0)
		return -err->code;
	err_set(err, ECANCELED, "cannot hand over: it was not begun there");
	return move_send(g->out, MOVE_NO, err, sizeof(*err));
}

/* ---- what the tree needs ---- */

static int check_hello(struct agent *g, const char *data, size_t len, struct err *err)
{
	struct utsname u;
	char text[32];

	if (len != sizeof(g->hello))
		return err_set(err, EPROTO, "cannot understand who asks");
	memcpy(&g->hello, data, sizeof(g->hello));
	g->hello.id[sizeof(g->hello.id) - 1] = g->hello.machine[sizeof(g->hello.machine) - 1] = 0;
	uname(&u);
	if (g->hello.version != MOVE_VERSION) {
		err_set(err, EPROTO, "cannot receive from version %u", g->hello.version);
		return err_hint(err, "install the same criu-lite on both hosts");
	}
	if (strcmp(u.machine, g->hello.machine) != 0) {
		err_set(err, ENOEXEC, "cannot run tasks of a %s on a %s", g->hello.machine,
			u.machine);
		return err_hint(err, "take a host of the same sort");
	}
	g->state = open_state(g->hello.id, err);
	if (g->state < 0)
		return g->state;
	read_state(g->state, text);
	return text[0] ? err_set(err, ECANCELED, "cannot begin a migration that is over") : 0;
}

/* "SIZE PATH" */
static int check_file(const char *text, struct err *err)
{
	long long size;
	int at = 0;
	struct stat st;

	if (sscanf(text, "%lld %n", &size, &at) != 1 || !at)
		return err_set(err, EPROTO, "cannot understand which file is needed");
	if (stat(text + at, &st) < 0) {
		err_sys(err, "cannot find %s there", text + at);
		return err_hint(err, "have the same programs and libraries on both hosts");
	}
	if (st.st_size == size)
		return 0;
	err_set(err, ESTALE, "cannot use %s there: it has %lld bytes, not %lld", text + at,
		(long long)st.st_size, size);
	return err_hint(err, "have the same programs and libraries on both hosts");
}

static int check_pid(const char *text, struct err *err)
{
	pid_t pid = atoi(text);

	if (pid > 0 && kill(pid, 0) < 0 && errno == ESRCH)
		return 0;
	err_set(err, EEXIST, "cannot use pid %d there, somebody has it", pid);
	return err_hint(err, "stop that process, or run the tree in a pid namespace of its own");
}

static int check_space(const struct agent *g, const char *text, struct err *err)
{
	unsigned long long need = strtoull(text, NULL, 10), have;
	struct statvfs v;

	if (statvfs(g->dir, &v) < 0)
		return err_sys(err, "cannot ask how much room there is");
	have = (unsigned long long)v.f_bavail * v.f_frsize;
	if (have >= need)
		return 0;
	err_set(err, ENOSPC, "cannot take %llu MiB of images there, there is room for %llu",
		need >> 20, have >> 20);
	return err_hint(err, "make room in /var/tmp");
}

/* ---- restore ---- */

/*
 * All is complete, and stopped.  Told in the process outside of the namespaces,
 * if there is one, so nothing is kept but in files.
 */
static int tell_ready(void *self, const char *action, pid_t root_pid, int fd, struct err *err)
{
	struct agent *g = self;
	char buf[64], text[32];
	enum move_type type;
	size_t len;
	int ret;

	if (strcmp(action, "pre-resume") != 0)
		return 0;
	ret = move_send(g->out, MOVE_READY, NULL, 0);
	if (ret == 0)
		ret = move_receive(g->in, &type, buf, sizeof(buf), &len);
	if (ret < 0 || type != MOVE_GO)
		return err_set(err, ret < 0 ? -ret : EPROTO, "cannot go on: nobody says so");
	snprintf(text, sizeof(text), "going %d", root_pid);
	return write_state(g->state, text, err);
}

static int restore(struct agent *g, pid_t *root_ret, struct err *err)
{
	const char **argv = arena_array(g->arena, const char *, g->args.n + 8);
	struct options *o = arena_new(g->arena, struct options);
	int n = 0;

	argv[n++] = "criu-lite";
	argv[n++] = "restore";
	argv[n++] = "-d";
	argv[n++] = "-v4";
	argv[n++] = "-orestore.log";
	for (size_t i = 0; i < g->args.n; i++)
		argv[n++] = g->args.items[i];
	argv[n++] = "-D";
	argv[n++] = g->dir;
	if (options_read(o, g->arena, n, (char **)argv, err) < 0 || run_enter(o, err) < 0 ||
	    run_open_log(o, err) < 0)
		return -err->code;
	g->listener = (struct script_listener){ .self = g, .tell = tell_ready };
	o->common.listener = &g->listener;
	return run_restore(o, root_ret, err);
}

/*
 * Once it runs, nothing that goes wrong here may say that it does not: whoever
 * has not heard of it, asks.
 */
static int restore_and_tell(struct agent *g, struct err *err)
{
	pid_t root = 0;

	if (restore(g, &root, err) < 0 && !root)
		return -err->code;
	write_state(g->state, "running", err);
	move_send(g->out, MOVE_DONE, &root, sizeof(root));
	memset(err, 0, sizeof(*err));
	return 0;
}

/* ---- the conversation ---- */

static int obey(struct agent *g, enum move_type type, const char *text, size_t len, struct err *err)
{
	switch (type) {
	case MOVE_HELLO:
		return check_hello(g, text, len, err);
	case MOVE_ARG:
		*vec_add(g->arena, &g->args) = arena_printf(g->arena, "%s", text);
		return 0;
	case MOVE_FILE_IS:
		return check_file(text, err);
	case MOVE_PID:
		return check_pid(text, err);
	case MOVE_SPACE:
		return check_space(g, text, err);
	case MOVE_CHECK:
		return move_send(g->out, MOVE_OK, NULL, 0);
	case MOVE_ASK:
		return answer_question(g, text, err);
	case MOVE_RESTORE:
		if (g->state < 0)
			return err_set(err, EPROTO, "cannot restore for nobody");
		return restore_and_tell(g, err);
	default:
		return err_set(err, EPROTO, "cannot understand message %d", type);
	}
}

static int serve(struct agent *g, struct err *err)
{
	static char text[MOVE_TEXT_MAX];
	enum move_type type;
	uint64_t len;

	while (move_receive_head(g->in, &type, &len) == 0) {
		if (type == MOVE_IMAGE) {
			if (move_receive_image(g->in, g->dirfd, len, err) < 0)
				return -err->code;
			continue;
		}
		if (len >= sizeof(text) || io_read(g->in, text, len) < 0)
			return err_set(err, EPROTO, "cannot read message %d", type);
		text[len] = '\0';
		if (obey(g, type, text, len, err) < 0)
			return err->code ? -err->code : err_set(err, EPIPE, "cannot answer");
	}
	return 0;
}

/* What is said on stdout by others shall not get into the conversation. */
static int take_connection(struct agent *g, struct err *err)
{
	scoped_fd null = open("/dev/null", O_RDWR | O_CLOEXEC);

	g->in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	g->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (g->in < 0 || g->out < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return err_sys(err, "cannot take stdin and stdout");
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static int make_dir(struct agent *g, struct err *err)
{
	snprintf(g->dir, sizeof(g->dir), "/var/tmp/criu-lite.XXXXXX");
	if (!mkdtemp(g->dir))
		return err_sys(err, "cannot make a directory for images");
	g->dirfd = open(g->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return g->dirfd < 0 ? err_sys(err, "cannot open %s", g->dir) : 0;
}

int agent_run(struct arena *a, int argc, char **argv, struct err *err)
{
	struct agent g = { .arena = a, .state = -1, .dirfd = -1 };
	struct err ignored = { 0 };
	int ret;

	if (argc > 1) {
		err_set(err, EINVAL, "cannot use %s", argv[1]);
		return err_hint(err, "the agent takes no options: migrate sends them");
	}
	if (take_connection(&g, err) < 0 || make_dir(&g, err) < 0)
		return -err->code;
	ret = serve(&g, err);
	if (ret < 0) {
		if (g.state >= 0)
			write_state(g.state, "failed", &ignored);
		move_send(g.out, MOVE_NO, err, sizeof(*err));
	}
	if (chdir("/") == 0)
		move_remove_dir(g.dir);
	return ret;
}
