/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The first bytes of the restorer, and the one thing C cannot say: a clone
 * whose child has another stack.
 */
#include <asm/unistd.h>

	.hidden	restorer_main

	/* Entered at its first byte: rdi is struct restorer_args, rsp the top of its stack. */
	.section .head.text, "ax", @progbits
	.globl	restorer_head
	.hidden	restorer_head
restorer_head:
	xor	%ebp, %ebp
	and	$-16, %rsp
	call	restorer_main
	ud2

	/* long restorer_clone(struct clone_args *ca, void (*fn)(void *), void *arg) */
	.text
	.globl	restorer_clone
	.hidden	restorer_clone
restorer_clone:
	mov	%rsi, %r8
	mov	%rdx, %r9
	mov	$88, %esi			/* CLONE_ARGS_SIZE_VER2 */
	mov	$__NR_clone3, %eax
	syscall
	test	%rax, %rax
	jz	1f
	ret
1:
	xor	%ebp, %ebp
	and	$-16, %rsp
	mov	%r9, %rdi
	call	*%r8
	xor	%edi, %edi
	mov	$__NR_exit, %eax
	syscall
	ud2

	.section .note.GNU-stack, "", @progbits
