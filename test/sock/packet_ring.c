/* SPDX-License-Identifier: GPL-2.0-only */
/* mapped rings of packet sockets: what is in them, and the frame that is filled next */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "victim.h"

enum { PROTO = 0x88b6, BLOCK = 8192, BLOCKS = 3, FRAME = 2048, FRAMES = BLOCK / FRAME * BLOCKS };

/* of one version; the program takes frame after frame and knows which is the next */
struct ring {
	int version, proto, fd;
	char *at;
	unsigned int next;
};

static struct ring one = { .version = TPACKET_V1, .proto = PROTO };
static struct ring two = { .version = TPACKET_V2, .proto = PROTO + 1 };
static struct ring idle = { .version = TPACKET_V2, .proto = PROTO + 2 };
static struct ring blocks = { .version = TPACKET_V3, .proto = PROTO + 3 };
static int lo;

static bool say(int proto, const char *what)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET,
				 .sll_protocol = htons((uint16_t)proto),
				 .sll_ifindex = lo,
				 .sll_halen = 6 };
	int fd = socket(AF_PACKET, SOCK_DGRAM, 0);
	ssize_t n = (ssize_t)strlen(what);

	return expect(sendto(fd, what, (size_t)n, 0, (struct sockaddr *)&a, sizeof(a)) == n) &&
	       close(fd) == 0;
}

static char *frame(const struct ring *r)
{
	return r->at + r->next * FRAME;
}

static volatile unsigned int *status_of(const struct ring *r)
{
	/* in both versions the status comes first, and its low half says all */
	return (volatile unsigned int *)frame(r);
}

static bool take(struct ring *r, const char *what)
{
	const struct tpacket_hdr *h1 = (void *)frame(r);
	const struct tpacket2_hdr *h2 = (void *)frame(r);
	unsigned int len = r->version == TPACKET_V1 ? h1->tp_len : h2->tp_len;
	unsigned int mac = r->version == TPACKET_V1 ? h1->tp_mac : h2->tp_mac;

	if (!expect(*status_of(r) & TP_STATUS_USER) || !expect(len == 14 + strlen(what)) ||
	    !expect(memcmp(frame(r) + mac + 14, what, strlen(what)) == 0)) {
		fprintf(stderr, "frame %u of version %d\n", r->next, r->version);
		return false;
	}
	*status_of(r) = TP_STATUS_KERNEL;
	r->next = (r->next + 1) % FRAMES;
	return true;
}

static bool make_ring(struct ring *r)
{
	struct tpacket_req3 req = { .tp_block_size = BLOCK,
				    .tp_block_nr = BLOCKS,
				    .tp_frame_size = FRAME,
				    .tp_frame_nr = FRAMES,
				    .tp_retire_blk_tov = r->version == TPACKET_V3 ? 10 : 0 };
	struct sockaddr_ll a = { .sll_family = AF_PACKET,
				 .sll_protocol = htons((uint16_t)r->proto),
				 .sll_ifindex = lo };

	r->fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (setsockopt(r->fd, SOL_PACKET, PACKET_VERSION, &r->version, sizeof(r->version)) < 0 ||
	    setsockopt(r->fd, SOL_PACKET, PACKET_RX_RING, &req,
		       r->version == TPACKET_V3 ? sizeof(req) : sizeof(struct tpacket_req)) < 0)
		return false;
	r->at = mmap(NULL, BLOCK * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	return r->at != MAP_FAILED && bind(r->fd, (struct sockaddr *)&a, sizeof(a)) == 0;
}

/* One sends by its ring too. */
static bool make_sender(void)
{
	struct tpacket_req req = { BLOCK, 1, FRAME, BLOCK / FRAME };

	return setsockopt(idle.fd, SOL_PACKET, PACKET_TX_RING, &req, sizeof(req)) == 0;
}

static bool make(void)
{
	int i;

	lo = (int)if_nametoindex("lo");
	if (!make_ring(&one) || !make_ring(&two) || !make_ring(&blocks))
		return false;
	idle.at = NULL;
	if (!make_ring(&idle) || munmap(idle.at, BLOCK * BLOCKS) < 0 || !make_sender())
		return false;
	idle.at = mmap(NULL, BLOCK * (BLOCKS + 1), PROT_READ | PROT_WRITE, MAP_SHARED, idle.fd, 0);
	/* once around and a bit, so that it stands in the middle */
	for (i = 0; i < FRAMES + 5; i++)
		if (!say(one.proto, "taken") || !take(&one, "taken"))
			return false;
	for (i = 0; i < 7; i++)
		if (!say(two.proto, "taken too") || !take(&two, "taken too"))
			return false;
	return idle.at != MAP_FAILED && say(two.proto, "not taken") && say(two.proto, "nor this");
}

static bool sends(void)
{
	struct tpacket2_hdr *h = (void *)(idle.at + BLOCK * BLOCKS);
	char *data = (char *)h + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll);
	uint16_t proto = htons((uint16_t)idle.proto);

	memset(data, 0, 14);
	memcpy(data + 12, &proto, sizeof(proto));
	memcpy(data + 14, "by ring", 7);
	h->tp_len = 21;
	h->tp_status = TP_STATUS_SEND_REQUEST;
	return expect(send(idle.fd, NULL, 0, 0) == 21) && take(&idle, "by ring");
}

static bool takes_block(void)
{
	struct tpacket_block_desc *b = (void *)blocks.at;
	struct tpacket3_hdr *h;
	int i;

	if (!say(blocks.proto, "in a block"))
		return false;
	for (i = 0; i < 100 && !(b->hdr.bh1.block_status & TP_STATUS_USER); i++)
		victim_sleep(10);
	h = (void *)((char *)b + b->hdr.bh1.offset_to_first_pkt);
	return expect(b->hdr.bh1.num_pkts == 1) && expect(h->tp_len == 24) &&
	       expect(memcmp((char *)h + h->tp_mac + 14, "in a block", 10) == 0);
}

static bool same(void)
{
	return take(&two, "not taken") && take(&two, "nor this") &&
	       expect(!(*status_of(&two) & TP_STATUS_USER)) && say(two.proto, "later") &&
	       take(&two, "later") && say(one.proto, "the next") && take(&one, "the next") &&
	       sends() && takes_block();
}

VICTIM(make, same)
