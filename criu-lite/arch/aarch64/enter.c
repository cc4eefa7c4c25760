/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * enter (aarch64) - the jump into the restorer
 */
#include <stdint.h>
#include <string.h>

#include "arch/arch.h"

const void *arch_find_syscall(const void *code, size_t size)
{
	static const uint32_t svc_0 = 0xd4000001;
	const char *p = code, *end = p + size;

	for (; p + 4 <= end; p += 4)
		if (memcmp(p, &svc_0, 4) == 0)
			return p;
	return NULL;
}

void arch_enter_restorer(void *entry, void *stack_end, void *args)
{
	register void *x0 __asm__("x0") = args;

	__asm__ volatile("mov sp, %1\n\t"
			 "mov x29, xzr\n\t"
			 "mov x30, xzr\n\t"
			 "br %0\n\t"
			 :
			 : "r"(entry), "r"(stack_end), "r"(x0)
			 : "memory");
	__builtin_unreachable();
}
