/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unix_plan - which socket is made how, by which task, after which other one
 *
 * Two stream sockets that are connected came into being by socketpair(), or one
 * connected to a listener and the other was accepted from it and has its name.
 * If that listener is still there, the connection is made again through it: the
 * client in its own task, because SO_PEERCRED of the server tells who that was.
 * If it is gone, they are made as a pair, and the server gets its name alone.
 *
 *	listener  <  clients  <  servers  <  clients that wait to be accepted
 *
 * Datagram sockets are made one by one and connected in stage link; only who is
 * connected to one without a name must have been made with it by socketpair().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sock/unix.h"

static int compare_inodes(const void *a, const void *b)
{
	uint32_t x = (*(struct unix_sk *const *)a)->e->ino,
		 y = (*(struct unix_sk *const *)b)->e->ino;

	return x < y ? -1 : x > y;
}

void unix_sort(struct unix_state *s)
{
	if (!s->is_sorted && s->all.n)
		qsort(s->all.items, s->all.n, sizeof(*s->all.items), compare_inodes);
	s->is_sorted = true;
}

struct unix_sk *unix_find(struct unix_state *s, uint32_t ino)
{
	UnixSkEntry e = { .ino = ino };
	struct unix_sk key = { .e = &e }, *k = &key, **found;

	unix_sort(s);
	found = bsearch(&k, s->all.items, s->all.n, sizeof(k), compare_inodes);
	return found ? *found : NULL;
}

/* ---- by name ---- */

