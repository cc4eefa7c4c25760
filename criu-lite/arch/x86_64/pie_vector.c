/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vector - AMX (x86-64): state that a process has to ask for
 *
 * All threads may use what the process has asked for.  A thread gets the room
 * at its first instruction that touches it, and only then can ptrace set it.
 */
#include <asm/unistd.h>

#include "pie/abi.h"
#include "sys.h"

enum {
	ARCH_GET_XCOMP_PERM_ = 0x1022,
	ARCH_REQ_XCOMP_PERM_ = 0x1023,
	TILE_DATA = 18, /* the only one yet */
	EINVAL_ = 22,
};

uint64_t vector_get_permitted(void)
{
	uint64_t permitted = 0;

	if (sys2(__NR_arch_prctl, ARCH_GET_XCOMP_PERM_, (long)&permitted) < 0)
		return 0;
	return permitted & 1ull << TILE_DATA;
}

long vector_permit(uint64_t components)
{
	if (components != 1ull << TILE_DATA)
		return -EINVAL_;
	return sys2(__NR_arch_prctl, ARCH_REQ_XCOMP_PERM_, TILE_DATA);
}

/* One tile of one row, as the instruction wants it described. */
struct tile_config {
	uint8_t palette, start_row, reserved[14];
	uint16_t bytes_per_row[16];
	uint8_t rows[16];
};

void vector_make_large(void)
{
	struct tile_config config __attribute__((aligned(64))) = {
		.palette = 1,
		.bytes_per_row = { 64 },
		.rows = { 1 },
	};

	__asm__ volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0x00" /* ldtilecfg (%%rax) */
			 :
			 : "a"(&config)
			 : "memory");
	__asm__ volatile(".byte 0xc4, 0xe2, 0x7b, 0x49, 0xc0"); /* tilezero %tmm0 */
}
