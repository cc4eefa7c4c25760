/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sockopt_extra - options of sockets that CRIU has no field for
 *
 * Any option that can be read and written back is kept as the bytes that
 * getsockopt() gives, if they differ from those of a new socket of that sort.
 * So there is no list of defaults, and the table below is all that is to be
 * said about an option.
 *
 * not kept  what getsockopt() does not tell: SO_ATTACH_REUSEPORT_*, keys of
 *           TCP_MD5SIG, an interface given to IP_MULTICAST_IF by its number;
 *           SO_INCOMING_CPU and TCP_QUICKACK, which the kernel changes by itself
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "core/privileged.h"
#include "core/sockopt.h"

enum when {
	EARLY,
	LATE,  /* when all else is done */
	GROUP, /* a multicast group: early too, but joined first, and collected by who knows them */
};

struct extra {
	int level, name;
	enum when when;
};

/*
 * Numbers instead of names where Debian 12's headers are older than the option.
 * The level decides which sockets are asked.
 */
static const struct extra extras[] = {
	{ SOL_SOCKET, SO_DEBUG, EARLY },
	{ SOL_SOCKET, SO_TIMESTAMP_OLD, EARLY },
	{ SOL_SOCKET, SO_TIMESTAMPNS_OLD, EARLY },
	{ SOL_SOCKET, SO_TIMESTAMPING_OLD, EARLY },
	{ SOL_SOCKET, SO_TIMESTAMP_NEW, EARLY },
	{ SOL_SOCKET, SO_TIMESTAMPNS_NEW, EARLY },
	{ SOL_SOCKET, SO_TIMESTAMPING_NEW, EARLY },
	{ SOL_SOCKET, SO_RXQ_OVFL, EARLY },
	{ SOL_SOCKET, SO_WIFI_STATUS, EARLY },
	{ SOL_SOCKET, SO_NOFCS, EARLY },
	{ SOL_SOCKET, SO_SELECT_ERR_QUEUE, EARLY },
	{ SOL_SOCKET, SO_BUSY_POLL, EARLY },
	{ SOL_SOCKET, SO_PREFER_BUSY_POLL, EARLY },
	{ SOL_SOCKET, SO_BUSY_POLL_BUDGET, EARLY },
	{ SOL_SOCKET, SO_MAX_PACING_RATE, EARLY },
	{ SOL_SOCKET, SO_ZEROCOPY, EARLY },
	{ SOL_SOCKET, SO_TXTIME, EARLY },
	{ SOL_SOCKET, SO_RESERVE_MEM, LATE },
	{ SOL_SOCKET, SO_TXREHASH, EARLY },
	{ SOL_SOCKET, SO_RCVMARK, EARLY },
	{ SOL_SOCKET, 76 /* SO_PASSPIDFD */, EARLY },
	{ SOL_SOCKET, 82 /* SO_RCVPRIORITY */, EARLY },
	{ SOL_SOCKET, 83 /* SO_PASSRIGHTS */, EARLY },
	{ SOL_SOCKET, 84 /* SO_INQ */, EARLY },
	{ SOL_SOCKET, SO_PEEK_OFF, LATE },
	{ SOL_SOCKET, SO_LOCK_FILTER, LATE },

	{ SOL_IP, IP_OPTIONS, EARLY },
	{ SOL_IP, IP_RECVOPTS, EARLY },
	{ SOL_IP, IP_RETOPTS, EARLY },
	{ SOL_IP, IP_MTU_DISCOVER, EARLY },
	{ SOL_IP, IP_RECVERR, EARLY },
	{ SOL_IP, IP_RECVTTL, EARLY },
	{ SOL_IP, IP_RECVTOS, EARLY },
	{ SOL_IP, IP_PASSSEC, EARLY },
	{ SOL_IP, IP_TRANSPARENT, EARLY },
	{ SOL_IP, IP_RECVORIGDSTADDR, EARLY },
	{ SOL_IP, IP_MINTTL, EARLY },
	{ SOL_IP, IP_BIND_ADDRESS_NO_PORT, EARLY },
	{ SOL_IP, IP_RECVFRAGSIZE, EARLY },
	{ SOL_IP, IP_RECVERR_RFC4884, EARLY },
	{ SOL_IP, IP_MULTICAST_IF, EARLY },
	{ SOL_IP, IP_MULTICAST_TTL, EARLY },
	{ SOL_IP, IP_MULTICAST_LOOP, EARLY },
	{ SOL_IP, IP_MULTICAST_ALL, EARLY },
	{ SOL_IP, IP_UNICAST_IF, EARLY },
	{ SOL_IP, MCAST_MSFILTER, GROUP },
	{ SOL_IP, 51 /* IP_LOCAL_PORT_RANGE */, EARLY },

	{ SOL_IPV6, IPV6_UNICAST_HOPS, EARLY },
	{ SOL_IPV6, MCAST_MSFILTER, GROUP },
	{ SOL_IPV6, IPV6_MULTICAST_IF, EARLY },
	{ SOL_IPV6, IPV6_MULTICAST_HOPS, EARLY },
	{ SOL_IPV6, IPV6_MULTICAST_LOOP, EARLY },
	{ SOL_IPV6, IPV6_MTU_DISCOVER, EARLY },
	{ SOL_IPV6, IPV6_RECVERR, EARLY },
	{ SOL_IPV6, IPV6_MULTICAST_ALL, EARLY },
	{ SOL_IPV6, IPV6_RECVERR_RFC4884, EARLY },
	{ SOL_IPV6, 33 /* IPV6_FLOWINFO_SEND */, EARLY },
	{ SOL_IPV6, IPV6_RECVHOPLIMIT, EARLY },
	{ SOL_IPV6, IPV6_RECVHOPOPTS, EARLY },
	{ SOL_IPV6, IPV6_RECVRTHDR, EARLY },
	{ SOL_IPV6, IPV6_RECVDSTOPTS, EARLY },
	{ SOL_IPV6, IPV6_RECVPATHMTU, EARLY },
	{ SOL_IPV6, IPV6_DONTFRAG, EARLY },
	{ SOL_IPV6, IPV6_RECVTCLASS, EARLY },
	{ SOL_IPV6, IPV6_TCLASS, EARLY },
	{ SOL_IPV6, IPV6_AUTOFLOWLABEL, EARLY },
	{ SOL_IPV6, IPV6_ADDR_PREFERENCES, EARLY },
	{ SOL_IPV6, IPV6_MINHOPCOUNT, EARLY },
	{ SOL_IPV6, IPV6_RECVORIGDSTADDR, EARLY },
	{ SOL_IPV6, IPV6_TRANSPARENT, EARLY },
	{ SOL_IPV6, IPV6_UNICAST_IF, EARLY },
	{ SOL_IPV6, IPV6_RECVFRAGSIZE, EARLY },

	{ SOL_TCP, TCP_MAXSEG, EARLY },
	{ SOL_TCP, TCP_SYNCNT, EARLY },
	{ SOL_TCP, TCP_LINGER2, EARLY },
	{ SOL_TCP, TCP_DEFER_ACCEPT, EARLY },
	{ SOL_TCP, TCP_WINDOW_CLAMP, EARLY },
	{ SOL_TCP, TCP_CONGESTION, EARLY },
	{ SOL_TCP, TCP_THIN_LINEAR_TIMEOUTS, EARLY },
	{ SOL_TCP, TCP_USER_TIMEOUT, EARLY },
	{ SOL_TCP, TCP_FASTOPEN, EARLY },
	{ SOL_TCP, TCP_NOTSENT_LOWAT, EARLY },
	{ SOL_TCP, TCP_SAVE_SYN, EARLY },
	{ SOL_TCP, TCP_FASTOPEN_CONNECT, EARLY },
	{ SOL_TCP, TCP_FASTOPEN_NO_COOKIE, EARLY },
	{ SOL_TCP, TCP_INQ, EARLY },
	{ SOL_TCP, TCP_TX_DELAY, EARLY },

	{ SOL_IPV6, IPV6_CHECKSUM, EARLY },

	{ IPPROTO_UDPLITE, 10 /* UDPLITE_SEND_CSCOV */, EARLY },
	{ IPPROTO_UDPLITE, 11 /* UDPLITE_RECV_CSCOV */, EARLY },

	{ SOL_UDP, UDP_CORK, EARLY },
	{ SOL_UDP, UDP_ENCAP, EARLY },
	{ SOL_UDP, UDP_NO_CHECK6_TX, EARLY },
	{ SOL_UDP, UDP_NO_CHECK6_RX, EARLY },
	{ SOL_UDP, UDP_SEGMENT, EARLY },
	{ SOL_UDP, UDP_GRO, EARLY },

	{ SOL_PACKET, PACKET_TX_HAS_OFF, EARLY },
	{ SOL_PACKET, PACKET_QDISC_BYPASS, EARLY },
	{ SOL_PACKET, PACKET_IGNORE_OUTGOING, EARLY },
	{ SOL_PACKET, 24 /* PACKET_VNET_HDR_SZ */, EARLY },

	{ SOL_NETLINK, NETLINK_PKTINFO, EARLY },
	{ SOL_NETLINK, NETLINK_BROADCAST_ERROR, EARLY },
	{ SOL_NETLINK, NETLINK_NO_ENOBUFS, EARLY },
	{ SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, EARLY },
	{ SOL_NETLINK, NETLINK_CAP_ACK, EARLY },
	{ SOL_NETLINK, NETLINK_EXT_ACK, EARLY },
	{ SOL_NETLINK, NETLINK_GET_STRICT_CHK, EARLY },
};

