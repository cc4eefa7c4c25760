/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ARCH_XSAVE_H
#define ARCH_XSAVE_H

#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "images/core-x86.pb-c.h"

/* The area as the kernel's regset has it, to and from the image; -EOPNOTSUPP names a component. */
int xsave_to_image(const void *area, size_t len, UserX86FpregsEntry *fp, struct arena *a,
		   struct err *err);

/* @area has room for COMPEL_XSTATE_MAX bytes. */
int xsave_from_image(const UserX86FpregsEntry *fp, void *area, size_t *len_ret, struct err *err);

#endif
