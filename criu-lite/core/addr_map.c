/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * addr_map - new addresses for old ones
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr_map.h"

/* ---- parsing ---- */

struct side {
	char addr[64];
	size_t words;
	uint32_t bits[4];
	unsigned int prefix;
	uint16_t port;
	bool has_prefix;
};

static bool parse_number(const char *text, unsigned long max, unsigned long *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	*ret = strtoul(text, &end, 10);
	return *end == '\0' && *ret <= max;
}

/* What follows an address: nothing, ":PORT" or "/PREFIX". */
static bool parse_rest(struct side *s, const char *rest)
{
	unsigned long n;

	s->prefix = (unsigned int)s->words * 32;
	if (*rest == '\0')
		return true;
	s->has_prefix = *rest == '/';
	if (!parse_number(rest + 1, s->has_prefix ? s->prefix : 65535, &n))
		return false;
	if (s->has_prefix)
		s->prefix = (unsigned int)n;
	else
		s->port = (uint16_t)n;
	return s->has_prefix || (*rest == ':' && n > 0);
}

/* "1.2.3.4", "fd00::1", "[fd00::1]", each with its rest. */
static bool parse_side(const char *text, size_t len, struct side *s)
{
	char copy[96], *addr = copy, *rest;

	*s = (struct side){ 0 };
	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (*copy == '[') {
		char *end = strchr(copy, ']');

		if (!end)
			return false;
		*end = '\0';
		addr = copy + 1;
		rest = end + 1;
	} else {
		bool is_v6 = strchr(copy, ':') != strrchr(copy, ':');

		rest = copy + strcspn(copy, is_v6 ? "/" : "/:");
	}
	snprintf(s->addr, sizeof(s->addr), "%.*s",
		 (int)(*copy == '[' ? strlen(addr) : (size_t)(rest - addr)), addr);
	if (inet_pton(AF_INET, s->addr, s->bits) == 1)
		s->words = 1;
	else if (inet_pton(AF_INET6, s->addr, s->bits) == 1)
		s->words = 4;
	return s->words && parse_rest(s, rest);
}

static const char *complaint(const struct side *old, const struct side *new)
{
	if (old->words != new->words)
		return "one side is IPv4, the other IPv6";
	if (old->prefix != new->prefix)
		return "both sides must have the same prefix";
	if (new->port && !old->port)
		return "there is a new port, but no old one";
	return NULL;
}

int addr_map_parse(const char *text, struct addr_map *map, struct err *err)
{
	const char *to = strchr(text, '='), *why = "it takes two addresses";
	struct side old, new;

	if (to && parse_side(text, (size_t)(to - text), &old) &&
	    parse_side(to + 1, strlen(to + 1), &new))
		why = complaint(&old, &new);
	if (why) {
		err_set(err, EINVAL, "cannot use --tcp-map %s", text);
		err_why(err, "%s", why);
		return err_hint(err, "give --tcp-map OLD=NEW with addresses (10.0.0.1, fd00::1), "
				     "addresses and ports (10.0.0.1:80, [fd00::1]:80) or prefixes "
				     "(10.0.0.0/24)");
	}
	*map = (struct addr_map){
		.words = old.words, .prefix = old.prefix, .old_port = old.port, .new_port = new.port
	};
	memcpy(map->old, old.bits, sizeof(map->old));
	memcpy(map->new, new.bits, sizeof(map->new));
	return 0;
}

/* ---- using ---- */

/* Of the prefix, what lies in word @i. */
static uint32_t mask_of(unsigned int prefix, size_t i)
{
	if (prefix >= 32 * (i + 1))
		return 0xffffffff;
	return prefix <= 32 * i ? 0 : htonl(~0u << (32 * (i + 1) - prefix));
}

static bool fits(const struct addr_map *m, const uint32_t *addr, uint32_t port)
{
	if (m->old_port && m->old_port != port)
		return false;
	for (size_t i = 0; i < m->words; i++)
		if ((addr[i] ^ m->old[i]) & mask_of(m->prefix, i))
			return false;
	return true;
}

void addr_map_apply(const addr_maps *maps, uint32_t *addr, size_t words, uint32_t *port)
{
	bool is_mapped = words == 4 && !addr[0] && !addr[1] && addr[2] == htonl(0xffff);
	const struct addr_map *m;

	vec_for_each(m, maps) {
		uint32_t *a = is_mapped && m->words == 1 ? addr + 3 : addr;

		if ((a == addr && m->words != words) || !fits(m, a, *port))
			continue;
		for (size_t i = 0; i < m->words; i++) {
			uint32_t mask = mask_of(m->prefix, i);

			a[i] = (a[i] & ~mask) | (m->new[i] & mask);
		}
		if (m->new_port)
			*port = m->new_port;
		return;
	}
}