enum { VALUE_MAX = 64 };

struct value {
	char bytes[VALUE_MAX];
	socklen_t len;
};

static bool get_value(int fd, const struct extra *x, struct value *v)
{
	memset(v, 0, sizeof(*v));
	v->len = sizeof(v->bytes);
	return getsockopt(fd, x->level, x->name, v->bytes, &v->len) == 0;
}

static bool has_level(int level, int domain, int proto)
{
	switch (level) {
	case SOL_SOCKET:
		return true;
	case SOL_IP:
		return domain == AF_INET || domain == AF_INET6;
	case SOL_IPV6:
		return domain == AF_INET6;
	case SOL_TCP:
	case IPPROTO_UDPLITE:
		return (domain == AF_INET || domain == AF_INET6) && proto == level;
	case SOL_UDP:
		return (domain == AF_INET || domain == AF_INET6) &&
		       (proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE);
	case SOL_PACKET:
		return domain == AF_PACKET;
	default:
		return domain == AF_NETLINK;
	}
}

void sockopt_extra_add(struct dump *d, SkOptsEntry *e, int level, int name, const void *value,
		       size_t len)
{
	SkExtraEntry *entry = record_new(d, sk_extra_entry);
	SkExtraEntry **grown = arena_array(d->arena, SkExtraEntry *, e->n_extra + 1);

	entry->level = (uint32_t)level;
	entry->name = (uint32_t)name;
	entry->value.len = len;
	entry->value.data = arena_dup(d->arena, value, len);
	if (e->n_extra)
		memcpy(grown, e->extra, e->n_extra * sizeof(*grown));
	grown[e->n_extra++] = entry;
	e->extra = grown;
}

