/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * what the kinds read in files of /proc: the first byte says which of them, the
 * rest is what is in it
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
#include "core/refuse.h"
#include "core/task.h"

extern const struct file_kind timerfd_kind;
extern const struct task_kind rlimit_kind, timers_kind, lock_kind;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PID = 77 };

static const struct file_kind *const files[] = { &timerfd_kind, NULL };
static const struct task_kind *const tasks[] = { &rlimit_kind, &timers_kind, &lock_kind, NULL };
static const struct kind_index all = { .files = files, .tasks = tasks };
static char place[] = "/tmp/criu-lite-fuzz.XXXXXX";
static int proc = -1;

static void forget_place(void)
{
	unlinkat(proc, "77/limits", 0);
	unlinkat(proc, "77/timers", 0);
	unlinkat(proc, "77", AT_REMOVEDIR);
	unlinkat(proc, "self/fdinfo/3", 0);
	unlinkat(proc, "self/fdinfo", AT_REMOVEDIR);
	unlinkat(proc, "self", AT_REMOVEDIR);
	rmdir(place);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (!mkdtemp(place) || (proc = open(place, O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    mkdirat(proc, "77", 0700) < 0 || mkdirat(proc, "self", 0700) < 0 ||
	    mkdirat(proc, "self/fdinfo", 0700) < 0)
		abort();
	atexit(forget_place);
	log_init(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_NONE);
	return 0;
}

static void put_file(const char *name, const char *text, size_t len)
{
	int fd = openat(proc, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		abort();
	close(fd);
}

static int collect(struct dump *d, struct task *t, char which, const char *text, size_t len,
		   struct err *err)
{
	struct fd_probe p = { .task = t, .fd = 3, .own = 3, .fdinfo = text, .link = "" };
	FileEntry fe = FILE_ENTRY__INIT;

	switch (which) {
	case 'l':
		put_file("77/limits", text, len);
		return rlimit_kind.collect(d, t, err);
	case 't':
		put_file("77/timers", text, len);
		return timers_kind.collect(d, t, err);
	case 'f':
		put_file("self/fdinfo/3", text, len);
		return timerfd_kind.collect(d, &p, &fe, err);
	default:
		return lock_kind.collect(d, t, err);
	}
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
	t = task_new(&arena, &tree, NULL);
	t->pid = t->host_pid = PID;
	t->state = TASK_ALIVE;
	t->nr_threads = 1;
	t->threads = arena_new(&arena, struct thread);
	t->core = t->threads[0].core = record_new(&d, core_entry);
	t->core->tc = record_new(&d, task_core_entry);
	t->fdtable = arena_new(&arena, struct fdtable);
	t->fdtable->id = 1;
	*vec_add(&arena, &t->fdtable->entries) =
		(struct fdtable_entry){ .fd = 3, .file = &file, .fdinfo = text };

	ret = collect(&d, t, (char)data[0], text, size - 1, &err);
	if ((ret < 0) != (err.code != 0))
		abort();
	arena_fini(&arena);
	return 0;
}
