/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * options - what a program asks for, kept as the message that is sent
 *
 * Everything in the message is from malloc(), so that it is freed as one that
 * was received.  Each setter exists for given options and for those of the program.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"

criu_opts *criu_global;

/* Not in the header, as in CRIU. */
extern const char *criu_lib_version;
const char *criu_lib_version = CRIU_VERSION;

void criu_free_service(criu_opts *opts);

/* ---- life ---- */

void criu_free_service(criu_opts *opts)
{
	free(opts->address);
	free(opts->binary);
	opts->address = opts->binary = NULL;
}

void criu_local_free_opts(criu_opts *opts)
{
	if (!opts)
		return;
	criu_free_service(opts);
	criu_opts__free_unpacked(opts->rpc, NULL);
	free(opts);
}

int criu_local_init_opts(criu_opts **opts)
{
	criu_opts *o = calloc(1, sizeof(*o));
	CriuOpts *rpc = malloc(sizeof(*rpc));

	criu_local_free_opts(*opts);
	*opts = NULL;
	if (!o || !rpc) {
		free(o);
		free(rpc);
		return -1;
	}
	criu_opts__init(rpc);
	o->rpc = rpc;
	o->fd = -1;
	o->comm = CRIU_COMM_BIN;
	*opts = o;
	return 0;
}

int criu_init_opts(void)
{
	return criu_local_init_opts(&criu_global);
}

void criu_free_opts(void)
{
	criu_local_free_opts(criu_global);
	criu_global = NULL;
}

/* ---- values ---- */

