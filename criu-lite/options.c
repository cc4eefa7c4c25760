/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options - one table of options, with CRIU's names and letters
 *
 * An option of CRIU that we do not serve is accepted, and noted in the log, if
 * leaving it out loses nothing; it is refused by name if it would.  Options
 * that CRIU does not know are in the last group.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "core/external.h"
#include "options.h"
#include "options_words.h"
#include "show.h"
#include "move.h"

/* ---- values that need a look ---- */

static int err_value(struct err *err, const char *option, const char *value, const char *why)
{
	err_set(err, EINVAL, "cannot use --%s %s", option, value);
	return err_why(err, "%s", why);
}

static bool parse_int(const char *s, size_t n, long min, int *ret)
{
	char *end;
	long v;

	if (n == 0 || *s < '0' || *s > '9')
		return false;
	errno = 0;
	v = strtol(s, &end, 10);
	if (errno || end != s + n || v < min || v > INT32_MAX)
		return false;
	*ret = (int)v;
	return true;
}

static int set_tree(struct options *o, struct arena *a, const char *value, struct err *err)
{
	if (parse_int(value, strlen(value), 1, &o->dump.pid))
		return 0;
	err_value(err, "tree", value, "this is not a pid");
	return err_hint(err, "give the pid of the root of the tree: -t PID");
}

static int set_into(struct options *o, struct arena *a, const char *value, struct err *err)
{
	if (parse_int(value, strlen(value), 1, &o->restore.into))
		return 0;
	err_value(err, "into", value, "this is not a pid");
	return err_hint(err, "give the pid of a process that waits for nothing: --into PID");
}

/* -v is one more, -vv two more; -v4 and --verbosity=4 are absolute. */
static int set_verbosity(struct options *o, struct arena *a, const char *value, struct err *err)
{
	int level = o->common.verbosity;

	if (!value)
		level++;
	else if (value[strspn(value, "v")] == '\0')
		level += (int)strlen(value) + 1;
	else if (!parse_int(value, strlen(value), 0, &level)) {
		err_value(err, "verbosity", value, "this is not a number");
		return err_hint(err, "give -v0 (nothing) to -v4 (everything)");
	}
	o->common.verbosity = level > 4 ? 4 : level;
	return 0;
}

static int set_ext_unix_sk(struct options *o, struct arena *a, const char *value, struct err *err)
{
	char *list = arena_strdup(a, value ? value : ""), *inode;

	o->common.allow_ext_unix = true;
	while ((inode = strsep(&list, ",")) != NULL) {
		if (!*inode)
			continue;
		if (inode[strspn(inode, "0123456789")] != '\0') {
			err_value(err, "ext-unix-sk", value, "it takes inode numbers of sockets");
			return err_hint(err, "give -x for all, or -xINODE,INODE");
		}
		*vec_add(a, &o->common.ext_unix_peers) = inode;
	}
	return 0;
}

static int set_stream(struct options *o, struct arena *a, const char *value, struct err *err)
{
	o->common.images_dir = "-";
	return 0;
}

static int set_compress(struct options *o, struct arena *a, const char *value, struct err *err)
{
	return stream_codec_parse(value, &o->common.compress, err);
}

static int set_close(struct options *o, struct arena *a, const char *value, struct err *err)
{
	int fd;

	if (parse_int(value, strlen(value), 0, &fd) && close(fd) == 0)
		return 0;
	err_value(err, "close", value, "this is not an open descriptor");
	return err_hint(err, "leave it out");
}

static int add_external(struct options *o, struct arena *a, const char *value, struct err *err)
{
	if (external_check(value, err) < 0)
		return -err->code;
	*vec_add(a, &o->common.external) = value;
	return 0;
}

static int add_veth_pair(struct options *o, struct arena *a, const char *value, struct err *err)
{
	const char *out = strchr(value, '=');

	if (!out || out == value || !out[1]) {
		err_value(err, "veth-pair", value, "it takes two names");
		return err_hint(err, "give --veth-pair IN=OUT");
	}
	return add_external(
		o, a, arena_printf(a, "veth[%.*s]:%s", (int)(out - value), value, out + 1), err);
}

/* "net:1234", "uts:/run/netns/x" */
static int add_join_ns(struct options *o, struct arena *a, const char *value, struct err *err)
{
	const char *to = strchr(value, ':');
	size_t n = to ? (size_t)(to - value) : 0;
	struct join_ns *j;

	if (n != 3 || !to[1] ||
	    (strncmp(value, "net", 3) != 0 && strncmp(value, "uts", 3) != 0 &&
	     strncmp(value, "ipc", 3) != 0)) {
		err_value(err, "join-ns", value, "it takes net, uts or ipc, and a process or file");
		return err_hint(err, "give --join-ns net:PID, or net:FILE; for other namespaces "
				     "start criu-lite in them, by nsenter(1)");
	}
	j = vec_add(a, &o->restore.join_ns);
	j->type = arena_printf(a, "%.3s", value);
	j->path = strspn(to + 1, "0123456789") == strlen(to + 1)
			  ? arena_printf(a, "/proc/%s/ns/%s", to + 1, j->type)
			  : to + 1;
	return 0;
}

