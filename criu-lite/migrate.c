/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * migrate - a tree goes to another host, whole or not at all
 *
 * A dump whose end waits for the other side: while "post-dump" is told, the tree is
 * frozen and its network locked, images go over, and the agent restores.  What
 * that says decides whether the tree ends here or goes on.  See move.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/proc.h"
#include "core/program.h"
#include "core/script.h"
#include "move.h"
#include "options.h"
#include "run.h"

struct migration {
	struct arena *arena;
	const char *via; /* a shell command that connects us with an agent */
	struct move_hello hello;
	char dir[32];
	int link; /* to the agent, -1: none */
	pid_t child;
	opt_strings args; /* of restore */
	bool handed_over;
	struct script_listener listener;
};

void move_usage(FILE *f)
{
	fprintf(f,
		"  criu-lite migrate -t PID --to HOST [OPTIONS OF DUMP] [-- OPTIONS OF RESTORE]\n"
		"  criu-lite migrate -t PID --via COMMAND ...\n"
		"  criu-lite agent\n");
}

/* ---- the connection ---- */

static int open_link(struct migration *m, struct err *err)
{
	const char *const argv[] = { "/bin/sh", "-c", m->via, NULL };
	posix_spawn_file_actions_t files;
	int ends[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "cannot make a socket pair");
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, ends[1], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
	ret = program_spawn(argv, environ, &files, &m->child);
	posix_spawn_file_actions_destroy(&files);
	close(ends[1]);
	m->link = ends[0];
	return ret < 0 ? err_set(err, -ret, "cannot run %s", m->via) : 0;
}

static void close_link(struct migration *m)
{
	if (m->link >= 0)
		close(take_fd(&m->link));
	while (m->child > 0 && waitpid(m->child, NULL, 0) < 0 && errno == EINTR)
		;
	m->child = 0;
}

static int err_link(struct migration *m, int ret, struct err *err)
{
	err_set(err, -ret, "cannot talk to the agent");
	return err_hint(err, "does \"%s\" start criu-lite agent there, and say nothing else?",
			m->via);
}

/* The answer that was hoped for, or the error of the other side. */
static int receive(struct migration *m, enum move_type want, struct err *err)
{
	static char buf[MOVE_TEXT_MAX];
	enum move_type type;
	size_t len;
	int ret = move_receive(m->link, &type, buf, sizeof(buf), &len);

	if (ret < 0)
		return err_link(m, ret, err);
	if (type == want)
		return 0;
	if (type != MOVE_NO || len != sizeof(*err))
		return err_link(m, -EPROTO, err);
	memcpy(err, buf, sizeof(*err));
	err->what[sizeof(err->what) - 1] = err->why[sizeof(err->why) - 1] = 0;
	err->hint[sizeof(err->hint) - 1] = 0;
	if (err->code <= 0)
		err->code = ECANCELED;
	return err_in(err, "there");
}

/* ---- before: will it work there? ---- */

/* The other side may have hung up because of what it said before. */
static int err_said(struct migration *m, struct err *err)
{
	memset(err, 0, sizeof(*err));
	return receive(m, MOVE_OK, err) < 0 ? -err->code : err_link(m, -EPIPE, err);
}

static int say(struct migration *m, enum move_type type, const char *text, struct err *err)
{
	return move_send_text(m->link, type, text) < 0 ? err_said(m, err) : 0;
}

