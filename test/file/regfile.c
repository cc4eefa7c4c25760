/* SPDX-License-Identifier: GPL-2.0-only */
/* files keep their offset, flags and content; what is shared stays shared */
#include <sys/stat.h>
#include <sys/wait.h>

#include "victim.h"

static int half_read, half_written, appended, twice, copy, child_asks, child_says;
static pid_t child;

/* Moves the shared offset by 7 when it is asked to. */
static void child_main(int in, int out)
{
	char c;

	while (read(in, &c, 1) == 1) {
		c = (char)lseek(copy, 7, SEEK_CUR);
		if (write(out, &c, 1) != 1)
			break;
	}
	_exit(0);
}

static bool make_child(void)
{
	int to[2], from[2];

	if (!expect(pipe(to) == 0) || !expect(pipe(from) == 0))
		return false;
	child = fork();
	if (child == 0) {
		close(to[1]);
		close(from[0]);
		child_main(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	child_asks = to[1];
	child_says = from[0];
	return expect(child > 0);
}

static int new_file(const char *name, const char *text)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0640);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
	    lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	return fd;
}

static bool make(void)
{
	char buf[5];

	return expect((half_read = new_file("read", "first second")) >= 0) &&
	       expect(read(half_read, buf, 5) == 5) &&
	       expect((half_written = open("written", O_WRONLY | O_CREAT | O_CLOEXEC, 0604)) >=
		      0) &&
	       expect(write(half_written, "abc", 3) == 3) &&
	       expect((appended = open("a log", O_WRONLY | O_CREAT | O_APPEND, 0600)) >= 0) &&
	       expect(write(appended, "1\n", 2) == 2) &&
	       expect((twice = new_file("twice", "0123456789")) >= 0) &&
	       expect((copy = dup(twice)) >= 0) && expect(lseek(twice, 3, SEEK_SET) == 3) &&
	       make_child();
}

static bool content_is(const char *name, const char *want)
{
	char buf[64] = "";
	int fd = open(name, O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	close(fd);
	return expect(n == (ssize_t)strlen(want)) && expect(strcmp(buf, want) == 0);
}

static bool offset_is_shared(void)
{
	char c = 'x';

	return expect(lseek(twice, 0, SEEK_CUR) == 3) && expect(write(child_asks, &c, 1) == 1) &&
	       expect(read(child_says, &c, 1) == 1) && expect(c == 10) &&
	       expect(lseek(twice, 0, SEEK_CUR) == 10) && expect(lseek(copy, -9, SEEK_END) == 1) &&
	       expect(lseek(twice, 0, SEEK_CUR) == 1);
}

static bool same(void)
{
	char buf[16] = "";

	/* somebody else writes to the log meanwhile */
	int other = open("a log", O_WRONLY | O_APPEND);

	return expect(read(half_read, buf, sizeof(buf)) == 7) &&
	       expect(strcmp(buf, " second") == 0) && expect(write(half_read, "!", 1) == 1) &&
	       content_is("read", "first second!") &&
	       expect(fcntl(half_written, F_GETFD) == FD_CLOEXEC) &&
	       expect(read(half_written, buf, 1) == -1 && errno == EBADF) &&
	       expect(write(half_written, "def", 3) == 3) && content_is("written", "abcdef") &&
	       expect(write(other, "2\n", 2) == 2) && expect(write(appended, "3\n", 2) == 2) &&
	       content_is("a log", "1\n2\n3\n") && offset_is_shared();
}

VICTIM(make, same)
