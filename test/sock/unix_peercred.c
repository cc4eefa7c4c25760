/* SPDX-License-Identifier: GPL-2.0-only */
/* SO_PEERCRED of pairs that another task has made, as another user, and does not have any more */
#include <sys/socket.h>
#include <sys/wait.h>

#include "victim.h"

static pid_t child;
static int talk[2];    /* with the child */
static int from_me[2]; /* made here, the child has it */
static int from_child; /* and the other way round: one end */

static bool is_made_by(int fd, pid_t pid, uid_t uid, gid_t gid)
{
	struct ucred c = { 0 };
	socklen_t len = sizeof(c);

	if (!expect(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len) == 0))
		return false;
	if (c.pid != pid || c.uid != uid || c.gid != gid)
		fprintf(stderr, "made by %d, %u, %u, not %d, %u, %u\n", c.pid, c.uid, c.gid, pid,
			uid, gid);
	return expect(c.pid == pid && c.uid == uid && c.gid == gid);
}

static bool works(int a, int b)
{
	char buf[10];

	return expect(write(a, "hello", 5) == 5) && expect(read(b, buf, 10) == 5);
}

static bool pass(int sock, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = { "f", 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1;
}

static int take(int sock)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd = -1;

	if (recvmsg(sock, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* Gives one of a pair away and keeps none; whenever it is asked, it looks at what it was given. */
static void child_main(pid_t parent)
{
	int pair[2];
	char c;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0 || !pass(talk[1], pair[0]) ||
	    !pass(talk[1], pair[1]))
		_exit(1);
	close(pair[0]);
	close(pair[1]);
	close(talk[0]);
	while (read(talk[1], &c, 1) == 1) {
		bool ok = is_made_by(from_me[0], parent, 46, 47) &&
			  is_made_by(from_me[1], parent, 46, 47) && works(from_me[0], from_me[1]);

		if (write(talk[1], ok ? "y" : "n", 1) != 1)
			break;
	}
	_exit(0);
}

static int other;

static bool make(void)
{
	int ret;

	if (setegid(47) < 0 || seteuid(46) < 0)
		return false;
	ret = socketpair(AF_UNIX, SOCK_STREAM, 0, from_me);
	if (seteuid(0) < 0 || setegid(0) < 0 || ret < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, talk) < 0)
		return false;
	ret = getpid();
	child = fork();
	if (child == 0)
		child_main(ret);
	close(talk[1]);
	close(from_me[0]);
	close(from_me[1]);
	from_child = take(talk[0]);
	other = take(talk[0]);
	return child > 0 && from_child >= 0 && other >= 0;
}

static bool same(void)
{
	char c = 0;
	bool ok = is_made_by(from_child, child, 0, 0) && is_made_by(other, child, 0, 0) &&
		  works(from_child, other) && is_made_by(talk[0], getpid(), 0, 0) &&
		  expect(write(talk[0], "?", 1) == 1) && expect(read(talk[0], &c, 1) == 1) &&
		  expect(c == 'y');

	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return ok;
}

VICTIM(make, same)
