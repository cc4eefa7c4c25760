/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vxlan tunnels: over a device, over none, to many; in a bridge; and what is known of who
 * is behind them
 *
 * crit: a device is of a type that CRIU does not know
 */
#include "said.h"

static bool make(void)
{
	if (!new_network() || !run("ip link add name ve0 type veth peer name ve1 && "
				   "ip link set ve0 up && ip link set ve1 up && "
				   "ip addr add 10.5.6.7/23 dev ve0"))
		return false;
	if (system("ip link add vx0 type vxlan id 77 local 10.5.6.7 remote 10.5.7.9 dstport 4789 "
		   "dev ve0 ttl 5 ageing 333 2>/dev/null") != 0)
		skip("this kernel has no vxlan");
	if (!run("ip link add name vx1 type vxlan id 78 dstport 4790 nolearning srcport 5000 6000 "
		 "tos 8 maxaddress 99 && ip link add name vx2 type vxlan external dstport 4791 && "
		 "ip link add name vx3 type vxlan id 79 group 239.1.1.1 dev ve0 dstport 4792 udp6zerocsumrx && "
		 "ip link add name br0 type bridge && ip link set vx1 master br0 && "
		 "ip link set vx0 address 02:00:00:00:00:05 mtu 1400 up && ip link set vx1 up && "
		 "ip link set vx2 up && ip link set br0 up && ip addr add 10.77.0.1/24 dev vx0 && "
		 "bridge fdb append 02:00:00:00:00:aa dev vx0 dst 10.5.7.10 && "
		 "bridge fdb append 00:00:00:00:00:00 dev vx1 dst 10.5.7.11 && "
		 "bridge fdb append 00:00:00:00:00:00 dev vx1 dst 10.5.7.12 vni 99 && "
		 "ip route add 10.78.0.0/16 via 10.77.0.9"))
		return false;
	if (!links_settled())
		return false;
	said("ip -o link");
	said("ip -d -o link show type vxlan | grep -o ' vxlan .*' | sed 's/ bridge_slave.*//; s/ addrgenmode.*//'");
	said("ip route; ip -o addr");
	said("for i in vx0 vx1; do bridge fdb show dev $i | grep dst | sort; done");
	return true;
}

static bool same(void)
{
	return links_settled() && said_again();
}

VICTIM(make, same)
