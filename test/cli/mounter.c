/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mounter DIR WORD...: a mount namespace of its own, made as the words say
 *
 *	dir=PATH file=PATH open=PATH fifo=PATH sock=PATH umount=PATH
 *	tmpfs=PATH ramfs=PATH proc=PATH bind=PATH:PATH ext4=DEVICE:PATH
 *	shared=PATH slave=PATH private=PATH ro=PATH
 *	child		what follows is done in a namespace nested in it
 *	see=PATH:TEXT	not now: later the file must have this content
 *	miss=PATH	not now: later there must be no such file
 *	loose		what is mounted may be another part of its file system
 */
#include <sys/socket.h>
#include <sys/un.h>

#include "../ns/forest.h"

static struct inmate child;
static pid_t pids[2];
static unsigned int nr_pids = 1;
static char **words;
static bool loose, in_child;

static bool remount_ro(const char *path)
{
	return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0;
}

static bool open_socket(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
	return fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	       listen(fd, 5) == 0;
}

static bool make_one(const char *verb, const char *path, const char *second)
{
	if (strcmp(verb, "dir") == 0)
		return make_dir(path);
	if (strcmp(verb, "file") == 0)
		return make_file(path, "file");
	if (strcmp(verb, "open") == 0)
		return open(path, O_RDWR) >= 0 || open(path, O_RDONLY) >= 0;
	if (strcmp(verb, "fifo") == 0)
		return mkfifo(path, 0600) == 0 && open(path, O_RDWR) >= 0;
	if (strcmp(verb, "sock") == 0)
		return open_socket(path);
	if (strcmp(verb, "umount") == 0)
		return umount2(path, MNT_DETACH) == 0;
	if (strcmp(verb, "tmpfs") == 0 || strcmp(verb, "ramfs") == 0 || strcmp(verb, "proc") == 0)
		return make_dir(path) && mount(verb, path, verb, 0, NULL) == 0;
	if (strcmp(verb, "bind") == 0)
		return mount_bind(path, second);
	if (strcmp(verb, "ext4") == 0)
		return make_dir(second) && mount(path, second, verb, 0, NULL) == 0;
	if (strcmp(verb, "shared") == 0)
		return propagate(path, MS_SHARED);
	if (strcmp(verb, "slave") == 0)
		return propagate(path, MS_SLAVE);
	if (strcmp(verb, "private") == 0)
		return propagate(path, MS_PRIVATE);
	if (strcmp(verb, "ro") == 0)
		return remount_ro(path);
	return false;
}

/* "verb=path:second", cut into pieces. */
static bool cut(const char *word, char pieces[3][1024])
{
	memset(pieces, 0, 3 * 1024);
	return sscanf(word, "%1023[^=]=%1023[^:]:%1023[^\n]", pieces[0], pieces[1], pieces[2]) >= 2;
}

static bool is_later(const char *word)
{
	return strncmp(word, "see=", 4) == 0 || strncmp(word, "miss=", 5) == 0;
}

static bool run_words(void);
static bool begin_child(void)
{
	in_child = true;
	return run_words();
}

static bool run_words(void)
{
	char pieces[3][1024];

	for (; *words; words++) {
		if (strcmp(*words, "loose") == 0) {
			loose = true;
		} else if (strcmp(*words, "child") == 0) {
			words++;
			nr_pids = 2;
			return expect(inmate_start(&child, begin_child));
		} else if (!is_later(*words) &&
			   (!cut(*words, pieces) || !make_one(pieces[0], pieces[1], pieces[2]))) {
			fprintf(stderr, "cannot do %s: %s\n", *words, strerror(errno));
			return false;
		}
	}
	return true;
}

static char **all_words;

/* Mounts that come from outside may be in the same group as those there: only that is kept. */
static bool make(void)
{
	words = all_words;
	if (!expect(unshare(CLONE_NEWNS) == 0) || !run_words())
		return false;
	pids[0] = getpid();
	pids[1] = child.pid;
	return loose || forest_note(pids, nr_pids);
}

/* Of all words: those of the child are asked of it. */
static bool look(bool of_child)
{
	char pieces[3][1024];
	bool inside = false, ok = true;

	for (char **w = all_words; *w; w++) {
		if (strcmp(*w, "child") == 0)
			inside = true;
		if (inside != of_child || !is_later(*w) || !cut(*w, pieces))
			continue;
		if (strcmp(pieces[0], "see") == 0)
			ok = expect(file_is(pieces[1], pieces[2])) && ok;
		else
			ok = expect(access(pieces[1], F_OK) < 0) && ok;
		if (!ok)
			fprintf(stderr, "not so: %s\n", *w);
	}
	return ok;
}

static bool look_in_child(void)
{
	return look(true);
}

static bool same(void)
{
	return (loose || forest_is_same(pids, nr_pids)) && look(false) &&
	       (nr_pids == 1 || expect(ask(&child, look_in_child)));
}

int main(int argc, char **argv)
{
	all_words = argv + 2;
	return victim_main(argc, argv, make, same);
}
