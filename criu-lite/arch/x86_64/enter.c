/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * enter (x86-64) - the jump into the restorer
 */
#include <string.h>

#include "arch/arch.h"

const void *arch_find_syscall(const void *code, size_t size)
{
	static const unsigned char insn[] = { 0x0f, 0x05 };

	return memmem(code, size, insn, sizeof(insn));
}

void arch_enter_restorer(void *entry, void *stack_end, void *args)
{
	__asm__ volatile("mov %1, %%rsp\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "push $0\n\t" /* as if called: the stack is 8 off a multiple of 16 */
			 "jmp *%0\n\t"
			 :
			 : "r"(entry), "r"(stack_end), "D"(args)
			 : "memory");
	__builtin_unreachable();
}
