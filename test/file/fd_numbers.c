/* SPDX-License-Identifier: GPL-2.0-only */
/* exactly the descriptors there were, in parent and child: at odd numbers, each with its own flag */
#include <dirent.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "victim.h"

enum { MOST = 64 };

struct list {
	int n, fd[MOST], flags[MOST];
};

static int ask[2], answer[2], base;
static pid_t child;
static struct list mine, childs;

static bool look(struct list *l)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;

	memset(l, 0, sizeof(*l));
	while (dir && (e = readdir(dir))) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] == '.' || fd == dirfd(dir))
			continue;
		if (!expect(l->n < MOST))
			return false;
		l->fd[l->n] = fd;
		l->flags[l->n++] = fcntl(fd, F_GETFD);
	}
	return expect(dir) && expect(closedir(dir) == 0);
}

static int at(int number, bool cloexec)
{
	return dup3(base, number, cloexec ? O_CLOEXEC : 0);
}

static void child_main(void)
{
	struct list l;
	char c;

	at(77, true);
	at(1022, false);
	close(base);
	for (;;)
		if (!look(&l) || write(answer[1], &l, sizeof(l)) != sizeof(l) ||
		    read(ask[0], &c, 1) != 1)
			_exit(1);
}

static bool make(void)
{
	struct rlimit limit;
	int top;

	if (!expect(getrlimit(RLIMIT_NOFILE, &limit) == 0))
		return false;
	limit.rlim_cur = limit.rlim_max;
	top = limit.rlim_max < 100000 ? (int)limit.rlim_max - 7 : 99993;
	if (!expect(setrlimit(RLIMIT_NOFILE, &limit) == 0) || !expect(pipe(ask) == 0) ||
	    !expect(pipe(answer) == 0) ||
	    !expect((base = open("file", O_RDWR | O_CREAT, 0600)) >= 0))
		return false;
	child = fork();
	if (child == 0)
		child_main();
	for (int fd = 10; fd < top; fd = fd * 2 + 1)
		if (!expect(at(fd, fd % 3 == 0) == fd))
			return false;
	return expect(at(1023, true) == 1023) && expect(at(1024, false) == 1024) &&
	       expect(at(top, true) == top) &&
	       expect(read(answer[0], &childs, sizeof(childs)) == sizeof(childs)) && look(&mine);
}

static bool same(void)
{
	struct list now;
	char c = 'x';

	return look(&now) && expect(memcmp(&now, &mine, sizeof(now)) == 0) &&
	       expect(write(ask[1], &c, 1) == 1) &&
	       expect(read(answer[0], &now, sizeof(now)) == sizeof(now)) &&
	       expect(memcmp(&now, &childs, sizeof(now)) == 0);
}

VICTIM(make, same)
