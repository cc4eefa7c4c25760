/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * regfile - what is opened by a name: files, directories, symbolic links, and
 * anything as O_PATH
 *
 * POSIX message queues are files too, with names of their own (core/path_queue.c).
 * So are the executable, the working directory and the root of a task, and the
 * files it maps: these are no descriptors, so they have no flags and no offset.
 *
 * collect   name and looks are path_ref.c's business; flags and offset are here
 * open      opened by name in the task that owns it, then the offset
 *
 * The records of devices are made by device.c, and are files like others when
 * they come back.  So is every file that gives another one its name (fifos,
 * terminals): nobody has it at a descriptor, and its kind opens it.
 *
 * not kept  O_NOFOLLOW and O_TMPFILE among the flags of a deleted file
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/kind.h"
#include "core/path_ref.h"

#ifndef NSFS_MAGIC
#define NSFS_MAGIC 0x6e736673
#endif

/* ---- dump ---- */

/* Memory that the kernel gave a name: memfd, shared anonymous, System V. */
static bool is_memory(const struct fd_probe *p)
{
	struct stat root;

	if (!p->deleted)
		return false;
	if (strcmp(p->link, "/dev/zero") == 0)
		return true;
	if (strncmp(p->link, "/memfd:", 7) != 0 && strrchr(p->link, '/') != p->link)
		return false;
	if (path_is_queue(p))
		return false;
	/* a file that was deleted from / looks the same, but is where / is */
	return stat("/", &root) < 0 || root.st_dev != p->st.st_dev;
}

/* A namespace that was given a name by a bind mount. */
static bool is_namespace(const struct fd_probe *p)
{
	struct statfs fs;

	return major(p->st.st_dev) == 0 && !p->st.st_size && fstatfs(p->own, &fs) == 0 &&
	       fs.f_type == NSFS_MAGIC;
}

static bool match_regfile(const struct fd_probe *p)
{
	if (p->link[0] != '/')
		return false;
	if (p->flags & O_PATH)
		return true;
	switch (p->st.st_mode & S_IFMT) {
	case S_IFREG:
		return !is_memory(p) && !is_namespace(p);
	case S_IFDIR:
	case S_IFLNK:
		return true;
	}
	return false;
}

static int collect_regfile(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err)
{
	fe->reg = record_new(d, reg_file_entry);
	fe->reg->flags = p->flags;
	fe->reg->pos = p->pos;
	return path_ref_collect(d, p, fe->reg, err);
}

/* ---- restore ---- */

static int plan_regfile(struct restore *r, struct file *f, struct err *err)
{
	/* a name for another kind: that one knows what must be there */
	if (!file_is_used(f))
		return 0;
	return path_ref_plan(r, f->image->reg, err);
}

static int set_offset(int fd, const RegFileEntry *reg, struct err *err)
{
	if ((reg->flags & O_PATH) || !reg->pos)
		return 0;
	if (reg->pos == UINT64_MAX) {
		/* /dev/kmsg: no offset; whoever reads it had read everything */
		if ((reg->flags & O_ACCMODE) != O_WRONLY && lseek(fd, 0, SEEK_END) < 0)
			return err_sys(err, "cannot go to the end of %s", reg->name);
		return 0;
	}
	if (lseek(fd, (off_t)reg->pos, SEEK_SET) < 0)
		return err_sys(err, "cannot set the offset of %s to %" PRIu64, reg->name, reg->pos);
	return 0;
}

static int open_regfile(struct restore *r, struct file *f, struct err *err)
{
	const RegFileEntry *reg = f->image->reg;
	scoped_fd fd = path_ref_open(r, reg, reg->flags, err);

	if (fd < 0 || set_offset(fd, reg, err) < 0)
		return -err->code;
	return take_fd(&fd);
}

const struct file_kind regfile_kind = {
	.name = "regfile",
	.type = FD_TYPES__REG,
	.match = match_regfile,
	.collect = collect_regfile,
	.drain_end = path_ref_drain,
	.dump_end = path_ref_dump_end,
	.read_begin = path_ref_read,
	.plan = plan_regfile,
	.before = path_ref_before,
	.open = open_regfile,
	.resume = path_ref_resume,
	.restore_end = path_ref_restore_end,
};
