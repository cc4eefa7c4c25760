/* SPDX-License-Identifier: GPL-2.0-only */
/* filters that a child has inherited, and one of its own which kills: all are in force */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

static pid_t child, grandchild;
static int asks[2], says[2];

static int on_call(long nr, uint32_t action)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(insns) / sizeof(insns[0]), .filter = insns };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static bool gives(long nr, int error)
{
	return expect(syscall(nr, -1, 0, 0) < 0) && expect(errno == error);
}

/* Says whether what is denied is so, then does what kills it. */
static void wait_and_try(int more)
{
	char c;

	if (read(asks[0], &c, 1) != 1)
		_exit(1);
	c = gives(SYS_getpgid, 55) && (!more || gives(SYS_getpriority, 66)) ? 'y' : 'n';
	if (write(says[1], &c, 1) != 1)
		_exit(1);
	syscall(SYS_getsid, 0);
	_exit(2);
}

static void be_a_child(void)
{
	if (on_call(SYS_getsid, SECCOMP_RET_KILL_PROCESS) < 0)
		_exit(1);
	grandchild = fork();
	if (grandchild == 0) {
		if (on_call(SYS_getpriority, SECCOMP_RET_ERRNO | 66) < 0)
			_exit(1);
		if (write(says[1], "m", 1) == 1)
			wait_and_try(true);
	}
	if (write(says[1], "m", 1) == 1)
		wait_and_try(false);
	_exit(1);
}

static bool make(void)
{
	char two;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || pipe(asks) < 0 || pipe(says) < 0 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ||
	    on_call(SYS_getpgid, SECCOMP_RET_ERRNO | 55) < 0)
		return false;
	child = fork();
	if (child == 0)
		be_a_child();
	return expect(read(says[0], &two, 1) == 1) && expect(read(says[0], &two, 1) == 1);
}

/* The child, and the grandchild, who is ours when its parent is dead. */
static bool are_killed(void)
{
	char said[2] = "";
	int status;

	if (!expect(write(asks[1], "xx", 2) == 2) || !expect(read(says[0], said, 1) == 1) ||
	    !expect(read(says[0], said + 1, 1) == 1) || !expect(memcmp(said, "yy", 2) == 0))
		return false;
	for (int i = 0; i < 2; i++)
		if (!expect(wait(&status) > 0) || !expect(WIFSIGNALED(status)) ||
		    !expect(WTERMSIG(status) == SIGSYS))
			return false;
	return true;
}

static bool same(void)
{
	return are_killed() && gives(SYS_getpgid, 55) && expect(syscall(SYS_getsid, 0) > 0) &&
	       expect(syscall(SYS_getpriority, 0, 0) > 0);
}

VICTIM(make, same)
