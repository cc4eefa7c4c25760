/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SOCK_PACKET_H
#define SOCK_PACKET_H

#include "core/kind.h"
#include "images/packet-sock.pb-c.h"

/*
 * What the files of this kind share: packet.c (the kind), packet_diag.c (what
 * only sock_diag tells), packet_ring.c (rings: their memory and where they stand).
 */

/* Of one socket, as sock_diag tells it. */
struct packet_info {
	uint32_t ino;
	bool is_running, is_member; /* attached to a device or all; of a fanout */
	PacketSockEntry *e;	    /* all but id, type, flags, opts */
};

struct packet_state {
	bool is_asked;
	const struct ns *asked; /* where, the last time */
	vec(struct packet_info) all;
};

extern const struct file_kind packet_kind;

/* What is told of the socket @ino: *info_ret, for ever. */
int packet_diag_find(struct dump *d, uint32_t ino, struct packet_info **info_ret, struct err *err);

/* Bytes of both rings together, as they are mapped. */
uint64_t packet_ring_size(const PacketSockEntry *e);

/* Collect: what is in the rings, and which frame the kernel fills next. */
int packet_ring_collect(struct dump *d, int fd, PacketSockEntry *e, struct err *err);

/* Plan: is it possible at all? */
int packet_ring_check(const PacketSockEntry *e, struct err *err);

/* Open: have rings.  Link: have them as they were; the socket is not bound yet. */
int packet_ring_open(int fd, const PacketSockEntry *e, struct err *err);
int packet_ring_link(int fd, const PacketSockEntry *e, struct err *err);

#endif
