/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mnt_binfmt - binfmt_misc: which interpreters run which files
 *
 * write     each entry is a file that tells what it is
 * restore   registered again, in the new root, when all files are there: with flag
 *           F the kernel opens the interpreter at once
 *
 * Every user namespace has entries of its own, as long as somebody has them
 * mounted.  Those of the machine may still be there: an entry that is the same
 * stays.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "images/binfmt-misc.pb-c.h"
#include "ns/mnt.h"

bool mnt_has_entries(const struct mount *m)
{
	return m->entry->fstype == FSTYPE__BINFMT_MISC && !mnt_is_external(m);
}

/* ---- dump ---- */

static bool is_entry(const char *name)
{
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, "register") != 0 &&
	       strcmp(name, "status") != 0;
}

/* What is behind "interpreter ", "flags: ", "offset ", "magic ", "mask ", "extension ." */
static void parse_line(char *line, BinfmtMiscEntry *e)
{
	char *value = strchr(line, ' ');

	if (strcmp(line, "enabled") == 0)
		e->enabled = true;
	if (!value)
		return;
	*value++ = '\0';
	if (strcmp(line, "interpreter") == 0) {
		e->interpreter = value;
	} else if (strcmp(line, "flags:") == 0) {
		e->flags = value;
	} else if (strcmp(line, "extension") == 0) {
		e->extension = value + (value[0] == '.');
	} else if (strcmp(line, "magic") == 0) {
		e->magic = value;
	} else if (strcmp(line, "mask") == 0) {
		e->mask = value;
	} else if (strcmp(line, "offset") == 0) {
		e->has_offset = true;
		e->offset = atoi(value);
	}
}

static int read_entry(struct arena *a, int dir, const char *name, BinfmtMiscEntry *e,
		      struct err *err)
{
	char *text, *line, *save;
	int ret = io_slurp_at(dir, name, a, &text, NULL);

	if (ret < 0)
		return err_set(err, -ret, "cannot read the entry %s of binfmt_misc", name);
	e->name = arena_strdup(a, name);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		parse_line(line, e);
	if (e->interpreter && (e->magic || e->extension))
		return 0;
	err_set(err, EPROTO, "cannot understand the entry %s of binfmt_misc", name);
	return err_why(err, "it is not as any known kernel writes it");
}

static BinfmtMiscEntry *entry_new(struct arena *a)
{
	return record_of(a, &binfmt_misc_entry__descriptor);
}

static int write_entries(struct dump *d, DIR *dir, struct image *img, struct err *err)
{
	const struct dirent *at;

	while ((at = readdir(dir))) {
		BinfmtMiscEntry *e = entry_new(d->arena);

		if (is_entry(at->d_name) &&
		    (read_entry(d->arena, dirfd(dir), at->d_name, e, err) < 0 ||
		     image_put(img, &e->base, err) < 0))
			return -err->code;
	}
	return 0;
}

int mnt_binfmt_write(struct dump *d, int root, struct err *err)
{
	scoped_image *img = NULL;
	int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return err_sys(err, "cannot list the entries of binfmt_misc");
	if (image_create(d->store, IMAGE_BINFMT_MISC, 0, &img, err) == 0)
		write_entries(d, dir, img, err);
	closedir(dir);
	return err->code ? -err->code : image_close(take_ptr(img), err);
}

/* ---- restore ---- */

static bool is_same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool is_same(const BinfmtMiscEntry *a, const BinfmtMiscEntry *b)
{
	return is_same_text(a->interpreter, b->interpreter) && is_same_text(a->flags, b->flags) &&
	       is_same_text(a->extension, b->extension) && is_same_text(a->magic, b->magic) &&
	       is_same_text(a->mask, b->mask) && a->offset == b->offset;
}

static int check_present(struct restore *r, int dir, const BinfmtMiscEntry *e, struct err *err)
{
	BinfmtMiscEntry *there = entry_new(r->arena);

	if (read_entry(r->arena, dir, e->name, there, err) < 0)
		return -err->code;
	if (is_same(e, there))
		return 0;
	err_set(err, EEXIST, "cannot register %s for %s with binfmt_misc", e->interpreter, e->name);
	err_why(err, "there is another entry of that name");
	return err_hint(err, "remove it (echo -1 >%s in a mount of binfmt_misc)", e->name);
}

/* "4142" becomes "\x41\x42". */
static const char *escaped(struct restore *r, const char *hex)
{
	char *s = arena_strdup(r->arena, "");

	if (strstr(hex, "\\x"))
		return hex;
	for (; hex[0] && hex[1]; hex += 2)
		s = arena_printf(r->arena, "%s\\x%.2s", s, hex);
	return s;
}

static const char *line_of(struct restore *r, const BinfmtMiscEntry *e)
{
	if (e->extension)
		return arena_printf(r->arena, ":%s:E::%s::%s:%s", e->name, e->extension,
				    e->interpreter, e->flags ? e->flags : "");
	return arena_printf(r->arena, ":%s:M:%d:%s:%s:%s:%s", e->name, e->offset,
			    escaped(r, e->magic), e->mask ? escaped(r, e->mask) : "",
			    e->interpreter, e->flags ? e->flags : "");
}

static int write_file(int dir, const char *name, const char *text)
{
	scoped_fd fd = openat(dir, name, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -1 : 0;
}

static int make_entry(struct restore *r, int dir, const BinfmtMiscEntry *e, struct err *err)
{
	if (!is_entry(e->name) || strchr(e->name, '/') || !(e->magic || e->extension))
		return err_set(err, EBADMSG, "cannot use the entry %s of binfmt_misc", e->name);
	if (faccessat(dir, e->name, F_OK, 0) == 0)
		return check_present(r, dir, e, err);
	if (write_file(dir, "register", line_of(r, e)) < 0) {
		err_sys(err, "cannot register %s for %s with binfmt_misc", e->interpreter, e->name);
		return err_hint(err, "put that program where it was at the dump");
	}
	if (!e->enabled && write_file(dir, e->name, "0") < 0)
		return err_sys(err, "cannot disable the entry %s of binfmt_misc", e->name);
	return 0;
}

int mnt_binfmt_restore(struct restore *r, int dir, struct err *err)
{
	scoped_image *img = NULL;
	bool found;
	void *msg;
	int ret;

	if (image_open(r->store, IMAGE_BINFMT_MISC, 0, r->arena, &img, &found, err) < 0)
		return -err->code;
	if (!found)
		return 0;
	while ((ret = image_get(img, &binfmt_misc_entry__descriptor, &msg, err)) > 0)
		if (make_entry(r, dir, msg, err) < 0)
			return -err->code;
	return ret;
}
