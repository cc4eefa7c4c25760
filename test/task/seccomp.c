/* SPDX-License-Identifier: GPL-2.0-only */
/* seccomp filters: what is denied, logged or allowed stays so, for each thread; one more for all */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "victim.h"

static pthread_t thread;
static volatile bool made, look, leave;
static volatile int good;

/* System call @nr gives @error, all others are allowed. */
static int deny(long nr, int error, unsigned int flags)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(insns) / sizeof(insns[0]), .filter = insns };

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

static bool gives(long nr, int error)
{
	return expect(syscall(nr, -1, 0, 0) < 0) && expect(errno == error);
}

static int filters(long tid)
{
	char path[64], line[256];
	int n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/status", tid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "Seccomp_filters: %d", &n);
	if (f)
		fclose(f);
	return n;
}

static void *run(void *arg)
{
	bool ok = deny(SYS_getsid, 77, 0) == 0;

	made = true;
	while (!look)
		victim_sleep(1);
	good = ok && gives(SYS_umask, 66) && gives(SYS_getpgid, 55) && gives(SYS_getsid, 77) &&
	       expect(filters(syscall(SYS_gettid)) == 3);
	while (!leave)
		victim_sleep(1);
	return NULL;
}

static bool make(void)
{
	/* 54 and 55: of several filters that deny, the last one that was added gives the error */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (deny(SYS_umask, 66, 0) || deny(SYS_getpgid, 55, SECCOMP_FILTER_FLAG_LOG) ||
	    pthread_create(&thread, NULL, run, NULL))
		return false;
	while (!made)
		victim_sleep(1);
	return true;
}

static bool same(void)
{
	long others;

	look = true;
	for (int i = 0; !good && i < 5000; i++)
		victim_sleep(1);
	if (!expect(good) || !gives(SYS_umask, 66) || !gives(SYS_getpgid, 55) ||
	    !expect(syscall(SYS_getsid, 0) > 0) || !expect(filters(getpid()) == 2))
		return false;

	/*
	 * One more, for all threads at once, is possible only if ours are the
	 * very same that the other thread had before it added one of its own.
	 */
	others = deny(SYS_getsid, 78, SECCOMP_FILTER_FLAG_TSYNC);
	leave = true;
	pthread_join(thread, NULL);
	return expect(others > 0) && expect(deny(SYS_getsid, 79, SECCOMP_FILTER_FLAG_TSYNC) == 0) &&
	       gives(SYS_getsid, 79);
}

VICTIM(make, same)
