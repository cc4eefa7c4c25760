/* SPDX-License-Identifier: GPL-2.0-only */
/* a server whose workers have what was accepted, as another user; clients that are gone, names in a chroot */
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "victim.h"

enum { WORKERS = 3, CONNECTIONS = 40 };

static pid_t workers[WORKERS], jailed;
static int clients[CONNECTIONS], listener, jail[2];

static socklen_t address(struct sockaddr_un *a, const char *name)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strcpy(a->sun_path, name);
	return sizeof(*a);
}

static int connected(const char *name)
{
	struct sockaddr_un a;
	socklen_t len = address(&a, name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (struct sockaddr *)&a, len) == 0 ? fd : -1;
}

/* Answers every byte of any client by that and its number. */
static void work(int number)
{
	struct pollfd p[CONNECTIONS + 10] = { { .fd = listener, .events = POLLIN } };
	nfds_t n = 1;
	char c[2] = { 0, (char)('0' + number) };

	if (setresgid(77, 77, 77) < 0 ||
	    setresuid((uid_t)(1000 + number), (uid_t)(1000 + number), 78) < 0)
		_exit(1);
	for (;;) {
		if (poll(p, n, -1) < 0)
			_exit(1);
		for (nfds_t i = 1; i < n; i++)
			if (p[i].revents & POLLIN && read(p[i].fd, c, 1) == 1)
				send(p[i].fd, c, 2, MSG_NOSIGNAL);
			else if (p[i].revents & (POLLHUP | POLLERR))
				p[i].fd = -1;
		if (p[0].revents & POLLIN) {
			p[n].events = POLLIN;
			p[n].fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
			if (p[n].fd >= 0 && ++n > CONNECTIONS + 8)
				_exit(1);
		}
	}
}

/* Its names begin at a root of its own. */
static void jail_main(void)
{
	struct sockaddr_un a;
	socklen_t len = address(&a, "/in/sock");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), s;
	char c;

	if (mkdir("jail", 0755) < 0 || mkdir("jail/in", 0755) < 0 || chroot("jail") < 0 ||
	    chdir("/in") < 0 || bind(fd, (struct sockaddr *)&a, len) < 0 || listen(fd, 2) < 0 ||
	    write(jail[1], "r", 1) != 1)
		_exit(1);
	for (;;) {
		s = accept(fd, NULL, NULL);
		if (s < 0)
			_exit(1);
		if (read(s, &c, 1) == 1 && write(s, &c, 1) != 1)
			_exit(1);
		close(s);
	}
}

static bool asks(int fd, const char *what, int *who)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c[2];

	if (!expect(fd >= 0) || !expect(write(fd, what, 1) == 1) ||
	    !expect(poll(&p, 1, 3000) == 1) || !expect(read(fd, c, 2) == 2) ||
	    !expect(c[0] == what[0]))
		return false;
	*who = c[1];
	return true;
}

static int served_by[CONNECTIONS];

static bool make(void)
{
	struct sockaddr_un a;
	socklen_t len = address(&a, "server");
	char c;

	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(listener, (struct sockaddr *)&a, len) < 0 || listen(listener, 100) < 0)
		return false;
	for (int i = 0; i < WORKERS; i++) {
		workers[i] = fork();
		if (workers[i] == 0)
			work(i);
	}
	for (int i = 0; i < CONNECTIONS; i++) {
		clients[i] = connected("server");
		if (!asks(clients[i], "a", &served_by[i]))
			return false;
	}
	/* one goes, and what it said last is not heard by anybody but a stopped worker */
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, jail) < 0)
		return false;
	jailed = fork();
	if (jailed == 0)
		jail_main();
	close(clients[7]);
	return expect(read(jail[0], &c, 1) == 1);
}

static bool same(void)
{
	struct ucred u;
	socklen_t len = sizeof(u);
	int who, fd;
	char c;

	for (int i = 0; i < CONNECTIONS; i++) {
		if (i == 7)
			continue;
		if (!asks(clients[i], "b", &who) || !expect(who == served_by[i]))
			return false;
	}
	/* who listens is who began to */
	if (!expect(getsockopt(clients[0], SOL_SOCKET, SO_PEERCRED, &u, &len) == 0) ||
	    !expect(u.pid == getpid()) || !expect(u.uid == 0))
		return false;
	fd = connected("server");
	if (!asks(fd, "c", &who))
		return false;
	fd = connected("jail/in/sock");
	if (!expect(fd >= 0) || !expect(write(fd, "d", 1) == 1) || !expect(read(fd, &c, 1) == 1) ||
	    !expect(c == 'd'))
		return false;
	for (int i = 0; i < WORKERS; i++)
		kill(workers[i], SIGKILL);
	kill(jailed, SIGKILL);
	while (wait(NULL) > 0)
		;
	return expect(read(clients[0], &c, 1) == 0);
}

VICTIM(make, same)
