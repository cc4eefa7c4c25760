/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel_net - probes: sockets and network devices
 *
 * What needs a device of its own is tried by a child in a new network namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/inet_diag.h>
#include <linux/net_namespace.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/kernel_probes.h"
#include "core/netlink.h"

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE 0x89E0
#endif
#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif
#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif
#define TUN_GET_NETNS _IO('T', 227)

static int ask(int protocol, uint16_t type, uint16_t flags, const void *req, size_t len)
{
	struct err err;
	scoped_fd nl = netlink_open(protocol, &err);

	return nl < 0 ? nl : netlink_ask(nl, type, flags, req, len, NULL, NULL, &err);
}

/* ---- diag: the module of a family finds this too short, and is not there to say so otherwise ---- */

static bool has_diag(uint8_t family)
{
	struct sock_diag_req req = { .sdiag_family = family };

	return ask(NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, 0, &req, sizeof(req)) == -EINVAL;
}

bool probe_sock_diag_unix(void)
{
	return has_diag(AF_UNIX);
}

bool probe_sock_diag_netlink(void)
{
	return has_diag(AF_NETLINK);
}

bool probe_sock_diag_packet(void)
{
	return has_diag(AF_PACKET);
}

/* Each protocol has a module of its own; asked for sockets in no state it has nothing to list. */
static bool has_inet_diag(uint8_t protocol)
{
	struct inet_diag_req_v2 req = { .sdiag_family = AF_INET, .sdiag_protocol = protocol };

	return ask(NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &req, sizeof(req)) == 0;
}

bool probe_sock_diag_inet(void)
{
	return has_inet_diag(IPPROTO_TCP) && has_inet_diag(IPPROTO_UDP);
}

bool probe_sock_diag_raw(void)
{
	return has_inet_diag(IPPROTO_RAW);
}

/* ---- sockets ---- */

/* This one has no file, which is another answer than not knowing the question. */
bool probe_unix_file(void)
{
	scoped_fd sk = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return ioctl(sk, SIOCUNIXFILE) < 0 && errno == ENOENT;
}

bool probe_buf_lock(void)
{
	int one = 1;
	scoped_fd sk = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return setsockopt(sk, SOL_SOCKET, SO_BUF_LOCK, &one, sizeof(one)) == 0;
}

bool probe_sk_ns(void)
{
	scoped_fd sk = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	scoped_fd ns = ioctl(sk, SIOCGSKNS);

	return ns >= 0;
}

bool probe_ipv6_freebind(void)
{
	int one = 1;
	scoped_fd sk = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return setsockopt(sk, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof(one)) == 0;
}

static int connect_to(int listener)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	scoped_fd sk = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (getsockname(listener, (struct sockaddr *)&addr, &len) < 0 ||
	    connect(sk, (struct sockaddr *)&addr, len) < 0)
		return -1;
	return take_fd(&sk);
}

/* A connection that one side has shut down can be put into repair mode. */
bool probe_tcp_half_closed(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;

	scoped_fd listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(listener, 1) < 0)
		return false;
	scoped_fd client = connect_to(listener);
	if (client < 0 || shutdown(client, SHUT_WR) < 0)
		return false;
	return setsockopt(client, IPPROTO_TCP, TCP_REPAIR, &one, sizeof(one)) == 0;
}

/* ---- network namespaces and devices ---- */

bool probe_nsid(void)
{
	struct {
		struct rtgenmsg gen;
		char pad[3];
		struct nlattr attr;
		uint32_t pid;
	} req = { .attr = { .nla_len = NLA_HDRLEN + sizeof(uint32_t), .nla_type = NETNSA_PID },
		  .pid = (uint32_t)getpid() };

	return ask(NETLINK_ROUTE, RTM_GETNSID, 0, &req, sizeof(req)) == 0;
}

/* A namespace that does not exist is refused by a kernel that looks for it. */
bool probe_link_nsid(void)
{
	enum { TARGET_NETNSID = 46 };
	struct {
		struct ifinfomsg ifi;
		struct nlattr attr;
		int32_t nsid;
	} req = { .ifi = { .ifi_index = 1 },
		  .attr = { .nla_len = NLA_HDRLEN + sizeof(int32_t), .nla_type = TARGET_NETNSID },
		  .nsid = 0x12345678 };

	return ask(NETLINK_ROUTE, RTM_GETLINK, 0, &req, sizeof(req)) < 0;
}

static bool can_choose_index(void)
{
	enum { INDEX = 1234 };
	struct {
		struct ifinfomsg ifi;
		struct nlattr info;
		struct nlattr kind;
		char name[8];
	} req = { .ifi = { .ifi_index = INDEX },
		  .info = { .nla_len = NLA_HDRLEN + NLA_HDRLEN + 8, .nla_type = IFLA_LINKINFO },
		  .kind = { .nla_len = NLA_HDRLEN + 5, .nla_type = IFLA_INFO_KIND },
		  .name = "veth" };
	char name[IF_NAMESIZE];

	if (unshare(CLONE_NEWNET) < 0)
		return false;
	if (ask(NETLINK_ROUTE, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &req, sizeof(req)) < 0) {
		req.kind.nla_len = NLA_HDRLEN + 7;
		memcpy(req.name, "bridge", 7);
		if (ask(NETLINK_ROUTE, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &req, sizeof(req)) <
		    0)
			return false;
	}
	return if_indextoname(INDEX, name) != NULL;
}

bool probe_newifindex(void)
{
	return probe_in_child(can_choose_index);
}

static bool can_get_tun_ns(void)
{
	struct ifreq req = { .ifr_flags = IFF_TUN | IFF_NO_PI };

	if (unshare(CLONE_NEWNET) < 0)
		return false;
	scoped_fd tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	return tun >= 0 && ioctl(tun, TUNSETIFF, &req) == 0 && ioctl(tun, TUN_GET_NETNS) >= 0;
}

bool probe_tun_ns(void)
{
	return probe_in_child(can_get_tun_ns);
}

bool probe_nftables(void)
{
	struct nfgenmsg req = { .version = NFNETLINK_V0 };

	return ask(NETLINK_NETFILTER, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, 0, &req,
		   sizeof(req)) == 0;
}
