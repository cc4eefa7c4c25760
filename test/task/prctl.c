/* SPDX-License-Identifier: GPL-2.0-only */
/* what a process has set about itself by prctl() and in /proc/self */
#include <linux/membarrier.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

enum { NR_SET_MDWE = 65, NR_GET_MDWE = 66 }; /* Linux 6.3: no memory both written and executed */
enum { PERSONALITY = ADDR_NO_RANDOMIZE | UNAME26 | STICKY_TIMEOUTS | ADDR_LIMIT_3GB };

static int oom = 313, mdwe;

static bool put(const char *path, int n)
{
	FILE *f = fopen(path, "w");

	return f && fprintf(f, "%d", n) > 0 && fclose(f) == 0;
}

static int get(const char *path, const char *format)
{
	FILE *f = fopen(path, "r");
	int n = -1;

	if (!f || fscanf(f, format, &n) != 1 || fclose(f))
		return -9999;
	return n;
}

static bool make(void)
{
	prctl(NR_SET_MDWE, 1, 0, 0, 0);
	mdwe = prctl(NR_GET_MDWE, 0, 0, 0, 0);
	return expect(prctl(PR_SET_NAME, "a) R (b") == 0) &&
	       expect(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0) &&
	       expect(prctl(PR_SET_PDEATHSIG, SIGWINCH) == 0) &&
	       expect(prctl(PR_SET_DUMPABLE, 0) == 0) &&
	       expect(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) ==
		      0) &&
	       expect(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) ==
		      0) &&
	       expect(put("/proc/self/oom_score_adj", oom)) &&
	       expect(put("/proc/self/coredump_filter", 0x1f)) &&
	       expect(personality(PERSONALITY) >= 0);
}

/* A grandchild whose parent dies becomes ours. */
static bool adopts(void)
{
	int status, ours = getpid();
	pid_t child = fork();

	if (child == 0) {
		if (fork() == 0) {
			for (int i = 0; getppid() != ours && i < 2000; i++)
				victim_sleep(1);
			_exit(getppid() == ours ? 5 : 6);
		}
		_exit(7);
	}
	return expect(waitpid(child, &status, 0) == child) && expect(WEXITSTATUS(status) == 7) &&
	       expect(wait(&status) > 0) && expect(WEXITSTATUS(status) == 5);
}

static bool same(void)
{
	int sig = 0, reaper = 0;
	char name[16] = "";

	prctl(PR_GET_NAME, name);
	prctl(PR_GET_PDEATHSIG, &sig);
	prctl(PR_GET_CHILD_SUBREAPER, &reaper);
	return expect(strcmp(name, "a) R (b") == 0) && expect(sig == SIGWINCH) &&
	       expect(reaper == 1) && expect(prctl(PR_GET_DUMPABLE) == 0) &&
	       expect(get("/proc/self/oom_score_adj", "%d") == oom) &&
	       expect(get("/proc/self/coredump_filter", "%x") == 0x1f) &&
	       expect(personality(0xffffffff) == PERSONALITY) &&
	       expect(prctl(NR_GET_MDWE, 0, 0, 0, 0) == mdwe) &&
	       expect(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0) &&
	       adopts();
}

VICTIM(make, same)
