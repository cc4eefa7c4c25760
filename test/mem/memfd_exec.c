/* SPDX-License-Identifier: GPL-2.0-only */
/* a program that runs from a memfd */
#include <sys/mman.h>
#include <sys/sendfile.h>

#include "victim.h"

static bool make(void)
{
	return true;
}

static bool runs_from_memfd(void)
{
	char exe[64] = "";

	return readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0 &&
	       strcmp(exe, "/memfd:program (deleted)") == 0;
}

static bool same(void)
{
	return expect(runs_from_memfd());
}

int main(int argc, char **argv)
{
	if (!runs_from_memfd()) {
		int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		int fd = memfd_create("program", MFD_CLOEXEC);

		while (sendfile(fd, from, NULL, 1 << 20) > 0)
			;
		fexecve(fd, argv, environ);
		return 1;
	}
	return victim_main(argc, argv, make, same);
}
