/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * log - what happened when, for those who debug
 *
 * A line is put together in one buffer and written with one write(), so lines
 * of several tasks that share the file do not mix.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

/* the only mutable global of the tree */
static struct {
	int fd;
	enum log_level level;
	int pid;
	struct timespec start;
} the_log = { .fd = STDERR_FILENO, .level = LOG_WARN };

void log_init(int fd, enum log_level level)
{
	the_log.fd = fd;
	the_log.level = level;
	clock_gettime(CLOCK_MONOTONIC, &the_log.start);
}

void log_set_pid(int pid)
{
	the_log.pid = pid;
}

void log_set_fd(int fd)
{
	the_log.fd = fd;
}

int log_fd(void)
{
	return the_log.fd;
}

bool log_wants(enum log_level level)
{
	return level <= the_log.level && the_log.fd >= 0;
}

static size_t put_stamp(char *buf, size_t size)
{
	struct timespec now;
	long us;
	int n;

	if (the_log.level < LOG_INFO)
		return 0;

	clock_gettime(CLOCK_MONOTONIC, &now);
	us = (now.tv_sec - the_log.start.tv_sec) * 1000000L +
	     (now.tv_nsec - the_log.start.tv_nsec) / 1000;
	n = snprintf(buf, size, "(%02ld.%06ld) ", us / 1000000, us % 1000000);
	if (the_log.pid)
		n += snprintf(buf + n, size - (size_t)n, "%6d: ", the_log.pid);
	return (size_t)n;
}

void log_line(enum log_level level, const char *file, int line, const char *fmt, ...)
{
	char buf[1024];
	size_t n;
	va_list ap;

	if (!log_wants(level))
		return;

	n = put_stamp(buf, sizeof(buf));
	if (level == LOG_ERROR || level == LOG_WARN)
		n += (size_t)snprintf(buf + n, sizeof(buf) - n,
				      "%s (%s:%d): ", level == LOG_ERROR ? "Error" : "Warn ", file,
				      line);
	if (n > sizeof(buf) - 2)
		n = sizeof(buf) - 2;

	va_start(ap, fmt);
	vsnprintf(buf + n, sizeof(buf) - n - 1, fmt, ap);
	va_end(ap);

	n = strlen(buf);
	buf[n++] = '\n';
	if (write(the_log.fd, buf, n) < 0)
		the_log.fd = -1; /* nobody left to tell */
}
