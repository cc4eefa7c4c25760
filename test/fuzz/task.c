/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * what the kinds and the core read in files of /proc: the first byte says which
 * of them, the rest is what is in it
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "core/fdtable.h"
#include "core/kind.h"
#include "core/ns.h"
#include "core/ns_maps.h"
#include "core/refuse.h"
#include "core/task.h"
#include "core/wait.h"

extern const struct file_kind timerfd_kind;
extern const struct task_kind cgroup_kind, cpu_kind, creds_kind, lock_kind, rlimit_kind, sched_kind,
	timers_kind;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct file_kind *const files[] = { &timerfd_kind, NULL };
static const struct task_kind *const tasks[] = { &cgroup_kind, &cpu_kind,    &creds_kind,
						 &lock_kind,   &rlimit_kind, &sched_kind,
						 &timers_kind, NULL };
static const struct ns_kind *const nss[] = { NULL };
static const struct kind_index all = { .files = files, .tasks = tasks, .namespaces = nss };
static char place[] = "/tmp/criu-lite-fuzz.XXXXXX";
static int proc = -1;

/* PID is the link to the directory of the task, which is us: some calls need one that is there. */
static const struct {
	char which;
	const char *name, *usual;
} inputs[] = {
	{ 'l', "PID/limits", "" },
	{ 't', "PID/timers", "" },
	{ 'g', "PID/cgroup", "0::/\n" },
	{ 'a', "PID/attr/current", "" },
	{ 's', "PID/timerslack_ns", "50000\n" },
	{ 'n', "PID/autogroup", "" },
	{ 'u', "PID/uid_map", "0 0 4294967295\n" },
	{ 'i', "PID/gid_map", "0 0 4294967295\n" },
	{ 'f', "self/fdinfo/3", "" },
	{ 'L', "timer_list", "" },
	{ 'y', "PID/task/PID/syscall", "219 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8\n" },
	{ 'e', "PID/task/PID/sched", "se.exec_start : 1234.567890\nnr_voluntary_switches : 5\n" },
	{ 'w', "PID/task/PID/wchan", "futex_wait" },
	{ 'S', "PID/task/PID/stat",
	  "7 (cat) R 1 7 7 0 -1 4194304 157 0 0 0 0 0 0 0 20 0 1 0 393335 3133440 390 7 1 2 3 0 0 0 "
	  "0 0 0 0 0 0 17 0 0 0 0 0 0 1 2 3 4 5 6 7 0\n" },
};

enum { NR_INPUTS = sizeof(inputs) / sizeof(inputs[0]) };

static const char *const dirs[] = { "self",	"self/fdinfo", "PID",
				    "PID/attr", "PID/task",    "PID/task/PID" };

enum { NR_DIRS = sizeof(dirs) / sizeof(dirs[0]) };

/* @name with our pid in it. */
static const char *real(const char *name)
{
	static char path[128];
	size_t n = 0;

	while (*name)
		if (strncmp(name, "PID", 3) == 0) {
			n += (size_t)snprintf(path + n, sizeof(path) - n, "%d", getpid());
			name += 3;
		} else {
			path[n++] = *name++;
		}
	path[n] = '\0';
	return path;
}

static void forget_place(void)
{
	for (size_t i = 0; i < NR_INPUTS; i++)
		unlinkat(proc, real(inputs[i].name), 0);
	for (size_t i = NR_DIRS; i-- > 0;)
		unlinkat(proc, real(dirs[i]), AT_REMOVEDIR);
	unlinkat(proc, "thread-self", 0);
	rmdir(place);
}

