/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_FILE_SUM_H
#define CORE_FILE_SUM_H

#include <stdint.h>

/* CRC-32C of the first @len bytes of @fd, whose offset stays; a negative errno, -ENODATA: it has fewer. */
int file_sum(int fd, uint64_t len, uint32_t *sum_ret);

#endif
