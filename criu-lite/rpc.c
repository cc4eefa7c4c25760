/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rpc - requests over a socket, onto the same options as the command line
 *
 * One request is one packet, and so is its answer.  While a dump or restore runs,
 * the client is told of its actions (script.h), if it wants to be, and each has
 * to be answered before the run goes on.
 *
 * A client may pre-dump again and again, and then dump, in one connection.
 *
 * not there  cpuinfo: answered by an error, as long as the
 *            commands do not exist
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "check.h"
#include "core/kernel.h"
#include "core/script.h"
#include "page_server.h"
#include "rpc.h"
#include "rpc_peer.h"
#include "rpc_words.h"
#include "run.h"

/* One request, from its packet to its answer. */
struct call {
	const struct peer *peer;
	const struct options *base;
	struct arena *arena;
	const CriuReq *req;
	struct options o;
	struct rpc_dirs dirs;
	bool log_open;

	/* the answer */
	CriuResp resp;
	CriuDumpResp dump;
	CriuRestoreResp restore;
	CriuFeatures features;
	CriuVersion version;
	CriuPageServerInfo ps;
};

/* ---- the client is told, and says whether to go on ---- */

static bool has_pid(const char *action)
{
	return strcmp(action, "setup-namespaces") == 0 || strcmp(action, "post-restore") == 0;
}

static int refused_by_client(const char *action, struct err *err)
{
	err_set(err, ECANCELED, "cannot pass action %s: the client refused it", action);
	return err_hint(err, "see what the client says");
}

static int hear_answer(struct call *c, const char *action, struct err *err)
{
	CriuReq *req;

	if (peer_recv(c->peer, c->arena, &req, err) < 0)
		return err_in(err, "action %s", action);
	if (!req) {
		err_set(err, ECONNRESET, "cannot pass action %s: the client has gone", action);
		return err_hint(err, "see why the client ended");
	}
	if (req->type != CRIU_REQ_TYPE__NOTIFY || !req->notify_success)
		return refused_by_client(action, err);
	if (strcmp(action, "query-ext-files") == 0 && req->opts)
		return rpc_add_external(c->arena, req->opts, &c->o.dump.common, err);
	return 0;
}

static int tell_client(void *self, const char *action, pid_t root_pid, int fd, struct err *err)
{
	struct call *c = self;
	CriuNotify notify = CRIU_NOTIFY__INIT;
	CriuResp resp = CRIU_RESP__INIT;

	log_info("Telling the client: %s", action);
	notify.script = (char *)action;
	if (root_pid && has_pid(action)) {
		notify.has_pid = true;
		notify.pid = root_pid;
	}
	resp.type = CRIU_REQ_TYPE__NOTIFY;
	resp.success = true;
	resp.notify = &notify;
	if (peer_send(c->peer, &resp, fd, err) < 0)
		return err_in(err, "action %s", action);
	return hear_answer(c, action, err);
}

/* ---- from a request to a run ---- */

static int bad_request(struct err *err)
{
	/* the number by which clients know it */
	if (err->code == EINVAL)
		err->code = EBADRQC;
	return -err->code;
}

static int read_options(struct call *c, enum command command, const char *name, struct err *err)
{
	struct option_request q = { .command = command, .name = name };
	const CriuOpts *opts = c->req->opts;

	if (!opts) {
		err_set(err, EBADRQC, "cannot %s without options", name);
		return err_hint(err, "set opts in the request");
	}
	if (rpc_words(c->arena, opts, c->peer, c->base != NULL, &c->dirs, &q, err) < 0 ||
	    options_request(&c->o, c->arena, c->base, &q, err) < 0)
		return bad_request(err);
	c->o.common.orphan_pts_master = opts->has_orphan_pts_master && opts->orphan_pts_master;
	return 0;
}

static int prepare(struct call *c, enum command command, const char *name, struct err *err)
{
	if (read_options(c, command, name, err) < 0 || run_enter(&c->o, err) < 0 ||
	    run_open_log(&c->o, err) < 0)
		return -err->code;
	c->log_open = true;
	return 0;
}

static bool is_self_dump(const struct call *c)
{
	return c->o.command == COMMAND_DUMP && c->o.dump.pid == c->peer->cred.pid;
}

/* A program that waits for its own dump is stopped, and cannot answer. */
static void listen_to(const struct call *c, struct script_listener *l)
{
	if (!is_self_dump(c) && c->req->opts->has_notify_scripts && c->req->opts->notify_scripts)
		*l = (struct script_listener){ .self = (void *)c, .tell = tell_client };
}

/* Our end of the connection is known by its inode to the client's end of it. */
static int note_client(struct call *c, struct err *err)
{
	struct stat st;

	if (fstat(c->peer->sock, &st) < 0)
		return err_sys(err, "cannot look at the socket of the client");
	c->o.common.client_ino = (uint32_t)st.st_ino;
	return 0;
}

