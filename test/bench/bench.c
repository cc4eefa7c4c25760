/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bench - victims and yardsticks for test/bench/run
 *
 *	bench victim MIB		hold MIB of random anonymous memory, say "ready PID", wait
 *	bench write FILE MIB		seconds for write() of MIB of warm memory, one thread
 *	bench populate FILE MIB		seconds for MADV_POPULATE_WRITE and pread by two threads
 *	bench run COMMAND...		seconds and peak KiB of COMMAND; its status
 *
 * Memory is warmed before anything is measured.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static char *map(size_t len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

/* xorshift: nothing can be compressed or taken for zero */
static void fill(char *p, size_t len)
{
	uint64_t x = 88172645463325252ull, *q = (uint64_t *)p;
	size_t i;

	for (i = 0; i < len / sizeof(*q); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		q[i] = x;
	}
}

static void victim(size_t len) __attribute__((noreturn));
static void victim(size_t len)
{
	char *p = map(len);

	fill(p, len);
	printf("ready %d\n", getpid());
	fflush(stdout);
	for (;;)
		pause();
}

static int yard_write(const char *file, size_t len)
{
	char *p = map(len);
	size_t done = 0;
	double start;
	int fd;

	fill(p, len);
	unlink(file);
	fd = open(file, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		die(file);
	start = now();
	while (done < len) {
		ssize_t n = write(fd, p + done, len - done);

		if (n <= 0)
			die("write");
		done += (size_t)n;
	}
	printf("%.4f\n", now() - start);
	return 0;
}

struct half {
	int fd;
	char *to;
	size_t len;
	off_t off;
};

static void *read_half(void *arg)
{
	struct half *h = arg;
	size_t step = 4 << 20, done;

	for (done = 0; done < h->len; done += step) {
		size_t n = h->len - done < step ? h->len - done : step;

		if (madvise(h->to + done, n, MADV_POPULATE_WRITE) < 0)
			die("MADV_POPULATE_WRITE");
		if (pread(h->fd, h->to + done, n, h->off + (off_t)done) != (ssize_t)n)
			die("pread");
	}
	return NULL;
}

static int yard_populate(const char *file, size_t len)
{
	int fd = open(file, O_RDONLY);
	struct half h[2];
	pthread_t other;
	double start;
	char *p;

	if (fd < 0)
		die(file);
	start = now();
	p = map(len);
	h[0] = (struct half){ fd, p, len / 2, 0 };
	h[1] = (struct half){ fd, p + len / 2, len - len / 2, (off_t)(len / 2) };
	if (pthread_create(&other, NULL, read_half, &h[1]))
		die("pthread_create");
	read_half(&h[0]);
	pthread_join(other, NULL);
	printf("%.4f\n", now() - start);
	return 0;
}

static int run(char **argv)
{
	double start = now();
	struct rusage use;
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
			die("dup2");
		execvp(argv[0], argv);
		die(argv[0]);
	}
	if (wait4(pid, &status, 0, &use) < 0)
		die("wait4");
	printf("%.5f %ld\n", now() - start, use.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "victim") == 0)
		victim((size_t)atol(argv[2]) << 20);
	if (argc == 4 && strcmp(argv[1], "write") == 0)
		return yard_write(argv[2], (size_t)atol(argv[3]) << 20);
	if (argc == 4 && strcmp(argv[1], "populate") == 0)
		return yard_populate(argv[2], (size_t)atol(argv[3]) << 20);
	if (argc >= 3 && strcmp(argv[1], "run") == 0)
		return run(argv + 2);
	fprintf(stderr, "usage: bench victim|write|populate|run ...\n");
	return 2;
}
