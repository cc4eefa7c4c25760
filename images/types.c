/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * types - every image: its name, its magic, what is in it
 *
 * Not here: the pages-PID and pages-shmem files from before CRIU 1.0, and
 * criu.kdat, which is a cache.
 */
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images/apparmor.pb-c.h"
#include "images/autofs.pb-c.h"
#include "images/binfmt-misc.pb-c.h"
#include "images/bpfmap-data.pb-c.h"
#include "images/bpfmap-file.pb-c.h"
#include "images/cgroup.pb-c.h"
#include "images/core.pb-c.h"
#include "images/cpuinfo.pb-c.h"
#include "images/creds.pb-c.h"
#include "images/eventfd.pb-c.h"
#include "images/eventpoll.pb-c.h"
#include "images/ext-file.pb-c.h"
#include "images/fdinfo.pb-c.h"
#include "images/fh.pb-c.h"
#include "images/fifo.pb-c.h"
#include "images/file-lock.pb-c.h"
#include "images/fs.pb-c.h"
#include "images/fsnotify.pb-c.h"
#include "images/ghost-file.pb-c.h"
#include "images/inventory.pb-c.h"
#include "images/ipc-msg.pb-c.h"
#include "images/ipc-sem.pb-c.h"
#include "images/ipc-shm.pb-c.h"
#include "images/ipc-var.pb-c.h"
#include "images/memfd.pb-c.h"
#include "images/mm.pb-c.h"
#include "images/mnt.pb-c.h"
#include "images/netdev.pb-c.h"
#include "images/ns.pb-c.h"
#include "images/packet-sock.pb-c.h"
#include "images/pagemap.pb-c.h"
#include "images/pidfd.pb-c.h"
#include "images/pidns.pb-c.h"
#include "images/pipe-data.pb-c.h"
#include "images/pipe.pb-c.h"
#include "images/pstree.pb-c.h"
#include "images/regfile.pb-c.h"
#include "images/remap-file-path.pb-c.h"
#include "images/rlimit.pb-c.h"
#include "images/sa.pb-c.h"
#include "images/seccomp.pb-c.h"
#include "images/siginfo.pb-c.h"
#include "images/signalfd.pb-c.h"
#include "images/sk-inet.pb-c.h"
#include "images/sk-netlink.pb-c.h"
#include "images/sk-packet.pb-c.h"
#include "images/sk-unix.pb-c.h"
#include "images/stats.pb-c.h"
#include "images/tcp-stream.pb-c.h"
#include "images/timens.pb-c.h"
#include "images/timer.pb-c.h"
#include "images/timerfd.pb-c.h"
#include "images/tty.pb-c.h"
#include "images/tun.pb-c.h"
#include "images/userns.pb-c.h"
#include "images/utsns.pb-c.h"
#include "images/vma.pb-c.h"
#include "images/types.h"

/* clang-format off */
#define ONE(msg)	.entries = ENTRIES_ONE, .message = &msg##__descriptor
#define MANY(msg)	.entries = ENTRIES_MANY, .message = &msg##__descriptor
#define HEAD(msg, rest) .entries = ENTRIES_HEAD, .message = &msg##__descriptor, \
			.more = &rest##__descriptor

#define ROW(type, name_, magic_, file_, wrapper_, ...) \
	[IMAGE_##type] = { .name = name_, .magic = magic_, .file = file_, .wrapper = wrapper_, \
			   __VA_ARGS__ }
#define IMAGE(type, magic, file, ...) ROW(type, #type, magic, file, WRAPPER_COMMON, __VA_ARGS__)
#define RAW(type, file, text)	      ROW(type, #type, 0, file, WRAPPER_RAW, .payload = text)

