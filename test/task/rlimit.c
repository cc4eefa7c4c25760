/* SPDX-License-Identifier: GPL-2.0-only */
/* soft and hard limits */
#include <sys/resource.h>

#include "victim.h"

static struct rlimit before[RLIM_NLIMITS];

static bool make(void)
{
	for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
		struct rlimit l;

		if (getrlimit((__rlimit_resource_t)i, &l))
			return false;
		if (l.rlim_max > 100000 + (rlim_t)i && i != RLIMIT_AS && i != RLIMIT_DATA &&
		    i != RLIMIT_STACK)
			l.rlim_max = (i == RLIMIT_FSIZE ? 1u << 30 : 100000u) + (rlim_t)i;
		if (l.rlim_cur > l.rlim_max - l.rlim_max / 7)
			l.rlim_cur = l.rlim_max - l.rlim_max / 7;
		if (i == RLIMIT_AS)
			l.rlim_cur = (rlim_t)5 << 40;
		if (setrlimit((__rlimit_resource_t)i, &l))
			return expect(false);
		before[i] = l;
	}
	return true;
}

static bool same(void)
{
	for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
		struct rlimit l;

		if (!expect(getrlimit((__rlimit_resource_t)i, &l) == 0) ||
		    !expect(l.rlim_cur == before[i].rlim_cur) ||
		    !expect(l.rlim_max == before[i].rlim_max))
			return expect(i < 0);
	}
	return true;
}

VICTIM(make, same)
