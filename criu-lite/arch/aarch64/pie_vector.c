/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vector - arm64 has no vector state that a process has to ask for
 */
#include "pie/abi.h"

uint64_t vector_get_permitted(void)
{
	return 0;
}

long vector_permit(uint64_t components)
{
	return 0;
}

void vector_make_large(void)
{
}
