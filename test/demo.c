/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * demo - a program that is alive, and notices if anything is not as it was
 *
 * Three processes.  The clock leads a session on a pty and prints a counter
 * there.  The keeper has 200 MiB of memory and four threads, gets each count
 * through a pipe, looks at another twentieth of its memory and answers through a
 * unix socket pair.  The one that started both reads the pty's other side, asks
 * the keeper, and prints a line per tick:
 *
 *	17 ok
 *	18 BAD: what is not as it should be
 */
#include <fcntl.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MIB = 1 << 20, SLICES = 20, SLICE = 10 * MIB, THREADS = 4, TICK_MS = 100 };

struct answer {
	uint64_t count;
	uint32_t slice;
	bool right;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* -- the clock ------------------------------------------------------------- */

static void clock_main(int slave)
{
	struct timespec tick = { .tv_nsec = TICK_MS * 1000000 };
	unsigned long count = 0;

	prctl(PR_SET_NAME, "demo-clock");
	if (setsid() < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
		die("controlling terminal");

	while (dprintf(slave, "%lu\n", ++count) > 0)
		nanosleep(&tick, NULL);
}

/* -- the keeper ------------------------------------------------------------ */

static uint64_t *memory;
static uint64_t sums[SLICES];

/* Numbers that no memory has by chance and that cannot be compressed. */
static uint64_t next_number(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static uint64_t sum_of(int slice)
{
	const uint64_t *p = memory + (size_t)slice * SLICE / sizeof(*p);
	uint64_t sum = 0;

	for (size_t i = 0; i < SLICE / sizeof(*p); i++)
		sum = (sum << 1 | sum >> 63) ^ p[i];
	return sum;
}

static void fill_memory(void)
{
	uint64_t seed = 88172645463325252;

	memory = mmap(NULL, (size_t)SLICES * SLICE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		die("200 MiB of memory");
	for (size_t i = 0; i < (size_t)SLICES * SLICE / sizeof(*memory); i++)
		memory[i] = next_number(&seed);
	for (int i = 0; i < SLICES; i++)
		sums[i] = sum_of(i);
}

struct channel {
	int pipe, sock;
	pthread_mutex_t turn;
};

/* Whichever thread has the turn answers. */
static void *keeper_thread(void *arg)
{
	struct channel *c = arg;
	uint64_t count;

	for (;;) {
		struct answer a = { 0 };

		pthread_mutex_lock(&c->turn);
		if (read(c->pipe, &count, sizeof(count)) != sizeof(count))
			exit(0);
		a.count = count;
		a.slice = count % SLICES;
		a.right = sum_of((int)a.slice) == sums[a.slice];
		if (write(c->sock, &a, sizeof(a)) != sizeof(a))
			exit(0);
		pthread_mutex_unlock(&c->turn);
	}
	return NULL;
}

static void keeper_main(int from, int sock)
{
	struct channel c = { .pipe = from, .sock = sock, .turn = PTHREAD_MUTEX_INITIALIZER };
	pthread_t thread;

	prctl(PR_SET_NAME, "demo-keeper");
	fill_memory();
	for (int i = 1; i < THREADS; i++)
		if (pthread_create(&thread, NULL, keeper_thread, &c) != 0)
			die("a thread");
	keeper_thread(&c);
}

/* -- the one that asks ----------------------------------------------------- */

static const char *tick(uint64_t count, FILE *pty, int to, int sock)
{
	char line[64];
	struct answer a;

	if (!fgets(line, sizeof(line), pty))
		die("pty");
	if (strtoull(line, NULL, 10) != count)
		return "the pty lost or repeated a count";
	if (write(to, &count, sizeof(count)) != sizeof(count) ||
	    read(sock, &a, sizeof(a)) != sizeof(a))
		die("keeper");
	if (a.count != count)
		return "the pipe or the socket pair changed a count";
	return a.right ? NULL : "memory has changed";
}

int main(void)
{
	int master, slave, to_keeper[2], sock[2];
	FILE *pty;

	if (openpty(&master, &slave, NULL, NULL, NULL) < 0 || pipe(to_keeper) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, sock) < 0)
		die("pty, pipe or socket pair");
	signal(SIGCHLD, SIG_IGN);

	if (fork() == 0) {
		close(to_keeper[1]);
		close(sock[0]);
		close(master);
		close(slave);
		keeper_main(to_keeper[0], sock[1]);
	}
	if (fork() == 0) {
		close(to_keeper[0]);
		close(to_keeper[1]);
		close(sock[0]);
		close(sock[1]);
		close(master);
		clock_main(slave);
		_exit(0);
	}
	close(to_keeper[0]);
	close(sock[1]);
	close(slave);

	pty = fdopen(master, "r");
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (uint64_t count = 1;; count++) {
		const char *bad = tick(count, pty, to_keeper[1], sock[0]);

		if (bad)
			printf("%lu BAD: %s\n", count, bad);
		else
			printf("%lu ok\n", count);
	}
}
