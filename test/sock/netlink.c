/* SPDX-License-Identifier: GPL-2.0-only */
/* netlink sockets: the route socket answers, events of its groups arrive, port ids are kept */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "victim.h"

static int route, events, fresh;

static bool make(void)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_pid = 34567 };
	struct sockaddr_nl b = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int group = RTNLGRP_NSID; /* one that is more than a bit of nl_groups can say later */

	route = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	events = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_ROUTE);
	fresh = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);
	return bind(route, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	       bind(events, (struct sockaddr *)&b, sizeof(b)) == 0 && fresh >= 0 &&
	       setsockopt(events, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) == 0;
}

static bool is_answering(void)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} req = { { sizeof(req), RTM_GETLINK, NLM_F_REQUEST, 77, 0 }, { .ifi_index = 1 } };
	_Alignas(struct nlmsghdr) char buf[8192];
	struct nlmsghdr *h = (void *)buf;

	return expect(send(route, &req, sizeof(req), 0) == sizeof(req)) &&
	       expect(recv(route, buf, sizeof(buf), 0) > (ssize_t)sizeof(*h)) &&
	       expect(h->nlmsg_type == RTM_NEWLINK) && expect(h->nlmsg_seq == 77) &&
	       expect(h->nlmsg_pid == 34567);
}

static bool hears_events(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_mtu = 4321 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), old;
	char buf[8192];

	if (!expect(ioctl(fd, SIOCGIFMTU, &ifr) == 0))
		return false;
	old = ifr.ifr_mtu;
	ifr.ifr_mtu = old == 4321 ? 4322 : 4321;
	return expect(ioctl(fd, SIOCSIFMTU, &ifr) == 0) &&
	       expect(recv(events, buf, sizeof(buf), 0) > 0);
}

static bool same(void)
{
	struct sockaddr_nl a;
	socklen_t len = sizeof(a);
	uint32_t groups[4] = { 0 };

	if (!expect(getsockname(route, (struct sockaddr *)&a, &len) == 0) ||
	    !expect(a.nl_pid == 34567))
		return false;
	len = sizeof(groups);
	return expect(getsockopt(events, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &len) ==
		      0) &&
	       expect(groups[0] == (1u << (RTNLGRP_LINK - 1) | 1u << (RTNLGRP_NSID - 1))) &&
	       is_answering() && hears_events();
}

VICTIM(make, same)
