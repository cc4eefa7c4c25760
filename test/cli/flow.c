/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * flow DIR ring|fifos|many|fifo|file|epoll: data that never rests, for test/file/load.bats
 *
 *	ring	tasks that pass what they read to the next, over pipes
 *	fifos	the same over fifos
 *	many	one writer, many readers of one pipe
 *	fifo	one writer, one reader of a fifo
 *	file	a file that one fills and another reads
 *	epoll	children that write, one who waits for all of them in an epoll
 *
 * Nothing may be lost, come twice, or out of order.
 */
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "victim.h"

enum { NR = 5, MOST = 100 };

static struct {
	volatile long done[NR + 1], wrong;
	volatile bool stop;
} * s;

static const char *what;

static void fail(int line)
{
	fprintf(stderr, "%s: line %d, errno %d\n", what, line, errno);
	s->wrong++;
	_exit(1);
}

#define must(cond)                      \
	do {                            \
		if (!(cond))            \
			fail(__LINE__); \
	} while (0)

/* All of it, however it comes. */
static bool read_all(int fd, void *buf, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t got = read(fd, (char *)buf + at, n - at);

		if (got <= 0)
			return false;
		at += (size_t)got;
	}
	return true;
}

static int make_fifo(const char *name)
{
	return mkfifo(name, 0600) < 0 ? -1 : open(name, O_RDWR);
}

static bool make_ends(int i, int ends[2])
{
	char name[16];

	if (*what == 'r')
		return pipe(ends) == 0;
	snprintf(name, sizeof(name), "fifo%d", i);
	if (make_fifo(name) < 0)
		return false;
	ends[0] = open(name, O_RDONLY);
	ends[1] = open(name, O_WRONLY);
	return ends[0] >= 0 && ends[1] >= 0;
}

/* MOST numbers go round; the first of the ring sees that they come in order, and sends the next round. */
static void pass_on(int i, int in, int out)
{
	for (long n, next = i == 0 ? 0 : MOST;; next++) {
		must(read_all(in, &n, sizeof(n)));
		must(n == next);
		n += i == 0 ? MOST : 0;
		must(write(out, &n, sizeof(n)) == sizeof(n));
		s->done[i]++;
	}
}

static bool make_ring(void)
{
	int ends[NR][2];

	for (int i = 0; i < NR; i++)
		if (!expect(make_ends(i, ends[i])))
			return false;
	for (long n = 0; n < MOST; n++)
		if (!expect(write(ends[0][1], &n, sizeof(n)) == sizeof(n)))
			return false;
	for (int i = 0; i < NR; i++)
		if (fork() == 0)
			pass_on(i, ends[i][0], ends[(i + 1) % NR][1]);
	return true;
}

static bool make_many(void)
{
	int ends[2];
	uint32_t n;

	if (!expect(pipe(ends) == 0))
		return false;
	for (int i = 0; i < NR; i++)
		if (fork() == 0)
			for (uint32_t last = 0;; last = n) {
				must(read(ends[0], &n, sizeof(n)) == sizeof(n));
				must(n > last);
				s->done[i]++;
			}
	if (fork() == 0)
		for (n = 1;; n++) {
			must(write(ends[1], &n, sizeof(n)) == sizeof(n));
			s->done[NR]++;
		}
	return true;
}

/* Of any length, so that no border is where one might expect it. */
static void write_stream(int fd)
{
	unsigned char buf[5000];

	for (unsigned int at = 0, len = 1;; len = len * 7 % 4999 + 1) {
		for (unsigned int i = 0; i < len; i++)
			buf[i] = (unsigned char)((at + i) % 251);
		for (unsigned int i = 0; i < len;) {
			ssize_t n = write(fd, buf + i, len - i);

			must(n > 0);
			i += (unsigned int)n;
		}
		at += len;
		s->done[0]++;
	}
}