/* ---- requests ---- */

static int serve_dump(struct call *c, struct err *err)
{
	struct refusals refused = { .arena = c->arena };
	struct script_listener listener = { 0 };
	const struct refusal *r;
	int ret;

	c->dump.has_restored = true;
	c->resp.dump = &c->dump;
	if (prepare(c, COMMAND_DUMP, "dump", err) < 0)
		return -err->code;
	listen_to(c, &listener);
	c->o.common.listener = listener.tell ? &listener : NULL;
	if (is_self_dump(c) && note_client(c, err) < 0)
		return -err->code;
	ret = run_dump(&c->o, &refused, err);
	vec_for_each(r, &refused.list)
		if (r != refused.list.items)
			run_log_error(&c->o.common, &r->err);
	return ret;
}

static int serve_predump(struct call *c, struct err *err)
{
	struct refusals refused = { .arena = c->arena };
	const struct refusal *r;
	int ret;

	if (prepare(c, COMMAND_PRE_DUMP, "pre-dump", err) < 0)
		return -err->code;
	ret = run_predump(&c->o, &refused, err);
	vec_for_each(r, &refused.list)
		if (r != refused.list.items)
			run_log_error(&c->o.common, &r->err);
	return ret;
}

static int serve_restore(struct call *c, struct err *err)
{
	struct script_listener listener = { 0 };
	pid_t root = -1;
	int ret;

	c->resp.restore = &c->restore;
	c->restore.pid = -1;
	if (prepare(c, COMMAND_RESTORE, "restore", err) < 0)
		return -err->code;
	listen_to(c, &listener);
	c->o.common.listener = listener.tell ? &listener : NULL;
	ret = run_restore(&c->o, &root, err);
	c->restore.pid = root;
	return ret;
}

static int serve_check(struct call *c, struct err *err)
{
	const CriuOpts *opts = c->req->opts;
	const struct check_opts everything = { 0 };

	if (opts && opts->log_file && prepare(c, COMMAND_CHECK, "check", err) < 0)
		return -err->code;
	return check_run(&everything, err);
}

static int serve_features(struct call *c, struct err *err)
{
	const CriuFeatures *asked = c->req->features;
	struct kernel *k = kernel_new(c->arena);

	if (!asked) {
		err_set(err, EBADRQC, "cannot check features: none is named");
		return err_hint(err, "set features in the request");
	}
	/* what a kernel can do is of no use to a client as long as we do not do it */
	c->features.has_mem_track = c->features.has_lazy_pages = c->features.has_pidfd_store = true;
	c->features.mem_track = asked->has_mem_track && asked->mem_track &&
				kernel_has(k, KERNEL_WRITTEN);
	c->features.lazy_pages = asked->has_lazy_pages && asked->lazy_pages &&
				 kernel_has(k, KERNEL_UFFD_NONCOOP);
	c->features.pidfd_store = asked->has_pidfd_store && asked->pidfd_store &&
				  kernel_has(k, KERNEL_PIDFD_GETFD);
	c->resp.features = &c->features;
	return 0;
}

static int serve_version(struct call *c, struct err *err)
{
	c->version.major_number = CRIU_VERSION_MAJOR;
	c->version.minor_number = CRIU_VERSION_MINOR;
	c->resp.version = &c->version;
	return 0;
}

static int serve_wait(struct call *c, struct err *err)
{
	int status;
	pid_t pid;

	if (!c->req->has_pid) {
		err_set(err, EBADRQC, "cannot wait: no pid is given");
		return err_hint(err, "set pid in the request");
	}
	do
		pid = waitpid((pid_t)c->req->pid, &status, 0);
	while (pid < 0 && errno == EINTR);
	if (pid < 0) {
		err_sys(err, "cannot wait for process %u", c->req->pid);
		return err_hint(err, "only what this connection has started can be waited for");
	}
	c->resp.has_status = true;
	c->resp.status = status;
	return 0;
}

/* In a process of its own, which the client does not hear from any more. */
static _Noreturn void become_page_server(struct call *c, int sock)
{
	struct err err = { 0 };
	int ret;

	close(c->peer->sock);
	if (c->req->type == CRIU_REQ_TYPE__PAGE_SERVER && daemon(1, 0) < 0)
		_exit(1);
	ret = page_server_serve(&c->o, sock, &err);
	if (ret < 0)
		run_log_error(&c->o.common, &err);
	_exit(ret < 0 ? 1 : 0);
}

/* A daemon has no pid that we know, and nobody could wait for it. */
static int note_page_server(struct call *c, pid_t pid, unsigned int port, struct err *err)
{
	c->ps.has_port = c->ps.has_pid = true;
	c->ps.port = (int32_t)port;
	c->resp.ps = &c->ps;
	if (c->req->type == CRIU_REQ_TYPE__PAGE_SERVER_CHLD)
		c->ps.pid = pid;
	else if (waitpid(pid, NULL, 0) < 0)
		return err_sys(err, "cannot send the page server into the background");
	return run_announce(&c->o, err);
}

