/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * packet_diag - what sock_diag tells of packet sockets
 *
 * The kernel answers only for all of them at once, so that is asked once for each
 * network namespace (again, if the next socket is of another one).
 */
#include <errno.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "core/netlink.h"
#include "sock/packet.h"

static PacketRing *take_ring(struct dump *d, const struct nlmsghdr *h, uint16_t type)
{
	const struct packet_diag_ring *r =
		netlink_attr(h, sizeof(struct packet_diag_msg), type, sizeof(*r), NULL);
	PacketRing *ring;

	if (!r || !r->pdr_block_nr)
		return NULL;
	ring = record_new(d, packet_ring);
	ring->block_size = r->pdr_block_size;
	ring->block_nr = r->pdr_block_nr;
	ring->frame_size = r->pdr_frame_size;
	ring->frame_nr = r->pdr_frame_nr;
	ring->retire_tmo = r->pdr_retire_tmo;
	ring->sizeof_priv = r->pdr_sizeof_priv;
	ring->features = r->pdr_features;
	return ring;
}

static void take_members(struct dump *d, const struct nlmsghdr *h, PacketSockEntry *e)
{
	const struct packet_diag_mclist *m;
	vec(PacketMclist *) list = { 0 };
	size_t len = 0, i;
	uint32_t n;

	m = netlink_attr(h, sizeof(struct packet_diag_msg), PACKET_DIAG_MCLIST, sizeof(*m), &len);
	for (i = 0; m && i < len / sizeof(*m); i++)
		/* as often as it has joined, it can leave */
		for (n = 0; n < m[i].pdmc_count; n++) {
			PacketMclist *to = record_new(d, packet_mclist);

			to->index = (uint32_t)m[i].pdmc_index;
			to->type = m[i].pdmc_type;
			to->addr.len = m[i].pdmc_alen < sizeof(m[i].pdmc_addr)
					       ? m[i].pdmc_alen
					       : sizeof(m[i].pdmc_addr);
			to->addr.data = arena_dup(d->arena, m[i].pdmc_addr, to->addr.len);
			*vec_add(d->arena, &list) = to;
		}
	e->mclist = list.items;
	e->n_mclist = list.n;
}

static int take_socket(const struct nlmsghdr *h, void *arg, struct err *err)
{
	const struct packet_diag_msg *msg = netlink_payload(h, sizeof(*msg));
	const struct packet_diag_info *i;
	struct dump *d = arg;
	struct packet_state *s = kind_state(d->kinds, &packet_kind);
	struct packet_info *info;
	const uint32_t *fanout;

	i = msg ? netlink_attr(h, sizeof(*msg), PACKET_DIAG_INFO, sizeof(*i), NULL) : NULL;
	if (!i)
		return err_set(err, EPROTO, "cannot read an answer of sock_diag");
	info = vec_add(d->arena, &s->all);
	info->ino = msg->pdiag_ino;
	info->is_running = i->pdi_flags & PDI_RUNNING;
	info->e = record_new(d, packet_sock_entry);
	info->e->type = msg->pdiag_type;
	info->e->protocol = msg->pdiag_num;
	info->e->ifindex = i->pdi_index;
	info->e->version = i->pdi_version;
	info->e->reserve = i->pdi_reserve;
	info->e->copy_thresh = i->pdi_copy_thresh;
	info->e->timestamp = i->pdi_tstamp;
	info->e->aux_data = (i->pdi_flags & PDI_AUXDATA) != 0;
	info->e->orig_dev = (i->pdi_flags & PDI_ORIGDEV) != 0;
	info->e->vnet_hdr = (i->pdi_flags & PDI_VNETHDR) != 0;
	info->e->loss = (i->pdi_flags & PDI_LOSS) != 0;
	take_members(d, h, info->e);
	info->e->rx_ring = take_ring(d, h, PACKET_DIAG_RX_RING);
	info->e->tx_ring = take_ring(d, h, PACKET_DIAG_TX_RING);
	fanout = netlink_attr(h, sizeof(*msg), PACKET_DIAG_FANOUT, sizeof(*fanout), NULL);
	info->is_member = fanout != NULL;
	return 0;
}

int packet_diag_find(struct dump *d, uint32_t ino, struct packet_info **info_ret, struct err *err)
{
	const struct packet_diag_req req = {
		.sdiag_family = AF_PACKET,
		.pdiag_show = PACKET_SHOW_INFO | PACKET_SHOW_MCLIST | PACKET_SHOW_RING_CFG |
			      PACKET_SHOW_FANOUT,
		.pdiag_cookie = { ~0u, ~0u },
	};
	struct packet_state *s = kind_state(d->kinds, &packet_kind);
	struct packet_info *info;

	if (!s->is_asked || s->asked != d->netns) {
		scoped_fd nl = netlink_open(NETLINK_SOCK_DIAG, err);

		if (nl < 0)
			return -err->code;
		if (sock_diag_each(nl, &req, sizeof(req), take_socket, d, err) < 0)
			return err_hint(err, "this kernel must have packet_diag "
					     "(modprobe af_packet_diag)");
		s->is_asked = true;
		s->asked = d->netns;
	}
	vec_for_each(info, &s->all)
		if (info->ino == ino) {
			*info_ret = info;
			return 0;
		}
	return err_set(err, EPROTO, "cannot find packet socket %u in what sock_diag tells", ino);
}
