/* SPDX-License-Identifier: MIT */
#ifndef COMPEL_ARCH_H
#define COMPEL_ARCH_H

#include <sys/user.h>

/* What PTRACE_GETREGSET has as NT_PRSTATUS. */
struct compel_regs {
	struct user_regs_struct gp;
};

enum {
	COMPEL_XSTATE_MAX = 16384, /* AMX needs 11 KiB */
};

#endif