static void put_file(const char *name, const char *text, size_t len)
{
	int fd = openat(proc, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		abort();
	close(fd);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (!mkdtemp(place) || (proc = open(place, O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
	atexit(forget_place);
	for (size_t i = 0; i < NR_DIRS; i++)
		if (mkdirat(proc, real(dirs[i]), 0700) < 0)
			abort();
	for (size_t i = 0; i < NR_INPUTS; i++)
		put_file(real(inputs[i].name), inputs[i].usual, strlen(inputs[i].usual));
	if (symlinkat(real("PID/task/PID"), proc, "thread-self") < 0)
		abort();
	log_init(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_NONE);
	return 0;
}

static int collect_maps(struct dump *d, struct task *t, struct err *err)
{
	struct ns ns = { .task = t };
	struct namespaces all_of_them = { .root[NS_USER] = &ns };

	d->ns = &all_of_them;
	return ns_maps_collect(d, err);
}

static int collect(struct dump *d, struct task *t, char which, const char *text, struct err *err)
{
	struct fd_probe p = { .task = t, .fd = 3, .own = 3, .fdinfo = text, .link = "" };
	FileEntry fe = FILE_ENTRY__INIT;

	switch (which) {
	case 'l':
		return rlimit_kind.collect(d, t, err);
	case 't':
		return timers_kind.collect(d, t, err);
	case 'g':
		return cgroup_kind.collect(d, t, err);
	case 'a':
		return creds_kind.collect(d, t, err);
	case 's':
		return cpu_kind.collect(d, t, err);
	case 'n':
		return sched_kind.collect(d, t, err);
	case 'u':
	case 'i':
		return collect_maps(d, t, err);
	case 'f':
		return timerfd_kind.collect(d, &p, &fe, err);
	case 'L':
	case 'y':
	case 'e':
	case 'w':
	case 'S':
		waits_note(d, t);
		return 0;
	default:
		return lock_kind.collect(d, t, err);
	}
}

/* The text is in its file only meanwhile: others read that file too. */
static int collect_with(struct dump *d, struct task *t, char which, const char *text, size_t len,
			struct err *err)
{
	size_t i = 0;
	int ret;

	while (i < NR_INPUTS && inputs[i].which != which)
		i++;
	if (i < NR_INPUTS)
		put_file(real(inputs[i].name), text, len);
	ret = collect(d, t, which, text, err);
	if (i < NR_INPUTS)
		put_file(real(inputs[i].name), inputs[i].usual, strlen(inputs[i].usual));
	return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct dump_opts opts = { .common.file_locks = true };
	struct tree tree = { 0 };
	struct arena arena;
	struct refusals refused = { .arena = &arena };
	struct dump d = {
		.opts = &opts, .arena = &arena, .tree = &tree, .proc = proc, .refused = &refused
	};
	struct namespaces ours = { 0 };
	struct file file = { .id = 5 };
	struct err err = { 0 };
	struct task *t;
	char *text;
	int ret;

	if (size == 0)
		return 0;

	arena_init(&arena);
	list_init(&tree.tasks);
	text = arena_alloc(&arena, size);
	memcpy(text, data + 1, size - 1);
	d.kinds = kinds_new(&arena, &all);
	d.ns = &ours;
	t = task_new(&arena, &tree, NULL);
	t->pid = t->sid = t->host_pid = t->host_alive = getpid();
	t->state = TASK_ALIVE;
	t->nr_threads = 1;
	t->threads = arena_new(&arena, struct thread);
	t->threads[0].host_tid = t->threads[0].tid = getpid();
	t->core = t->threads[0].core = record_new(&d, core_entry);
	t->core->thread_core = record_new(&d, thread_core_entry);
	t->core->tc = record_new(&d, task_core_entry);
	t->fdtable = arena_new(&arena, struct fdtable);
	t->fdtable->id = 1;
	*vec_add(&arena, &t->fdtable->entries) =
		(struct fdtable_entry){ .fd = 3, .file = &file, .fdinfo = text };

	ret = collect_with(&d, t, (char)data[0], text, size - 1, &err);
	if ((ret < 0) != (err.code != 0))
		abort();
	arena_fini(&arena);
	return 0;
}
