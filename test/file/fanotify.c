/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fanotify: flags and marks of files, mounts and file systems are as they were, to
 * the letter of fdinfo; nothing is reported that nobody did, and what is done is
 */
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "victim.h"

enum { NOTIFY, NAMES, CONTENT, NR };

static int fan[NR], gone;
static char before[NR][4096];

static bool touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0666);

	return fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0;
}

static void cut_line(char *text, const char *begin)
{
	char *at = strstr(text, begin), *end = at ? strchr(at, '\n') : NULL;

	if (end)
		memmove(at, end + 1, strlen(end));
}

static void hide(char *text, const char *name, unsigned long long number)
{
	char word[40], *at;
	size_t n = (size_t)snprintf(word, sizeof(word), "%s:%llx ", name, number);

	while ((at = strstr(text, word)))
		memmove(at, at + n, strlen(at + n) + 1);
}

/* Mounts and their file systems have new numbers. */
static void hide_mount(char *text)
{
	struct statx sx = { 0 };

	statx(AT_FDCWD, "/dev/pts", 0, STATX_MNT_ID, &sx);
	hide(text, "mnt_id", sx.stx_mnt_id);
	hide(text, "sdev", sx.stx_dev_major << 20 | sx.stx_dev_minor);
}

/* All of fdinfo but inode numbers that change: its own, and that of the deleted file. */
static void read_info(int fd, char text[4096])
{
	struct stat st = { 0 };
	char path[64];
	ssize_t n;
	int in;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	in = open(path, O_RDONLY);
	n = read(in, text, 4095);
	text[n < 0 ? 0 : n] = '\0';
	close(in);
	cut_line(text, "ino:\t");
	hide_mount(text);
	fstat(gone, &st);
	snprintf(path, sizeof(path), "fanotify ino:%lx ", st.st_ino);
	cut_line(text, path);
}

static int mark(int fd, unsigned int flags, uint64_t mask, const char *path)
{
	return fanotify_mark(fd, FAN_MARK_ADD | flags, mask, AT_FDCWD, path);
}

static bool make_marks(void)
{
	unsigned int ignore = FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY;

	return expect(mark(fan[NOTIFY], 0, FAN_MODIFY | FAN_CLOSE_WRITE, "file") == 0) &&
	       expect(mark(fan[NOTIFY], ignore, FAN_ACCESS, "file") == 0) &&
	       expect(mark(fan[NOTIFY], 0, FAN_OPEN | FAN_ONDIR | FAN_EVENT_ON_CHILD, "dir") ==
		      0) &&
	       expect(mark(fan[NOTIFY], 0, FAN_MODIFY, "gone") == 0) &&
	       expect(mark(fan[NOTIFY], FAN_MARK_MOUNT, FAN_OPEN_EXEC, "/dev/pts") == 0) &&
	       expect(mark(fan[NOTIFY], FAN_MARK_MOUNT | FAN_MARK_IGNORED_MASK, FAN_ACCESS,
			   "/dev/pts") == 0) &&
	       expect(mark(fan[NAMES], 0, FAN_CREATE | FAN_DELETE | FAN_RENAME | FAN_ONDIR,
			   "dir") == 0) &&
	       expect(mark(fan[NAMES], FAN_MARK_EVICTABLE, FAN_ATTRIB, "file") == 0) &&
	       expect(mark(fan[NAMES], FAN_MARK_IGNORE_SURV, FAN_ATTRIB | FAN_ONDIR, "other") ==
		      0) &&
	       expect(mark(fan[NOTIFY], FAN_MARK_FILESYSTEM, FAN_OPEN_EXEC, "/dev/pts") == 0) &&
	       expect(mark(fan[CONTENT], 0, FAN_OPEN_PERM, "guarded") == 0);
}

static bool make(void)
{
	fan[NOTIFY] =
		fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC | FAN_UNLIMITED_MARKS,
			      O_RDONLY | O_LARGEFILE | O_NOATIME);
	if (fan[NOTIFY] < 0 && errno == ENOSYS)
		skip("this kernel has no fanotify");
	if (!expect(fan[NOTIFY] >= 0) ||
	    !expect((fan[NAMES] = fanotify_init(FAN_REPORT_DFID_NAME | FAN_NONBLOCK, O_RDWR)) >=
		    0) ||
	    !expect((fan[CONTENT] = fanotify_init(FAN_CLASS_CONTENT, O_RDONLY)) >= 0) ||
	    !expect(mkdir("dir", 0777) == 0) || !expect(touch("file")) ||
	    !expect(mkdir("other", 0777) == 0) || !expect(touch("guarded")) ||
	    !expect(touch("gone")))
		return false;
	gone = open("gone", O_RDWR | O_CREAT, 0600);
	if (!make_marks() || !expect(gone >= 0) || !expect(unlink("gone") == 0))
		return false;
	for (int i = 0; i < NR; i++)
		read_info(fan[i], before[i]);
	return true;
}

static bool is_quiet(void)
{
	int n;

	for (int i = 0; i < NR; i++)
		if (!expect(ioctl(fan[i], FIONREAD, &n) == 0) || !expect(n == 0))
			return false;
	return true;
}

static bool is_unchanged(void)
{
	char now[4096];

	for (int i = 0; i < NR; i++) {
		read_info(fan[i], now);
		if (!expect(strcmp(now, before[i]) == 0)) {
			fprintf(stderr, "%s-- was\n%s", now, before[i]);
			return false;
		}
	}
	return true;
}

/* The one event, and who did it. */
static uint64_t event(int fd, pid_t *pid)
{
	_Alignas(struct fanotify_event_metadata) char buf[1024];
	const struct fanotify_event_metadata *e = (void *)buf;
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n <= 0 || n != (ssize_t)e->event_len)
		return 0;
	if (e->fd >= 0)
		close(e->fd);
	*pid = e->pid;
	return e->mask;
}

static bool is_asked(void)
{
	struct fanotify_event_metadata e;
	struct fanotify_response answer = { .response = FAN_DENY };
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(open("guarded", O_RDONLY) < 0 ? errno : 0);
	if (!expect(read(fan[CONTENT], &e, sizeof(e)) == sizeof(e)) ||
	    !expect(e.mask == FAN_OPEN_PERM) || !expect(e.pid == child))
		return false;
	answer.fd = e.fd;
	return expect(write(fan[CONTENT], &answer, sizeof(answer)) == sizeof(answer)) &&
	       expect(close(e.fd) == 0) && expect(waitpid(child, &status, 0) == child) &&
	       expect(WIFEXITED(status) && WEXITSTATUS(status) == EPERM);
}

static bool reports(void)
{
	pid_t pid = 0;

	return expect(write(gone, "x", 1) == 1) && expect(event(fan[NOTIFY], &pid) == FAN_MODIFY) &&
	       expect(pid == getpid()) && expect(touch("file")) &&
	       expect(event(fan[NOTIFY], &pid) == (FAN_MODIFY | FAN_CLOSE_WRITE)) &&
	       expect(touch("dir/new")) && expect(event(fan[NOTIFY], &pid) == FAN_OPEN) &&
	       expect(event(fan[NAMES], &pid) == FAN_CREATE);
}

static bool same(void)
{
	return is_quiet() && is_unchanged() && reports() && is_asked();
}

VICTIM(make, same)
