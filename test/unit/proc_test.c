/* SPDX-License-Identifier: GPL-2.0-only */
/* the parsers of /proc: what the kernel writes, names that lie, and any bytes at all */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/proc.h"
#include "unit/tap.h"

static struct arena arena;
static int proc;

/* ---- what is true of ourselves ---- */

static void test_stat(void)
{
	static const char *const names[] = { ") R 1 (", "a b", "(", ")", "x\ny", "\\012", "" };
	struct proc_stat st;
	struct err err;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		prctl(PR_SET_NAME, names[i]);
		ok(proc_read_stat(proc, getpid(), 0, &st, &err) == 0 &&
			   strcmp(st.comm, names[i]) == 0 && st.ppid == getppid(),
		   "stat of a process with odd name %zu", i);
	}
	prctl(PR_SET_NAME, "proc_test");

	ok(st.state == 'R' && st.pgid == getpgrp() && st.sid == getsid(0), "stat: ids");
	ok(st.start_brk && st.start_brk <= (uint64_t)sbrk(0), "stat: brk");
	ok(st.start_stack > (uint64_t)sbrk(0) && st.arg_start < st.arg_end &&
		   st.arg_end <= st.env_start && st.env_start <= st.env_end,
	   "stat: stack, arguments, environment");
	ok(proc_read_stat(proc, getpid(), getpid(), &st, &err) == 0 && st.ppid == getppid(),
	   "stat of the leader as a thread");

	ok(proc_read_stat(proc, 0x3fffffff, 0, &st, &err) == -ESRCH && err.code == ESRCH &&
		   err.hint[0],
	   "stat of nobody is an error with a hint");
}

static void test_zombie(void)
{
	struct proc_stat st;
	struct proc_status status;
	struct err err;
	siginfo_t si;
	pid_t pid = fork();

	if (pid == 0)
		_exit(7);
	waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT);

	ok(proc_read_stat(proc, pid, 0, &st, &err) == 0 && st.state == 'Z' &&
		   st.exit_code == 7 << 8,
	   "stat of a zombie");
	ok(proc_read_status(proc, pid, 0, &arena, &status, &err) == 0 && status.nspid == pid,
	   "status of a zombie");
	waitpid(pid, NULL, 0);
}

static void test_status(void)
{
	struct proc_status st;
	struct err err;
	sigset_t set;
	gid_t groups[64];
	int n = getgroups(64, groups);

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &set, NULL);
	umask(0135);

	prctl(PR_SET_NAME, "x\nUid:\t9 9 9 9");
	ok(proc_read_status(proc, getpid(), 0, &arena, &st, &err) == 0, "status");
	prctl(PR_SET_NAME, "proc_test");

	ok(st.uid[0] == getuid() && st.uid[1] == geteuid() && st.gid[3] == getegid(),
	   "status: a name cannot pretend to be a line");
	ok((int)st.nr_groups == n && (n == 0 || st.groups[0] == groups[0]), "status: groups");
	ok(st.nspid == getpid() && st.nspgid == getpgrp() && st.nspid_depth >= 1, "status: pids");
	ok(st.blocked & (1ull << (SIGRTMIN + 3 - 1)), "status: blocked signals");
	ok(st.umask == 0135 && st.threads == 1 && st.no_new_privs == 0 && st.tracer == 0,
	   "status: umask, threads");
	ok(st.thp_enabled == 0 || st.thp_enabled == 1, "status: THP_enabled");
}

static void *sleep_thread(void *arg)
{
	pause();
	return arg;
}

/* Two children, one of them of another thread. */
static void *fork_thread(void *arg)
{
	pid_t *pid = arg;

	*pid = fork();
	if (*pid == 0) {
		pause();
		_exit(0);
	}
	return sleep_thread(NULL);
}

