/* SPDX-License-Identifier: GPL-2.0-only */
/* crit: a device is of a type that CRIU does not know */
/*
 * a network namespace keeps its devices with their settings, their addresses,
 * and its routes, rules and neighbours
 */
#include "said.h"

static bool make(void)
{
	if (!new_network())
		return false;
	if (!run("ip link set lo mtu 65521 up && ip addr add 10.77.0.1/32 dev lo && "
		 "ip link add ve0 type veth peer name ve1 && "
		 "ip link set ve0 address 02:00:00:00:00:05 mtu 1487 txqueuelen 73 && "
		 "ip link set ve0 alias 'an odd name' && "
		 "ip link add name br0 type bridge ageing_time 12345 stp_state 0 && "
		 "ip link set ve1 master br0 && ip link set dev ve1 type bridge_slave cost 7 && "
		 "ip link add link ve0 name mv0 type macvlan mode bridge && "
		 "ip link add name odd.1 type ifb && ip link set odd.1 multicast off"))
		return false;
	if (!run("for i in ve0 ve1 br0; do ip link set $i up || exit 1; done; "
		 "ip addr add 10.5.6.7/23 broadcast + dev ve0 label ve0:x && "
		 "ip addr add 10.5.6.8/23 dev ve0 && "
		 "ip -6 addr add fd00:5::7/67 dev ve0 nodad && ip addr add 10.3.0.1/24 dev br0 && "
		 "ip addr add 10.4.0.1/24 dev mv0"))
		return false;
	if (!run("ip route add 10.88.0.0/17 via 10.5.7.1 metric 55 && "
		 "ip route add default via 10.5.7.2 src 10.5.6.8 && "
		 "ip route add blackhole 10.89.0.0/16 && "
		 "ip route add 10.90.0.0/16 via 10.3.0.9 dev br0 table 123 && "
		 "ip route add 10.91.0.0/16 nexthop via 10.5.7.3 weight 3 nexthop via 10.3.0.7 && "
		 "ip -6 route add fd00:9::/48 via fd00:5::9 && "
		 "ip rule add from 10.5.6.0/24 lookup 123 && ip rule add fwmark 7 blackhole && "
		 "ip -6 rule add to fd00:9::/48 lookup 123 && "
		 "ip neigh add 10.5.7.1 lladdr 02:00:00:00:00:99 dev ve0 nud permanent && "
		 "ip neigh add proxy 10.5.7.77 dev ve0"))
		return false;
	if (!links_settled())
		return false;
	said("ip -o link");
	said("ip -d -o link show type macvlan");
	said("ip -d link show br0 | grep -o 'ageing_time [0-9]*'");
	said("bridge -d link | grep -o 'cost [0-9]*'");
	said("ip -o addr");
	said("ip route show table all | sort");
	said("ip route show table main");
	said("ip -6 route show table all | sort");
	said("ip rule; ip -6 rule");
	said("ip neigh show nud permanent; ip neigh show proxy");
	return true;
}

static bool same(void)
{
	return links_settled() && said_again();
}

VICTIM(make, same)
