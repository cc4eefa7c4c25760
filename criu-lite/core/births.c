/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * births - who forks whom, so that all come to their sessions and parents
 *
 * A task is born into the session its father has at that moment, and setsid()
 * is the only way out of it: into the session of its own pid.  Its parent is
 * its father until he dies; then it is adopted by the next of his ancestors
 * that is a subreaper.  So
 *
 * - a session whose leader is dead is begun by a helper with the leader's pid,
 *   and a process group likewise; helpers end when all have come to their places
 * - a task whose parent cannot give it its session is forked by another father,
 *   who has the parent among his ancestors.  Between them is a carrier: the
 *   father forks the carrier, the carrier forks the task.  Then the parent is a
 *   subreaper for a moment, the carrier dies, and the task is where it belongs
 *
 * Nothing else is needed: whatever a real tree went through, its tasks had
 * their parents among their ancestors when they were born.  We look for such
 * an order of births in two steps.
 *
 * Sessions	The leader of a session is born into another one, so sessions form
 *		a tree.  Those that must be above a session are known: the session
 *		its leader's parent is in, those of its members' parents, and, as
 *		a leader's children may be born before its setsid(), what is above
 *		a leader's session is above those of its children.  What is above
 *		one session must be in a line; where the line is not given, we
 *		choose.
 *
 * Births	Into each session some tasks are born: its members, and the leaders
 *		of the sessions right below.  Each needs some of these among its
 *		ancestors: its parent; a leader, also the parents of all who are
 *		born below it.  Put in an order in which these come first, the last
 *		of those that one needs becomes its father, who then needs the
 *		others, too.  Who needs nobody is the child of the leader.
 *
 * A father that leads a session forks those born into the session he is in
 * before his own setsid(), the others after it.
 *
 * not done	members of a session or group whose leader lives, but outside of the
 *		tree: its pid is in use.  The dump refuses them
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/births.h"
#include "core/ns.h"
#include "core/task.h"

/* ---- sessions ---- */

struct session {
	pid_t sid;
	unsigned int index;
	struct birth *leader; /* of the first session: the root, which need not lead it */
	uint64_t *above;      /* a bit for each session that must be above this one */
	unsigned int nr_above;
	struct session *within; /* where its leader is born: the lowest of those */
};

struct planning {
	struct arena *arena;
	struct tree *tree;
	struct births *births;
	vec(struct birth *) born;	      /* all, in no order; tasks of the tree first */
	vec(struct session *) sessions, dead; /* dead: those begun by helpers */
	size_t nr_words;
	struct session **lowest_first;
	struct birth *circle; /* where one was found, until it has been walked */
};

static struct birth *birth_new(struct planning *p, struct task *t)
{
	struct birth *b = arena_new(p->arena, struct birth);

	b->task = t;
	t->birth = b;
	list_init(&b->births);
	*vec_add(p->arena, &p->born) = b;
	return b;
}

static struct session *session_new(struct planning *p, pid_t sid, struct birth *leader)
{
	struct session *s = arena_new(p->arena, struct session);

	s->sid = sid;
	s->leader = leader;
	s->index = (unsigned int)p->sessions.n;
	leader->led = s;
	leader->leads = sid == leader->task->pid;
	*vec_add(p->arena, &p->sessions) = s;
	return s;
}

static struct session *session_find(const struct planning *p, pid_t sid)
{
	const struct task *leader = task_by_pid(p->tree, sid);
	struct session **s;

	if (leader && leader->birth->led)
		return leader->birth->led;
	if (sid == p->sessions.items[0]->sid)
		return p->sessions.items[0];
	vec_for_each(s, &p->dead)
		if ((*s)->sid == sid)
			return *s;
	return NULL;
}

/* A task that lives until all are in their places, and is in none of the images. */
static struct birth *helper_new(struct planning *p, pid_t pid, pid_t sid)
{
	struct task *t = arena_new(p->arena, struct task);
	struct birth *b;

