/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cgroup_props - which properties of control groups there are to be kept
 *
 * A property is a file that says, when it is read, what must be written to
 * have it so again.  The tables are CRIU's; --cgroup-props and
 * --cgroup-props-file change them by a text like
 *
 *	"memory":
 *	  - "strategy": "merge"
 *	  - "properties": ["memory.limit_in_bytes", "memory.swappiness"]
 *
 * where "replace" instead of "merge" means these and no others.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "core/opts.h"
#include "task/cgroup.h"

typedef vec(const char *) names;

struct props_of {
	const char *controller;
	names names; /* ended by NULL, which is counted */
};

struct cgroup_props {
	struct arena *arena;
	vec(struct props_of) list;
};

static const struct {
	const char *controller;
	const char *names; /* parted by blanks */
} usual[] = {
	{ "cpu", "cpu.shares cpu.cfs_period_us cpu.cfs_quota_us cpu.cfs_burst_us cpu.rt_period_us "
		 "cpu.rt_runtime_us cpu.idle "
		 "cpu.weight cpu.max cpu.max.burst" },
	{ "memory", "memory.limit_in_bytes memory.memsw.limit_in_bytes memory.swappiness "
		    "memory.soft_limit_in_bytes memory.move_charge_at_immigrate memory.oom_control "
		    "memory.use_hierarchy memory.kmem.tcp.limit_in_bytes "
		    "memory.min memory.low memory.high memory.max memory.swap.high memory.swap.max "
		    "memory.zswap.max memory.oom.group" },
	{ "cpuset", "cpuset.cpus cpuset.mems cpuset.memory_migrate cpuset.cpu_exclusive "
		    "cpuset.mem_exclusive cpuset.mem_hardwall cpuset.memory_spread_page "
		    "cpuset.memory_spread_slab cpuset.sched_load_balance "
		    "cpuset.sched_relax_domain_level cpuset.cpus.partition" },
	{ "blkio", "blkio.weight blkio.bfq.weight blkio.throttle.read_bps_device "
		   "blkio.throttle.write_bps_device blkio.throttle.read_iops_device "
		   "blkio.throttle.write_iops_device" },
	{ "io", "io.weight io.bfq.weight io.max io.latency" },
	{ "freezer", "freezer.state" },
	{ "net_cls", "net_cls.classid" },
	{ "net_prio", "net_prio.ifpriomap" },
	{ "pids", "pids.max" },
	{ "devices", "devices.list" },
	{ "hugetlb", "hugetlb.2MB.limit_in_bytes hugetlb.1GB.limit_in_bytes "
		     "hugetlb.2MB.rsvd.limit_in_bytes hugetlb.1GB.rsvd.limit_in_bytes "
		     "hugetlb.2MB.max hugetlb.1GB.max hugetlb.2MB.rsvd.max hugetlb.1GB.rsvd.max" },
	{ "rdma", "rdma.max" },
	{ "misc", "misc.max" },
	{ "global", "cgroup.clone_children notify_on_release cgroup.procs tasks" },
	{ "global_v2", "cgroup.type cgroup.subtree_control cgroup.max.descendants cgroup.max.depth "
		       "cgroup.freeze cgroup.procs cgroup.threads" },
};

static struct props_of *find(struct cgroup_props *props, const char *controller)
{
	struct props_of *p;

	vec_for_each(p, &props->list)
		if (strcmp(p->controller, controller) == 0)
			return p;
	p = vec_add(props->arena, &props->list);
	p->controller = controller;
	*vec_add(props->arena, &p->names) = NULL;
	return p;
}

static void add(struct cgroup_props *props, struct props_of *p, const char *name)
{
	const char **n;

	vec_for_each(n, &p->names)
		if (*n && strcmp(*n, name) == 0)
			return;
	p->names.items[p->names.n - 1] = name;
	*vec_add(props->arena, &p->names) = NULL;
}

