/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * jump (x86-64) - to anywhere, through a register that no function expects anything in
 */
#include <string.h>

#include "arch/arch.h"

size_t arch_encode_jump(uint8_t *code, uint64_t target)
{
	static const uint8_t movabs_r11[] = { 0x49, 0xbb }, jmp_r11[] = { 0x41, 0xff, 0xe3 };

	memcpy(code, movabs_r11, 2);
	memcpy(code + 2, &target, sizeof(target));
	memcpy(code + 10, jmp_r11, 3);
	return 13;
}