	t->pid = t->host_pid = t->pgid = pid;
	t->sid = sid;
	t->pidfd = -1;
	t->index = p->tree->nr_tasks + p->births->nr_helpers++;
	list_init(&t->children);
	b = birth_new(p, t);
	b->is_helper = true;
	b->leads_group = true;
	return b;
}

static int damaged(const struct task *t, const char *what, pid_t pid, struct err *err)
{
	err_set(err, EBADMSG, "cannot restore task %d: task %d is there, but does not lead its %s",
		t->pid, pid, what);
	return err_hint(err, "the checkpoint is damaged; take it again");
}

static int need_session(struct planning *p, const struct task *t, struct err *err)
{
	struct session *s;

	if (session_find(p, t->sid))
		return 0;
	if (task_by_pid(p->tree, t->sid))
		return damaged(t, "session", t->sid, err);
	s = session_new(p, t->sid, helper_new(p, t->sid, t->sid));
	*vec_add(p->arena, &p->dead) = s;
	return 0;
}

static struct birth *helper_find(const struct planning *p, pid_t pid)
{
	size_t i;

	for (i = p->tree->nr_tasks; i < p->born.n; i++)
		if (p->born.items[i]->task->pid == pid)
			return p->born.items[i];
	return NULL;
}

/* The group of who started us, in whose session we stay. */
static bool is_group_outside(const struct planning *p, const struct task *t)
{
	const struct task *root = p->tree->root;

	return root->pid != root->sid && t->sid == root->sid && t->pgid == root->pgid;
}

static int need_group(struct planning *p, const struct task *t, struct err *err)
{
	const struct task *leader = task_by_pid(p->tree, t->pgid);
	struct birth *b = leader ? leader->birth : NULL;

	if (!leader && is_group_outside(p, t))
		return 0;
	if (!leader)
		b = helper_find(p, t->pgid);
	if (!b)
		b = helper_new(p, t->pgid, t->sid);
	if (b->task->sid != t->sid)
		return damaged(t, "process group", t->pgid, err);

	b->leads_group = true;
	b->leaves_group = b->task->pgid != b->task->pid;
	p->births->regroup |= b->leaves_group;
	return 0;
}

/* The first of a family whose session has no number. */
static pid_t head_of_strangers(const struct task *t)
{
	while (t->parent && t->parent->sid == 0)
		t = t->parent;
	return t->pid;
}

/*
 * Who has come into the tree's pid namespace from outside may be in a session that
 * has no number there.  It cannot be joined again, so such a family gets one of
 * its own.
 */
static void number_sessions(struct planning *p)
{
	pid_t *sids = arena_array(p->arena, pid_t, p->tree->nr_tasks);
	struct task *t;

	if (p->tree->root->sid == 0)
		return;
	for_each_task(t, p->tree)
		sids[t->index] = t->sid == 0 ? head_of_strangers(t) : t->sid;
	for_each_task(t, p->tree) {
		t->sid = sids[t->index];
		t->pgid = t->pgid == 0 ? t->sid : t->pgid;
	}
}

static int make_births(struct planning *p, struct err *err)
{
	struct task *t;

	number_sessions(p);
	for_each_task(t, p->tree) {
		birth_new(p, t);
		if (!t->parent || t->sid == t->pid)
			session_new(p, t->sid, t->birth);
	}
	for_each_task(t, p->tree)
		if (need_session(p, t, err) < 0 || need_group(p, t, err) < 0)
			return -err->code;
	return 0;
}

/* ---- which session is above which ---- */

static bool is_above(const struct session *high, const struct session *low)
{
	return low->above[high->index / 64] >> high->index % 64 & 1;
}

/* What is in @set must be above @s, or be @s itself. */
static bool put_above(const struct planning *p, struct session *s, const uint64_t *set)
{
	bool changed = false;
	size_t i;

	for (i = 0; i < p->nr_words; i++) {
		uint64_t more = set[i] & ~s->above[i];

		if (i == s->index / 64)
			more &= ~(1ull << s->index % 64);
		s->above[i] |= more;
		changed |= more != 0;
	}
	return changed;
}

