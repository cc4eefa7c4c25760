/* SPDX-License-Identifier: GPL-2.0-only */
/* seccomp filters that threads share are still the same objects: one can be added to all at once */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "victim.h"

static pthread_t threads[3];
static volatile bool look;
static volatile int denied;

static long deny(long nr, int error, unsigned int flags)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(insns) / sizeof(insns[0]), .filter = insns };

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

static void *run(void *arg)
{
	while (!look)
		victim_sleep(1);
	if (syscall(SYS_umask, 0) < 0 && errno == 66 && syscall(SYS_getsid, 0) < 0 && errno == 79)
		__atomic_add_fetch(&denied, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static bool make(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (deny(SYS_umask, 66, 0) || deny(SYS_getpgid, 55, 0))
		return false;
	for (int i = 0; i < 3; i++)
		if (pthread_create(&threads[i], NULL, run, NULL))
			return false;
	return true;
}

static bool same(void)
{
	if (!expect(deny(SYS_getsid, 79, SECCOMP_FILTER_FLAG_TSYNC) == 0))
		return false;
	look = true;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	return expect(denied == 3);
}

VICTIM(make, same)