/* Files that are mapped, as long as names mean the same to us and to the task. */
static int tell_files(struct migration *m, int proc, pid_t pid, struct err *err)
{
	char *text, *line, *save, path[32];
	const char *last = "";
	struct stat ours, its, st;

	snprintf(path, sizeof(path), "%d/ns/mnt", pid);
	if (fstatat(proc, "self/ns/mnt", &ours, 0) < 0 || fstatat(proc, path, &its, 0) < 0 ||
	    ours.st_ino != its.st_ino)
		return 0;
	snprintf(path, sizeof(path), "%d/maps", pid);
	if (io_slurp_at(proc, path, m->arena, &text, NULL) < 0)
		return 0;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *name = strchr(line, '/');

		if (!name || strcmp(name, last) == 0 || stat(name, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		last = name;
		if (say(m, MOVE_FILE_IS,
			arena_printf(m->arena, "%lld %s", (long long)st.st_size, name), err) < 0)
			return -err->code;
	}
	return 0;
}

static uint64_t memory_of(struct migration *m, int proc, pid_t pid)
{
	uint64_t pages = 0;
	char *text, path[32];

	snprintf(path, sizeof(path), "%d/statm", pid);
	if (io_slurp_at(proc, path, m->arena, &text, NULL) == 0)
		sscanf(text, "%*u %" SCNu64, &pages);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool shares_pids(int proc, pid_t pid)
{
	struct stat ours, its;
	char path[32];

	snprintf(path, sizeof(path), "%d/ns/pid", pid);
	return fstatat(proc, "self/ns/pid", &ours, 0) == 0 && fstatat(proc, path, &its, 0) == 0 &&
	       ours.st_ino == its.st_ino;
}

static int tell_needs(struct migration *m, int proc, pid_t pid, uint64_t *memory, struct err *err)
{
	pid_list children = { 0 };
	pid_t *child;

	*memory += memory_of(m, proc, pid);
	if (shares_pids(proc, pid) && say(m, MOVE_PID, arena_printf(m->arena, "%d", pid), err) < 0)
		return -err->code;
	if (tell_files(m, proc, pid, err) < 0 ||
	    proc_read_children(proc, pid, m->arena, &children, err) < 0)
		return -err->code;
	vec_for_each(child, &children)
		if (tell_needs(m, proc, *child, memory, err) < 0)
			return -err->code;
	return 0;
}

static int agree(struct migration *m, pid_t pid, struct err *err)
{
	scoped_fd proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t memory = 0;
	const char **arg;

	if (proc < 0)
		return err_sys(err, "cannot open /proc");
	if (move_send(m->link, MOVE_HELLO, &m->hello, sizeof(m->hello)) < 0)
		return err_link(m, -EPIPE, err);
	vec_for_each(arg, &m->args)
		if (say(m, MOVE_ARG, *arg, err) < 0)
			return -err->code;
	if (tell_needs(m, proc, pid, &memory, err) < 0 ||
	    say(m, MOVE_SPACE, arena_printf(m->arena, "%" PRIu64, memory), err) < 0 ||
	    say(m, MOVE_CHECK, "", err) < 0)
		return -err->code;
	return receive(m, MOVE_OK, err);
}

/* ---- the tree is frozen, the images are complete ---- */

static int send_images(struct migration *m, struct err *err)
{
	DIR *dir = opendir(m->dir);
	struct dirent *e;
	int ret = 0;

	if (!dir)
		return err_sys(err, "cannot open %s", m->dir);
	while (ret == 0 && (e = readdir(dir))) {
		size_t n = strlen(e->d_name);

		if (n > 4 && strcmp(e->d_name + n - 4, ".img") == 0)
			ret = move_send_image(m->link, dirfd(dir), e->d_name, err);
	}
	closedir(dir);
	return ret;
}

/* The link broke when it mattered: the agent's host knows, and nobody else. */
static int find_out(struct migration *m, struct err *err)
{
	const struct timespec wait = { .tv_sec = 1 };

	for (;;) {
		memset(err, 0, sizeof(*err));
		close_link(m);
		if (open_link(m, err) == 0 && move_send_text(m->link, MOVE_ASK, m->hello.id) == 0) {
			static char buf[sizeof(*err) + 1];
			enum move_type type;
			size_t len;

			if (move_receive(m->link, &type, buf, sizeof(buf), &len) == 0) {
				if (type == MOVE_DONE)
					return 0;
				if (type == MOVE_NO)
					return err_set(err, ECONNRESET,
						       "cannot migrate: the connection broke");
			}
		}
		log_warn("cannot find out whether the tree runs there: asking again");
		nanosleep(&wait, NULL);
	}
}

/* As long as it waits here, the tree is frozen, and its peers hear nothing. */
static int hand_over(void *self, const char *action, pid_t root_pid, int fd, struct err *err)
{
	struct migration *m = self;
	static char buf[sizeof(*err) + 1];
	enum move_type type;
	size_t len;

	if (strcmp(action, "post-dump") != 0)
		return 0;
	if (send_images(m, err) < 0)
		return err->code == EPIPE || err->code == ECONNRESET ? err_said(m, err)
								     : -err->code;
	if (say(m, MOVE_RESTORE, "", err) < 0 || receive(m, MOVE_READY, err) < 0)
		return -err->code;
	if (move_send(m->link, MOVE_GO, NULL, 0) < 0 ||
	    move_receive(m->link, &type, buf, sizeof(buf), &len) < 0 ||
	    (type != MOVE_DONE && type != MOVE_NO)) {
		if (find_out(m, err) < 0)
			return -err->code;
	} else if (type == MOVE_NO) {
		return err_set(err, ECANCELED, "cannot migrate: it did not resume there");
	}
	m->handed_over = true;
	return 0;
}

/* ---- the command ---- */

struct words {
	opt_strings dump;
	const char *to;
};

static int err_usage(struct err *err, const char *what)
{
	err_set(err, EINVAL, "cannot migrate: %s", what);
	return err_hint(err, "criu-lite migrate -t PID --to HOST, or --via COMMAND");
}

/* --to HOST, --to=HOST */
static bool take_word(int argc, char **argv, int *i, const char *name, const char **ret)
{
	size_t n = strlen(name);

	if (strncmp(argv[*i], name, n) != 0)
		return false;
	if (argv[*i][n] == '=')
		*ret = argv[*i] + n + 1;
	else if (argv[*i][n] == '\0' && *i + 1 < argc)
		*ret = argv[++*i];
	else
		return false;
	return true;
}

static int read_words(struct migration *m, int argc, char **argv, struct words *w, struct err *err)
{
	int i;

	*vec_add(m->arena, &w->dump) = "criu-lite";
	*vec_add(m->arena, &w->dump) = "dump";
	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!take_word(argc, argv, &i, "--to", &w->to) &&
		    !take_word(argc, argv, &i, "--via", &m->via))
			*vec_add(m->arena, &w->dump) = argv[i];
	for (i++; i < argc; i++)
		*vec_add(m->arena, &m->args) = argv[i];
	if (!w->to == !m->via)
		return err_usage(err, "it takes --to or --via, one of them");
	/* a host that looks like an option would be one */
	if (w->to && (*w->to == '-' || strchr(w->to, '\'')))
		return err_usage(err, "that is no host");
	if (w->to)
		m->via = arena_printf(m->arena,
				      "exec ssh -oBatchMode=yes -oServerAliveInterval=5 '%s' "
				      "criu-lite agent",
				      w->to);
	*vec_add(m->arena, &w->dump) = "-D";
	*vec_add(m->arena, &w->dump) = m->dir;
	return 0;
}

/* What was said of the dump and is needed at the restore. */
static void forward(struct migration *m, const struct common_opts *c)
{
	const struct {
		bool given;
		const char *word;
	} all[] = {
		{ c->tcp_established, "--tcp-established" },
		{ c->tcp_close, "--tcp-close" },
		{ c->shell_job, "--shell-job" },
		{ c->file_locks, "--file-locks" },
		{ c->allow_ext_unix, "--ext-unix-sk" },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].given)
			*vec_add(m->arena, &m->args) = all[i].word;
}