/*
 * A connection leaves values behind that setsockopt()
 * does not take: a multicast TTL for a stream, an MSS as large as the loopback's.
 */
static bool is_settable(int domain, int type, int proto, const struct extra *x,
			const struct value *v)
{
	scoped_fd fd = sock_new(domain, type | SOCK_CLOEXEC, proto);

	return fd < 0 || setsockopt(fd, x->level, x->name, v->bytes, v->len) == 0 ||
	       (errno != EINVAL && errno != ENOPROTOOPT);
}

/* Of a connection these are what it has come to, not what was set. */
static bool is_outcome(const struct extra *x, bool is_connected)
{
	return is_connected && x->level == SOL_TCP &&
	       (x->name == TCP_MAXSEG || x->name == TCP_WINDOW_CLAMP);
}

int sockopt_extra_collect(struct dump *d, int fd, int domain, int proto, SkOptsEntry *e,
			  struct err *err)
{
	const size_t n = sizeof(extras) / sizeof(extras[0]);
	struct tcp_info info = { .tcpi_state = TCP_CLOSE };
	socklen_t info_len = sizeof(info);
	struct value v, usual;
	scoped_fd fresh = -1;
	bool is_connected;
	int type;
	size_t i;

	if (proto == IPPROTO_TCP)
		getsockopt(fd, SOL_TCP, TCP_INFO, &info, &info_len);
	is_connected = info.tcpi_state != TCP_CLOSE && info.tcpi_state != TCP_LISTEN;

