/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_INVENTORY_H
#define CORE_INVENTORY_H

#include "core/context.h"

/* inventory.img: written last, so that an unfinished dump has none; read first. */
int inventory_write(struct dump *d, struct err *err);

/* The same for a pre-dump, from which nobody can restore. */
int inventory_write_predump(struct dump *d, struct err *err);

/* The link "parent" in a directory of images, if there is none. */
int inventory_link_parent(const struct store *s, const char *parent_dir, struct err *err);

/* Dump: with --prev-images-dir, make the link "parent", and find out what it leads to. */
int inventory_open_parent(struct dump *d, struct err *err);

/* A name for this run, made when first asked for. */
const char *inventory_run_id(struct dump *d);

/* Read it, tell the store its version, and refuse what cannot be restored here. */
int inventory_read(struct restore *r, struct err *err);

/* pstree.img and ids-PID.img. */
int tree_write(struct dump *d, struct err *err);

#endif
