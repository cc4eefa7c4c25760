/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * packet_ring - memory of packet sockets that programs map (PACKET_RX_RING, _TX_RING)
 *
 * collect   the memory is mapped here too, and pages that are not zero go into a
 *           field of ours.  Which frame the kernel fills next stands nowhere: it is
 *           the one behind those that the program has not taken, or else behind
 *           the one with the latest time
 * open      a new ring, where the kernel begins with the first frame
 * link      the program goes on with another one.  So as many packets as it takes
 *           are sent to the socket by way of lo, with a protocol that nobody uses;
 *           then the memory gets its old content
 *
 * mem/vma.c has the mappings themselves.
 *
 * not kept  the frame that the kernel sends next from a tx ring, which nothing
 *           tells: it is the first
 *
 * refused   rings of version 3 that were used
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/sockopt.h"
#include "sock/packet.h"

enum { PIECE = 4096, UNUSED_PROTOCOL = 0x88b5 /* for local experiments */ };

static uint64_t ring_size(const PacketRing *ring)
{
	return ring ? (uint64_t)ring->block_size * ring->block_nr : 0;
}

uint64_t packet_ring_size(const PacketSockEntry *e)
{
	return ring_size(e->rx_ring) + ring_size(e->tx_ring);
}

/* The memory of both rings, rx first. */
struct ring_memory {
	char *at;
	size_t size;
};

static void scoped_memory_end(struct ring_memory *m)
{
	if (m->at)
		munmap(m->at, m->size);
}

#define scoped_memory __attribute__((cleanup(scoped_memory_end))) struct ring_memory

static int map_ring(struct ring_memory *m, int fd, const PacketSockEntry *e, int prot,
		    struct err *err)
{
	void *at;

	m->size = packet_ring_size(e);
	at = mmap(NULL, m->size, prot, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return err_sys(err, "cannot map the ring of a packet socket");
	m->at = at;
	return 0;
}

/* ---- frames of the rx ring: versions 1 and 2 ---- */

struct frame {
	unsigned long status;
	uint64_t time; /* when it was filled */
};

static char *frame_at(const struct ring_memory *m, const PacketRing *ring, uint32_t i)
{
	uint32_t per_block = ring->block_size / ring->frame_size;

	return m->at + (size_t)(i / per_block) * ring->block_size +
	       (size_t)(i % per_block) * ring->frame_size;
}

static struct frame read_frame(const struct ring_memory *m, const PacketSockEntry *e, uint32_t i)
{
	const char *at = frame_at(m, e->rx_ring, i);
	struct tpacket_hdr one;
	struct tpacket2_hdr two;

