/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * show_x - what a directory of images tells: tasks, descriptors
 *
 * Lines are those of crit, but for "tree", which is ours: threads and what is
 * not alive are seen there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "images/core.pb-c.h"
#include "images/fs.pb-c.h"
#include "images/inventory.pb-c.h"
#include "show_x.h"

enum { STATE_DEAD = 2, STATE_STOPPED = 3 }; /* of a task, in images */

/* ---- images ---- */

int x_read(struct x_dir *x, enum image_type type, unsigned long id, x_messages *ret)
{
	scoped_image *img = NULL;
	bool found = false;
	void *msg;
	int got;

	if (image_open(x->store, type, id, x->arena, &img, &found, x->err) < 0)
		return -x->err->code;
	if (!found)
		return 0;
	while ((got = image_get(img, NULL, &msg, x->err)) > 0)
		*vec_add(x->arena, ret) = msg;
	return got;
}

int x_read_one(struct x_dir *x, enum image_type type, unsigned long id, void **ret)
{
	bool found = false;

	*ret = NULL;
	return image_get_one(x->store, type, id, x->arena, ret, &found, x->err);
}

static int read_tasks(struct x_dir *x)
{
	x_messages entries = { 0 };
	void *inventory;
	void **e;

	if (x_read_one(x, IMAGE_INVENTORY, 0, &inventory) < 0)
		return -x->err->code;
	if (inventory && ((InventoryEntry *)inventory)->img_version != 0 &&
	    store_set_version(x->store, ((InventoryEntry *)inventory)->img_version, x->err) < 0)
		return -x->err->code;

	if (x_read(x, IMAGE_PSTREE, 0, &entries) < 0)
		return -x->err->code;
	vec_for_each(e, &entries)
		*vec_add(x->arena, &x->tasks) = *e;
	if (x->tasks.n > 0)
		return 0;
	err_set(x->err, ENOENT, "cannot read pstree.img");
	return err_hint(x->err, "name the directory of a dump, or of a part of it with pstree.img");
}

static int by_id(const void *a, const void *b)
{
	uint32_t left = ((const struct x_id *)a)->id, right = ((const struct x_id *)b)->id;

	return left < right ? -1 : left > right;
}

static void add_file(struct x_dir *x, uint32_t id, FileEntry *fe)
{
	struct x_id *file = vec_add(x->arena, &x->files);

	file->id = fe->id = id;
	file->what = fe;
}

/* Before CRIU 3.2 each kind of file had an image of its own. */
static int read_old_files(struct x_dir *x)
{
	x_messages regs = { 0 }, pipes = { 0 }, sockets = { 0 };
	void **e;

	if (x_read(x, IMAGE_REG_FILES, 0, &regs) < 0 || x_read(x, IMAGE_PIPES, 0, &pipes) < 0 ||
	    x_read(x, IMAGE_UNIXSK, 0, &sockets) < 0)
		return -x->err->code;

	vec_for_each(e, &regs) {
		FileEntry *fe = arena_new(x->arena, FileEntry);

		fe->reg = *e;
		add_file(x, fe->reg->id, fe);
	}
	vec_for_each(e, &pipes) {
		FileEntry *fe = arena_new(x->arena, FileEntry);

		fe->pipe = *e;
		add_file(x, fe->pipe->id, fe);
	}
	vec_for_each(e, &sockets) {
		FileEntry *fe = arena_new(x->arena, FileEntry);

		fe->usk = *e;
		add_file(x, fe->usk->id, fe);
	}
	return 0;
}

int x_read_files(struct x_dir *x)
{
	x_messages entries = { 0 };
	void **e;

	if (x_read(x, IMAGE_FILES, 0, &entries) < 0)
		return -x->err->code;
	vec_for_each(e, &entries)
		add_file(x, ((FileEntry *)*e)->id, *e);
	if (entries.n == 0 && read_old_files(x) < 0)
		return -x->err->code;
	if (x->files.n > 0)
		qsort(x->files.items, x->files.n, sizeof(struct x_id), by_id);
	return 0;
}

const FileEntry *x_file(const struct x_dir *x, uint32_t id)
{
	struct x_id wanted = { .id = id }, *found = NULL;

	if (x->files.n > 0)
		found = bsearch(&wanted, x->files.items, x->files.n, sizeof(wanted), by_id);
	return found ? found->what : NULL;
}

const char *x_path(const struct x_dir *x, uint32_t id)
{
	const FileEntry *fe = x_file(x, id);

	return fe && fe->reg ? fe->reg->name : "unknown path";
}