static int add_tcp_map(struct options *o, struct arena *a, const char *value, struct err *err)
{
	return addr_map_parse(value, vec_add(a, &o->restore.tcp_maps), err);
}

static int set_empty_ns(struct options *o, struct arena *a, const char *value, struct err *err)
{
	o->common.empty_net = true;
	return 0;
}

static int add_ext_mount(struct options *o, struct arena *a, const char *value, struct err *err)
{
	const char *to = strchr(value, ':');

	if (strcmp(value, "auto") == 0)
		return add_external(o, a, "mnt[]", err);
	if (!to) {
		err_value(err, "ext-mount-map", value, "it takes a key and a value");
		return err_hint(err, "give --ext-mount-map KEY:VALUE, or auto");
	}
	return add_external(o, a, arena_printf(a, "mnt[%.*s]:%s", (int)(to - value), value, to + 1),
			    err);
}

static int add_enable_fs(struct options *o, struct arena *a, const char *value, struct err *err)
{
	char *list = arena_strdup(a, value), *save, *name;

	for (name = strtok_r(list, ",", &save); name; name = strtok_r(NULL, ",", &save))
		*vec_add(a, &o->common.enable_fs) = name;
	return 0;
}

/* "fd[5]:pipe:[123]"; "debug[5]:TEXT" writes TEXT to the descriptor. */
static int add_inherit_fd(struct options *o, struct arena *a, const char *value, struct err *err)
{
	bool debug = strncmp(value, "debug[", 6) == 0;
	const char *number = strchr(value, '['), *close = number ? strstr(number, "]:") : NULL;
	struct inherit_fd *i;
	int fd;

	if ((!debug && strncmp(value, "fd[", 3) != 0) || !close || !close[2] ||
	    !parse_int(number + 1, (size_t)(close - number - 1), 0, &fd)) {
		err_value(err, "inherit-fd", value, "it takes a descriptor and a resource");
		return err_hint(err, "give --inherit-fd fd[N]:RESOURCE");
	}
	if (fcntl(fd, F_GETFD) < 0) {
		err_value(err, "inherit-fd", value, "that descriptor is not open");
		return err_hint(err, "open it for criu-lite, without close-on-exec");
	}
	if (debug) {
		dprintf(fd, "%s", close + 2);
		return 0;
	}

	/* it is for the tasks that are restored, not for scripts */
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	i = vec_add(a, &o->restore.inherit_fds);
	i->fd = fd;
	i->key = close + 2;
	return 0;
}

static int set_all(struct options *o, struct arena *a, const char *value, struct err *err)
{
	o->check.extra = o->check.experimental = true;
	return 0;
}

static int set_status_fd(struct options *o, struct arena *a, const char *value, struct err *err)
{
	if (parse_int(value, strlen(value), 0, &o->common.status_fd) &&
	    fcntl(o->common.status_fd, F_SETFD, FD_CLOEXEC) == 0)
		return 0;
	err_value(err, "status-fd", value, "this is not an open descriptor");
	return err_hint(err, "open it for criu-lite, without close-on-exec");
}

static int set_port(struct options *o, struct arena *a, const char *value, struct err *err)
{
	int port;

	if (parse_int(value, strlen(value), 1, &port) && port <= UINT16_MAX) {
		o->common.remote.port = (unsigned int)port;
		return 0;
	}
	err_value(err, "port", value, "this is not a port");
	return err_hint(err, "give a number from 1 to 65535; without --port the kernel chooses");
}

static int set_ps_socket(struct options *o, struct arena *a, const char *value, struct err *err)
{
	if (parse_int(value, strlen(value), 0, &o->common.remote.socket) &&
	    fcntl(o->common.remote.socket, F_SETFD, FD_CLOEXEC) == 0)
		return 0;
	err_value(err, "ps-socket", value, "this is not an open descriptor");
	return err_hint(err, "connect it for criu-lite, without close-on-exec");
}

static int set_file_validation(struct options *o, struct arena *a, const char *value,
			       struct err *err)
{
	enum file_validation v = VALIDATE_SIZE;

