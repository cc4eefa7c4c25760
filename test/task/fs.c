/* SPDX-License-Identifier: GPL-2.0-only */
/* working directory and umask; a child has its own */
#include <sys/stat.h>
#include <sys/wait.h>

#include "victim.h"

static int asks, says;

/* Tells its umask when it is asked, if it still is where it was. */
static void child_main(int in, int out)
{
	char c;

	while (read(in, &c, 1) == 1) {
		c = access("marker", F_OK) == 0 ? (char)umask(0) : 0;
		if (write(out, &c, 1) != 1)
			break;
	}
	_exit(0);
}

static bool make(void)
{
	int to[2], from[2];
	char here[4096];

	if (!expect(realpath(victim_dir, here)))
		return false;
	strcpy(victim_dir, here);
	if (!expect(mkdir("dir", 0700) == 0 && mkdir("dir/marker", 0700) == 0) ||
	    !expect(pipe(to) == 0) || !expect(pipe(from) == 0))
		return false;
	if (fork() == 0) {
		umask(0017);
		if (chdir("dir") < 0)
			_exit(1);
		close(to[1]);
		close(from[0]);
		child_main(to[0], from[1]);
	}
	asks = to[1];
	says = from[0];
	umask(0053);
	return true;
}

static bool same(void)
{
	char text[4096], c = 'x';

	return expect(getcwd(text, sizeof(text))) && expect(strcmp(text, victim_dir) == 0) &&
	       expect(umask(0) == 0053) && expect(write(asks, &c, 1) == 1) &&
	       expect(read(says, &c, 1) == 1) && expect(c == 0017);
}

VICTIM(make, same)
