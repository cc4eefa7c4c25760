/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * births (share) - tables that tasks share, and the acts of each birth
 *
 * A descriptor table (CLONE_FILES), and working directory, root and umask
 * (CLONE_FS), are shared from birth on, with the father.  So the lowest common
 * ancestor of all who share one hands it on to them, and whoever is born in
 * between, too.  Who has handed on a table that is not his own leaves it by
 * unshare(2); then his table is his alone, and he can hand that on, or share
 * it.  A father therefore goes through his tables one after the other, and forks
 * meanwhile those who are to be born with each.
 *
 * Of those who share a table the first in the tree holds it: he alone opens
 * what is in it, and closes what is not.
 *
 * not done	a task between others who share two different tables; a father who
 *		would have to return to a table he has left
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/births.h"
#include "core/task.h"

static const struct {
	uint64_t flag;
	size_t id; /* in TaskKobjIdsEntry */
	const char *name;
} tables[NR_SHARED_TABLES] = {
	{ CLONE_FILES, offsetof(TaskKobjIdsEntry, files_id), "descriptor table" },
	{ CLONE_FS, offsetof(TaskKobjIdsEntry, fs_id), "working directory" },
};

static uint32_t id_of(const struct birth *b, size_t x)
{
	return *(const uint32_t *)((const char *)b->task->ids + tables[x].id);
}

static int refuse(const struct birth *b, size_t x, struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot restore the %s that task %d shares with others",
		tables[x].name, b->task->pid);
	return err_hint(err,
			"no order of forks that this version finds gives each task the right one");
}

/* ---- who hands which table on ---- */

struct owner {
	uint32_t id;
	struct birth *birth;
};

/* By table, then fathers before children. */
static int compare_owners(const void *pa, const void *pb)
{
	const struct owner *a = pa, *b = pb;

	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return a->birth->place < b->birth->place ? -1 : a->birth->place > b->birth->place;
}

static struct birth *common_ancestor(struct birth *a, struct birth *b)
{
	while (a != b) {
		if (a->place > b->place)
			a = a->father;
		else
			b = b->father;
	}
	return a;
}

static int hand_on(struct birth *top, struct birth *to, size_t x, uint32_t id, struct err *err)
{
	struct birth *b;

	for (b = to; b != top && b->table[x].born_with != id; b = b->father) {
		if (b->table[x].born_with)
			return refuse(b, x, err);
		b->table[x].born_with = id;
		b->joins |= tables[x].flag;
	}
	return 0;
}

static int share_one(struct births *births, const struct owner *o, size_t n, size_t x,
		     struct err *err)
{
	struct birth *top = o[0].birth, *holder = o[0].birth;
	size_t i;

	for (i = 1; i < n; i++) {
		top = common_ancestor(top, o[i].birth);
		if (o[i].birth->task->index < holder->task->index)
			holder = o[i].birth;
	}
	for (i = 0; i < n; i++) {
		struct birth *b = o[i].birth;

		b->table[x].own = o[i].id;
		b->table[x].holder = holder;
		if (hand_on(top, b, x, o[i].id, err) < 0)
			return -err->code;
		log_debug("task %d: shares the %s of task %d", b->task->pid, tables[x].name,
			  holder->task->pid);
	}
	if (tables[x].flag == CLONE_FILES)
		births->nr_share_files += (unsigned int)n;
	return 0;
}

static int share_all(struct arena *a, struct births *births, size_t x, struct err *err)
{
	struct owner *owners = arena_array(a, struct owner, births->all.n);
	size_t i, k, n = 0;
	struct birth **b;

	vec_for_each(b, &births->all)
		if (!(*b)->is_helper && (*b)->task->ids && id_of(*b, x))
			owners[n++] = (struct owner){ id_of(*b, x), *b };
	qsort(owners, n, sizeof(*owners), compare_owners);

	for (i = 0; i < n; i = k) {
		for (k = i + 1; k < n && owners[k].id == owners[i].id; k++)
			;
		if (k - i > 1 && share_one(births, owners + i, k - i, x, err) < 0)
			return -err->code;
	}
	return 0;
}

