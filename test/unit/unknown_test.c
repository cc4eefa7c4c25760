/* SPDX-License-Identifier: GPL-2.0-only */
/* what a newer kernel shows is refused by its name, or allowed by it */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/task.h"
#include "core/unknown.h"
#include "unit/tap.h"

static struct arena arena;
static struct dump_opts opts;
static struct dump d = { .opts = &opts, .arena = &arena };

static int check(const char *fdinfo, struct err *err)
{
	struct task t = { .host_pid = 5 };
	struct fd_probe p = { .task = &t, .fd = 7, .link = "/some", .fdinfo = fdinfo };

	memset(err, 0, sizeof(*err));
	return unknown_check_fdinfo(&d, &p, err);
}

static void test_known(void)
{
	static const char *const good[] = {
		"pos:\t0\nflags:\t02\nmnt_id:\t15\nino:\t5\n",
		"pos:\t0\ninotify wd:1 ino:a\nfanotify flags:10 event-flags:0\n",
		"tfd:        5 events:       19\nlock:\t1: FLOCK  ADVISORY\nit_value: (0, 1)\n",
		"settime flags: 01\nPid:\t5\nNSpid:\t5\n",
		"",
	};
	struct err err;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(check(good[i], &err) == 0 && !err.code, "known fields %zu", i);
}

static void test_unknown(void)
{
	struct err err;

	ok(check("pos:\t0\nfuture-count:\t5\n", &err) < 0 && strstr(err.what, "\"future-count\"") &&
		   strstr(err.what, "descriptor 7") && strstr(err.hint, "--allow 'future-count'"),
	   "an unknown field is refused by its name");
	ok(check("settime colour: 5\n", &err) < 0 && strstr(err.what, "\"settime colour\""),
	   "so is one with a known first word that has another second one");
	ok(check("posy:\t0\n", &err) < 0 && check("a line without a name\n", &err) < 0,
	   "and what only begins like a known one, or has no name");
	*vec_add(&arena, &opts.allow) = "future-count";
	ok(check("pos:\t0\nfuture-count:\t5\n", &err) == 0, "unless it is allowed");
	ok(check("future:\t5\n", &err) < 0 && check("future-counts:\t5\n", &err) < 0,
	   "by all of its name");
}

static void test_namespaces(void)
{
	struct task t = { .host_pid = getpid(), .host_alive = getpid() };
	struct err err = { 0 };

	d.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ok(unknown_check_namespaces(&d, &t, &err) == 0, "all namespaces of this kernel are known");
	close(d.proc);

	/* a /proc of ours: one type that nobody knows, in which we are, too, or are not */
	char where[256];

	snprintf(where, sizeof(where), "%s/XXXXXX", getenv("TMPDIR") ?: "/tmp");
	if (!mkdtemp(where) || chdir(where) < 0)
		return;
	scoped_fd dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char path[64];

	d.proc = dir;
	mkdir("self", 0700);
	mkdir("self/ns", 0700);
	snprintf(path, sizeof(path), "%d", getpid());
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%d/ns", getpid());
	mkdir(path, 0700);
	close(open("self/ns/colour", O_CREAT | O_WRONLY, 0600));
	snprintf(path, sizeof(path), "%d/ns/colour", getpid());
	ok(link("self/ns/colour", path) == 0 && unknown_check_namespaces(&d, &t, &err) == 0,
	   "an unknown type is no matter if we are in the same one");
	unlink(path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	ok(unknown_check_namespaces(&d, &t, &err) < 0 && strstr(err.what, "a colour namespace") &&
		   strstr(err.hint, "--allow 'colour'"),
	   "another one is refused by its name");
	*vec_add(&arena, &opts.allow) = "colour";
	memset(&err, 0, sizeof(err));
	ok(unknown_check_namespaces(&d, &t, &err) == 0, "unless it is allowed");
}

int main(void)
{
	arena_init(&arena);
	test_known();
	test_unknown();
	test_namespaces();
	arena_fini(&arena);
	return tap_done();
}
