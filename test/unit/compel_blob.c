/* SPDX-License-Identifier: GPL-2.0-only */
/* compel_blob - what compel_test.c runs inside its victims */
#include "sys.h"

struct blob_args {
	uint64_t numbers[4];
};

long pie_command(uint32_t cmd, void *args);

long pie_command(uint32_t cmd, void *args)
{
	struct blob_args *a = args;

	switch (cmd) {
	case 1:
		return sys0(__NR_gettid);
	case 2:
		a->numbers[1] = a->numbers[0] + 1;
		return 5;
	case 3: /* sleep in a way that leaves the kernel's restart block alone */
		return sys3(__NR_read, (long)a->numbers[0], (long)&a->numbers[1], 1);
	case 4:
		return sys3(__NR_write, (long)a->numbers[0], (long)"odd", 3);
	case 5:
		*(volatile int *)a->numbers[0] = 1;
		return 0;
	default:
		return -38;
	}
}
