/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * descriptor tables, and working directory, root and umask, that some tasks of
 * a tree share and others do not
 *
 * dump: --file-locks
 * restore: --file-locks
 */
#include <linux/kcmp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

enum { ROOT, BOTH, BETWEEN, BELOW, DIRS, APART, LEFT, RIGHT, NR };

static struct {
	volatile pid_t pids[NR];
	volatile int ready, command, done;
} * all;

static bool files_same[NR][NR], dirs_same[NR][NR];
static int locked;

static bool shares(int a, int b, int type)
{
	return syscall(SYS_kcmp, all->pids[a], all->pids[b], type, 0, 0) == 0;
}

/* On command: a file opened by one is there for those who share, and so is a directory. */
static void obey(int me) __attribute__((noreturn));
static void obey(int me)
{
	all->pids[me] = getpid();
	__atomic_add_fetch(&all->ready, 1, __ATOMIC_ACQ_REL);
	for (;;) {
		if (all->command == me) {
			all->command = 0;
			all->done = open("/dev/zero", O_RDONLY) >= 0 && chdir("/tmp") == 0;
		}
		usleep(2000);
	}
}

static pid_t fork_with(unsigned long flags)
{
	return (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
}

/* Its child shares descriptors with the root, it does not. */
static void be_between(void)
{
	if (fork_with(CLONE_FILES) == 0)
		obey(BELOW);
	unshare(CLONE_FILES);
	if (dup2(1, 70) != 70)
		_exit(1);
	obey(BETWEEN);
}

/* Two children share all with each other, and nothing with it. */
static void be_apart(void)
{
	if (dup2(0, 81) != 81 || mkdir("apart", 0700) < 0 || chdir("apart") < 0)
		_exit(1);
	umask(031);
	if (fork_with(CLONE_FILES | CLONE_FS) == 0)
		obey(LEFT);
	if (fork_with(CLONE_FILES | CLONE_FS) == 0)
		obey(RIGHT);
	unshare(CLONE_FILES | CLONE_FS);
	if (chdir("..") < 0 || close(81) < 0)
		_exit(1);
	obey(APART);
}

static bool make_lock(void)
{
	struct flock range = { .l_type = F_WRLCK, .l_start = 5, .l_len = 7 };

	locked = open("locked", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return locked >= 0 && fcntl(locked, F_SETLK, &range) == 0;
}

static bool make(void)
{
	all = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED || !make_lock())
		return false;
	if (!getcwd(victim_dir, sizeof(victim_dir))) /* others will move us */
		return false;
	all->pids[ROOT] = getpid();
	umask(027);

	if (fork_with(CLONE_FILES | CLONE_FS) == 0)
		obey(BOTH);
	if (fork_with(CLONE_FILES) == 0)
		be_between();
	if (fork_with(CLONE_FS) == 0)
		obey(DIRS);
	if (fork_with(0) == 0)
		be_apart();
	while (all->ready < NR - 1)
		usleep(1000);

	for (int a = 0; a < NR; a++)
		for (int b = 0; b < NR; b++) {
			files_same[a][b] = shares(a, b, KCMP_FILES);
			dirs_same[a][b] = shares(a, b, KCMP_FS);
		}
	return files_same[ROOT][BELOW] && !files_same[ROOT][BETWEEN] && files_same[LEFT][RIGHT] &&
	       !files_same[LEFT][APART] && dirs_same[BOTH][DIRS] && dirs_same[LEFT][RIGHT] &&
	       !dirs_same[LEFT][APART];
}

static bool links_to(int who, const char *what, const char *end)
{
	char path[64], text[4096];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", all->pids[who], what);
	n = readlink(path, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

static bool has_fd(int who, int fd)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", all->pids[who], fd);
	return lstat(path, &st) == 0;
}

static bool same_shares(void)
{
	for (int a = 0; a < NR; a++)
		for (int b = 0; b < NR; b++)
			if (shares(a, b, KCMP_FILES) != files_same[a][b] ||
			    shares(a, b, KCMP_FS) != dirs_same[a][b]) {
				fprintf(stderr, "%d and %d\n", a, b);
				return expect(!"share what they shared");
			}
	return true;
}

/* The lock is the table's: of who shares it, nobody is in the way. */
static bool is_locked(void)
{
	struct flock range = { .l_type = F_WRLCK };
	int status;
	pid_t other = fork_with(0);

	if (other == 0) {
		fcntl(locked, F_GETLK, &range);
		_exit(range.l_type == F_WRLCK && range.l_start == 5 && range.l_len == 7 ? 0 : 1);
	}
	return waitpid(other, &status, 0) == other && status == 0;
}

static bool does(int who)
{
	all->done = 0;
	all->command = who;
	while (all->command)
		usleep(1000);
	while (!all->done)
		usleep(1000);
	return true;
}

static bool same(void)
{
	bool good = same_shares() && expect(is_locked()) && expect(has_fd(BETWEEN, 70)) &&
		    expect(!has_fd(ROOT, 70)) && expect(has_fd(LEFT, 81)) &&
		    expect(!has_fd(APART, 81)) && expect(links_to(LEFT, "cwd", "/apart")) &&
		    expect(!links_to(APART, "cwd", "/apart")) &&
		    expect(!has_fd(ROOT, locked + 1)) && does(BOTH) &&
		    expect(has_fd(ROOT, locked + 1)) && expect(has_fd(BELOW, locked + 1)) &&
		    expect(!has_fd(BETWEEN, locked + 1)) && expect(links_to(DIRS, "cwd", "/tmp")) &&
		    expect(links_to(ROOT, "cwd", "/tmp")) && expect(umask(027) == 027);

	for (int i = 1; i < NR; i++)
		kill(all->pids[i], SIGKILL);
	return good;
}

VICTIM(make, same)
