/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * device - /dev/null and its like: devices that keep nothing of whom has them
 *
 * collect   a record like that of a regular file; regfile.c opens it again by
 *           its name.  Devices that do keep something are refused by number
 *
 * /dev/kmsg has no offset in fdinfo: who only writes needs none, and who has
 * read everything continues at the end.  Anything else is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "core/external.h"
#include "core/kind.h"
#include "core/path_ref.h"

enum { MEM_MAJOR = 1, KMSG_MINOR = 11, MISC_MAJOR = 10, AUTOFS_MINOR = 235, TUN_MINOR = 200 };
enum { TTY_MAJOR = 4, TTY_AUX_MAJOR = 5, PTY_MAJOR = 136, PTY_MAJOR_LAST = 143 };

static bool is_terminal(dev_t rdev)
{
	unsigned int m = major(rdev);

	return m == TTY_MAJOR || m == TTY_AUX_MAJOR || (m >= PTY_MAJOR && m <= PTY_MAJOR_LAST);
}

static bool match_device(const struct fd_probe *p)
{
	if (p->flags & O_PATH)
		return false;
	return S_ISBLK(p->st.st_mode) || (S_ISCHR(p->st.st_mode) && !is_terminal(p->st.st_rdev) &&
					  p->st.st_rdev != makedev(MISC_MAJOR, TUN_MINOR));
}

static bool keeps_nothing(const struct stat *st)
{
	if (!S_ISCHR(st->st_mode))
		return false;
	return major(st->st_rdev) == MEM_MAJOR || st->st_rdev == makedev(MISC_MAJOR, AUTOFS_MINOR);
}

static bool has_unread(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static int check_kmsg(const struct fd_probe *p, RegFileEntry *reg, struct err *err)
{
	if (p->st.st_rdev != makedev(MEM_MAJOR, KMSG_MINOR))
		return 0;
	reg->pos = UINT64_MAX;
	if ((p->flags & O_ACCMODE) == O_WRONLY || p->fd < 0 || !has_unread(p->own))
		return 0;
	err_set(err, EOPNOTSUPP, "cannot dump %s: nobody can tell how far it has been read",
		p->link);
	return err_hint(err, "try again when the program has read it to the end");
}

static int collect_device(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err)
{
	const struct stat *st = &p->st;

	if (!keeps_nothing(st) && !external_file(d, p->mnt_id, st->st_ino)) {
		err_set(err, EOPNOTSUPP, "cannot dump %s: %s device %u:%u", p->link,
			S_ISBLK(st->st_mode) ? "block" : "character", major(st->st_rdev),
			minor(st->st_rdev));
		err_why(err, "images have no place for the state of that device");
		return err_hint(err, "close it, or leave it outside: --external %s",
				external_file_key(d->arena, p->mnt_id, st->st_ino));
	}
	fe->reg = record_new(d, reg_file_entry);
	fe->reg->flags = p->flags;
	fe->reg->pos = p->pos;
	if (check_kmsg(p, fe->reg, err) < 0)
		return -err->code;
	return path_ref_collect(d, p, fe->reg, err);
}

const struct file_kind device_kind = {
	.name = "device",
	.type = FD_TYPES__REG,
	.match = match_device,
	.collect = collect_device,
};
