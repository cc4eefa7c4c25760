/* SPDX-License-Identifier: GPL-2.0-only */
/* watches keep their numbers, masks and files, and nothing is reported that nobody did */
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "victim.h"

static int in, file;

static bool touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	return fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0;
}

static bool make(void)
{
	char buf[4096];

	if (!expect(mkdir("a dir", 0700) == 0) || !expect(touch("a dir/file")) ||
	    !expect(touch("once")) || !expect(symlink("nowhere", "link") == 0) ||
	    !expect(touch("gone")) || !expect(touch("alias")) || !expect(touch("open")) ||
	    !expect((in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) >= 0))
		return false;
	if (!expect(inotify_add_watch(in, "a dir", IN_ALL_EVENTS | IN_ONLYDIR | IN_EXCL_UNLINK) ==
		    1) ||
	    !expect(inotify_add_watch(in, "gone", IN_DELETE_SELF) == 2) ||
	    !expect(inotify_add_watch(in, "once", IN_MODIFY | IN_ONESHOT) == 3) ||
	    !expect(inotify_add_watch(in, "link", IN_ALL_EVENTS | IN_DONT_FOLLOW) == 4) ||
	    !expect(inotify_add_watch(in, "alias", IN_ATTRIB) == 5) ||
	    !expect(inotify_add_watch(in, "open", IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF) == 6))
		return false;
	/* a hole in the numbers, a file with another name, one that stays open without a name */
	if (!expect(unlink("gone") == 0) || !expect(rename("alias", "another name") == 0) ||
	    !expect((file = open("open", O_RDWR)) >= 0) || !expect(unlink("open") == 0))
		return false;
	while (read(in, buf, sizeof(buf)) > 0)
		;
	return expect(errno == EAGAIN);
}

struct expected {
	int wd;
	uint32_t mask;
	const char *name;
};

/* These events, and no others; a mask of 0 ends the list. */
static bool events(const struct expected *want)
{
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t n = read(in, buf, sizeof(buf)), at;

	for (at = 0; at < n; want++) {
		const struct inotify_event *e = (const void *)(buf + at);

		if (!expect(e->wd == want->wd) || !expect(e->mask == want->mask) ||
		    !expect(strcmp(e->len ? e->name : "", want->name) == 0)) {
			fprintf(stderr, "wd %d mask %x name %s\n", e->wd, e->mask,
				e->len ? e->name : "");
			return false;
		}
		at += (ssize_t)sizeof(*e) + e->len;
	}
	return expect(want->mask == 0);
}

#define EVENTS(...) events((const struct expected[]){ __VA_ARGS__, { 0, 0, NULL } })

static bool same(void)
{
	int n = -1;

	return expect(ioctl(in, FIONREAD, &n) == 0) && expect(n == 0) &&
	       expect(fcntl(in, F_GETFD) == FD_CLOEXEC) && expect(chmod("a dir/file", 0644) == 0) &&
	       EVENTS({ 1, IN_ATTRIB, "file" }) && expect(truncate("a dir/file", 3) == 0) &&
	       EVENTS({ 1, IN_MODIFY, "file" }) && expect(truncate("once", 7) == 0) &&
	       EVENTS({ 3, IN_MODIFY, "" }, { 3, IN_IGNORED, "" }) &&
	       expect(truncate("once", 8) == 0) && expect(chmod("another name", 0644) == 0) &&
	       EVENTS({ 5, IN_ATTRIB, "" }) && expect(unlink("link") == 0) &&
	       EVENTS({ 4, IN_ATTRIB, "" }, { 4, IN_DELETE_SELF, "" }, { 4, IN_IGNORED, "" }) &&
	       expect(write(file, "y", 1) == 1) && EVENTS({ 6, IN_MODIFY, "" }) &&
	       expect(close(file) == 0) &&
	       EVENTS({ 6, IN_DELETE_SELF, "" }, { 6, IN_IGNORED, "" }) &&
	       expect(inotify_add_watch(in, "a dir/file", IN_OPEN) == 7);
}

VICTIM(make, same)
