/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SOCK_UNIX_H
#define SOCK_UNIX_H

#include <sys/socket.h>
#include <sys/un.h>

#include "base/vec.h"
#include "core/kind.h"
#include "images/sk-packet.pb-c.h"
#include "images/sk-unix.pb-c.h"

/*
 * What the files of this kind share: unix.c (the kind: dump), unix_diag.c (what
 * only sock_diag tells), unix_path.c (names and their files), unix_queue.c (what
 * was sent and not read), unix_plan.c, unix_make.c and unix_dgram.c (restore).
 */

/* As in unix_sk_entry. */
enum { UNIX_ESTABLISHED = 1, UNIX_CLOSED = 7, UNIX_LISTEN = 10 };
enum {
	UNIX_EXTERN = 1,
	UNIX_SERVICE = 2, /* it asked for the dump: the restored one is told that it is */
};

/* How it comes back. */
enum unix_role {
	UNIX_PLAIN,   /* created; bound, listening, or a datagram socket that may be connected */
	UNIX_PAIR,    /* with its peer, by socketpair() */
	UNIX_ALONE,   /* by socketpair(); the other end is closed at the end */
	UNIX_CLIENT,  /* connects to a listener */
	UNIX_SERVER,  /* accepted from it */
	UNIX_PENDING, /* connects, and waits to be accepted */
};

/* A message in a queue. */
struct unix_packet {
	SkPacketEntry *entry;
	const char *data;
};

struct unix_sk {
	UnixSkEntry *e;
	uint32_t id; /* of the file */

	/* dump */
	bool has_peer;	 /* also one that is closed or not accepted: e->peer is 0 then */
	uint32_t *icons; /* clients that wait to be accepted; 0: one that is closed */
	size_t nr_icons;
	bool is_waiting;   /* it is such a client */
	struct task *task; /* who has it, and where; NULL: it is outside of the tree */
	int fd;

	/* restore */
	struct file *f;
	enum unix_role role;
	struct unix_sk *peer;	     /* where it sends to */
	struct unix_sk *pair;	     /* UNIX_PAIR: made together with it */
	bool is_inherited;	     /* from --inherit-fd: as it is */
	struct unix_sk *listener;    /* of clients, servers and pending ones */
	struct unix_sk *last_server; /* of a listener: one of the servers that are made last */
	vec(struct unix_packet) queue;
	int other; /* UNIX_ALONE: the other end, until the queue is full; -1: none */
};

typedef vec(struct unix_sk *) sk_list;

struct unix_state {
	sk_list all;
	bool is_sorted; /* by inode */
	bool is_planned;
	int diag;			 /* sock_diag, from the first socket on; 0: not yet */
	const struct ns *diag_of;	 /* the network namespace in which it asks */
	struct image *queues;		 /* dump: sk-queues.img */
	vec(struct unix_packet) packets; /* restore: the same, read */
	bool has_taken;
	vec(UnixSkEntry) taken; /* restore: abstract names of this host, sorted */
};

extern const struct file_kind unix_kind;

/* By inode.  Do it before going through them, if unix_find() may be called meanwhile. */
void unix_sort(struct unix_state *s);

/* The socket with this inode, NULL if it is none of ours. */
struct unix_sk *unix_find(struct unix_state *s, uint32_t ino);

static inline bool unix_is_abstract(const UnixSkEntry *e)
{
	return e->name.len > 0 && e->name.data[0] == '\0';
}

static inline bool unix_has_path(const UnixSkEntry *e)
{
	return e->name.len > 0 && e->name.data[0] != '\0';
}

/* The name without the NUL behind it that CRIU keeps. */
size_t unix_name_len(const UnixSkEntry *e);
int unix_compare_names(const UnixSkEntry *a, const UnixSkEntry *b);
bool unix_same_name(const UnixSkEntry *a, const UnixSkEntry *b);
/* For messages: "/run/x", "@abstract", "without a name". */
const char *unix_name_text(struct arena *a, const UnixSkEntry *e);

/* ---- unix_diag.c ---- */

/* State, peer, shutdown, backlog of @sk->e, and its icons. */
int unix_diag_collect(struct dump *d, struct unix_state *s, struct unix_sk *sk, struct err *err);

/* The record of a socket outside of the tree: all that is needed to connect to it by name. */
int unix_diag_outside(struct dump *d, struct unix_state *s, uint32_t ino, UnixSkEntry **e_ret,
		      struct err *err);

/* Plan: has a socket here the abstract name of @e?  Names are told apart by type too. */
int unix_diag_is_taken(struct restore *r, struct unix_state *s, const UnixSkEntry *e,
		       bool *taken_ret, struct err *err);

/* ---- unix_path.c ---- */

int unix_path_collect(struct dump *d, const struct fd_probe *p, UnixSkEntry *e, struct err *err);

/* Plan: can it have its name here?  A socket file that nobody uses any more is no hindrance. */
int unix_path_plan(struct restore *r, const struct file *f, struct err *err);

/*
 * Give @fd the name of @e.  @apart: only the name, in a file system that nobody
 * else sees; for sockets whose file was deleted or belongs to another one.
 */
int unix_path_bind(struct restore *r, int fd, const UnixSkEntry *e, bool apart, struct err *err);

/* Connect to the socket @to, open as @to_fd, whatever its name has become. */
int unix_path_connect(int fd, const UnixSkEntry *to, int to_fd, struct err *err);

/* Connect to a socket that is not of the tree: only its name is known. */
int unix_path_connect_outside(int fd, const UnixSkEntry *to, struct err *err);

/*
 * An address that reaches it.  *keep_ret is a descriptor to close when the
 * address is no more needed, or -1.
 */
int unix_path_address(const UnixSkEntry *to, int to_fd, struct sockaddr_un *addr_ret,
		      socklen_t *len_ret, int *keep_ret, struct err *err);

/* ---- unix_queue.c ---- */

int unix_queue_drain(struct dump *d, struct unix_state *s, struct file *f, const UnixSkEntry *e,
		     struct err *err);

int unix_queue_read(struct restore *r, struct unix_state *s, struct err *err);

/* Plan: packets to their sockets, files in flight to the task that opens the socket. */
int unix_queue_plan(struct restore *r, struct unix_state *s, struct err *err);

/* Until sockopt_end() sets it right, @fd can send everything that @sk had in its queue. */
int unix_queue_room(struct restore *r, const struct unix_sk *sk, int fd, struct err *err);

/* Send packets [@from, @to) of @sk through @fd, which is connected to it, or to @addr. */
int unix_queue_send(struct restore *r, const struct unix_sk *sk, size_t from, size_t to, int fd,
		    const struct sockaddr_un *addr, socklen_t len, struct err *err);

/* ---- unix_plan.c ---- */

int unix_plan_all(struct restore *r, struct unix_state *s, struct err *err);

/* ---- unix_make.c ---- */

int unix_open(struct restore *r, struct file *f, struct err *err);
int unix_link(struct restore *r, struct file *f, int fd, struct err *err);
/* file_borrow() of its file; refuses one that no task has. */
int unix_borrow(struct restore *r, struct unix_sk *sk, bool *lent_ret, struct err *err);
/* What comes last: shut directions, sizes of buffers. */
int unix_finish(struct restore *r, const struct unix_sk *sk, int fd, struct err *err);

/* ---- unix_dgram.c ---- */

int unix_dgram_link(struct restore *r, struct unix_sk *sk, int fd, struct err *err);

#endif