static int serve_page_server(struct call *c, struct err *err)
{
	unsigned int port = 0;
	scoped_fd sock = -1;
	pid_t pid;

	if (prepare(c, COMMAND_PAGE_SERVER, "page-server", err) < 0 ||
	    page_server_listen(&c->o, &port, &sock, err) < 0)
		return -err->code;
	pid = fork();
	if (pid < 0)
		return err_sys(err, "cannot fork");
	if (pid == 0)
		become_page_server(c, take_fd(&sock));
	return note_page_server(c, pid, port, err);
}

static int serve_later(struct call *c, struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot serve request %d", c->req->type);
	err_why(err, "it is not available yet");
	return err_hint(err, "the requests are PRE_DUMP, SINGLE_PRE_DUMP, DUMP, RESTORE, CHECK, "
			     "PAGE_SERVER, PAGE_SERVER_CHLD, FEATURE_CHECK, VERSION and WAIT_PID");
}

static const struct handler {
	CriuReqType type, answer;
	bool may_stay; /* the connection may be kept open for more */
	int (*serve)(struct call *c, struct err *err);
} handlers[] = {
	{ CRIU_REQ_TYPE__DUMP, CRIU_REQ_TYPE__DUMP, false, serve_dump },
	{ CRIU_REQ_TYPE__RESTORE, CRIU_REQ_TYPE__RESTORE, false, serve_restore },
	{ CRIU_REQ_TYPE__CHECK, CRIU_REQ_TYPE__CHECK, false, serve_check },
	{ CRIU_REQ_TYPE__PRE_DUMP, CRIU_REQ_TYPE__PRE_DUMP, false, serve_predump },
	{ CRIU_REQ_TYPE__PAGE_SERVER, CRIU_REQ_TYPE__PAGE_SERVER, true, serve_page_server },
	{ CRIU_REQ_TYPE__CPUINFO_DUMP, CRIU_REQ_TYPE__CPUINFO_DUMP, true, serve_later },
	{ CRIU_REQ_TYPE__CPUINFO_CHECK, CRIU_REQ_TYPE__CPUINFO_CHECK, true, serve_later },
	{ CRIU_REQ_TYPE__FEATURE_CHECK, CRIU_REQ_TYPE__FEATURE_CHECK, true, serve_features },
	{ CRIU_REQ_TYPE__VERSION, CRIU_REQ_TYPE__VERSION, true, serve_version },
	{ CRIU_REQ_TYPE__WAIT_PID, CRIU_REQ_TYPE__WAIT_PID, false, serve_wait },
	{ CRIU_REQ_TYPE__PAGE_SERVER_CHLD, CRIU_REQ_TYPE__PAGE_SERVER, true, serve_page_server },
	{ CRIU_REQ_TYPE__SINGLE_PRE_DUMP, CRIU_REQ_TYPE__SINGLE_PRE_DUMP, false, serve_predump },
};

static const struct handler *handler_of(CriuReqType type)
{
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
		if (handlers[i].type == type)
			return &handlers[i];
	return NULL;
}

/* ---- answers ---- */

/* What the client shows to its user, as the first error of a log. */
static char *error_text(struct arena *a, const struct err *err)
{
	enum { MOST = 1023 };
	char *text = arena_printf(a, "Error (criu-lite): %s: %s%s%s", err->what, err->why,
				  err->hint[0] ? "; do: " : "", err->hint);

	if (strlen(text) >= MOST)
		text[MOST - 1] = '\0';
	return arena_printf(a, "%s\n", text);
}

static int answer(struct call *c, const struct err *failure, struct err *err)
{
	c->resp.success = !failure;
	if (failure) {
		c->resp.has_cr_errno = true;
		c->resp.cr_errno = failure->code;
		c->resp.cr_errmsg = error_text(c->arena, failure);
	}
	return peer_send(c->peer, &c->resp, -1, err);
}

/* ---- a connection ---- */

static void call_init(struct call *c, struct arena *a, const struct peer *p,
		      const struct options *base)
{
	*c = (struct call){ .peer = p,
			    .base = base,
			    .arena = a,
			    .o = { .common = { .images_fd = -1, .status_fd = -1 } },
			    .dirs = { -1, -1 },
			    .resp = CRIU_RESP__INIT,
			    .dump = CRIU_DUMP_RESP__INIT,
			    .restore = CRIU_RESTORE_RESP__INIT,
			    .features = CRIU_FEATURES__INIT,
			    .version = CRIU_VERSION__INIT,
			    .ps = CRIU_PAGE_SERVER_INFO__INIT };
}

