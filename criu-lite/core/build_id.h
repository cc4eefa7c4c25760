/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_BUILD_ID_H
#define CORE_BUILD_ID_H

#include <stddef.h>
#include <stdint.h>

enum { BUILD_ID_WORDS = 16 };

/*
 * The build id of the ELF file that @fd can read, as 32-bit words, padded with
 * zeros.  Returns their number; 0: no such file, or it has none.  The offset of
 * @fd stays where it is.
 */
size_t build_id_read(int fd, uint32_t words[BUILD_ID_WORDS]);

#endif
