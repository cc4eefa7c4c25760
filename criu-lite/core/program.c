/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * program - run a program of the system
 *
 * What goes in and what comes out are files in memory, so neither side waits
 * for the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/program.h"

const char *program_find(struct arena *a, const char *const *names)
{
	static const char *const dirs[] = { "/usr/sbin", "/sbin", "/usr/bin", "/bin",
					    "/usr/local/sbin" };

	for (; *names; names++)
		for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
			const char *path = arena_printf(a, "%s/%s", dirs[i], *names);

			if (access(path, X_OK) == 0)
				return path;
		}
	return NULL;
}

int program_input(const char *text, struct err *err)
{
	scoped_fd fd = memfd_create("criu-lite", MFD_CLOEXEC);

	if (fd < 0 || io_write(fd, text, strlen(text)) < 0)
		return err_sys(err, "cannot make a file in memory");
	return take_fd(&fd);
}

int program_spawn(const char *const argv[], char *const env[],
		  const posix_spawn_file_actions_t *files, pid_t *pid_ret)
{
	posix_spawnattr_t attr;
	sigset_t none, all;
	int ret;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	ret = posix_spawn(pid_ret, argv[0], files, &attr, (char *const *)argv, env);
	posix_spawnattr_destroy(&attr);
	return -ret;
}

static int spawn(const char *const argv[], int in, int out, int complaints, pid_t *pid_ret)
{
	posix_spawn_file_actions_t files;
	int ret;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	posix_spawn_file_actions_adddup2(&files, complaints, 2);
	ret = program_spawn(argv, environ, &files, pid_ret);
	posix_spawn_file_actions_destroy(&files);
	return ret;
}

/* What it said last, for messages. */
static void last_line(int fd, char line[100])
{
	char text[2048], *start;
	ssize_t n;

	n = lseek(fd, 0, SEEK_SET) == 0 ? read(fd, text, sizeof(text) - 1) : 0;
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n > 0 ? n : 0] = '\0';
	start = strrchr(text, '\n');
	snprintf(line, 100, "%s", start ? start + 1 : text);
}

static int failed(const char *const argv[], int status, int complaints, struct err *err)
{
	char line[100];

	last_line(complaints, line);
	err_set(err, ECANCELED, "cannot do it with %s", argv[0]);
	if (line[0])
		return err_why(err, "%s", line);
	return err_why(err, "it ended with status %d",
		       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int program_run(struct arena *a, const char *const argv[], int input, char **output_ret,
		struct err *err)
{
	scoped_fd null = open("/dev/null", O_RDWR | O_CLOEXEC);
	scoped_fd out = memfd_create("out", MFD_CLOEXEC);
	scoped_fd complaints = memfd_create("complaints", MFD_CLOEXEC);
	int status, ret;
	pid_t pid;

	if (out < 0 || complaints < 0 || (input < 0 && null < 0) ||
	    (input >= 0 && lseek(input, 0, SEEK_SET) < 0))
		return err_sys(err, "cannot prepare to run %s", argv[0]);
	ret = spawn(argv, input < 0 ? null : input, out, complaints, &pid);
	if (ret < 0)
		return err_set(err, -ret, "cannot run %s", argv[0]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, "cannot wait for %s", argv[0]);
	if (status != 0)
		return failed(argv, status, complaints, err);
	if (!output_ret)
		return 0;
	if (lseek(out, 0, SEEK_SET) < 0 || io_slurp(out, a, output_ret, NULL) < 0)
		return err_sys(err, "cannot read what %s says", argv[0]);
	return 0;
}
