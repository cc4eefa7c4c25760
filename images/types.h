/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IMAGES_TYPES_H
#define IMAGES_TYPES_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every image there is.  The names are those of CRIU's magics. */
enum image_type {
	IMAGE_INVENTORY,
	IMAGE_PSTREE,
	IMAGE_FDINFO,
	IMAGE_PAGEMAP,
	IMAGE_SHMEM_PAGEMAP,
	IMAGE_PAGES,
	IMAGE_CORE,
	IMAGE_IDS,
	IMAGE_MM,
	IMAGE_VMAS,
	IMAGE_FS,
	IMAGE_CREDS,
	IMAGE_SIGACT,
	IMAGE_ITIMERS,
	IMAGE_POSIX_TIMERS,
	IMAGE_RLIMIT,
	IMAGE_SIGNAL,
	IMAGE_PSIGNAL,
	IMAGE_FILES,
	IMAGE_REG_FILES,
	IMAGE_EXT_FILES,
	IMAGE_NS_FILES,
	IMAGE_EVENTFD_FILE,
	IMAGE_EVENTPOLL_FILE,
	IMAGE_EVENTPOLL_TFD,
	IMAGE_SIGNALFD,
	IMAGE_INOTIFY_FILE,
	IMAGE_INOTIFY_WD,
	IMAGE_FANOTIFY_FILE,
	IMAGE_FANOTIFY_MARK,
	IMAGE_TUNFILE,
	IMAGE_TIMERFD,
	IMAGE_PIPES,
	IMAGE_FIFO,
	IMAGE_UNIXSK,
	IMAGE_INETSK,
	IMAGE_PACKETSK,
	IMAGE_NETLINK_SK,
	IMAGE_TTY_FILES,
	IMAGE_PIDFD,
	IMAGE_TTY_INFO,
	IMAGE_TTY_DATA,
	IMAGE_PIPES_DATA,
	IMAGE_FIFO_DATA,
	IMAGE_SK_QUEUES,
	IMAGE_TCP_STREAM,
	IMAGE_REMAP_FPATH,
	IMAGE_GHOST_FILE,
	IMAGE_MEMFD_INODE,
	IMAGE_BPFMAP_FILE,
	IMAGE_BPFMAP_DATA,
	IMAGE_FILE_LOCKS,
	IMAGE_CGROUP,
	IMAGE_SECCOMP,
	IMAGE_APPARMOR,
	IMAGE_USERNS,
	IMAGE_UTSNS,
	IMAGE_IPC_VAR,
	IMAGE_IPCNS_SHM,
	IMAGE_IPCNS_MSG,
	IMAGE_IPCNS_SEM,
	IMAGE_MNTS,
	IMAGE_TIMENS,
	IMAGE_PIDNS,
	IMAGE_NETNS,
	IMAGE_NETDEV,
	IMAGE_IFADDR,
	IMAGE_ROUTE,
	IMAGE_ROUTE6,
	IMAGE_RULE,
	IMAGE_IPTABLES,
	IMAGE_IP6TABLES,
	IMAGE_NFTABLES,
	IMAGE_NETNF_CT,
	IMAGE_NETNF_EXP,
	IMAGE_TMPFS_IMG,
	IMAGE_TMPFS_DEV,
	IMAGE_AUTOFS,
	IMAGE_BINFMT_MISC_OLD,
	IMAGE_BINFMT_MISC,
	IMAGE_CPUINFO,
	IMAGE_STATS_DUMP,
	IMAGE_STATS_RESTORE,
	IMAGE_IRMAP_CACHE,
	IMAGE_TYPES,
};

/* What stands in front of the first entry. */
enum image_wrapper {
	WRAPPER_COMMON,	 /* u32 common wrapper, u32 magic */
	WRAPPER_SERVICE, /* u32 service wrapper, u32 magic */
	WRAPPER_NONE,	 /* u32 magic */
	WRAPPER_RAW,	 /* nothing: the file belongs to somebody else's format */
};

enum {
	WRAPPER_COMMON_MAGIC = 0x54564319,
	WRAPPER_SERVICE_MAGIC = 0x55105940,
};

enum image_entries {
	ENTRIES_RAW,  /* no entries */
	ENTRIES_ONE,  /* exactly one */
	ENTRIES_MANY, /* any number, all of one message */
	ENTRIES_HEAD, /* one of the first message, then any number of the second */
};

struct image_info {
	const char *name; /* as in the JSON of crit */
	uint32_t magic;	  /* 0: raw */
	const char *file; /* with %u (decimal) or %x (hexadecimal) where the id goes */
	enum image_wrapper wrapper;
	enum image_entries entries;
	const ProtobufCMessageDescriptor *message; /* NULL: raw */
	const ProtobufCMessageDescriptor *more;	   /* ENTRIES_HEAD: of the others */
	const char *payload; /* for people: what follows an entry, NULL: nothing does */
};

enum { IMAGE_NAME_MAX = 64 };

/* Never NULL for a type below IMAGE_TYPES. */
const struct image_info *image_info(enum image_type type);

/* The name of the file of @type and @id (ignored if the name has none); returns @name. */
const char *image_file_name(enum image_type type, unsigned long id, char name[IMAGE_NAME_MAX]);

/* Whose file name is this?  False if no image has it; the id of a name without one is 0. */
bool image_type_by_name(const char *name, enum image_type *type_ret, unsigned long *id_ret);

/* The first type with this magic: pagemaps, signals and stats share theirs.  False: unknown. */
bool image_type_by_magic(uint32_t magic, enum image_type *type_ret);

#endif