static bool make_stream(void)
{
	int both = make_fifo("fifo"), rd = open("fifo", O_RDONLY), wr = open("fifo", O_WRONLY);
	unsigned char buf[777];

	if (!expect(both >= 0 && rd >= 0 && wr >= 0) || !expect(close(both) == 0))
		return false;
	if (fork() == 0) {
		close(rd);
		write_stream(wr);
	}
	close(wr);
	if (fork() == 0)
		for (unsigned int at = 0;;) {
			ssize_t n = read(rd, buf, sizeof(buf));

			must(n > 0);
			for (ssize_t i = 0; i < n; i++)
				must(buf[i] == at++ % 251);
			s->done[1]++;
		}
	close(rd);
	return true;
}

/* One descriptor fills it from the beginning again and again, another one follows. */
static void fill_file(int wr, int rd)
{
	uint32_t n, got;

	for (n = 0;; n++) {
		if (n % 100000 == 0)
			must(lseek(wr, 0, SEEK_SET) == 0 && lseek(rd, 0, SEEK_SET) == 0);
		must(write(wr, &n, sizeof(n)) == sizeof(n));
		must(lseek(wr, 0, SEEK_CUR) == (off_t)(n % 100000 + 1) * 4);
		must(read(rd, &got, sizeof(got)) == sizeof(got) && got == n);
		must(lseek(rd, 0, SEEK_CUR) == (off_t)(n % 100000 + 1) * 4);
		s->done[0]++;
	}
}

static bool make_file(void)
{
	int wr = open("file", O_RDWR | O_CREAT, 0600), rd = open("file", O_RDONLY);

	if (!expect(wr >= 0 && rd >= 0))
		return false;
	if (fork() == 0)
		fill_file(wr, rd);
	return true;
}

static void wait_for_all(int ep)
{
	struct epoll_event ev[2];
	long next[NR] = { 0 }, got;

	for (;;) {
		int n = epoll_wait(ep, ev, 2, -1);

		must(n > 0);
		for (int i = 0; i < n; i++) {
			int from = (int)(ev[i].data.u64 >> 32);

			must(read_all((int)(ev[i].data.u64 & 0xffff), &got, sizeof(got)));
			must(got == next[from]++);
			s->done[from]++;
		}
	}
}

static bool make_epoll(void)
{
	int ep = epoll_create1(0), ends[2];

	for (int i = 0; i < NR; i++) {
		struct epoll_event ev = { .events = EPOLLIN };

		if (!expect(pipe(ends) == 0))
			return false;
		ev.data.u64 = (uint64_t)i << 32 | (uint64_t)ends[0];
		if (!expect(epoll_ctl(ep, EPOLL_CTL_ADD, ends[0], &ev) == 0))
			return false;
		if (fork() == 0)
			for (long n = 0;; n++)
				must(write(ends[1], &n, sizeof(n)) == sizeof(n));
		close(ends[1]);
	}
	if (fork() == 0)
		wait_for_all(ep);
	return true;
}

static bool make_what(void)
{
	switch (what[0]) {
	case 'r':
		return make_ring();
	case 'm':
		return make_many();
	case 'e':
		return make_epoll();
	}
	if (strcmp(what, "fifos") == 0)
		return make_ring();
	return strcmp(what, "file") == 0 ? make_file() : make_stream();
}

static bool make(void)
{
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return expect(s != MAP_FAILED) && make_what();
}

static long sum(void)
{
	long n = 0;

	for (int i = 0; i <= NR; i++)
		n += s->done[i];
	return n;
}

static bool same(void)
{
	long before = sum();

	for (int i = 0; i < 200 && sum() < before + 100; i++)
		victim_sleep(10);
	return expect(s->wrong == 0) && expect(sum() >= before + 100) &&
	       expect(waitpid(-1, NULL, WNOHANG) == 0);
}

int main(int argc, char **argv)
{
	what = argc > 2 ? argv[2] : "ring";
	return victim_main(argc, argv, make, same);
}
