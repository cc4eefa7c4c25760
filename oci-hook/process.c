/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * process - run the runtime, or criu-lite, and hear what it says
 *
 * What it says goes into files in memory, so that neither side waits for the
 * other.
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
#include "oci-hook/process.h"

void process_add(struct call *c, words *argv, const char *word)
{
	*vec_add(c->arena, argv) = word;
}

void process_runtime(struct call *c, const char *verb, words *argv)
{
	const char **word;

	process_add(c, argv, c->runtime);
	vec_for_each(word, &c->globals)
		process_add(c, argv, *word);
	process_add(c, argv, verb);
}

static int spawn(const char *const *argv, const struct process *p, int out, int complaints,
		 pid_t *pid_ret)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	int code;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&files);
	if (p->quiet) {
		posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
		posix_spawn_file_actions_adddup2(&files, out, 1);
		posix_spawn_file_actions_adddup2(&files, complaints, 2);
	}
	if (p->given)
		posix_spawn_file_actions_adddup2(&files, p->given, 3);
	code = posix_spawn(pid_ret, argv[0], &files, &attr, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return -code;
}

static char *text_of_file(struct call *c, int fd)
{
	char *text = arena_strdup(c->arena, "");

	if (lseek(fd, 0, SEEK_SET) == 0)
		io_slurp(fd, c->arena, &text, NULL);
	return text;
}

int process_run(struct call *c, const words *argv, struct process *p, struct err *err)
{
	scoped_fd out = memfd_create("said", MFD_CLOEXEC);
	scoped_fd complaints = memfd_create("complaints", MFD_CLOEXEC);
	words all = { 0 };
	const char **word;
	int status, ret;
	pid_t pid;

	vec_for_each(word, argv)
		process_add(c, &all, *word);
	process_add(c, &all, NULL);
	if (out < 0 || complaints < 0)
		return err_sys(err, "cannot make a file in memory");
	ret = spawn(all.items, p, out, complaints, &pid);
	if (ret < 0)
		return err_set(err, -ret, "cannot run %s", all.items[0]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, "cannot wait for %s", all.items[0]);

	p->output = text_of_file(c, out);
	p->error = text_of_file(c, complaints);
	if (p->quiet && !p->mute)
		fputs(p->error, stderr);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Without what stands in front of the message in logs. */
static const char *last_line(char *text)
{
	size_t n = strlen(text);
	char *line;

	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	line = strrchr(text, '\n');
	return line ? line + 1 : text;
}

int process_must(struct call *c, const words *argv, struct process *p, struct err *err)
{
	int status = process_run(c, argv, p, err);
	const char *name = strrchr(argv->items[0], '/'), *said;

	if (status <= 0)
		return status;
	said = last_line(p->error);
	err_set(err, ECANCELED, "cannot use container %s: %s failed", c->id,
		name ? name + 1 : argv->items[0]);
	if (*said)
		return err_why(err, "%s", said);
	return err_why(err, "it ended with status %d", status);
}
