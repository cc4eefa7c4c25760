/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TEST_NS_SAID_H
#define TEST_NS_SAID_H

/*
 * What commands say is kept by make() and must be the same for same():
 *
 *	said("ip rule");
 *	...
 *	return said_again();
 */
#include <sched.h>
#include <sys/wait.h>

#include "victim.h"

enum { SAID_MAX = 24, SAID_SIZE = 64 * 1024 };

static struct {
	const char *command;
	char *text;
} said_list[SAID_MAX];
static int said_n;

/* Of "COMMAND 2>&1"; the caller frees it. */
static inline char *said_output(const char *command)
{
	char *text = calloc(1, SAID_SIZE), line[512];
	FILE *f;

	snprintf(line, sizeof(line), "exec 2>&1; %s", command);
	f = popen(line, "r");
	if (f) {
		if (fread(text, 1, SAID_SIZE - 1, f) == 0)
			text[0] = '\0';
		pclose(f);
	}
	return text;
}

static inline void said(const char *command)
{
	said_list[said_n].command = command;
	said_list[said_n++].text = said_output(command);
}

static inline bool said_again(void)
{
	bool same = true;

	for (int i = 0; i < said_n; i++) {
		char *now = said_output(said_list[i].command);

		if (strcmp(now, said_list[i].text) != 0) {
			fprintf(stderr, "%s: said\n%s-- and now\n%s", said_list[i].command,
				said_list[i].text, now);
			same = false;
		}
		free(now);
	}
	return same;
}

/* It must succeed. */
static inline bool run(const char *command)
{
	int status = system(command);

	if (status != 0)
		fprintf(stderr, "failed: %s\n", command);
	return status == 0;
}

/* A network namespace of our own, in which addresses are there at once. */
static inline bool new_network(void)
{
	return expect(unshare(CLONE_NEWNET) == 0) &&
	       run("cd /proc/sys/net/ipv6/conf && for i in all default lo; do echo 0 >$i/accept_dad; "
		   "done; ip link set lo up");
}

/* The kernel tells only after a while (linkwatch) that a link has a carrier; all that are up must. */
static inline bool links_settled(void)
{
	return run(
		"for i in $(seq 400); do ip -o link | grep -qE '[<,]UP[,>].* state (LOWERLAYER)?DOWN' || "
		"exit 0; sleep 0.05; done; exit 1");
}

#endif
