/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pidfds in several tasks: taken from another one, of one dead process, of a child's child
 *
 * crit: 3.17 does not know pidfds
 */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

struct found {
	bool dead, alive;
	ino_t ino;
};

static int of_child, taken, of_dead, of_other_dead, of_grandchild, ask[2], answer[2];
static pid_t child, grandchild;

static int pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int send(int fd, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
}

static pid_t start(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static struct found look(void)
{
	struct stat st = { 0 };
	struct found f;

	fstat(of_dead, &st);
	f.dead = send(of_dead, 0) < 0 && errno == ESRCH;
	f.alive = send(of_grandchild, 0) == 0;
	f.ino = st.st_ino;
	return f;
}

/* Has a child of its own, and says what it sees when it is asked. */
static void child_main(void)
{
	struct found f;
	char c;

	grandchild = start();
	of_grandchild = pidfd(grandchild);
	if (write(answer[1], &grandchild, sizeof(grandchild)) < 0)
		_exit(1);
	while (read(ask[0], &c, 1) == 1) {
		f = look();
		if (write(answer[1], &f, sizeof(f)) != sizeof(f))
			break;
	}
	_exit(0);
}

static bool end(pid_t pid)
{
	return expect(kill(pid, SIGKILL) == 0) && expect(waitpid(pid, NULL, 0) == pid);
}

static bool make(void)
{
	pid_t dead = start(), other = start();

	if (!expect(pipe(ask) == 0) || !expect(pipe(answer) == 0) ||
	    !expect((of_dead = pidfd(dead)) >= 0) || !expect((of_other_dead = pidfd(other)) >= 0))
		return false;
	child = fork();
	if (child == 0)
		child_main();
	return expect(read(answer[0], &grandchild, sizeof(grandchild)) == sizeof(grandchild)) &&
	       end(dead) && end(other) && expect((of_child = pidfd(child)) >= 0) &&
	       expect((of_grandchild = pidfd(grandchild)) >= 0) &&
	       expect((taken = (int)syscall(SYS_pidfd_getfd, of_child, answer[1], 0)) >= 0);
}

static bool is_one(int a, int b)
{
	return syscall(SYS_kcmp, getpid(), getpid(), 0, a, b) == 0;
}

static bool same(void)
{
	struct found f, mine = look();
	struct stat st;
	char c = 'x';

	return expect(is_one(taken, answer[1])) && expect(mine.dead && mine.alive) &&
	       expect(fstat(of_other_dead, &st) == 0 && st.st_ino != mine.ino) &&
	       expect(write(ask[1], &c, 1) == 1) &&
	       expect(read(answer[0], &f, sizeof(f)) == sizeof(f)) && expect(f.dead && f.alive) &&
	       expect(f.ino == mine.ino) && expect(write(taken, &c, 1) == 1) &&
	       expect(read(answer[0], &c, 1) == 1) &&
	       expect(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0) &&
	       expect(send(of_child, SIGKILL) == 0) && expect(waitpid(child, NULL, 0) == child) &&
	       expect(send(of_grandchild, SIGKILL) == 0) &&
	       expect(waitpid(grandchild, NULL, 0) == grandchild);
}

VICTIM(make, same)
