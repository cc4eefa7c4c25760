/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * file (dump) - open file descriptions: claimed by a kind, numbered, written
 *
 * A descriptor is looked at through a copy of ours (pidfd_getfd), so a kind can
 * ask the file everything without disturbing the task that has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/inject.h"
#include "base/log.h"
#include "base/text.h"
#include "core/files.h"
#include "core/mounts.h"
#include "core/record.h"
#include "core/refuse.h"
#include "core/sock_ns.h"
#include "core/sockopt.h"
#include "core/unknown.h"

#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17 /* linux/fcntl.h, which libc's cannot be mixed with */
#endif

/* Where a file that is no descriptor was seen, so that it is one record. */
struct file_link_cache {
	uint64_t dev, ino, mnt_id;
	struct file *file;
};

struct files *files_new(struct arena *a)
{
	struct files *f = arena_new(a, struct files);

	list_init(&f->list);
	f->open_files.type = KCMP_FILE;
	return f;
}

struct list *files_list(struct files *files)
{
	return &files->list;
}

uint32_t file_new_id(struct dump *d)
{
	return ++d->files->last_id;
}

uint32_t file_add_record(struct dump *d, FileEntry *fe)
{
	fe->id = file_new_id(d);
	*record_id(fe) = fe->id;
	if (record_fown(fe) && !*record_fown(fe))
		*record_fown(fe) = record_new(d, fown_entry);
	*vec_add(d->arena, &d->files->records) = fe;
	return fe->id;
}

void file_add_name(struct dump *d, const struct file *f, RegFileEntry *reg)
{
	FileEntry *fe = record_new(d, file_entry);

	fe->type = FD_TYPES__REG;
	fe->id = reg->id = f->id;
	fe->reg = reg;
	*vec_add(d->arena, &d->files->records) = fe;
}

int file_get(struct dump *d, const struct file *f, struct err *err)
{
	int fd = (int)syscall(SYS_pidfd_getfd, f->task->pidfd, f->fd, 0);

	if (fd < 0)
		return err_sys(err, "cannot take a copy of descriptor %d of task %d", f->fd,
			       f->task->host_pid);
	return fd;
}

/* ---- which kind ---- */

static bool is_claimed(const struct file_kind *k, const struct fd_probe *p)
{
	if (k->anon && p->fd >= 0) {
		const char *colon = strchr(p->link, ':');

		if (colon && strncmp(p->link, "anon_inode:", 11) == 0 &&
		    strcmp(colon + 1, k->anon) == 0)
			return true;
	}
	return k->match && k->match(p);
}

static int find_kind(struct dump *d, const struct fd_probe *p, const struct file_kind **kind_ret,
		     struct err *err)
{
	const struct file_kind *const *k;
	const struct file_kind *found = NULL;

	for (k = kinds_index(d->kinds)->files; *k; k++) {
		if (!is_claimed(*k, p))
			continue;
		if (found)
			return err_set(err, EPROTO, "cannot dump %s: both %s and %s claim it",
				       p->link, found->name, (*k)->name);
		found = *k;
	}
	if (!found && S_ISSOCK(p->st.st_mode))
		return sock_refuse(p, err);
	if (!found) {
		err_set(err, EOPNOTSUPP,
			"cannot dump file \"%s\" (/proc/%s): nobody knows this sort of file",
			p->link, p->proc_ref);
		return err_hint(err, "close it in the program before the dump");
	}
	*kind_ret = found;
	return 0;
}

/* As seen from inside the tree's user namespace. */
static int probe_stat(struct dump *d, struct fd_probe *p)
{
	if (fstat(p->own, &p->st) < 0)
		return -1;
	p->st.st_uid = ns_uid_inside(d->ns, p->st.st_uid);
	p->st.st_gid = ns_gid_inside(d->ns, p->st.st_gid);
	return 0;
}

/* ---- who gets signals of it ---- */

