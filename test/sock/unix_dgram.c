/* SPDX-License-Identifier: GPL-2.0-only */
/* datagram sockets with names: who sent a message, who is connected to whom, credentials */
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "victim.h"

static int server, named, unnamed, abstract, left, right, cred[2];
static pid_t child;
static char sender_name[30], right_name[30];

static socklen_t address(struct sockaddr_un *a, const char *name)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	memcpy(a->sun_path, name, strlen(name));
	if (name[0] == '@')
		a->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) +
			   (name[0] != '@'));
}

static int bound(const char *name)
{
	struct sockaddr_un a;
	socklen_t len = address(&a, name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	return bind(fd, (struct sockaddr *)&a, len) == 0 ? fd : -1;
}

static bool connected(int fd, const char *name)
{
	struct sockaddr_un a;
	socklen_t len = address(&a, name);

	return connect(fd, (struct sockaddr *)&a, len) == 0;
}

static bool send_to(int fd, const char *name, const char *text)
{
	struct sockaddr_un a;
	socklen_t len = address(&a, name);

	return expect(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&a, len) ==
		      (ssize_t)strlen(text));
}

static bool can_send(int fd, const char *name)
{
	struct sockaddr_un a;
	socklen_t len = address(&a, name);

	return sendto(fd, "x", 1, 0, (struct sockaddr *)&a, len) == 1;
}

static bool hear(int fd, const char *text, const char *name)
{
	struct sockaddr_un a, want;
	socklen_t len = sizeof(a), want_len = name ? address(&want, name) : 0;
	char buf[100] = "";
	ssize_t n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&a, &len);

	if (n != (ssize_t)strlen(text) || len != want_len)
		fprintf(stderr, "heard %zd \"%s\" from %u bytes instead of \"%s\" from %s\n", n,
			buf, len, text, name ? name : "nobody");
	return expect(n == (ssize_t)strlen(text)) && expect(memcmp(buf, text, (size_t)n) == 0) &&
	       expect(len == want_len) && expect(memcmp(&a, &want, len) == 0);
}

/* Sends its credentials, and then only lives. */
static void child_main(void)
{
	if (setresgid(47, 47, 47) < 0 || setresuid(46, 46, 46) < 0 ||
	    send(cred[1], "from child", 10, 0) != 10)
		_exit(1);
	for (;;)
		pause();
}

static bool make_cred(void)
{
	int on = 1;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, cred) < 0 ||
	    setsockopt(cred[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    send(cred[1], "from me", 7, 0) != 7)
		return false;
	child = fork();
	if (child == 0)
		child_main();
	victim_sleep(50);
	return child > 0;
}

static bool make(void)
{
	int dead = bound("dead");

	snprintf(sender_name, sizeof(sender_name), "@crl.%d.sender", getpid());
	snprintf(right_name, sizeof(right_name), "@crl.%d.right", getpid());
	server = bound("server");
	named = bound("named");
	abstract = bound(sender_name);
	unnamed = socket(AF_UNIX, SOCK_DGRAM, 0);
	left = bound("left");
	right = bound(right_name);
	if (server < 0 || named < 0 || abstract < 0 || left < 0 || right < 0 || dead < 0)
		return false;
	/* one whose sender and its file are gone, and one whose file only is */
	return send_to(named, "server", "1") && send_to(unnamed, "server", "two") &&
	       send_to(abstract, "server", "three") && send_to(dead, "server", "four") &&
	       close(dead) == 0 && unlink("dead") == 0 && connected(named, "server") &&
	       send_to(named, "left", "not mine") && connected(left, right_name) &&
	       connected(right, "left") && send(left, "l1", 2, 0) == 2 &&
	       send(right, "r1", 2, 0) == 2 && send(right, "r2", 2, 0) == 2 &&
	       connected(unnamed, "server") && make_cred();
}

static bool came_from(const char *text, pid_t pid, uid_t uid, gid_t gid)
{
	char buf[100] = "", control[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	struct ucred u;

	if (!expect(recvmsg(cred[0], &msg, MSG_DONTWAIT) == (ssize_t)strlen(text)) ||
	    !expect(memcmp(buf, text, strlen(text)) == 0))
		return false;
	c = CMSG_FIRSTHDR(&msg);
	if (!expect(c && c->cmsg_type == SCM_CREDENTIALS))
		return false;
	memcpy(&u, CMSG_DATA(c), sizeof(u));
	if (u.pid != pid)
		fprintf(stderr, "from %d, not %d\n", u.pid, pid);
	return expect(u.pid == pid) && expect(u.uid == uid) && expect(u.gid == gid);
}

static bool is_peer(int fd, const char *name)
{
	struct sockaddr_un a, want;
	socklen_t len = sizeof(a), want_len = address(&want, name);

	return expect(getpeername(fd, (struct sockaddr *)&a, &len) == 0) &&
	       expect(len == want_len) && expect(memcmp(&a, &want, len) == 0);
}

static bool same(void)
{
	bool ok = hear(server, "1", "named") && hear(server, "two", NULL) &&
		  hear(server, "three", sender_name) && hear(server, "four", "dead") &&
		  hear(left, "not mine", "named") && hear(left, "r1", right_name) &&
		  hear(left, "r2", right_name) && hear(right, "l1", "left") &&
		  is_peer(named, "server") && is_peer(unnamed, "server") &&
		  is_peer(left, right_name) && expect(send(named, "again", 5, 0) == 5) &&
		  hear(server, "again", "named") && !can_send(abstract, "named") &&
		  expect(errno == EPERM) && can_send(server, "named") &&
		  expect(send(left, "again", 5, 0) == 5) && hear(right, "again", "left") &&
		  send_to(abstract, "server", "more") && hear(server, "more", sender_name) &&
		  came_from("from me", getpid(), 0, 0) && came_from("from child", child, 46, 47);

	kill(child, SIGKILL);
	return ok;
}

VICTIM(make, same)
