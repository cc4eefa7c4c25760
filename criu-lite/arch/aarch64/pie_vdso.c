/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pie_vdso (aarch64) - not done: the kernel cannot map a second vdso, so ours
 * would have to be moved before the rest of us is unmapped
 */
#include "pie/restorer.h"

enum { ENOSYS_ = 38 };

long restorer_map_vdso(uint64_t addr)
{
	return -ENOSYS_;
}
