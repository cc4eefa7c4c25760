/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * request - what criu-lite is asked for
 *
 * A request is sent, the callback is called for each notification, and the
 * answer becomes a number and errno.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"

/* The descriptor of the last orphan-pts-master; no options go with asking for it. */
static int orphan_pts_master = -1;

/* ---- notifications ---- */

int criu_notify_pid(criu_notify_arg_t na)
{
	return na->has_pid ? na->pid : 0;
}

int criu_get_orphan_pts_master_fd(void)
{
	return orphan_pts_master;
}

/* What the callback returned, which ends the run if it is not 0. */
static int answer(const struct link *l, const criu_opts *opts, const CriuResp *resp, int *said_ret)
{
	CriuReq req = CRIU_REQ__INIT;
	int ret;

	*said_ret = 0;
	if (opts->notify && resp->notify)
		*said_ret = opts->notify(resp->notify->script, resp->notify);
	req.type = CRIU_REQ_TYPE__NOTIFY;
	req.has_notify_success = true;
	req.notify_success = *said_ret == 0;
	ret = link_send(l, &req);
	return ret;
}

/* The answer to @type, after all notifications. */
static int receive(const struct link *l, const criu_opts *opts, CriuResp **resp_ret, int *said_ret)
{
	CriuResp *resp;
	int ret, fd = -1, said;

	for (;;) {
		ret = link_receive(l, &resp, &fd);
		if (ret < 0)
			return ret;
		if (fd >= 0)
			orphan_pts_master = fd;
		if (resp->type != CRIU_REQ_TYPE__NOTIFY)
			break;
		ret = answer(l, opts, resp, &said);
		criu_resp__free_unpacked(resp, NULL);
		if (said && !*said_ret)
			*said_ret = said;
		if (ret < 0)
			return ret;
	}
	*resp_ret = resp;
	return 0;
}

/* ---- one request ---- */

/* Which answer is right; a success, or what it means as a number. */
static int judge(const CriuReq *req, const CriuResp *resp)
{
	errno = resp->has_cr_errno ? resp->cr_errno : 0;
	if (resp->type == CRIU_REQ_TYPE__EMPTY && !resp->success)
		return -EINVAL;
	if (resp->type != req->type)
		return -EBADMSG;
	return resp->success ? 0 : -EBADE;
}

/*
 * 0, and *@resp_ret belongs to the caller; or what the request fails with, which is
 * positive if the callback says so.
 */
static int exchange(const struct link *l, const criu_opts *opts, const CriuReq *req,
		    CriuResp **resp_ret)
{
	CriuResp *resp;
	int said = 0, ret = link_send(l, req);

	orphan_pts_master = -1;
	if (ret == 0)
		ret = receive(l, opts, &resp, &said);
	if (ret == 0) {
		ret = judge(req, resp);
		if (ret < 0)
			criu_resp__free_unpacked(resp, NULL);
		else
			*resp_ret = resp;
	}
	/* the callback knows better why it failed */
	return ret < 0 && said ? said : ret;
}

static int ask(criu_opts *opts, const CriuReq *req, bool as_stranger, CriuResp **resp_ret)
{
	struct link l;
	int ret = link_open(&l, opts, as_stranger);

	if (ret < 0)
		return ret;
	ret = exchange(&l, opts, req, resp_ret);
	link_close(&l, opts);
	return ret;
}

/* For requests whose answer says no more than that they were served. */
static int ask_only(criu_opts *opts, const CriuReq *req)
{
	CriuResp *resp;
	int ret = ask(opts, req, false, &resp);

	if (ret == 0)
		criu_resp__free_unpacked(resp, NULL);
	return ret;
}

static CriuReq request(CriuReqType type, const criu_opts *opts)
{
	CriuReq req = CRIU_REQ__INIT;

	req.type = type;
	req.opts = opts ? opts->rpc : NULL;
	return req;
}

/* ---- requests ---- */

int criu_local_check(criu_opts *opts)
{
	CriuReq req = request(CRIU_REQ_TYPE__CHECK, NULL);

	return ask_only(opts, &req);
}

int criu_local_dump(criu_opts *opts)
{
	CriuReq req = request(CRIU_REQ_TYPE__DUMP, opts);
	CriuResp *resp;
	int ret = ask(opts, &req, !opts->rpc->has_pid || opts->rpc->pid == getpid(), &resp);

	if (ret)
		return ret;
	ret = resp->dump && resp->dump->has_restored && resp->dump->restored;
	criu_resp__free_unpacked(resp, NULL);
	return ret;
}

int criu_local_pre_dump(criu_opts *opts)
{
	CriuReq req = request(CRIU_REQ_TYPE__SINGLE_PRE_DUMP, opts);

	return ask_only(opts, &req);
}

