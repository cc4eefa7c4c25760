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
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "core/sockopt.h"

enum { LATE = 1 }; /* when all else is done */

struct extra {
	int level, name, flags;
};

/*
 * Numbers instead of names where Debian 12's headers are older than the option.
 * The level decides which sockets are asked.
 */
static const struct extra extras[] = {
	{ SOL_SOCKET, SO_DEBUG, 0 },
	{ SOL_SOCKET, SO_TIMESTAMP_OLD, 0 },
	{ SOL_SOCKET, SO_TIMESTAMPNS_OLD, 0 },
	{ SOL_SOCKET, SO_TIMESTAMPING_OLD, 0 },
	{ SOL_SOCKET, SO_TIMESTAMP_NEW, 0 },
	{ SOL_SOCKET, SO_TIMESTAMPNS_NEW, 0 },
	{ SOL_SOCKET, SO_TIMESTAMPING_NEW, 0 },
	{ SOL_SOCKET, SO_RXQ_OVFL, 0 },
	{ SOL_SOCKET, SO_WIFI_STATUS, 0 },
	{ SOL_SOCKET, SO_NOFCS, 0 },
	{ SOL_SOCKET, SO_SELECT_ERR_QUEUE, 0 },
	{ SOL_SOCKET, SO_BUSY_POLL, 0 },
	{ SOL_SOCKET, SO_PREFER_BUSY_POLL, 0 },
	{ SOL_SOCKET, SO_BUSY_POLL_BUDGET, 0 },
	{ SOL_SOCKET, SO_MAX_PACING_RATE, 0 },
	{ SOL_SOCKET, SO_ZEROCOPY, 0 },
	{ SOL_SOCKET, SO_TXTIME, 0 },
	{ SOL_SOCKET, SO_RESERVE_MEM, LATE },
	{ SOL_SOCKET, SO_TXREHASH, 0 },
	{ SOL_SOCKET, SO_RCVMARK, 0 },
	{ SOL_SOCKET, 76 /* SO_PASSPIDFD */, 0 },
	{ SOL_SOCKET, 82 /* SO_RCVPRIORITY */, 0 },
	{ SOL_SOCKET, 83 /* SO_PASSRIGHTS */, 0 },
	{ SOL_SOCKET, 84 /* SO_INQ */, 0 },
	{ SOL_SOCKET, SO_PEEK_OFF, LATE },
	{ SOL_SOCKET, SO_LOCK_FILTER, LATE },

	{ SOL_IP, IP_OPTIONS, 0 },
	{ SOL_IP, IP_RECVOPTS, 0 },
	{ SOL_IP, IP_RETOPTS, 0 },
	{ SOL_IP, IP_MTU_DISCOVER, 0 },
	{ SOL_IP, IP_RECVERR, 0 },
	{ SOL_IP, IP_RECVTTL, 0 },
	{ SOL_IP, IP_RECVTOS, 0 },
	{ SOL_IP, IP_PASSSEC, 0 },
	{ SOL_IP, IP_TRANSPARENT, 0 },
	{ SOL_IP, IP_RECVORIGDSTADDR, 0 },
	{ SOL_IP, IP_MINTTL, 0 },
	{ SOL_IP, IP_BIND_ADDRESS_NO_PORT, 0 },
	{ SOL_IP, IP_RECVFRAGSIZE, 0 },
	{ SOL_IP, IP_RECVERR_RFC4884, 0 },
	{ SOL_IP, IP_MULTICAST_IF, 0 },
	{ SOL_IP, IP_MULTICAST_TTL, 0 },
	{ SOL_IP, IP_MULTICAST_LOOP, 0 },
	{ SOL_IP, IP_MULTICAST_ALL, 0 },
	{ SOL_IP, IP_UNICAST_IF, 0 },
	{ SOL_IP, 51 /* IP_LOCAL_PORT_RANGE */, 0 },

	{ SOL_IPV6, IPV6_UNICAST_HOPS, 0 },
	{ SOL_IPV6, IPV6_MULTICAST_IF, 0 },
	{ SOL_IPV6, IPV6_MULTICAST_HOPS, 0 },
	{ SOL_IPV6, IPV6_MULTICAST_LOOP, 0 },
	{ SOL_IPV6, IPV6_MTU_DISCOVER, 0 },
	{ SOL_IPV6, IPV6_RECVERR, 0 },
	{ SOL_IPV6, IPV6_MULTICAST_ALL, 0 },
	{ SOL_IPV6, IPV6_RECVERR_RFC4884, 0 },
	{ SOL_IPV6, 33 /* IPV6_FLOWINFO_SEND */, 0 },
	{ SOL_IPV6, IPV6_RECVHOPLIMIT, 0 },
	{ SOL_IPV6, IPV6_RECVHOPOPTS, 0 },
	{ SOL_IPV6, IPV6_RECVRTHDR, 0 },
	{ SOL_IPV6, IPV6_RECVDSTOPTS, 0 },
	{ SOL_IPV6, IPV6_RECVPATHMTU, 0 },
	{ SOL_IPV6, IPV6_DONTFRAG, 0 },
	{ SOL_IPV6, IPV6_RECVTCLASS, 0 },
	{ SOL_IPV6, IPV6_TCLASS, 0 },
	{ SOL_IPV6, IPV6_AUTOFLOWLABEL, 0 },
	{ SOL_IPV6, IPV6_ADDR_PREFERENCES, 0 },
	{ SOL_IPV6, IPV6_MINHOPCOUNT, 0 },
	{ SOL_IPV6, IPV6_RECVORIGDSTADDR, 0 },
	{ SOL_IPV6, IPV6_TRANSPARENT, 0 },
	{ SOL_IPV6, IPV6_UNICAST_IF, 0 },
	{ SOL_IPV6, IPV6_RECVFRAGSIZE, 0 },

	{ SOL_TCP, TCP_MAXSEG, 0 },
	{ SOL_TCP, TCP_SYNCNT, 0 },
	{ SOL_TCP, TCP_LINGER2, 0 },
	{ SOL_TCP, TCP_DEFER_ACCEPT, 0 },
	{ SOL_TCP, TCP_WINDOW_CLAMP, 0 },
	{ SOL_TCP, TCP_CONGESTION, 0 },
	{ SOL_TCP, TCP_THIN_LINEAR_TIMEOUTS, 0 },
	{ SOL_TCP, TCP_USER_TIMEOUT, 0 },
	{ SOL_TCP, TCP_FASTOPEN, 0 },
	{ SOL_TCP, TCP_NOTSENT_LOWAT, 0 },
	{ SOL_TCP, TCP_SAVE_SYN, 0 },
	{ SOL_TCP, TCP_FASTOPEN_CONNECT, 0 },
	{ SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 0 },
	{ SOL_TCP, TCP_INQ, 0 },
	{ SOL_TCP, TCP_TX_DELAY, 0 },

	{ SOL_UDP, UDP_CORK, 0 },
	{ SOL_UDP, UDP_ENCAP, 0 },
	{ SOL_UDP, UDP_NO_CHECK6_TX, 0 },
	{ SOL_UDP, UDP_NO_CHECK6_RX, 0 },
	{ SOL_UDP, UDP_SEGMENT, 0 },
	{ SOL_UDP, UDP_GRO, 0 },

	{ SOL_NETLINK, NETLINK_PKTINFO, 0 },
	{ SOL_NETLINK, NETLINK_BROADCAST_ERROR, 0 },
	{ SOL_NETLINK, NETLINK_NO_ENOBUFS, 0 },
	{ SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, 0 },
	{ SOL_NETLINK, NETLINK_CAP_ACK, 0 },
	{ SOL_NETLINK, NETLINK_EXT_ACK, 0 },
	{ SOL_NETLINK, NETLINK_GET_STRICT_CHK, 0 },
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
	case SOL_UDP:
		return (domain == AF_INET || domain == AF_INET6) && proto == level;
	default:
		return domain == AF_NETLINK;
	}
}

