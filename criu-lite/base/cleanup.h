/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Descriptors and memory that end with their scope.
 *
 *	scoped_fd fd = open(...);		closed on every way out
 *	return take_fd(&fd);			given away, no longer closed here
 */
static inline void scoped_fd_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void scoped_ptr_end(void *ptr)
{
	free(*(void **)ptr);
}

static inline void scoped_stream_end(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define scoped_fd     __attribute__((cleanup(scoped_fd_end))) int
#define scoped_ptr    __attribute__((cleanup(scoped_ptr_end)))
#define scoped_stream __attribute__((cleanup(scoped_stream_end))) FILE

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define take_ptr(p)                         \
	({                                  \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})

#endif
