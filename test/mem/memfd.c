/* SPDX-License-Identifier: GPL-2.0-only */
/* memfds: name, size, content, offsets, modes, several descriptions, mappings, seals */
#include <sys/mman.h>
#include <sys/stat.h>

#include "victim.h"

enum { SIZE = 3 * 4096 + 77 };

static int fd, reader, sealed, empty, only_read;
static char *map, *own; /* shared, and private */

static bool make(void)
{
	char path[64];

	fd = memfd_create("odd name", MFD_ALLOW_SEALING);
	sealed = memfd_create("sealed", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	empty = memfd_create("", 0);
	if (!expect(fd >= 0 && sealed >= 0 && empty >= 0))
		return false;

	if (!expect(ftruncate(fd, 1 << 20) == 0 && pwrite(fd, "middle", 6, 500001) == 6 &&
		    ftruncate(fd, 600003) == 0 && lseek(fd, 4711, SEEK_SET) == 4711 &&
		    fchmod(fd, 0640) == 0))
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reader = open(path, O_RDONLY);
	if (!expect(reader >= 0 && lseek(reader, 815, SEEK_SET) == 815))
		return false;
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 495616);
	if (!expect(map != MAP_FAILED))
		return false;

	own = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 495616);
	if (!expect(own != MAP_FAILED))
		return false;
	strcpy(own + 8200, "mine");

	if (!expect(ftruncate(sealed, SIZE) == 0 && pwrite(sealed, "last", 4, SIZE - 4) == 4 &&
		    fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0))
		return false;

	/* the only description that is left cannot write */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd_create("gone", MFD_ALLOW_SEALING));
	only_read = open(path, O_RDONLY);
	close(atoi(strrchr(path, '/') + 1));
	return expect(only_read >= 0);
}

static bool link_is(int f, const char *want)
{
	char path[64], text[256] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", f);
	return readlink(path, text, sizeof(text) - 1) > 0 && strcmp(text, want) == 0;
}

static bool same(void)
{
	struct stat a, b;
	char buf[8] = "";

	if (!expect(link_is(fd, "/memfd:odd name (deleted)")) ||
	    !expect(link_is(empty, "/memfd: (deleted)")) ||
	    !expect(link_is(only_read, "/memfd:gone (deleted)")))
		return false;
	if (!expect(fstat(fd, &a) == 0 && a.st_size == 600003 && (a.st_mode & 07777) == 0640) ||
	    !expect(a.st_blocks <= 8 * 8))
		return false;
	if (!expect(lseek(fd, 0, SEEK_CUR) == 4711 && lseek(reader, 0, SEEK_CUR) == 815))
		return false;
	if (!expect(fstat(reader, &b) == 0 && a.st_ino == b.st_ino))
		return false;

	if (!expect(memcmp(map + 500001 - 495616, "middle", 6) == 0))
		return false;
	if (!expect(strcmp(own + 8200, "mine") == 0 && pread(fd, buf, 1, 495616 + 8200) == 1 &&
		    !buf[0]))
		return false;
	memcpy(map + 1, "through", 7);
	if (!expect(memcmp(own + 1, "through", 7) == 0))
		return false;
	if (!expect(pread(reader, buf, 7, 495617) == 7 && memcmp(buf, "through", 7) == 0))
		return false;

	if (!expect(fcntl(sealed, F_GET_SEALS) == (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)) ||
	    !expect(fcntl(fd, F_GET_SEALS) == 0) ||
	    !expect(fcntl(empty, F_GET_SEALS) == F_SEAL_SEAL))
		return false;
	memset(buf, 0, sizeof(buf));
	if (!expect(pread(sealed, buf, 8, SIZE - 4) == 4 && memcmp(buf, "last", 4) == 0))
		return false;
	return expect(pwrite(sealed, "x", 1, 0) < 0 && errno == EPERM) &&
	       expect(fcntl(sealed, F_GETFD) == FD_CLOEXEC) &&
	       expect((fcntl(only_read, F_GETFL) & O_ACCMODE) == O_RDONLY) &&
	       expect((fcntl(reader, F_GETFL) & O_ACCMODE) == O_RDONLY);
}

VICTIM(make, same)