static void add_extra(struct dump *d, SkOptsEntry *e, const struct extra *x, const struct value *v)
{
	SkExtraEntry *entry = record_new(d, sk_extra_entry);

	entry->level = (uint32_t)x->level;
	entry->name = (uint32_t)x->name;
	entry->value.len = v->len;
	entry->value.data = arena_dup(d->arena, v->bytes, v->len);
	e->extra[e->n_extra++] = entry;
}

int sockopt_extra_collect(struct dump *d, int fd, int domain, int proto, SkOptsEntry *e,
			  struct err *err)
{
	const size_t n = sizeof(extras) / sizeof(extras[0]);
	struct value v, usual;
	scoped_fd fresh = -1;
	int type;
	size_t i;

	if (sockopt_get_int(fd, SOL_SOCKET, SO_TYPE, &type) == 0)
		fresh = socket(domain, type | SOCK_CLOEXEC, proto);
	if (fresh < 0)
		return err_sys(err, "cannot make a socket like it to compare them");
	e->extra = arena_array(d->arena, SkExtraEntry *, n);
	for (i = 0; i < n; i++) {
		if (!has_level(extras[i].level, domain, proto) || !get_value(fd, &extras[i], &v) ||
		    !get_value(fresh, &extras[i], &usual))
			continue;
		if (v.len != usual.len || memcmp(v.bytes, usual.bytes, v.len) != 0)
			add_extra(d, e, &extras[i], &v);
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

int sockopt_extra_apply(int fd, const SkOptsEntry *e, bool late, struct err *err)
{
	size_t i;

	for (i = 0; i < e->n_extra; i++) {
		const SkExtraEntry *x = e->extra[i];
		const struct extra *known = find_extra(x);

		if (!known || (known->flags == LATE) != late)
			continue;
		if (setsockopt(fd, known->level, known->name, x->value.data,
			       (socklen_t)x->value.len) < 0)
			return err_sys(err, "cannot set option %u of level %u of a socket", x->name,
				       x->level);
	}
	return 0;
}
