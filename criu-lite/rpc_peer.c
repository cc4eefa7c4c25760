/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rpc peer - the client at the other end of a socket
 *
 * A message is one packet, so there is no prefix, and whoever sends garbage
 * spoils only his own connection.  Descriptors are named by their number in the
 * client, and opened through its /proc/PID/fd: so the kernel asks whether we may.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/guard.h"
#include "images/unpack.h"
#include "rpc_peer.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

enum {
	MESSAGE_MAX = 1 << 20,
	LOOK_MS = 200, /* how often we see whether somebody wants us to end */
};

/* ---- who it is ---- */

/*
 * A pid may be somebody else's by now.  If the client lived when its directory
 * had been opened, it is its directory.
 */
static bool was_alive(int sock)
{
	int pidfd = -1;
	socklen_t len = sizeof(pidfd);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) < 0)
		return errno == ENOPROTOOPT; /* an old kernel, which cannot tell */

	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	bool alive = poll(&p, 1, 0) == 0;

	close(pidfd);
	return alive;
}

int peer_init(struct peer *p, int sock, struct err *err)
{
	socklen_t len = sizeof(p->cred);
	char path[32];

	p->sock = sock;
	p->proc = -1;
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &p->cred, &len) < 0) {
		err_sys(err, "cannot find out who is at descriptor %d", sock);
		return err_hint(err, "give a connected unix socket (SOCK_SEQPACKET)");
	}
	if (p->cred.pid <= 0)
		return 0;

	snprintf(path, sizeof(path), "/proc/%d", p->cred.pid);
	p->proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->proc >= 0 && !was_alive(sock)) {
		close(p->proc);
		p->proc = -1;
	}
	return 0;
}

void peer_fini(struct peer *p)
{
	if (p->proc >= 0)
		close(p->proc);
}

int peer_become(const struct peer *p, struct err *err)
{
	enum { MOST_GROUPS = 65536 };
	scoped_ptr gid_t *groups = calloc(MOST_GROUPS, sizeof(*groups));
	socklen_t len = MOST_GROUPS * sizeof(*groups);

	if (!groups)
		return err_set(err, ENOMEM, "cannot become user %u", p->cred.uid);
	if (getsockopt(p->sock, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return err_sys(err, "cannot ask for the groups of user %u", p->cred.uid);
	if (setgroups(len / sizeof(*groups), groups) < 0 ||
	    setresgid(p->cred.gid, p->cred.gid, p->cred.gid) < 0 ||
	    setresuid(p->cred.uid, p->cred.uid, p->cred.uid) < 0)
		return err_sys(err, "cannot become user %u", p->cred.uid);
	return 0;
}

/* ---- descriptors ---- */

int peer_open_fd(const struct peer *p, int n, int flags, struct err *err)
{
	char path[48];
	int fd;

	/* a client that we do not see, as from inside a container, left them open for us */
	snprintf(path, sizeof(path), p->proc >= 0 ? "fd/%d" : "/proc/self/fd/%d", n);
	fd = openat(p->proc, path, flags | O_CLOEXEC);
	if (fd < 0) {
		err_sys(err, "cannot open descriptor %d of the client", n);
		return err_hint(err, "give the number of a descriptor that the client has open");
	}
	return fd;
}

/* ---- messages ---- */

static int wait_for_packet(int sock, struct err *err)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	int n;

	while ((n = poll(&p, 1, LOOK_MS)) <= 0) {
		if (n < 0 && errno != EINTR)
			return err_sys(err, "cannot wait for the client");
		if (guard_check(err) < 0)
			return -err->code;
	}
	return 0;
}

int peer_recv(const struct peer *p, struct arena *a, CriuReq **req_ret, struct err *err)
{
	ssize_t size, n;
	void *buf, *msg;

	if (wait_for_packet(p->sock, err) < 0)
		return -err->code;
	size = recv(p->sock, NULL, 0, MSG_PEEK | MSG_TRUNC);
	if (size < 0)
		return err_sys(err, "cannot hear the client");
	if (size > MESSAGE_MAX) {
		err_set(err, EMSGSIZE, "cannot take a request of %zd bytes", size);
		return err_hint(err, "send less than %d", MESSAGE_MAX);
	}

	*req_ret = NULL;
	buf = arena_alloc(a, (size_t)size + 1);
	n = recv(p->sock, buf, (size_t)size, 0);
	if (n < 0)
		return err_sys(err, "cannot hear the client");
	if (n == 0)
		return 0;
	if (message_unpack(a, &criu_req__descriptor, buf, (size_t)n, &msg, err) < 0)
		return err_in(err, "request");
	*req_ret = msg;
	return 0;
}

int peer_send(const struct peer *p, const CriuResp *resp, int fd, struct err *err)
{
	size_t len = criu_resp__get_packed_size(resp);
	scoped_ptr uint8_t *buf = malloc(len);
	int ret;

	if (!buf)
		return err_set(err, ENOMEM, "cannot answer the client");
	criu_resp__pack(resp, buf);
	ret = io_send_fd(p->sock, buf, len, fd);
	return ret < 0 ? err_set(err, -ret, "cannot answer the client") : 0;
}