	if (strcmp(value, "buildid") == 0 || strcmp(value, "build-id") == 0)
		v = VALIDATE_BUILD_ID;
	else if (strcmp(value, "checksum") == 0)
		v = VALIDATE_CHECKSUM;
	o->dump.validation = o->restore.validation = v;
	return 0;
}

static int add_file_changed(struct options *o, struct arena *a, const char *value, struct err *err)
{
	const char *what = strrchr(value, '=');
	struct changed_file c = { 0 };

	if (what && strcmp(what, "=accept") == 0)
		c.what = CHANGED_ACCEPT;
	else if (what && strcmp(what, "=truncate") == 0)
		c.what = CHANGED_TRUNCATE;
	if (value[0] != '/' || !c.what) {
		err_value(err, "file-changed", value,
			  "it takes an absolute path and accept or truncate");
		return err_hint(err, "give --file-changed PATH=accept or PATH=truncate");
	}
	c.path = arena_printf(a, "%.*s", (int)(what - value), value);
	*vec_add(a, &o->restore.changed_files) = c;
	return 0;
}

static int set_pre_dump_mode(struct options *o, struct arena *a, const char *value, struct err *err)
{
	o->dump.pre_dump_read = strcmp(value, "read") == 0;
	return 0;
}

static int set_manage_cgroups(struct options *o, struct arena *a, const char *value,
			      struct err *err)
{
	static const char *const modes[] = {
		[CGROUPS_SOFT] = "soft", [CGROUPS_NONE] = "none",     [CGROUPS_PROPS] = "props",
		[CGROUPS_FULL] = "full", [CGROUPS_STRICT] = "strict", [CGROUPS_IGNORE] = "ignore",
	};

	o->common.manage_cgroups = CGROUPS_SOFT;
	for (size_t i = 0; value && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(modes[i], value) == 0)
			o->common.manage_cgroups = (enum cgroup_mode)i;
	return 0;
}

static int add_cgroup_root(struct options *o, struct arena *a, const char *value, struct err *err)
{
	const char *path = strchr(value, ':');

	path = *value == '/' || !path ? value : path + 1;
	if (*path != '/' || strstr(path, "/..")) {
		err_value(err, "cgroup-root", value, "it takes the path of a control group");
		return err_hint(err, "give --cgroup-root /PATH, or CONTROLLER:/PATH");
	}
	*vec_add(a, &o->common.cgroup_roots) = value;
	return 0;
}

/* ---- the table ---- */

#define AT(member) offsetof(struct options, member)

/* a switch, with --no-NAME; the same without it */
#define SWITCH(n, l, member, text)                                                         \
	{                                                                                  \
		.name = n, .letter = l, .no = true, .store = STORE_BOOL, .at = AT(member), \
		.help = text                                                               \
	}
#define FLAG(n, l, member, text)                                                            \
	{                                                                                   \
		.name = n, .letter = l, .store = STORE_BOOL, .at = AT(member), .help = text \
	}
#define STRING(n, l, a, member, text)                                                      \
	{                                                                                  \
		.name = n, .letter = l, .arg = a, .store = STORE_STRING, .at = AT(member), \
		.help = text                                                               \
	}
#define LIST(n, a, member, text)                                                         \
	{                                                                                \
		.name = n, .arg = a, .store = STORE_LIST, .at = AT(member), .help = text \
	}
#define NUMBER(n, a, member, text)                                                       \
	{                                                                                \
		.name = n, .arg = a, .store = STORE_UINT, .at = AT(member), .help = text \
	}
#define SIZE(n, a, member, text)                                                         \
	{                                                                                \
		.name = n, .arg = a, .store = STORE_SIZE, .at = AT(member), .help = text \
	}
#define CALL(n, l, a, function, text)                                                   \
	{                                                                               \
		.name = n, .letter = l, .arg = a, .store = STORE_CALL, .set = function, \
		.help = text                                                            \
	}
#define EARLY(n, a, text)                                        \
	{                                                        \
		.name = n, .arg = a, .early = true, .help = text \
	}

/* no effect: @text says why */
#define IDLE(n, l, a, text)                                   \
	{                                                     \
		.name = n, .letter = l, .arg = a, .why = text \
	}
#define IDLE_SWITCH(n, text)                       \
	{                                          \
		.name = n, .no = true, .why = text \
	}
#define IDLE_BOOL(n, member, text)                                                        \
	{                                                                                 \
		.name = n, .no = true, .store = STORE_BOOL, .at = AT(member), .why = text \
	}
#define IDLE_CALL(n, l, a, function, text)                                              \
	{                                                                               \
		.name = n, .letter = l, .arg = a, .store = STORE_CALL, .set = function, \
		.why = text                                                             \
	}
#define IDLE_ONE_OF(n, a, c, text)                             \
	{                                                      \
		.name = n, .arg = a, .choices = c, .why = text \
	}