static const struct image_info infos[IMAGE_TYPES] = {
	ROW(INVENTORY, "INVENTORY", 0x58313116, "inventory.img", WRAPPER_NONE,
	    ONE(inventory_entry)),
	IMAGE(PSTREE, 0x50273030, "pstree.img", MANY(pstree_entry)),
	IMAGE(FDINFO, 0x56213732, "fdinfo-%u.img", MANY(fdinfo_entry)),
	IMAGE(PAGEMAP, 0x56084025, "pagemap-%u.img", HEAD(pagemap_head, pagemap_entry)),
	IMAGE(SHMEM_PAGEMAP, 0x56084025, "pagemap-shmem-%u.img", HEAD(pagemap_head, pagemap_entry)),
	RAW(PAGES, "pages-%u.img", "page bytes"),
	IMAGE(CORE, 0x55053847, "core-%u.img", ONE(core_entry)),
	IMAGE(IDS, 0x54432030, "ids-%u.img", ONE(task_kobj_ids_entry)),
	IMAGE(MM, 0x57492820, "mm-%u.img", ONE(mm_entry)),
	IMAGE(VMAS, 0x54123737, "vmas-%u.img", MANY(vma_entry)),
	IMAGE(FS, 0x51403912, "fs-%u.img", ONE(fs_entry)),
	IMAGE(CREDS, 0x54023547, "creds-%u.img", ONE(creds_entry)),
	IMAGE(SIGACT, 0x55344201, "sigacts-%u.img", MANY(sa_entry)),
	IMAGE(ITIMERS, 0x57464056, "itimers-%u.img", MANY(itimer_entry)),
	IMAGE(POSIX_TIMERS, 0x52603957, "posix-timers-%u.img", MANY(posix_timer_entry)),
	IMAGE(RLIMIT, 0x57113925, "rlimit-%u.img", MANY(rlimit_entry)),
	IMAGE(SIGNAL, 0x59255647, "signal-s-%u.img", MANY(siginfo_entry)),
	IMAGE(PSIGNAL, 0x59255647, "signal-p-%u.img", MANY(siginfo_entry)),
	IMAGE(FILES, 0x56303138, "files.img", MANY(file_entry)),
	IMAGE(REG_FILES, 0x50363636, "reg-files.img", MANY(reg_file_entry)),
	IMAGE(EXT_FILES, 0x59255641, "ext-files.img", MANY(ext_file_entry)),
	IMAGE(NS_FILES, 0x61394011, "ns-files.img", MANY(ns_file_entry)),
	IMAGE(EVENTFD_FILE, 0x44523722, "eventfd.img", MANY(eventfd_file_entry)),
	IMAGE(EVENTPOLL_FILE, 0x45023858, "eventpoll.img", MANY(eventpoll_file_entry)),
	IMAGE(EVENTPOLL_TFD, 0x44433746, "eventpoll-tfd.img", MANY(eventpoll_tfd_entry)),
	IMAGE(SIGNALFD, 0x57323820, "signalfd.img", MANY(signalfd_entry)),
	IMAGE(INOTIFY_FILE, 0x48424431, "inotify.img", MANY(inotify_file_entry)),
	IMAGE(INOTIFY_WD, 0x54562009, "inotify-wd.img", MANY(inotify_wd_entry)),
	IMAGE(FANOTIFY_FILE, 0x55096122, "fanotify.img", MANY(fanotify_file_entry)),
	IMAGE(FANOTIFY_MARK, 0x56506035, "fanotify-mark.img", MANY(fanotify_mark_entry)),
	IMAGE(TUNFILE, 0x57143751, "tunfile.img", MANY(tunfile_entry)),
	IMAGE(TIMERFD, 0x50493712, "timerfd.img", MANY(timerfd_entry)),
	IMAGE(PIPES, 0x56513555, "pipes.img", MANY(pipe_entry)),
	IMAGE(FIFO, 0x58364939, "fifo.img", MANY(fifo_entry)),
	IMAGE(UNIXSK, 0x54373943, "unixsk.img", MANY(unix_sk_entry)),
	IMAGE(INETSK, 0x56443851, "inetsk.img", MANY(inet_sk_entry)),
	IMAGE(PACKETSK, 0x60454618, "packetsk.img", MANY(packet_sock_entry)),
	IMAGE(NETLINK_SK, 0x58005614, "netlinksk.img", MANY(netlink_sk_entry)),
	IMAGE(TTY_FILES, 0x59433025, "tty.img", MANY(tty_file_entry)),
	IMAGE(PIDFD, 0x54435556, "pidfd.img", MANY(pidfd_entry)),
	IMAGE(TTY_INFO, 0x59453036, "tty-info.img", MANY(tty_info_entry)),
	IMAGE(TTY_DATA, 0x59413026, "tty-data.img", MANY(tty_data_entry)),
	IMAGE(PIPES_DATA, 0x56453709, "pipes-data.img", MANY(pipe_data_entry),
	      .payload = "field bytes, no padding"),
	IMAGE(FIFO_DATA, 0x59333054, "fifo-data.img", MANY(pipe_data_entry),
	      .payload = "field bytes, no padding"),
	IMAGE(SK_QUEUES, 0x56264026, "sk-queues.img", MANY(sk_packet_entry),
	      .payload = "field length, no padding"),
	IMAGE(TCP_STREAM, 0x51465506, "tcp-stream-%x.img", ONE(tcp_stream_entry),
	      .payload = "inq_len, then outq_len bytes"),
	IMAGE(REMAP_FPATH, 0x59133954, "remap-fpath.img", MANY(remap_file_path_entry)),
	IMAGE(GHOST_FILE, 0x52583605, "ghost-file-%x.img",
	      HEAD(ghost_file_entry, ghost_chunk_entry),
	      .payload = "no chunks: all that follows; chunks: len bytes behind each"),
	IMAGE(MEMFD_INODE, 0x48453499, "memfd.img", MANY(memfd_inode_entry)),
	IMAGE(BPFMAP_FILE, 0x57506142, "bpfmap-file.img", MANY(bpfmap_file_entry)),
	IMAGE(BPFMAP_DATA, 0x64324033, "bpfmap-data.img", MANY(bpfmap_data_entry),
	      .payload = "keys_bytes, then values_bytes"),
	IMAGE(FILE_LOCKS, 0x54323616, "filelocks.img", MANY(file_lock_entry)),
	IMAGE(CGROUP, 0x59383330, "cgroup.img", ONE(cgroup_entry)),
	IMAGE(SECCOMP, 0x64413049, "seccomp.img", ONE(seccomp_entry)),
	IMAGE(APPARMOR, 0x59423047, "apparmor.img", ONE(apparmor_entry)),
	IMAGE(USERNS, 0x55474906, "userns-%u.img", ONE(userns_entry)),
	IMAGE(UTSNS, 0x54473203, "utsns-%u.img", ONE(utsns_entry)),
	IMAGE(IPC_VAR, 0x53115007, "ipcns-var-%u.img", ONE(ipc_var_entry)),
	IMAGE(IPCNS_SHM, 0x46283044, "ipcns-shm-%u.img", MANY(ipc_shm_entry),
	      .payload = "without in_pagemaps: size bytes, padded to 4"),
	IMAGE(IPCNS_MSG, 0x55453737, "ipcns-msg-%u.img", MANY(ipc_msg_entry),
	      .payload = "qnum times: an ipc_msg with its size, msize bytes, padded to 8"),
	IMAGE(IPCNS_SEM, 0x59573019, "ipcns-sem-%u.img", MANY(ipc_sem_entry),
	      .payload = "nsems u16, padded to 8"),
	IMAGE(MNTS, 0x55563928, "mountpoints-%u.img", MANY(mnt_entry)),
	IMAGE(TIMENS, 0x43114433, "timens-%u.img", ONE(timens_entry)),
	IMAGE(PIDNS, 0x61157326, "pidns-%u.img", ONE(pidns_entry)),
	IMAGE(NETNS, 0x55933752, "netns-%u.img", ONE(netns_entry)),
	IMAGE(NETDEV, 0x57373951, "netdev-%u.img", MANY(net_device_entry)),
	RAW(IFADDR, "ifaddr-%u.img", "output of ip addr save, starts with 0x47361222"),
	RAW(ROUTE, "route-%u.img", "output of ip route save, starts with 0x45311224"),
	RAW(ROUTE6, "route6-%u.img", "output of ip -6 route save, starts with 0x45311224"),
	RAW(RULE, "rule-%u.img", "output of ip rule save, starts with 0x71706986"),
	RAW(IPTABLES, "iptables-%u.img", "output of iptables-save"),
	RAW(IP6TABLES, "ip6tables-%u.img", "output of ip6tables-save"),
	RAW(NFTABLES, "nftables-%u.img", "text of nft list ruleset"),
	RAW(NETNF_CT, "netns-ct-%u.img", "netlink messages (nlmsghdr + data) back to back"),
	RAW(NETNF_EXP, "netns-exp-%u.img", "netlink messages back to back"),
	RAW(TMPFS_IMG, "tmpfs-%u.tar.gz.img", "gzip tar"),
	RAW(TMPFS_DEV, "tmpfs-dev-%u.tar.gz.img", "gzip tar"),
	IMAGE(AUTOFS, 0x49353943, "autofs-%u.img", ONE(autofs_entry)),
	IMAGE(BINFMT_MISC_OLD, 0x67343323, "binfmt-misc-%u.img", MANY(binfmt_misc_entry)),
	IMAGE(BINFMT_MISC, 0x67343323, "binfmt-misc.img", MANY(binfmt_misc_entry)),
	IMAGE(CPUINFO, 0x61404013, "cpuinfo.img", ONE(cpuinfo_entry)),
	ROW(STATS_DUMP, "STATS", 0x57093306, "stats-dump", WRAPPER_SERVICE, ONE(stats_entry)),
	ROW(STATS_RESTORE, "STATS", 0x57093306, "stats-restore", WRAPPER_SERVICE, ONE(stats_entry)),
	ROW(IRMAP_CACHE, "IRMAP_CACHE", 0x57004059, "irmap-cache", WRAPPER_SERVICE,
	    MANY(irmap_cache_entry)),
};
/* clang-format on */

