/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kind - the tables of all kinds, and the memory each has in a run
 */
#include <assert.h>

#include "core/kind.h"

struct kind_slot {
	const void *kind;
	void *state;
};

struct kinds {
	const struct kind_index *index;
	struct kind_slot *slots;
	size_t nr;
};

static void add_slot(struct kinds *k, struct arena *a, const void *kind, size_t size)
{
	if (size)
		k->slots[k->nr++] = (struct kind_slot){ kind, arena_alloc(a, size) };
}

struct kinds *kinds_new(struct arena *a, const struct kind_index *index)
{
	struct kinds *k = arena_new(a, struct kinds);
	const struct file_kind *const *f;
	const struct task_kind *const *t;
	const struct ns_kind *const *ns;
	size_t n = 0;

	for (f = index->files; *f; f++)
		n++;
	for (t = index->tasks; *t; t++)
		n++;
	for (ns = index->namespaces; *ns; ns++)
		n++;
	k->index = index;
	k->slots = arena_array(a, struct kind_slot, n + 1);

	for (f = index->files; *f; f++)
		add_slot(k, a, *f, (*f)->state_size);
	for (t = index->tasks; *t; t++)
		add_slot(k, a, *t, (*t)->state_size);
	for (ns = index->namespaces; *ns; ns++)
		add_slot(k, a, *ns, (*ns)->state_size);
	return k;
}

const struct kind_index *kinds_index(const struct kinds *k)
{
	return k->index;
}

void *kind_state(struct kinds *k, const void *kind)
{
	size_t i;

	for (i = 0; i < k->nr; i++)
		if (k->slots[i].kind == kind)
			return k->slots[i].state;
	assert(!"a kind without state_size asked for its state");
	return NULL;
}

const struct file_kind *kind_of_type(struct kinds *k, FdTypes type)
{
	const struct file_kind *const *f;

	for (f = k->index->files; *f; f++)
		if ((*f)->type == type)
			return *f;
	return NULL;
}
