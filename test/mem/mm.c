/* SPDX-License-Identifier: GPL-2.0-only */
/* everything /proc/self tells about the address space: maps, limits, vector, command line, executable */
#include <sys/mman.h>
#include <sys/prctl.h>

#include "victim.h"

static char maps[65536], stat_line[1024], auxv[1024], cmdline[4096], environ_text[65536], exe[4096];
static ssize_t auxv_len, cmdline_len, environ_len;

static ssize_t slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	size_t n = 0;
	ssize_t ret;

	while ((ret = read(fd, buf + n, size - 1 - n)) > 0)
		n += (size_t)ret;
	close(fd);
	buf[n] = '\0';
	return (ssize_t)n;
}

/* Lines without the inode of what is deleted: such files have a new one. */
static void read_maps(char *ret)
{
	static char text[65536];
	char *line, *save;

	slurp("/proc/self/maps", text, sizeof(text));
	*ret = '\0';
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char range[64], prot[8], off[16], dev[16], ino[32], name[256] = "";

		sscanf(line, "%63s %7s %15s %15s %31s %255[^\n]", range, prot, off, dev, ino, name);
		if (strstr(name, "(deleted)"))
			strcpy(ino, "?");
		sprintf(ret + strlen(ret), "%s %s %s %s %s %s\n", range, prot, off, dev, ino, name);
	}
}

/* Fields 26 to 28 (code and stack) and 45 to 51 (data, brk, arguments, environment). */
static void read_stat(char *ret)
{
	char text[2048], *p, *save;
	int n = 3;

	slurp("/proc/self/stat", text, sizeof(text));
	*ret = '\0';
	for (p = strtok_r(strrchr(text, ')') + 1, " ", &save); p;
	     p = strtok_r(NULL, " ", &save), n++)
		if ((n >= 26 && n <= 28) || (n >= 45 && n <= 51))
			sprintf(ret + strlen(ret), "%s ", p);
}

static bool make(void)
{
	int fd = open("gone", O_RDWR | O_CREAT, 0600);
	char *volatile heap;

	heap = malloc(70000); /* there is one before we look */
	free(heap);
	if (!expect(ftruncate(fd, 8192) == 0) ||
	    !expect(mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 4096) != MAP_FAILED) ||
	    !expect(mmap(NULL, 12288, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED))
		return false;
	close(fd);
	unlink("gone");
	if (!expect(prctl(PR_SET_DUMPABLE, 0) == 0))
		return false;

	auxv_len = slurp("/proc/self/auxv", auxv, sizeof(auxv));
	cmdline_len = slurp("/proc/self/cmdline", cmdline, sizeof(cmdline));
	environ_len = slurp("/proc/self/environ", environ_text, sizeof(environ_text));
	read_stat(stat_line);
	read_maps(maps);
	return expect(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
}

static bool same(void)
{
	static char now[65536];

	/* in a user namespace, what /proc tells of others is no longer for them to read */
	if (!expect(prctl(PR_GET_DUMPABLE) == 0) || !expect(prctl(PR_SET_DUMPABLE, 1) == 0))
		return false;
	read_maps(now);
	if (strcmp(now, maps) != 0) {
		fprintf(stderr, "before:\n%s\nnow:\n%s", maps, now);
		return false;
	}
	read_stat(now);
	if (strcmp(now, stat_line) != 0) {
		fprintf(stderr, "before: %s\nnow:    %s\n", stat_line, now);
		return false;
	}
	if (!expect(slurp("/proc/self/auxv", now, sizeof(now)) == auxv_len &&
		    memcmp(now, auxv, auxv_len) == 0) ||
	    !expect(slurp("/proc/self/cmdline", now, sizeof(now)) == cmdline_len &&
		    memcmp(now, cmdline, cmdline_len) == 0) ||
	    !expect(slurp("/proc/self/environ", now, sizeof(now)) == environ_len &&
		    memcmp(now, environ_text, environ_len) == 0))
		return false;
	memset(now, 0, sizeof(exe));
	return expect(readlink("/proc/self/exe", now, sizeof(exe) - 1) > 0 &&
		      strcmp(now, exe) == 0);
}

VICTIM(make, same)