int file_fown(struct dump *d, const struct fd_probe *p, FownEntry **fown_ret, struct err *err)
{
	FownEntry *fown = record_new(d, fown_entry);
	struct f_owner_ex owner = { 0 };
	uint32_t uids[2] = { 0 };
	int sig;

	*fown_ret = fown;
	if (p->fd < 0 || (p->flags & O_PATH))
		return 0;
	sig = fcntl(p->own, F_GETSIG);
	if (sig < 0 || fcntl(p->own, F_GETOWN_EX, &owner) < 0)
		return err_sys(err, "cannot ask who gets signals of %s", p->link);

	fown->signum = (uint32_t)sig;
	if (!owner.pid || !ns_pid_inside(d, owner.pid))
		return 0;
	/* nothing else gives a directory an owner, and nothing tells what was asked for */
	if (S_ISDIR(p->st.st_mode))
		log_warn("%s: whoever wants signals of its changes (F_NOTIFY) gets none any more",
			 p->link);
	if (fcntl(p->own, F_GETOWNER_UIDS, uids) < 0)
		return err_sys(err, "cannot ask whose signals %s sends", p->link);
	fown->pid_type = (uint32_t)owner.type;
	fown->pid = (uint32_t)ns_pid_inside(d, owner.pid);
	fown->uid = ns_uid_inside(d->ns, uids[0]);
	fown->euid = ns_uid_inside(d->ns, uids[1]);
	return 0;
}

/* Where its name means something: in the mount namespace of the file. */
static int collect_mounted(struct dump *d, const struct fd_probe *p, struct file *f,
			   struct err *err)
{
	struct ns_visit visit;
	struct err back = { 0 };
	int ret;

	if (mounts_enter_dump(d, p->task, p->mnt_id, &visit, err) < 0)
		return -err->code;
	ret = f->kind->collect(d, p, f->image, err);
	if (mounts_leave(d, &visit, &back) < 0) {
		*err = back;
		return -err->code;
	}
	return ret;
}

/* In the network namespace of the file, if it has one. */
static int collect_there(struct dump *d, const struct fd_probe *p, struct file *f, struct err *err)
{
	struct ns_visit visit;

	if (sock_ns_find(d, p, &f->netns, err) < 0 ||
	    sock_ns_enter_dump(d, f->netns, &visit, err) < 0 ||
	    sock_ns_leave_dump(d, &visit, collect_mounted(d, p, f, err), err) < 0)
		return -err->code;
	sock_ns_record(d, f->image, f->netns);
	return 0;
}

static int claim(struct dump *d, const struct fd_probe *p, const struct file_kind *kind,
		 struct file **file_ret, struct err *err)
{
	struct file *f = arena_new(d->arena, struct file);
	FownEntry **fown;

	f->kind = kind;
	f->image = record_new(d, file_entry);
	f->image->type = kind->type;
	f->task = p->task;
	f->fd = p->fd;
	f->ino = p->st.st_ino;
	if (inject_point(err, "collect:%s", kind->name) < 0 || collect_there(d, p, f, err) < 0)
		return err_in(err, "%s %s of task %d", kind->name, p->link, p->task->host_pid);

	fown = record_fown(f->image);
	if (fown && !*fown && file_fown(d, p, fown, err) < 0)
		return -err->code;
	f->id = f->image->id = file_new_id(d);
	if (record_id(f->image))
		*record_id(f->image) = f->id;
	list_add_tail(&d->files->list, &f->link);
	log_debug("file %u: %s %s (/proc/%s)", f->id, kind->name, p->link, p->proc_ref);
	*file_ret = f;
	return 0;
}

int file_claim(struct dump *d, const struct fd_probe *p, struct file **file_ret, struct err *err)
{
	const struct file_kind *kind = NULL;

	if (find_kind(d, p, &kind, err) == 0 && claim(d, p, kind, file_ret, err) == 0)
		return 0;
	if (!refuse_note(d, p->task, p->fd, err))
		return -err->code;
	if (kind)
		refuse_spoil(d, kind);
	*file_ret = refuse_file(d, p->task, p->fd);
	(*file_ret)->id = file_new_id(d);
	list_add_tail(&d->files->list, &(*file_ret)->link);
	return 0;
}

/* ---- files that are no descriptors ---- */

struct file *file_of_ring(struct dump *d, uint64_t ino)
{
	struct file *f;

	for_each_file(f, d->files)
		if (f->kind && f->kind->type == FD_TYPES__PACKETSK && f->ino == ino)
			return f;
	return NULL;
}

