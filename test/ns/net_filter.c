/* SPDX-License-Identifier: GPL-2.0-only */
/* a network namespace keeps its rules of nftables, and of iptables of both sorts */
#include "said.h"

static bool has(const char *program)
{
	char command[128];

	snprintf(command, sizeof(command), "command -v %s >/dev/null", program);
	return system(command) == 0;
}

static bool make(void)
{
	if (!has("nft") || !has("iptables-legacy") || !has("iptables-nft"))
		skip("this machine has no nft, iptables-legacy and iptables-nft");
	if (!new_network())
		return false;
	if (!run("nft add table inet odd && "
		 "nft add chain inet odd in '{ type filter hook input priority 5; policy accept; }' && "
		 "nft add rule inet odd in tcp dport 4097 counter packets 5 bytes 77 drop && "
		 "nft add set inet odd some '{ type ipv4_addr; elements = { 10.7.7.5, 10.7.7.9 }; }' && "
		 "nft add rule inet odd in ip saddr @some ct state established accept") ||
	    !run("iptables-legacy -A INPUT -p tcp --dport 78 -j DROP && "
		 "iptables-legacy -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8079 && "
		 "ip6tables-legacy -A FORWARD -p udp --dport 79 -j ACCEPT") ||
	    !run("iptables-nft -A OUTPUT -p udp --dport 81 -m comment --comment 'odd one' -j ACCEPT && "
		 "iptables-nft -A OUTPUT -m string --string odd --algo bm -j DROP && "
		 "iptables-nft -t nat -A POSTROUTING -s 10.0.0.0/9 -j MASQUERADE && "
		 "ip6tables-nft -A INPUT -p tcp --dport 82 -j DROP"))
		return false;
	said("nft list table inet odd");
	said("iptables-legacy -S; iptables-legacy -t nat -S");
	said("ip6tables-legacy -S; ip6tables-legacy -t nat -S");
	said("iptables-nft -S; iptables-nft -t nat -S");
	said("ip6tables-nft -S; ip6tables-nft -t nat -S");
	return true;
}

static bool same(void)
{
	return said_again();
}

VICTIM(make, same)