/* refused by some commands */
#define REFUSE(n, l, a, commands, text, what_to_do)                                             \
	{                                                                                       \
		.name = n, .letter = l, .no = !(a), .arg = a, .refused = commands, .why = text, \
		.hint = what_to_do                                                              \
	}

static const char no_namespaces[] = "namespaces are not restored yet";

const struct option_row option_rows[] = {
	CALL("tree", 't', "PID", set_tree, "dump, check: the root of the tree"),
	STRING("images-dir", 'D', "DIR", common.images_dir,
	       "where images are (default: .); \"-\": a stream, on stdout or stdin"),
	CALL("stream", 0, NULL, set_stream, "the same as -D -"),
	STRING("work-dir", 'W', "DIR", common.work_dir,
	       "where log, statistics and pidfile go (default: images dir)"),
	STRING("log-file", 'o', "FILE", common.log_file, "log, \"-\" for stdout (default: stderr)"),
	CALL("verbosity", 'v', "[N]", set_verbosity, "0 nothing, 1 errors ... 4 everything"),
	SWITCH("log-pid", 0, common.log_pid, "restore: one log file per task, FILE.PID"),
	FLAG("leave-running", 'R', dump.leave_running, "dump: let tasks go on afterwards"),
	FLAG("leave-stopped", 's', common.leave_stopped, "leave tasks stopped"),
	SWITCH("restore-detached", 'd', restore.detach, "restore: do not wait for the tasks"),
	SWITCH("restore-sibling", 'S', restore.sibling, "restore: as our siblings (needs -d)"),
	STRING("pidfile", 0, "FILE", restore.pidfile, "restore: write the pid of the root task"),
	SWITCH("shell-job", 'j', common.shell_job, "the terminal and session are outside"),
	{ .name = "manage-cgroups",
	  .arg = "[MODE]",
	  .store = STORE_CALL,
	  .choices = "none props soft full strict ignore",
	  .set = set_manage_cgroups,
	  .help = "control groups: how to restore them" },
	CALL("cgroup-root", 0, "[CTRL:]PATH", add_cgroup_root, "the group that all others are in"),
	STRING("cgroup-props", 0, "YAML", dump.cgroup_props, "dump: properties of groups to keep"),
	STRING("cgroup-props-file", 0, "FILE", dump.cgroup_props_file,
	       "dump: the same from a file"),
	LIST("cgroup-dump-controller", "NAME", dump.cgroup_controllers,
	     "dump: only groups of this controller; repeatable"),
	STRING("cgroup-yard", 0, "DIR", common.cgroup_yard, "where hierarchies are mounted"),
	STRING("freeze-cgroup", 0, "PATH", dump.freeze_cgroup, "dump: freeze this group meanwhile"),
	SWITCH("file-locks", 'l', common.file_locks, "dump: keep file locks (default)"),
	CALL("ext-unix-sk", 'x', "[INODE,...]", set_ext_unix_sk,
	     "allow unix sockets with a peer outside"),
	SWITCH("tcp-established", 0, common.tcp_established, "keep TCP connections"),
	SWITCH("tcp-close", 0, common.tcp_close, "have TCP connections closed at restore"),
	CALL("tcp-map", 0, "OLD=NEW", add_tcp_map,
	     "restore: another address (or ADDR:PORT, ADDR/PREFIX) for sockets; repeatable"),
	SWITCH("skip-in-flight", 0, dump.skip_in_flight,
	       "dump: drop connections that wait to be accepted"),
	{ .name = "network-lock",
	  .arg = "METHOD",
	  .store = STORE_STRING,
	  .at = AT(dump.network_lock),
	  .choices = "iptables nftables skip",
	  .help = "dump: how peers are kept quiet (default nftables)" },
	SWITCH("link-remap", 0, dump.link_remap, "dump: link files whose name is gone"),
	SIZE("ghost-limit", "SIZE", dump.ghost_limit, "dump: largest deleted file (default 1M)"),
	LIST("allow", "NAME", dump.allow,
	     "dump: leave out state of this name, which we do not know; repeatable"),
	SWITCH("force-irmap", 0, dump.force_irmap, "dump: find paths of inotify watches by search"),
	LIST("irmap-scan-path", "PATH", dump.irmap_scan_paths, "dump: where to search for them"),
	NUMBER("timeout", "SEC", common.timeout,
	       "limit for freezing, and for a newborn that does nothing (default 10, 0: none)"),
	{ .name = "file-validation",
	  .arg = "size|build-id|checksum",
	  .store = STORE_CALL,
	  .choices = "filesize buildid size build-id checksum",
	  .set = set_file_validation,
	  .help = "how to tell that a file has not changed" },
	CALL("file-changed", 0, "PATH=accept|truncate", add_file_changed,
	     "restore: take a file that has changed; repeatable"),
	SWITCH("skip-file-rwx-check", 0, restore.skip_file_rwx_check,
	       "restore: do not compare file modes"),
	CALL("external", 0, "RES", add_external, "a resource that stays outside"),
	CALL("ext-mount-map", 'M', "KEY:VALUE", add_ext_mount,
	     "the same as --external mnt[KEY]:VALUE; auto: mnt[]"),
	SWITCH("enable-external-sharing", 0, common.ext_sharing,
	       "what mnt[] finds may be shared with mounts outside"),
	SWITCH("enable-external-masters", 0, common.ext_masters,
	       "what mnt[] finds may have its master outside"),
	CALL("enable-fs", 0, "NAMES|all", add_enable_fs,
	     "mount these types of file systems again, without their content"),
	LIST("skip-mnt", "PATH", dump.skip_mnt, "dump: leave out the mount at PATH; repeatable"),
	STRING("root", 'r', "PATH", restore.root, "restore: the root of the mount namespace"),
	STRING("lsm-mount-context", 0, "CTX", restore.lsm_mount_context,
	       "restore: in place of the context= of mounts"),
	CALL("veth-pair", 0, "IN=OUT", add_veth_pair, "restore: --external veth[IN]:OUT"),
	{ .name = "empty-ns",
	  .arg = "net",
	  .store = STORE_CALL,
	  .choices = "net",
	  .set = set_empty_ns,
	  .help = "leave the network namespace empty" },
	STRING("prev-images-dir", 0, "DIR", dump.parent_dir,
	       "dump, pre-dump: the dump before, as seen from the images"),
	SWITCH("track-mem", 0, dump.track_mem, "dump: another one is to follow"),
	SWITCH("auto-dedup", 0, common.auto_dedup,
	       "dump: free what parents have in vain; restore: what was read"),
	{ .name = "pre-dump-mode",
	  .arg = "splice|read",
	  .choices = "splice read",
	  .store = STORE_CALL,
	  .set = set_pre_dump_mode,
	  .help = "pre-dump: both are the same" },
	CALL("join-ns", 'J', "NS:PID|FILE", add_join_ns,
	     "restore: into that net, uts or ipc namespace"),
	CALL("inherit-fd", 0, "fd[N]:RES", add_inherit_fd, "restore: use our descriptor for it"),
	LIST("action-script", "PATH", common.action_scripts, "run it between stages; repeatable"),
	FLAG("exec-cmd", 0, exec_cmd, "restore: then execute what follows --"),
	SWITCH("display-stats", 0, common.display_stats, "print statistics"),
	STRING("feature", 0, "NAME", check.feature, "check: only this one"),
	SWITCH("extra", 0, check.extra, "check: also what not every tree needs"),
	SWITCH("experimental", 0, check.experimental, "check: also what hardly any tree needs"),
	CALL("all", 0, NULL, set_all, "check: everything"),
	EARLY("config", "FILE", "read options from it, not from the default files"),
	EARLY("no-default-config", NULL, "do not read the default files"),
	SWITCH("unprivileged", 0, unprivileged, "run without being root"),
	FLAG("version", 'V', version, "print the version"),
	FLAG("help", 'h', help, "print this"),
	SWITCH("daemon", 0, restore.detach, "service: go on in the background"),
	STRING("address", 0, "ADDR", common.remote.address,
	       "of the page server, here or there; service: its socket"),
	CALL("port", 0, "N", set_port, "of the page server"),
	CALL("ps-socket", 0, "FD", set_ps_socket,
	     "a connected socket in place of --address and --port"),
	SWITCH("page-server", 0, common.remote.page_server,
	       "dump: send memory to a page server; lazy-pages: fetch it there"),
	FLAG("lazy-pages", 0, common.lazy_pages,
	     "dump: send memory when it is asked for; restore: it comes when it is needed"),
	SWITCH("tls", 0, common.remote.tls,
	       "page server: encrypt, with certificates on both sides"),
	STRING("tls-cacert", 0, "FILE", common.remote.tls_cacert,
	       "who signs certificates (default: /etc/pki/CA/cacert.pem, and those of the system)"),
	STRING("tls-cacrl", 0, "FILE", common.remote.tls_cacrl,
	       "which were revoked (default: /etc/pki/CA/cacrl.pem, if there)"),
	STRING("tls-cert", 0, "FILE", common.remote.tls_cert,
	       "our certificate (default: /etc/pki/criu/cert.pem)"),
	STRING("tls-key", 0, "FILE", common.remote.tls_key,
	       "its key (default: /etc/pki/criu/private/key.pem)"),
	FLAG("tls-no-cn-verify", 0, common.remote.tls_no_cn_verify,
	     "the certificate may be for another --address"),
	CALL("close", 0, "FD", set_close, "close a descriptor at once"),
	CALL("status-fd", 0, "FD", set_status_fd, "write a zero byte to it when ready"),

	/* of no effect, or not yet */
	IDLE_SWITCH("evasive-devices", "devices are told by number, not by path"),
	IDLE("libdir", 'L', "DIR", "there are no plugins"),
	IDLE("cpu-cap", 0, "[LIST]", "vector state is always compared with what the CPU has"),
	IDLE_SWITCH("weak-sysctls", no_namespaces),
	IDLE_SWITCH("deprecated", "nothing is deprecated"),
	IDLE_SWITCH("ghost-fiemap", "holes are always found"),
	IDLE_SWITCH("allow-uprobes", "[uprobes] is refused by name if a task has it"),
	IDLE_SWITCH("mntns-compat-mode", "mounts are made in one way only"),

	/* refused */
	REFUSE("lsm-profile", 0, "TYPE:NAME", COMMAND_RESTORE, "profiles are not restored yet",
	       "leave out --lsm-profile and start criu-lite with that profile"),
	REFUSE("ms", 0, NULL, COMMAND_ANY, "it was removed from CRIU", "use check --feature"),

	/* ours */
	CALL("compress", 0, "lz4|zstd[:LEVEL]", set_compress, "dump: compress all images"),
	SWITCH("json", 0, check.json, "check -t: tell it as JSON"),
	SWITCH("orphan-pts-master", 0, common.orphan_pts_master,
	       "dump: one terminal may have its master outside"),
	STRING("console-socket", 0, "SOCKET", restore.console,
	       "restore: hand that master over there"),
	CALL("into", 0, "PID", set_into, "restore: this process becomes the root task"),
	SWITCH("dry-run", 0, restore.dry_run, "restore: read and plan, but make nothing"),
	{ 0 },
};