static uint64_t mount_of(int fd)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &sx) < 0 ||
	    !(sx.stx_mask & STATX_MNT_ID))
		return 0;
	return sx.stx_mnt_id;
}

/* Devices are not shared between records: two opens of one may be different things. */
static bool may_share(const struct stat *st)
{
	return !S_ISCHR(st->st_mode) && !S_ISBLK(st->st_mode);
}

static struct file_link_cache *cache_slot(struct files *files, const struct file_link_cache *key)
{
	size_t i = (key->ino * 0x9e3779b97f4a7c15ull ^ key->dev ^ key->mnt_id) &
		   (files->max_links - 1);

	while (files->links[i].file &&
	       (files->links[i].dev != key->dev || files->links[i].ino != key->ino ||
		files->links[i].mnt_id != key->mnt_id))
		i = (i + 1) & (files->max_links - 1);
	return &files->links[i];
}

static void cache_grow(struct dump *d)
{
	struct files *files = d->files;
	struct file_link_cache *old = files->links;
	size_t n = files->max_links, i;

	if (files->nr_links * 2 < files->max_links)
		return;
	files->max_links = n ? n * 4 : 256;
	files->links = arena_array(d->arena, struct file_link_cache, files->max_links);
	for (i = 0; i < n; i++)
		if (old[i].file)
			*cache_slot(files, &old[i]) = old[i];
}

/* Cut " (deleted)" off; the text then belongs to the arena. */
static const char *clean_link(struct dump *d, const char *text, size_t n, bool *deleted_ret)
{
	static const char suffix[] = " (deleted)";
	size_t k = sizeof(suffix) - 1;
	char *s = arena_alloc(d->arena, n + 1);

	memcpy(s, text, n);
	*deleted_ret = n > k && memcmp(s + n - k, suffix, k) == 0;
	if (*deleted_ret)
		s[n - k] = '\0';
	return s;
}

static int read_link(struct dump *d, struct fd_probe *p, struct err *err)
{
	char text[4096 + 64];
	ssize_t n = readlinkat(d->proc, p->proc_ref, text, sizeof(text));

	if (n == sizeof(text) || (n < 0 && errno == ENAMETOOLONG)) {
		err_set(err, EOPNOTSUPP, "cannot dump /proc/%s: its name is too long to be told",
			p->proc_ref);
		return err_hint(err, "have the program close it before the dump");
	}
	if (n < 0)
		return err_sys(err, "cannot read the link /proc/%s", p->proc_ref);
	p->link = clean_link(d, text, (size_t)n, &p->deleted);
	return 0;
}

int file_of_link(struct dump *d, struct task *t, const char *name, struct file **file_ret,
		 struct err *err)
{
	const char *ref = arena_printf(d->arena, "%d/%s", t->host_alive, name);
	scoped_fd own = openat(d->proc, ref, O_PATH | O_CLOEXEC);
	struct fd_probe p = { .task = t, .fd = -1, .fdinfo = "", .proc_ref = ref };
	struct file_link_cache key, *slot;

	if (own < 0)
		return err_sys(err, "cannot open /proc/%s", ref);
	p.own = own;
	if (probe_stat(d, &p) < 0)
		return err_sys(err, "cannot stat /proc/%s", ref);
	p.mnt_id = mount_of(own);

	key = (struct file_link_cache){ p.st.st_dev, p.st.st_ino, p.mnt_id, NULL };
	cache_grow(d);
	slot = cache_slot(d->files, &key);
	if (slot->file && may_share(&p.st)) {
		*file_ret = slot->file;
		return 0;
	}
	if (read_link(d, &p, err) < 0 || file_claim(d, &p, file_ret, err) < 0)
		return -err->code;

	if (!slot->file)
		d->files->nr_links++;
	key.file = *file_ret;
	*slot = key;
	return 0;
}

/* ---- descriptors ---- */

