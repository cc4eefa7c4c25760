/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * placeholder - the first process of a container that is to be restored
 *
 * The runtime starts it in the place of the container's program.  It waits, in
 * a container that may have no libc, until criu-lite makes it the root of the
 * dumped tree.
 */
#include "sys.h"

__attribute__((noreturn)) void _start(void);
void _start(void)
{
	for (;;)
		sys4(__NR_ppoll, 0, 0, 0, 0);
}