/* ---- after all has been read ---- */

static const struct {
	const char *name;
	enum command command;
} commands[] = {
	{ "dump", COMMAND_DUMP },
	{ "restore", COMMAND_RESTORE },
	{ "check", COMMAND_CHECK },
	{ "pre-dump", COMMAND_PRE_DUMP },
	{ "lazy-pages", COMMAND_LAZY_PAGES },
	{ "page-server", COMMAND_PAGE_SERVER },
	{ "service", COMMAND_SERVICE },
	{ "swrk", COMMAND_SWRK },
	{ "dedup", COMMAND_DEDUP },
	{ "cpuinfo", COMMAND_OTHER },
	{ "exec", COMMAND_OTHER },
	{ "show", COMMAND_OTHER },
};

static int find_command(struct options *o, const opt_strings *operands, struct err *err)
{
	if (operands->n == 0) {
		err_set(err, EINVAL, "command is required");
		err_why(err, "none was given");
		return err_hint(err, "give dump, pre-dump, restore or check; see criu-lite --help");
	}

	o->command_name = operands->items[0];
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, o->command_name) == 0)
			o->command = commands[i].command;
	if (o->command)
		return 0;

	err_set(err, EINVAL, "unknown command: %s", o->command_name);
	err_why(err, "neither we nor CRIU have it");
	return err_hint(err, "give dump, pre-dump, restore or check; see criu-lite --help");
}

