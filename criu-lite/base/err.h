/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BASE_ERR_H
#define BASE_ERR_H

/*
 * One failure, as a value: what could not be done, why, and what to do.
 *
 * It has no pointers, so it can be copied across fork and shared memory.  A
 * zeroed struct is "no error".  The caller owns it; functions that take one
 * have filled it when, and only when, they return a negative number.
 */
struct err {
	int code; /* positive errno, 0: no error */
	char what[480];
	char why[128];
	char hint[256];
	int exit_status; /* what the program ends with, 0: the usual 1 */
};

/* Fill @err from @code (a positive errno) and a sentence; returns -@code. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same with the code from errno. */
int err_sys(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Put "where: " in front of the sentence; returns -code again. */
int err_in(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Replace the text of errno by words that say more; returns -code. */
int err_why(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What the user can do.  The first hint is kept; returns -code. */
int err_hint(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same, if the code alone tells: a limit that is reached, a disk that is full; returns -code. */
int err_hint_limit(struct err *err);

/* Print it on stderr as what / why / do, with @who (program, command) in front. */
void err_print(const struct err *err, const char *who);

#endif
