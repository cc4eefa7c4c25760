/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shmem (make) - System V segments are made and filled, in the coordinator
 *
 * It stays attached until the tasks are. So a segment that was to vanish with
 * its last user can be marked at once, and vanishes if we are killed; and none
 * goes meanwhile that the kernel removes with its last user (shm_rmid_forced).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mem/shmem.h"

/* The next segment that anybody makes gets this number. */
static int set_next_id(struct restore *r, int id, struct err *err)
{
	scoped_fd fd = openat(r->proc, "sys/kernel/shm_next_id", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || dprintf(fd, "%d", id) < 0)
		return err_sys(err, "cannot ask for System V segment %d", id);
	return 0;
}

/* It cannot be unset, only used. */
static void unset_next_id(void)
{
	int saved = errno;

	shmctl(shmget(IPC_PRIVATE, 1, 0600), IPC_RMID, NULL);
	errno = saved;
}

/*
 * shmget() by another user, who stays the creator whoever becomes the owner.
 * That bit keeps our capabilities; what is no longer dumpable could not be read
 * from within a user namespace.
 */
static int shmget_as(uid_t uid, gid_t gid, key_t key, size_t size, int flags)
{
	uid_t our_uid = geteuid();
	gid_t our_gid = getegid();
	int dumpable = prctl(PR_GET_DUMPABLE), bits = prctl(PR_GET_SECUREBITS);
	int id = -1, saved;

	if (uid == our_uid && gid == our_gid)
		return shmget(key, size, flags);
	if (prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP) < 0)
		return -1;
	if (setegid(gid) == 0 && seteuid(uid) == 0)
		id = shmget(key, size, flags);
	saved = errno;
	if (seteuid(our_uid) < 0 || setegid(our_gid) < 0 || prctl(PR_SET_SECUREBITS, bits) < 0)
		return -1;
	prctl(PR_SET_DUMPABLE, dumpable);
	errno = saved;
	return id;
}

static int make_segment(struct restore *r, struct segment *s, struct err *err)
{
	const IpcDescEntry *desc = s->e->desc;
	int flags = IPC_CREAT | IPC_EXCL | (int)(desc->mode & 0777);
	int id;

	if (s->e->has_hugetlb_flag)
		flags |= (int)s->e->hugetlb_flag;
	if (set_next_id(r, s->id, err) < 0)
		return -err->code;
	id = shmget_as(desc->cuid, desc->cgid, (key_t)desc->key, s->e->size, flags);
	if (id < 0) {
		unset_next_id();
		err_sys(err, "cannot make System V segment %d of %" PRIu64 " bytes", s->id,
			s->e->size);
		return err_hint(err, "see the limits kernel.shmmax, shmall and shmmni (sysctl), "
				     "and /proc/sys/vm/nr_hugepages");
	}
	if (id == s->id)
		return 0;
	shmctl(id, IPC_RMID, NULL);
	err_set(err, EEXIST, "cannot make System V segment %d: the kernel gave it number %d", s->id,
		id);
	return err_hint(err, "somebody made one at the same time; try again");
}

static int own_segment(const struct segment *s, struct err *err)
{
	const IpcDescEntry *desc = s->e->desc;
	struct shmid_ds ds = { 0 };

	ds.shm_perm.uid = desc->uid;
	ds.shm_perm.gid = desc->gid;
	ds.shm_perm.mode = desc->mode & 0777;
	if (shmctl(s->id, IPC_SET, &ds) < 0)
		return err_sys(err, "cannot set the owner of System V segment %d", s->id);
	if (shmctl(s->id, desc->mode & SHM_LOCKED ? SHM_LOCK : SHM_UNLOCK, NULL) < 0)
		return err_sys(err, "cannot lock System V segment %d in memory", s->id);
	return 0;
}

static int fill_segment(struct restore *r, struct segment *s, struct err *err)
{
	uint64_t len = shmem_length(s->e);
	void *p = shmat(s->id, NULL, 0);

	if (p == (void *)-1)
		return err_sys(err, "cannot attach System V segment %d", s->id);
	s->held = p;
	/* what is in there now is from after the dump */
	if (s->is_there && madvise(p, len, MADV_REMOVE) < 0)
		return err_sys(err, "cannot empty System V segment %d", s->id);
	if (s->e->desc->mode & SHM_DEST && shmctl(s->id, IPC_RMID, NULL) < 0)
		return err_sys(err, "cannot remove System V segment %d", s->id);
	return pagemap_fill_memory(r, &s->pages, p, len, err);
}

int before_shmem(struct restore *r, struct err *err)
{
	struct shmem_state *state = kind_state(r->kinds, &shmem_kind);
	struct segment *s;

	for_each_segment(s, state) {
		if (!s->is_there && make_segment(r, s, err) < 0)
			return -err->code;
		if (own_segment(s, err) < 0 || fill_segment(r, s, err) < 0)
			return -err->code;
	}
	return 0;
}

int after_shmem(struct restore *r, struct err *err)
{
	struct shmem_state *state = kind_state(r->kinds, &shmem_kind);
	struct segment *s;

	for_each_segment(s, state) {
		if (s->held)
			shmdt(take_ptr(s->held));
	}
	return 0;
}

void restore_end_shmem(struct restore *r, bool ok)
{
	struct shmem_state *state = kind_state(r->kinds, &shmem_kind);
	struct segment *s;

	for_each_segment(s, state) {
		if (s->held)
			shmdt(take_ptr(s->held));
	}
}
