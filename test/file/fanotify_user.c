/* SPDX-License-Identifier: GPL-2.0-only */
/* a user who may not watch others is told what they do, but not who they are */
#include <sys/fanotify.h>
#include <sys/wait.h>

#include "victim.h"

static int fan;

static bool touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0666);

	return fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0;
}

static bool make(void)
{
	if (!expect(setresgid(65534, 65534, 65534) == 0) ||
	    !expect(setresuid(65534, 65534, 65534) == 0))
		return false;
	fan = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME, O_RDONLY);
	if (fan < 0 && errno == ENOSYS)
		skip("this kernel has no fanotify");
	return expect(fan >= 0) && expect(touch("file")) &&
	       expect(fanotify_mark(fan, FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD, "file") == 0);
}

/* Who has modified the file; -1: nobody. */
static pid_t who(void)
{
	_Alignas(struct fanotify_event_metadata) char buf[1024];
	const struct fanotify_event_metadata *e = (void *)buf;
	ssize_t n = read(fan, buf, sizeof(buf));

	return n > 0 && n == (ssize_t)e->event_len && e->mask == FAN_MODIFY ? e->pid : -1;
}

static bool same(void)
{
	pid_t child;

	if (!expect(touch("file")) || !expect(who() == getpid()))
		return false;
	child = fork();
	if (child == 0)
		_exit(touch("file") ? 0 : 1);
	return expect(waitpid(child, NULL, 0) == child) && expect(who() == 0);
}

VICTIM(make, same)
