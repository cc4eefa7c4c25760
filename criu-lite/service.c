/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service - a socket where dumps and restores can be asked for
 *
 * The socket is made for its owner alone, so nobody but root and the owner can
 * connect, until its mode says otherwise.  Whoever is not root is served by a
 * process that has become this user, and can reach what this user can.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/script.h"
#include "notify.h"
#include "rpc.h"
#include "rpc_peer.h"
#include "run.h"
#include "service.h"

static const char default_address[] = "criu_service.socket";

enum { BACKLOG = 16 };

/* ---- the socket ---- */

static int bind_here(int sock, const struct sockaddr_un *addr)
{
	struct stat st;
	mode_t old;
	int ret;

	/* only a socket makes way for another one */
	if (lstat(addr->sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(addr->sun_path);
	old = umask(0177);
	ret = bind(sock, (const struct sockaddr *)addr, sizeof(*addr));
	umask(old);
	return ret;
}

static int listen_at(const char *path, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	scoped_fd sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return err_sys(err, "cannot make a socket");
	if (strlen(path) >= sizeof(addr.sun_path)) {
		err_set(err, ENAMETOOLONG, "cannot listen at %s", path);
		return err_hint(err, "give a shorter --address");
	}
	strcpy(addr.sun_path, path);
	if (bind_here(sock, &addr) < 0 || listen(sock, BACKLOG) < 0) {
		err_sys(err, "cannot listen at %s", path);
		return err_hint(err, "give another --address; what is there must be a socket");
	}
	return take_fd(&sock);
}

/* ---- start ---- */

/* ---- clients ---- */

static int serve_client(int client)
{
	struct err err = { 0 };
	struct peer peer;

	if (peer_init(&peer, client, &err) < 0 ||
	    (peer.cred.uid != geteuid() && peer_become(&peer, &err) < 0)) {
		err_print(&err, "criu-lite: service");
		return 1;
	}
	peer_fini(&peer);
	return rpc_serve(client, NULL);
}

static void accept_client(int sock)
{
	const struct timespec a_moment = { .tv_nsec = 50000000 };
	scoped_fd client = accept4(sock, NULL, NULL, SOCK_CLOEXEC);

	if (client < 0) {
		/* no descriptors or memory left: that may pass */
		nanosleep(&a_moment, NULL);
		return;
	}
	if (fork() != 0)
		return;

	close(sock);
	signal(SIGCHLD, SIG_DFL);
	_exit(serve_client(client));
}

int service_run(struct options *o, struct err *err)
{
	const char *path = o->common.remote.address ? o->common.remote.address : default_address;
	scoped_fd sock = listen_at(path, err);

	if (sock < 0)
		return sock;
	if (o->restore.detach && daemon(1, 0) < 0)
		return err_sys(err, "cannot go into the background");
	if (run_enter(o, err) < 0 || run_open_log(o, err) < 0 || run_announce(o, err) < 0)
		return -err->code;

	/* nobody waits for those who serve */
	signal(SIGCHLD, SIG_IGN);
	for (;;)
		accept_client(sock);
}
