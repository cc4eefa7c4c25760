/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FILE_TTY_H
#define FILE_TTY_H

/* Which devices are terminals: for tty.c, and for device.c, which takes the others. */

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum {
	VT_MAJOR = 4,  /* minors below 64: virtual terminals; above: serial lines */
	AUX_MAJOR = 5, /* 0: /dev/tty, 1: /dev/console, 2: /dev/ptmx, above: serial lines */
	SLAVE_MAJOR_FIRST = 136,
	SLAVE_MAJOR_LAST = 143,
	FIRST_SERIAL = 64,
	MINOR_CTTY = 0,
	MINOR_CONSOLE = 1,
	MINOR_PTMX = 2,
};

static inline bool is_slave_device(dev_t rdev)
{
	return major(rdev) >= SLAVE_MAJOR_FIRST && major(rdev) <= SLAVE_MAJOR_LAST;
}

static inline bool is_tty_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && (major(st->st_rdev) == VT_MAJOR || major(st->st_rdev) == AUX_MAJOR ||
					is_slave_device(st->st_rdev));
}

#endif
