/* SPDX-License-Identifier: GPL-2.0-only */
/* an ipc namespace keeps its limits */
#include "said.h"

static const char *const settings[][2] = {
	{ "kernel/sem", "250\t32001\t33\t129" },
	{ "kernel/msgmax", "8111" },
	{ "kernel/msgmnb", "16111" },
	{ "kernel/msgmni", "1999" },
	{ "kernel/shmmax", "1099511627777" },
	{ "kernel/shmall", "1099511627779" },
	{ "kernel/shmmni", "4095" },
	{ "kernel/shm_rmid_forced", "1" },
	{ "fs/mqueue/queues_max", "255" },
	{ "fs/mqueue/msg_max", "11" },
	{ "fs/mqueue/msgsize_max", "8193" },
	{ "fs/mqueue/msg_default", "9" },
	{ "fs/mqueue/msgsize_default", "8191" },
	{ "kernel/msg_next_id", "77" },
};

enum { NR_SETTINGS = sizeof(settings) / sizeof(settings[0]) };

static bool make(void)
{
	/* elsewhere there is one already, and a tree has only one */
	if (victim_is_at("host") && !expect(unshare(CLONE_NEWIPC) == 0))
		return false;
	for (int i = 0; i < NR_SETTINGS; i++) {
		char path[64];
		int fd;

		snprintf(path, sizeof(path), "/proc/sys/%s", settings[i][0]);
		fd = open(path, O_WRONLY);
		if (!expect(fd >= 0) ||
		    !expect(write(fd, settings[i][1], strlen(settings[i][1])) > 0))
			return false;
		close(fd);
	}
	return true;
}

static bool same(void)
{
	bool all = true;

	for (int i = 0; i < NR_SETTINGS; i++) {
		char path[64], value[128] = "";
		int fd;

		snprintf(path, sizeof(path), "/proc/sys/%s", settings[i][0]);
		fd = open(path, O_RDONLY);
		if (fd >= 0 && read(fd, value, sizeof(value) - 1) > 0)
			value[strcspn(value, "\n")] = '\0';
		close(fd);
		if (strcmp(value, settings[i][1]) == 0)
			continue;
		fprintf(stderr, "%s is %s\n", path, value);
		all = false;
	}
	return all;
}

VICTIM(make, same)
