/* SPDX-License-Identifier: GPL-2.0-only */
/* the user that has logged in (audit), each task its own */
#include <sys/wait.h>

#include "victim.h"

static pid_t child;
static int asks[2], says[2];

static bool login(const char *uid)
{
	int fd = open("/proc/self/loginuid", O_WRONLY);
	bool ok = fd >= 0 && write(fd, uid, strlen(uid)) == (ssize_t)strlen(uid);

	close(fd);
	return ok;
}

static unsigned int logged_in(void)
{
	char text[32] = "";
	int fd = open("/proc/self/loginuid", O_RDONLY);
	unsigned int uid = 0;

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		uid = (unsigned int)strtoul(text, NULL, 10);
	close(fd);
	return uid;
}

static void be_a_child(void)
{
	char c;

	if (!login("4321") || write(says[1], "x", 1) != 1 || read(asks[0], &c, 1) != 1)
		_exit(1);
	_exit(logged_in() == 4321 ? 31 : 32);
}

static bool make(void)
{
	char c;

	if (access("/proc/self/loginuid", F_OK) < 0)
		skip("this kernel has no loginuid (CONFIG_AUDIT)");
	/* in a user namespace only who has not logged in may */
	if (pipe(asks) < 0 || pipe(says) < 0)
		return false;
	child = fork();
	if (child == 0)
		be_a_child();
	return expect(login("1234")) && expect(read(says[0], &c, 1) == 1);
}

static bool same(void)
{
	int status;

	return expect(logged_in() == 1234) && expect(write(asks[1], "x", 1) == 1) &&
	       expect(waitpid(child, &status, 0) == child) && expect(WEXITSTATUS(status) == 31);
}

VICTIM(make, same)
