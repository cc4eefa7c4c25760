/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * named sockets of tasks that share their working directory and umask (CLONE_FS), in a
 * session and group whose leader is no more (sockets-unix-12)
 */
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "victim.h"

enum { NR = 3 };

static pid_t pids[NR];
static int ask_fds[NR][2], told[2], left[NR];

static int named(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, name);
	return bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 3) == 0 ? fd : -1;
}

static int connected(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, name);
	return connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 ? fd : -1;
}

static void tell(const void *what, size_t n)
{
	if (write(told[1], what, n) != (ssize_t)n)
		_exit(1);
}

/* 'd': go into the directory; 'u': new umask; 'a': accept one; 'w': where are we? */
static void serve(int number, int listener)
{
	char what, text[200] = "";
	struct stat st;

	while (read(ask_fds[number][0], &what, 1) == 1) {
		if (what == 'd' && chdir("..") < 0)
			_exit(2);
		if (what == 'u')
			umask(0117);
		if (what == 'a') {
			int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

			tell(fd >= 0 && read(fd, text, 5) == 5 ? "y" : "n", 1);
			continue;
		}
		if (what == 'w') {
			mode_t mask = umask(0);

			umask(mask);
			if (stat(".", &st) < 0)
				_exit(3);
			tell(&st.st_ino, sizeof(st.st_ino));
			tell(&mask, sizeof(mask));
			continue;
		}
		tell("k", 1);
	}
	_exit(0);
}

/* One of those who share: with a socket whose name is relative to where all are. */
static void be_member(int number)
{
	static const char *const names[NR] = { "s0", "below/s1", "../below.2" };
	pid_t news[3] = { number, getpid(), named(names[number]) };

	tell(news, sizeof(news));
	serve(number, (int)news[2]);
}

static void begin(void)
{
	setsid();
	for (int i = 0; i < NR; i++)
		if (syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0) == 0)
			be_member(i);
	_exit(7);
}

static bool make(void)
{
	pid_t leader, news[3];

	if (mkdir("dir", 0755) < 0 || mkdir("dir/below", 0755) < 0 || pipe(told) < 0)
		return false;
	for (int i = 0; i < NR; i++)
		if (pipe(ask_fds[i]) < 0)
			return false;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	leader = fork();
	if (leader == 0) {
		if (chdir("dir") < 0)
			_exit(1);
		umask(0137);
		begin();
	}
	for (int i = 0; i < NR; i++) {
		if (!expect(read(told[0], news, sizeof(news)) == sizeof(news)))
			return false;
		pids[news[0]] = news[1];
		left[news[0]] = news[2];
	}
	return expect(waitpid(leader, NULL, 0) == leader) && expect(left[0] >= 0) &&
	       expect(left[1] >= 0) && expect(left[2] >= 0) && expect(getsid(pids[0]) == leader);
}

static bool ask(int number, char what, void *said, size_t n)
{
	return expect(write(ask_fds[number][1], &what, 1) == 1) &&
	       expect(read(told[0], said, n) == (ssize_t)n);
}

/* All of them are in the directory with @name, and have the umask. */
static bool all_are_in(const char *name, mode_t mask)
{
	struct stat st;

	if (!expect(stat(name, &st) == 0))
		return false;
	for (int i = 0; i < NR; i++) {
		mode_t its_mask;
		ino_t ino;

		if (!ask(i, 'w', &ino, sizeof(ino)) ||
		    !expect(read(told[0], &its_mask, sizeof(its_mask)) == sizeof(its_mask)) ||
		    !expect(ino == st.st_ino) || !expect(its_mask == mask))
			return false;
	}
	return true;
}

static bool hears(int number, const char *name)
{
	struct stat st;
	int fd = connected(name);
	char said;

	return expect(fd >= 0) && expect(write(fd, "hello", 5) == 5) &&
	       ask(number, 'a', &said, 1) && expect(said == 'y') &&
	       expect(stat(name, &st) == 0 && st.st_mode == (S_IFSOCK | 0640)) &&
	       expect(close(fd) == 0);
}

static bool same(void)
{
	char said;

	for (int i = 0; i < NR; i++)
		if (!expect(getsid(pids[i]) == getsid(pids[0])) ||
		    !expect(getpgid(pids[i]) == getsid(pids[0])) ||
		    !expect(getsid(pids[i]) != getsid(0)))
			return false;
	if (!all_are_in("dir", 0137) || !hears(0, "dir/s0") || !hears(1, "dir/below/s1") ||
	    !hears(2, "below.2"))
		return false;
	/* what one changes is changed for all */
	return ask(1, 'd', &said, 1) && ask(2, 'u', &said, 1) && all_are_in(".", 0117);
}

VICTIM(make, same)
