/* SPDX-License-Identifier: GPL-2.0-only */
/* requests: from bytes to options */
#include <stdlib.h>
#include <string.h>

#include "images/unpack.h"
#include "options.h"
#include "options_words.h"
#include "rpc_peer.h"
#include "rpc_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_request(struct arena *a, const uint8_t *data, size_t size, struct err *err)
{
	struct peer peer = { .sock = -1, .proc = -1 };
	struct rpc_dirs dirs = { -1, -1 };
	struct option_request q = { .command = COMMAND_DUMP, .name = "dump" };
	struct options o;
	CriuReq *req;
	void *msg;
	int ret;

	if (message_unpack(a, &criu_req__descriptor, data, size, &msg, err) < 0)
		return -err->code;
	req = msg;
	if (!req->opts)
		return 0;
	ret = rpc_words(a, req->opts, &peer, size % 2, &dirs, &q, err);
	if (ret == 0)
		ret = options_request(&o, a, NULL, &q, err);
	rpc_dirs_fini(&dirs);
	return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { 0 };
	struct arena a;

	arena_init(&a);
	if ((read_request(&a, data, size, &err) < 0) != (err.code != 0))
		abort();
	arena_fini(&a);
	return 0;
}
