/* SPDX-License-Identifier: GPL-2.0-only */
/* descriptors of the namespaces one is in, and open files of process 1 */
#include <dirent.h>
#include <sys/stat.h>

#include "victim.h"

enum { MOST = 16 };

static struct {
	char name[256];
	int fd;
} ns[MOST];
static int n, path, of_init, init_dir;

static int open_ns(const char *name, int flags)
{
	char text[300];

	snprintf(text, sizeof(text), "/proc/self/ns/%s", name);
	return open(text, flags);
}

static bool make(void)
{
	DIR *dir = opendir("/proc/self/ns");
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		if (!expect(n < MOST))
			return false;
		snprintf(ns[n].name, sizeof(ns[n].name), "%s", e->d_name);
		if (!expect((ns[n].fd = open_ns(e->d_name, O_RDONLY | O_CLOEXEC)) >= 0))
			return false;
		n++;
	}
	return expect(dir) && expect(closedir(dir) == 0) && expect(n >= 6) &&
	       expect((path = open_ns("uts", O_PATH)) >= 0) &&
	       expect((of_init = open("/proc/1/status", O_RDONLY)) >= 0) &&
	       expect((init_dir = open("/proc/1", O_RDONLY | O_DIRECTORY)) >= 0);
}

static bool is_ns(int fd, const char *name)
{
	struct stat a, b;
	char text[300];

	snprintf(text, sizeof(text), "/proc/self/ns/%s", name);
	return expect(fstat(fd, &a) == 0 && stat(text, &b) == 0) && expect(a.st_dev == b.st_dev) &&
	       expect(a.st_ino == b.st_ino);
}

static bool same(void)
{
	char buf[64] = "";
	struct stat a, b;

	for (int i = 0; i < n; i++)
		if (!is_ns(ns[i].fd, ns[i].name) || !expect(fcntl(ns[i].fd, F_GETFD) == FD_CLOEXEC))
			return false;
	return is_ns(path, "uts") && expect(fcntl(path, F_GETFL) & O_PATH) &&
	       expect(pread(of_init, buf, 20, 0) == 20) &&
	       expect(strncmp(buf, "Name:\t", 6) == 0) &&
	       expect(fstat(init_dir, &a) == 0 && stat("/proc/1", &b) == 0) &&
	       expect(a.st_ino == b.st_ino) && expect(openat(init_dir, "stat", O_RDONLY) >= 0);
}

VICTIM(make, same)
