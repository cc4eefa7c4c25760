/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_TAP_H
#define UNIT_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * Results of a unit test, in the Test Anything Protocol.
 *
 *	int main(void)
 *	{
 *		ok(1 + 1 == 2, "numbers add up");
 *		return tap_done();
 *	}
 */
static int tap_count, tap_failed;

__attribute__((format(printf, 5, 6))) static inline bool
tap_result(bool passed, const char *file, int line, const char *cond, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", passed ? "" : "not ", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	if (!passed) {
		printf("# %s:%d: %s\n", file, line, cond);
		tap_failed++;
	}
	fflush(stdout);
	return passed;
}

/* One test with its name (printf format); returns the condition. */
#define ok(cond, ...) tap_result((cond), __FILE__, __LINE__, #cond, __VA_ARGS__)

/* A test that cannot run here: say what this machine lacks. */
static inline void tap_skip(const char *name, const char *reason)
{
	printf("ok %d - %s # SKIP %s\n", ++tap_count, name, reason);
}

/* The end: for return from main(). */
static inline int tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed ? 1 : 0;
}

#endif
