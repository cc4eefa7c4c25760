/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef COMPEL_SRC_ARCH_H
#define COMPEL_SRC_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "compel.h"

/* What an architecture provides besides compel_arch.h: its regs.c, head.S and sys.h. */

enum { ARCH_INSN_MAX = 4 };

/* The system call instruction. */
struct arch_insn {
	unsigned char bytes[ARCH_INSN_MAX];
	unsigned int size, align;
};
extern const struct arch_insn arch_syscall_insn;

/* The note of the vector state for PTRACE_GETREGSET. */
extern const int arch_xstate_note;

unsigned long arch_ip(const struct compel_regs *regs);
void arch_set_ip(struct compel_regs *regs, unsigned long ip);

/* @regs, as read at a stop, were in user mode: not in a system call that may have been interrupted. */
bool arch_in_user(const struct compel_regs *regs);

/*
 * If @regs are at the end of a system call that gave -EINTR because of our
 * stop alone, make the kernel restart it unless a handler is run: true, and
 * @regs must be written to the thread.
 */
bool arch_hide_eintr(struct compel_regs *regs);

/* Make @regs execute the instruction at @insn as system call @nr. */
void arch_set_call(struct compel_regs *regs, unsigned long insn, long nr,
		   const unsigned long args[6]);
long arch_result(const struct compel_regs *regs);

/* Make @regs start at @ip with an empty stack that ends at @sp. */
void arch_set_entry(struct compel_regs *regs, unsigned long ip, unsigned long sp);

/* How head.S brings a thread back that was stopped with @regs. */
void arch_resume(const struct compel_regs *regs, uint64_t *resume);
/* The registers that it then has. */
void arch_resumed(const uint64_t *resume, struct compel_regs *regs);

/*
 * Code for @buf whose first instruction is a system call, and which otherwise
 * does for @t what head.S does.  Its size, or 0 if there is none.
 */
size_t arch_stub(const struct compel_thread *t, void *buf, size_t max);
bool arch_is_stub(const void *code);
/* The other way round: what the stub would give back to @t.  False: it is none. */
bool arch_stub_undo(const void *code, struct compel_thread *t);

#endif
