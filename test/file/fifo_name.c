/* SPDX-License-Identifier: GPL-2.0-only */
/* fifos at names where sockets were bound that are still open; deleted ones with one end only */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "victim.h"

static int sock, fifo, away_sock, away_fifo, gone_writer, gone_reader;

static int bind_to(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	strcpy(name.sun_path, path);
	return bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0 ? -1 : fd;
}

/* The socket keeps its name, which is that of a fifo now. */
static int replace(const char *path)
{
	return unlink(path) < 0 || mkfifo(path, 0600) < 0 ? -1 : open(path, O_RDWR);
}

static bool make_gone(void)
{
	int other;

	return expect(mkfifo("gone", 0600) == 0) && expect((other = open("gone", O_RDWR)) >= 0) &&
	       expect((gone_writer = open("gone", O_WRONLY)) >= 0) &&
	       expect(write(gone_writer, "kept", 4) == 4) && expect(close(other) == 0) &&
	       expect(unlink("gone") == 0) && expect(mkfifo("gone", 0600) == 0) &&
	       expect((gone_reader = open("gone", O_RDONLY | O_NONBLOCK)) >= 0) &&
	       expect(unlink("gone") == 0);
}

static bool make(void)
{
	if (!expect(getcwd(victim_dir, sizeof(victim_dir))) || !expect(mkdir("dir", 0700) == 0))
		return false;
	return expect((sock = bind_to("name")) >= 0) && expect((fifo = replace("name")) >= 0) &&
	       expect(write(fifo, "first", 5) == 5) && expect(chdir("dir") == 0) &&
	       expect((away_sock = bind_to("name")) >= 0) &&
	       expect((away_fifo = replace("name")) >= 0) &&
	       expect(write(away_fifo, "second", 6) == 6) && make_gone() && expect(chdir("/") == 0);
}

static bool is_named(int fd, const char *want)
{
	struct sockaddr_un name = { 0 };
	socklen_t len = sizeof(name);

	return expect(getsockname(fd, (struct sockaddr *)&name, &len) == 0) &&
	       expect(strcmp(name.sun_path, want) == 0);
}

static bool holds(int fd, const char *want)
{
	char buf[16] = "";

	return expect(read(fd, buf, sizeof(buf) - 1) == (ssize_t)strlen(want)) &&
	       expect(strcmp(buf, want) == 0);
}

static bool is_fifo(const char *name)
{
	char path[4200];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", victim_dir, name);
	return expect(stat(path, &st) == 0) && expect(S_ISFIFO(st.st_mode));
}

static bool same(void)
{
	char path[64];
	int reader;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", gone_writer);
	return is_named(sock, "name") && is_named(away_sock, "name") && is_fifo("name") &&
	       is_fifo("dir/name") && holds(fifo, "first") && holds(away_fifo, "second") &&
	       expect((reader = open(path, O_RDONLY | O_NONBLOCK)) >= 0) &&
	       expect(write(gone_writer, "!", 1) == 1) && holds(reader, "kept!") &&
	       expect(read(gone_reader, path, 1) == 0);
}

VICTIM(make, same)