static void call_fini(struct call *c)
{
	rpc_dirs_fini(&c->dirs);
	if (c->o.common.images_fd >= 0)
		close(c->o.common.images_fd);
	if (c->log_open && log_fd() > STDERR_FILENO)
		close(log_fd());
	log_init(STDERR_FILENO, LOG_WARN);
}

/* After a restore: we become the program that the client wants here. */
static int execute(const struct call *c, struct err *err)
{
	const CriuOpts *opts = c->req->opts;
	scoped_ptr char **argv = NULL;
	int log = log_fd();

	if (c->req->type != CRIU_REQ_TYPE__RESTORE || opts->n_exec_cmd == 0)
		return 0;
	argv = calloc(opts->n_exec_cmd + 1, sizeof(*argv));
	if (!argv)
		return err_set(err, ENOMEM, "cannot execute %s", opts->exec_cmd[0]);
	memcpy(argv, opts->exec_cmd, opts->n_exec_cmd * sizeof(*argv));

	signal(SIGPIPE, SIG_DFL);
	if (log > STDERR_FILENO && (dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0))
		return err_sys(err, "cannot send the output of %s into the log", argv[0]);
	execvp(argv[0], argv);
	return err_sys(err, "cannot execute %s", argv[0]);
}

struct session {
	bool stay;	  /* another request may come */
	bool told;	  /* the client knows of the failure */
	bool pre_dumping; /* the next request is another one, or the dump */
};

static int serve(struct call *c, const struct handler *h, struct session *s, struct err *err)
{
	struct err failure = { 0 };
	int ret = h->serve(c, &failure);

	c->resp.type = h->answer;
	/* it has ended, and will be answered when it is restored */
	if (ret == 0 && is_self_dump(c) && !c->o.dump.leave_running)
		return 0;
	if (ret < 0)
		run_log_error(&c->o.common, &failure);
	if (answer(c, ret < 0 ? &failure : NULL, err) < 0)
		return -err->code;
	if (ret < 0) {
		s->told = true;
		*err = failure;
		return ret;
	}
	s->pre_dumping = h->type == CRIU_REQ_TYPE__PRE_DUMP;
	s->stay = s->pre_dumping || (c->req->has_keep_open && c->req->keep_open);
	return execute(c, err);
}

/* What is no request is answered by EMPTY, as CRIU does. */
static int refuse_request(struct call *c, struct session *s, struct err *err)
{
	struct err failure = { 0 };

	err_set(&failure, EBADRQC, "cannot serve a request of type %d", c->req->type);
	err_hint(&failure, s->pre_dumping ? "after PRE_DUMP comes PRE_DUMP or DUMP"
					  : "this is an answer to an action, or nothing at all");
	c->resp.type = CRIU_REQ_TYPE__EMPTY;
	if (answer(c, &failure, err) < 0)
		return -err->code;
	s->told = true;
	*err = failure;
	return -err->code;
}

static int refuse_keep_open(const struct call *c, struct err *err)
{
	err_set(err, EBADRQC, "cannot keep a connection open after request %d", c->req->type);
	return err_hint(err, "leave keep_open unset");
}

static bool goes_on_pre_dump(const struct handler *h)
{
	return h->type == CRIU_REQ_TYPE__PRE_DUMP || h->type == CRIU_REQ_TYPE__DUMP;
}

static int serve_one(struct arena *a, const struct peer *p, const struct options *base,
		     struct session *s, struct err *err)
{
	const struct handler *h;
	struct call c;
	CriuReq *req;
	int ret;

	if (peer_recv(p, a, &req, err) < 0)
		return -err->code;
	if (!req)
		return 0;

	call_init(&c, a, p, base);
	c.req = req;
	h = handler_of(req->type);
	if (!h || (s->pre_dumping && !goes_on_pre_dump(h)))
		ret = refuse_request(&c, s, err);
	else if (req->has_keep_open && req->keep_open && !h->may_stay)
		ret = refuse_keep_open(&c, err);
	else
		ret = serve(&c, h, s, err);
	call_fini(&c);
	return ret;
}

int rpc_serve(int sock, const struct options *base)
{
	struct session s = { .stay = true };
	struct err err = { 0 };
	struct arena arena;
	struct peer peer;
	int ret = peer_init(&peer, sock, &err);

	/* scripts have no business with it */
	fcntl(sock, F_SETFD, FD_CLOEXEC);
	while (ret == 0 && s.stay) {
		s.stay = false;
		arena_init(&arena);
		ret = serve_one(&arena, &peer, base, &s, &err);
		arena_fini(&arena);
	}
	peer_fini(&peer);
	if (ret < 0 && !s.told)
		err_print(&err, base ? "criu-lite: swrk" : "criu-lite: service");
	return ret < 0 ? 1 : 0;
}