/* What is left of the words: a command to execute, or one word too many. */
static int take_operands(struct options *o, struct option_reader *r, struct err *err)
{
	if (o->exec_cmd && o->command == COMMAND_RESTORE) {
		if (r->operands.n < 2) {
			err_set(err, EINVAL, "--exec-cmd requires a command");
			err_why(err, "nothing follows restore");
			return err_hint(err,
					"write it at the end: --exec-cmd -- COMMAND ARGUMENTS");
		}
		*vec_add(r->a, &r->operands) = NULL;
		o->restore.exec_cmd = (char *const *)&r->operands.items[1];
		return 0;
	}
	if (o->command == COMMAND_SWRK) {
		if (r->operands.n == 2 &&
		    parse_int(r->operands.items[1], strlen(r->operands.items[1]), 0, &o->swrk_fd))
			return 0;
		err_set(err, EINVAL, "Usage: criu swrk <fd>");
		err_why(err, "it takes the number of an open socket, and nothing else");
		return err_hint(err, "programs start this command, not people: see criu-lite(8)");
	}
	if (r->operands.n == 1 || o->command == COMMAND_OTHER)
		return 0;
	err_set(err, EINVAL, "excessive parameter(s) for command %s", o->command_name);
	err_why(err, "it takes only options");
	return err_hint(err, "leave out \"%s\"", r->operands.items[1]);
}

