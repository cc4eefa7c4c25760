/* SPDX-License-Identifier: GPL-2.0-only */
/* what is open or mapped, and was hidden by later mounts: files, a fifo, a device, directories */
#include <sys/mman.h>

#include "forest.h"

enum { PLAIN, TWICE, DEEP, UNDER_FILE, FIFO, DEVICE, DIRECTORY, TOP, NR };

static const char *const names[NR] = {
	"way/file",   "stack/file", "way/a/b/file", "way/bound",
	"way/a/fifo", "way/null",   "way/a/b",	    "stack",
};
static int fds[NR];
static char *map;
static pid_t me;

static bool make_files(void)
{
	return expect(mount_tmpfs("way", 0, "size=1m")) && expect(make_dir("way/a")) &&
	       expect(make_dir("way/a/b")) && expect(make_file("way/file", "a plain file")) &&
	       expect(make_file("way/a/b/file", "a deep file")) &&
	       expect(make_file("way/bound", "below a file")) &&
	       expect(make_file("way/over", "over a file")) && expect(make_file("way/null", "")) &&
	       expect(mount_bind("/dev/null", "way/null")) &&
	       expect(mkfifo("way/a/fifo", 0640) == 0) && expect(mount_tmpfs("stack", 0, NULL)) &&
	       expect(make_file("stack/file", "below two"));
}

static bool open_files(void)
{
	for (int i = 0; i < NR; i++) {
		int flags = i == DIRECTORY || i == TOP ? O_RDONLY | O_DIRECTORY : O_RDWR;

		fds[i] = open(names[i], flags | O_CLOEXEC);
		if (!expect(fds[i] >= 0))
			return false;
	}
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[DEEP], 0);
	return expect(map != MAP_FAILED) && expect(write(fds[FIFO], "seven b", 7) == 7) &&
	       expect(lseek(fds[PLAIN], 2, SEEK_SET) == 2) && expect(chdir("way/a/b") == 0);
}

/* Hides all of it; from here on all names begin at the directory where we were. */
static bool cover(void)
{
	return expect(mount_bind("way/over", "way/bound")) &&
	       expect(mount_tmpfs("way/a/b", 0, "size=2m")) &&
	       expect(mount_tmpfs("way/a", 0, "size=3m")) &&
	       expect(mount_tmpfs("way", 0, "size=4m")) && expect(mount_tmpfs("stack", 0, NULL)) &&
	       expect(make_file("stack/file", "middle")) && expect(mount_tmpfs("stack", 0, NULL)) &&
	       expect(make_file("stack/file", "top"));
}

static char place[3000];

static bool make(void)
{
	me = getpid();
	return own_mounts() && expect(getcwd(place, sizeof(place)) != NULL) && make_files() &&
	       open_files() && expect(chdir(place) == 0) && cover() && forest_note(&me, 1);
}

static bool uncover(void)
{
	return expect(umount2("stack", MNT_DETACH) == 0) &&
	       expect(umount2("stack", MNT_DETACH) == 0) &&
	       expect(umount2("way", MNT_DETACH) == 0) &&
	       expect(umount2("way/a", MNT_DETACH) == 0) &&
	       expect(umount2("way/a/b", MNT_DETACH) == 0) &&
	       expect(umount2("way/bound", MNT_DETACH) == 0);
}

static bool is_there(int i)
{
	struct statx a, b;

	if (expect(statx(fds[i], "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &a) == 0) &&
	    expect(statx(AT_FDCWD, names[i], 0, STATX_INO | STATX_MNT_ID, &b) == 0) &&
	    expect(a.stx_ino == b.stx_ino) && expect(a.stx_mnt_id == b.stx_mnt_id))
		return true;
	fprintf(stderr, "%s\n", names[i]);
	return false;
}

static bool reads(int i, const char *what)
{
	char text[64] = { 0 };

	return read(fds[i], text, sizeof(text) - 1) >= 0 && strcmp(text, what) == 0;
}

static bool same(void)
{
	if (!forest_is_same(&me, 1) || !expect(file_is("stack/file", "top")) || !uncover())
		return false;
	for (int i = 0; i < NR; i++)
		if (!is_there(i))
			return false;
	map[2] = 'D';
	return expect(reads(PLAIN, "plain file")) && expect(reads(TWICE, "below two")) &&
	       expect(reads(DEEP, "a Deep file")) && expect(reads(UNDER_FILE, "below a file")) &&
	       expect(reads(FIFO, "seven b")) && expect(reads(DEVICE, "")) &&
	       expect(file_is("way/a/b/file", "a Deep file")) &&
	       expect(file_is("way/bound", "below a file"));
}

VICTIM(make, same)
