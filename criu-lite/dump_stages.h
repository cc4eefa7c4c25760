/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DUMP_STAGES_H
#define DUMP_STAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/context.h"

/* What dump.c and predump.c have in common. */

void dump_init(struct dump *d);
void dump_fini(struct dump *d);

/* /proc, the images directory, the parent dump, the first script. */
int dump_begin(struct dump *d, struct err *err);

/* The function at offset @member of every task kind, for every task; @stage is for messages. */
int dump_for_tasks(struct dump *d, const char *stage, size_t member, struct err *err);

/* The parasite into all tasks, or, for a pre-dump, those that want it; and, as the end of a stage, out. */
int dump_inject(struct dump *d, struct err *err);
int dump_cure(void *run, bool ok, struct err *err);

/*
 * With --page-server: when nothing but failures can come in between, as a server takes one
 * connection only; and then, the images are complete when it says that it has all.
 */
int dump_connect_page_server(struct dump *d, struct err *err);
int dump_finish_page_server(struct dump *d, struct err *err);

/* A dump without its inventory is no dump: nobody restores half of one by mistake. */
int dump_discard(struct dump *d, struct err *err);

/* --auto-dedup: the images are complete. */
void dump_dedup(struct dump *d);

/* The tasks go on, or are gone: dump_end() of task kinds. */
void dump_let_go(struct dump *d, bool ok);

#endif