/* Options that the command cannot do without losing something, and those that do nothing. */
static int judge_options(struct options *o, struct arena *a, struct err *err)
{
	const struct option_row **row;

	vec_for_each(row, &o->given) {
		if ((*row)->refused & o->command) {
			err_set(err, EOPNOTSUPP, "cannot %s with --%s", o->command_name,
				(*row)->name);
			err_why(err, "%s", (*row)->why);
			return err_hint(err, "%s", (*row)->hint);
		}
		if ((*row)->why)
			*vec_add(a, &o->notes) = arena_printf(a, "--%s has no effect: %s",
							      (*row)->name, (*row)->why);
		if (strcmp((*row)->name, "mntns-compat-mode") == 0 &&
		    o->command != COMMAND_RESTORE) {
			err_set(err, EINVAL, "--mntns-compat-mode is only for restore");
			err_why(err, "the command is %s", o->command_name);
			return err_hint(err, "leave it out");
		}
	}
	return 0;
}

static int check_remote(const struct options *o, struct err *err)
{
	const struct remote_opts *m = &o->common.remote;

	if (o->common.lazy_pages &&
	    (strcmp(o->common.images_dir, "-") == 0 || o->common.compress.type != STREAM_PLAIN)) {
		err_set(err, EINVAL, "cannot use --lazy-pages");
		err_why(err, "images that are a stream are read from their beginning to their end");
		return err_hint(err, "give a directory by -D, and no --compress");
	}
	if (!(o->command & (COMMAND_DUMP | COMMAND_PRE_DUMP | COMMAND_LAZY_PAGES)) ||
	    !m->page_server || m->socket >= 0)
		return 0;
	/* then a dump is the server itself */
	if ((o->command == COMMAND_DUMP && o->common.lazy_pages) || (m->address && m->port))
		return 0;
	err_set(err, EINVAL, "cannot use --page-server");
	err_why(err, "it is not said where that is");
	return err_hint(err, "give --address and --port, or --ps-socket");
}

/* Nothing can be on top of it. */
static int check_predump(const struct options *o, struct err *err)
{
	if (o->command != COMMAND_PRE_DUMP ||
	    (strcmp(o->common.images_dir, "-") != 0 && o->common.compress.type == STREAM_PLAIN))
		return 0;
	err_set(err, EOPNOTSUPP, "cannot pre-dump into a stream, or compressed images");
	err_why(err, "the dump that follows could not find its pages there");
	return err_hint(err, "give a directory with -D, and no --compress");
}

static int check_combinations(struct options *o, struct arena *a, struct err *err)
{
	if (o->command & (COMMAND_DUMP | COMMAND_PRE_DUMP) && !o->dump.pid) {
		err_set(err, EINVAL, "pid not specified");
		err_why(err, "there is no --tree");
		return err_hint(err, "give the root of the tree: -t PID");
	}
	if (o->command == COMMAND_CHECK && o->check.json && !o->dump.pid) {
		err_set(err, EINVAL, "--json is only for check of a tree");
		err_why(err, "there is no --tree");
		return err_hint(err, "give the root of the tree: -t PID");
	}
	if (check_remote(o, err) < 0 || check_predump(o, err) < 0)
		return -err->code;
	if (o->command != COMMAND_RESTORE)
		return 0;

	if (o->restore.sibling && !o->restore.detach) {
		err_set(err, EINVAL, "--restore-sibling only makes sense with --restore-detached");
		err_why(err, "we cannot wait for what is not our child");
		return err_hint(err, "add -d, or leave out -S");
	}
	if (o->restore.into && (!o->restore.detach || o->restore.sibling)) {
		err_set(err, EINVAL, "--into only makes sense with --restore-detached");
		err_why(err, "the process has its parent, and that is not us");
		return err_hint(err, "add -d, and leave out -S");
	}
	if (o->restore.exec_cmd && o->restore.detach) {
		err_set(err, EINVAL, "--exec-cmd and --restore-detached cannot be used together");
		err_why(err, "one waits for the tasks, the other does not");
		return err_hint(err, "leave out one of them");
	}
	if (o->dump.pid)
		*vec_add(a, &o->notes) =
			"--tree has no effect: the images say which pids there are";
	return 0;
}