const struct image_info *image_info(enum image_type type)
{
	assert(type < IMAGE_TYPES);
	return &infos[type];
}

const char *image_file_name(enum image_type type, unsigned long id, char name[IMAGE_NAME_MAX])
{
	const char *file = image_info(type)->file;
	const char *mark = strchr(file, '%');

	if (!mark)
		snprintf(name, IMAGE_NAME_MAX, "%s", file);
	else
		snprintf(name, IMAGE_NAME_MAX, mark[1] == 'x' ? "%.*s%lx%s" : "%.*s%lu%s",
			 (int)(mark - file), file, id, mark + 2);
	return name;
}

/* The id in @name, if it is @file with a number in place of its mark. */
static bool name_matches(const char *name, const char *file, unsigned long *id_ret)
{
	const char *mark = strchr(file, '%');
	char *rest;

	if (!mark) {
		*id_ret = 0;
		return strcmp(name, file) == 0;
	}
	if (strncmp(name, file, (size_t)(mark - file)) != 0)
		return false;

	name += mark - file;
	if (!isxdigit((unsigned char)*name))
		return false; /* strtoul would take blanks and signs */
	*id_ret = strtoul(name, &rest, mark[1] == 'x' ? 16 : 10);
	return rest != name && strcmp(rest, mark + 2) == 0;
}

bool image_type_by_name(const char *name, enum image_type *type_ret, unsigned long *id_ret)
{
	char same[IMAGE_NAME_MAX];
	unsigned long id;

	for (enum image_type t = 0; t < IMAGE_TYPES; t++) {
		if (!name_matches(name, infos[t].file, &id))
			continue;
		if (strcmp(image_file_name(t, id, same), name) != 0)
			continue; /* 007, 0x7, or too large: we would not find it again */
		*type_ret = t;
		*id_ret = id;
		return true;
	}
	return false;
}

bool image_type_by_magic(uint32_t magic, enum image_type *type_ret)
{
	for (enum image_type t = 0; t < IMAGE_TYPES; t++) {
		if (infos[t].wrapper == WRAPPER_RAW || infos[t].magic != magic)
			continue;
		*type_ret = t;
		return true;
	}
	return false;
}
