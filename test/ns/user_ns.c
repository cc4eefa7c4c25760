/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * users, groups and the owners of files in a user namespace
 *
 * inside: pU */
#include <grp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "victim.h"

enum { USER = 1234, GROUP = 2345 };

static int ghost, pair[2];
static pid_t child;

static bool make(void)
{
	const gid_t groups[] = { 7, 65535 };
	char c;

	ghost = open("ghost", O_RDWR | O_CREAT, 0640);
	if (!expect(ghost >= 0) || !expect(fchown(ghost, USER, GROUP) == 0) ||
	    !expect(unlink("ghost") == 0) ||
	    !expect(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0))
		return false;
	child = fork();
	if (child == 0) {
		if (setgroups(2, groups) < 0 || setresgid(GROUP, GROUP, GROUP) < 0 ||
		    setresuid(USER, USER, USER) < 0 || write(pair[1], "r", 1) != 1)
			_exit(1);
		/* told to look, it says what it is */
		if (read(pair[1], &c, 1) != 1)
			_exit(2);
		_exit(getuid() == USER && getegid() == GROUP && getgroups(0, NULL) == 2 ? 37 : 3);
	}
	return expect(read(pair[0], &c, 1) == 1);
}

static bool same(void)
{
	struct stat st;
	int status;

	return expect(getuid() == 0) && expect(fstat(ghost, &st) == 0) &&
	       expect(st.st_uid == USER && st.st_gid == GROUP) &&
	       expect((st.st_mode & 07777) == 0640) && expect(write(pair[0], "g", 1) == 1) &&
	       expect(waitpid(child, &status, 0) == child) &&
	       expect(WIFEXITED(status) && WEXITSTATUS(status) == 37) &&
	       expect(prctl(PR_CAPBSET_READ, 21 /* CAP_SYS_ADMIN */) == 1);
}

VICTIM(make, same)
