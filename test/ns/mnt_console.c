/* SPDX-License-Identifier: GPL-2.0-only */
/* terminals of an own devpts, one mounted at dev/console as in containers, open by either name (tty-1) */
#include <sys/ioctl.h>
#include <termios.h>

#include "forest.h"

static int master, console, slave, other_master, only_mounted;
static pid_t me;

static int number_of(int fd)
{
	unsigned int n = 0;

	return ioctl(fd, TIOCGPTN, &n) < 0 ? -1 : (int)n;
}

static bool make_devices(void)
{
	return expect(mount_tmpfs("dev", 0, "mode=755")) && expect(make_dir("dev/pts")) &&
	       expect(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
			    "newinstance,ptmxmode=0666,mode=0620") == 0) &&
	       expect(make_file("dev/console", "")) && expect(make_file("dev/tty1", ""));
}

static int new_pair(void)
{
	int fd = open("dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), unlocked = 0;

	return fd >= 0 && ioctl(fd, TIOCSPTLCK, &unlocked) == 0 ? fd : -1;
}

static bool make(void)
{
	struct winsize size = { .ws_row = 33, .ws_col = 77 };
	struct termios t;

	me = getpid();
	if (!own_mounts() || !make_devices() || !expect((other_master = new_pair()) >= 0) ||
	    !expect((master = new_pair()) >= 0) || !expect((only_mounted = new_pair()) >= 0) ||
	    !expect(number_of(master) == 1 && number_of(only_mounted) == 2))
		return false;
	if (!expect(mount_bind("dev/pts/1", "dev/console")) ||
	    !expect(mount_bind("dev/pts/2", "dev/tty1")) ||
	    !expect((console = open("dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC)) >= 0) ||
	    !expect((slave = open("dev/pts/1", O_RDONLY | O_NOCTTY | O_CLOEXEC)) >= 0))
		return false;
	return expect(tcgetattr(console, &t) == 0) && (cfmakeraw(&t), true) &&
	       expect(tcsetattr(console, TCSANOW, &t) == 0) &&
	       expect(ioctl(console, TIOCSWINSZ, &size) == 0) &&
	       expect(write(master, "typed", 5) == 5) && expect(write(console, "shown", 5) == 5) &&
	       forest_note(&me, 1);
}

static bool reads(int fd, const char *what)
{
	char buf[32] = "";

	return expect(read(fd, buf, sizeof(buf)) == (ssize_t)strlen(what)) &&
	       expect(memcmp(buf, what, strlen(what)) == 0);
}

static bool is_one(int fd, const char *name)
{
	struct stat a, b;

	return expect(fstat(fd, &a) == 0) && expect(stat(name, &b) == 0) &&
	       expect(a.st_rdev == b.st_rdev) && expect(a.st_dev == b.st_dev);
}

static bool same(void)
{
	struct winsize size = { 0 };
	char link[64] = "", path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", console);
	if (!forest_is_same(&me, 1) || !expect(readlink(path, link, sizeof(link) - 1) > 0) ||
	    !is_one(console, "dev/console") || !is_one(console, "dev/pts/1") ||
	    !is_one(slave, "dev/console") || !reads(console, "typed") || !reads(master, "shown"))
		return false;
	return expect(ioctl(slave, TIOCGWINSZ, &size) == 0) && expect(size.ws_col == 77) &&
	       expect(number_of(master) == 1 && number_of(other_master) == 0) &&
	       expect(number_of(only_mounted) == 2) &&
	       expect((fd = open("dev/tty1", O_RDWR | O_NOCTTY)) >= 0) &&
	       expect(write(fd, "late", 4) == 4) && reads(only_mounted, "late") &&
	       expect(close(fd) == 0) && expect(new_pair() >= 0) &&
	       expect(access("dev/pts/3", F_OK) == 0);
}

VICTIM(make, same)
