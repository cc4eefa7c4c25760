/* SPDX-License-Identifier: GPL-2.0-only */
/* sockets between tasks: ping-pong that never stops, clients of a server, who they are for it */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "victim.h"

enum { CLIENTS = 4 };

static struct {
	volatile uint64_t rounds;
	volatile int bad;
} * shared;

static int listener, ping[2], servers[CLIENTS];
static pid_t clients[CLIENTS], ponger;

/* Not MSG_WAITALL: that ends early when a task is stopped for a moment, by whomever. */
static bool get(int fd, uint64_t *n)
{
	size_t have = 0;
	ssize_t got;

	for (; have < sizeof(*n); have += (size_t)got) {
		got = read(fd, (char *)n + have, sizeof(*n) - have);
		if (got <= 0)
			return false;
	}
	return true;
}

/* Adds one to numbers of eight bytes, which come in pieces. */
static void pong(void)
{
	uint64_t n;

	for (;;) {
		if (!get(ping[1], &n))
			_exit(0);
		n++;
		if (send(ping[1], &n, sizeof(n), MSG_NOSIGNAL) != sizeof(n))
			_exit(1);
	}
}

static void *ping_main(void *arg)
{
	uint64_t n = 5, got;

	for (;;) {
		if (send(ping[0], &n, 3, MSG_NOSIGNAL) != 3 ||
		    send(ping[0], (char *)&n + 3, 5, MSG_NOSIGNAL) != 5 || !get(ping[0], &got) ||
		    got != n + 1) {
			shared->bad = 1;
			return NULL;
		}
		n = got;
		shared->rounds++;
	}
}

static void client_main(int i)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "server" };
	int fd = socket(AF_UNIX, i % 2 ? SOCK_STREAM : SOCK_STREAM | SOCK_CLOEXEC, 0);
	char buf[20];
	ssize_t n;

	if (setresgid((gid_t)(200 + i), (gid_t)(200 + i), (gid_t)(200 + i)) < 0 ||
	    setresuid((uid_t)(100 + i), (uid_t)(100 + i), (uid_t)(100 + i)) < 0)
		_exit(1);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		_exit(1);
	n = snprintf(buf, sizeof(buf), "client %d", i);
	if (write(fd, buf, (size_t)n) != n)
		_exit(1);
	/* each says how many bytes it heard */
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (dprintf(fd, "%zd", n) < 0)
			_exit(1);
	_exit(n == 0 ? 40 + i : 1);
}

static bool make(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "server" };
	pthread_t thread;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (shared == MAP_FAILED || bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    chmod("server", 0777) < 0 || listen(listener, 9) < 0)
		return false;
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = fork();
		if (clients[i] == 0) {
			close_range((unsigned int)listener, ~0u, 0);
			client_main(i);
		}
		servers[i] = accept(listener, NULL, NULL);
		if (clients[i] < 0 || servers[i] < 0)
			return false;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ping) < 0)
		return false;
	ponger = fork();
	if (ponger == 0) {
		close_range((unsigned int)listener, (unsigned int)ping[1] - 1, 0);
		pong();
	}
	close(ping[1]);
	if (ponger < 0 || pthread_create(&thread, NULL, ping_main, NULL) != 0)
		return false;
	while (shared->rounds < 100)
		victim_sleep(1);
	return true;
}

static bool is_client(int i)
{
	struct ucred u;
	socklen_t len = sizeof(u);
	char buf[20] = "", want[20];
	int status;

	if (!expect(getsockopt(servers[i], SOL_SOCKET, SO_PEERCRED, &u, &len) == 0))
		return false;
	if (u.pid != clients[i])
		fprintf(stderr, "client %d: pid %d, not %d\n", i, u.pid, clients[i]);
	if (!expect(u.pid == clients[i]) || !expect(u.uid == (uid_t)(100 + i)) ||
	    !expect(u.gid == (gid_t)(200 + i)))
		return false;

	snprintf(want, sizeof(want), "client %d", i);
	if (!expect(recv(servers[i], buf, sizeof(buf), 0) == (ssize_t)strlen(want)) ||
	    !expect(strcmp(buf, want) == 0) ||
	    !expect(write(servers[i], "12345678901", 11) == 11) ||
	    !expect(read(servers[i], buf, sizeof(buf)) == 2) || !expect(memcmp(buf, "11", 2) == 0))
		return false;
	close(servers[i]);
	return expect(waitpid(clients[i], &status, 0) == clients[i]) && expect(WIFEXITED(status)) &&
	       expect(WEXITSTATUS(status) == 40 + i);
}

static bool same(void)
{
	uint64_t rounds = shared->rounds;

	for (int i = 0; i < CLIENTS; i++)
		if (!is_client(i))
			return false;
	victim_sleep(200);
	if (!expect(shared->rounds > rounds) || !expect(!shared->bad))
		return false;
	kill(ponger, SIGKILL);
	return true;
}

VICTIM(make, same)
