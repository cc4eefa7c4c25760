/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The first bytes of a blob.
 *
 * +0	the host starts a thread here, with the stack pointer at the control block
 * +16	the system call instruction for the calls that the host makes in the
 *	victim; it stops the thread right behind it
 *
 * In both cases, what follows is for the day the host is no more: the thread
 * continues as if nothing had been.  Our pages stay in the victim then, because
 * nobody can unmap the code he runs.
 *
 * Without rt_sigreturn the last jump costs one register.  It is x17, which the
 * procedure call standard leaves to the linker at every branch; a thread that
 * was interrupted between a veneer's load and its jump would go astray.
 */
#include <asm/unistd.h>
#include "../../pie/control.h"
#include "resume.h"

	.section .head.text, "ax", @progbits
	.globl	compel_head
	.hidden	compel_head, compel_control, compel_main, compel_close
compel_head:
	b	1f
	.balign	COMPEL_GADGET
	svc	#0
	b	2f
1:
	mov	x0, sp
	bl	compel_main
2:
	adrp	x19, compel_control
	add	x19, x19, :lo12:compel_control
	ldr	w0, [x19, #CONTROL_SOCK]
	tbnz	w0, #31, 3f
	mov	sp, x19
	mov	x0, x19
	bl	compel_close
3:
	mov	x8, #__NR_rt_sigprocmask
	mov	x0, #2				/* SIG_SETMASK */
	add	x1, x19, #CONTROL_SIGMASK
	mov	x2, xzr
	mov	x3, #8
	svc	#0

	mov	x17, x19
	ldr	x0, [x17, #CONTROL_RESUME(RESUME_FLAGS)]
	msr	nzcv, x0
	ldr	x0, [x17, #CONTROL_RESUME(RESUME_SP)]
	mov	sp, x0
	ldp	x0, x1, [x17, #CONTROL_RESUME(RESUME_X(0))]
	ldp	x2, x3, [x17, #CONTROL_RESUME(RESUME_X(2))]
	ldp	x4, x5, [x17, #CONTROL_RESUME(RESUME_X(4))]
	ldp	x6, x7, [x17, #CONTROL_RESUME(RESUME_X(6))]
	ldp	x8, x9, [x17, #CONTROL_RESUME(RESUME_X(8))]
	ldp	x10, x11, [x17, #CONTROL_RESUME(RESUME_X(10))]
	ldp	x12, x13, [x17, #CONTROL_RESUME(RESUME_X(12))]
	ldp	x14, x15, [x17, #CONTROL_RESUME(RESUME_X(14))]
	ldr	x16, [x17, #CONTROL_RESUME(RESUME_X(16))]
	ldp	x18, x19, [x17, #CONTROL_RESUME(RESUME_X(18))]
	ldp	x20, x21, [x17, #CONTROL_RESUME(RESUME_X(20))]
	ldp	x22, x23, [x17, #CONTROL_RESUME(RESUME_X(22))]
	ldp	x24, x25, [x17, #CONTROL_RESUME(RESUME_X(24))]
	ldp	x26, x27, [x17, #CONTROL_RESUME(RESUME_X(26))]
	ldp	x28, x29, [x17, #CONTROL_RESUME(RESUME_X(28))]
	ldr	x30, [x17, #CONTROL_RESUME(RESUME_X(30))]
	ldr	x17, [x17, #CONTROL_RESUME(RESUME_PC)]
	br	x17

	.section .note.GNU-stack, "", @progbits
