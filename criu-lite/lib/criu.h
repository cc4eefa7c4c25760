/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef CRIU_LITE_LIB_CRIU_H
#define CRIU_LITE_LIB_CRIU_H

/*
 * criu.h - checkpoint and restore processes from a program
 *
 * The functions are those of CRIU's libcriu (4.2), so that a program made for
 * one runs with the other.  Every one exists twice: criu_NAME() works on options
 * of the whole program, criu_local_NAME() on those that it is given.
 *
 * A request is made in three steps: init_opts(), setters, and then dump(),
 * restore() ...  By default it is served by criu-lite, which is started for it.
 *
 * Those that return int return 0 or more on success, and else a negative number:
 *
 *	-EBADE		the server could not do it; errno is what it says
 *	-ECONNREFUSED	there is no server
 *	-ECOMM		the server went away
 *	-EINVAL		the request makes no sense
 *	-EBADMSG	the answer makes no sense
 *	-ENOMEM
 *
 * or what the callback of set_notify_cb() has returned, if that is not 0.
 */
#include <stdbool.h>
#include <stddef.h>

#include <criu/rpc.pb-c.h>
#include <criu/version.h>

#ifdef __cplusplus
extern "C" {
#endif

enum criu_service_comm {
	CRIU_COMM_SK,
	CRIU_COMM_FD,
	CRIU_COMM_BIN,
};

enum criu_cg_mode {
	CRIU_CG_MODE_IGNORE,
	CRIU_CG_MODE_NONE,
	CRIU_CG_MODE_PROPS,
	CRIU_CG_MODE_SOFT,
	CRIU_CG_MODE_FULL,
	CRIU_CG_MODE_STRICT,
	CRIU_CG_MODE_DEFAULT,
};

enum criu_network_lock_method {
	CRIU_NETWORK_LOCK_IPTABLES = 1,
	CRIU_NETWORK_LOCK_NFTABLES = 2,
	CRIU_NETWORK_LOCK_SKIP = 3,
};

enum criu_pre_dump_mode {
	CRIU_PRE_DUMP_SPLICE = 1,
	CRIU_PRE_DUMP_READ = 2,
};

/* for set_log_level() */
#define CRIU_LOG_UNSET (-1)
#define CRIU_LOG_MSG   (0)
#define CRIU_LOG_ERROR (1)
#define CRIU_LOG_WARN  (2)
#define CRIU_LOG_INFO  (3)
#define CRIU_LOG_DEBUG (4)

typedef struct criu_opts criu_opts;
typedef CriuNotify *criu_notify_arg_t;
typedef void *criu_predump_info;

/* In: what is asked for.  Out: what there is. */
struct criu_feature_check {
	bool mem_track;
	bool lazy_pages;
	bool pidfd_store;
};

/* ---- life ---- */

/* New options; those that were there are freed.  *@opts is NULL, or from an earlier call. */
int criu_init_opts(void);
int criu_local_init_opts(criu_opts **opts);
void criu_free_opts(void);
void criu_local_free_opts(criu_opts *opts);

/* ---- who serves ---- */

/* The service at the socket @path; NULL: ./criu_service.socket. */
int criu_set_service_address(const char *path);
int criu_local_set_service_address(criu_opts *opts, const char *path);

/* The default: a program that is started for each request; NULL: criu-lite, else criu. */
int criu_set_service_binary(const char *path);
int criu_local_set_service_binary(criu_opts *opts, const char *path);

/* A connected socket (SOCK_SEQPACKET).  It is closed after the next request. */
void criu_set_service_fd(int fd);
void criu_local_set_service_fd(criu_opts *opts, int fd);

/* ---- requests ---- */

int criu_check(void);
int criu_local_check(criu_opts *opts);

/* Without a pid it dumps the caller.  1: the caller is the copy that has just been restored. */
int criu_dump(void);
int criu_local_dump(criu_opts *opts);

/* One pre-dump.  dump_iters(): pre-dumps while @more() returns more than 0, then the dump. */
int criu_pre_dump(void);
int criu_local_pre_dump(criu_opts *opts);
int criu_dump_iters(int (*more)(criu_predump_info));
int criu_local_dump_iters(criu_opts *opts, int (*more)(criu_predump_info));

/* The pid of the root task; with _child it is our child. */
int criu_restore(void);
int criu_local_restore(criu_opts *opts);
int criu_restore_child(void);
int criu_local_restore_child(criu_opts *opts);

/* 40200 for 4.2; is it @minimum or newer? */
int criu_get_version(void);
int criu_local_get_version(criu_opts *opts);
int criu_check_version(int minimum);
int criu_local_check_version(criu_opts *opts, int minimum);

/* @size is that of @features, which an older program has smaller. */
int criu_feature_check(struct criu_feature_check *features, size_t size);
int criu_local_feature_check(criu_opts *opts, struct criu_feature_check *features, size_t size);

/* ---- notifications ---- */

/* Called for each action; the run ends if it does not return 0. */
void criu_set_notify_cb(int (*cb)(char *, criu_notify_arg_t));
void criu_local_set_notify_cb(criu_opts *opts, int (*cb)(char *, criu_notify_arg_t));
int criu_notify_pid(criu_notify_arg_t na);

/* During orphan-pts-master: the master; it is the caller's.  -1: there was none. */
int criu_get_orphan_pts_master_fd(void);

/* ---- options: one value ---- */

/* See criu-lite(8) for what they mean; names are those of the command line. */
void criu_set_auto_dedup(bool on);
void criu_local_set_auto_dedup(criu_opts *opts, bool on);
void criu_set_auto_ext_mnt(bool on);
void criu_local_set_auto_ext_mnt(criu_opts *opts, bool on);
int criu_set_config_file(const char *text);
int criu_local_set_config_file(criu_opts *opts, const char *text);
void criu_set_cpu_cap(unsigned int value);
void criu_local_set_cpu_cap(criu_opts *opts, unsigned int value);
void criu_set_empty_ns(int value);
void criu_local_set_empty_ns(criu_opts *opts, int value);
void criu_set_evasive_devices(bool on);
void criu_local_set_evasive_devices(criu_opts *opts, bool on);
int criu_set_exec_cmd(int argc, char *argv[]);
int criu_local_set_exec_cmd(criu_opts *opts, int argc, char *argv[]);
void criu_set_ext_masters(bool on);
void criu_local_set_ext_masters(criu_opts *opts, bool on);
void criu_set_ext_sharing(bool on);
void criu_local_set_ext_sharing(criu_opts *opts, bool on);
void criu_set_ext_unix_sk(bool on);
void criu_local_set_ext_unix_sk(criu_opts *opts, bool on);
void criu_set_file_locks(bool on);
void criu_local_set_file_locks(criu_opts *opts, bool on);
void criu_set_force_irmap(bool on);
void criu_local_set_force_irmap(criu_opts *opts, bool on);
int criu_set_freeze_cgroup(const char *text);
int criu_local_set_freeze_cgroup(criu_opts *opts, const char *text);
void criu_set_ghost_limit(unsigned int value);
void criu_local_set_ghost_limit(criu_opts *opts, unsigned int value);
void criu_set_images_dir_fd(int fd);
void criu_local_set_images_dir_fd(criu_opts *opts, int fd);
void criu_set_leave_running(bool on);
void criu_local_set_leave_running(criu_opts *opts, bool on);
void criu_set_link_remap(bool on);
void criu_local_set_link_remap(criu_opts *opts, bool on);
int criu_set_log_file(const char *text);
int criu_local_set_log_file(criu_opts *opts, const char *text);
void criu_set_log_level(int value);
void criu_local_set_log_level(criu_opts *opts, int value);
int criu_set_lsm_mount_context(const char *text);
int criu_local_set_lsm_mount_context(criu_opts *opts, const char *text);
int criu_set_lsm_profile(const char *text);
int criu_local_set_lsm_profile(criu_opts *opts, const char *text);
void criu_set_manage_cgroups(bool on);
void criu_local_set_manage_cgroups(criu_opts *opts, bool on);
void criu_set_manage_cgroups_mode(enum criu_cg_mode mode);
void criu_local_set_manage_cgroups_mode(criu_opts *opts, enum criu_cg_mode mode);
void criu_set_mntns_compat_mode(bool on);
void criu_local_set_mntns_compat_mode(criu_opts *opts, bool on);
int criu_set_network_lock(enum criu_network_lock_method method);
int criu_local_set_network_lock(criu_opts *opts, enum criu_network_lock_method method);
void criu_set_orphan_pts_master(bool on);
void criu_local_set_orphan_pts_master(criu_opts *opts, bool on);
int criu_set_page_server_address_port(const char *address, int port);
int criu_local_set_page_server_address_port(criu_opts *opts, const char *address, int port);
int criu_set_parent_images(const char *text);
int criu_local_set_parent_images(criu_opts *opts, const char *text);
void criu_set_pid(int pid);
void criu_local_set_pid(criu_opts *opts, int pid);
void criu_set_pidfd_store_sk(int sk);
void criu_local_set_pidfd_store_sk(criu_opts *opts, int sk);
int criu_set_pre_dump_mode(enum criu_pre_dump_mode mode);
int criu_local_set_pre_dump_mode(criu_opts *opts, enum criu_pre_dump_mode mode);
int criu_set_root(const char *text);
int criu_local_set_root(criu_opts *opts, const char *text);
void criu_set_shell_job(bool on);
void criu_local_set_shell_job(criu_opts *opts, bool on);
void criu_set_skip_file_rwx_check(bool on);
void criu_local_set_skip_file_rwx_check(criu_opts *opts, bool on);
void criu_set_tcp_close(bool on);
void criu_local_set_tcp_close(criu_opts *opts, bool on);
void criu_set_tcp_established(bool on);
void criu_local_set_tcp_established(criu_opts *opts, bool on);
void criu_set_tcp_skip_in_flight(bool on);
void criu_local_set_tcp_skip_in_flight(criu_opts *opts, bool on);
void criu_set_timeout(unsigned int value);
void criu_local_set_timeout(criu_opts *opts, unsigned int value);
void criu_set_track_mem(bool on);
void criu_local_set_track_mem(criu_opts *opts, bool on);
void criu_set_unprivileged(bool on);
void criu_local_set_unprivileged(criu_opts *opts, bool on);
void criu_set_weak_sysctls(bool on);
void criu_local_set_weak_sysctls(criu_opts *opts, bool on);
void criu_set_work_dir_fd(int fd);
void criu_local_set_work_dir_fd(criu_opts *opts, int fd);

/* ---- options: one more of them; @ctrl and @extra_opt may be NULL ---- */

int criu_local_add_cg_dump_controller(criu_opts *opts, const char *text);
int criu_local_add_cg_props(criu_opts *opts, const char *text);
int criu_local_add_cg_props_file(criu_opts *opts, const char *text);
int criu_add_cg_root(const char *ctrl, const char *path);
int criu_local_add_cg_root(criu_opts *opts, const char *ctrl, const char *path);
int criu_local_add_cg_yard(criu_opts *opts, const char *text);
int criu_add_enable_fs(const char *text);
int criu_local_add_enable_fs(criu_opts *opts, const char *text);
int criu_add_ext_mount(const char *key, const char *val);
int criu_local_add_ext_mount(criu_opts *opts, const char *key, const char *val);
int criu_add_external(const char *text);
int criu_local_add_external(criu_opts *opts, const char *text);
int criu_add_inherit_fd(int fd, const char *key);
int criu_local_add_inherit_fd(criu_opts *opts, int fd, const char *key);
int criu_add_irmap_path(const char *text);
int criu_local_add_irmap_path(criu_opts *opts, const char *text);
int criu_add_skip_mnt(const char *text);
int criu_local_add_skip_mnt(criu_opts *opts, const char *text);
int criu_add_unix_sk(unsigned int inode);
int criu_local_add_unix_sk(criu_opts *opts, unsigned int inode);
int criu_add_veth_pair(const char *in, const char *out);
int criu_local_add_veth_pair(criu_opts *opts, const char *in, const char *out);
int criu_join_ns_add(const char *ns, const char *ns_file, const char *extra_opt);
int criu_local_join_ns_add(criu_opts *opts, const char *ns, const char *ns_file,
			   const char *extra_opt);

#ifdef __cplusplus
}
#endif

#endif
