/* SPDX-License-Identifier: GPL-2.0-only */
/* a program that who runs it may not read: what the kernel made of its dumpable flag stays */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "victim.h"

static pid_t child;
static int asks[2], says[2];
static int before;

/* Execed: says twice what it is, the second time when it is asked. */
static void be_unreadable(void)
{
	int dumpable = prctl(PR_GET_DUMPABLE);
	char c;

	do {
		if (write(says[1], &dumpable, sizeof(dumpable)) != sizeof(dumpable))
			_exit(1);
		if (read(asks[0], &c, 1) != 1)
			_exit(0);
		dumpable = prctl(PR_GET_DUMPABLE);
	} while (true);
}

static bool copy_program(const char *to)
{
	char buf[65536];
	int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_WRONLY | O_CREAT, 0700);
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			return false;
	close(in);
	return close(out) == 0 && chmod(to, 0111) == 0;
}

static void exec_unreadable(void)
{
	char in[16], out[16];
	char *argv[] = { "unreadable", in, out, "child", NULL };

	snprintf(in, sizeof(in), "%d", asks[0]);
	snprintf(out, sizeof(out), "%d", says[1]);
	close(asks[1]);
	if (setgid(4711) < 0 || setuid(4711) < 0)
		_exit(1);
	execv("./unreadable", argv);
	_exit(1);
}

static bool make(void)
{
	if (pipe(asks) < 0 || pipe(says) < 0 || !copy_program("unreadable"))
		return false;
	child = fork();
	if (child == 0)
		exec_unreadable();
	close(asks[0]);
	return expect(read(says[0], &before, sizeof(before)) == sizeof(before)) &&
	       expect(before != 1);
}

static bool same(void)
{
	char path[64];
	int now = -1, status;
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/maps", child);
	if (!expect(stat(path, &st) == 0) || !expect(st.st_uid == 0) || /* not its own user's */
	    !expect(write(asks[1], "x", 1) == 1) ||
	    !expect(read(says[0], &now, sizeof(now)) == sizeof(now)) || !expect(now == before))
		return false;
	close(asks[1]);
	return expect(waitpid(child, &status, 0) == child) && expect(status == 0);
}

int main(int argc, char **argv)
{
	if (argc == 4) {
		asks[0] = atoi(argv[1]);
		says[1] = atoi(argv[2]);
		be_unreadable();
	}
	return victim_main(argc, argv, make, same);
}
