/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bench - victims and yardsticks for test/bench/run
 *
 *	bench victim MIB		hold MIB of random anonymous memory, say "ready PID", wait
 *	bench tasks|threads|fds|vmas N	hold N objects, say "ready PID", wait; at SIGUSR1 look at all
 *					of them and say "same" or what is not
 *	bench writer MIB		as victim; at SIGUSR1 write to 1 % of the pages and say "touched";
 *					at SIGUSR2 write at random for 5 s and say how often
 *	bench pulse MIB			as victim, but count on; at SIGUSR1 say the longest pause (s)
 *	bench write FILE MIB		seconds for write() of MIB of warm memory, one thread
 *	bench populate FILE MIB		seconds for MADV_POPULATE_WRITE and pread by two threads
 *	bench run COMMAND...		seconds and peak KiB of COMMAND; its status
 *
 * Memory is warmed before anything is measured.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
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

/* -- a writer --------------------------------------------------------------- */

enum { PAGE_BYTES = 4096, WRITER_SECONDS = 5, WRITES_PER_LOOK = 4096 };

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void touch_some(char *p, size_t len, uint64_t *x)
{
	size_t pages = len / PAGE_BYTES, i;

	for (i = 0; i < pages / 100; i++)
		p[next_random(x) % pages * PAGE_BYTES]++;
	printf("touched\n");
}

/* of its own: what else runs here is of no interest */
static double cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void write_much(char *p, size_t len, uint64_t *x)
{
	double end = cpu_now() + WRITER_SECONDS;
	long n = 0, i;

	for (; cpu_now() < end; n += WRITES_PER_LOOK)
		for (i = 0; i < WRITES_PER_LOOK; i++)
			p[next_random(x) % len]++;
	printf("writes %ld\n", n);
}

static void writer(size_t len) __attribute__((noreturn));
static void writer(size_t len)
{
	uint64_t x = 88172645463325252ull;
	char *p = map(len);
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fill(p, len);
	printf("ready %d\n", getpid());
	for (;;) {
		fflush(stdout);
		if (sigwait(&set, &sig))
			exit(1);
		if (sig == SIGUSR1)
			touch_some(p, len, &x);
		else
			write_much(p, len, &x);
	}
}

/* -- many of one sort ------------------------------------------------------ */

static void wrong(const char *what, long i) __attribute__((noreturn));
static void wrong(const char *what, long i)
{
	printf("%s %ld is not as it was\n", what, i);
	fflush(stdout);
	exit(1);
}

static void *many(size_t n, size_t size)
{
	void *p = calloc(n + 1, size);

	if (!p)
		die("calloc");
	return p;
}

/* Children that sleep; each is asked for a sign of life through one pipe. */
struct tasks {
	pid_t *pid;
	int answers[2];
};

static void child_of_many(const sigset_t *usr1, const struct tasks *t, long i)
	__attribute__((noreturn));
static void child_of_many(const sigset_t *usr1, const struct tasks *t, long i)
{
	int sig;

	for (;;)
		if (sigwait(usr1, &sig) || write(t->answers[1], &i, sizeof(i)) != sizeof(i))
			_exit(1);
}

static void *make_tasks(long n, const sigset_t *usr1)
{
	struct tasks *t = many(1, sizeof(*t));

	t->pid = many((size_t)n, sizeof(*t->pid));
	if (pipe(t->answers) < 0)
		die("pipe");
	for (long i = 0; i < n; i++) {
		t->pid[i] = fork();
		if (t->pid[i] < 0)
			die("fork");
		if (t->pid[i] == 0)
			child_of_many(usr1, t, i);
	}
	return t;
}

static void same_tasks(long n, void *of)
{
	struct tasks *t = of;
	long i, who;

	for (i = 0; i < n; i++) {
		if (kill(t->pid[i], SIGUSR1) < 0)
			wrong("task", i);
		if (read(t->answers[0], &who, sizeof(who)) != sizeof(who) || who != i)
			wrong("answer of task", i);
	}
}

/* Threads that wait, each with a number of its own. */
struct crowd {
	pthread_mutex_t lock;
	pthread_cond_t asked, told;
	long n, round, answers, sum;
};

static __thread long number;
static struct crowd crowd = {
	PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0, 0
};

static void *one_of_crowd(void *arg)
{
	struct crowd *c = &crowd;
	long seen = 0;

	number = (long)(intptr_t)arg;
	pthread_mutex_lock(&c->lock);
	for (;;) {
		c->answers++;
		c->sum += number;
		if (c->answers == c->n)
			pthread_cond_signal(&c->told);
		while (c->round == seen)
			pthread_cond_wait(&c->asked, &c->lock);
		seen++;
	}
	return NULL;
}

static void wait_for_crowd(struct crowd *c)
{
	while (c->answers < c->n)
		pthread_cond_wait(&c->told, &c->lock);
	if (c->sum != c->n * (c->n - 1) / 2)
		wrong("sum of threads", c->sum);
	c->answers = c->sum = 0;
}

static void *make_threads(long n, const sigset_t *usr1)
{
	pthread_attr_t attr;
	pthread_t t;
	long i;

	(void)usr1;
	crowd.n = n;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	for (i = 0; i < n; i++)
		if (pthread_create(&t, &attr, one_of_crowd, (void *)(intptr_t)i))
			die("pthread_create");
	pthread_mutex_lock(&crowd.lock);
	wait_for_crowd(&crowd);
	pthread_mutex_unlock(&crowd.lock);
	return &crowd;
}

