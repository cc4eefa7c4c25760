/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VICTIM_H
#define VICTIM_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/*
 * A victim: a program that makes something, waits, and looks again.
 *
 *	VICTIM(make, same)
 *
 * make() makes it; same() tells whether it still is as it was made.  Whatever
 * happens in between, a dump and a restore for example, they need not know.
 *
 * It is started in an empty directory with /dev/null as 0, a log as 1 and 2, and
 * nothing else open.  The conversation goes through files in the directory
 * argv[1]: the victim makes "ready", waits for "look" and leaves its "verdict".
 *
 * In comments of the source: "dump: OPTIONS" and "restore: OPTIONS" are given to
 * criu-lite in the round trip.
 */

/* Where the conversation takes place; whoever changes its root changes this. */
static char victim_dir[4096];

static inline void victim_say(const char *file, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Where the round trip takes place: "host", "namespaces", "user-namespace". */
static inline bool victim_is_at(const char *place)
{
	const char *here = getenv("PLACE");

	return strcmp(here && *here ? here : "host", place) == 0;
}

/* What is true, or else where it was not: for make() and same(). */
#define expect(cond)                                                                         \
	((cond) ? true                                                                       \
		: (fprintf(stderr, "%s:%d: not so: %s (errno %d, %s)\n", __FILE__, __LINE__, \
			   #cond, errno, strerror(errno)),                                   \
		   false))

/* This cannot be tested here; say what the machine lacks. */
#define skip(...)                                           \
	do {                                                \
		victim_say("verdict", "skip " __VA_ARGS__); \
		exit(0);                                    \
	} while (0)

static inline void victim_sleep(long ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static inline const char *victim_path(const char *file)
{
	static char path[sizeof(victim_dir) + 32];

	snprintf(path, sizeof(path), "%s/%s", victim_dir, file);
	return path;
}

/* The file appears with all its content. */
static inline void victim_say(const char *file, const char *fmt, ...)
{
	char text[1024], hidden[sizeof(victim_dir) + 32];
	va_list ap;
	int fd;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);

	snprintf(hidden, sizeof(hidden), "%s/.%s", victim_dir, file);
	fd = open(hidden, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0 || dprintf(fd, "%s\n", text) < 0 || close(fd) < 0 ||
	    rename(hidden, victim_path(file)) < 0) {
		perror(hidden);
		exit(1);
	}
}

static inline int victim_main(int argc, char **argv, bool (*make)(void), bool (*same)(void))
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s DIR\n", argv[0]);
		return 1;
	}
	snprintf(victim_dir, sizeof(victim_dir), "%s", argv[1]);

	errno = 0;
	if (!make()) {
		victim_say("verdict", "cannot make it (errno %d, %s)", errno, strerror(errno));
		return 1;
	}

	victim_say("ready", "%d", getpid());
	while (access(victim_path("look"), F_OK) < 0)
		victim_sleep(5);

	errno = 0;
	victim_say("verdict", "%s", same() ? "same" : "different");
	return 0;
}

#define VICTIM(make, same)                                  \
	int main(int argc, char **argv)                     \
	{                                                   \
		return victim_main(argc, argv, make, same); \
	}

#endif
