/* SPDX-License-Identifier: GPL-2.0-only */
/* clients that never stop sending to a server, by streams, messages and datagrams: nothing is lost or doubled */
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "victim.h"

enum { CLIENTS = 6 };

/* By number of the client: what it has sent, what was received. */
static struct {
	volatile uint64_t sent[CLIENTS], got[CLIENTS];
	volatile int bad, stop;
} * shared;

static const int types[3] = { SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM };
static const char *const names[3] = { "stream", "seqpacket", "dgram" };
static pid_t clients[CLIENTS], server;

static struct sockaddr_un address(int type)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	strcpy(a.sun_path, names[type]);
	return a;
}

/* Each message: who it is from, and its number. */
static void client_main(int me)
{
	struct sockaddr_un a = address(me % 3);
	int fd = socket(AF_UNIX, types[me % 3], 0);
	uint64_t message[2] = { (uint64_t)me, 0 };

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		_exit(1);
	while (!shared->stop) {
		message[1]++;
		if (send(fd, message, sizeof(message), MSG_NOSIGNAL) != sizeof(message))
			shared->bad = 1;
		shared->sent[me] = message[1];
	}
	for (;;)
		pause();
}

static void take(const uint64_t *m)
{
	if (m[0] >= CLIENTS || m[1] != shared->got[m[0]] + 1)
		shared->bad = 2;
	else
		shared->got[m[0]] = m[1];
}

/* A stream may give half a message. */
static void take_all(int fd, char *buf, size_t *have)
{
	ssize_t n = recv(fd, buf + *have, 1600 - *have, MSG_DONTWAIT);
	size_t at;

	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			shared->bad = 3;
		return;
	}
	*have += (size_t)n;
	for (at = 0; at + 16 <= *have; at += 16) {
		uint64_t m[2];

		memcpy(m, buf + at, 16);
		take(m);
	}
	memmove(buf, buf + at, *have - at);
	*have -= at;
}

static void server_main(const int *listeners)
{
	struct pollfd p[CLIENTS];
	char buf[CLIENTS][1600];
	size_t have[CLIENTS] = { 0 };
	int i, n = 0;

	for (i = 0; i < 4; i++) /* two of each that connects */
		p[n++].fd = accept(listeners[i % 2], NULL, NULL);
	p[n++].fd = listeners[2];
	for (;;) {
		for (i = 0; i < n; i++)
			p[i].events = POLLIN;
		poll(p, (nfds_t)n, -1);
		for (i = 0; i < n; i++)
			if (p[i].revents)
				take_all(p[i].fd, buf[i], &have[i]);
	}
}

static bool make(void)
{
	int listeners[3], memory, i;

	memory = memfd_create("load", 0);
	if (memory < 0 || ftruncate(memory, 4096) < 0)
		return false;
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (shared == MAP_FAILED)
		return false;
	for (i = 0; i < 3; i++) {
		struct sockaddr_un a = address(i);

		listeners[i] = socket(AF_UNIX, types[i], 0);
		if (bind(listeners[i], (struct sockaddr *)&a, sizeof(a)) < 0 ||
		    (i < 2 && listen(listeners[i], 5) < 0))
			return false;
	}
	server = fork();
	if (server == 0)
		server_main(listeners);
	for (i = 0; i < CLIENTS; i++) {
		clients[i] = fork();
		if (clients[i] == 0)
			client_main(i);
	}
	for (i = 0; i < 3; i++)
		close(listeners[i]);
	victim_sleep(100);
	return server > 0;
}

static bool all_have_come(void)
{
	int i;

	for (i = 0; i < CLIENTS; i++)
		if (shared->sent[i] == 0 || shared->sent[i] != shared->got[i])
			return false;
	return true;
}

static bool same(void)
{
	uint64_t before = shared->got[0];
	int i;

	victim_sleep(100);
	if (shared->bad)
		fprintf(stderr, "bad: %d\n", shared->bad);
	if (!expect(shared->got[0] > before) || !expect(!shared->bad))
		return false;
	shared->stop = 1;
	for (i = 0; i < 500 && !all_have_come(); i++)
		victim_sleep(10);
	/* to the server, a client that ends would be bad */
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	for (i = 0; i < CLIENTS; i++)
		kill(clients[i], SIGKILL);
	return expect(all_have_come()) && expect(!shared->bad);
}

VICTIM(make, same)
