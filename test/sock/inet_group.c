/* SPDX-License-Identifier: GPL-2.0-only */
/* multicast groups are joined again, also those with sources */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "victim.h"

enum { PORT = 20317 };

static int any, some, six, none, sender;

static struct sockaddr_storage addr_of(const char *ip, int port)
{
	struct sockaddr_storage a = { 0 };

	if (strchr(ip, ':')) {
		struct sockaddr_in6 *in = (struct sockaddr_in6 *)&a;

		in->sin6_family = AF_INET6;
		in->sin6_port = htons((uint16_t)port);
		in->sin6_scope_id = if_nametoindex("lo");
		inet_pton(AF_INET6, ip, &in->sin6_addr);
	} else {
		struct sockaddr_in *in = (struct sockaddr_in *)&a;

		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		inet_pton(AF_INET, ip, &in->sin_addr);
	}
	return a;
}

static int receiver(const char *any_addr, const char *group, const char *source)
{
	struct sockaddr_storage a = addr_of(any_addr, PORT);
	int level = a.ss_family == AF_INET ? SOL_IP : SOL_IPV6, on = 1, off = 0;
	int fd = socket(a.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct group_source_req gs = { .gsr_interface = if_nametoindex("lo") };
	struct group_req g = { .gr_interface = gs.gsr_interface };

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, level, level == SOL_IP ? IP_MULTICAST_ALL : IPV6_MULTICAST_ALL, &off,
		   sizeof(off));
	if (level == SOL_IPV6)
		setsockopt(fd, level, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -1;
	if (!group)
		return fd;
	g.gr_group = gs.gsr_group = addr_of(group, 0);
	if (!source)
		return setsockopt(fd, level, MCAST_JOIN_GROUP, &g, sizeof(g)) == 0 ? fd : -1;
	gs.gsr_source = addr_of(source, 0);
	return setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &gs, sizeof(gs)) == 0 ? fd : -1;
}

static bool make(void)
{
	struct ip_mreqn lo = { .imr_ifindex = (int)if_nametoindex("lo") };

	any = receiver("0.0.0.0", "239.1.2.3", NULL);
	some = receiver("0.0.0.0", "239.1.2.4", "127.0.0.9");
	none = receiver("0.0.0.0", NULL, NULL);
	six = receiver("::", "ff12::1235", NULL);
	sender = socket(AF_INET, SOCK_DGRAM, 0);
	return any >= 0 && some >= 0 && six >= 0 && none >= 0 &&
	       setsockopt(sender, SOL_IP, IP_MULTICAST_IF, &lo, sizeof(lo)) == 0;
}

static bool say(const char *group, const char *from)
{
	struct sockaddr_storage to = addr_of(group, PORT), src = addr_of(from, 0);
	int fd = socket(to.ss_family, SOCK_DGRAM, 0), index = (int)if_nametoindex("lo");
	struct ip_mreqn lo = { .imr_ifindex = index };

	if (to.ss_family == AF_INET)
		setsockopt(fd, SOL_IP, IP_MULTICAST_IF, &lo, sizeof(lo));
	else
		setsockopt(fd, SOL_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index));
	bind(fd, (struct sockaddr *)&src, sizeof(src));
	return expect(sendto(fd, group, strlen(group), 0, (struct sockaddr *)&to, sizeof(to)) >
		      0) &&
	       expect(close(fd) == 0);
}

static bool hears(int fd, const char *text)
{
	char buf[50] = "";

	recv(fd, buf, sizeof(buf), 0);
	if (strcmp(buf, text) != 0)
		fprintf(stderr, "heard \"%s\", not \"%s\"\n", buf, text);
	return expect(strcmp(buf, text) == 0);
}

/* Nothing is sent to a group of IPv6 over lo, so ask. */
static bool is_member(int fd, const char *group)
{
	struct group_filter f = { .gf_interface = if_nametoindex("lo"),
				  .gf_group = addr_of(group, 0) };
	socklen_t len = sizeof(f);

	return getsockopt(fd, SOL_IPV6, MCAST_MSFILTER, &f, &len) == 0 &&
	       f.gf_fmode == MCAST_EXCLUDE && f.gf_numsrc == 0;
}

static bool same(void)
{
	return say("239.1.2.3", "127.0.0.1") && say("239.1.2.4", "127.0.0.1") &&
	       say("239.1.2.4", "127.0.0.9") && hears(any, "239.1.2.3") && hears(any, "") &&
	       hears(some, "239.1.2.4") && hears(some, "") && is_member(six, "ff12::1235") &&
	       !is_member(six, "ff12::1236") && hears(none, "");
}

VICTIM(make, same)
