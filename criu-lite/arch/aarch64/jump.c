/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * jump (aarch64) - to anywhere, through the register that linkers use for this
 */
#include <string.h>

#include "arch/arch.h"

size_t arch_encode_jump(uint8_t *code, uint64_t target)
{
	static const uint32_t ldr_x16_br_x16[] = { 0x58000050, 0xd61f0200 };

	memcpy(code, ldr_x16_br_x16, 8);
	memcpy(code + 8, &target, sizeof(target));
	return 16;
}
