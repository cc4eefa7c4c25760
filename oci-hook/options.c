/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options - those of criu-lite, from those of the runtime
 */
#include <string.h>
#include <unistd.h>

#include "oci-hook/options.h"
#include "oci-hook/process.h"

int options_directories(struct call *c, struct err *err)
{
	struct verb_options *o = &c->o;

	if (call_directory(c, o->image_path ? o->image_path : "checkpoint", &o->image_path, err) <
	    0)
		return -err->code;
	if (!o->work_path) {
		o->work_path = o->image_path;
		return 0;
	}
	return call_directory(c, o->work_path, &o->work_path, err);
}

static void add(struct call *c, words *argv, const char *name, const char *value)
{
	if (!value)
		return;
	process_add(c, argv, name);
	process_add(c, argv, value);
}

static void add_flags(struct call *c, words *argv)
{
	const struct verb_options *o = &c->o;
	const struct {
		bool given;
		const char *name;
	} flags[] = {
		{ o->leave_running && !o->pre_dump, "--leave-running" },
		{ o->tcp_established, "--tcp-established" },
		{ o->skip_in_flight, "--skip-in-flight" },
		{ o->link_remap, "--link-remap" },
		{ o->ext_unix_sk, "--ext-unix-sk" },
		{ o->shell_job, "--shell-job" },
		{ o->lazy_pages, "--lazy-pages" },
		{ o->file_locks, "--file-locks" },
		{ o->auto_dedup, "--auto-dedup" },
		{ o->pre_dump || o->parent_path, "--track-mem" },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (flags[i].given)
			process_add(c, argv, flags[i].name);
}

/* "ADDRESS:PORT" */
static void add_page_server(struct call *c, words *argv)
{
	const char *server = c->o.page_server, *colon = server ? strrchr(server, ':') : NULL;

	if (!colon)
		return;
	process_add(c, argv, "--page-server");
	if (colon > server)
		add(c, argv, "--address",
		    arena_printf(c->arena, "%.*s", (int)(colon - server), server));
	add(c, argv, "--port", colon + 1);
}

void options_begin(struct call *c, const char *command, const char *log, words *argv)
{
	const struct verb_options *o = &c->o;

	process_add(c, argv, c->criu);
	process_add(c, argv, command);
	add(c, argv, "--images-dir", o->image_path);
	add(c, argv, "--work-dir", o->work_path);
	add(c, argv, "--log-file", log);
	process_add(c, argv, "-v4");
	/* the network of a container is made by others */
	process_add(c, argv, "--empty-ns=net");
	process_add(c, argv,
		    arena_printf(c->arena, "--manage-cgroups=%s",
				 o->manage_cgroups ? o->manage_cgroups : "soft"));
	add_flags(c, argv);
	add_page_server(c, argv);
	add(c, argv, "--prev-images-dir", o->parent_path);
	add(c, argv, "--status-fd", o->status_fd);
	add(c, argv, "--lsm-profile", o->lsm_profile);
	add(c, argv, "--lsm-mount-context", o->lsm_mount_context);
}

void options_config(struct call *c, const struct json *config, words *argv)
{
	const struct json *asked = json_member(json_find(config, "annotations"), "org.criu.config");
	const char *path = asked && asked->type == JSON_STRING ? asked->text
							       : "/etc/criu/runc.conf";

	if (*path && access(path, R_OK) == 0)
		add(c, argv, "--config", path);
}
