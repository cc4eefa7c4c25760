/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * call - the options of checkpoint and restore, as runc has them
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci-hook/call.h"

enum { DUMP = 1, RESTORE = 2, BOTH = DUMP | RESTORE };

static const struct row {
	const char *name, *letter;
	int verbs;
	bool has_value;
	size_t at;
	const char *help;
} rows[] = {
#define VALUE(n, v, member, text)                                           \
	{                                                                   \
		n, "", v, true, offsetof(struct verb_options, member), text \
	}
#define FLAG(n, v, member, text)                                             \
	{                                                                    \
		n, "", v, false, offsetof(struct verb_options, member), text \
	}
	VALUE("image-path", BOTH, image_path, "where the images are"),
	VALUE("work-path", BOTH, work_path, "where log and statistics go"),
	VALUE("parent-path", DUMP, parent_path, "the last pre-dump, relative to the images"),
	FLAG("leave-running", DUMP, leave_running, "the container goes on"),
	FLAG("tcp-established", BOTH, tcp_established, "keep open TCP connections"),
	FLAG("tcp-skip-in-flight", DUMP, skip_in_flight,
	     "drop connections that wait to be accepted"),
	FLAG("link-remap", DUMP, link_remap, "link files whose name is gone"),
	FLAG("ext-unix-sk", BOTH, ext_unix_sk, "allow unix sockets with a peer outside"),
	FLAG("shell-job", BOTH, shell_job, "the terminal is outside"),
	FLAG("lazy-pages", BOTH, lazy_pages, "send memory later, when it is asked for"),
	VALUE("status-fd", DUMP, status_fd, "is told when lazy pages are ready"),
	VALUE("page-server", DUMP, page_server, "ADDRESS:PORT that takes the pages"),
	FLAG("file-locks", BOTH, file_locks, "keep file locks"),
	FLAG("pre-dump", DUMP, pre_dump, "only memory; the container goes on"),
	VALUE("manage-cgroups-mode", BOTH, manage_cgroups, "soft, full, strict or ignore"),
	VALUE("empty-ns", BOTH, empty_ns, "network: always so"),
	FLAG("auto-dedup", BOTH, auto_dedup, "no page twice"),
	VALUE("lsm-profile", RESTORE, lsm_profile, "TYPE:NAME"),
	VALUE("lsm-mount-context", RESTORE, lsm_mount_context, "for mounts"),
	{ "bundle", "b", RESTORE, true, offsetof(struct verb_options, bundle),
	  "the directory of config.json" },
	VALUE("console-socket", RESTORE, console_socket, "takes the terminal"),
	{ "detach", "d", RESTORE, false, offsetof(struct verb_options, detach),
	  "do not wait for the container" },
	VALUE("pid-file", RESTORE, pid_file, "the pid is written there"),
	FLAG("no-subreaper", RESTORE, no_subreaper, "do not become its parent"),
	FLAG("no-pivot", RESTORE, no_pivot, "do not use pivot_root"),
	{ "help", "h", BOTH, false, offsetof(struct verb_options, help), "this" },
};

static int verb_of(const char *name)
{
	return strcmp(name, "restore") == 0 ? RESTORE : DUMP;
}

static const struct row *find_row(int verb, const char *word, const char **value_ret)
{
	size_t n = strcspn(word, "=");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];

		if (!(r->verbs & verb) || ((strncmp(r->name, word, n) != 0 || r->name[n]) &&
					   (strncmp(r->letter, word, n) != 0 || r->letter[n])))
			continue;
		*value_ret = word[n] ? word + n + 1 : NULL;
		return r;
	}
	return NULL;
}

static int refuse_option(const char *word, const char *why, const char *verb, struct err *err)
{
	err_set(err, EINVAL, "%s: %s", why, word);
	return err_hint(err, "runc-ckpt %s --help tells what there is", verb);
}

static bool is_true(const char *value)
{
	return !value || strcmp(value, "false") != 0;
}

static int take_option(struct call *c, const char *verb, char *const **argv, struct err *err)
{
	const char *word = **argv + strspn(**argv, "-"), *value;
	const struct row *r = find_row(verb_of(verb), word, &value);
	char *at;

	/* these very words are what engines look for */
	if (!r)
		return refuse_option(word, "flag provided but not defined", verb, err);
	at = (char *)&c->o + r->at;
	if (!r->has_value) {
		*(bool *)at = is_true(value);
		return 0;
	}
	if (!value && !(value = *++*argv)) {
		--*argv;
		return refuse_option(word, "flag needs an argument", verb, err);
	}
	*(const char **)at = value;
	return 0;
}

static int check_options(const struct call *c, const char *verb, struct err *err)
{
	const struct verb_options *o = &c->o;

	if (o->help)
		return 0;
	if (!c->id) {
		err_set(err, EINVAL, "cannot %s: no container is named", verb);
		return err_hint(err, "runc-ckpt %s [OPTION...] CONTAINER", verb);
	}
	if (!*c->id || strchr(c->id, '/')) {
		err_set(err, EINVAL, "cannot %s \"%s\": this is no name of a container", verb,
			c->id);
		return err_hint(err, "runc-ckpt list tells which there are");
	}
	if (o->parent_path && *o->parent_path == '/') {
		err_set(err, EINVAL, "cannot use --parent-path %s: it is not relative",
			o->parent_path);
		return err_hint(err, "say where it is from the images: ../NAME");
	}
	return 0;
}

int call_read(struct call *c, const char *verb, char *const *argv, struct err *err)
{
	for (; *argv; argv++) {
		if ((*argv)[0] == '-' && (*argv)[1]) {
			if (take_option(c, verb, &argv, err) < 0)
				return -err->code;
		} else if (c->id) {
			return refuse_option(*argv, "one word too many", verb, err);
		} else {
			c->id = *argv;
		}
	}
	return check_options(c, verb, err);
}

void call_usage(const char *verb)
{
	printf("runc-ckpt %s [OPTION...] CONTAINER\n\nOptions:\n", verb);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].verbs & verb_of(verb))
			printf("  --%-22s %s\n", rows[i].name, rows[i].help);
}

int call_directory(struct call *c, const char *dir, const char **ret, struct err *err)
{
	char path[PATH_MAX];

	if ((mkdir(dir, 0700) < 0 && errno != EEXIST) || !realpath(dir, path)) {
		err_sys(err, "cannot use directory %s", dir);
		return err_hint(err, "give another one by --image-path or --work-path");
	}
	*ret = arena_strdup(c->arena, path);
	return 0;
}
