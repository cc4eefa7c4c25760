/* SPDX-License-Identifier: GPL-2.0-only */
/* credentials: ids, groups, capabilities, securebits and no_new_privs, another set for each thread */
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "victim.h"

static char before[2][4096], after[2][4096];
static int securebits[2];
static pthread_t thread;
static pthread_barrier_t made, look, done;

static void get(char *text, int *bits)
{
	static const char *const keys[] = { "Uid:",    "Gid:",	  "Groups:",
					    "CapInh:", "CapPrm:", "CapEff:",
					    "CapBnd:", "CapAmb:", "NoNewPrivs:" };
	char path[64], line[1024];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/status", syscall(SYS_gettid));
	f = fopen(path, "r");
	text[0] = '\0';
	while (f && fgets(line, sizeof(line), f))
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			if (strncmp(line, keys[i], strlen(keys[i])) == 0)
				strcat(text, line);
	if (f)
		fclose(f);
	*bits = prctl(PR_GET_SECUREBITS);
}

static bool set_caps(uint64_t eff, uint64_t prm, uint64_t inh)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)eff, (uint32_t)prm, (uint32_t)inh },
		{ (uint32_t)(eff >> 32), (uint32_t)(prm >> 32), (uint32_t)(inh >> 32) },
	};

	return expect(syscall(SYS_capset, &head, data) == 0);
}

#define CAP(n) (1ull << CAP_##n)

/* By raw system calls: libc would do it to all threads. */
static bool become(uint32_t uid, uint64_t caps, bool ambient)
{
	gid_t groups[] = { 18001, 18002, 40, 18003 };

	prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT);
	prctl(PR_CAPBSET_DROP, CAP_SYS_MODULE);
	if (!expect(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_NOROOT) == 0) ||
	    !expect(syscall(SYS_setgroups, ambient ? 4 : 2, groups) == 0) ||
	    !expect(syscall(SYS_setresgid, uid, uid + 1, uid + 2) == 0) ||
	    !expect(syscall(SYS_setresuid, uid, uid + 1, uid + 2) == 0))
		return false;
	syscall(SYS_setfsuid, uid + 2);
	if (!set_caps(caps, caps | CAP(SETUID), CAP(NET_RAW) | CAP(KILL)))
		return false;
	if (ambient && !expect(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) == 0))
		return false;
	return !ambient || expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
}

static void *run(void *arg)
{
	bool good = become(18943, CAP(NET_RAW) | CAP(DAC_OVERRIDE) | CAP(BPF), true);

	get(before[1], &securebits[1]);
	pthread_barrier_wait(&made);
	pthread_barrier_wait(&look);
	get(after[1], &securebits[1]);
	pthread_barrier_wait(&done);
	return good ? &thread : NULL;
}

static int bits_before[2];

static bool make(void)
{
	if (geteuid() != 0)
		skip("only root can change its credentials");
	pthread_barrier_init(&made, NULL, 2);
	pthread_barrier_init(&look, NULL, 2);
	pthread_barrier_init(&done, NULL, 2);
	if (pthread_create(&thread, NULL, run, NULL))
		return false;
	pthread_barrier_wait(&made);
	/* it still has to write its verdict */
	if (!become(700, CAP(DAC_OVERRIDE) | CAP(NET_BIND_SERVICE), false))
		return false;
	get(before[0], &securebits[0]);
	memcpy(bits_before, securebits, sizeof(bits_before));
	return true;
}

static bool same(void)
{
	void *good;

	pthread_barrier_wait(&look);
	pthread_barrier_wait(&done);
	pthread_join(thread, &good);
	get(after[0], &securebits[0]);
	for (int i = 0; i < 2; i++) {
		if (strcmp(before[i], after[i]) != 0)
			fprintf(stderr, "before:\n%safter:\n%s", before[i], after[i]);
		if (!expect(strcmp(before[i], after[i]) == 0) ||
		    !expect(securebits[i] == bits_before[i]))
			return false;
	}
	return expect(good);
}

VICTIM(make, same)