static int compare_texts(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

/* A server has the file of its listener; others may have the same name elsewhere. */
static int compare_names(const void *pa, const void *pb)
{
	const UnixSkEntry *a = (*(struct unix_sk *const *)pa)->e,
			  *b = (*(struct unix_sk *const *)pb)->e;
	int names = unix_compare_names(a, b);

	if (names || !unix_has_path(a))
		return names;
	if (a->mnt_id != b->mnt_id)
		return a->mnt_id < b->mnt_id ? -1 : 1;
	names = compare_texts(a->name_dir, b->name_dir);
	return names ? names : compare_texts(a->moved_to, b->moved_to);
}

static bool is_stream(const struct unix_sk *sk)
{
	return sk->e->type != SOCK_DGRAM;
}

static sk_list sorted_listeners(struct restore *r, struct unix_state *s)
{
	sk_list list = { 0 };
	struct unix_sk **sk;

	vec_for_each(sk, &s->all)
		if (is_stream(*sk) && (*sk)->e->state == UNIX_LISTEN && (*sk)->e->name.len)
			*vec_add(r->arena, &list) = *sk;
	if (list.n)
		qsort(list.items, list.n, sizeof(*sk), compare_names);
	return list;
}

static struct unix_sk *find_listener(const sk_list *listeners, const struct unix_sk *sk)
{
	struct unix_sk *const *found = NULL;

	if (sk->e->name.len && listeners->n)
		found = bsearch(&sk, listeners->items, listeners->n, sizeof(sk), compare_names);
	return found && (*found)->e->type == sk->e->type ? *found : NULL;
}

/* ---- streams ---- */

/* SO_PEERCRED tells who has called socketpair(). */
static void plan_maker(struct restore *r, struct unix_sk *sk)
{
	struct task *t = sk->e->has_peer_pid ? task_by_pid(r->tree, (pid_t)sk->e->peer_pid) : NULL;

	if (t)
		file_maker(sk->f, t);
}

static void plan_pair(struct restore *r, struct unix_sk *a, struct unix_sk *b)
{
	a->role = b->role = UNIX_PAIR;
	a->pair = b;
	b->pair = a;
	file_join(a->f, b->f);
	plan_maker(r, a);
}

static void plan_accepted(struct restore *r, struct unix_sk *server, struct unix_sk *client,
			  struct unix_sk *listener)
{
	server->role = UNIX_SERVER;
	server->listener = listener;
	file_join(listener->f, server->f);
	file_after(r, server->f, listener->f);
	if (client || !listener->last_server)
		listener->last_server = server;
	if (!client)
		return;
	client->role = UNIX_CLIENT;
	client->listener = listener;
	file_after(r, client->f, listener->f);
	file_after(r, server->f, client->f);
}

static int plan_connection(struct restore *r, const sk_list *listeners, struct unix_sk *a,
			   struct unix_sk *b, struct err *err)
{
	struct unix_sk *of_a = find_listener(listeners, a), *of_b = find_listener(listeners, b);

	if (b->peer != a || b->e->state != UNIX_ESTABLISHED)
		return err_set(err, EBADMSG,
			       "cannot connect the sockets %u and %u: their records do not agree",
			       a->id, b->id);
	if (a->role != UNIX_PLAIN)
		return 0; /* planned with its peer */
	if (of_a)
		plan_accepted(r, a, b, of_a);
	else if (of_b)
		plan_accepted(r, b, a, of_b);
	else
		plan_pair(r, a, b);
	return 0;
}

static int plan_stream(struct restore *r, const sk_list *listeners, struct unix_sk *sk,
		       struct err *err)
{
	struct unix_sk *listener;

	if (sk->e->uflags & UNIX_SERVICE) {
		sk->role = UNIX_ALONE;
		return 0;
	}
	if (sk->e->state != UNIX_ESTABLISHED)
		return 0;
	if (sk->peer && sk->peer->e->state == UNIX_LISTEN) {
		sk->role = UNIX_PENDING;
		sk->listener = sk->peer;
		file_after(r, sk->f, sk->listener->f);
		return 0;
	}
	if (sk->peer)
		return plan_connection(r, listeners, sk, sk->peer, err);

	listener = find_listener(listeners, sk);
	if (listener)
		plan_accepted(r, sk, NULL, listener);
	else {
		sk->role = UNIX_ALONE;
		plan_maker(r, sk);
	}
	return 0;
}

/* Who waits to be accepted comes behind everybody who has been. */
static void plan_order(struct restore *r, const struct unix_state *s)
{
	struct unix_sk **sk;

	vec_for_each(sk, &s->all)
		if ((*sk)->role == UNIX_PENDING && (*sk)->listener->last_server)
			file_after(r, (*sk)->f, (*sk)->listener->last_server->f);
}

/* ---- datagrams ---- */

static int plan_datagram(struct restore *r, struct unix_sk *sk, struct err *err)
{
	struct unix_sk *peer = sk->peer;

	if (sk->e->peer_gone && !sk->e->name.len && !sk->pair)
		sk->role = UNIX_ALONE;
	if (!peer || peer->e->name.len || sk->pair == peer)
		return 0;
	if (peer->pair || sk->pair) {
		err_set(err, EOPNOTSUPP, "cannot connect the datagram sockets %u and %u", sk->id,
			peer->id);
		err_why(err, "the second has no name and was made together with another one");
		return err_hint(err, "this state of sockets cannot be restored yet");
	}
	plan_pair(r, sk, peer);
	return 0;
}

/* ---- all ---- */

static int find_peer(struct unix_state *s, struct unix_sk *sk, struct err *err)
{
	if (sk->e->peer)
		sk->peer = unix_find(s, sk->e->peer);
	if (sk->e->peer && (!sk->peer || sk->peer->e->type != sk->e->type))
		return err_set(err, EBADMSG,
			       "cannot connect socket %u: its peer, inode %u, is not in the images",
			       sk->id, sk->e->peer);
	return 0;
}

int unix_plan_all(struct restore *r, struct unix_state *s, struct err *err)
{
	sk_list listeners;
	struct unix_sk **sk;

	unix_sort(s);
	vec_for_each(sk, &s->all)
		if (find_peer(s, *sk, err) < 0)
			return -err->code;
	listeners = sorted_listeners(r, s);
	vec_for_each(sk, &s->all)
		if ((is_stream(*sk) ? plan_stream(r, &listeners, *sk, err)
				    : plan_datagram(r, *sk, err)) < 0)
			return -err->code;
	plan_order(r, s);
	return unix_queue_plan(r, s, err);
}
