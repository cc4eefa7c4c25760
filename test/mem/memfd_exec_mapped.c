/* SPDX-License-Identifier: GPL-2.0-only */
/* a program that runs from a memfd, which it also has open, and mapped, for reading */
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "victim.h"

enum { FD = 17 };

static char *map;
static struct stat own;

static bool runs_from_memfd(void)
{
	char exe[64] = "";

	return readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0 &&
	       strcmp(exe, "/memfd:program (deleted)") == 0;
}

static bool make(void)
{
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, FD, 0);
	return expect(map != MAP_FAILED) && expect(lseek(FD, 5, SEEK_SET) == 5) &&
	       expect(fstat(FD, &own) == 0);
}

static bool same(void)
{
	struct stat fd, exe;
	char magic[3] = "";

	return expect(runs_from_memfd()) && expect(memcmp(map, "\177ELF", 4) == 0) &&
	       expect(fstat(FD, &fd) == 0) && expect(stat("/proc/self/exe", &exe) == 0) &&
	       expect(fd.st_ino == exe.st_ino && fd.st_dev == exe.st_dev) &&
	       expect(fd.st_size == own.st_size) && expect(lseek(FD, 0, SEEK_CUR) == 5) &&
	       expect((fcntl(FD, F_GETFL) & O_ACCMODE) == O_RDONLY) &&
	       expect(pread(FD, magic, 3, 1) == 3) && expect(memcmp(magic, "ELF", 3) == 0);
}

int main(int argc, char **argv)
{
	char path[64];

	if (!runs_from_memfd()) {
		int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		int fd = memfd_create("program", MFD_CLOEXEC);

		while (sendfile(fd, from, NULL, 1 << 20) > 0)
			;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (dup2(open(path, O_RDONLY | O_CLOEXEC), FD) != FD)
			return 1;
		close(fd);
		fexecve(FD, argv, environ);
		return 1;
	}
	return victim_main(argc, argv, make, same);
}
