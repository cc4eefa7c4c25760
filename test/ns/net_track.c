/* SPDX-License-Identifier: GPL-2.0-only */
/* a network namespace keeps what netfilter has seen of connections */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "said.h"

enum { PORT = 4097 };

static int server, client, accepted;

static struct sockaddr_in addr = { .sin_family = AF_INET };

/* /proc/net/nf_conntrack without the seconds that are left */
static const char seen[] = "sed -E 's/^(\\S+ +\\S+ +\\S+ +\\S+) +[0-9]+/\\1/; s/use=[0-9]+//; "
			   "s/(packets|bytes)=[0-9]+ //g' /proc/net/nf_conntrack | sort";

static bool make(void)
{
	char byte = 5;

	if (access("/proc/net/nf_conntrack", F_OK) < 0)
		skip("this kernel has no /proc/net/nf_conntrack");
	addr.sin_port = htons(PORT);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (!new_network() ||
	    !run(""
		 "iptables-legacy -A INPUT -m conntrack --ctstate INVALID -j DROP && "
		 "iptables-legacy -t nat -A OUTPUT -p udp --dport 53 -j DNAT --to 127.0.0.1:4099"))
		return false;
	server = socket(AF_INET, SOCK_STREAM, 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	if (!expect(bind(server, (struct sockaddr *)&addr, sizeof(addr)) == 0) ||
	    !expect(listen(server, 5) == 0) ||
	    !expect(connect(client, (struct sockaddr *)&addr, sizeof(addr)) == 0))
		return false;
	accepted = accept(server, NULL, NULL);
	if (!expect(accepted >= 0) || !expect(send(client, &byte, 1, 0) == 1) ||
	    !expect(recv(accepted, &byte, 1, 0) == 1))
		return false;
	close(server);
	close(client);
	close(accepted);
	client = socket(AF_INET, SOCK_DGRAM, 0);
	addr.sin_port = htons(53);
	if (!expect(sendto(client, &byte, 1, 0, (struct sockaddr *)&addr, sizeof(addr)) == 1))
		return false;
	close(client);
	said(seen);
	return expect(strstr(said_list[0].text, "tcp")) &&
	       expect(strstr(said_list[0].text, "dport=53"));
}

static bool same(void)
{
	return said_again();
}

VICTIM(make, same)