static bool put_one_above(struct session *s, const struct session *high)
{
	if (high == s || is_above(high, s))
		return false;
	s->above[high->index / 64] |= 1ull << high->index % 64;
	return true;
}

#define for_each_above(y, s, p)                                                               \
	for (size_t y##_i = 0; y##_i < (p)->nr_words; y##_i++)                                \
		for (uint64_t y##_w = (s)->above[y##_i];                                      \
		     y##_w &&                                                                 \
		     ((y) = (p)->sessions.items[y##_i * 64 + (size_t)__builtin_ctzll(y##_w)], \
		     true);                                                                   \
		     y##_w &= y##_w - 1)

/* The session @t is born into, or for a leader one that is below all it can be born into. */
static struct session *session_at_birth(const struct planning *p, const struct task *t)
{
	return t->birth->led ? t->birth->led : session_find(p, t->sid);
}

/* Everybody is born below, or in, the session its parent was born into. */
static bool relate_task(const struct planning *p, const struct task *t)
{
	struct session *s = session_at_birth(p, t), *of_parent;
	bool changed;

	if (!t->parent)
		return false;
	of_parent = session_at_birth(p, t->parent);
	if (t->parent->birth->led)
		return put_above(p, s, of_parent->above);
	changed = put_one_above(s, of_parent);
	return put_above(p, s, of_parent->above) || changed;
}

static int no_session(const struct planning *p, const struct session *s, struct err *err)
{
	const struct task *t, *member = s->leader->task;

	for_each_task(t, p->tree)
		if (t->sid == s->sid && t->pid != s->sid) {
			member = t;
			break;
		}
	err_set(err, EOPNOTSUPP,
		"cannot restore task %d: nobody in the tree can give it session %d", member->pid,
		s->sid);
	return err_hint(err, "no order of forks that this version finds leads to this tree");
}

static bool relate_above(const struct planning *p, struct session *s)
{
	struct session *high;
	bool changed = false;

	for_each_above(high, s, p) changed |= put_above(p, s, high->above);
	return changed;
}

static bool is_in_a_circle(const struct planning *p, const struct session *s)
{
	struct session *high;

	for_each_above(high, s, p) if (is_above(s, high)) return true;
	return false;
}

static int relate_all(const struct planning *p, struct err *err)
{
	const struct task *t;
	struct session **s;
	bool changed;

	do {
		changed = false;
		for_each_task(t, p->tree)
			changed |= relate_task(p, t);
		vec_for_each(s, &p->sessions)
			changed |= relate_above(p, *s);
	} while (changed);

	vec_for_each(s, &p->sessions) {
		if (is_in_a_circle(p, *s))
			return no_session(p, *s, err);
		(*s)->nr_above = 0;
		for (size_t i = 0; i < p->nr_words; i++)
			(*s)->nr_above += (unsigned int)__builtin_popcountll((*s)->above[i]);
	}
	return 0;
}

/* What is above another has less above itself; of two that are free, the older is higher. */
static bool is_lower(const struct session *a, const struct session *b)
{
	return a->nr_above != b->nr_above ? a->nr_above > b->nr_above : a->sid > b->sid;
}

static int compare_lower(const void *pa, const void *pb)
{
	const struct session *a = *(struct session *const *)pa, *b = *(struct session *const *)pb;

	return is_lower(a, b) ? -1 : is_lower(b, a);
}

/* All that is above @s comes in a line: what is not above the lowest of it must be.  True: that is new. */
static bool line_up(const struct planning *p, struct session *s)
{
	struct session *high, *lowest = NULL;

	for_each_above(high, s, p) if (!lowest || is_lower(high, lowest)) lowest = high;
	s->within = lowest;
	return lowest && put_above(p, lowest, s->above);
}

static void sessions_init(struct planning *p)
{
	size_t n = p->sessions.n;
	struct session **s;

	p->nr_words = (n + 63) / 64;
	p->lowest_first = arena_array(p->arena, struct session *, n);
	memcpy(p->lowest_first, p->sessions.items, n * sizeof(*p->lowest_first));
	vec_for_each(s, &p->sessions) {
		(*s)->above = arena_array(p->arena, uint64_t, p->nr_words);
		put_one_above(*s, p->sessions.items[0]);
	}
}

static int find_sessions(struct planning *p, struct err *err)
{
	size_t i, n = p->sessions.n;
	bool changed;

	do {
		if (relate_all(p, err) < 0)
			return -err->code;
		changed = false;
		qsort(p->lowest_first, n, sizeof(*p->lowest_first), compare_lower);
		for (i = 0; i < n; i++)
			changed |= line_up(p, p->lowest_first[i]);
	} while (changed);
	return 0;
}

/* ---- births ---- */

static void need(struct planning *p, struct birth *b, struct birth *ancestor)
{
	struct birth **n;

	if (b == ancestor)
		return;
	vec_for_each(n, &b->needs)
		if (*n == ancestor)
			return;
	*vec_add(p->arena, &b->needs) = ancestor;
}

/*
 * The parent is needed by the task itself if both are born into the same
 * session, or else by the leader of that session at or above the task's whose
 * leader is born where the parent is.
 */
static void need_parent(struct planning *p, struct task *t)
{
	struct birth *parent = t->parent->birth, *b = t->birth;

	while (b->in != parent->in) {
		assert(b->in);
		b = b->in->leader;
	}
	need(p, b, parent);
}

/*
 * Who needs whom may be a circle if a leader was put too high: below another
 * one's birth, but it needs those who are born below that one's session.  Then
 * it belongs below that session.
 */
static bool put_lower(struct birth *b, const struct birth *needed)
{
	return b->led && needed->led && put_one_above(b->led, needed->led);
}

enum circle { NO_CIRCLE, IN_CIRCLE, CIRCLE_BROKEN };

static enum circle put_in_order(struct planning *p, struct birth *b, unsigned int *last)
{
	enum { PENDING = ~0u };
	struct birth **n;

	if (b->order == PENDING) {
		p->circle = b;
		return IN_CIRCLE;
	}
	if (b->order)
		return NO_CIRCLE;
	b->order = PENDING;
	vec_for_each(n, &b->needs) {
		enum circle c = put_in_order(p, *n, last);

		if (c == IN_CIRCLE && p->circle && put_lower(b, *n))
			return CIRCLE_BROKEN;
		if (p->circle == b)
			p->circle = NULL;
		if (c != NO_CIRCLE)
			return c;
	}
	b->order = ++*last;
	return NO_CIRCLE;
}

static int put_all_in_order(struct planning *p, bool *again_ret, struct err *err)
{
	unsigned int last = 0;
	struct birth **b;

	vec_for_each(b, &p->born) {
		enum circle c = put_in_order(p, *b, &last);

		*again_ret = c == CIRCLE_BROKEN;
		if (c == CIRCLE_BROKEN)
			return 0;
		if (c == IN_CIRCLE)
			return no_session(p, (*b)->in, err);
	}
	return 0;
}

static void find_father(struct planning *p, struct birth *b)
{
	struct birth **n, *father = NULL;

	vec_for_each(n, &b->needs)
		if (!father || (*n)->order > father->order)
			father = *n;
	vec_for_each(n, &b->needs)
		need(p, father, *n);

	b->before = father && father->leads;
	b->father = father ? father : b->in ? b->in->leader : NULL;
	b->is_adopted = b->father && !b->is_helper && b->father != b->task->parent->birth;
}

static void find_needs(struct planning *p)
{
	struct birth **b;
	struct task *t;

	vec_for_each(b, &p->born) {
		(*b)->in = (*b)->led ? (*b)->led->within : session_find(p, (*b)->task->sid);
		(*b)->needs.n = 0;
		(*b)->order = 0;
	}
	for_each_task(t, p->tree)
		if (t->parent)
			need_parent(p, t);
}

static int find_births(struct planning *p, struct err *err)
{
	bool again;

	do {
		if (find_sessions(p, err) < 0)
			return -err->code;
		find_needs(p);
		if (put_all_in_order(p, &again, err) < 0)
			return -err->code;
	} while (again);
	return 0;
}

static void find_fathers(struct planning *p)
{
	struct birth **b, **in_order = arena_array(p->arena, struct birth *, p->born.n);
	size_t i;

	vec_for_each(b, &p->born)
		in_order[(*b)->order - 1] = *b;
	for (i = p->born.n; i > 0; i--)
		find_father(p, in_order[i - 1]);
}

/* ---- the result ---- */

static void log_birth(const struct birth *b)
{
	const struct task *t = b->task;

	log_debug("%s %d: forked by %d%s%s%s", b->is_helper ? "helper" : "task", t->pid,
		  b->father ? b->father->task->pid : 0, b->before ? " before its setsid" : "",
		  b->leads	   ? ", begins a session"
		  : b->leads_group ? ", begins a group"
				   : "",
		  b->is_adopted ? ", adopted" : "");
	if (b->is_adopted)
		log_debug("task %d: %d becomes its parent", t->pid, t->parent->pid);
}

/* In the order of the tree, so that siblings stay as they were. */
static void list_births(struct planning *p)
{
	struct births *births = p->births;
	struct birth **b, *child;
	size_t i;

	vec_for_each(b, &p->born)
		if ((*b)->father)
			list_add_tail(&(*b)->father->births, &(*b)->sibling);

	*vec_add(p->arena, &births->all) = p->tree->root->birth;
	for (i = 0; i < births->all.n; i++) {
		births->all.items[i]->place = (unsigned int)i;
		list_for_each(child, &births->all.items[i]->births, sibling)
			*vec_add(p->arena, &births->all) = child;
	}
	assert(births->all.n == p->born.n);
}

void births_log(const struct births *births)
{
	struct birth *const *b;

	vec_for_each(b, &births->all)
		log_birth(*b);
}

static int check_root(const struct task *root, bool shell_job, struct err *err)
{
	if (root->sid == root->pid || shell_job)
		return 0;
	err_set(err, EOPNOTSUPP, "cannot restore task %d: its session %d is outside the tree",
		root->pid, root->sid);
	return err_hint(err, "use --shell-job, at dump and restore");
}

int births_plan(struct arena *a, struct tree *tree, bool shell_job, struct births **births_ret,
		struct err *err)
{
	struct planning p = { .arena = a, .tree = tree, .births = arena_new(a, struct births) };

	if (check_root(tree->root, shell_job, err) < 0 || make_births(&p, err) < 0)
		return -err->code;
	sessions_init(&p);
	if (find_births(&p, err) < 0)
		return -err->code;
	find_fathers(&p);
	list_births(&p);
	if (births_share(a, p.births, err) < 0)
		return -err->code;
	*births_ret = p.births;
	return 0;
}

/* A helper needs the pid of a leader, who must be dead, and not only outside of the tree. */
static int check_helper(struct dump *d, const struct task *helper, struct err *err)
{
	struct err unused = { 0 };
	struct proc_stat st;
	const struct task *t;

	if (d->ns->root[NS_PID] ||
	    proc_read_stat(d->proc, helper->pid, helper->pid, &st, &unused) < 0 ||
	    st.state == 'Z' || st.state == 'X')
		return 0;
	for_each_task(t, d->tree)
		if (t->sid == helper->pid || t->pgid == helper->pid)
			break;
	err_set(err, EOPNOTSUPP, "cannot dump task %d: task %d, outside of the tree, leads its %s",
		t->host_pid, helper->pid, t->sid == helper->pid ? "session" : "process group");
	return err_hint(
		err,
		"dump a tree that has both of them, or use --shell-job if it is a job of a shell");
}

int births_check(struct dump *d, struct err *err)
{
	struct births *births;
	struct birth **b;

	if (births_plan(d->arena, d->tree, d->opts->common.shell_job, &births, err) < 0)
		return -err->code;
	vec_for_each(b, &births->all)
		if ((*b)->is_helper && check_helper(d, (*b)->task, err) < 0)
			return -err->code;
	return 0;
}
