/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ARCH_H
#define ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"
#include "compel.h"
#include "images/core.pb-c.h"

/*
 * What a CPU provides.  One arch/CPU/ is linked; a port fills this list.
 */

/* What this CPU has, found out once: under a hypervisor it is slow to ask. */
struct arch_cpu;
const struct arch_cpu *arch_cpu_new(struct arena *a);

/* core_entry.mtype of this CPU. */
CoreEntry__March arch_march(void);

/* Room for what the next two put into a new core entry. */
void arch_core_init(CoreEntry *core, struct arena *a);

/*
 * Dump: put vector state (@xstate as the kernel's regset has it) and whatever
 * else ptrace tells of the stopped thread @tid into @core.  Refuses what
 * images have no place for.
 */
int arch_core_from_xstate(const struct arch_cpu *cpu, CoreEntry *core, pid_t tid,
			  const void *xstate, size_t len, struct arena *a, struct err *err);

/*
 * Dump: the same with registers and the thread's clear_child_tid address.  An
 * interrupted system call is written so that it is entered again, and as the
 * kernel has it into thread_core.interrupted.
 */
int arch_core_from_regs(CoreEntry *core, const struct compel_regs *regs, uint64_t clear_tid_addr,
			struct arena *a, struct err *err);

/*
 * Dump, after arch_core_from_regs(): no, a handler is run first and the
 * interrupted system call returns -EINTR.  Only for readers that do not know
 * thread_core.interrupted.
 */
void arch_core_set_eintr(CoreEntry *core);

/*
 * Restore: the other way.  @xstate_ret has room for COMPEL_XSTATE_MAX bytes;
 * *len_ret is 0 if the image has no vector state.  Refuses an image of another
 * CPU, or with vector state that this one lacks, by name.
 */
int arch_regs_from_core(const struct arch_cpu *cpu, const CoreEntry *core,
			struct compel_regs *regs_ret, void *xstate_ret, size_t *len_ret,
			struct err *err);

/* Restore: what ptrace can set of the stopped thread @tid besides these, from @core. */
int arch_set_thread(pid_t tid, const CoreEntry *core, struct err *err);

/* Restore, of a core entry that has passed arch_regs_from_core(). */
uint64_t arch_core_ip(const CoreEntry *core);
uint64_t arch_clear_tid_addr(const CoreEntry *core);

/* The thread pointer for clone(CLONE_SETTLS), 0 if registers carry it. */
uint64_t arch_tls(const CoreEntry *core);

/* Code that goes on at @target and changes no register that an argument is in; at most 20 bytes, returns how many. */
size_t arch_encode_jump(uint8_t *code, uint64_t target);

/* The end of user addresses. */
uint64_t arch_task_size(void);

/* The interrupted system call of a core entry; false: it was in none. */
bool arch_core_call(const CoreEntry *core, long *nr_ret, unsigned long args_ret[6]);

/*
 * Restore, for a thread that was in a system call: it has entered it once more
 * with this result, an ERESTART code or that of a call that has ended.
 */
void arch_regs_set_result(struct compel_regs *regs, long result);

/* Vector state that a process had to ask for: @core is that of its leader. */
void arch_core_set_permitted(CoreEntry *core, uint64_t components);
uint64_t arch_permitted(const CoreEntry *core);

/* Restore: does the thread use vector state for which the kernel must make room first? */
bool arch_vector_is_large(const CoreEntry *core);

/* Dump: give the system call that @regs were interrupted in another number. */
void arch_regs_set_call(struct compel_regs *regs, long nr);

/* The system call number that the end of @code loads, which ends with the instruction; -1: unknown. */
long arch_number_loaded(const unsigned char *code, size_t len);

/* Where the thread is. */
uint64_t arch_regs_ip(const struct compel_regs *regs);
void arch_regs_set_ip(struct compel_regs *regs, uint64_t ip);

/* Restore, in the newborn: the first system call instruction in @code, or NULL. */
const void *arch_find_syscall(const void *code, size_t size);

/* Leave everything behind and run @entry(@args) on the stack that ends at @stack_end. */
_Noreturn void arch_enter_restorer(void *entry, void *stack_end, void *args);

#endif
