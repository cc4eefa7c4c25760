/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bundle - config.json with a placeholder in it
 *
 * The first process must be able to become anything that the tree may have
 * been, so it is root in the container with all capabilities, without filters
 * and limits.  All else is as it was: namespaces, mounts, control groups, hooks.
 *
 * The original waits beside it, under another name, and comes back even if we
 * are killed meanwhile: with the next restore from that bundle.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "oci-hook/bundle.h"
#include "oci-hook/process.h"

extern const char placeholder_blob[], placeholder_blob_end[];

#define PROGRAM "/proc/self/fd/3"

static int lock(struct bundle *b, struct err *err)
{
	b->lock = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->lock < 0)
		return err_sys(err, "cannot open bundle %s", b->path);
	if (flock(b->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	err_sys(err, "cannot restore from bundle %s", b->path);
	if (err->code == EWOULDBLOCK)
		err_why(err, "somebody else does so at this moment");
	return err_hint(err, "restore one container at a time from a bundle");
}

int bundle_open(struct call *c, const char *dir, struct bundle *b, struct err *err)
{
	*b = (struct bundle){
		.path = dir,
		.config_path = arena_printf(c->arena, "%s/config.json", dir),
		.kept_path = arena_printf(c->arena, "%s/config.json.runc-ckpt", dir),
		.lock = -1,
	};
	if (lock(b, err) < 0)
		return -err->code;
	b->changed = access(b->kept_path, F_OK) == 0;
	if (bundle_restore(b, err) < 0)
		return -err->code;
	return json_read(c->arena, b->config_path, &b->config, err);
}

int bundle_restore(struct bundle *b, struct err *err)
{
	if (b->changed && rename(b->kept_path, b->config_path) < 0) {
		err_sys(err, "cannot put %s back", b->config_path);
		return err_hint(err, "it is in %s", b->kept_path);
	}
	b->changed = false;
	return 0;
}

/* ---- the placeholder ---- */

/* As the specification has it, "CAP_NET_RAW". */
static struct json *capability(struct arena *a, cap_value_t cap)
{
	char *known = cap_to_name(cap), *name = arena_strdup(a, known ? known : "");

	cap_free(known);
	for (char *p = name; *p; p++)
		*p = (char)toupper(*p);
	return json_new(a, JSON_STRING, name);
}

/* Those that we could give. */
static struct json *all_capabilities(struct arena *a)
{
	struct json *list = json_new(a, JSON_ARRAY, NULL);

	for (cap_value_t i = 0; i < cap_max_bits(); i++)
		if (cap_get_bound(i) == 1)
			json_append(a, list, capability(a, i));
	return list;
}

static struct json *sets_of_capabilities(struct arena *a)
{
	static const char *const sets[] = { "bounding", "effective", "permitted", "inheritable" };
	struct json *all = json_new(a, JSON_OBJECT, NULL);

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		json_set(a, all, sets[i], all_capabilities(a));
	return all;
}

static struct json *root_user(struct arena *a)
{
	struct json *user = json_new(a, JSON_OBJECT, NULL);

	json_set(a, user, "uid", json_new(a, JSON_NUMBER, "0"));
	json_set(a, user, "gid", json_new(a, JSON_NUMBER, "0"));
	return user;
}

static int change_process(struct arena *a, struct json *config, struct err *err)
{
	static const char *const without[] = {
		"rlimits",    "noNewPrivileges", "apparmorProfile", "selinuxLabel", "scheduler",
		"ioPriority", "execCPUAffinity", "consoleSize",	    "terminal"
	};
	struct json *process = json_find(config, "process");
	struct json *args = json_new(a, JSON_ARRAY, NULL);

	if (!process || process->type != JSON_OBJECT)
		return err_set(err, EBADMSG, "cannot use config.json: it has no process");
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
		json_remove(process, without[i]);
	json_append(a, args, json_new(a, JSON_STRING, PROGRAM));
	json_set(a, process, "args", args);
	json_set(a, process, "cwd", json_new(a, JSON_STRING, "/"));
	json_set(a, process, "user", root_user(a));
	json_set(a, process, "capabilities", sets_of_capabilities(a));
	return 0;
}

/* What runs when a program is started has run long ago. */
static void change_hooks(struct json *config)
{
	struct json *hooks = json_find(config, "hooks");

	json_remove(hooks, "startContainer");
	json_remove(hooks, "poststart");
}

int bundle_change(struct call *c, struct bundle *b, struct err *err)
{
	struct json *config;

	if (json_read(c->arena, b->config_path, &config, err) < 0 ||
	    change_process(c->arena, config, err) < 0)
		return -err->code;
	json_remove(json_find(config, "linux"), "seccomp");
	change_hooks(config);
	if (link(b->config_path, b->kept_path) < 0)
		return err_sys(err, "cannot keep %s", b->config_path);
	b->changed = true;
	return json_write(c->arena, config, b->config_path, err);
}

int bundle_placeholder(struct err *err)
{
	scoped_fd fd = memfd_create("placeholder", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int ret = fd < 0 ? -errno
			 : io_write(fd, placeholder_blob,
				    (size_t)(placeholder_blob_end - placeholder_blob));

	if (ret < 0)
		return err_set(err, -ret, "cannot make a file in memory");
	fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	return take_fd(&fd);
}

/* ---- the runtime's copy ---- */

/* A container that is never started, of nothing but a root, a program that is there, and the filter. */
static struct json *filter_config(struct arena *a, const struct bundle *b, struct err *err)
{
	static const char text[] =
		"{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\","
		"\"user\":{\"uid\":0,\"gid\":0}},\"root\":{},\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"}],\"linux\":{"
		"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"}]}}";
	static const char *const same[] = { "args", "env" };
	const char *root = json_string_at(b->config, "root.path");
	struct json *config;

	if (!root) {
		err_set(err, EBADMSG, "cannot use config.json: it has no root");
		return NULL;
	}
	if (*root != '/')
		root = arena_printf(a, "%s/%s", b->path, root);
	if (json_of_text(a, text, &config, err) < 0)
		return NULL;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		if (json_member(json_find(b->config, "process"), same[i]))
			json_set(a, json_find(config, "process"), same[i],
				 json_member(json_find(b->config, "process"), same[i]));
	json_set(a, json_find(config, "root"), "path", json_new(a, JSON_STRING, root));
	json_set(a, json_find(config, "linux"), "seccomp", json_find(b->config, "linux.seccomp"));
	return config;
}

