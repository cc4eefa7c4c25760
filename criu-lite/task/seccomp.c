/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * seccomp - the filters that every system call of a thread goes through
 *
 * collect    the programs, oldest first, by ptrace; chains that are alike stand
 *	      in the image once
 * write_end  seccomp.img, always
 * map	      the restorer installs them; while it is traced they do not act, but
 *	      in a user namespace they do (PTRACE_O_SUSPEND_SECCOMP is for the root
 *	      of the machine)
 * finish     strict mode comes last of all
 *
 * In the image a chain stands newest first, each filter names the next newer
 * one, and a thread names its oldest.
 *
 * not kept   that two processes have the same object; the flags of a filter
 *	      besides LOG, which the kernel does not tell
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "core/kind.h"
#include "core/region.h"
#include "core/shared.h"
#include "images/seccomp.pb-c.h"

enum {
	INSNS_MAX = BPF_MAXINSNS,
	CHAIN_MAX = 1024, /* the kernel's limit is 32768 instructions in all */
};

/* Programs that a thread goes through, oldest first. */
typedef vec(SeccompFilter *) chain;

struct seccomp_state {
	vec(SeccompFilter *) list; /* as in the image */
	vec(chain) chains;	   /* dump: one per run in the list, which ends with its oldest */
	vec(uint32_t) oldest;	   /* dump: by chain */
};

const struct task_kind seccomp_kind;

/* ---- dump ---- */

/* The program number @i of @tid, oldest is 0; *@filter_ret is NULL behind the last. */
static int get_filter(struct dump *d, pid_t tid, unsigned long i, SeccompFilter **filter_ret,
		      struct err *err)
{
	struct __ptrace_seccomp_metadata meta = { .filter_off = i };
	struct sock_filter insns[INSNS_MAX];
	SeccompFilter *f;
	long n = ptrace(PTRACE_SECCOMP_GET_FILTER, tid, i, insns);

	*filter_ret = NULL;
	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0) {
		err_sys(err, "cannot read seccomp filter %lu of thread %d", i, tid);
		return err_hint(err,
				"run criu-lite as root and without seccomp filters of its own");
	}

	f = record_new(d, seccomp_filter);
	f->filter.len = (size_t)n * sizeof(insns[0]);
	f->filter.data = arena_dup(d->arena, insns, f->filter.len);
	if (ptrace(PTRACE_SECCOMP_GET_METADATA, tid, sizeof(meta), &meta) < 0)
		return err_sys(err, "cannot read the flags of seccomp filter %lu of thread %d", i,
			       tid);
	f->has_flags = true;
	f->flags = (uint32_t)meta.flags;
	*filter_ret = f;
	return 0;
}

static int get_chain(struct dump *d, pid_t tid, chain *ret, struct err *err)
{
	SeccompFilter *f;

	for (;;) {
		if (get_filter(d, tid, ret->n, &f, err) < 0)
			return -err->code;
		if (!f)
			return 0;
		*vec_add(d->arena, ret) = f;
	}
}

static bool filters_equal(const SeccompFilter *a, const SeccompFilter *b)
{
	return a->flags == b->flags && a->filter.len == b->filter.len &&
	       memcmp(a->filter.data, b->filter.data, a->filter.len) == 0;
}

static bool chains_equal(const chain *a, const chain *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!filters_equal(a->items[i], b->items[i]))
			return false;
	return true;
}

/* Put @c into the list, newest first, if there is none like it; returns where its oldest is. */
static uint32_t add_chain(struct dump *d, struct seccomp_state *s, const chain *c)
{
	for (size_t i = 0; i < s->chains.n; i++)
		if (chains_equal(&s->chains.items[i], c))
			return s->oldest.items[i];

	for (size_t i = c->n; i-- > 0;) {
		SeccompFilter *f = c->items[i];

		f->has_prev = i + 1 < c->n;
		f->prev = f->has_prev ? (uint32_t)s->list.n - 1 : 0;
		*vec_add(d->arena, &s->list) = f;
	}
	memcpy(vec_add(d->arena, &s->chains), c, sizeof(*c));
	*vec_add(d->arena, &s->oldest) = (uint32_t)s->list.n - 1;
	return (uint32_t)s->list.n - 1;
}

static int collect_thread(struct dump *d, struct seccomp_state *s, struct thread *th,
			  struct err *err)
{
	ThreadCoreEntry *e = th->core->thread_core;
	chain c = { 0 };