static int probe_fd(struct dump *d, struct fd_probe *p, pid_t of, int fd, struct err *err)
{
	struct proc_fdinfo info;

	if (probe_stat(d, p) < 0)
		return err_sys(err, "cannot stat /proc/%s", p->proc_ref);
	if (proc_read_fdinfo(d->proc, of, fd, d->arena, &info, err) < 0)
		return -err->code;
	p->flags = info.flags & ~(unsigned int)O_CLOEXEC;
	p->pos = info.pos;
	p->mnt_id = info.mnt_id;
	p->fdinfo = info.text;
	return read_link(d, p, err);
}

/* The file behind @own, which is descriptor @fd of process @of; p->own, p->fd, p->task and p->proc_ref are set. */
static int find_or_claim(struct dump *d, struct fd_probe *p, pid_t of, int fd,
			 struct file **file_ret, struct err *err)
{
	struct id_key key = { .pid = of, .fd = fd };
	struct stat st;
	void **data;
	bool is_new;
	uint32_t id;

	if (fstat(p->own, &st) < 0) {
		int code = errno;

		if (read_link(d, p, err) < 0)
			return -err->code;
		err_set(err, EOPNOTSUPP, "cannot dump %s, descriptor %d", p->link, fd);
		err_why(err, "even stat() of it fails: %s", strerror(code));
		return err_hint(err, "have the program close it before the dump");
	}
	key.dev = st.st_dev;
	key.ino = st.st_ino;
	if (id_set_find(&d->files->open_files, d->arena, &key, &id, &is_new, &data, err) < 0)
		return -err->code;
	if (is_new) {
		struct file *f;

		if (probe_fd(d, p, of, fd, err) < 0 || file_claim(d, p, &f, err) < 0 ||
		    unknown_check_fdinfo(d, p, err) < 0)
			return -err->code;
		*data = f;
	}
	*file_ret = *data;
	return 0;
}

int file_check_late(struct dump *d, const struct file *f, const char *what, struct err *err)
{
	if (!f->kind->is_late || !f->kind->is_late(d->tree, f))
		return 0;
	err_set(err, EOPNOTSUPP, "cannot dump a %s of a thread that is %s", f->kind->name, what);
	err_why(err, "it can only be opened when the thread is there, which comes last");
	return err_hint(err, "use one of the whole task, or close it before the dump");
}

int file_of_fd(struct dump *d, int own, struct file **file_ret, struct err *err)
{
	struct fd_probe p = { .task = d->us };

	/*
	 * Our copy is what later comparisons are made with, so it stays open
	 * until the run ends.
	 */
	p.own = p.fd = fcntl(own, F_DUPFD_CLOEXEC, 0);
	if (p.own < 0)
		return err_sys(err, "cannot keep a descriptor that is in flight");
	p.proc_ref = arena_printf(d->arena, "%d/fd/%d", d->us->host_alive, p.own);
	if (find_or_claim(d, &p, d->us->host_alive, p.own, file_ret, err) < 0)
		return -err->code;
	return file_check_late(d, *file_ret, "in flight in a socket", err);
}

static int collect_fd(struct dump *d, struct task *t, int fd, struct err *err)
{
	scoped_fd own = (int)syscall(SYS_pidfd_getfd, t->pidfd, fd, 0);
	struct fd_probe p = { .task = t, .fd = fd, .own = own };
	struct fdtable_entry *e;
	struct proc_fdinfo info;
	struct file *f;

	if (own < 0)
		return err_sys(err, "cannot take a copy of descriptor %d of task %d", fd,
			       t->host_pid);
	p.proc_ref = arena_printf(d->arena, "%d/fd/%d", t->host_alive, fd);
	if (find_or_claim(d, &p, t->host_alive, fd, &f, err) < 0)
		return -err->code;

	if (!p.link) { /* known already: only its own flag is of interest */
		if (proc_read_fdinfo(d->proc, t->host_alive, fd, d->arena, &info, err) < 0)
			return -err->code;
	} else {
		struct text v;
		uint64_t flags = 0;

		if (text_find(p.fdinfo, "flags:", &v))
			text_oct(&v, &flags);
		info.flags = (unsigned int)flags;
		info.text = p.fdinfo;
	}

	e = vec_add(d->arena, &t->fdtable->entries);
	*e = (struct fdtable_entry){ .fd = fd, .cloexec = info.flags & O_CLOEXEC, .file = f };
	if (strstr(info.text, "\nlock:"))
		e->fdinfo = info.text;
	return 0;
}

