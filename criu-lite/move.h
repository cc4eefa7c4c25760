/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MOVE_H
#define MOVE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"

/*
 * A tree moves to another host: `criu-lite migrate` here, `criu-lite agent` there,
 * and something that connects them (ssh).
 *
 *	migrate				agent
 *	HELLO  id, kind of machine
 *	ARG    of restore, each
 *	FILE_IS, PID, SPACE		what the tree needs
 *	CHECK				-> OK, or NO with an error
 *	(the tree is dumped, and stays frozen)
 *	IMAGE  each			-> (nothing)
 *	RESTORE				-> READY: all is complete, and stopped; or NO
 *	GO				-> DONE with a pid: it runs; or NO: it will never run
 *	(the tree ends here)
 *
 * Until GO is sent, the tree here goes on whatever happens; the other one ends
 * when its connection does.  Once GO is sent and no answer comes, the tree here
 * stays frozen until a new connection has told what became of that (ASK -> DONE or
 * NO; after NO that id is never begun any more).
 */
enum move_type {
	MOVE_HELLO = 1,
	MOVE_ARG,
	MOVE_FILE_IS,
	MOVE_PID,
	MOVE_SPACE,
	MOVE_CHECK,
	MOVE_IMAGE,
	MOVE_RESTORE,
	MOVE_GO,
	MOVE_ASK,
	MOVE_OK = 100,
	MOVE_NO,
	MOVE_READY,
	MOVE_DONE,
};

enum { MOVE_VERSION = 1, MOVE_TEXT_MAX = 8192 };

struct move_hello {
	uint32_t version;
	char id[40];
	char machine[65]; /* as uname() has it */
};

/* A message; all of it, or -errno. */
int move_send(int fd, enum move_type type, const void *data, size_t len);
int move_send_text(int fd, enum move_type type, const char *text);
/*
 * The head of the next one: then *len_ret bytes follow.  -ENODATA: the other side is gone.
 */
int move_receive_head(int fd, enum move_type *type_ret, uint64_t *len_ret);
/* One that is not longer than @room; text gets a NUL behind it. */
int move_receive(int fd, enum move_type *type_ret, char *buf, size_t room, size_t *len_ret);

/* A file of the images directory @dir, by name. */
int move_send_image(int fd, int dir, const char *name, struct err *err);
int move_receive_image(int fd, int dir, uint64_t len, struct err *err);

/* @dir and the files in it. */
void move_remove_dir(const char *dir);

/* The commands. */
int migrate_run(struct arena *a, int argc, char **argv, struct err *err);
int agent_run(struct arena *a, int argc, char **argv, struct err *err);
void move_usage(FILE *f);

#endif
