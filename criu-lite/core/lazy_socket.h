/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_LAZY_SOCKET_H
#define CORE_LAZY_SOCKET_H

#include <stdint.h>

/*
 * Where a lazy restore hands memory over to the lazy-pages daemon: a stream
 * socket in the work directory of both.  For each task of pstree.img its pid (an
 * int; negative: it is dead, and that is all), then a byte with its userfaultfd and,
 * if it comes from us, a pidfd.  At the end a word: the tasks run.
 */
#define LAZY_SOCKET "lazy-pages.socket"

static const uint32_t LAZY_FINISHED = 0x52535446;

#endif
