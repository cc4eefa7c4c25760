/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_OPTS_H
#define CORE_OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/vec.h"
#include "core/addr_map.h"
#include "images/stream.h"

/*
 * What the user asked for.  Filled once by options.c, const from then on and
 * reached through the run: d->opts, r->opts.  Names are CRIU's.
 */
typedef vec(const char *) opt_strings;

struct script_listener;

/* --manage-cgroups, see task/cgroup_make.c */
enum cgroup_mode {
	CGROUPS_SOFT,
	CGROUPS_NONE,
	CGROUPS_PROPS,
	CGROUPS_FULL,
	CGROUPS_STRICT,
	CGROUPS_IGNORE,
};

/* --file-validation: how a file is recognized; each includes those before it */
enum file_validation { VALIDATE_SIZE, VALIDATE_BUILD_ID, VALIDATE_CHECKSUM };

/* --file-changed PATH=... */
enum file_changed { CHANGED_REFUSE, CHANGED_ACCEPT, CHANGED_TRUNCATE };

struct changed_file {
	const char *path;
	enum file_changed what;
};

/* Memory that goes to, or comes from, a page server: core/page_link.h. */
struct remote_opts {
	bool page_server;    /* dump: send it there; lazy-pages: fetch it there */
	const char *address; /* of the server; of the service too, whose socket it is */
	unsigned int port;   /* 0: any */
	int socket;	     /* --ps-socket: is connected already, -1: there is none */
	bool tls, tls_no_cn_verify;
	const char *tls_cacert, *tls_cacrl, *tls_cert, *tls_key; /* NULL: at the usual place */
};

/* What dump and restore have in common. */
struct common_opts {
	const char *images_dir; /* -D, "."; for messages */
	const char *work_dir;	/* -W, or NULL: images_dir; the current directory of the run */
	int images_fd;		/* images_dir, open; -1 if it could not be opened (check) */
	bool stream;		/* -D -: images_fd is a stream of images, no directory */
	struct stream_codec compress; /* dump: STREAM_PLAIN: not */
	const char *log_file;	      /* -o, NULL: stderr, "-": stdout */
	int verbosity;		      /* -v */
	bool log_pid;
	bool shell_job;
	bool tcp_established;
	bool tcp_close;
	bool file_locks;
	bool leave_stopped; /* -s */
	bool lazy_pages;    /* memory comes when it is needed: mem/lazy.c */
	struct remote_opts remote;
	enum cgroup_mode manage_cgroups;
	opt_strings cgroup_roots; /* [CTRL:]PATH */
	const char *cgroup_yard;  /* where hierarchies are mounted, NULL: we see to that */
	bool display_stats;
	bool auto_dedup;	    /* pages that nobody needs any more are taken out of images */
	bool allow_ext_unix;	    /* -x */
	opt_strings ext_unix_peers; /* -x=INODE,...: only these; empty: all */
	opt_strings external;	    /* --external, as given */
	opt_strings enable_fs;	    /* types of file systems that are mounted anew */
	bool ext_sharing, ext_masters; /* what mnt[] finds may be shared, may be a slave of ours */
	bool empty_net;		       /* --empty-ns net */
	opt_strings action_scripts;    /* last given runs first */
	int status_fd;		       /* -1: none */
	const struct script_listener *listener; /* RPC: who is told of actions, or NULL */
	uint32_t client_ino; /* RPC: the socket of the client that dumps itself ends here; 0: none */
	bool orphan_pts_master; /* the master of a terminal from outside goes to the listener */
	/* seconds for freezing, and for a newborn task that does nothing; 0: no limit, default 10 */
	unsigned int timeout;
};

struct dump_opts {
	struct common_opts common;
	pid_t pid; /* -t */
	bool leave_running;
	bool link_remap;
	bool evasive_devices;
	bool skip_in_flight;
	const char *network_lock;  /* NULL: nftables */
	uint64_t ghost_limit;	   /* allocated bytes of one deleted file, 1 MiB */
	const char *freeze_cgroup; /* NULL: ptrace only */
	const char *cgroup_props, *cgroup_props_file;
	opt_strings cgroup_controllers; /* only these; empty: all */
	const char *parent_dir;		/* --prev-images-dir */
	bool track_mem;
	bool pre_dump_read; /* --pre-dump-mode; both are done in the same way */
	bool force_irmap;
	opt_strings allow; /* names of what we do not know and may leave out, see core/unknown.h */
	opt_strings irmap_scan_paths;
	opt_strings skip_mnt;		 /* mount points that are left out */
	enum file_validation validation; /* build id by default */
};

struct check_opts {
	const char *feature; /* only this one, NULL: all of the categories */
	bool extra, experimental;
	bool json;
};

struct inherit_fd {
	int fd;
	const char *key; /* "pipe:[123]", "path/to/file", ... */
};

struct join_ns {
	const char *type; /* "net", "uts", "ipc" */
	const char *path; /* of the namespace */
};

struct restore_opts {
	struct common_opts common;
	bool detach;  /* -d */
	bool sibling; /* -S */
	bool dry_run;
	const char *pidfile;
	const char *console; /* --console-socket: the master of a terminal goes there */
	const char *root;    /* -r: of the tree's mount namespace */
	pid_t into;	     /* --into: it becomes the root task, 0: that is born */
	const char *lsm_mount_context;
	char *const *exec_cmd; /* --exec-cmd -- CMD ARGS, NULL: none */
	vec(struct inherit_fd) inherit_fds;
	vec(struct join_ns) join_ns;
	addr_maps tcp_maps; /* of all sockets of IP */
	bool skip_file_rwx_check;
	enum file_validation validation; /* all that the images have, by default */
	vec(struct changed_file) changed_files;
};

#endif