static int make_for_filter(struct call *c, const char *dir, struct err *err)
{
	struct process p = { .quiet = true, .mute = true };
	words argv = { 0 };

	process_runtime(c, "create", &argv);
	process_add(c, &argv, "--bundle");
	process_add(c, &argv, dir);
	process_add(c, &argv, c->id);
	return process_must(c, &argv, &p, err);
}

/* runc has it in its state, in words of its own. */
static int take_words(struct call *c, const char *from, const char *to, struct err *err)
{
	struct json *its, *state, *config, *filter;

	if (json_read(c->arena, from, &its, err) < 0 || json_read(c->arena, to, &state, err) < 0)
		return -err->code;
	filter = json_find(its, "config.seccomp");
	config = json_find(state, "config");
	if (!filter || filter->type != JSON_OBJECT || !config)
		return err_set(err, EPROTO, "cannot find it in what runc keeps");
	json_set(c->arena, config, "seccomp", filter);
	return json_write(c->arena, state, to, err);
}

static int take_filter(struct call *c, const char *root, const char *id, struct err *err)
{
	const char *file = c->is_runc ? "state.json" : "seccomp.bpf";
	const char *from = arena_printf(c->arena, "%s/%s/%s", root, id, file);
	const char *to = arena_printf(c->arena, "%s/%s/%s", root, c->id, file);

	if (c->is_runc)
		return take_words(c, from, to, err);
	return rename(from, to) < 0 ? err_sys(err, "cannot find it in what crun keeps") : 0;
}

/* The runtime alone knows what becomes of a filter: for another container it is asked. */
static int ask_for_filter(struct call *c, const struct bundle *b, const char *dir, const char *root,
			  struct err *err)
{
	const char *path = arena_printf(c->arena, "%s/config.json", dir);
	struct json *config = filter_config(c->arena, b, err);
	struct err ignored = { 0 };
	struct call other = *c;
	int code;

	other.id = arena_printf(c->arena, "runc-ckpt.%d", getpid());
	if (!config || json_write(c->arena, config, path, err) < 0)
		return -err->code;
	code = make_for_filter(&other, dir, err);
	if (code == 0)
		code = take_filter(c, root, other.id, err);
	container_delete(&other, &ignored);
	unlink(path);
	return code;
}

static int give_back_filter(struct call *c, const struct bundle *b, const char *root,
			    struct err *err)
{
	char dir[] = "/tmp/runc-ckpt.XXXXXX";
	int code;

	if (!json_find(b->config, "linux.seccomp"))
		return 0;
	if (!mkdtemp(dir))
		return err_sys(err, "cannot make a directory in /tmp");
	code = ask_for_filter(c, b, dir, root, err);
	rmdir(dir);
	return code < 0 ? err_in(err, "seccomp filter") : 0;
}

/* crun has the whole file; runc reads it in the bundle. Both keep the filter apart. */
int bundle_give_back(struct call *c, const struct bundle *b, struct err *err)
{
	const char *root = c->root ? c->root : c->is_runc ? "/run/runc" : "/run/crun";
	const char *copy = arena_printf(c->arena, "%s/%s/config.json", root, c->id);

	if (!c->is_runc && access(copy, F_OK) < 0) {
		err_set(err, EOPNOTSUPP, "cannot restore container %s with %s", c->id, c->runtime);
		err_why(err, "where it keeps what processes may do that join later is not known");
		return err_hint(err, "use crun or runc: --runtime crun");
	}
	if (!c->is_runc && json_write(c->arena, b->config, copy, err) < 0)
		return -err->code;
	return give_back_filter(c, b, root, err);
}