/* ---- ps, tree ---- */

struct x_task {
	const PstreeEntry *entry;
	struct x_task *parent, *first, *last, *next; /* children; the next sibling */
	unsigned level;
};

static void add_child(struct x_task *parent, struct x_task *t)
{
	t->parent = parent;
	if (parent->last)
		parent->last->next = t;
	else
		parent->first = t;
	parent->last = t;
}

/* The one to be told after @t: its first child, its next sibling, or that of an ancestor. */
static struct x_task *next_task(struct x_task *t)
{
	if (t->first) {
		t->first->level = t->parent ? t->level + 1 : 0;
		return t->first;
	}
	while (t && !t->next)
		t = t->parent;
	if (!t)
		return NULL;
	t->next->level = t->level;
	return t->next;
}

/* Tasks under their parents, those without under @top. */
static void make_tree(struct x_dir *x, struct x_task *top)
{
	struct x_task *tasks = arena_array(x->arena, struct x_task, x->tasks.n);
	struct x_id *pids = arena_array(x->arena, struct x_id, x->tasks.n);

	for (size_t i = 0; i < x->tasks.n; i++) {
		tasks[i].entry = x->tasks.items[i];
		pids[i] = (struct x_id){ tasks[i].entry->pid, &tasks[i] };
	}
	qsort(pids, x->tasks.n, sizeof(*pids), by_id);
	for (size_t i = 0; i < x->tasks.n; i++) {
		struct x_id wanted = { .id = tasks[i].entry->ppid };
		struct x_id *found = bsearch(&wanted, pids, x->tasks.n, sizeof(wanted), by_id);

		add_child(found ? found->what : top, &tasks[i]);
	}
}

typedef int task_line(struct x_dir *x, const struct x_task *t);

static int each_task(struct x_dir *x, task_line *line)
{
	struct x_task top = { 0 }, *t = &top;
	size_t n = 0;

	make_tree(x, &top);
	for (t = next_task(t); t; t = next_task(t), n++)
		if (line(x, t) < 0)
			return -x->err->code;
	if (n < x->tasks.n)
		return err_set(x->err, EBADMSG,
			       "cannot read pstree.img: a task is its own ancestor");
	return 0;
}

/* What the image of a task or thread says; NULL: there is none. */
static int read_core(struct x_dir *x, uint32_t tid, const CoreEntry **core_ret,
		     const char **comm_ret)
{
	void *msg;
	const CoreEntry *core;

	if (x_read_one(x, IMAGE_CORE, tid, &msg) < 0)
		return -x->err->code;
	*core_ret = core = msg;
	*comm_ret = "?";
	if (core && core->tc)
		*comm_ret = core->tc->comm;
	else if (core && core->thread_core && core->thread_core->comm)
		*comm_ret = core->thread_core->comm;
	return 0;
}

static int ps_line(struct x_dir *x, const struct x_task *t)
{
	const CoreEntry *core;
	const char *comm;

	if (read_core(x, t->entry->pid, &core, &comm) < 0)
		return -x->err->code;
	fprintf(x->f, "%7d%7d%7d   %*s%s\n", t->entry->pid, t->entry->pgid, t->entry->sid,
		(int)t->level * 4, "", comm);
	return 0;
}

int x_ps(struct x_dir *x)
{
	fprintf(x->f, "%7s%7s%7s   %s\n", "PID", "PGID", "SID", "COMM");
	return each_task(x, ps_line);
}

static int thread_line(struct x_dir *x, const struct x_task *t, uint32_t tid)
{
	const CoreEntry *core;
	const char *comm;

	if (read_core(x, tid, &core, &comm) < 0)
		return -x->err->code;
	fprintf(x->f, "%*s%u {%s}\n", (int)t->level * 4 + 4, "", tid, comm);
	return 0;
}

static int tree_line(struct x_dir *x, const struct x_task *t)
{
	const CoreEntry *core;
	const char *comm;
	uint32_t state;

	if (read_core(x, t->entry->pid, &core, &comm) < 0)
		return -x->err->code;
	state = core && core->tc ? core->tc->task_state : 0;
	fprintf(x->f, "%*s%u %s%s\n", (int)t->level * 4, "", t->entry->pid, comm,
		state == STATE_DEAD	 ? ", dead"
		: state == STATE_STOPPED ? ", stopped"
					 : "");

	for (size_t i = 1; i < t->entry->n_threads; i++)
		if (thread_line(x, t, t->entry->threads[i]) < 0)
			return -x->err->code;
	return 0;
}

