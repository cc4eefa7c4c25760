/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tun and tap devices: the files that are attached, queues of which one is off,
 * a device that stays without files, one that goes with them
 */
#include <net/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include "said.h"

static int single, queues[2], loose;

static int attach(const char *name, int flags)
{
	struct ifreq ifr = { .ifr_flags = (short)flags };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

	memcpy(ifr.ifr_name, name, strlen(name));
	return fd >= 0 && ioctl(fd, TUNSETIFF, &ifr) == 0 ? fd : -1;
}

static bool make(void)
{
	struct ifreq off = { .ifr_flags = IFF_DETACH_QUEUE };
	int header = 12, sndbuf = 77777;

	if (access("/dev/net/tun", F_OK) < 0)
		skip("this machine has no /dev/net/tun");
	if (!new_network())
		return false;
	single = attach("tun5", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
	queues[0] = attach("tap7", IFF_TAP | IFF_MULTI_QUEUE);
	queues[1] = attach("tap7", IFF_TAP | IFF_MULTI_QUEUE);
	loose = open("/dev/net/tun", O_RDWR);
	if (!expect(single >= 0) || !expect(queues[0] >= 0) || !expect(queues[1] >= 0) ||
	    !expect(loose >= 0) || !expect(ioctl(single, TUNSETVNETHDRSZ, &header) == 0) ||
	    !expect(ioctl(single, TUNSETSNDBUF, &sndbuf) == 0) ||
	    !expect(ioctl(queues[0], TUNSETPERSIST, 1) == 0) ||
	    !expect(ioctl(queues[0], TUNSETOWNER, 5) == 0) ||
	    !expect(ioctl(queues[1], TUNSETQUEUE, &off) == 0) ||
	    !run("ip tuntap add mode tap odd0 user 7 && ip link set lo up && "
		 "ip addr add 10.6.0.1/24 dev tun5 && ip link set tun5 up && "
		 "ip link set tap7 address 02:00:00:00:00:07 up"))
		return false;
	said("ip -d -o link show | sed -E 's/.*: (odd0|tun5|tap7)/\\1/; s/gso_.*//; s/state [A-Z]*//'");
	said("ip -o -4 addr show tun5; ip -o -6 addr show tun5 | sed 's/stable-privacy //'");
	return true;
}

static bool is_attached(int fd, const char *name, int flags)
{
	struct ifreq ifr = { 0 };

	return expect(ioctl(fd, TUNGETIFF, &ifr) == 0) && expect(strcmp(ifr.ifr_name, name) == 0) &&
	       expect((ifr.ifr_flags & flags) == flags);
}

static bool same(void)
{
	struct ifreq ifr = { 0 };
	int header = 0, sndbuf = 0;

	if (!is_attached(single, "tun5", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR) ||
	    !is_attached(queues[0], "tap7", IFF_TAP | IFF_MULTI_QUEUE | IFF_PERSIST) ||
	    !is_attached(queues[1], "tap7", IFF_DETACH_QUEUE) ||
	    !expect(ioctl(loose, TUNGETIFF, &ifr) < 0 && errno == EBADFD) ||
	    !expect(ioctl(single, TUNGETVNETHDRSZ, &header) == 0 && header == 12) ||
	    !expect(ioctl(single, TUNGETSNDBUF, &sndbuf) == 0 && sndbuf == 77777) || !said_again())
		return false;
	close(single);
	return expect(system("ip link show tun5 2>/dev/null") != 0) &&
	       expect(fcntl(queues[0], F_GETFL) & O_NONBLOCK);
}

VICTIM(make, same)
