/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * packet - sockets of AF_PACKET, also the old SOCK_PACKET
 *
 * collect   sock_diag tells nearly everything (packet_diag.c); fanout and options
 *           are asked through our copy
 * open      created for no protocol, so that nothing arrives; options,
 *           memberships, rings
 * link      the rings are filled, then filters and sizes of buffers, then the
 *           socket is bound, then it joins its fanout
 *
 * not kept  packets in its queue that were not read (the log warns); names of
 *           devices: it is bound to the one with the same number
 *
 * refused   a device that is gone; a fanout with a program of its own, which nobody
 *           can read; what packet_ring.c refuses
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/sock_ns.h"
#include "core/sockopt.h"
#include "sock/packet.h"

enum {
	NO_FANOUT = 0xffffffff,
	FANOUT_CBPF = 6,
	FANOUT_EBPF = 7,
	FANOUT_FLAG_UNIQUEID = 0x20 << 24, /* the number was chosen by the kernel */
};

static bool match_packet(const struct fd_probe *p)
{
	int domain;

	return S_ISSOCK(p->st.st_mode) && !(p->flags & O_PATH) &&
	       sockopt_get_int(p->own, SOL_SOCKET, SO_DOMAIN, &domain) == 0 && domain == AF_PACKET;
}

/* ---- dump ---- */

static int collect_fanout(int fd, const struct packet_info *info, PacketSockEntry *e,
			  struct err *err)
{
	int value, type;

	e->has_fanout = true;
	e->fanout = NO_FANOUT;
	if (!info->is_member)
		return 0;
	if (sockopt_get_int(fd, SOL_PACKET, PACKET_FANOUT, &value) < 0)
		return err_sys(err, "cannot ask for the fanout of a packet socket");
	e->fanout = (uint32_t)value & ~(uint32_t)FANOUT_FLAG_UNIQUEID;
	type = value >> 16 & 0xff;
	if (type != FANOUT_CBPF && type != FANOUT_EBPF)
		return 0;
	err_set(err, EOPNOTSUPP, "cannot dump a packet socket with a program for its fanout");
	return err_hint(err, "nobody can read PACKET_FANOUT_DATA; close it before the dump");
}

static int check_device(const struct packet_info *info, struct err *err)
{
	char name[IF_NAMESIZE];

	if (!info->e->ifindex || if_indextoname(info->e->ifindex, name))
		return 0;
	err_set(err, EOPNOTSUPP, "cannot dump a packet socket whose device is gone");
	return err_hint(err, "close it in the program before the dump");
}

static int collect_packet(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err)
{
	struct pollfd pfd = { .fd = p->own, .events = POLLIN };
	struct packet_info *info;
	PacketSockEntry *e;

	if (packet_diag_find(d, (uint32_t)p->st.st_ino, &info, err) < 0)
		return -err->code;
	e = fe->psk = info->e;
	e->flags = p->flags;
	if (check_device(info, err) < 0 || collect_fanout(p->own, info, e, err) < 0 ||
	    sockopt_collect(d, p->own, &e->opts, err) < 0)
		return -err->code;
	if (e->rx_ring || e->tx_ring)
		return packet_ring_collect(d, p->own, e, err);
	if (poll(&pfd, 1, 0) > 0 && pfd.revents & POLLIN)
		log_warn("packet socket %s: packets that were not read are lost", p->link);
	return 0;
}

/* ---- restore ---- */

static int plan_packet(struct restore *r, struct file *f, struct err *err)
{
	const PacketSockEntry *e = f->image->psk;
	char name[IF_NAMESIZE];

	if (e->type != SOCK_RAW && e->type != SOCK_DGRAM && e->type != SOCK_PACKET)
		return err_set(err, EBADMSG, "cannot restore a packet socket of type %u", e->type);
	if (e->ifindex && !sock_ns_is_elsewhere(r, f) && !if_indextoname(e->ifindex, name)) {
		err_sys(err, "cannot bind a packet socket to network device %u", e->ifindex);
		return err_hint(err, "this host must have a device with that number");
	}
	return packet_ring_check(e, err) < 0 ? -err->code : sockopt_check(e->opts, err);
}

