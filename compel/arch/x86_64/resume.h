/* SPDX-License-Identifier: GPL-2.0-only */
/* The order of compel_control.resume, between regs.c, stub.c and head.S. */
#ifndef COMPEL_RESUME_H
#define COMPEL_RESUME_H

#define RESUME_RFLAGS 0 /* the first: popfq reads it */
#define RESUME_RIP    1
#define RESUME_RSP    2
#define RESUME_RAX    3
#define RESUME_RBX    4
#define RESUME_RCX    5
#define RESUME_RDX    6
#define RESUME_RSI    7
#define RESUME_RDI    8
#define RESUME_RBP    9
#define RESUME_R8     10
#define RESUME_R9     11
#define RESUME_R10    12
#define RESUME_R11    13
#define RESUME_R12    14
#define RESUME_R13    15
#define RESUME_R14    16
#define RESUME_R15    17
#define RESUME_NR     18

#endif
