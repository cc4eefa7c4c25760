/* SPDX-License-Identifier: GPL-2.0-only */
/* a program that only waits keeps its pid and leads its session */
#include "victim.h"

static pid_t pid;

static bool make(void)
{
	pid = getpid();
	return true;
}

static bool same(void)
{
	return expect(getpid() == pid) && expect(getsid(0) == pid);
}

VICTIM(make, same)