	if (e->version == TPACKET_V1) {
		memcpy(&one, at, sizeof(one));
		return (struct frame){ one.tp_status,
				       one.tp_sec * 1000000000ull + one.tp_usec * 1000ull };
	}
	memcpy(&two, at, sizeof(two));
	return (struct frame){ two.tp_status, two.tp_sec * 1000000000ull + two.tp_nsec };
}

/* The frame that the kernel fills next. */
static uint32_t find_head(const struct ring_memory *m, const PacketSockEntry *e)
{
	uint32_t n = e->rx_ring->frame_nr, i, head = 0;
	uint64_t latest = 0;

	for (i = 0; i < n; i++) {
		struct frame f = read_frame(m, e, i), next = read_frame(m, e, (i + 1) % n);

		if (f.status & TP_STATUS_USER && !(next.status & TP_STATUS_USER))
			return (i + 1) % n;
		if (f.time && f.time >= latest) {
			/* of many at one time, the last before one that is older */
			if (f.time > latest || next.time != f.time)
				head = (i + 1) % n;
			latest = f.time;
		}
	}
	return head;
}

/* ---- dump ---- */

static int refuse_blocks(const struct ring_memory *m, struct err *err)
{
	const struct tpacket_block_desc *first = (const void *)m->at;

	/* it is opened at once, with number 1 */
	if (first->hdr.bh1.seq_num <= 1 && !first->hdr.bh1.num_pkts)
		return 0;
	err_set(err, EOPNOTSUPP, "cannot dump a packet socket with a ring of version 3");
	err_why(err, "it has been used, and a new one begins with the first block");
	return err_hint(err, "close it in the program before the dump");
}

static bool is_zero(const char *p)
{
	return p[0] == 0 && memcmp(p, p + 1, PIECE - 1) == 0;
}

static void collect_pieces(struct dump *d, const struct ring_memory *m, PacketSockEntry *e)
{
	vec(PacketPiece *) pieces = { 0 };
	size_t off;

	for (off = 0; off < m->size; off += PIECE) {
		PacketPiece *piece;

		if (is_zero(m->at + off))
			continue;
		piece = record_new(d, packet_piece);
		piece->offset = off;
		piece->data.len = PIECE;
		piece->data.data = arena_dup(d->arena, m->at + off, PIECE);
		*vec_add(d->arena, &pieces) = piece;
	}
	e->piece = pieces.items;
	e->n_piece = pieces.n;
}

int packet_ring_collect(struct dump *d, int fd, PacketSockEntry *e, struct err *err)
{
	scoped_memory m = { 0 };

	if (map_ring(&m, fd, e, PROT_READ, err) < 0)
		return -err->code;
	if (e->version == TPACKET_V3)
		return e->rx_ring ? refuse_blocks(&m, err) : 0;
	collect_pieces(d, &m, e);
	e->has_rx_head = e->rx_ring != NULL;
	e->rx_head = e->rx_ring ? find_head(&m, e) : 0;
	return 0;
}

/* ---- restore ---- */

static bool is_possible(const PacketRing *ring)
{
	return !ring ||
	       (ring->block_size && ring->block_size % PIECE == 0 && ring->frame_size &&
		ring->frame_size <= ring->block_size && ring_size(ring) <= (uint64_t)UINT32_MAX);
}

int packet_ring_check(const PacketSockEntry *e, struct err *err)
{
	uint64_t size = packet_ring_size(e);
	size_t i;

	if (!is_possible(e->rx_ring) || !is_possible(e->tx_ring) ||
	    (e->has_rx_head && (!e->rx_ring || e->rx_head >= e->rx_ring->frame_nr)))
		return err_set(err, EBADMSG, "cannot restore the ring of a packet socket");
	for (i = 0; i < e->n_piece; i++)
		if (e->piece[i]->data.len != PIECE || e->piece[i]->offset % PIECE ||
		    e->piece[i]->offset >= size)
			return err_set(err, EBADMSG, "cannot fill the ring of a packet socket");
	return 0;
}

static int set_ring(int fd, int name, const PacketRing *ring, uint32_t version, struct err *err)
{
	struct tpacket_req3 req;
	socklen_t len = version == TPACKET_V3 ? sizeof(req) : sizeof(struct tpacket_req);

	if (!ring)
		return 0;
	req = (struct tpacket_req3){
		.tp_block_size = ring->block_size,
		.tp_block_nr = ring->block_nr,
		.tp_frame_size = ring->frame_size,
		.tp_frame_nr = ring->frame_nr,
		.tp_retire_blk_tov = ring->retire_tmo,
		.tp_sizeof_priv = ring->sizeof_priv,
		.tp_feature_req_word = ring->features,
	};
	if (setsockopt(fd, SOL_PACKET, name, &req, len) < 0)
		return err_sys(err, "cannot make a ring of %u blocks of %u bytes", ring->block_nr,
			       ring->block_size);
	return 0;
}

int packet_ring_open(int fd, const PacketSockEntry *e, struct err *err)
{
	if (set_ring(fd, PACKET_RX_RING, e->rx_ring, e->version, err) < 0)
		return -err->code;
	return set_ring(fd, PACKET_TX_RING, e->tx_ring, e->version, err);
}

static int send_packets(uint32_t n, struct sockaddr_ll *lo, struct err *err)
{
	scoped_fd fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t i;

	if (fd < 0)
		return err_sys(err, "cannot create a packet socket");
	for (i = 0; i < n; i++)
		if (sendto(fd, "", 1, 0, (struct sockaddr *)lo, sizeof(*lo)) < 0) {
			err_sys(err, "cannot send through lo to get a ring to where it was");
			return err_hint(err, "set it up: ip link set lo up");
		}
	return 0;
}

/* Have the kernel fill the frames before the one that the program waits for. */
static int advance(int fd, const PacketSockEntry *e, const struct ring_memory *m, struct err *err)
{
	struct sockaddr_ll lo = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(UNUSED_PROTOCOL),
				  .sll_ifindex = (int)if_nametoindex("lo") };
	int i;

	if (!e->rx_head)
		return 0;
	if (bind(fd, (struct sockaddr *)&lo, sizeof(lo)) < 0)
		return err_sys(err, "cannot bind a packet socket to lo");
	if (send_packets(e->rx_head, &lo, err) < 0)
		return -err->code;
	for (i = 0; i < 1000 && !read_frame(m, e, e->rx_head - 1).status; i++)
		usleep(1000);
	if (!read_frame(m, e, e->rx_head - 1).status)
		return err_set(err, ETIMEDOUT, "cannot get the ring of a packet socket to frame %u",
			       e->rx_head);
	memset(m->at, 0, m->size);
	return 0;
}

int packet_ring_link(int fd, const PacketSockEntry *e, struct err *err)
{
	scoped_memory m = { 0 };
	size_t i;

	if (!e->has_rx_head && !e->n_piece)
		return 0;
	if (map_ring(&m, fd, e, PROT_READ | PROT_WRITE, err) < 0 || advance(fd, e, &m, err) < 0)
		return -err->code;
	for (i = 0; i < e->n_piece; i++)
		memcpy(m.at + e->piece[i]->offset, e->piece[i]->data.data, PIECE);
	return 0;
}
