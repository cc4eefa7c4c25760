/* SPDX-License-Identifier: GPL-2.0-only */
/* thousands of watches; one on a file that lost its name; what the system says when a watch ends */
/* dump: --link-remap */
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "victim.h"

enum { FILES = 2500 };

static int many, linked, links, ends;

static bool touch(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT, 0600);

	return fd >= 0 && close(fd) == 0;
}

static const char *name_of(int i)
{
	static char name[64];

	snprintf(name, sizeof(name), "many/file%d", i);
	return name;
}

static void drain(int fd)
{
	char buf[4096];

	while (read(fd, buf, sizeof(buf)) > 0)
		;
}

static bool make_many(void)
{
	if (!expect(mkdir("many", 0700) == 0) || !expect((many = inotify_init1(IN_NONBLOCK)) >= 0))
		return false;
	for (int i = 0; i < FILES; i++)
		if (!expect(touch(name_of(i))) ||
		    !expect(inotify_add_watch(many, name_of(i), IN_ATTRIB | IN_DELETE_SELF) ==
			    i + 1))
			return false;
	return true;
}

/* Watched and open by a name that has gone, with another one left. */
static bool make_links(void)
{
	return expect((links = inotify_init1(IN_NONBLOCK)) >= 0) && expect(touch("old")) &&
	       expect(link("old", "new") == 0) && expect((linked = open("old", O_RDWR)) >= 0) &&
	       expect(inotify_add_watch(links, "old", IN_MODIFY) == 1) &&
	       expect(unlink("old") == 0) && (drain(links), true);
}

static bool make(void)
{
	return make_many() && make_links() && expect((ends = inotify_init1(IN_NONBLOCK)) >= 0) &&
	       expect(mkdir("dir", 0700) == 0) && expect(touch("dir/file")) &&
	       expect(inotify_add_watch(ends, "dir", IN_CREATE | IN_DELETE | IN_MOVE) == 1) &&
	       expect(inotify_add_watch(ends, "dir/file", IN_ALL_EVENTS) == 2);
}

static bool event(int fd, int wd, uint32_t mask, const char *name)
{
	_Alignas(struct inotify_event) char buf[sizeof(struct inotify_event)];
	struct inotify_event *e = (void *)buf;
	char all[4096];
	static char left[4096];
	static size_t n;

	if (n == 0) {
		ssize_t got = read(fd, all, sizeof(all));

		if (!expect(got > 0))
			return false;
		memcpy(left, all, n = (size_t)got);
	}
	memcpy(buf, left, sizeof(buf));
	snprintf(all, sizeof(all), "%s", e->len ? left + sizeof(*e) : "");
	n -= sizeof(*e) + e->len;
	memmove(left, left + sizeof(*e) + e->len, n);
	return expect(e->wd == wd) && expect(e->mask == mask) && expect(strcmp(all, name) == 0);
}

static bool is_quiet(int fd)
{
	int n = -1;

	return expect(ioctl(fd, FIONREAD, &n) == 0) && expect(n == 0);
}

static bool many_tell(void)
{
	for (int i = 0; i < FILES; i += 277)
		if (!expect(chmod(name_of(i), 0644) == 0) || !event(many, i + 1, IN_ATTRIB, ""))
			return false;
	return expect(unlink(name_of(77)) == 0) && event(many, 78, IN_ATTRIB, "") &&
	       event(many, 78, IN_DELETE_SELF, "") && event(many, 78, IN_IGNORED, "");
}

static bool ends_tell(void)
{
	return expect(rename("dir/file", "dir/other") == 0) &&
	       event(ends, 1, IN_MOVED_FROM, "file") && event(ends, 1, IN_MOVED_TO, "other") &&
	       event(ends, 2, IN_MOVE_SELF, "") && expect(unlink("dir/other") == 0) &&
	       event(ends, 2, IN_ATTRIB, "") && event(ends, 2, IN_DELETE_SELF, "") &&
	       event(ends, 2, IN_IGNORED, "") && event(ends, 1, IN_DELETE, "other") &&
	       expect(mkdir("dir/sub", 0700) == 0) && event(ends, 1, IN_CREATE | IN_ISDIR, "sub") &&
	       expect(inotify_rm_watch(ends, 1) == 0) && event(ends, 1, IN_IGNORED, "");
}

static bool same(void)
{
	return is_quiet(many) && is_quiet(links) && is_quiet(ends) && many_tell() &&
	       expect(write(linked, "x", 1) == 1) && event(links, 1, IN_MODIFY, "") && ends_tell();
}

VICTIM(make, same)
