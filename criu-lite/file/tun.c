/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tun - /dev/net/tun: the end of a network device that a program has
 *
 * collect   Which device it is attached to, and whether its queue is off. Name,
 *           flags and owner are a record of type REG with the same id. The
 *           device itself belongs to its network namespace (ns/net_link.c)
 * open      opened in that namespace, by name, and attached again. A device that
 *           goes with its last file was made as one that stays: now it goes
 *
 * not kept  packets that were not read, filters (TUNSETTXFILTER, TUNATTACHFILTER)
 *
 * refused   a device in another namespace than the file
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/kind.h"
#include "core/path_ref.h"
#include "images/netdev.pb-c.h"
#include "images/tun.pb-c.h"

enum { MISC_MAJOR = 10, TUN_MINOR = 200 };

static bool match_tun(const struct fd_probe *p)
{
	return p->fd >= 0 && !(p->flags & O_PATH) && S_ISCHR(p->st.st_mode) &&
	       p->st.st_rdev == makedev(MISC_MAJOR, TUN_MINOR);
}

/* ---- dump ---- */

/* A device can be moved, the file stays where it was opened. */
static int check_place(const struct fd_probe *p, struct err *err)
{
	scoped_fd of_file = ioctl(p->own, SIOCGSKNS);
	scoped_fd of_device = ioctl(p->own, TUNGETDEVNETNS);
	struct stat a, b;

	if (of_device < 0 && (errno == ENOTTY || errno == EINVAL)) /* before Linux 5.2 */
		return 0;
	if (of_file < 0 || of_device < 0 || fstat(of_file, &a) < 0 || fstat(of_device, &b) < 0)
		return err_sys(err, "cannot ask for the network namespace of %s", p->link);
	if (a.st_ino == b.st_ino)
		return 0;
	err_set(err, EOPNOTSUPP, "cannot dump %s: its network device was moved elsewhere", p->link);
	return err_hint(err, "move it back into the network namespace in which it was made");
}

static int collect_tun(struct dump *d, const struct fd_probe *p, FileEntry *fe, struct err *err)
{
	TunfileEntry *e = fe->tunf = record_new(d, tunfile_entry);
	struct pollfd queue = { .fd = p->own, .events = POLLIN };
	struct ifreq ifr = { 0 };

	/* for the record beside this one; see drain_tun() */
	fe->reg = record_new(d, reg_file_entry);
	fe->reg->flags = p->flags;
	fe->reg->pos = p->pos;
	if (path_ref_collect(d, p, fe->reg, err) < 0 || file_fown(d, p, &fe->reg->fown, err) < 0)
		return -err->code;
	if (ioctl(p->own, TUNGETIFF, &ifr) < 0) {
		if (errno == EBADFD) /* attached to none */
			return 0;
		return err_sys(err, "cannot ask %s for its network device", p->link);
	}
	e->netdev = arena_strdup(d->arena, ifr.ifr_name);
	e->has_detached = e->detached = ifr.ifr_flags & IFF_DETACH_QUEUE;
	if (poll(&queue, 1, 0) > 0 && queue.revents & POLLIN)
		log_warn("%s: packets of %s that were not read are lost", p->link, e->netdev);
	return check_place(p, err);
}

/* Only now it has a number. */
static int drain_tun(struct dump *d, struct file *f, struct err *err)
{
	file_add_name(d, f, take_ptr(f->image->reg));
	return 0;
}

/* ---- restore ---- */

/* The device as its namespace has it; NULL: its namespace is not restored. */
static int find_device(struct restore *r, const TunfileEntry *e, const NetDeviceEntry **device_ret,
		       struct err *err)
{
	scoped_image *img = NULL;
	NetDeviceEntry *device;
	bool found;
	int got;

	*device_ret = NULL;
	if (!e->has_ns_id)
		return 0;
	if (image_open(r->store, IMAGE_NETDEV, e->ns_id, r->arena, &img, &found, err) < 0)
		return -err->code;
	while (found &&
	       (got = image_get(img, &net_device_entry__descriptor, (void **)&device, err)) != 0) {
		if (got < 0)
			return got;
		if (device->tun && strcmp(device->name, e->netdev) == 0)
			*device_ret = device;
	}
	return 0;
}

static int read_tun(struct restore *r, struct file *f, struct err *err)
{
	const TunfileEntry *e = f->image->tunf;
	const NetDeviceEntry *device;

	if (!f->status || !f->status->reg || (e->netdev && strlen(e->netdev) >= IFNAMSIZ)) {
		err_set(err, EBADMSG, "cannot understand a tun file");
		return err_hint(err, "the checkpoint is damaged; take it again");
	}
	if (!e->netdev)
		return 0;
	if (find_device(r, e, &device, err) < 0)
		return -err->code;
	f->data = (void *)device;
	if (device)
		return 0;
	err_set(err, EOPNOTSUPP, "cannot attach a tun file to the network device %s", e->netdev);
	err_why(err, "that device is in a network namespace that was not dumped");
	return err_hint(err, "dump a tree that has a network namespace of its own");
}

static int plan_tun(struct restore *r, struct file *f, struct err *err)
{
	return path_ref_plan(r, f->status->reg, err);
}

static int attach(int fd, const TunfileEntry *e, const NetDeviceEntry *device, struct err *err)
{
	struct ifreq ifr = { .ifr_flags = (short)(device->tun->flags & ~(uint32_t)IFF_PERSIST) };
	int sndbuf = (int)device->tun->sndbuf;

	memcpy(ifr.ifr_name, e->netdev, strlen(e->netdev));
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return err_sys(err, "cannot attach to network device %s", e->netdev);
	if (!(device->tun->flags & IFF_PERSIST) && ioctl(fd, TUNSETPERSIST, 0) < 0)
		return err_sys(err, "cannot make network device %s go with its files", e->netdev);
	if (sndbuf > 0 && ioctl(fd, TUNSETSNDBUF, &sndbuf) < 0)
		return err_sys(err, "cannot set how much may be queued at %s", e->netdev);
	ifr.ifr_flags = IFF_DETACH_QUEUE;
	if (e->detached && ioctl(fd, TUNSETQUEUE, &ifr) < 0)
		return err_sys(err, "cannot switch off a queue of network device %s", e->netdev);
	return 0;
}

static int open_tun(struct restore *r, struct file *f, struct err *err)
{
	const RegFileEntry *reg = f->status->reg;
	scoped_fd fd = path_ref_open(r, reg, reg->flags, err);

	if (fd < 0 || (f->data && attach(fd, f->image->tunf, f->data, err) < 0))
		return -err->code;
	return take_fd(&fd);
}

static const enum kernel_feature tun_needs[] = { KERNEL_TUN, KERNEL_NONE };

const struct file_kind tun_kind = {
	.name = "tun",
	.type = FD_TYPES__TUNF,
	.match = match_tun,
	.needs = tun_needs,
	.collect = collect_tun,
	.drain = drain_tun,
	.read = read_tun,
	.plan = plan_tun,
	.open = open_tun,
};