	e->has_seccomp_mode = true;
	e->seccomp_mode = (SeccompMode)th->status.seccomp_mode;
	if (th->status.seccomp_mode != SECCOMP_MODE_FILTER)
		return 0;

	if (get_chain(d, th->host_tid, &c, err) < 0)
		return -err->code;
	e->has_seccomp_filter = true;
	e->seccomp_filter = add_chain(d, s, &c);
	return 0;
}

static int collect_seccomp(struct dump *d, struct task *t, struct err *err)
{
	struct seccomp_state *s = kind_state(d->kinds, &seccomp_kind);

	for (size_t i = 0; t->state != TASK_DEAD && i < t->nr_threads; i++)
		if (collect_thread(d, s, &t->threads[i], err) < 0)
			return -err->code;
	return 0;
}

static int write_seccomp(struct dump *d, struct err *err)
{
	const struct seccomp_state *s = kind_state(d->kinds, &seccomp_kind);
	SeccompEntry *e = record_new(d, seccomp_entry);

	e->n_seccomp_filters = s->list.n;
	e->seccomp_filters = s->list.items;
	return image_put_one(d->store, IMAGE_SECCOMP, 0, &e->base, err);
}

/* ---- restore ---- */

static int damaged(struct err *err)
{
	err_set(err, EBADMSG, "cannot use the seccomp filters in seccomp.img");
	return err_hint(err, "the checkpoint is damaged; take it again");
}

static int read_list(struct restore *r, struct err *err)
{
	struct seccomp_state *s = kind_state(r->kinds, &seccomp_kind);
	const SeccompEntry *e;
	void *msg;
	bool found;

	if (image_get_one(r->store, IMAGE_SECCOMP, 0, r->arena, &msg, &found, err) < 0)
		return -err->code;
	if (!found)
		return 0;

	e = msg;
	for (size_t i = 0; i < e->n_seccomp_filters; i++) {
		SeccompFilter *f = e->seccomp_filters[i];

		if (!f->filter.len || f->filter.len % sizeof(struct sock_filter) ||
		    f->filter.len / sizeof(struct sock_filter) > INSNS_MAX)
			return damaged(err);
		*vec_add(r->arena, &s->list) = f;
	}
	return 0;
}

static SeccompMode mode_of(const struct task *t, const struct thread *th)
{
	const ThreadCoreEntry *e = th->core->thread_core;

	return e->has_seccomp_mode ? e->seccomp_mode : t->core->tc->old_seccomp_mode;
}

/* How many filters @th goes through; false: the image makes no sense. */
static bool chain_length(const struct seccomp_state *s, const struct task *t,
			 const struct thread *th, size_t *n_ret)
{
	const ThreadCoreEntry *e = th->core->thread_core;
	uint32_t i = e->has_seccomp_mode ? e->seccomp_filter : t->core->tc->old_seccomp_filter;

	*n_ret = 0;
	if (mode_of(t, th) != SECCOMP_MODE__filter)
		return true;
	for (;;) {
		if (i >= s->list.n || ++*n_ret > CHAIN_MAX)
			return false;
		if (!s->list.items[i]->has_prev)
			return true;
		i = s->list.items[i]->prev;
	}
}

static int read_seccomp(struct restore *r, struct task *t, struct err *err)
{
	const struct seccomp_state *s = kind_state(r->kinds, &seccomp_kind);
	size_t n;

	for (size_t i = 0; t->state != TASK_DEAD && i < t->nr_threads; i++)
		if (!chain_length(s, t, &t->threads[i], &n))
			return damaged(err);
	return 0;
}

static int plan_seccomp(struct restore *r, struct task *t, struct err *err)
{
	const struct seccomp_state *s = kind_state(r->kinds, &seccomp_kind);
	bool any = false;
	size_t n;

	for (size_t i = 0; t->state != TASK_DEAD && i < t->nr_threads; i++) {
		chain_length(s, t, &t->threads[i], &n);
		t->region_room += n * sizeof(struct restorer_filter) + 16;
		any = any || n;
	}
	/* A task has few of the list, but which ones is not worth the trouble. */
	for (size_t i = 0; any && i < s->list.n; i++)
		t->region_room += s->list.items[i]->filter.len + 16;
	return 0;
}

