/* SPDX-License-Identifier: GPL-2.0-only */
/* queueing disciplines: a bucket, classes in classes, and what is in them */
#include "said.h"

static bool make(void)
{
	if (!new_network() ||
	    !run("ip link add name ve0 type veth peer name ve1 && "
		 "ip link add name ve2 type veth peer name ve3 && "
		 "for i in ve0 ve1 ve2 ve3; do ip link set $i up || exit 1; done"))
		return false;
	if (system("tc qdisc add dev ve0 root handle 5: tbf rate 1mbit burst 5000 latency 400ms "
		   "2>/dev/null") != 0)
		skip("this machine has no tc, or no queueing disciplines");
	if (!run("tc qdisc add dev ve1 root handle 1: htb default 12 r2q 20 && "
		 "tc class add dev ve1 parent 1: classid 1:99 htb rate 10mbit ceil 20mbit && "
		 "tc class add dev ve1 parent 1:99 classid 1:12 htb rate 3mbit burst 15k prio 3 && "
		 "tc class add dev ve1 parent 1:99 classid 1:1 htb rate 30kbit quantum 1777 && "
		 "tc qdisc add dev ve1 parent 1:12 handle 40: pfifo limit 77 && "
		 "tc qdisc add dev ve1 parent 1:1 handle 30: tbf rate 20kbit burst 4000 limit 9000 && "
		 "tc qdisc add dev ve0 ingress && tc qdisc add dev ve2 root handle 7: bfifo limit 33333 && "
		 "tc qdisc add dev ve3 clsact"))
		return false;
	if (!links_settled())
		return false;
	said("tc qdisc | sed 's/direct_packets_stat [0-9]*//' | sort");
	said("for i in ve0 ve1; do tc class show dev $i | sort; done");
	return true;
}

static bool same(void)
{
	return links_settled() && said_again();
}

VICTIM(make, same)