int fdtable_collect(struct dump *d, struct task *t, struct err *err)
{
	fd_list fds = { 0 };
	int *fd;

	t->fdtable = fdtable_of(d->arena, d->files, d->tree, t);
	if (t->fdtable->task != t)
		return 0;
	if (proc_read_fds(d->proc, t->host_alive, d->arena, &fds, err) < 0)
		return -err->code;

	vec_for_each(fd, &fds)
		if (collect_fd(d, t, *fd, err) < 0 && !refuse_note(d, t, *fd, err))
			return -err->code;
	return 0;
}

/* ---- images ---- */

int fdtable_write(struct dump *d, struct task *t, struct err *err)
{
	scoped_image *img = NULL;
	struct fdtable_entry *e;

	if (t->fdtable->task != t)
		return 0;
	if (image_create_now(d->store, IMAGE_FDINFO, t->fdtable->id, &img, err) < 0)
		return -err->code;
	vec_for_each(e, &t->fdtable->entries) {
		FdinfoEntry fe = FDINFO_ENTRY__INIT;

		fe.id = e->file->id;
		fe.flags = e->cloexec;
		fe.type = e->file->kind->type;
		fe.fd = (uint32_t)e->fd;
		if (image_put(img, &fe.base, err) < 0)
			return -err->code;
	}
	return image_close(take_ptr(img), err);
}

int files_collect_end(struct dump *d, struct err *err)
{
	const struct file_kind *const *k;

	for (k = kinds_index(d->kinds)->files; *k; k++) {
		if (!(*k)->collect_end || refuse_spoilt(d, *k) ||
		    (inject_point(err, "collect_end:%s", (*k)->name) == 0 &&
		     (*k)->collect_end(d, err) == 0))
			continue;
		err_in(err, "%s", (*k)->name);
		if (!refuse_note(d, NULL, -1, err))
			return -err->code;
	}
	return 0;
}

static int drain_mounted(struct dump *d, struct file *f, struct err *err)
{
	struct ns_visit visit;
	struct err back = { 0 };
	int ret;

	if (mounts_enter_dump(d, f->task, 0, &visit, err) < 0)
		return -err->code;
	ret = f->kind->drain(d, f, err);
	if (mounts_leave(d, &visit, &back) < 0) {
		*err = back;
		return -err->code;
	}
	return ret;
}

static int drain_there(struct dump *d, struct file *f, struct err *err)
{
	struct ns_visit visit;

	if (sock_ns_enter_dump(d, f->netns, &visit, err) < 0)
		return -err->code;
	return sock_ns_leave_dump(d, &visit, drain_mounted(d, f, err), err);
}

int files_drain(struct dump *d, struct err *err)
{
	const struct file_kind *const *k;
	struct file *f;

	for_each_file(f, d->files) {
		if (!f->kind->drain || (inject_point(err, "drain:%s", f->kind->name) == 0 &&
					drain_there(d, f, err) == 0))
			continue;
		err_in(err, "%s %u", f->kind->name, f->id);
		if (!refuse_note(d, f->task, f->fd, err))
			return -err->code;
	}

	for (k = kinds_index(d->kinds)->files; *k; k++) {
		if (!(*k)->drain_end || refuse_spoilt(d, *k) ||
		    (inject_point(err, "drain_end:%s", (*k)->name) == 0 &&
		     (*k)->drain_end(d, err) == 0))
			continue;
		err_in(err, "%s", (*k)->name);
		if (!refuse_note(d, NULL, -1, err))
			return -err->code;
	}
	return 0;
}

int files_write(struct dump *d, struct err *err)
{
	scoped_image *img = NULL;
	struct file *f;
	FileEntry **fe;

	if (image_create_now(d->store, IMAGE_FILES, 0, &img, err) < 0)
		return -err->code;
	for_each_file(f, d->files)
		if (image_put(img, &f->image->base, err) < 0)
			return -err->code;
	vec_for_each(fe, &d->files->records)
		if (image_put(img, &(*fe)->base, err) < 0)
			return -err->code;
	return image_close(take_ptr(img), err);
}
