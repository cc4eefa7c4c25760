/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rlimit - the limits of a process
 *
 * collect   from /proc/PID/limits: prlimit() on others needs CAP_SYS_RESOURCE
 * plan      a hard limit above ours needs that too, and is refused by name
 * map       the restorer sets them when it needs no more of anything
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
#include "core/kind.h"
#include "core/region.h"

enum { NR_LIMITS = 16 };

/* As the kernel writes them, by number. */
static const struct {
	const char *label, *name;
} limits[NR_LIMITS] = {
	[RLIMIT_CPU] = { "Max cpu time", "CPU" },
	[RLIMIT_FSIZE] = { "Max file size", "FSIZE" },
	[RLIMIT_DATA] = { "Max data size", "DATA" },
	[RLIMIT_STACK] = { "Max stack size", "STACK" },
	[RLIMIT_CORE] = { "Max core file size", "CORE" },
	[RLIMIT_RSS] = { "Max resident set", "RSS" },
	[RLIMIT_NPROC] = { "Max processes", "NPROC" },
	[RLIMIT_NOFILE] = { "Max open files", "NOFILE" },
	[RLIMIT_MEMLOCK] = { "Max locked memory", "MEMLOCK" },
	[RLIMIT_AS] = { "Max address space", "AS" },
	[RLIMIT_LOCKS] = { "Max file locks", "LOCKS" },
	[RLIMIT_SIGPENDING] = { "Max pending signals", "SIGPENDING" },
	[RLIMIT_MSGQUEUE] = { "Max msgqueue size", "MSGQUEUE" },
	[RLIMIT_NICE] = { "Max nice priority", "NICE" },
	[RLIMIT_RTPRIO] = { "Max realtime priority", "RTPRIO" },
	[RLIMIT_RTTIME] = { "Max realtime timeout", "RTTIME" },
};

static bool parse_value(struct text *t, uint64_t *ret)
{
	text_skip_blanks(t);
	if (text_lit(t, "unlimited")) {
		*ret = RLIM_INFINITY;
		return true;
	}
	return text_u64(t, ret);
}

static bool parse_limit(struct text *line, RlimitEntry **list)
{
	for (int i = 0; i < NR_LIMITS; i++) {
		if (!text_lit(line, limits[i].label))
			continue;
		return parse_value(line, &list[i]->cur) && parse_value(line, &list[i]->max);
	}
	return false;
}

static int collect_rlimit(struct dump *d, struct task *t, struct err *err)
{
	TaskRlimitsEntry *e;
	struct text text, line;
	char path[32], *s;
	size_t len;

	if (t->state == TASK_DEAD)
		return 0;
	snprintf(path, sizeof(path), "%d/limits", t->host_alive);
	if (proc_slurp(d->proc, path, d->arena, &s, &len, err) < 0)
		return -err->code;

	e = record_new(d, task_rlimits_entry);
	e->rlimits = arena_array(d->arena, RlimitEntry *, NR_LIMITS);
	for (; e->n_rlimits < NR_LIMITS; e->n_rlimits++)
		e->rlimits[e->n_rlimits] = record_new(d, rlimit_entry);

	text = text_of(s, len);
	text_line(&text, &line); /* headings */
	for (int i = 0; i < NR_LIMITS; i++)
		if (!text_line(&text, &line) || !parse_limit(&line, e->rlimits))
			return err_set(err, EPROTO, "cannot understand /proc/%d/limits",
				       t->host_pid);
	t->core->tc->rlimits = e;
	return 0;
}

/* ---- restore ---- */

static int read_rlimit(struct restore *r, struct task *t, struct err *err)
{
	const TaskRlimitsEntry *e = t->core->tc->rlimits;
	bool good = t->state == TASK_DEAD || !e || e->n_rlimits <= NR_LIMITS;

	for (size_t i = 0; good && e && i < e->n_rlimits; i++)
		good = e->rlimits[i]->cur <= e->rlimits[i]->max;
	if (good)
		return 0;
	err_set(err, EBADMSG, "cannot use the limits of task %d", t->pid);
	return err_hint(err, "the checkpoint is damaged; take it again");
}

static bool can_raise(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	return syscall(SYS_capget, &head, data) == 0 && (data[0].effective >> CAP_SYS_RESOURCE & 1);
}

static int plan_rlimit(struct restore *r, struct task *t, struct err *err)
{
	const TaskRlimitsEntry *e = t->core->tc->rlimits;

	if (t->state == TASK_DEAD || can_raise())
		return 0;

	for (int i = 0; e && i < (int)e->n_rlimits; i++) {
		struct rlimit own;

		if (getrlimit((__rlimit_resource_t)i, &own) < 0 ||
		    e->rlimits[i]->max <= own.rlim_max)
			continue;
		err_set(err, EPERM, "cannot give task %d its limit RLIMIT_%s", t->pid,
			limits[i].name);
		err_why(err, "it is above ours, and raising a hard limit needs CAP_SYS_RESOURCE");
		return err_hint(
			err,
			"run restore where \"ulimit -H\" is at least what the dumped task had");
	}
	return 0;
}

static int map_rlimit(struct restore *r, struct task *t, struct err *err)
{
	const TaskRlimitsEntry *e = t->core->tc->rlimits;
	struct restorer_args *args = r->region->args;

	for (size_t i = 0; e && i < e->n_rlimits; i++) {
		args->rlimits[i].cur = e->rlimits[i]->cur;
		args->rlimits[i].max = e->rlimits[i]->max;
		args->nr_rlimits++;
	}
	return 0;
}

const struct task_kind rlimit_kind = {
	.name = "rlimit",
	.collect = collect_rlimit,
	.read = read_rlimit,
	.plan = plan_rlimit,
	.map = map_rlimit,
};