static int set_text(char **to, const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

/* Room for one more at the end of an array of pointers. */
static int add_item(void *array, size_t *n, void *item)
{
	void **items, **old;

	memcpy(&old, array, sizeof(old));
	items = item ? realloc(old, (*n + 1) * sizeof(*items)) : NULL;
	if (!items)
		return -ENOMEM;
	items[(*n)++] = item;
	memcpy(array, &items, sizeof(items));
	return 0;
}

static int add_text(char ***array, size_t *n, const char *text)
{
	char *copy = strdup(text);
	int ret = add_item(array, n, copy);

	if (ret < 0)
		free(copy);
	return ret;
}

/* A new message, at the end of an array of them; freed again if it cannot be filled. */
#define ADD(type, prefix, array, n, fill)                           \
	({                                                          \
		type *m = malloc(sizeof(*m));                       \
		int ret_ = -ENOMEM;                                 \
		if (m) {                                            \
			prefix##__init(m);                          \
			ret_ = (fill) ? -ENOMEM : 0;                \
			if (ret_ == 0)                              \
				ret_ = add_item(&(array), &(n), m); \
			if (ret_ < 0)                               \
				prefix##__free_unpacked(m, NULL);   \
		}                                                   \
		ret_;                                               \
	})

/* ---- one value ---- */

#define VALUE(name, type)                                       \
	void criu_local_set_##name(criu_opts *opts, type value) \
	{                                                       \
		opts->rpc->has_##name = true;                   \
		opts->rpc->name = value;                        \
	}                                                       \
	void criu_set_##name(type value)                        \
	{                                                       \
		criu_local_set_##name(criu_global, value);      \
	}

VALUE(auto_dedup, bool)
VALUE(auto_ext_mnt, bool)
VALUE(evasive_devices, bool)
VALUE(ext_masters, bool)
VALUE(ext_sharing, bool)
VALUE(ext_unix_sk, bool)
VALUE(file_locks, bool)
VALUE(force_irmap, bool)
VALUE(leave_running, bool)
VALUE(link_remap, bool)
VALUE(manage_cgroups, bool)
VALUE(mntns_compat_mode, bool)
VALUE(orphan_pts_master, bool)
VALUE(shell_job, bool)
VALUE(skip_file_rwx_check, bool)
VALUE(tcp_close, bool)
VALUE(tcp_established, bool)
VALUE(tcp_skip_in_flight, bool)
VALUE(track_mem, bool)
VALUE(unprivileged, bool)
VALUE(weak_sysctls, bool)
VALUE(cpu_cap, unsigned int)
VALUE(ghost_limit, unsigned int)
VALUE(timeout, unsigned int)
VALUE(log_level, int)
VALUE(pid, int)
VALUE(pidfd_store_sk, int)
VALUE(work_dir_fd, int)

/* Bits, which the message has without a sign. */
void criu_local_set_empty_ns(criu_opts *opts, int value)
{
	opts->rpc->has_empty_ns = true;
	opts->rpc->empty_ns = (uint32_t)value;
}

void criu_set_empty_ns(int value)
{
	criu_local_set_empty_ns(criu_global, value);
}

/* The only one that every message has. */
void criu_local_set_images_dir_fd(criu_opts *opts, int fd)
{
	opts->rpc->images_dir_fd = fd;
}

void criu_set_images_dir_fd(int fd)
{
	criu_local_set_images_dir_fd(criu_global, fd);
}

void criu_local_set_manage_cgroups_mode(criu_opts *opts, enum criu_cg_mode mode)
{
	opts->rpc->has_manage_cgroups_mode = true;
	opts->rpc->manage_cgroups_mode = (CriuCgMode)mode;
}

void criu_set_manage_cgroups_mode(enum criu_cg_mode mode)
{
	criu_local_set_manage_cgroups_mode(criu_global, mode);
}

int criu_local_set_network_lock(criu_opts *opts, enum criu_network_lock_method method)
{
	if (method < CRIU_NETWORK_LOCK_IPTABLES || method > CRIU_NETWORK_LOCK_SKIP)
		return -1;
	opts->rpc->has_network_lock = true;
	opts->rpc->network_lock = (CriuNetworkLockMethod)method;
	return 0;
}

int criu_set_network_lock(enum criu_network_lock_method method)
{
	return criu_local_set_network_lock(criu_global, method);
}

int criu_local_set_pre_dump_mode(criu_opts *opts, enum criu_pre_dump_mode mode)
{
	if (mode != CRIU_PRE_DUMP_SPLICE && mode != CRIU_PRE_DUMP_READ)
		return -1;
	opts->rpc->has_pre_dump_mode = true;
	opts->rpc->pre_dump_mode = (CriuPreDumpMode)mode;
	return 0;
}

int criu_set_pre_dump_mode(enum criu_pre_dump_mode mode)
{
	return criu_local_set_pre_dump_mode(criu_global, mode);
}

/* ---- one text ---- */

#define LOCAL_TEXT(function, field)                                  \
	int criu_local_##function(criu_opts *opts, const char *text) \
	{                                                            \
		return set_text(&opts->rpc->field, text);            \
	}

#define TEXT(function, field)                                    \
	LOCAL_TEXT(function, field)                              \
	int criu_##function(const char *text)                    \
	{                                                        \
		return criu_local_##function(criu_global, text); \
	}

TEXT(set_config_file, config_file)
TEXT(set_freeze_cgroup, freeze_cgroup)
TEXT(set_log_file, log_file)
TEXT(set_lsm_mount_context, lsm_mount_context)
TEXT(set_lsm_profile, lsm_profile)
TEXT(set_parent_images, parent_img)
TEXT(set_root, root)
LOCAL_TEXT(add_cg_props, cgroup_props)
LOCAL_TEXT(add_cg_props_file, cgroup_props_file)
LOCAL_TEXT(add_cg_yard, cgroup_yard)

/* ---- texts ---- */

#define LOCAL_TEXTS(function, field)                                             \
	int criu_local_##function(criu_opts *opts, const char *text)             \
	{                                                                        \
		return add_text(&opts->rpc->field, &opts->rpc->n_##field, text); \
	}

#define TEXTS(function, field)                                   \
	LOCAL_TEXTS(function, field)                             \
	int criu_##function(const char *text)                    \
	{                                                        \
		return criu_local_##function(criu_global, text); \
	}

TEXTS(add_enable_fs, enable_fs)
TEXTS(add_external, external)
TEXTS(add_skip_mnt, skip_mnt)
LOCAL_TEXTS(add_cg_dump_controller, cgroup_dump_controller)

int criu_local_add_irmap_path(criu_opts *opts, const char *text)
{
	if (!opts)
		return -1;
	return add_text(&opts->rpc->irmap_scan_paths, &opts->rpc->n_irmap_scan_paths, text);
}

int criu_add_irmap_path(const char *text)
{
	return criu_local_add_irmap_path(criu_global, text);
}

int criu_local_set_exec_cmd(criu_opts *opts, int argc, char *argv[])
{
	while (opts->rpc->n_exec_cmd > 0)
		free(opts->rpc->exec_cmd[--opts->rpc->n_exec_cmd]);
	for (int i = 0; i < argc; i++)
		if (add_text(&opts->rpc->exec_cmd, &opts->rpc->n_exec_cmd, argv[i]) < 0)
			return -ENOMEM;
	return 0;
}

int criu_set_exec_cmd(int argc, char *argv[])
{
	return criu_local_set_exec_cmd(criu_global, argc, argv);
}

/* ---- pairs and the like ---- */

int criu_local_add_cg_root(criu_opts *opts, const char *ctrl, const char *path)
{
	return ADD(CgroupRoot, cgroup_root, opts->rpc->cg_root, opts->rpc->n_cg_root,
		   set_text(&m->ctrl, ctrl) || set_text(&m->path, path));
}

int criu_add_cg_root(const char *ctrl, const char *path)
{
	return criu_local_add_cg_root(criu_global, ctrl, path);
}

int criu_local_add_ext_mount(criu_opts *opts, const char *key, const char *val)
{
	return ADD(ExtMountMap, ext_mount_map, opts->rpc->ext_mnt, opts->rpc->n_ext_mnt,
		   set_text(&m->key, key) || set_text(&m->val, val));
}

int criu_add_ext_mount(const char *key, const char *val)
{
	return criu_local_add_ext_mount(criu_global, key, val);
}

int criu_local_add_inherit_fd(criu_opts *opts, int fd, const char *key)
{
	return ADD(InheritFd, inherit_fd, opts->rpc->inherit_fd, opts->rpc->n_inherit_fd,
		   (m->fd = fd, set_text(&m->key, key)));
}

int criu_add_inherit_fd(int fd, const char *key)
{
	return criu_local_add_inherit_fd(criu_global, fd, key);
}

int criu_local_join_ns_add(criu_opts *opts, const char *ns, const char *ns_file,
			   const char *extra_opt)
{
	int ret = ADD(JoinNamespace, join_namespace, opts->rpc->join_ns, opts->rpc->n_join_ns,
		      set_text(&m->ns, ns) || set_text(&m->ns_file, ns_file) ||
			      set_text(&m->extra_opt, extra_opt));

	return ret < 0 ? -1 : 0;
}

int criu_join_ns_add(const char *ns, const char *ns_file, const char *extra_opt)
{
	return criu_local_join_ns_add(criu_global, ns, ns_file, extra_opt);
}

int criu_local_add_unix_sk(criu_opts *opts, unsigned int inode)
{
	int ret = ADD(UnixSk, unix_sk, opts->rpc->unix_sk_ino, opts->rpc->n_unix_sk_ino,
		      (m->inode = inode, 0));

	if (ret == 0 && !opts->rpc->has_ext_unix_sk)
		opts->rpc->has_ext_unix_sk = opts->rpc->ext_unix_sk = true;
	return ret;
}

int criu_add_unix_sk(unsigned int inode)
{
	return criu_local_add_unix_sk(criu_global, inode);
}

int criu_local_add_veth_pair(criu_opts *opts, const char *in, const char *out)
{
	return ADD(CriuVethPair, criu_veth_pair, opts->rpc->veths, opts->rpc->n_veths,
		   set_text(&m->if_in, in) || set_text(&m->if_out, out));
}

int criu_add_veth_pair(const char *in, const char *out)
{
	return criu_local_add_veth_pair(criu_global, in, out);
}

int criu_local_set_page_server_address_port(criu_opts *opts, const char *address, int port)
{
	CriuPageServerInfo *ps = opts->rpc->ps;

	if (!ps) {
		ps = malloc(sizeof(*ps));
		if (!ps)
			return -ENOMEM;
		criu_page_server_info__init(ps);
		opts->rpc->ps = ps;
	}
	ps->has_port = true;
	ps->port = port;
	return set_text(&ps->address, address);
}

int criu_set_page_server_address_port(const char *address, int port)
{
	return criu_local_set_page_server_address_port(criu_global, address, port);
}

/* ---- who serves, and who is told ---- */

int criu_local_set_service_address(criu_opts *opts, const char *path)
{
	if (set_text(&opts->address, path ? path : "./criu_service.socket") < 0)
		return -ENOMEM;
	opts->comm = CRIU_COMM_SK;
	return 0;
}

int criu_set_service_address(const char *path)
{
	return criu_local_set_service_address(criu_global, path);
}

int criu_local_set_service_binary(criu_opts *opts, const char *path)
{
	if (set_text(&opts->binary, path) < 0)
		return -ENOMEM;
	opts->comm = CRIU_COMM_BIN;
	return 0;
}

int criu_set_service_binary(const char *path)
{
	return criu_local_set_service_binary(criu_global, path);
}

void criu_local_set_service_fd(criu_opts *opts, int fd)
{
	opts->comm = CRIU_COMM_FD;
	opts->fd = fd;
}

void criu_set_service_fd(int fd)
{
	criu_local_set_service_fd(criu_global, fd);
}

void criu_local_set_notify_cb(criu_opts *opts, int (*cb)(char *, criu_notify_arg_t))
{
	opts->notify = cb;
	opts->rpc->has_notify_scripts = opts->rpc->notify_scripts = true;
}

void criu_set_notify_cb(int (*cb)(char *, criu_notify_arg_t))
{
	criu_local_set_notify_cb(criu_global, cb);
}
