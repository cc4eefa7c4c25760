/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * regs - what arm64 does with registers at a stop
 *
 * Unlike x86-64, the kernel prepares a restart before it stops: pc is back at
 * the svc and x0 is the first argument again, while the code it returned with
 * is only on its own stack.  So what is read at a stop already is the call
 * entered again, and there is nothing to do for the calls that restart.
 *
 * not kept	the restart block: after foreign code has run in a thread, a
 *		relative nanosleep() begins anew
 *		-EINTR that our stop caused: x0 is overwritten and ptrace does
 *		not show the kernel's copy, so it cannot be entered again
 * not done	a stub, see remote.c
 */
#include <elf.h>
#include <string.h>

#include "../../pie/control.h"
#include "../../src/arch.h"
#include "resume.h"

enum {
	FLAGS_KEPT = 0x0fffffff, /* all but nzcv */
};

const struct arch_insn arch_syscall_insn = { { 0x01, 0x00, 0x00, 0xd4 }, 4, 4 };
const int arch_xstate_note = NT_PRFPREG;

unsigned long arch_ip(const struct compel_regs *regs)
{
	return regs->gp.pc;
}

void arch_set_ip(struct compel_regs *regs, unsigned long ip)
{
	regs->gp.pc = ip;
}

bool arch_in_user(const struct compel_regs *regs)
{
	return true;
}

bool arch_hide_eintr(struct compel_regs *regs)
{
	return false;
}

void arch_set_call(struct compel_regs *regs, unsigned long insn, long nr,
		   const unsigned long args[6])
{
	int i;

	regs->gp.pc = insn;
	regs->gp.regs[8] = (unsigned long)nr;
	for (i = 0; i < 6; i++)
		regs->gp.regs[i] = args[i];
}

long arch_result(const struct compel_regs *regs)
{
	return (long)regs->gp.regs[0];
}

void arch_set_entry(struct compel_regs *regs, unsigned long ip, unsigned long sp)
{
	regs->gp.pc = ip;
	regs->gp.sp = sp;
	regs->gp.pstate &= FLAGS_KEPT;
}

void compel_interrupted(const struct compel_regs *regs, struct compel_interrupted *in_ret)
{
	in_ret->nr = -1;
	in_ret->result = 0;
}

void compel_regs_reissue(struct compel_regs *regs)
{
}

void arch_resume(const struct compel_regs *regs, uint64_t *resume)
{
	int i;

	resume[RESUME_SP] = regs->gp.sp;
	resume[RESUME_PC] = regs->gp.pc;
	resume[RESUME_FLAGS] = regs->gp.pstate & ~(unsigned long)FLAGS_KEPT & 0xffffffff;
	for (i = 0; i < 31; i++)
		resume[RESUME_X(i)] = regs->gp.regs[i];
}

void arch_resumed(const uint64_t *resume, struct compel_regs *regs)
{
	int i;

	regs->gp.sp = resume[RESUME_SP];
	regs->gp.pc = resume[RESUME_PC];
	regs->gp.pstate = (regs->gp.pstate & FLAGS_KEPT) | resume[RESUME_FLAGS];
	for (i = 0; i < 31; i++)
		regs->gp.regs[i] = resume[RESUME_X(i)];
}

size_t arch_stub(const struct compel_thread *t, void *buf, size_t max)
{
	return 0;
}

bool arch_is_stub(const void *code)
{
	return false;
}

bool arch_stub_undo(const void *code, struct compel_thread *t)
{
	return false;
}
