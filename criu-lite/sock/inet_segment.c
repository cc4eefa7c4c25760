/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inet_segment - what the peer of a TCP connection sent, sent once more by us
 *
 * Packets with our mark, made by hand, which take the way over lo.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "sock/inet.h"

struct segment_head {
	struct tcphdr tcp;
	uint8_t options[20];
};

/* Their length, a multiple of four. */
static size_t put_options(uint8_t *o, const struct inet_segment *s)
{
	const uint8_t mss[] = { TCPOPT_MAXSEG, TCPOLEN_MAXSEG, (uint8_t)(s->mss >> 8),
				(uint8_t)s->mss };
	const uint8_t sack[] = { TCPOPT_NOP, TCPOPT_NOP, TCPOPT_SACK_PERMITTED,
				 TCPOLEN_SACK_PERMITTED };
	const uint8_t wscale[] = { TCPOPT_NOP, TCPOPT_WINDOW, TCPOLEN_WINDOW, s->wscale };
	const uint8_t clock[] = { TCPOPT_NOP, TCPOPT_NOP, TCPOPT_TIMESTAMP, TCPOLEN_TIMESTAMP };
	const uint32_t echo[] = { 0, htonl(s->echo) };
	uint8_t *at = o;

	if (s->syn)
		at = mempcpy(at, mss, sizeof(mss));
	if (s->syn && s->has_sack)
		at = mempcpy(at, sack, sizeof(sack));
	if (s->syn && s->has_wscale)
		at = mempcpy(at, wscale, sizeof(wscale));
	if (s->echo)
		at = mempcpy(mempcpy(at, clock, sizeof(clock)), echo, sizeof(echo));
	return (size_t)(at - o);
}

int inet_segment_send(const struct inet_pair *p, const struct inet_segment *s, struct err *err)
{
	struct segment_head head = { .tcp = { .source = htons(p->dst_port),
					      .dest = htons(p->src_port),
					      .seq = htonl(s->seq),
					      .ack_seq = htonl(s->ack),
					      .fin = s->fin,
					      .rst = s->rst,
					      .syn = s->syn,
					      .ack = !s->syn,
					      .window = htons(s->window) } };
	size_t len = sizeof(head.tcp) + put_options(head.options, s);
	struct inet_packet packet = { .proto = IPPROTO_TCP,
				      .words = p->words,
				      .src = p->dst,
				      .dst = p->src,
				      .head = &head,
				      .head_len = len,
				      .check = &head.tcp.check,
				      .data = s->data,
				      .len = s->len };
	int ret;

	head.tcp.doff = (uint16_t)(len / 4) & 15;
	ret = inet_packet_send(&packet);
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