static void same_threads(long n, void *of)
{
	struct crowd *c = of;

	(void)n;
	pthread_mutex_lock(&c->lock);
	c->round++;
	pthread_cond_broadcast(&c->asked);
	wait_for_crowd(c);
	pthread_mutex_unlock(&c->lock);
}

/* One in four of each: both ends of a pipe, an eventfd, a regular file with an offset. */
struct fds {
	int *fd;
};

static int numbered_file(long i)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	if (fd < 0 || lseek(fd, i, SEEK_SET) != i)
		die("open");
	return fd;
}

static void *make_fds(long n, const sigset_t *usr1)
{
	struct fds *f = many(1, sizeof(*f));
	long i;

	(void)usr1;
	f->fd = many((size_t)n + 4, sizeof(*f->fd));
	for (i = 0; i < n; i += 4) {
		if (pipe(f->fd + i) < 0 || write(f->fd[i + 1], &i, sizeof(i)) != sizeof(i))
			die("pipe");
		f->fd[i + 2] = eventfd((unsigned int)i + 1, 0);
		if (f->fd[i + 2] < 0)
			die("eventfd");
		f->fd[i + 3] = numbered_file(i);
	}
	return f;
}

static void same_fds(long n, void *of)
{
	struct fds *f = of;
	uint64_t count;
	long i, got;

	for (i = 0; i < n; i += 4) {
		if (read(f->fd[i], &got, sizeof(got)) != sizeof(got) || got != i)
			wrong("pipe", i);
		if (read(f->fd[i + 2], &count, sizeof(count)) != sizeof(count) ||
		    count != (uint64_t)i + 1)
			wrong("eventfd", i);
		if (lseek(f->fd[i + 3], 0, SEEK_CUR) != i)
			wrong("file", i);
		count = (uint64_t)i + 1;
		if (write(f->fd[i + 1], &i, sizeof(i)) != sizeof(i) ||
		    write(f->fd[i + 2], &count, sizeof(count)) != sizeof(count))
			wrong("descriptor", i);
	}
}

/* Pages that cannot become one vma, because their neighbours have other rights. */
static void *make_vmas(long n, const sigset_t *usr1)
{
	char *p = map((size_t)n * 4096);
	long i;

	(void)usr1;
	for (i = 0; i < n; i++) {
		*(long *)(p + i * 4096) = i;
		if (i % 2 && mprotect(p + i * 4096, 4096, PROT_READ) < 0)
			die("mprotect");
	}
	return p;
}

static void same_vmas(long n, void *of)
{
	char *p = of;
	long i;

	for (i = 0; i < n; i++)
		if (*(long *)(p + i * 4096) != i)
			wrong("vma", i);
}

static const struct sort {
	const char *name;
	void *(*make)(long n, const sigset_t *usr1);
	void (*same)(long n, void *of);
} sorts[] = {
	{ "tasks", make_tasks, same_tasks },
	{ "threads", make_threads, same_threads },
	{ "fds", make_fds, same_fds },
	{ "vmas", make_vmas, same_vmas },
};

static void hold(const struct sort *s, long n) __attribute__((noreturn));
static void hold(const struct sort *s, long n)
{
	sigset_t usr1;
	void *of;
	int sig;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	of = s->make(n, &usr1);
	printf("ready %d\n", getpid());
	fflush(stdout);
	for (;;) {
		if (sigwait(&usr1, &sig))
			die("sigwait");
		s->same(n, of);
		printf("same\n");
		fflush(stdout);
	}
}

static volatile sig_atomic_t asked;

static void ask(int sig)
{
	(void)sig;
	asked = 1;
}

/* How long were we away?  The clock is read without pause, the longest step is the answer. */
static void pulse(size_t len) __attribute__((noreturn));
static void pulse(size_t len)
{
	double last, longest = 0, t;

	fill(map(len), len);
	signal(SIGUSR1, ask);
	printf("ready %d\n", getpid());
	fflush(stdout);
	for (last = now();; last = t) {
		t = now();
		if (t - last > longest)
			longest = t - last;
		if (!asked)
			continue;
		printf("pause %.5f\n", longest);
		fflush(stdout);
		asked = 0;
		longest = 0;
		t = now();
	}
}

/* -- yardsticks ------------------------------------------------------------ */

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
	if (argc == 3 && strcmp(argv[1], "writer") == 0)
		writer((size_t)atol(argv[2]) << 20);
	if (argc == 3 && strcmp(argv[1], "pulse") == 0)
		pulse((size_t)atol(argv[2]) << 20);
	for (size_t i = 0; argc == 3 && i < sizeof(sorts) / sizeof(sorts[0]); i++)
		if (strcmp(argv[1], sorts[i].name) == 0)
			hold(&sorts[i], atol(argv[2]));
	if (argc == 4 && strcmp(argv[1], "write") == 0)
		return yard_write(argv[2], (size_t)atol(argv[3]) << 20);
	if (argc == 4 && strcmp(argv[1], "populate") == 0)
		return yard_populate(argv[2], (size_t)atol(argv[3]) << 20);
	if (argc >= 3 && strcmp(argv[1], "run") == 0)
		return run(argv + 2);
	fprintf(stderr,
		"usage: bench victim|tasks|threads|fds|vmas|writer|pulse|write|populate|run ...\n");
	return 2;
}
