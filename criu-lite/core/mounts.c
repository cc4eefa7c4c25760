/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mounts - the mounts of the tree's namespaces, and names that begin there
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "core/mounts.h"
#include "core/kind.h"
#include "core/task.h"

/* ---- /proc/PID/mountinfo ---- */

/* "\040" is a blank. */
static char *unescape(struct arena *a, struct slice word)
{
	char *s = arena_alloc(a, word.n + 1), *to = s;
	size_t i = 0;

	while (i < word.n) {
		char octal[4] = { 0 };

		if (word.p[i] != '\\' || word.n - i < 4) {
			*to++ = word.p[i++];
			continue;
		}
		memcpy(octal, word.p + i + 1, 3);
		*to++ = (char)strtoul(octal, NULL, 8);
		i += 4;
	}
	*to = '\0';
	return s;
}

struct mount_word {
	const char *word;
	uint32_t flag;
};

static const struct mount_word mount_words[] = {
	{ "ro", MS_RDONLY },	     { "nosuid", MS_NOSUID },
	{ "nodev", MS_NODEV },	     { "noexec", MS_NOEXEC },
	{ "noatime", MS_NOATIME },   { "nodiratime", MS_NODIRATIME },
	{ "relatime", MS_RELATIME }, { "nosymfollow", 256 /* MS_NOSYMFOLLOW */ },
	{ "sync", MS_SYNCHRONOUS },  { "dirsync", MS_DIRSYNC },
	{ "mand", MS_MANDLOCK },     { "lazytime", MS_LAZYTIME },
};

static bool flag_of_word(struct slice word, uint32_t *flags)
{
	for (size_t i = 0; i < sizeof(mount_words) / sizeof(mount_words[0]); i++)
		if (slice_is(word, mount_words[i].word)) {
			*flags |= mount_words[i].flag;
			return true;
		}
	return false;
}

/* The next of "a,b,c"; false at the end. */
static bool next_option(struct slice *list, struct slice *ret)
{
	const char *comma;

	if (!list->n)
		return false;
	comma = memchr(list->p, ',', list->n);
	*ret = (struct slice){ list->p, comma ? (size_t)(comma - list->p) : list->n };
	list->p += ret->n + (comma != NULL);
	list->n -= ret->n + (comma != NULL);
	return true;
}

/* What is no flag: "size=4k,mode=755". */
static char *take_flags(struct arena *a, struct slice list, uint32_t *flags)
{
	char *rest = arena_alloc(a, list.n + 1), *to = rest;
	struct slice word;

	while (next_option(&list, &word)) {
		if (slice_is(word, "rw") || flag_of_word(word, flags))
			continue;
		if (to > rest)
			*to++ = ',';
		memcpy(to, word.p, word.n);
		to += word.n;
	}
	*to = '\0';
	return rest;
}

/* "shared:5 master:3 -": what is between the options and the file system. */
static bool parse_tags(struct text *line, struct mount *m)
{
	uint64_t n;

	for (;;) {
		struct slice word;

		text_skip_blanks(line);
		if (text_lit(line, "- "))
			return true;
		if (text_lit(line, "shared:")) {
			if (!text_u64(line, &n))
				return false;
			m->entry->has_shared_id = true;
			m->entry->shared_id = (uint32_t)n;
		} else if (text_lit(line, "master:")) {
			if (!text_u64(line, &n))
				return false;
			m->entry->has_master_id = true;
			m->entry->master_id = (uint32_t)n;
		} else if (!text_word(line, &word)) {
			return false;
		} else if (slice_is(word, "unbindable")) {
			m->unbindable = true;
		}
	}
}

/* "/gone//deleted": what was bound has been removed. */
static void take_deleted(MntEntry *e)
{
	static const char suffix[] = "//deleted";
	size_t n = strlen(e->root), k = sizeof(suffix) - 1;

	if (n < k || strcmp(e->root + n - k, suffix) != 0)
		return;
	e->root[n == k ? 1 : n - k] = '\0';
	e->has_deleted = e->deleted = true;
}

/* "36 35 98:0 /root /mnt/point rw,nosuid shared:1 - ext4 /dev/sda rw,discard" */
static bool parse_line(struct text line, struct arena *a, struct mount *m)
{
	MntEntry *e = m->entry = record_of(a, &mnt_entry__descriptor);
	struct slice root, point, options, type, source = { "", 0 }, super = { "", 0 };
	uint64_t id, parent, major_nr, minor_nr;
	char *unknown;

	if (!text_u64(&line, &id) || !text_u64(&line, &parent) || !text_u64(&line, &major_nr) ||
	    !text_lit(&line, ":") || !text_u64(&line, &minor_nr) || !text_word(&line, &root) ||
	    !text_word(&line, &point) || !text_word(&line, &options) || !parse_tags(&line, m) ||
	    !text_word(&line, &type))
		return false;
	/* a source may be empty; then two blanks follow each other */
	if (line.p + 1 < line.end && line.p[0] == ' ' && line.p[1] != ' ')
		text_word(&line, &source);
	text_word(&line, &super);

	e->mnt_id = (uint32_t)id;
	e->parent_mnt_id = (uint32_t)parent;
	e->root_dev = (uint32_t)(major_nr << 20 | minor_nr);
	e->root = unescape(a, root);
	take_deleted(e);
	e->mountpoint = unescape(a, point);
	unknown = take_flags(a, options, &e->flags);
	m->is_idmapped = strstr(unknown, "idmapped") != NULL;
	e->has_sb_flags = true;
	m->type = unescape(a, type);
	e->source = unescape(a, source);
	e->options = take_flags(a, (struct slice){ unescape(a, super), super.n }, &e->sb_flags);
	m->fd = m->under = -1;
	return true;
}

