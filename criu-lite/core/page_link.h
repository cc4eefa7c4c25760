/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_PAGE_LINK_H
#define CORE_PAGE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "core/opts.h"

/*
 * A connection with a page server, from either side, in the protocol of CRIU
 * 4.2: messages in the layout of the machine, some with pages behind.  With --tls
 * all of it is inside of TLS.
 *
 * Errors name the peer.  Calls wait, but not for a peer that is gone: -ETIMEDOUT;
 * and not when somebody wants us to end (guard.h): -EINTR.
 */
struct page_link;

enum page_cmd {
	PAGE_ADD = 1,	     /* of old: pages follow */
	PAGE_HOLE = 2,	     /* of old: what the parent has */
	PAGE_OPEN = 3,	     /* of old: no answer */
	PAGE_OPEN2 = 4,	     /* answer: a byte, whether there is a parent */
	PAGE_PARENT = 5,     /* answer: an int, whether there is a parent */
	PAGE_ADD_F = 6,	     /* pages follow if PAGES_PRESENT is among the flags; core/pagemap.h */
	PAGE_GET = 7,	     /* answer: PAGE_ADD_F */
	PAGE_CLOSE = 0x1023, /* answer: an int, 0 */
	PAGE_FORCE_CLOSE = 0x1024, /* the same */
};

struct page_msg {
	uint32_t cmd; /* flags << 16 | enum page_cmd */
	uint32_t pad;
	uint64_t nr_pages, addr;
	uint64_t object;
};

/* What pages belong to: a task or shared memory. GET has the pid alone. */
enum { PAGE_TASK = 1, PAGE_SHMEM = 2 };

static inline uint64_t page_object(unsigned long id, int type)
{
	return (uint64_t)id << 8 | (uint64_t)type;
}

/* As a client: to --address and --port, or over --ps-socket. */
int page_link_connect(struct arena *a, const struct remote_opts *o, struct page_link **link_ret,
		      struct err *err);

/* As a server: a socket that listens, and its port.  The caller owns it. */
int page_link_listen(const struct remote_opts *o, unsigned int *port_ret, struct err *err);

/* One client of @sock, or --ps-socket if @sock is -1.  Takes @sock, where nobody else can connect any more. */
int page_link_accept(struct arena *a, const struct remote_opts *o, int sock,
		     struct page_link **link_ret, struct err *err);

/* NULL is allowed.  @ok: all has been said; the peer is waited for. */
void page_link_close(struct page_link *l, bool ok);

static inline void scoped_page_link_end(struct page_link **l)
{
	page_link_close(*l, false);
}

#define scoped_page_link __attribute__((cleanup(scoped_page_link_end))) struct page_link

/* Who is there, for messages: "127.0.0.1:5432". */
const char *page_link_peer(const struct page_link *l);

/* What to do when it is lost; @hint is kept. */
void page_link_set_hint(struct page_link *l, const char *hint);

/* To be polled; bytes may wait behind it all the same, if @page_link_pending says so. */
int page_link_fd(const struct page_link *l);
bool page_link_pending(const struct page_link *l);

/* @more: what follows may go out together with it. */
int page_link_send(struct page_link *l, enum page_cmd cmd, uint32_t flags, uint64_t nr_pages,
		   uint64_t addr, uint64_t object, bool more, struct err *err);
int page_link_write(struct page_link *l, const void *buf, size_t len, bool more, struct err *err);

/* All @len bytes: -ENODATA if the peer ends before. */
int page_link_read(struct page_link *l, void *buf, size_t len, struct err *err);

/* The next message; *@found_ret is false if the peer has ended in front of it. */
int page_link_recv(struct page_link *l, struct page_msg *m, bool *found_ret, struct err *err);

/* Client: a question about @object with an answer of @len bytes. */
int page_link_ask(struct page_link *l, enum page_cmd cmd, uint64_t object, void *answer, size_t len,
		  struct err *err);

/* Client: say that this is all, and hear whether the server has it.  Takes @l. */
int page_link_finish(struct page_link *l, struct err *err);

#endif
