/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ARCH_H
#define ARCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "compel.h"
#include "images/core.pb-c.h"

/*
 * What a CPU provides.  One arch/CPU/ is linked; a port fills this list.
 */

/* core_entry.mtype of this CPU. */
CoreEntry__March arch_march(void);

/*
 * Dump: put registers and vector state (@xstate as the kernel's regset has it)
 * of a stopped thread into @core, and the thread's clear_child_tid address.
 * Interrupted system calls are written so that they are entered again.
 */
int arch_core_from_regs(CoreEntry *core, const struct compel_regs *regs, const void *xstate, size_t len,
			uint64_t clear_tid_addr, struct arena *a, struct err *err);

/*
 * Restore: the other way.  @xstate_ret has room for COMPEL_XSTATE_MAX bytes;
 * *len_ret is 0 if the image has no vector state.  Refuses an image of another
 * CPU, or with vector state that this one lacks, by name.
 */
int arch_regs_from_core(const CoreEntry *core, struct compel_regs *regs_ret, void *xstate_ret,
			size_t *len_ret, struct err *err);

uint64_t arch_clear_tid_addr(const CoreEntry *core);

/* The thread pointer for clone(CLONE_SETTLS), 0 if registers carry it. */
uint64_t arch_tls(const CoreEntry *core);

/* The end of user addresses. */
uint64_t arch_task_size(void);

/* Room for the result of arch_core_from_regs() in a new core entry. */
void arch_core_init(CoreEntry *core, struct arena *a);

#endif