static int set_options(int fd, const PacketSockEntry *e, struct err *err)
{
	const struct {
		int name;
		uint32_t value;
	} options[] = {
		{ PACKET_VERSION, e->version },	    { PACKET_RESERVE, e->reserve },
		{ PACKET_AUXDATA, e->aux_data },    { PACKET_ORIGDEV, e->orig_dev },
		{ PACKET_VNET_HDR, e->vnet_hdr },   { PACKET_LOSS, e->loss },
		{ PACKET_TIMESTAMP, e->timestamp }, { PACKET_COPY_THRESH, e->copy_thresh },
	};
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		int value = (int)options[i].value;

		/*
		 * Zero is what they all are, and some sockets do not take.  A header may
		 * be there already, of another size than PACKET_VNET_HDR gives it.
		 */
		if (value && sockopt_set_int(fd, SOL_PACKET, options[i].name, value) < 0)
			return err_sys(err, "cannot set option %d of a packet socket to %d",
				       options[i].name, value);
	}
	return 0;
}

static int join(int fd, const PacketMclist *m, struct err *err)
{
	struct {
		struct packet_mreq req;
		unsigned char more[32];
	} u = { .req = { .mr_ifindex = (int)m->index,
			 .mr_type = (unsigned short)m->type,
			 .mr_alen = (unsigned short)m->addr.len } };

	if (m->addr.len > 32)
		return err_set(err, EBADMSG, "cannot use a hardware address of %zu bytes",
			       m->addr.len);
	if (m->addr.len)
		memcpy((char *)&u + offsetof(struct packet_mreq, mr_address), m->addr.data,
		       m->addr.len);
	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &u, sizeof(u)) < 0)
		return err_sys(err, "cannot have packets of type %u of network device %u", m->type,
			       m->index);
	return 0;
}

static int open_packet(struct restore *r, struct file *f, struct err *err)
{
	const PacketSockEntry *e = f->image->psk;
	/* to one of the old sort, a protocol can be given only here */
	int proto = e->type == SOCK_PACKET ? htons((uint16_t)e->protocol) : 0;
	scoped_fd fd = socket(AF_PACKET, (int)e->type | SOCK_CLOEXEC, proto);
	size_t i;

	if (fd < 0)
		return err_sys(err, "cannot create a packet socket");
	if (sockopt_begin(r, fd, e->opts, err) < 0 || set_options(fd, e, err) < 0)
		return -err->code;
	for (i = 0; i < e->n_mclist; i++)
		if (join(fd, e->mclist[i], err) < 0)
			return -err->code;
	return packet_ring_open(fd, e, err) < 0 ? -err->code : take_fd(&fd);
}

static int bind_old(int fd, const PacketSockEntry *e, struct err *err)
{
	struct sockaddr addr = { .sa_family = AF_PACKET }; /* and the name of the device */
	char name[IF_NAMESIZE];

	if (!e->ifindex)
		return 0;
	if (!if_indextoname(e->ifindex, name) || strlen(name) >= sizeof(addr.sa_data))
		return err_sys(err, "cannot name network device %u", e->ifindex);
	memcpy(addr.sa_data, name, strlen(name));
	if (bind(fd, &addr, sizeof(addr)) < 0)
		return err_sys(err, "cannot bind a packet socket to device %s", name);
	return 0;
}

static int bind_packet(int fd, const PacketSockEntry *e, struct err *err)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET,
				    .sll_protocol = htons((uint16_t)e->protocol),
				    .sll_ifindex = (int)e->ifindex };

	if (e->type == SOCK_PACKET)
		return bind_old(fd, e, err);
	/* also to nothing: packet_ring.c may have bound it elsewhere; a device may be down */
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 && errno != ENETDOWN)
		return err_sys(err, "cannot bind a packet socket to device %u", e->ifindex);
	return 0;
}

static int link_packet(struct restore *r, struct file *f, int fd, struct err *err)
{
	const PacketSockEntry *e = f->image->psk;
	int fanout = (int)e->fanout;

	if (packet_ring_link(fd, e, err) < 0 || sockopt_end(r, fd, e->opts, err) < 0 ||
	    bind_packet(fd, e, err) < 0)
		return -err->code;
	if (!e->has_fanout || e->fanout == NO_FANOUT)
		return 0;
	if (setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &fanout, sizeof(fanout)) < 0) {
		err_sys(err, "cannot let a packet socket join fanout %u", e->fanout & 0xffff);
		return err_hint(err, "another program uses that number otherwise");
	}
	return 0;
}

const struct file_kind packet_kind = {
	.name = "packet socket",
	.type = FD_TYPES__PACKETSK,
	.match = match_packet,
	.state_size = sizeof(struct packet_state),
	.collect = collect_packet,
	.plan = plan_packet,
	.open = open_packet,
	.link = link_packet,
};
