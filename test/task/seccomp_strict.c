/* SPDX-License-Identifier: GPL-2.0-only */
/* seccomp strict mode of one thread: it may read, write and end, and nothing else */
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "victim.h"

static pthread_t thread;
static int to[2], from[2];
static volatile int strict;
static volatile long tid;

static void *run(void *arg)
{
	char c;

	tid = syscall(SYS_gettid);
	strict = prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0 ? 1 : -1;
	while (read(to[0], &c, 1) == 1) {
		c++;
		if (write(from[1], &c, 1) != 1)
			break;
	}
	syscall(SYS_exit, 0);
	return NULL;
}

static bool make(void)
{
	if (pipe(to) || pipe(from) || pthread_create(&thread, NULL, run, NULL))
		return false;
	while (!strict)
		victim_sleep(1);
	return strict > 0;
}

static bool same(void)
{
	char path[64], line[256];
	int mode = -1;
	char c = 'x';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/status", tid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "Seccomp: %d", &mode);
	if (f)
		fclose(f);
	return expect(write(to[1], &c, 1) == 1) && expect(read(from[0], &c, 1) == 1) &&
	       expect(c == 'y') && expect(mode == 1);
}

VICTIM(make, same)