static int read_files(struct option_reader *r, struct err *err)
{
	const char *home = getenv("HOME"), *more = getenv("CRIU_CONFIG_FILE"), **file;
	bool defaults = !r->no_default_files && r->files.n == 0;

	if (defaults && words_read_file(r, "/etc/criu/default.conf", err) < 0)
		return -err->code;
	if (defaults && home &&
	    words_read_file(r, arena_printf(r->a, "%s/.criu/default.conf", home), err) < 0)
		return -err->code;
	if (more && *more && words_read_file(r, more, err) < 0)
		return -err->code;

	vec_for_each(file, &r->files)
		if (words_read_file(r, *file, err) < 0)
			return -err->code;
	return 0;
}

static void set_defaults(struct options *o)
{
	memset(o, 0, sizeof(*o));
	o->common.images_dir = ".";
	o->common.images_fd = o->common.status_fd = o->common.remote.socket = -1;
	o->common.verbosity = 2;
	o->dump.ghost_limit = 1 << 20;
	o->common.file_locks = true;
	o->common.timeout = 10;
	o->dump.validation = VALIDATE_BUILD_ID;
	o->restore.validation = VALIDATE_CHECKSUM;
}

int options_read(struct options *o, struct arena *a, int argc, char **argv, struct err *err)
{
	struct option_reader r = { .o = o, .a = a };

	set_defaults(o);
	argv += argc > 0;
	if (words_read_argv(&r, argv, true, err) < 0 || read_files(&r, err) < 0 ||
	    words_read_argv(&r, argv, false, err) < 0)
		return -err->code;
	if (o->help || o->version)
		return 0;

	if (find_command(o, &r.operands, err) < 0 || take_operands(o, &r, err) < 0 ||
	    judge_options(o, a, err) < 0 || check_combinations(o, a, err) < 0)
		return -err->code;
	return 0;
}

int options_request(struct options *o, struct arena *a, const struct options *base,
		    const struct option_request *q, struct err *err)
{
	struct option_reader r = { .o = o, .a = a };
	opt_strings words = { 0 };
	const char **word;

	if (base)
		*o = *base;
	else
		set_defaults(o);
	o->command = q->command;
	o->command_name = q->name;
	memset(&o->notes, 0, sizeof(o->notes));

	vec_for_each(word, &q->words)
		*vec_add(a, &words) = *word;
	*vec_add(a, &words) = NULL;
	if (words_read_argv(&r, (char **)words.items, false, err) < 0)
		return -err->code;
	if (q->config_file && words_read_file(&r, q->config_file, err) < 0)
		return -err->code;
	if (judge_options(o, a, err) < 0)
		return -err->code;
	return check_combinations(o, a, err);
}

/* ---- help ---- */

static void print_row(const struct option_row *row)
{
	char left[64];
	int n = 0;

	if (row->letter)
		n = snprintf(left, sizeof(left), "-%c, ", row->letter);
	n += snprintf(left + n, sizeof(left) - (size_t)n, "--%s", row->name);
	if (row->arg)
		snprintf(left + n, sizeof(left) - (size_t)n, " %s", row->arg);
	printf("  %-31s %s\n", left, row->help);
}

void options_usage(void)
{
	const struct option_row *row;

	printf("criu-lite freezes a tree of tasks, writes it into images, and restores it.\n\n"
	       "  criu-lite dump -t PID -D DIR [options]\n"
	       "  criu-lite pre-dump -t PID -D DIR [--prev-images-dir DIR] [options]\n"
	       "  criu-lite restore -D DIR [options] [--exec-cmd -- COMMAND ARGUMENTS]\n"
	       "  criu-lite check [--feature NAME | --extra | --experimental | --all]\n"
	       "  criu-lite check -t PID [options of the dump] [--json]\n"
	       "  criu-lite dedup -D DIR\n"
	       "  criu-lite service [--address SOCKET] [-d] [--pidfile FILE] [--status-fd FD]\n"
	       "  criu-lite lazy-pages -D DIR [--page-server --address ADDR --port N] [-d] [--tls]\n"
	       "  criu-lite page-server -D DIR [--address ADDR] [--port N] [-d] [--tls]\n"
	       "  criu-lite swrk FD\n");
	show_usage(stdout);
	move_usage(stdout);
	printf("\nOptions:\n");
	for (row = option_rows; row->name; row++)
		if (row->help)
			print_row(row);

	printf("\nOptions of show:\n");
	show_options(stdout);

	printf("\nA switch that a configuration file has set is cleared by its no- form.\n"
	       "\nAccepted for CRIU's sake, without effect:\n ");
	for (row = option_rows; row->name; row++)
		if (!row->help && !row->refused)
			printf(" %s", row->name);
	printf("\n\nKnown, and refused:\n ");
	for (row = option_rows; row->name; row++)
		if (row->refused)
			printf(" %s", row->name);

	printf("\n\nFeatures of the kernel that check --feature knows:\n ");
	check_print_features();
	printf("\n");
}
