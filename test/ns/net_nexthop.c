/* SPDX-License-Identifier: GPL-2.0-only */
/* nexthop objects, single ones and groups, and routes that use them */
#include "said.h"

static bool make(void)
{
	if (!new_network() || !run("ip link add name ve0 type veth peer name ve1") ||
	    !run("for i in ve0 ve1; do ip link set $i up || exit 1; done; "
		 "ip addr add 10.5.6.7/23 dev ve0 && ip addr add 10.4.0.1/24 dev ve1 && "
		 "ip -6 addr add fd00:5::7/67 dev ve0 nodad"))
		return false;
	if (system("ip nexthop add id 31 via 10.5.7.1 dev ve0 protocol static 2>/dev/null") != 0)
		skip("this kernel, or this ip, has no nexthop objects");
	/* a group with a number below those of its members */
	if (!run("ip nexthop add id 77 via 10.4.0.9 dev ve1 && ip nexthop add id 32 blackhole && "
		 "ip nexthop add id 5 group 31,3/77,5 && ip nexthop add id 33 dev ve1 && "
		 "ip nexthop add id 41 via 10.99.0.1 dev ve0 onlink && "
		 "ip nexthop add id 61 via fd00:5::9 dev ve0 && ip nexthop add id 62 group 61") ||
	    !run("ip route add 10.70.0.0/16 nhid 31 metric 55 && "
		 "ip route add 10.71.0.0/16 nhid 5 && ip route add 10.72.0.0/16 nhid 32 && "
		 "ip route add 10.73.0.0/16 nhid 33 table 123 && "
		 "ip route add 10.74.0.0/16 via 10.5.7.4 && "
		 "ip -6 route add fd00:71::/48 nhid 62 && ip -6 route add fd00:72::/48 nhid 61"))
		return false;
	if (!links_settled())
		return false;
	said("ip nexthop");
	said("ip -d nexthop show groups");
	said("ip route show table all | sort");
	said("ip -6 route show table all | sort");
	return true;
}

/* They are those objects, and not copies of what they say. */
static bool follows(void)
{
	return run("ip nexthop replace id 31 via 10.5.7.3 dev ve0") &&
	       run("ip route show 10.70.0.0/16 | grep -q 10.5.7.3") &&
	       run("ip nexthop del id 61") && run("! ip -6 route | grep -q fd00:7");
}

static bool same(void)
{
	return links_settled() && said_again() && expect(follows());
}

VICTIM(make, same)