static void add_usual(struct cgroup_props *props)
{
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		struct props_of *p = find(props, usual[i].controller);
		char *rest = arena_strdup(props->arena, usual[i].names), *name;

		while ((name = strsep(&rest, " ")))
			add(props, p, name);
	}
}

/* ---- the text ---- */

/* The next word, in quotes or not, or a bracket; NULL at the end. */
static const char *next_word(struct arena *a, const char **p)
{
	size_t n;

	*p += strspn(*p, " \t\r\n,:");
	while (**p == '#' || (**p == '-' && strchr(" \t", (*p)[1]))) {
		*p += **p == '#' ? strcspn(*p, "\n") : 1;
		*p += strspn(*p, " \t\r\n,:");
	}
	if (!**p)
		return NULL;
	if (**p == '"' || **p == '\'') {
		char quote[2] = { **p };
		const char *word = ++*p;

		n = strcspn(word, quote);
		*p += n + (word[n] != '\0');
		return arena_printf(a, "%.*s", (int)n, word);
	}
	n = strchr("[]", **p) ? 1 : strcspn(*p, " \t\r\n,:[]");
	*p += n;
	return arena_printf(a, "%.*s", (int)n, *p - n);
}

static int wrong(struct err *err, const char *what)
{
	err_set(err, EINVAL, "cannot use the properties of control groups: %s", what);
	return err_hint(
		err,
		"write \"CONTROLLER\": - \"strategy\": \"merge\" - \"properties\": [\"NAME\"]");
}

static int take_strategy(struct cgroup_props *props, struct props_of *p, const char *word,
			 struct err *err)
{
	if (!p || !word)
		return wrong(err, "a strategy without a controller");
	if (strcmp(word, "replace") == 0) {
		p->names.n = 0;
		*vec_add(props->arena, &p->names) = NULL;
		return 0;
	}
	return strcmp(word, "merge") == 0 ? 0 : wrong(err, "the strategy is merge or replace");
}

static int take_names(struct cgroup_props *props, struct props_of *p, const char **text,
		      struct err *err)
{
	const char *word = next_word(props->arena, text);

	if (!p || !word || strcmp(word, "[") != 0)
		return wrong(err, "properties are a list in brackets, of a controller");
	while ((word = next_word(props->arena, text)) && strcmp(word, "]") != 0) {
		if (strchr(word, '/'))
			return wrong(err, "a property is the name of a file");
		add(props, p, word);
	}
	return word ? 0 : wrong(err, "a list does not end");
}

static int parse(struct cgroup_props *props, const char *text, struct err *err)
{
	struct props_of *p = NULL;
	const char *word;

	while ((word = next_word(props->arena, &text))) {
		int ret = 0;

		if (strcmp(word, "strategy") == 0)
			ret = take_strategy(props, p, next_word(props->arena, &text), err);
		else if (strcmp(word, "properties") == 0)
			ret = take_names(props, p, &text, err);
		else
			p = find(props, word);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int cgroup_props_new(struct arena *a, const struct dump_opts *o, struct cgroup_props **ret,
		     struct err *err)
{
	struct cgroup_props *props = arena_new(a, struct cgroup_props);
	char *text;
	int code;

	props->arena = a;
	add_usual(props);
	if (o->cgroup_props && parse(props, o->cgroup_props, err) < 0)
		return -err->code;
	if (o->cgroup_props_file) {
		code = io_slurp_at(AT_FDCWD, o->cgroup_props_file, a, &text, NULL);
		if (code < 0) {
			err_set(err, -code, "cannot read %s", o->cgroup_props_file);
			return err_hint(err, "give a file with --cgroup-props-file");
		}
		if (parse(props, text, err) < 0)
			return -err->code;
	}
	*ret = props;
	return 0;
}

const char *const *cgroup_props_of(const struct cgroup_props *props, const char *controller)
{
	const struct props_of *p;

	vec_for_each(p, &props->list)
		if (strcmp(p->controller, controller) == 0)
			return p->names.items;
	return NULL;
}
