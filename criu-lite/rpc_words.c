/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rpc words - the options of a request, in the words of the command line
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "core/external.h"
#include "rpc_words.h"

/* ---- fields that are an option each ---- */

enum sort {
	SWITCH, /* false is --no-NAME */
	FLAG,	/* false is nothing */
	TEXT,
	TEXTS,
	NUMBER,
};

struct field {
	const char *option;
	enum sort sort;
	size_t has; /* or the number of texts */
	size_t at;
};

#define HAS(name, field, kind)                                                         \
	{                                                                              \
		name, kind, offsetof(CriuOpts, has_##field), offsetof(CriuOpts, field) \
	}
#define ONE(name, field)                                 \
	{                                                \
		name, TEXT, 0, offsetof(CriuOpts, field) \
	}
#define MANY(name, field)                                                             \
	{                                                                             \
		name, TEXTS, offsetof(CriuOpts, n_##field), offsetof(CriuOpts, field) \
	}

static const struct field fields[] = {
	HAS("leave-running", leave_running, FLAG),
	HAS("leave-stopped", leave_stopped, FLAG),
	HAS("tcp-established", tcp_established, SWITCH),
	HAS("tcp-close", tcp_close, SWITCH),
	HAS("skip-in-flight", tcp_skip_in_flight, SWITCH),
	HAS("evasive-devices", evasive_devices, SWITCH),
	HAS("shell-job", shell_job, SWITCH),
	HAS("file-locks", file_locks, FLAG),
	HAS("track-mem", track_mem, SWITCH),
	HAS("auto-dedup", auto_dedup, SWITCH),
	HAS("link-remap", link_remap, SWITCH),
	HAS("force-irmap", force_irmap, SWITCH),
	HAS("enable-external-sharing", ext_sharing, FLAG),
	HAS("enable-external-masters", ext_masters, FLAG),
	HAS("ghost-limit", ghost_limit, NUMBER),
	HAS("timeout", timeout, NUMBER),
	HAS("weak-sysctls", weak_sysctls, SWITCH),
	HAS("lazy-pages", lazy_pages, FLAG),
	HAS("tls", tls, SWITCH),
	HAS("tls-no-cn-verify", tls_no_cn_verify, FLAG),
	HAS("skip-file-rwx-check", skip_file_rwx_check, SWITCH),
	HAS("unprivileged", unprivileged, SWITCH),
	HAS("display-stats", display_stats, SWITCH),
	ONE("root", root),
	ONE("prev-images-dir", parent_img),
	ONE("cgroup-props", cgroup_props),
	ONE("cgroup-props-file", cgroup_props_file),
	ONE("cgroup-yard", cgroup_yard),
	ONE("freeze-cgroup", freeze_cgroup),
	ONE("lsm-profile", lsm_profile),
	ONE("lsm-mount-context", lsm_mount_context),
	ONE("tls-cacert", tls_cacert),
	ONE("tls-cacrl", tls_cacrl),
	ONE("tls-cert", tls_cert),
	ONE("tls-key", tls_key),
	MANY("skip-mnt", skip_mnt),
	MANY("enable-fs", enable_fs),
	MANY("irmap-scan-path", irmap_scan_paths),
	MANY("external", external),
	MANY("cgroup-dump-controller", cgroup_dump_controller),
};

/* The words of one request, while they are put together. */
struct words {
	struct arena *a;
	opt_strings *to;
};

#define add(w, ...) (*vec_add((w)->a, (w)->to) = arena_printf((w)->a, __VA_ARGS__))

static void add_texts(struct words *w, const char *option, char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add(w, "--%s=%s", option, texts[i]);
}

static void add_field(struct words *w, const CriuOpts *opts, const struct field *f)
{
	const char *at = (const char *)opts + f->at, *has = (const char *)opts + f->has;

	switch (f->sort) {
	case TEXT:
		if (*(char *const *)at)
			add(w, "--%s=%s", f->option, *(char *const *)at);
		break;
	case TEXTS:
		add_texts(w, f->option, *(char *const *const *)at, *(const size_t *)has);
		break;
	case NUMBER:
		if (*(const protobuf_c_boolean *)has)
			add(w, "--%s=%u", f->option, *(const uint32_t *)at);
		break;
	case SWITCH:
	case FLAG:
		if (!*(const protobuf_c_boolean *)has)
			break;
		if (*(const protobuf_c_boolean *)at)
			add(w, "--%s", f->option);
		else if (f->sort == SWITCH)
			add(w, "--no-%s", f->option);
		break;
	}
}

/* ---- fields that need a look ---- */

static int refuse(struct err *err, const char *what, const char *why)
{
	err_set(err, EBADRQC, "cannot use %s", what);
	return err_why(err, "%s", why);
}

static void add_ext_unix(struct words *w, const CriuOpts *opts)
{
	if (opts->has_ext_unix_sk && !opts->ext_unix_sk)
		return;
	if (opts->has_ext_unix_sk && opts->n_unix_sk_ino == 0)
		add(w, "--ext-unix-sk");
	for (size_t i = 0; i < opts->n_unix_sk_ino; i++)
		add(w, "--ext-unix-sk=%u", opts->unix_sk_ino[i]->inode);
}

static void add_mounts(struct words *w, const CriuOpts *opts)
{
	for (size_t i = 0; i < opts->n_ext_mnt; i++)
		add(w, "--external=mnt[%s]:%s", opts->ext_mnt[i]->key, opts->ext_mnt[i]->val);
	for (size_t i = 0; i < opts->n_veths; i++)
		add(w, "--external=veth[%s]:%s", opts->veths[i]->if_in, opts->veths[i]->if_out);
	if (opts->has_auto_ext_mnt && opts->auto_ext_mnt)
		add(w, "--ext-mount-map=auto");
}

static void add_cgroups(struct words *w, const CriuOpts *opts)
{
	static const char *const modes[] = {
		[CRIU_CG_MODE__IGNORE] = "ignore", [CRIU_CG_MODE__CG_NONE] = "none",
		[CRIU_CG_MODE__PROPS] = "props",   [CRIU_CG_MODE__SOFT] = "soft",
		[CRIU_CG_MODE__FULL] = "full",	   [CRIU_CG_MODE__STRICT] = "strict",
		[CRIU_CG_MODE__DEFAULT] = "soft",
	};

	if (opts->has_manage_cgroups_mode)
		add(w, "--manage-cgroups=%s", modes[opts->manage_cgroups_mode]);
	else if (opts->has_manage_cgroups)
		add(w, "--manage-cgroups=%s", opts->manage_cgroups ? "soft" : "ignore");

	for (size_t i = 0; i < opts->n_cg_root; i++) {
		const CgroupRoot *root = opts->cg_root[i];

		add(w, "--cgroup-root=%s%s%s", root->ctrl ? root->ctrl : "", root->ctrl ? ":" : "",
		    root->path);
	}
}

static int add_namespaces(struct words *w, const CriuOpts *opts, struct err *err)
{
	for (size_t i = 0; i < opts->n_join_ns; i++) {
		const JoinNamespace *ns = opts->join_ns[i];

		add(w, "--join-ns=%s:%s%s%s", ns->ns, ns->ns_file, ns->extra_opt ? "," : "",
		    ns->extra_opt ? ns->extra_opt : "");
	}
	if (!opts->has_empty_ns || !opts->empty_ns)
		return 0;
	if (opts->empty_ns != CLONE_NEWNET) {
		refuse(err, "empty_ns", "only a network namespace can be empty");
		return err_hint(err, "set empty_ns to %#x", CLONE_NEWNET);
	}
	add(w, "--empty-ns=net");
	return 0;
}

static int add_inherited(struct words *w, const CriuOpts *opts, bool sibling, struct err *err)
{
	if (opts->n_inherit_fd && !sibling) {
		refuse(err, "inherit_fd", "a service has inherited nothing from its clients");
		return err_hint(err, "start criu-lite swrk with these descriptors open");
	}
	for (size_t i = 0; i < opts->n_inherit_fd; i++)
		add(w, "--inherit-fd=fd[%d]:%s", opts->inherit_fd[i]->fd, opts->inherit_fd[i]->key);
	return 0;
}

static int add_page_server(struct words *w, const CriuOpts *opts, bool sibling, struct err *err)
{
	const CriuPageServerInfo *ps = opts->ps;

	if (!ps)
		return 0;
	if (ps->has_fd && !sibling) {
		refuse(err, "ps.fd", "a service has inherited nothing from its clients");
		return err_hint(err, "start criu-lite swrk with that socket open");
	}
	if (!opts->has_lazy_pages || !opts->lazy_pages)
		add(w, "--page-server");
	if (ps->address)
		add(w, "--address=%s", ps->address);
	if (ps->has_port && ps->port)
		add(w, "--port=%d", ps->port);
	if (ps->has_fd)
		add(w, "--ps-socket=%d", ps->fd);
	return 0;
}

static void add_methods(struct words *w, const CriuOpts *opts)
{
	static const char *const locks[] = {
		[CRIU_NETWORK_LOCK_METHOD__IPTABLES] = "iptables",
		[CRIU_NETWORK_LOCK_METHOD__NFTABLES] = "nftables",
		[CRIU_NETWORK_LOCK_METHOD__SKIP] = "skip",
	};

	if (opts->has_network_lock)
		add(w, "--network-lock=%s", locks[opts->network_lock]);
	if (opts->has_pre_dump_mode)
		add(w, "--pre-dump-mode=%s",
		    opts->pre_dump_mode == CRIU_PRE_DUMP_MODE__SPLICE ? "splice" : "read");
}

static void add_cpu_cap(struct words *w, const CriuOpts *opts)
{
	static const char *const names[] = { "fpu", "cpu", "ins", "image" };
	const char *list = "";

	if (!opts->has_cpu_cap)
		return;
	for (size_t i = 0; i < 3; i++)
		if (opts->cpu_cap & 1u << i)
			list = arena_printf(w->a, "%s%s%s", list, *list ? "," : "", names[i]);
	/* a client always gets the image as well */
	add(w, "--cpu-cap=%s%s%s", list, *list ? "," : "", names[3]);
}

/* ---- directories, log, descriptors ---- */

void rpc_dirs_fini(struct rpc_dirs *dirs)
{
	if (dirs->images >= 0)
		close(dirs->images);
	if (dirs->work >= 0)
		close(dirs->work);
}

static int add_dir(struct words *w, const struct peer *peer, const char *option, int n, int *fd_ret,
		   struct err *err)
{
	int fd = peer_open_fd(peer, n, O_RDONLY | O_DIRECTORY, err);

	if (fd < 0)
		return err_in(err, "%s", option);
	*fd_ret = fd;
	add(w, "--%s=/proc/self/fd/%d", option, fd);
	return 0;
}

static int add_dirs(struct words *w, const CriuOpts *opts, const struct peer *peer,
		    struct rpc_dirs *dirs, struct err *err)
{
	if (opts->images_dir_fd >= 0) {
		if (add_dir(w, peer, "images-dir", opts->images_dir_fd, &dirs->images, err) < 0)
			return -err->code;
	} else if (opts->images_dir) {
		/* the directory of that name, no stream */
		add(w, "--images-dir=%s",
		    strcmp(opts->images_dir, "-") == 0 ? "./-" : opts->images_dir);
	} else {
		refuse(err, "the request", "it has no directory for images");
		return err_hint(err, "set images_dir_fd, or images_dir with images_dir_fd = -1");
	}
	if (opts->has_work_dir_fd && opts->work_dir_fd >= 0)
		return add_dir(w, peer, "work-dir", opts->work_dir_fd, &dirs->work, err);
	return 0;
}

static int add_status_fd(struct words *w, const CriuOpts *opts, const struct peer *peer,
			 struct err *err)
{
	int fd;

	if (!opts->has_status_fd || opts->status_fd < 0)
		return 0;
	fd = peer_open_fd(peer, opts->status_fd, O_WRONLY, err);
	if (fd < 0)
		return err_in(err, "status_fd");
	add(w, "--status-fd=%d", fd);
	return 0;
}

static int add_log(struct words *w, const CriuOpts *opts, struct err *err)
{
	if (opts->log_file && strchr(opts->log_file, '/')) {
		refuse(err, "log_file", "it has a slash");
		return err_hint(err, "give a name; the log is in the work directory");
	}
	if (opts->log_level < 0 || opts->log_level > 4) {
		refuse(err, "log_level", "it is none");
		return err_hint(err, "give 0 (nothing) to 4 (everything)");
	}
	add(w, "--verbosity=%d", opts->log_level);
	if (opts->log_file)
		add(w, "--log-file=%s", opts->log_file);
	else if (!opts->has_log_to_stderr || !opts->log_to_stderr)
		add(w, "--log-file=criu.log");
	return 0;
}

/* ---- all of them ---- */

static int add_run(struct words *w, const CriuOpts *opts, const struct peer *peer, bool sibling,
		   enum command command, struct err *err)
{
	if (command & (COMMAND_DUMP | COMMAND_PRE_DUMP))
		add(w, "--tree=%d", opts->has_pid && opts->pid ? opts->pid : peer->cred.pid);
	if (command == COMMAND_RESTORE) {
		add(w, "--restore-detached");
		if (opts->has_rst_sibling && opts->rst_sibling && !sibling) {
			refuse(err, "rst_sibling", "it would be the sibling of a service");
			return err_hint(err, "start criu-lite swrk to become its parent");
		}
		if (opts->has_rst_sibling && opts->rst_sibling)
			add(w, "--restore-sibling");
		if (opts->has_mntns_compat_mode && opts->mntns_compat_mode)
			add(w, "--mntns-compat-mode");
	}
	return add_status_fd(w, opts, peer, err);
}

int rpc_words(struct arena *a, const CriuOpts *opts, const struct peer *peer, bool sibling,
	      struct rpc_dirs *dirs, struct option_request *q, struct err *err)
{
	struct words w = { .a = a, .to = &q->words };

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		add_field(&w, opts, &fields[i]);
	add_ext_unix(&w, opts);
	add_mounts(&w, opts);
	add_cgroups(&w, opts);
	add_methods(&w, opts);
	add_cpu_cap(&w, opts);
	q->config_file = opts->config_file;

	if (add_namespaces(&w, opts, err) < 0 || add_inherited(&w, opts, sibling, err) < 0 ||
	    add_page_server(&w, opts, sibling, err) < 0 || add_log(&w, opts, err) < 0 ||
	    add_dirs(&w, opts, peer, dirs, err) < 0)
		return -err->code;
	return add_run(&w, opts, peer, sibling, q->command, err);
}

int rpc_add_external(struct arena *a, const CriuOpts *opts, struct common_opts *o, struct err *err)
{
	for (size_t i = 0; i < opts->n_external; i++) {
		if (external_check(opts->external[i], err) < 0)
			return -err->code;
		*vec_add(a, &o->external) = opts->external[i];
	}
	return 0;
}