static void choose_id(struct migration *m)
{
	unsigned char random[16];
	struct utsname u;

	if (getrandom(random, sizeof(random), 0) < 0)
		abort();
	for (size_t i = 0; i < sizeof(random); i++)
		sprintf(m->hello.id + 2 * i, "%02x", random[i]);
	uname(&u);
	snprintf(m->hello.machine, sizeof(m->hello.machine), "%s", u.machine);
	m->hello.version = MOVE_VERSION;
}

static int dump(struct migration *m, const struct words *w, struct err *err)
{
	struct options *o = arena_new(m->arena, struct options);
	struct refusals refused = { .arena = m->arena };

	if (options_read(o, m->arena, (int)w->dump.n, (char **)w->dump.items, err) < 0)
		return -err->code;
	if (!o->dump.pid || o->dump.leave_running || o->common.leave_stopped)
		return err_usage(err, "it takes -t PID, and neither -R nor -s");
	forward(m, &o->common);
	if (open_link(m, err) < 0 || agree(m, o->dump.pid, err) < 0)
		return -err->code;
	m->listener = (struct script_listener){ .self = m, .tell = hand_over };
	o->common.listener = &m->listener;
	if (run_enter(o, err) < 0 || run_open_log(o, err) < 0)
		return -err->code;
	return run_dump(o, &refused, err);
}

int migrate_run(struct arena *a, int argc, char **argv, struct err *err)
{
	struct migration m = { .arena = a, .link = -1, .dir = "/var/tmp/criu-lite.XXXXXX" };
	struct words w = { 0 };
	int ret;

	signal(SIGPIPE, SIG_IGN);
	choose_id(&m);
	if (read_words(&m, argc, argv, &w, err) < 0)
		return -err->code;
	if (!mkdtemp(m.dir))
		return err_sys(err, "cannot make a directory for images");
	ret = dump(&m, &w, err);
	close_link(&m);
	if (chdir("/") == 0)
		move_remove_dir(m.dir);
	return ret;
}
