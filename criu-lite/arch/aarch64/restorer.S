/* SPDX-License-Identifier: GPL-2.0-only */
/* The same as in x86_64/restorer.S. */
#include <asm/unistd.h>

	.hidden	restorer_main

	/* Entered at its first byte: x0 is struct restorer_args, sp the top of its stack. */
	.section .head.text, "ax", @progbits
	.globl	restorer_head
	.hidden	restorer_head
restorer_head:
	mov	x29, xzr
	mov	x30, xzr
	bl	restorer_main
	brk	#0

	/* long restorer_clone(struct clone_args *ca, void (*fn)(void *), void *arg) */
	.text
	.globl	restorer_clone
	.hidden	restorer_clone
restorer_clone:
	mov	x9, x1
	mov	x10, x2
	mov	x1, #88				/* CLONE_ARGS_SIZE_VER2 */
	mov	x8, #__NR_clone3
	svc	#0
	cbz	x0, 1f
	ret
1:
	mov	x29, xzr
	mov	x0, x10
	blr	x9
	mov	x0, xzr
	mov	x8, #__NR_exit
	svc	#0
	brk	#0

	.section .note.GNU-stack, "", @progbits
