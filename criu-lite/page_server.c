/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * page server - memory of a dump elsewhere, into images here; or, lazy, out of them
 *
 * It serves one connection and ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/dedup.h"
#include "core/inventory.h"
#include "core/page_link.h"
#include "page_images.h"
#include "page_receive.h"
#include "page_serve.h"
#include "page_server.h"
#include "run.h"

int page_server_listen(const struct options *o, unsigned int *port_ret, int *sock_ret,
		       struct err *err)
{
	const struct remote_opts *m = &o->common.remote;

	*sock_ret = -1;
	if (m->socket >= 0)
		return 0;
	*sock_ret = page_link_listen(m, port_ret, err);
	if (*sock_ret < 0)
		return -err->code;
	/* nobody else knows which port that is */
	if (m->port)
		log_info("The page server listens at port %u", *port_ret);
	else
		log_warn("The page server listens at port %u", *port_ret);
	return 0;
}

static int open_store(struct arena *a, const struct options *o, struct store **store_ret,
		      struct err *err)
{
	int fd = fcntl(o->common.images_fd, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return err_sys(err, "cannot copy a descriptor");
	return store_open_dirfd(a, fd, store_ret, err);
}

/* --lazy-pages: the other way round. */
static int serve_images(struct arena *a, const struct options *o, struct page_link *l,
			struct err *err)
{
	struct page_served served = { 0 };
	struct page_images *images;
	struct page_source source;
	int ret;

	if (page_images_open(a, o->common.images_fd, &images, err) < 0)
		return -err->code;
	source = page_images_source(images);
	ret = page_serve(a, l, &source, &served, err);
	page_images_close(images);
	return ret;
}

static int receive(struct arena *a, const struct options *o, struct page_link *l, bool is_ours,
		   struct store *store, struct err *err)
{
	const char *parent = o->dump.parent_dir;

	if (parent && inventory_link_parent(store, parent, err) < 0)
		return -err->code;
	if (page_receive(a, l, is_ours, store, err) < 0)
		return -err->code;
	return o->common.auto_dedup ? dedup_dir(a, store, err) : 0;
}

static int serve(struct arena *a, struct options *o, int sock, struct err *err)
{
	scoped_fd listening = sock;
	scoped_page_link *l = NULL;
	scoped_store *store = NULL;
	bool is_ours = sock >= 0;

	if (open_store(a, o, &store, err) < 0 ||
	    page_link_accept(a, &o->common.remote, take_fd(&listening), &l, err) < 0)
		return -err->code;
	log_info("Connected with %s", page_link_peer(l));
	if ((o->common.lazy_pages ? serve_images(a, o, l, err)
				  : receive(a, o, l, is_ours, store, err)) < 0)
		return -err->code;
	page_link_close(take_ptr(l), true);
	return 0;
}

int page_server_serve(struct options *o, int sock, struct err *err)
{
	struct arena a;
	int ret;

	arena_init(&a);
	ret = serve(&a, o, sock, err);
	arena_fini(&a);
	return ret;
}

int page_server_run(struct options *o, struct err *err)
{
	scoped_fd sock = -1;
	unsigned int port;

	if (page_server_listen(o, &port, &sock, err) < 0)
		return -err->code;
	if (o->restore.detach && daemon(1, 0) < 0)
		return err_sys(err, "cannot go into the background");
	if (run_announce(o, err) < 0)
		return -err->code;
	return page_server_serve(o, take_fd(&sock), err);
}