int x_tree(struct x_dir *x)
{
	return each_task(x, tree_line);
}

/* ---- fds ---- */

/* A name of a unix socket: bytes, which may have NULs. */
static void print_name(FILE *f, const ProtobufCBinaryData *name)
{
	for (size_t i = 0; i < name->len; i++) {
		bool plain = name->data[i] >= ' ' && name->data[i] <= '~' && name->data[i] != '=';

		fprintf(f, plain ? "%c" : "=%02X", name->data[i]);
	}
}

static void print_socket(struct x_dir *x, const UnixSkEntry *usk)
{
	if (!usk) {
		fputs("unix[?]", x->f);
		return;
	}
	fprintf(x->f, "unix[%u (%u)%s", usk->ino, usk->peer, usk->name.len ? " " : "");
	print_name(x->f, &usk->name);
	putc(']', x->f);
}

static void print_file(struct x_dir *x, FdTypes type, uint32_t id)
{
	const FileEntry *fe = x_file(x, id);
	const ProtobufCEnumValue *kind;

	switch (type) {
	case FD_TYPES__REG:
		fputs(x_path(x, id), x->f);
		break;
	case FD_TYPES__PIPE:
		if (fe && fe->pipe)
			fprintf(x->f, "pipe[%u]", fe->pipe->pipe_id);
		else
			fputs("pipe[?]", x->f);
		break;
	case FD_TYPES__UNIXSK:
		print_socket(x, fe ? fe->usk : NULL);
		break;
	default:
		kind = protobuf_c_enum_descriptor_get_value(&fd_types__descriptor, type);
		fprintf(x->f, "%s.%u", kind ? kind->name : "?", id);
	}
	putc('\n', x->f);
}

static int fds_of_task(struct x_dir *x, uint32_t pid)
{
	x_messages fds = { 0 };
	void *ids, *fs, **e;

	fprintf(x->f, "%u\n", pid);
	if (x_read_one(x, IMAGE_IDS, pid, &ids) < 0 || x_read_one(x, IMAGE_FS, pid, &fs) < 0)
		return -x->err->code;
	if (ids && x_read(x, IMAGE_FDINFO, ((TaskKobjIdsEntry *)ids)->files_id, &fds) < 0)
		return -x->err->code;

	vec_for_each(e, &fds) {
		const FdinfoEntry *fd = *e;

		fprintf(x->f, "\t%7d: ", fd->fd);
		print_file(x, fd->type, fd->id);
	}
	if (fs)
		fprintf(x->f, "\t%7s: %s\n\t%7s: %s\n", "cwd", x_path(x, ((FsEntry *)fs)->cwd_id),
			"root", x_path(x, ((FsEntry *)fs)->root_id));
	return 0;
}

int x_fds(struct x_dir *x)
{
	PstreeEntry **t;

	if (x_read_files(x) < 0)
		return -x->err->code;
	vec_for_each(t, &x->tasks)
		if (fds_of_task(x, (*t)->pid) < 0)
			return -x->err->code;
	return 0;
}

/* ---- all ---- */

static const struct {
	const char *name;
	int (*run)(struct x_dir *x);
} reports[] = {
	{ "ps", x_ps }, { "fds", x_fds }, { "mems", x_mems }, { "rss", x_rss }, { "tree", x_tree },
};

int show_x(struct arena *a, const char *dir, const char *what, FILE *f, struct err *err)
{
	struct x_dir x = { .arena = a, .f = f, .err = err };
	scoped_store *store = NULL;
	size_t i;
	int fd;

	for (i = 0; i < sizeof(reports) / sizeof(reports[0]); i++)
		if (strcmp(reports[i].name, what) == 0)
			break;
	if (i == sizeof(reports) / sizeof(reports[0])) {
		err_set(err, EINVAL, "cannot report %s", what);
		err->exit_status = 2;
		err_why(err, "there is no such report");
		return err_hint(err, "the reports are ps, fds, mems, rss and tree");
	}

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err_sys(err, "cannot open directory %s", dir);
		return err_hint(err, "name a directory of images");
	}
	if (store_open_dirfd(a, fd, &store, err) < 0)
		return -err->code;
	x.store = store;
	if (read_tasks(&x) < 0 || reports[i].run(&x) < 0)
		return err_in(err, "%s", dir);
	return 0;
}
