/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_ADDR_MAP_H
#define CORE_ADDR_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

/*
 * --tcp-map OLD=NEW: addresses that sockets have had, and what they are to have.
 * Addresses are in network order, IPv4 with one word.
 *
 *	10.0.0.1=10.0.1.1			one address, all ports
 *	10.0.0.1:80=10.0.1.1:8080		one port
 *	[fd00::1]:80=[fd01::1]			the port stays
 *	10.0.0.0/24=10.0.1.0/24			the bits behind the prefix stay
 */
struct addr_map {
	size_t words;
	uint32_t old[4], new[4];
	unsigned int prefix;	     /* bits that are looked at, and replaced */
	uint16_t old_port, new_port; /* 0: any; the same */
};

typedef vec(struct addr_map) addr_maps;

int addr_map_parse(const char *text, struct addr_map *map_ret, struct err *err);

/* The first that fits changes @addr (1 or 4 words) and @port.  IPv4 also as IPv6 writes it. */
void addr_map_apply(const addr_maps *maps, uint32_t *addr, size_t words, uint32_t *port);

#endif
