/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * watches on what is on other mounts: a tmpfs that comes back as a new one, a bind of a
 * part of it, and one that only a nested namespace has (inotify-fanotify-3)
 */
#include <sys/inotify.h>

#include "forest.h"

static struct inmate child;
static pid_t pids[2];
static int in, in_child;

struct expected {
	int wd;
	uint32_t mask;
	const char *name;
};

/* These events, and no others; a mask of 0 ends the list. */
static bool events(int fd, const struct expected *want)
{
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf)), at;

	for (at = 0; at < n; want++) {
		const struct inotify_event *e = (const void *)(buf + at);

		if (!expect(e->wd == want->wd) || !expect(e->mask == want->mask) ||
		    !expect(strcmp(e->len ? e->name : "", want->name) == 0)) {
			fprintf(stderr, "wd %d mask %x %s\n", e->wd, e->mask,
				e->len ? e->name : "");
			return false;
		}
		at += (ssize_t)(sizeof(*e) + e->len);
	}
	return expect(want->mask == 0);
}

static bool make_child(void)
{
	in_child = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return expect(in_child >= 0) && expect(mount_tmpfs("fs", 0, "size=3m")) &&
	       expect(make_file("fs/file", "of the child")) && expect(make_dir("fs/dir")) &&
	       expect(inotify_add_watch(in_child, "fs/file", IN_MODIFY) == 1) &&
	       expect(inotify_add_watch(in_child, "fs/dir", IN_CREATE) == 2);
}

static bool make(void)
{
	in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (!own_mounts() || !expect(in >= 0) || !expect(mount_tmpfs("fs", 0, "size=2m")) ||
	    !expect(make_dir("fs/dir")) || !expect(make_dir("fs/dir/part")) ||
	    !expect(make_file("fs/file", "a file")) ||
	    !expect(make_file("fs/dir/part/file", "in a part")) || !expect(make_dir("bind")) ||
	    !expect(mount_bind("fs/dir/part", "bind")))
		return false;
	if (!expect(inotify_add_watch(in, "fs/dir", IN_CREATE | IN_DELETE) == 1) ||
	    !expect(inotify_add_watch(in, "fs/file", IN_MODIFY) == 2) ||
	    !expect(inotify_add_watch(in, "bind/file", IN_MODIFY | IN_DELETE_SELF) == 3) ||
	    !expect(inotify_add_watch(in, "fs", IN_MOVED_TO) == 4) ||
	    !expect(inotify_rm_watch(in, 1) == 0) ||
	    !expect(inotify_add_watch(in, "fs/dir", IN_CREATE | IN_ONLYDIR) == 5) ||
	    !expect(events(in, (struct expected[]){ { 1, IN_IGNORED, "" }, { 0, 0, "" } })) ||
	    !expect(inotify_add_watch(in, "/proc/sys", IN_MODIFY) == 6) ||
	    !expect(inotify_rm_watch(in, 6) == 0) ||
	    !expect(events(in, (struct expected[]){ { 6, IN_IGNORED, "" }, { 0, 0, "" } })) ||
	    !expect(inmate_start(&child, make_child)))
		return false;
	pids[0] = getpid();
	pids[1] = child.pid;
	return forest_note(pids, 2);
}

static bool is_same_child(void)
{
	return events(in_child, (struct expected[]){ { 0, 0, "" } }) &&
	       expect(make_file("fs/dir/new", "")) && expect(make_file("fs/file", "x")) &&
	       events(in_child, (struct expected[]){ { 2, IN_CREATE, "new" },
						     { 1, IN_MODIFY, "" },
						     { 0, 0, "" } });
}

static bool same(void)
{
	return forest_is_same(pids, 2) && events(in, (struct expected[]){ { 0, 0, "" } }) &&
	       expect(ask(&child, is_same_child)) &&
	       events(in, (struct expected[]){ { 0, 0, "" } }) &&
	       expect(make_file("fs/dir/mine", "")) &&
	       expect(make_file("fs/dir/part/file", "longer")) &&
	       expect(unlink("bind/file") == 0) && expect(rename("fs/file", "fs/moved") == 0) &&
	       events(in, (struct expected[]){ { 5, IN_CREATE, "mine" },
					       { 3, IN_MODIFY, "" },
					       { 3, IN_DELETE_SELF, "" },
					       { 3, IN_IGNORED, "" },
					       { 4, IN_MOVED_TO, "moved" },
					       { 0, 0, "" } });
}

VICTIM(make, same)
