/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * path_check - is a file still the one that was dumped? (restore)
 *
 * Mode, size, build id and checksum are compared, as far as images have them and the
 * user wants it (--file-validation); with --file-changed PATH=accept only the mode.
 *
 * A file that the tree writes to has grown since, if the tree went on after the dump:
 * what was written then will be written again, so it is cut back to its length.  That
 * is done last, when nothing can fail any more.  If somebody else has it open for
 * writing, it is not: of a file that all only append to that is no harm, any other is
 * refused.  --file-changed PATH=truncate cuts in any case.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/build_id.h"
#include "core/file.h"
#include "core/file_sum.h"
#include "core/files.h"
#include "core/mounts.h"
#include "core/path_ref.h"
#include "core/path_remap.h"

/* ---- what is allowed to differ ---- */

static enum file_changed allowed(const struct restore *r, const RegFileEntry *reg)
{
	const struct changed_file *c;

	vec_for_each(c, &r->opts->changed_files)
		if (strcmp(c->path, reg->name) == 0)
			return c->what;
	return CHANGED_REFUSE;
}

static bool is_open_for_writing(const struct file *f)
{
	const RegFileEntry *reg = f->image->reg;

	return reg && !(reg->flags & O_PATH) && (reg->flags & O_ACCMODE) != O_RDONLY &&
	       file_is_used((struct file *)f);
}

static bool is_same_file(const RegFileEntry *a, const RegFileEntry *b)
{
	return a == b || (a->mnt_id == b->mnt_id && strcmp(a->name, b->name) == 0);
}

/* Whoever only appends to it does not care how long it is. */
static bool is_append_only(const RegFileEntry *reg)
{
	return (reg->flags & (O_ACCMODE | O_APPEND)) == (O_WRONLY | O_APPEND);
}

/* The tree has it open for writing; *@append_ret: and does nothing but append to it. */
static bool is_written(struct restore *r, const RegFileEntry *reg, bool *append_ret)
{
	const struct file *f;
	bool written = false;

	*append_ret = true;
	for_each_file(f, r->files) {
		if (!is_open_for_writing(f) || !is_same_file(f->image->reg, reg))
			continue;
		written = true;
		*append_ret = *append_ret && is_append_only(f->image->reg);
	}
	return written;
}

/* ---- compare ---- */

static int check_mode(const struct restore *r, const RegFileEntry *reg, const struct stat *st,
		      struct err *err)
{
	uint32_t differ = reg->mode ^ st->st_mode;

	if (!reg->has_mode || !(differ & (r->opts->skip_file_rwx_check ? (uint32_t)S_IFMT : ~0u)))
		return 0;
	err_set(err, EINVAL, "cannot use %s: its mode is %o, and was %o", reg->name,
		(unsigned int)st->st_mode, reg->mode);
	if (differ & S_IFMT)
		return err_hint(err, "put back the file that was there at the dump");
	return err_hint(err, "chmod it back, or use --skip-file-rwx-check");
}

static int hint_changed(const RegFileEntry *reg, struct err *err)
{
	return err_hint(err,
			"put back the file as it was at the dump, or give --file-changed %s=accept",
			reg->name);
}

static int check_size(struct restore *r, const RegFileEntry *reg, const struct stat *st,
		      struct err *err)
{
	uint64_t size = (uint64_t)st->st_size;
	bool append;

	if (!reg->has_size || size == reg->size)
		return 0;
	if (size > reg->size && allowed(r, reg) == CHANGED_TRUNCATE)
		return 0;
	if (is_written(r, reg, &append) && (append || size > reg->size))
		return 0;
	err_set(err, EINVAL, "cannot use %s: it has %" PRIu64 " bytes, and had %" PRIu64, reg->name,
		size, reg->size);
	return hint_changed(reg, err);
}

static int check_build_id(const RegFileEntry *reg, int fd, struct err *err)
{
	uint32_t words[BUILD_ID_WORDS];
	size_t n = build_id_read(fd, words);

	if (n == reg->n_build_id && memcmp(words, reg->build_id, n * sizeof(words[0])) == 0)
		return 0;
	err_set(err, EINVAL, "cannot use %s: it is another build of that program", reg->name);
	return hint_changed(reg, err);
}

/* Of one that has grown, the part that there was. */
static int check_sum(const RegFileEntry *reg, const struct stat *st, int fd, struct err *err)
{
	uint32_t sum;
	int ret;

	/* a log that begins anew */
	if (is_append_only(reg) && (uint64_t)st->st_size < reg->size)
		return 0;
	ret = file_sum(fd, reg->size, &sum);
	if (ret < 0)
		return err_set(err, -ret, "cannot read %s", reg->name);
	if (sum == reg->checksum)
		return 0;
	err_set(err, EINVAL, "cannot use %s: its content has changed", reg->name);
	return hint_changed(reg, err);
}

