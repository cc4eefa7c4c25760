/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * the attributes of netlink messages: the input is the length of the fixed part,
 * the type of an attribute, its least length, and the payload
 */
#include <stdlib.h>
#include <string.h>

#include "core/netlink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nlmsghdr *h;
	const uint8_t *at;
	size_t len = 0, sum = 0;

	if (size < 3)
		return 0;
	h = malloc(sizeof(*h) + size - 3);
	memset(h, 0, sizeof(*h));
	h->nlmsg_len = (uint32_t)(sizeof(*h) + size - 3);
	memcpy(h + 1, data + 3, size - 3);

	if ((netlink_payload(h, data[0]) != NULL) != (size - 3 >= data[0]))
		abort();
	at = netlink_attr(h, data[0], data[1], data[2], &len);
	if (at && len < data[2])
		abort();
	/* all of it can be read */
	for (size_t i = 0; at && i < len; i++)
		sum += at[i];
	free(h);
	return sum == SIZE_MAX;
}
