/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ARCH_XSAVE_H
#define ARCH_XSAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "images/core-x86.pb-c.h"

struct arch_cpu;

/* The area as the kernel's regset has it, to and from the image; -EOPNOTSUPP names a component. */
int xsave_to_image(const struct arch_cpu *cpu, const void *area, size_t len, UserX86FpregsEntry *fp,
		   struct arena *a, struct err *err);

/* @area has room for COMPEL_XSTATE_MAX bytes. */
int xsave_from_image(const struct arch_cpu *cpu, const UserX86FpregsEntry *fp, void *area,
		     size_t *len_ret, struct err *err);

/* Does the kernel have to make room in a thread that uses these components? */
bool xsave_is_large(uint64_t used);

/* Can a process on this machine ask for these components? */
int xsave_check_permitted(const struct arch_cpu *cpu, uint64_t permitted, struct err *err);

#endif
