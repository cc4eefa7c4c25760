/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TASK_TIMERS_H
#define TASK_TIMERS_H

/* Private to timers.c and timers_queue.c: the signals that wait, for a process and its threads. */

#include <stdbool.h>
#include <stddef.h>

#include "core/context.h"
#include "core/task.h"

/* Dump: put all queues of @t into its records; says whether these were the same already. */
int timers_read_queues(struct dump *d, struct task *t, bool *same_ret, struct err *err);

/* Dump, the images are complete: the same once more, without what timers have sent meanwhile. */
int timers_news(struct dump *d, struct task *t, bool *news_ret, struct err *err);

/* Restore. */
int timers_check_queues(const struct task *t, struct err *err);
size_t timers_queues_size(const struct task *t);

/* After the timers are in the region: signals of theirs mark the timer as fired. */
int timers_map_queues(struct restore *r, const struct task *t, struct err *err);

int timers_damaged(struct err *err, const char *what);

/* When the task is complete, and still traced: it may be stopped at once, or have a stop pending. */
int timers_send_stops(struct restore *r, struct task *t, struct err *err);

#endif
