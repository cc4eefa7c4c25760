/* SPDX-License-Identifier: GPL-2.0-only */
/* packet sockets: protocol, device, memberships, fanout, options, the old SOCK_PACKET */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stddef.h>
#include <sys/socket.h>

#include "victim.h"

enum { PROTO = 0x88b6, FANOUT = 1234, SIZE_OF_HEADER = 24 };

static int lo, bound, other, unbound, header, member, old, old_bound, group[2];

struct option {
	int *fd, name, value;
};

static const struct option options[] = {
	{ &bound, PACKET_AUXDATA, 1 },		 { &bound, PACKET_COPY_THRESH, 4097 },
	{ &other, PACKET_VERSION, 1 },		 { &other, PACKET_RESERVE, 32 },
	{ &other, PACKET_TIMESTAMP, 8 },	 { &other, PACKET_LOSS, 1 },
	{ &member, PACKET_ORIGDEV, 1 },		 { &header, PACKET_VNET_HDR, 1 },
	{ &header, SIZE_OF_HEADER, 12 },	 { &unbound, PACKET_QDISC_BYPASS, 1 },
	{ &unbound, PACKET_IGNORE_OUTGOING, 1 },
};

static bool bind_to(int fd, int proto)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET,
				 .sll_protocol = htons((uint16_t)proto),
				 .sll_ifindex = lo };

	return bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
}

static int packet(int type)
{
	return socket(AF_PACKET, type | SOCK_NONBLOCK, 0);
}

static bool make_member(void)
{
	struct packet_mreq promisc = { .mr_ifindex = lo, .mr_type = PACKET_MR_PROMISC };
	struct packet_mreq mac = { .mr_ifindex = lo,
				   .mr_type = PACKET_MR_MULTICAST,
				   .mr_alen = 6,
				   .mr_address = { 1, 0, 0x5e, 3, 5, 7 } };

	return setsockopt(member, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mac, sizeof(mac)) == 0 &&
	       setsockopt(member, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mac, sizeof(mac)) == 0 &&
	       setsockopt(member, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc)) ==
		       0;
}

static bool make_old(void)
{
	struct sockaddr a = { .sa_family = AF_PACKET, .sa_data = "lo" };

	/* libc does not know them any more */
	old = socket(AF_PACKET, SOCK_PACKET | SOCK_NONBLOCK, htons(PROTO + 2));
	old_bound = socket(AF_PACKET, SOCK_PACKET | SOCK_NONBLOCK, htons(PROTO + 3));
	return old >= 0 && bind(old_bound, &a, sizeof(a)) == 0;
}

static bool make_group(void)
{
	int fanout = FANOUT | PACKET_FANOUT_LB << 16 | PACKET_FANOUT_FLAG_DEFRAG << 16, i;

	for (i = 0; i < 2; i++) {
		group[i] = packet(SOCK_DGRAM);
		if (!bind_to(group[i], PROTO + 4) ||
		    setsockopt(group[i], SOL_PACKET, PACKET_FANOUT, &fanout, sizeof(fanout)) < 0)
			return false;
	}
	return true;
}

static bool make(void)
{
	size_t i;

	lo = (int)if_nametoindex("lo");
	bound = packet(SOCK_DGRAM);
	other = packet(SOCK_RAW);
	unbound = packet(SOCK_RAW);
	header = packet(SOCK_RAW);
	member = packet(SOCK_DGRAM);
	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (!expect(setsockopt(*options[i].fd, SOL_PACKET, options[i].name,
				       &options[i].value, sizeof(int)) == 0)) {
			fprintf(stderr, "option %zu\n", i);
			return false;
		}
	return bind_to(bound, PROTO) && bind_to(other, PROTO + 1) && make_member() && make_old() &&
	       make_group();
}