static void test_children(void)
{
	pid_list threads = { 0 }, children = { 0 };
	volatile pid_t pid[2] = { 0 };
	pthread_t t;
	struct err err;

	pid[0] = fork();
	if (pid[0] == 0) {
		pause();
		_exit(0);
	}
	pthread_create(&t, NULL, fork_thread, (void *)&pid[1]);
	while (!pid[1])
		usleep(1000);

	ok(proc_read_threads(proc, getpid(), &arena, &threads, &err) == 0 && threads.n == 2 &&
		   threads.items[0] == getpid(),
	   "threads, the leader first");
	ok(proc_read_children(proc, getpid(), &arena, &children, &err) == 0 && children.n == 2 &&
		   children.items[0] == pid[0] && children.items[1] == pid[1],
	   "children of all threads");

	for (int i = 0; i < 2; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	pthread_cancel(t);
	pthread_join(t, NULL);
}

static void test_fds(void)
{
	scoped_fd fd = open("/proc/version", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	scoped_fd high = fcntl(fd, F_DUPFD, 700);
	struct proc_fdinfo info;
	struct err err;
	fd_list fds = { 0 };
	bool rising = true;
	struct stat st;

	lseek(fd, 5, SEEK_SET);
	fstat(fd, &st);
	ok(proc_read_fds(proc, getpid(), &arena, &fds, &err) == 0 && fds.n > 2, "fds");
	for (size_t i = 1; i < fds.n; i++)
		rising &= fds.items[i - 1] < fds.items[i];
	ok(rising && fds.items[fds.n - 1] == high, "fds: rising");

	ok(proc_read_fdinfo(proc, getpid(), fd, &arena, &info, &err) == 0, "fdinfo");
	ok(info.pos == 5 && info.ino == st.st_ino && info.mnt_id, "fdinfo: position, inode, mount");
	ok((info.flags & O_CLOEXEC) && (info.flags & O_NONBLOCK), "fdinfo: flags");
	ok(proc_read_fdinfo(proc, getpid(), 699, &arena, &info, &err) == -ENOENT,
	   "fdinfo of what is not open");
	ok(proc_parse_fdinfo("pos:\t-1\nflags:\t02\n", 19, &info) && info.pos == UINT64_MAX,
	   "fdinfo: an offset with all bits");
	ok(!proc_parse_fdinfo("pos:\t0\nmnt_id:\t1\nx\ny\nflags:\t02\n", 34, &info),
	   "fdinfo: what a kind writes is not taken for the common lines");
}

static const struct proc_vma *vma_at(const proc_vma_list *l, const void *p)
{
	const struct proc_vma *v;

	vec_for_each(v, l)
		if ((uint64_t)p >= v->start && (uint64_t)p < v->end)
			return v;
	return NULL;
}

static void test_maps(bool smaps)
{
	const char *what = smaps ? "smaps" : "maps";
	char name[] = "/tmp/proc_test\n(deleted) XXXXXX";
	scoped_fd fd = mkstemp(name);
	struct stat st;
	proc_vma_list l = { 0 };
	const struct proc_vma *v;
	struct err err;
	char *p;

	if (ftruncate(fd, 3 * 4096) < 0)
		return;
	fstat(fd, &st);
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096);
	mprotect(p + 4096, 4096, PROT_NONE);
	madvise(p, 4096, MADV_DONTDUMP);
	unlink(name);

	ok((smaps ? proc_read_smaps : proc_read_maps)(proc, getpid(), &arena, &l, &err) == 0, "%s",
	   what);
	v = vma_at(&l, p);
	ok(v && v->end - v->start == 4096 && v->pgoff == 4096 && memcmp(v->prot, "rw-s", 4) == 0,
	   "%s: range, offset, protection", what);
	ok(v && v->deleted && strcmp(v->name, name) == 0, "%s: a deleted name with a newline",
	   what);
	ok(v && v->ino == st.st_ino && v->dev == st.st_dev, "%s: device and inode", what);
	ok(v && (strstr(v->vm_flags, "dd") != NULL) == smaps, "%s: flags", what);
	v = vma_at(&l, p + 4096);
	ok(v && memcmp(v->prot, "---s", 4) == 0, "%s: the next area", what);
	v = vma_at(&l, &l);
	ok(v && strcmp(v->name, "[stack]") == 0 && !v->ino && !v->deleted, "%s: stack", what);
	munmap(p, 8192);
}

/* ---- texts ---- */

static bool maps_ok(const char *s)
{
	proc_vma_list l = { 0 };

	return proc_parse_maps(s, strlen(s), &arena, &l);
}

static void test_texts(void)
{
	static const char odd[] =
		"7fff0000-7fff1000 r-xp 00000000 fd:01 77  /a\\012b\\x (deleted)\n";
	proc_vma_list l = { 0 };
	struct proc_stat st;
	pid_list pids = { 0 };

	ok(proc_parse_maps(odd, strlen(odd), &arena, &l) && l.n == 1 && l.items[0].deleted &&
		   strcmp(l.items[0].name, "/a\nb\\x") == 0 && l.items[0].dev == makedev(0xfd, 1),
	   "maps: escapes");
	ok(maps_ok("") && maps_ok("1-2 r--p 0 0:0 0\n") && maps_ok("1-2 r--p 0 0:0 0"),
	   "maps: short but right");
	ok(!maps_ok("2-1 r--p 0 0:0 0\n") && !maps_ok("1-2 r--px 0 0:0 0\n") && !maps_ok("\n") &&
		   !maps_ok("VmFlags: rd\n") && !maps_ok("1-10000000000000000 r--p 0 0:0 0\n"),
	   "maps: wrong");
	ok(maps_ok("1-2 r--p 0 0:0 0\nVmFlags:\n") && maps_ok("1-2 r--p 0 0:0 0\nVmFlags: \n"),
	   "maps: no flags at all");
	ok(!proc_parse_stat("", 0, &st) && !proc_parse_stat("1 (", 3, &st) &&
		   !proc_parse_stat("1 )x( R", 7, &st) && !proc_parse_stat("1 (a) R 1 2", 11, &st),
	   "stat: wrong");
	ok(proc_parse_children("1 22 333 ", 9, &arena, &pids) && pids.n == 3 &&
		   pids.items[2] == 333,
	   "children");
	ok(!proc_parse_children("1 -2 ", 5, &arena, &pids) &&
		   !proc_parse_children("1 99999999999 ", 14, &arena, &pids) &&
		   !proc_parse_children("1 x", 3, &arena, &pids),
	   "children: wrong");
}

/* ---- any bytes: nothing may be read or written outside, which SANITIZE=1 watches ---- */

static void parse_all(const char *s, size_t len)
{
	/* an exact copy, so that the byte behind is not ours */
	scoped_ptr char *exact = malloc(len + 1);
	struct arena a;
	struct proc_stat st;
	struct proc_status status;
	struct proc_fdinfo info;
	proc_vma_list vmas = { 0 };
	pid_list pids = { 0 };

	arena_init(&a);
	memcpy(exact, s, len);
	exact[len] = '\0';
	proc_parse_stat(exact, len, &st);
	proc_parse_status(exact, len, &a, &status);
	proc_parse_children(exact, len, &a, &pids);
	proc_parse_maps(exact, len, &a, &vmas);
	proc_parse_fdinfo(exact, len, &info);
	arena_fini(&a);
}

static void mutate(char *s, size_t *len)
{
	static const char liked[] = "0179f-:() \n\t\\\0\xff";

	for (int n = rand() % 8; n >= 0; n--) {
		size_t at = (size_t)rand() % *len;

		switch (rand() % 4) {
		case 0:
			s[at] = (char)rand();
			break;
		case 1:
			s[at] = liked[(size_t)rand() % sizeof(liked)];
			break;
		case 2:
			memmove(s + at, s + at + 1, *len - at - 1);
			--*len;
			break;
		case 3:
			*len = at + 1;
			break;
		}
		if (!*len)
			*len = 1;
	}
}

static void test_mutations(void)
{
	static const char *const files[] = { "stat", "status", "smaps", "fdinfo/0" };
	int rounds = 0;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[64], *text, copy[8192];
		size_t len;
		struct err err;

		snprintf(path, sizeof(path), "self/%s", files[i]);
		if (proc_slurp(proc, path, &arena, &text, &len, &err) < 0)
			continue;
		len = len < sizeof(copy) ? len : sizeof(copy);
		for (int n = 0; n < 5000; n++, rounds++) {
			size_t m = len;

			memcpy(copy, text, len);
			mutate(copy, &m);
			parse_all(copy, m);
		}
	}
	ok(rounds == 20000, "%d damaged texts", rounds);
}

int main(void)
{
	char comm[64];

	srand(5);
	arena_init(&arena);
	proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	test_stat();
	test_zombie();
	test_status();
	test_children();
	test_fds();
	test_maps(false);
	test_maps(true);
	ok(strcmp(proc_comm(proc, getpid(), comm), "proc_test") == 0, "a name");
	ok(strcmp(proc_comm(proc, 0x3fffffff, comm), "?") == 0, "no name");
	test_texts();
	test_mutations();

	arena_fini(&arena);
	return tap_done();
}
