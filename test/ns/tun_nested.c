/* SPDX-License-Identifier: GPL-2.0-only */
/* a tun file whose device is in a network namespace in which no task is */
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "said.h"

static int tun, loose, place;

static bool make(void)
{
	struct ifreq ifr = { .ifr_name = "odd3", .ifr_flags = IFF_TAP | IFF_NO_PI };
	int back;

	if (access("/dev/net/tun", F_OK) < 0)
		skip("this machine has no /dev/net/tun");
	if (!new_network())
		return false;
	back = open("/proc/self/ns/net", O_RDONLY);
	if (!new_network())
		return false;
	place = open("/proc/self/ns/net", O_RDONLY);
	tun = open("/dev/net/tun", O_RDWR);
	loose = open("/dev/net/tun", O_RDWR);
	if (!expect(tun >= 0) || !expect(loose >= 0) || !expect(ioctl(tun, TUNSETIFF, &ifr) == 0) ||
	    !run("ip link set odd3 address 02:00:00:00:00:33 mtu 1377 up && "
		 "ip addr add 10.33.0.1/24 dev odd3"))
		return false;
	return expect(setns(back, CLONE_NEWNET) == 0) && expect(close(back) == 0);
}

static bool is_there(int fd)
{
	struct stat ours, its;
	int ns = ioctl(fd, SIOCGSKNS);

	return expect(fstat(place, &ours) == 0) && expect(fstat(ns, &its) == 0) &&
	       expect(ours.st_ino == its.st_ino) && expect(close(ns) == 0);
}

static bool same(void)
{
	struct ifreq ifr = { 0 };

	return expect(ioctl(tun, TUNGETIFF, &ifr) == 0) &&
	       expect(strcmp(ifr.ifr_name, "odd3") == 0) && is_there(tun) && is_there(loose) &&
	       expect(setns(place, CLONE_NEWNET) == 0) &&
	       run("ip -o link show odd3 | grep -q 'UP.*mtu 1377.*02:00:00:00:00:33' && "
		   "ip -o addr show odd3 | grep -q 10.33.0.1/24");
}

VICTIM(make, same)