static bool say(int proto, const char *what)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET,
				 .sll_protocol = htons((uint16_t)proto),
				 .sll_ifindex = lo,
				 .sll_halen = 6 };
	int fd = packet(SOCK_DGRAM);
	ssize_t n = (ssize_t)strlen(what);

	return expect(sendto(fd, what, (size_t)n, 0, (struct sockaddr *)&a, sizeof(a)) == n) &&
	       close(fd) == 0;
}

static bool hears(int fd, size_t skip, const char *what)
{
	char buf[100];
	ssize_t n = (ssize_t)(skip + strlen(what));

	return expect(recv(fd, buf, sizeof(buf), 0) == n) &&
	       expect(memcmp(buf + skip, what, strlen(what)) == 0) &&
	       expect(recv(fd, buf, sizeof(buf), 0) < 0);
}

static bool has_options(void)
{
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		int value = -5;
		socklen_t len = sizeof(value);

		/* the kernel does not tell that one */
		if (options[i].name == PACKET_COPY_THRESH)
			continue;
		if (!expect(getsockopt(*options[i].fd, SOL_PACKET, options[i].name, &value, &len) ==
			    0) ||
		    !expect(value == options[i].value)) {
			fprintf(stderr, "option %zu: %d\n", i, value);
			return false;
		}
	}
	return true;
}

static bool is_member(void)
{
	struct packet_mreq promisc = { .mr_ifindex = lo, .mr_type = PACKET_MR_PROMISC };
	struct packet_mreq mac = { .mr_ifindex = lo,
				   .mr_type = PACKET_MR_MULTICAST,
				   .mr_alen = 6,
				   .mr_address = { 1, 0, 0x5e, 3, 5, 7 } };

	/* as many times as it was joined, and then once more for nothing */
	return expect(setsockopt(member, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &mac, sizeof(mac)) ==
		      0) &&
	       expect(setsockopt(member, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &mac, sizeof(mac)) ==
		      0) &&
	       expect(setsockopt(member, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &mac, sizeof(mac)) ==
		      0) &&
	       expect(setsockopt(member, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &promisc,
				 sizeof(promisc)) == 0);
}

/* One after the other, in turn: each has the half. */
static bool is_group(void)
{
	int want = FANOUT | PACKET_FANOUT_LB << 16 | PACKET_FANOUT_FLAG_DEFRAG << 16, value, i;
	socklen_t len = sizeof(value);
	char buf[10];

	for (i = 0; i < 4; i++)
		if (!say(PROTO + 4, "turn"))
			return false;
	for (i = 0; i < 2; i++)
		if (!expect(recv(group[i], buf, 10, 0) == 4) ||
		    !expect(recv(group[i], buf, 10, 0) == 4) ||
		    !expect(recv(group[i], buf, 10, 0) < 0) ||
		    !expect(getsockopt(group[i], SOL_PACKET, PACKET_FANOUT, &value, &len) == 0) ||
		    !expect(value == want))
			return false;
	return true;
}

static bool is_type(int fd, int want)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return expect(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0) &&
	       expect(type == want);
}

static bool same(void)
{
	struct sockaddr_ll a = { 0 };
	socklen_t len = sizeof(a);

	return expect(getsockname(bound, (struct sockaddr *)&a, &len) == 0) &&
	       expect(a.sll_ifindex == lo && a.sll_protocol == htons(PROTO)) &&
	       is_type(bound, SOCK_DGRAM) && is_type(other, SOCK_RAW) &&
	       is_type(old, SOCK_PACKET) && has_options() && say(PROTO, "one") &&
	       hears(bound, 0, "one") && say(PROTO + 1, "two") && hears(other, 14, "two") &&
	       say(PROTO + 2, "three") && hears(old, 14, "three") && say(PROTO + 3, "four") &&
	       hears(old_bound, 14, "four") && is_group() && is_member() &&
	       bind_to(unbound, PROTO) && say(PROTO, "five") && hears(unbound, 14, "five");
}

VICTIM(make, same)