static int iterate(const struct link *l, criu_opts *opts, int (*more)(criu_predump_info))
{
	CriuReq pre = request(CRIU_REQ_TYPE__PRE_DUMP, opts), last;
	CriuResp *resp;
	int ret;

	for (;;) {
		ret = more(NULL);
		if (ret < 0)
			return ret;
		if (ret == 0)
			break;
		ret = exchange(l, opts, &pre, &resp);
		if (ret)
			return ret;
		criu_resp__free_unpacked(resp, NULL);
	}
	last = request(CRIU_REQ_TYPE__DUMP, opts);
	ret = exchange(l, opts, &last, &resp);
	if (ret == 0)
		criu_resp__free_unpacked(resp, NULL);
	return ret;
}

int criu_local_dump_iters(criu_opts *opts, int (*more)(criu_predump_info))
{
	struct link l;
	int ret;

	if (!opts->rpc->has_pid || !more)
		return -EINVAL;
	ret = link_open(&l, opts, false);
	if (ret < 0)
		return ret;
	ret = iterate(&l, opts, more);
	link_close(&l, opts);
	return ret;
}

int criu_local_restore(criu_opts *opts)
{
	CriuReq req = request(CRIU_REQ_TYPE__RESTORE, opts);
	CriuResp *resp;
	int ret = ask(opts, &req, false, &resp);

	if (ret)
		return ret;
	ret = resp->restore ? resp->restore->pid : -EBADMSG;
	criu_resp__free_unpacked(resp, NULL);
	return ret;
}

/* Only a server that we have started can make its tree ours. */
int criu_local_restore_child(criu_opts *opts)
{
	enum criu_service_comm comm = opts->comm;
	protobuf_c_boolean had = opts->rpc->has_rst_sibling, sibling = opts->rpc->rst_sibling;
	int ret;

	if (comm == CRIU_COMM_SK)
		opts->comm = CRIU_COMM_BIN;
	opts->rpc->has_rst_sibling = opts->rpc->rst_sibling = true;
	ret = criu_local_restore(opts);
	opts->rpc->has_rst_sibling = had;
	opts->rpc->rst_sibling = sibling;
	opts->comm = comm;
	return ret;
}

int criu_local_get_version(criu_opts *opts)
{
	CriuReq req = request(CRIU_REQ_TYPE__VERSION, NULL);
	CriuResp *resp;
	const CriuVersion *v;
	int ret = ask(opts, &req, false, &resp);

	if (ret)
		return ret;
	v = resp->version;
	ret = -EBADMSG;
	if (v) {
		ret = v->major_number * 10000 + v->minor_number * 100;
		/* between two releases: on the way to the next one */
		if (v->gitid)
			ret += 100;
		else if (v->has_sublevel)
			ret += v->sublevel;
	}
	criu_resp__free_unpacked(resp, NULL);
	return ret;
}

int criu_local_check_version(criu_opts *opts, int minimum)
{
	int version = criu_local_get_version(opts);

	return version < 0 ? version : version >= minimum;
}

int criu_local_feature_check(criu_opts *opts, struct criu_feature_check *features, size_t size)
{
	CriuFeatures asked = CRIU_FEATURES__INIT;
	CriuReq req = request(CRIU_REQ_TYPE__FEATURE_CHECK, NULL);
	struct criu_feature_check f = { 0 };
	CriuResp *resp;
	int ret;

	if (size > sizeof(f))
		return -1;
	memcpy(&f, features, size);
	asked.has_mem_track = asked.mem_track = f.mem_track;
	asked.has_lazy_pages = asked.lazy_pages = f.lazy_pages;
	asked.has_pidfd_store = asked.pidfd_store = f.pidfd_store;
	req.features = &asked;

	ret = ask(opts, &req, false, &resp);
	if (ret)
		return ret;
	if (resp->features) {
		f.mem_track = resp->features->mem_track;
		f.lazy_pages = resp->features->lazy_pages;
		f.pidfd_store = resp->features->pidfd_store;
		memcpy(features, &f, size);
	}
	ret = resp->features ? 0 : -EBADMSG;
	criu_resp__free_unpacked(resp, NULL);
	return ret;
}

/* ---- the same with the options of the program ---- */

int criu_check(void)
{
	return criu_local_check(criu_global);
}

int criu_dump(void)
{
	return criu_local_dump(criu_global);
}

int criu_pre_dump(void)
{
	return criu_local_pre_dump(criu_global);
}

int criu_dump_iters(int (*more)(criu_predump_info))
{
	return criu_local_dump_iters(criu_global, more);
}

int criu_restore(void)
{
	return criu_local_restore(criu_global);
}

int criu_restore_child(void)
{
	return criu_local_restore_child(criu_global);
}

int criu_get_version(void)
{
	return criu_local_get_version(criu_global);
}

int criu_check_version(int minimum)
{
	return criu_local_check_version(criu_global, minimum);
}

int criu_feature_check(struct criu_feature_check *features, size_t size)
{
	return criu_local_feature_check(criu_global, features, size);
}
