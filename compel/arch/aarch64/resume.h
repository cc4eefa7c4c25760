/* SPDX-License-Identifier: GPL-2.0-only */
/* The order of compel_control.resume, between regs.c and head.S. */
#ifndef COMPEL_RESUME_H
#define COMPEL_RESUME_H

#define RESUME_SP    0
#define RESUME_PC    1
#define RESUME_FLAGS 2
#define RESUME_X(n)  (3 + (n)) /* x0 to x30 */

#endif