bool mountinfo_parse(const char *s, size_t len, struct arena *a, mount_rows *ret)
{
	struct text rest = text_of(s, len), line;

	while (text_line(&rest, &line))
		if (!parse_line(line, a, vec_add(a, ret)))
			return false;
	return true;
}

int mountinfo_read(int proc, const char *file, struct arena *a, mount_rows *ret, struct err *err)
{
	char *text;
	size_t len;
	int code = io_slurp_at(proc, file, a, &text, &len);

	if (code < 0)
		return err_set(err, -code, "cannot read /proc/%s", file);
	if (!mountinfo_parse(text, len, a, ret)) {
		err_set(err, EPROTO, "cannot understand /proc/%s", file);
		return err_why(err, "it is not as any known kernel writes it");
	}
	return 0;
}

/* ---- the table ---- */

static int compare_ids(const void *pa, const void *pb)
{
	const struct mount *a = *(struct mount *const *)pa, *b = *(struct mount *const *)pb;

	return a->entry->mnt_id < b->entry->mnt_id ? -1 : a->entry->mnt_id > b->entry->mnt_id;
}

struct mount *mount_by_id(const struct mounts *all, uint32_t id)
{
	MntEntry entry = { .mnt_id = id };
	struct mount key = { .entry = &entry }, *p = &key, **found;

	if (!all || !all->by_id.n)
		return NULL;
	found = bsearch(&p, all->by_id.items, all->by_id.n, sizeof(p), compare_ids);
	return found ? *found : NULL;
}

struct mount_ns *mounts_of(const struct mounts *all, const struct ns *ns)
{
	struct mount_ns **m;

	if (all && ns)
		vec_for_each(m, &all->ns)
			if ((*m)->ns == ns)
				return *m;
	return NULL;
}

static int no_tree(const struct mount_ns *ns, struct err *err)
{
	err_set(err, EBADMSG, "cannot use the mounts of namespace %u: they are no tree",
		ns->ns->id);
	return err_hint(err, "the checkpoint is damaged; take it again");
}

/* From every mount one must come to the root. */
static int check_tree(const struct mount_ns *ns, struct err *err)
{
	size_t i, steps;

	for (i = 0; i < ns->n; i++) {
		const struct mount *m = &ns->mounts[i];

		for (steps = 0; m->parent && steps <= ns->n; steps++)
			m = m->parent;
		if (m != ns->top)
			return no_tree(ns, err);
	}
	return 0;
}

int mounts_add(struct arena *a, struct mounts **all, struct ns *ns, struct mount *mounts, size_t n,
	       struct err *err)
{
	struct mount_ns *mns = arena_new(a, struct mount_ns);
	size_t i;

	if (!*all)
		*all = arena_new(a, struct mounts);
	(*all)->ours = -1;
	*mns = (struct mount_ns){ .ns = ns, .mounts = mounts, .n = n, .root = -1 };
	*vec_add(a, &(*all)->ns) = mns;
	for (i = 0; i < n; i++) {
		mounts[i].ns = mns;
		*vec_add(a, &(*all)->by_id) = &mounts[i];
	}
	qsort((*all)->by_id.items, (*all)->by_id.n, sizeof(struct mount *), compare_ids);
	for (i = 0; i < n; i++) {
		struct mount *parent = mount_by_id(*all, mounts[i].entry->parent_mnt_id);

		if (parent && parent->ns == mns && parent != &mounts[i])
			mounts[i].parent = parent;
		else if (!mns->top)
			mns->top = &mounts[i];
		else
			return no_tree(mns, err);
	}
	return mns->top ? check_tree(mns, err) : no_tree(mns, err);
}

/* ---- names ---- */

const char *path_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (n == 1 && dir[0] == '/')
		n = 0;
	if (strncmp(path, dir, n) != 0 || (path[n] && path[n] != '/'))
		return NULL;
	path += n;
	while (*path == '/')
		path++;
	return path;
}

