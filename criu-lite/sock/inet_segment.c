/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inet_segment - what the peer of a TCP connection sent, sent once more by us
 *
 * Packets with our mark, made by hand, which take the way over lo.
 */
#include <errno.h>
#include <time.h>

#include "sock/inet.h"

/* A header with the one option that it may have. */
struct segment_head {
	struct tcphdr tcp;
	uint8_t nop[2], kind, size;
	uint32_t clock, echo;
};

int inet_segment_send(const struct inet_pair *p, const struct inet_segment *s, struct err *err)
{
	size_t len = s->echo ? sizeof(struct segment_head) : sizeof(struct tcphdr);
	struct segment_head head = { .tcp = { .source = htons(p->dst_port),
					      .dest = htons(p->src_port),
					      .seq = htonl(s->seq),
					      .ack_seq = htonl(s->ack),
					      .doff = (uint16_t)(len / 4) & 15,
					      .fin = s->fin,
					      .rst = s->rst,
					      .ack = 1,
					      .window = htons(s->window) },
				     .nop = { TCPOPT_NOP, TCPOPT_NOP },
				     .kind = TCPOPT_TIMESTAMP,
				     .size = TCPOLEN_TIMESTAMP,
				     .echo = htonl(s->echo) };
	struct inet_packet packet = { .proto = IPPROTO_TCP,
				      .words = p->words,
				      .src = p->dst,
				      .dst = p->src,
				      .head = &head,
				      .head_len = len,
				      .check = &head.tcp.check };
	int ret = inet_packet_send(&packet);

	if (ret == 0)
		return 0;
	err_set(err, -ret, "cannot send what the peer of a connection had sent");
	return err_hint(err, "rules of the network must not drop packets on lo");
}

static bool is_in_state(int fd, uint32_t state)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, SOL_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_state == state;
}

/* It may arrive a moment later, or be lost when there is much to do. */
int inet_segment_send_until(int fd, const struct inet_pair *p, const struct inet_segment *s,
			    uint32_t state, struct err *err)
{
	const struct timespec wait = { .tv_nsec = 1000000 };
	int i, k;

	for (i = 0; i < 20; i++) {
		if (inet_segment_send(p, s, err) < 0)
			return -err->code;
		for (k = 0; k <= i; k++) {
			if (is_in_state(fd, state))
				return 0;
			nanosleep(&wait, NULL);
		}
	}
	err_set(err, ETIMEDOUT, "cannot bring a TCP connection into state %u", state);
	return err_hint(err, "do rules of the network drop packets on lo?");
}
