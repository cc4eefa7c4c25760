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
 */
#include <asm/unistd.h>
#include "../../pie/control.h"
#include "resume.h"

#define FROM(i) compel_control+CONTROL_RESUME(i)(%rip)

	.section .head.text, "ax", @progbits
	.globl	compel_head
	.hidden	compel_head, compel_control, compel_main, compel_close
compel_head:
	jmp	1f
	.balign	COMPEL_GADGET
	syscall
	jmp	2f
1:
	mov	%rsp, %rdi
	call	compel_main
2:
	cmpl	$0, compel_control+CONTROL_SOCK(%rip)
	js	3f
	lea	compel_control(%rip), %rsp
	mov	%rsp, %rdi
	call	compel_close
3:
	/* The stack is his own again before a signal can need it. */
	lea	FROM(RESUME_RFLAGS), %rsp
	popfq
	mov	FROM(RESUME_RSP), %rsp

	mov	$__NR_rt_sigprocmask, %eax
	mov	$2, %edi			/* SIG_SETMASK */
	lea	compel_control+CONTROL_SIGMASK(%rip), %rsi
	mov	$0, %edx
	mov	$8, %r10d
	syscall

	mov	FROM(RESUME_RAX), %rax
	mov	FROM(RESUME_RBX), %rbx
	mov	FROM(RESUME_RCX), %rcx
	mov	FROM(RESUME_RDX), %rdx
	mov	FROM(RESUME_RSI), %rsi
	mov	FROM(RESUME_RDI), %rdi
	mov	FROM(RESUME_RBP), %rbp
	mov	FROM(RESUME_R8), %r8
	mov	FROM(RESUME_R9), %r9
	mov	FROM(RESUME_R10), %r10
	mov	FROM(RESUME_R11), %r11
	mov	FROM(RESUME_R12), %r12
	mov	FROM(RESUME_R13), %r13
	mov	FROM(RESUME_R14), %r14
	mov	FROM(RESUME_R15), %r15
	jmp	*FROM(RESUME_RIP)

	.section .note.GNU-stack, "", @progbits
