/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_STATS_H
#define CORE_STATS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

/*
 * Times and counts of a run, as CRIU writes them into stats-dump and
 * stats-restore.  They are in memory that all tasks of a restore share.
 */
enum stat_time {
	STAT_FREEZING, /* until all is stopped */
	STAT_FROZEN,   /* from the first stop until tasks run again or are gone */
	STAT_MEMDUMP,  /* finding out which pages are to be kept, and keeping them */
	STAT_MEMWRITE, /* of that, writing them */
	STAT_IRMAP,    /* paths of inotify watches */
	STAT_FORKING,  /* from the first to the last newborn */
	STAT_RESTORE,  /* all */
	STAT_TIMES,
};

enum stat_count {
	STAT_PAGES_SCANNED,
	STAT_PAGES_SKIPPED_PARENT,
	STAT_PAGES_WRITTEN, /* private memory; with the next: all pages in pages-*.img */
	STAT_SHPAGES_SCANNED,
	STAT_SHPAGES_SKIPPED_PARENT,
	STAT_SHPAGES_WRITTEN,
	STAT_PAGES_LAZY,
	STAT_PAGES_COMPARED,
	STAT_PAGES_SKIPPED_COW,
	STAT_PAGES_RESTORED,
	STAT_COUNTS,
};

struct stats *stats_new(struct arena *a);

/* A time may be measured in several parts; they add up. */
void stats_start(struct stats *s, enum stat_time what);
void stats_stop(struct stats *s, enum stat_time what);
uint64_t stats_time(const struct stats *s, enum stat_time what); /* microseconds */
void stats_add(struct stats *s, enum stat_count what, uint64_t n);

/* Write the file into directory @work; it replaces one of that name. */
int stats_write_dump(struct stats *s, int work, struct err *err);
int stats_write_restore(struct stats *s, int work, struct err *err);

/* --display-stats */
void stats_print_dump(struct stats *s);
void stats_print_restore(struct stats *s);

#endif
