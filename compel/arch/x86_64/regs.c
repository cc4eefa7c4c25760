/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * regs - what x86-64 does with registers at a stop
 *
 * A thread stopped in a system call shows its number in orig_rax and its
 * result in rax.  If it is let go with orig_rax >= 0 and an ERESTART code in
 * rax, the kernel moves rip back over the instruction on its own, after it has
 * looked for signals; so an interrupted call is kept by writing back what was
 * read, and orig_rax = -1 says that there is nothing to restart.
 */
#include <elf.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "../../pie/control.h"
#include "../../src/arch.h"
#include "resume.h"

enum {
	EINTR_ = 4,
	ERESTARTSYS = 512,
	ERESTARTNOINTR = 513,
	ERESTARTNOHAND = 514,
	ERESTART_RESTARTBLOCK = 516,
	FLAGS_NEUTRAL = 0x202, /* interrupts on; direction, trap and alignment check off */
};

const struct arch_insn arch_syscall_insn = { { 0x0f, 0x05 }, 2, 1 };
const int arch_xstate_note = NT_X86_XSTATE;

unsigned long arch_ip(const struct compel_regs *regs)
{
	return regs->gp.rip;
}

void arch_set_ip(struct compel_regs *regs, unsigned long ip)
{
	regs->gp.rip = ip;
}

bool arch_in_user(const struct compel_regs *regs)
{
	return (long)regs->gp.orig_rax < 0;
}

/*
 * Calls that Linux ends with -EINTR at every stop, handler or not: signal(7)
 * has most of them.  Sockets do so if they have SO_RCVTIMEO or SO_SNDTIMEO,
 * through read() and write() too; all of these have transferred nothing when
 * they say EINTR.  A relative timeout begins anew, because the kernel tells
 * nobody when the call began.
 */
static bool call_is_interrupted_by_any_stop(long nr)
{
	switch (nr) {
	case SYS_epoll_wait:
	case SYS_epoll_wait_old:
	case SYS_epoll_pwait:
	case 441: /* epoll_pwait2 */
	case SYS_semop:
	case SYS_semtimedop:
	case SYS_rt_sigtimedwait:
	case SYS_io_getevents:
	case SYS_io_pgetevents:
	case SYS_io_uring_enter:
	case SYS_msgrcv:
	case SYS_msgsnd:
	case SYS_read:
	case SYS_readv:
	case SYS_write:
	case SYS_writev:
	case SYS_sendfile:
	case SYS_recvfrom:
	case SYS_recvmsg:
	case SYS_recvmmsg:
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_sendmmsg:
	case SYS_accept:
	case SYS_accept4:
	case SYS_connect:
		return true;
	default:
		return false;
	}
}

bool arch_hide_eintr(struct compel_regs *regs)
{
	if ((long)regs->gp.rax != -EINTR_ ||
	    !call_is_interrupted_by_any_stop((long)regs->gp.orig_rax))
		return false;

	regs->gp.rax = (unsigned long)-ERESTARTNOHAND;
	return true;
}

void arch_set_call(struct compel_regs *regs, unsigned long insn, long nr,
		   const unsigned long args[6])
{
	regs->gp.rip = insn;
	regs->gp.rax = (unsigned long)nr;
	regs->gp.orig_rax = (unsigned long)-1;
	regs->gp.rdi = args[0];
	regs->gp.rsi = args[1];
	regs->gp.rdx = args[2];
	regs->gp.r10 = args[3];
	regs->gp.r8 = args[4];
	regs->gp.r9 = args[5];
}

long arch_result(const struct compel_regs *regs)
{
	return (long)regs->gp.rax;
}

void arch_set_entry(struct compel_regs *regs, unsigned long ip, unsigned long sp)
{
	regs->gp.rip = ip;
	regs->gp.rsp = sp;
	regs->gp.eflags = FLAGS_NEUTRAL;
	regs->gp.orig_rax = (unsigned long)-1;
}

void compel_interrupted(const struct compel_regs *regs, struct compel_interrupted *in_ret)
{
	in_ret->nr = arch_in_user(regs) ? -1 : (long)regs->gp.orig_rax;
	in_ret->result = arch_in_user(regs) ? 0 : (long)regs->gp.rax;
}

static bool result_is_restart(long result)
{
	return result == -ERESTARTSYS || result == -ERESTARTNOINTR || result == -ERESTARTNOHAND ||
	       result == -ERESTART_RESTARTBLOCK;
}

void compel_regs_reissue(struct compel_regs *regs)
{
	if (arch_in_user(regs) || !result_is_restart((long)regs->gp.rax))
		return;

	regs->gp.rax = regs->gp.orig_rax;
	regs->gp.rip -= arch_syscall_insn.size;
	regs->gp.orig_rax = (unsigned long)-1;
}

void arch_resume(const struct compel_regs *regs, uint64_t *resume)
{
	struct compel_regs r = *regs;
	bool restart_block = !arch_in_user(regs) && (long)regs->gp.rax == -ERESTART_RESTARTBLOCK;

	compel_regs_reissue(&r);
	if (restart_block)
		r.gp.rax = SYS_restart_syscall;

	resume[RESUME_RFLAGS] = r.gp.eflags;
	resume[RESUME_RIP] = r.gp.rip;
	resume[RESUME_RSP] = r.gp.rsp;
	resume[RESUME_RAX] = r.gp.rax;
	resume[RESUME_RBX] = r.gp.rbx;
	resume[RESUME_RCX] = r.gp.rcx;
	resume[RESUME_RDX] = r.gp.rdx;
	resume[RESUME_RSI] = r.gp.rsi;
	resume[RESUME_RDI] = r.gp.rdi;
	resume[RESUME_RBP] = r.gp.rbp;
	resume[RESUME_R8] = r.gp.r8;
	resume[RESUME_R9] = r.gp.r9;
	resume[RESUME_R10] = r.gp.r10;
	resume[RESUME_R11] = r.gp.r11;
	resume[RESUME_R12] = r.gp.r12;
	resume[RESUME_R13] = r.gp.r13;
	resume[RESUME_R14] = r.gp.r14;
	resume[RESUME_R15] = r.gp.r15;
}

void arch_resumed(const uint64_t *resume, struct compel_regs *regs)
{
	regs->gp.eflags = resume[RESUME_RFLAGS];
	regs->gp.rip = resume[RESUME_RIP];
	regs->gp.rsp = resume[RESUME_RSP];
	regs->gp.rax = resume[RESUME_RAX];
	regs->gp.rbx = resume[RESUME_RBX];
	regs->gp.rcx = resume[RESUME_RCX];
	regs->gp.rdx = resume[RESUME_RDX];
	regs->gp.rsi = resume[RESUME_RSI];
	regs->gp.rdi = resume[RESUME_RDI];
	regs->gp.rbp = resume[RESUME_RBP];
	regs->gp.r8 = resume[RESUME_R8];
	regs->gp.r9 = resume[RESUME_R9];
	regs->gp.r10 = resume[RESUME_R10];
	regs->gp.r11 = resume[RESUME_R11];
	regs->gp.r12 = resume[RESUME_R12];
	regs->gp.r13 = resume[RESUME_R13];
	regs->gp.r14 = resume[RESUME_R14];
	regs->gp.r15 = resume[RESUME_R15];
	regs->gp.orig_rax = (unsigned long)-1;
}
