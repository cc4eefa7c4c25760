/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pie_vdso (x86-64) - a fresh vvar and vdso at an address of our choice
 *
 * The kernel maps one only if the process has none, and takes the address as a
 * hint; it is free, since all but the region has been unmapped.
 */
#include <asm/unistd.h>

#include "pie/restorer.h"
#include "sys.h"

enum { ARCH_MAP_VDSO_64_ = 0x2003 };

long restorer_map_vdso(uint64_t addr)
{
	return sys2(__NR_arch_prctl, ARCH_MAP_VDSO_64_, (long)addr);
}
