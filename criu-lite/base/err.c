/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * err - one failure: what, why, what to do
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

static void err_fill(struct err *err, int code, const char *fmt, va_list ap)
{
	memset(err, 0, sizeof(*err));
	err->code = code > 0 ? code : EIO;
	vsnprintf(err->what, sizeof(err->what), fmt, ap);
	snprintf(err->why, sizeof(err->why), "%s", strerror(err->code));
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_fill(err, code, fmt, ap);
	va_end(ap);
	return -err->code;
}

int err_sys(struct err *err, const char *fmt, ...)
{
	int code = errno;
	va_list ap;

	va_start(ap, fmt);
	err_fill(err, code, fmt, ap);
	va_end(ap);
	return -err->code;
}

int err_in(struct err *err, const char *fmt, ...)
{
	char what[sizeof(err->what)];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);

	n = strlen(what);
	snprintf(what + n, sizeof(what) - n, ": %s", err->what);
	memcpy(err->what, what, sizeof(what));
	return -err->code;
}

int err_why(struct err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->why, sizeof(err->why), fmt, ap);
	va_end(ap);
	return -err->code;
}

int err_hint(struct err *err, const char *fmt, ...)
{
	va_list ap;

	if (err->hint[0])
		return -err->code;

	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
	return -err->code;
}

int err_hint_limit(struct err *err)
{
	switch (err->code) {
	case EMFILE:
		return err_hint(err,
				"raise the hard limit of open files (ulimit -Hn) for criu-lite");
	case ENFILE:
		return err_hint(
			err, "raise the limit of open files of this machine (sysctl fs.file-max)");
	case ENOMEM:
		return err_hint(
			err, "see what limits the memory of criu-lite: ulimit -v, its cgroup, the "
			     "machine (free -h)");
	case ENOSPC:
	case EDQUOT:
		return err_hint(err, "make room, or use another directory");
	}
	return -err->code;
}

/* What stands in images and names of files may look like more lines, or speak to the terminal. */
static void print_plain(const char *before, const char *s)
{
	fputs(before, stderr);
	for (; *s; s++)
		fputc((unsigned char)*s < ' ' || *s == 0x7f ? '?' : *s, stderr);
}

void err_print(const struct err *err, const char *who)
{
	print_plain(who, ": ");
	print_plain("", err->what);
	print_plain("\n  why: ", err->why);
	if (err->hint[0])
		print_plain("\n  do:  ", err->hint);
	fputc('\n', stderr);
}
