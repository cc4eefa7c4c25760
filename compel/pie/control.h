/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What lies between the host and its code in a victim.
 *
 *	base	code	the image, read and execute only
 *		stack	grows down towards the code, which no push can change
 *		control	struct compel_control; where it is, is known when the blob is linked (pie.lds)
 *		args	arguments and results of commands
 *
 * head.S needs the offsets, hence the defines.
 */
#ifndef COMPEL_CONTROL_H
#define COMPEL_CONTROL_H

#define COMPEL_ALIGN	   0x10000 /* of the code: the largest page of any port; also in pie.lds */
#define COMPEL_STACK	   0x8000  /* also in pie.lds */
#define COMPEL_CONTROL	   0x1000
#define COMPEL_GADGET	   16 /* where head.S has its system call instruction */
#define COMPEL_RESUME_REGS 40
#define COMPEL_FDS	   32
#define CONTROL_RESUME(i)  (8 * (i))
#define CONTROL_SIGMASK	   320
#define CONTROL_SOCK	   328

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

struct compel_control {
	/*
	 * How the interrupted thread goes on if the host is gone.  The order
	 * of the registers is between regs.c and head.S of an architecture.
	 */
	uint64_t resume[COMPEL_RESUME_REGS];
	uint64_t sigmask;
	int32_t sock; /* -1: there is none yet, and the stack is not yet writable */
	int32_t host; /* -1, or a pidfd of the host if the task is in a group stop */
	uint32_t nr_fds;
	int32_t fds[COMPEL_FDS]; /* received from the host, to be closed */
	int32_t pair[2];	 /* for socketpair() */
	uint64_t nofile[2];	 /* its RLIMIT_NOFILE if ours is in place, else 0 and 0 */
	uint64_t our_nofile[2];
};

_Static_assert(offsetof(struct compel_control, resume) == CONTROL_RESUME(0), "head.S");
_Static_assert(offsetof(struct compel_control, sigmask) == CONTROL_SIGMASK, "head.S");
_Static_assert(offsetof(struct compel_control, sock) == CONTROL_SOCK, "head.S");
_Static_assert(sizeof(struct compel_control) <= COMPEL_CONTROL, "layout");

struct compel_request {
	uint32_t cmd;
	uint32_t unused;
};

struct compel_answer {
	int64_t result;
};

enum {
	/* Commands from here on are compel's own. */
	COMPEL_CMD_OWN = 0x80000000u,
	COMPEL_CMD_TAKE_FD =
		COMPEL_CMD_OWN, /* the descriptor that comes with it; answers its number */
	COMPEL_CMD_DROP_FD,	/* close the one that was taken last */
};
#endif
#endif