/* What is on a mount of none of them was opened before the tree, or a task, came there. */
static const struct mount_ns *place_of(const struct dump *d, const struct task *t, uint64_t mnt_id)
{
	const struct mount *m = mount_by_id(d->mounts, (uint32_t)mnt_id);

	if (m)
		return m->ns;
	if (!d->mounts)
		return NULL;
	return mounts_of(d->mounts, mnt_id ? d->ns->root[NS_MNT] : ns_of_task(d->ns, t, NS_MNT));
}

int mounts_enter_dump(struct dump *d, const struct task *t, uint64_t mnt_id, struct ns_visit *visit,
		      struct err *err)
{
	const struct mount_ns *mns = place_of(d, t, mnt_id);

	/* one visit may be inside of another */
	if (mns && mns == d->mounts->here)
		mns = NULL;
	if (ns_enter_dump(d, mns ? mns->ns : NULL, visit, err) < 0)
		return -err->code;
	if (mns)
		d->mounts->here = mns;
	return 0;
}

int mounts_leave(struct dump *d, struct ns_visit *visit, struct err *err)
{
	if (visit->back >= 0)
		d->mounts->here = NULL;
	return ns_leave(visit, err);
}

/* The mount namespace in which this process is: the coordinator is in that of the root task. */
static const struct ns *here_of(const struct restore *r)
{
	if (!r->ns)
		return NULL;
	return r->self ? ns_of_task(r->ns, r->self, NS_MNT) : r->ns->root[NS_MNT];
}

int mounts_enter_restore(struct restore *r, int mnt_id, struct ns_visit *visit, struct err *err)
{
	const struct mount *m = mnt_id > 0 ? mount_by_id(r->mounts, (uint32_t)mnt_id) : NULL;

	return ns_enter_restore(r, m && m->ns->ns != here_of(r) ? m->ns->ns : NULL, visit, err);
}

/* openat2() refuses what open() ignores. */
static uint64_t clean_flags(int flags)
{
	const int path = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

	if (flags & O_PATH)
		return (uint64_t)(flags & path);
	return (uint64_t)(unsigned int)flags;
}

static int open_below(int root, const char *name, int flags)
{
	struct open_how how = { .flags = clean_flags(flags), .resolve = RESOLVE_IN_ROOT };

	return (int)syscall(SYS_openat2, root, name, &how, sizeof(how));
}

/* The coordinator's descriptor of the directory where names on that mount begin; -1: where we are. */
static int root_of(const struct restore *r, int mnt_id)
{
	const struct mount *m = mnt_id > 0 ? mount_by_id(r->mounts, (uint32_t)mnt_id) : NULL;
	const struct ns *root = r->ns ? r->ns->root[NS_MNT] : NULL;
	const struct ns *here = here_of(r);

	if (m)
		return m->ns->ns == here ? -1 : m->ns->root;
	/* a mount of ours, and we are in a namespace of the tree */
	return mnt_id > 0 && !root && here ? r->mounts->ours : -1;
}

/* Below @dir of the coordinator; -1 with errno. */
static int open_there(struct restore *r, int dir, const char *name, int flags)
{
	struct err unused = { 0 };
	int fd;

	if (!r->self)
		return open_below(dir, name, flags);

	scoped_fd own = restore_borrow_fd(r, dir, &unused);

	if (own < 0) {
		errno = unused.code;
		return -1;
	}
	fd = open_below(own, name, flags);
	return fd;
}

int mounts_open(struct restore *r, int mnt_id, const char *name, int flags)
{
	int root = root_of(r, mnt_id);

	return root < 0 ? open(name, flags) : open_there(r, root, name, flags);
}

/* The last mount on @m that hides @name; NULL: none. */
static const struct mount *cover_of(const struct mount *m, const char *name)
{
	const struct mount *best = NULL;

	for (size_t i = 0; i < m->ns->n; i++) {
		const struct mount *c = &m->ns->mounts[i];

		if (c->parent == m && path_below(name, c->entry->mountpoint) &&
		    (!best || strlen(c->entry->mountpoint) > strlen(best->entry->mountpoint)))
			best = c;
	}
	return best;
}

/* What is open as @fd, which may be a file, once more. */
static int open_itself(struct restore *r, int fd, int flags)
{
	struct err unused = { 0 };
	scoped_fd own = r->self ? restore_borrow_fd(r, fd, &unused) : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	char path[32];

	snprintf(path, sizeof(path), "self/fd/%d", own);
	return own < 0 ? -1 : openat(r->proc, path, flags & ~O_NOFOLLOW);
}

int mounts_open_covered(struct restore *r, int mnt_id, const char *name, int flags)
{
	const struct mount *m = mnt_id > 0 ? mount_by_id(r->mounts, (uint32_t)mnt_id) : NULL;
	const struct mount *cover = m ? cover_of(m, name) : NULL;
	const char *below = m ? path_below(name, (cover ? cover : m)->entry->mountpoint) : NULL;
	int start = cover ? cover->under : m ? m->fd : -1;

	if (!below || start < 0) {
		errno = ENOENT;
		return -1;
	}
	return *below ? open_there(r, start, below, flags) : open_itself(r, start, flags);
}