/* Each program of the list is packed once, when somebody needs it. */
static int pack_program(struct restore *r, const SeccompFilter *f, uint64_t *at, struct err *err)
{
	void *insns;

	if (*at)
		return 0;
	insns = region_alloc(r->region, f->filter.len, err);
	if (!insns)
		return -err->code;
	memcpy(insns, f->filter.data, f->filter.len);
	*at = (uintptr_t)insns;
	return 0;
}

static int map_thread(struct restore *r, struct task *t, const struct thread *th,
		      uint64_t *programs, struct restorer_thread *out, struct err *err)
{
	const struct seccomp_state *s = kind_state(r->kinds, &seccomp_kind);
	const ThreadCoreEntry *e = th->core->thread_core;
	uint32_t at = e->has_seccomp_mode ? e->seccomp_filter : t->core->tc->old_seccomp_filter;
	struct restorer_filter *list;
	size_t n;

	chain_length(s, t, th, &n);
	if (!n)
		return 0;
	list = region_alloc(r->region, n * sizeof(*list), err);
	if (!list)
		return -err->code;

	for (size_t i = 0; i < n; i++, at = s->list.items[at]->prev) {
		const SeccompFilter *f = s->list.items[at];

		if (pack_program(r, f, &programs[at], err) < 0)
			return -err->code;
		list[i].insns = programs[at];
		list[i].n = (uint32_t)(f->filter.len / sizeof(struct sock_filter));
		list[i].flags = f->flags & SECCOMP_FILTER_FLAG_LOG;
	}
	out->filters = (uintptr_t)list;
	out->nr_filters = n;
	return 0;
}

static uint64_t count_shared(const struct restorer_thread *threads, size_t n)
{
	const struct restorer_filter *first = (const struct restorer_filter *)threads[0].filters;
	uint64_t shared = threads[0].nr_filters;

	for (size_t i = 1; i < n; i++) {
		const struct restorer_filter *other =
			(const struct restorer_filter *)threads[i].filters;
		uint64_t same = 0;

		while (same < shared && same < threads[i].nr_filters &&
		       first[same].insns == other[same].insns &&
		       first[same].flags == other[same].flags)
			same++;
		shared = same;
	}
	return shared;
}

static int map_seccomp(struct restore *r, struct task *t, struct err *err)
{
	const struct seccomp_state *s = kind_state(r->kinds, &seccomp_kind);
	uint64_t *programs = arena_array(r->arena, uint64_t, s->list.n + 1);

	for (size_t i = 0; i < t->nr_threads; i++)
		if (map_thread(r, t, &t->threads[i], programs, &r->region->threads[i], err) < 0)
			return -err->code;
	r->region->args->shared_filters = count_shared(r->region->threads, t->nr_threads);
	return 0;
}

/*
 * Strict mode lets nothing of ours through but where it can be suspended, and in a user
 * namespace it cannot.
 */
static int finish_seccomp(struct restore *r, struct task *t, struct err *err)
{
	const unsigned long args[6] = { PR_SET_SECCOMP, SECCOMP_MODE_STRICT };
	unsigned long insn;
	long ret;

	for (size_t i = 0; i < t->nr_threads; i++) {
		const struct thread *th = &t->threads[i];

		if (mode_of(t, th) != SECCOMP_MODE__strict)
			continue;
		insn = compel_find_insn(th->host_tid);
		if (!insn)
			return err_set(err, ENOENT,
				       "cannot find a system call instruction for thread %d",
				       th->tid);
		if (compel_raw_syscall(th->host_tid, insn, SYS_prctl, args, &ret, err) < 0)
			return -err->code;
		if (ret < 0)
			return err_set(err, (int)-ret, "cannot set strict mode of thread %d",
				       th->tid);
	}
	return 0;
}

static const enum kernel_feature needs[] = { KERNEL_SECCOMP_FILTERS, KERNEL_SUSPEND_SECCOMP,
					     KERNEL_NONE };

const struct task_kind seccomp_kind = {
	.name = "seccomp",
	.state_size = sizeof(struct seccomp_state),
	.needs = needs,
	.collect = collect_seccomp,
	.write_end = write_seccomp,
	.read_begin = read_list,
	.read = read_seccomp,
	.plan = plan_seccomp,
	.map = map_seccomp,
	.finish = finish_seccomp,
};
