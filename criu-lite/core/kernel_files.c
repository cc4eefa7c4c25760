/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel_files - probes: files, mounts, namespaces
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/kernel_probes.h"
#include "core/proc.h"

#ifndef SYS_statmount
#define SYS_statmount 457
#endif
#ifndef MOVE_MOUNT_SET_GROUP
#define MOVE_MOUNT_SET_GROUP 0x100
#endif
#ifndef PID_FS_MAGIC
#define PID_FS_MAGIC 0x50494446
#endif
#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif
#define TUNGETFEATURES _IOR('T', 207, unsigned int)

static bool file_has(const char *path, const char *text)
{
	char buf[8192];
	ssize_t n = -1;

	scoped_fd fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, buf, sizeof(buf) - 1);
	if (n < 0)
		return false;
	buf[n] = '\0';
	return strstr(buf, text) != NULL;
}

static bool fdinfo_has(int fd, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return file_has(path, text);
}

bool probe_openat2(void)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	scoped_fd fd = (int)syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof(how));

	return fd >= 0;
}

bool probe_mnt_id(void)
{
	scoped_fd fd = open("/", O_PATH | O_CLOEXEC);

	return fd >= 0 && fdinfo_has(fd, "mnt_id:");
}

bool probe_statmount(void)
{
	return syscall(SYS_statmount, NULL, NULL, 0, 0) < 0 && errno != ENOSYS;
}

bool probe_move_mount_set_group(void)
{
	/* 0x44: both paths may be empty; an unknown flag is EINVAL before descriptors are looked at */
	return syscall(SYS_move_mount, -1, "", -1, "", 0x44 | MOVE_MOUNT_SET_GROUP) < 0 &&
	       errno == EBADF;
}

bool probe_memfd_hugetlb(void)
{
	scoped_fd fd = memfd_create("probe", MFD_CLOEXEC | MFD_HUGETLB);

	return fd >= 0;
}

bool probe_fdinfo_lock(void)
{
	scoped_fd fd = memfd_create("probe", MFD_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_EX) == 0 && fdinfo_has(fd, "lock:");
}

bool probe_timerfd(void)
{
	uint64_t ticks = 3;
	scoped_fd fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	return fd >= 0 && ioctl(fd, TFD_IOC_SET_TICKS, &ticks) == 0 && fdinfo_has(fd, "ticks: 3");
}

bool probe_tun(void)
{
	unsigned int features;
	scoped_fd fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	return fd >= 0 && ioctl(fd, TUNGETFEATURES, &features) == 0;
}

bool probe_autofs(void)
{
	return file_has("/proc/filesystems", "\tautofs\n");
}

bool probe_timens(void)
{
	return access("/proc/self/timens_offsets", F_OK) == 0;
}

bool probe_cgroupns(void)
{
	return access("/proc/self/ns/cgroup", F_OK) == 0;
}

bool probe_userns(void)
{
	return access("/proc/self/ns/user", F_OK) == 0;
}

bool probe_apparmor_stacking(void)
{
	return file_has("/sys/kernel/security/apparmor/features/domain/stack", "yes");
}

bool probe_pidfs(void)
{
	scoped_fd fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	struct statfs st;

	return fd >= 0 && fstatfs(fd, &st) == 0 && st.f_type == PID_FS_MAGIC;
}

/* ---- does a mapping of a file in overlayfs show the file that was opened? ---- */

static bool maps_show(const struct stat *st, const void *addr)
{
	struct arena a;
	struct err err;
	proc_vma_list vmas = { 0 };
	const struct proc_vma *v;
	bool found = false;

	scoped_fd proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	arena_init(&a);
	if (proc_read_own_maps(proc, &a, &vmas, &err) == 0)
		vec_for_each(v, &vmas)
			found |= v->start == (uintptr_t)addr && v->dev == st->st_dev &&
				 v->ino == st->st_ino;
	arena_fini(&a);
	return found;
}

/* In a mount namespace of its own: a tmpfs with an overlay of two of its directories. */
static bool overlay_maps_right(void)
{
	struct stat st;
	void *p;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("probe", "/tmp", "tmpfs", 0, NULL) < 0 || chdir("/tmp") < 0 ||
	    mkdir("l", 0700) < 0 || mkdir("u", 0700) < 0 || mkdir("w", 0700) < 0 ||
	    mkdir("m", 0700) < 0 || mknod("l/f", S_IFREG | 0600, 0) < 0 || truncate("l/f", 5) < 0 ||
	    mount("probe", "m", "overlay", 0, "lowerdir=l,upperdir=u,workdir=w") < 0)
		return false;

	scoped_fd fd = open("m/f", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	p = mmap(NULL, 5, PROT_READ, MAP_PRIVATE, fd, 0);
	return p != MAP_FAILED && maps_show(&st, p);
}

bool probe_overlayfs_maps(void)
{
	return probe_in_child(overlay_maps_right);
}