	if (sockopt_get_int(fd, SOL_SOCKET, SO_TYPE, &type) == 0)
		fresh = sock_new(domain, type | SOCK_CLOEXEC, proto);
	if (fresh < 0)
		return err_sys(err, "cannot make a socket like it to compare them");
	for (i = 0; i < n; i++) {
		if (extras[i].when == GROUP || is_outcome(&extras[i], is_connected) ||
		    !has_level(extras[i].level, domain, proto) || !get_value(fd, &extras[i], &v) ||
		    !get_value(fresh, &extras[i], &usual))
			continue;
		if (v.len == usual.len && memcmp(v.bytes, usual.bytes, v.len) == 0)
			continue;
		if (is_settable(domain, type, proto, &extras[i], &v))
			sockopt_extra_add(d, e, extras[i].level, extras[i].name, v.bytes, v.len);
	}
	return 0;
}

static const struct extra *find_extra(const SkExtraEntry *x)
{
	size_t i;

	for (i = 0; i < sizeof(extras) / sizeof(extras[0]); i++)
		if ((uint32_t)extras[i].level == x->level && (uint32_t)extras[i].name == x->name)
			return &extras[i];
	return NULL;
}

int sockopt_check(const SkOptsEntry *e, struct err *err)
{
	size_t i;

	for (i = 0; i < e->n_extra; i++)
		if (!find_extra(e->extra[i])) {
			err_set(err, EOPNOTSUPP, "cannot set option %u of level %u of a socket",
				e->extra[i]->name, e->extra[i]->level);
			return err_hint(
				err,
				"this version does not know it; restore with the one that dumped");
		}
	return 0;
}

static int join_group(int fd, const struct extra *x, const ProtobufCBinaryData *value)
{
	struct group_filter f;
	struct group_req req = { 0 };

	errno = EINVAL;
	if (value->len < GROUP_FILTER_SIZE(0))
		return -1;
	memcpy(&f, value->data, GROUP_FILTER_SIZE(0));
	req.gr_interface = f.gf_interface;
	req.gr_group = f.gf_group;
	if (setsockopt(fd, x->level, MCAST_JOIN_GROUP, &req, sizeof(req)) < 0)
		return -1;
	/* without sources, and open to all, it is already as it should be */
	if (f.gf_fmode == MCAST_EXCLUDE && f.gf_numsrc == 0)
		return 0;
	return setsockopt(fd, x->level, x->name, value->data, (socklen_t)value->len);
}

int sockopt_extra_apply(struct restore *r, int fd, const SkOptsEntry *e, bool late, struct err *err)
{
	size_t i;

	for (i = 0; i < e->n_extra; i++) {
		const SkExtraEntry *x = e->extra[i];
		const struct extra *known = find_extra(x);
		int ret;

		if (!known || (known->when == LATE) != late)
			continue;
		if (known->when == GROUP)
			ret = join_group(fd, known, &x->value);
		else
			ret = privileged_setsockopt(r, fd, known->level, known->name, x->value.data,
						    (socklen_t)x->value.len);
		if (ret < 0)
			return err_sys(err, "cannot set option %u of level %u of a socket", x->name,
				       x->level);
	}
	return 0;
}
