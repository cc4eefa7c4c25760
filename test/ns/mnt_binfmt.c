/* SPDX-License-Identifier: GPL-2.0-only */
/* entries of binfmt_misc: by extension and by magic bytes, with a mask, flags; one that is disabled (mountns-2) */
#include <sys/wait.h>

#include "forest.h"

enum { BY_MAGIC, BY_NAME, DISABLED, NR };

static pid_t me;
static char names[NR][40], before[NR][512], after[512];

static bool write_to(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return ok;
}

static bool read_from(int i, char *text, size_t size)
{
	char path[64];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "bm/%s", names[i]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, text, size - 1);
	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return n > 0;
}

static bool add(int i, const char *kind, const char *rest)
{
	char line[300];

	snprintf(line, sizeof(line), ":%s:%s:%s", names[i], kind, rest);
	return expect(write_to("bm/register", line)) &&
	       expect(read_from(i, before[i], sizeof(before[i])));
}

/* What a program of that content and name ends with. */
static int status_of(const char *name, const char *content)
{
	char *argv[] = { (char *)name, NULL };
	int status;
	pid_t pid;

	if (!make_file(name, content) || chmod(name, 0755) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		execv(name, argv);
		_exit(77);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool make(void)
{
	char cwd[300], path[64];

	me = getpid();
	if (!own_mounts() || !expect(getcwd(cwd, sizeof(cwd)) != NULL) || !expect(make_dir("bm")))
		return false;
	if (mount("binfmt", "bm", "binfmt_misc", MS_NOSUID, NULL) < 0 &&
	    (errno == ENODEV || errno == EPERM))
		skip("this kernel has no binfmt_misc, or not for everybody");
	/* they are those of the whole machine */
	for (int i = 0; i < NR; i++)
		snprintf(names[i], sizeof(names[i]), "crl%d%s", i, strrchr(cwd, '.'));
	if (!add(BY_MAGIC, "M", "2:\\x5a\\x51\\x00\\x37:\\xff\\xff\\x00\\xff:/bin/false:OC") ||
	    !add(BY_NAME, "E", ":crlx::/bin/true:F") || !add(DISABLED, "M", ":QZQ9::/bin/true:P"))
		return false;
	snprintf(path, sizeof(path), "bm/%s", names[DISABLED]);
	return expect(write_to(path, "0")) &&
	       expect(read_from(DISABLED, before[DISABLED], sizeof(before[0]))) &&
	       expect(status_of("magic", "__ZQ?7 and more") == 1) &&
	       expect(status_of("file.crlx", "text") == 0) &&
	       expect(status_of("off", "QZQ9") == 77) && forest_note(&me, 1);
}

static bool same(void)
{
	if (!forest_is_same(&me, 1))
		return false;
	for (int i = 0; i < NR; i++)
		if (!expect(read_from(i, after, sizeof(after))) ||
		    !expect(strcmp(before[i], after) == 0)) {
			fprintf(stderr, "%s-- was\n%s", after, before[i]);
			return false;
		}
	return expect(status_of("magic", "__ZQ?7 and more") == 1) &&
	       expect(status_of("file.crlx", "text") == 0) &&
	       expect(status_of("off", "QZQ9") == 77);
}

VICTIM(make, same)