/* ---- the acts ---- */

/* What a father is doing: the tables he has, 0: one of which nobody knows yet, and those he has left. */
struct father {
	struct birth *birth;
	uint32_t now[NR_SHARED_TABLES];
	vec(uint32_t) left[NR_SHARED_TABLES];
};

static void act(struct arena *a, struct birth *b, enum birth_act_type type, struct birth *child,
		uint64_t flags)
{
	*vec_add(a, &b->acts) = (struct birth_act){ type, child, flags };
}

static int take_table(struct arena *a, struct father *f, size_t x, uint32_t id, struct err *err)
{
	uint32_t *left;

	if (f->now[x] == id)
		return 0;
	vec_for_each(left, &f->left[x])
		if (*left == id)
			return refuse(f->birth, x, err);
	if (f->now[x] && f->now[x] == f->birth->table[x].own)
		return refuse(f->birth, x, err);
	if (f->now[x]) {
		*vec_add(a, &f->left[x]) = f->now[x];
		act(a, f->birth, BIRTH_UNSHARE, NULL, tables[x].flag);
	}
	f->now[x] = id;
	return 0;
}

/* First those who are born with what their father was born with, last those with his own. */
static uint64_t rank(const struct birth *child, size_t x)
{
	const struct birth_table *of_father = child->father->table;
	uint32_t id = child->table[x].born_with;

	if (!id || id == of_father[x].born_with)
		return 0;
	return id == of_father[x].own ? UINT64_MAX : id;
}

static int compare_children(const void *pa, const void *pb)
{
	const struct birth *a = *(struct birth *const *)pa, *b = *(struct birth *const *)pb;
	size_t x;

	if (a->before != b->before)
		return a->before ? -1 : 1;
	for (x = 0; x < NR_SHARED_TABLES; x++)
		if (rank(a, x) != rank(b, x))
			return rank(a, x) < rank(b, x) ? -1 : 1;
	return a->place < b->place ? -1 : a->place > b->place;
}

static int fork_child(struct arena *a, struct father *f, struct birth *child, struct err *err)
{
	size_t x;

	for (x = 0; x < NR_SHARED_TABLES; x++)
		if (child->table[x].born_with &&
		    take_table(a, f, x, child->table[x].born_with, err) < 0)
			return -err->code;
	act(a, f->birth, BIRTH_FORK, child, 0);
	return 0;
}

static int find_acts(struct arena *a, struct birth *b, struct err *err)
{
	struct father f = { .birth = b };
	struct birth *child, **children;
	size_t i, n = 0, x;

	list_for_each(child, &b->births, sibling)
		n++;
	children = arena_array(a, struct birth *, n + 1);
	n = 0;
	list_for_each(child, &b->births, sibling)
		children[n++] = child;
	qsort(children, n, sizeof(*children), compare_children);

	for (x = 0; x < NR_SHARED_TABLES; x++)
		f.now[x] = b->table[x].born_with;
	for (i = 0; i < n && children[i]->before; i++)
		if (fork_child(a, &f, children[i], err) < 0)
			return -err->code;
	act(a, b, BIRTH_BEGIN, NULL, 0);
	for (; i < n; i++)
		if (fork_child(a, &f, children[i], err) < 0)
			return -err->code;
	for (x = 0; x < NR_SHARED_TABLES; x++)
		if (f.now[x] && f.now[x] != b->table[x].own)
			act(a, b, BIRTH_UNSHARE, NULL, tables[x].flag);
	return 0;
}

int births_share(struct arena *a, struct births *births, struct err *err)
{
	struct birth **b;
	size_t x;

	for (x = 0; x < NR_SHARED_TABLES; x++)
		if (share_all(a, births, x, err) < 0)
			return -err->code;
	vec_for_each(b, &births->all)
		if (find_acts(a, *b, err) < 0)
			return -err->code;
	return 0;
}
