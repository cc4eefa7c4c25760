/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * report - a failure, on stderr and in the log of --log
 *
 * A log that cannot be written changes nothing: stderr has it, and so has the
 * exit status.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "oci-hook/report.h"

/* For crun it may be "file:PATH", or something that is no file at all. */
static const char *log_path(const char *log)
{
	if (!log || strncmp(log, "journald:", 9) == 0 || strncmp(log, "syslog:", 7) == 0)
		return NULL;
	return strncmp(log, "file:", 5) == 0 ? log + 5 : log;
}

/* As JSON wants it, which logfmt, the format "text", understands as well. */
static void write_escaped(FILE *f, const char *s)
{
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(f, "\\%c", *s);
		else if ((unsigned char)*s < ' ')
			fprintf(f, "\\u%04x", *s);
		else
			fputc(*s, f);
	}
}

static void write_message(FILE *f, const struct err *err)
{
	write_escaped(f, err->what);
	fputs(": ", f);
	write_escaped(f, err->why);
	if (err->hint[0]) {
		fputs("; ", f);
		write_escaped(f, err->hint);
	}
}

static void write_log(const char *path, bool json, const struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	scoped_stream *f = fd < 0 ? NULL : fdopen(fd, "a");
	time_t now = time(NULL);
	struct tm tm;
	char when[32];

	if (!f)
		return;
	strftime(when, sizeof(when), "%FT%TZ", gmtime_r(&now, &tm));
	fputs(json ? "{\"level\":\"error\",\"msg\":\"" : "", f);
	if (!json)
		fprintf(f, "time=\"%s\" level=error msg=\"", when);
	write_message(f, err);
	if (json)
		fprintf(f, "\",\"time\":\"%s\"}\n", when);
	else
		fputs("\"\n", f);
}

void report(const struct command_line *c, const struct err *err)
{
	const char *path = log_path(c->log);

	if (path)
		write_log(path, c->log_format && strcmp(c->log_format, "json") == 0, err);
	err_print(err, "runc-ckpt");
}
