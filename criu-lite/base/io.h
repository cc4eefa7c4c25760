/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"

/*
 * Whole reads and writes: they go on after EINTR and short counts.  They
 * return 0 or a negative errno; fewer bytes than asked for at the end of a
 * file are -ENODATA.
 */
int io_read(int fd, void *buf, size_t len);
int io_write(int fd, const void *buf, size_t len);
int io_pread(int fd, void *buf, size_t len, off_t off);
int io_pwrite(int fd, const void *buf, size_t len, off_t off);

/*
 * The rest of a file as text in @a, with a NUL behind it.  For /proc: read in
 * steps, so the size need not be known.  @len_ret may be NULL.
 */
int io_slurp(int fd, struct arena *a, char **text_ret, size_t *len_ret);
int io_slurp_at(int dirfd, const char *path, struct arena *a, char **text_ret, size_t *len_ret);

/* Copy @len bytes; -ENODATA if @from ends before. */
int io_copy(int from, int to, uint64_t len);

/*
 * Some calls take no directory.  Work in @dir for a moment; the result goes back:
 *
 *	scoped_cwd back = io_chdir(proc);
 *
 * -1 with errno: we are where we were.
 */
int io_chdir(int dir);
void scoped_cwd_end(int *back);
#define scoped_cwd __attribute__((cleanup(scoped_cwd_end))) int

/* One message of @len bytes with @fd (or none, -1) over a unix socket. */
int io_send_fd(int sock, const void *buf, size_t len, int fd);

/* The other side: @fd_ret is -1 if none came.  The caller owns it.  -ENODATA at end of file. */
int io_recv_fd(int sock, void *buf, size_t len, int *fd_ret);

#endif
