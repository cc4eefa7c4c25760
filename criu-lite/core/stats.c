/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stats - time of stages and numbers of pages
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#include "core/stats.h"
#include "images/image.h"
#include "images/stats.pb-c.h"

struct stats {
	struct timespec start[STAT_TIMES];
	uint64_t us[STAT_TIMES];
	uint64_t count[STAT_COUNTS];
};

struct stats *stats_new(struct arena *a)
{
	struct stats *s =
		mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	/* not shared: numbers of the newborn tasks are lost, nothing else */
	return s == MAP_FAILED ? arena_new(a, struct stats) : s;
}

void stats_start(struct stats *s, enum stat_time what)
{
	clock_gettime(CLOCK_MONOTONIC, &s->start[what]);
}

void stats_stop(struct stats *s, enum stat_time what)
{
	struct timespec now, *start = &s->start[what];

	clock_gettime(CLOCK_MONOTONIC, &now);
	s->us[what] += (uint64_t)((now.tv_sec - start->tv_sec) * 1000000L +
				  (now.tv_nsec - start->tv_nsec) / 1000);
}

uint64_t stats_time(const struct stats *s, enum stat_time what)
{
	return s->us[what];
}

void stats_add(struct stats *s, enum stat_count what, uint64_t n)
{
	__atomic_fetch_add(&s->count[what], n, __ATOMIC_RELAXED);
}

static uint32_t time_us(const struct stats *s, enum stat_time what)
{
	return s->us[what] < UINT32_MAX ? (uint32_t)s->us[what] : UINT32_MAX;
}

static int write_entry(int work, enum image_type type, const StatsEntry *e, struct err *err)
{
	struct arena a;
	struct store *store;
	int ret, fd = openat(work, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "cannot open the work directory");

	arena_init(&a);
	ret = store_open_dirfd(&a, fd, &store, err);
	if (ret == 0) {
		ret = image_put_one(store, type, 0, &e->base, err);
		store_close(store);
	}
	arena_fini(&a);
	return ret;
}

int stats_write_dump(struct stats *s, int work, struct err *err)
{
	StatsEntry e = STATS_ENTRY__INIT;
	DumpStatsEntry d = DUMP_STATS_ENTRY__INIT;

	d.freezing_time = time_us(s, STAT_FREEZING);
	d.frozen_time = time_us(s, STAT_FROZEN);
	d.memdump_time = time_us(s, STAT_MEMDUMP);
	d.memwrite_time = time_us(s, STAT_MEMWRITE);
	d.pages_scanned = s->count[STAT_PAGES_SCANNED];
	d.pages_skipped_parent = s->count[STAT_PAGES_SKIPPED_PARENT];
	d.pages_written = s->count[STAT_PAGES_WRITTEN];
	d.pages_lazy = s->count[STAT_PAGES_LAZY];
	d.has_irmap_resolve = true;
	d.irmap_resolve = time_us(s, STAT_IRMAP);
	d.has_shpages_scanned = true;
	d.shpages_scanned = s->count[STAT_SHPAGES_SCANNED];
	d.has_shpages_skipped_parent = true;
	d.shpages_skipped_parent = s->count[STAT_SHPAGES_SKIPPED_PARENT];
	d.has_shpages_written = true;
	d.shpages_written = s->count[STAT_SHPAGES_WRITTEN];

	e.dump = &d;
	return write_entry(work, IMAGE_STATS_DUMP, &e, err);
}

int stats_write_restore(struct stats *s, int work, struct err *err)
{
	StatsEntry e = STATS_ENTRY__INIT;
	RestoreStatsEntry r = RESTORE_STATS_ENTRY__INIT;

	r.pages_compared = s->count[STAT_PAGES_COMPARED];
	r.pages_skipped_cow = s->count[STAT_PAGES_SKIPPED_COW];
	r.forking_time = time_us(s, STAT_FORKING);
	r.restore_time = time_us(s, STAT_RESTORE);
	r.has_pages_restored = true;
	r.pages_restored = s->count[STAT_PAGES_RESTORED];

	e.restore = &r;
	return write_entry(work, IMAGE_STATS_RESTORE, &e, err);
}

static void print_time(const struct stats *s, const char *name, enum stat_time what)
{
	printf("%s: %" PRIu64 " us\n", name, s->us[what]);
}

static void print_count(const struct stats *s, const char *name, enum stat_count what)
{
	printf("%s: %" PRIu64 " (0x%" PRIx64 ")\n", name, s->count[what], s->count[what]);
}

void stats_print_dump(struct stats *s)
{
	printf("Displaying dump stats:\n");
	print_time(s, "Freezing time", STAT_FREEZING);
	print_time(s, "Frozen time", STAT_FROZEN);
	print_time(s, "Memory dump time", STAT_MEMDUMP);
	print_time(s, "Memory write time", STAT_MEMWRITE);
	print_time(s, "IRMAP resolve time", STAT_IRMAP);
	print_count(s, "Memory pages scanned", STAT_PAGES_SCANNED);
	print_count(s, "Memory pages skipped from parent", STAT_PAGES_SKIPPED_PARENT);
	print_count(s, "Memory pages written", STAT_PAGES_WRITTEN);
	print_count(s, "Lazy memory pages", STAT_PAGES_LAZY);
	print_count(s, "Shared memory pages scanned", STAT_SHPAGES_SCANNED);
	print_count(s, "Shared memory pages written", STAT_SHPAGES_WRITTEN);
	fflush(stdout);
}

void stats_print_restore(struct stats *s)
{
	printf("Displaying restore stats:\n");
	print_count(s, "Pages compared", STAT_PAGES_COMPARED);
	print_count(s, "Pages skipped COW", STAT_PAGES_SKIPPED_COW);
	print_count(s, "Pages restored", STAT_PAGES_RESTORED);
	print_time(s, "Restore time", STAT_RESTORE);
	print_time(s, "Forking time", STAT_FORKING);
	fflush(stdout);
}
