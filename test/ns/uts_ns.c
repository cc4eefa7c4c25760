/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * host and domain name of a namespace
 *
 * inside: pu */
#include <sys/utsname.h>

#include "victim.h"

static const char host[] = "odd-name.7", domain[] = "of the tree";

static bool make(void)
{
	return expect(sethostname(host, strlen(host)) == 0) &&
	       expect(setdomainname(domain, strlen(domain)) == 0);
}

static bool same(void)
{
	struct utsname name;

	return expect(uname(&name) == 0) && expect(strcmp(name.nodename, host) == 0) &&
	       expect(strcmp(name.domainname, domain) == 0);
}

VICTIM(make, same)