/* @path leads to it from @dir. */
static int check_content(const struct restore *r, const RegFileEntry *reg, const struct stat *st,
			 int dir, const char *path, struct err *err)
{
	bool sum = reg->has_checksum && reg->has_size && r->opts->validation >= VALIDATE_CHECKSUM;
	bool build_id = reg->n_build_id && r->opts->validation >= VALIDATE_BUILD_ID;
	scoped_fd fd = -1;

	if (!sum && !build_id)
		return 0;
	fd = path_open_quietly(dir, path);
	if (fd < 0)
		return err_sys(err, "cannot read %s", reg->name);
	if (build_id && check_build_id(reg, fd, err) < 0)
		return -err->code;
	return sum ? check_sum(reg, st, fd, err) : 0;
}

int path_check(struct restore *r, const RegFileEntry *reg, const struct stat *st, int dir,
	       const char *path, struct err *err)
{
	if (check_mode(r, reg, st, err) < 0)
		return -err->code;
	if (!S_ISREG(st->st_mode) || allowed(r, reg) == CHANGED_ACCEPT)
		return 0;
	if (check_size(r, reg, st, err) < 0)
		return -err->code;
	return check_content(r, reg, st, dir, path, err);
}

/* ---- cut ---- */

static int open_again(struct restore *r, int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "self/fd/%d", fd);
	return openat(r->proc, path, flags | O_CLOEXEC);
}

/* The kernel gives no lease for reading on a file that somebody has open for writing. */
static bool has_other_writer(struct restore *r, int fd)
{
	scoped_fd reader = open_again(r, fd, O_RDONLY | O_NONBLOCK);

	return reader >= 0 && fcntl(reader, F_SETLEASE, F_RDLCK) < 0 && errno == EAGAIN;
}

static int refuse_other_writer(const RegFileEntry *reg, struct err *err)
{
	err_set(err, EBUSY, "cannot use %s: it has grown, and somebody writes to it", reg->name);
	err_why(err, "what is behind its %" PRIu64 " bytes at the dump may not be the tree's",
		reg->size);
	return err_hint(err, "end who writes, or give --file-changed %s=accept, or =truncate",
			reg->name);
}

static int plan_cut(struct restore *r, const RegFileEntry *reg, struct err *err)
{
	bool truncate = allowed(r, reg) == CHANGED_TRUNCATE, append;
	scoped_fd fd = path_open_name(r, reg, O_PATH | O_CLOEXEC);
	struct stat st;

	/* what is not there is a failure that is told later, in better words */
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size <= reg->size)
		return 0;
	if (!truncate && (allowed(r, reg) == CHANGED_ACCEPT || !is_written(r, reg, &append)))
		return 0;
	if (!truncate && has_other_writer(r, fd)) {
		if (!append)
			return refuse_other_writer(reg, err);
		log_warn("%s is left as long as it is: somebody else appends to it", reg->name);
		return 0;
	}
	*vec_add(r->arena, &r->paths->cuts) = reg;
	return 0;
}

int path_check_before(struct restore *r, struct err *err)
{
	const struct file *f;

	for_each_file(f, r->files) {
		const RegFileEntry *reg = f->image->reg;

		if (reg && reg->has_size && file_is_used((struct file *)f) &&
		    path_is_plain(r, reg) &&
		    (is_open_for_writing(f) || allowed(r, reg) == CHANGED_TRUNCATE) &&
		    plan_cut(r, reg, err) < 0)
			return -err->code;
	}
	return 0;
}

int path_ref_resume(struct restore *r, struct err *err)
{
	const RegFileEntry **reg;
	struct stat st;

	if (!r->paths)
		return 0;
	vec_for_each(reg, &r->paths->cuts) {
		scoped_fd fd = path_open_name(r, *reg, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

		if (fd < 0 || fstat(fd, &st) < 0)
			return err_sys(err, "cannot open %s", (*reg)->name);
		if ((uint64_t)st.st_size <= (*reg)->size)
			continue;
		log_warn("%s has grown since the dump: from %" PRIu64
			 " bytes it is cut to %" PRIu64,
			 (*reg)->name, (uint64_t)st.st_size, (*reg)->size);
		if (ftruncate(fd, (off_t)(*reg)->size) < 0)
			return err_sys(err, "cannot cut %s", (*reg)->name);
	}
	return 0;
}
