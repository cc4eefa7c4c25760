/* SPDX-License-Identifier: GPL-2.0-only */
/* a network namespace keeps its settings, and those of its devices */
#include "said.h"

static const char *const settings[][2] = {
	{ "ipv4/conf/all/rp_filter", "2" },
	{ "ipv4/conf/default/forwarding", "1" },
	{ "ipv4/conf/ve0/arp_ignore", "3" },
	{ "ipv4/conf/ve0/tag", "-7" },
	{ "ipv4/conf/ve1/forwarding", "1" },
	{ "ipv4/conf/lo/route_localnet", "1" },
	{ "ipv6/conf/default/hop_limit", "77" },
	{ "ipv6/conf/all/accept_dad", "-1" },
	{ "ipv6/conf/ve0/accept_dad", "2" },
	{ "ipv6/conf/ve0/dad_transmits", "5" },
	{ "ipv6/conf/ve0/mtu", "1311" },
	{ "ipv6/conf/ve0/stable_secret", "2001:0db8:0000:0000:0000:0000:0000:0005" },
	{ "ipv6/conf/ve1/disable_ipv6", "1" },
	{ "ipv6/conf/ve1/temp_valid_lft", "604801" },
	{ "ipv4/ping_group_range", "5\t60007" },
	{ "unix/max_dgram_qlen", "23" },
};

enum { NR_SETTINGS = sizeof(settings) / sizeof(settings[0]) };

static bool get(const char *name, char value[128])
{
	char path[256];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, value, 127);
	close(fd);
	if (n <= 0)
		return false;
	value[n - 1] = '\0';
	return true;
}

static bool set(const char *name, const char *value)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = open(path, O_WRONLY);
	return expect(fd >= 0) &&
	       expect(write(fd, value, strlen(value)) == (ssize_t)strlen(value)) &&
	       expect(close(fd) == 0);
}

static bool make(void)
{
	if (!expect(unshare(CLONE_NEWNET) == 0) ||
	    !run("ip link set lo up && ip link add ve0 type veth peer name ve1 && "
		 "ip link set ve0 up && ip link set ve1 up"))
		return false;
	/* a device that has come up sets its MTU a little later */
	victim_sleep(1300);
	for (int i = 0; i < NR_SETTINGS; i++)
		if (!set(settings[i][0], settings[i][1]))
			return false;
	return true;
}

static bool same(void)
{
	bool all = true;

	for (int i = 0; i < NR_SETTINGS; i++) {
		char value[128] = "";

		if (get(settings[i][0], value) && strcmp(value, settings[i][1]) == 0)
			continue;
		fprintf(stderr, "%s is %s\n", settings[i][0], value);
		all = false;
	}
	return all;
}

VICTIM(make, same)
