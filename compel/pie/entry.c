/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * entry - the command loop inside the victim
 *
 * It ends when the host has closed its end of the socket, on purpose or by
 * dying.  head.S then brings the thread back to where it was interrupted,
 * without rt_sigreturn: that would make the kernel forget how to restart
 * nanosleep() and the like.
 */
#include <asm/unistd.h>
#include <stdint.h>

#include "control.h"
#include "sys.h"

long pie_command(uint32_t cmd, void *args);
void compel_main(struct compel_control *c);
void compel_close(const struct compel_control *c);

enum {
	POLLIN_ = 1,
	RLIMIT_NOFILE_ = 7,
	SOL_SOCKET_ = 1,
	SCM_RIGHTS_ = 1,
	MSG_NOSIGNAL_ = 0x4000,
	MSG_CMSG_CLOEXEC_ = 0x40000000,
	EPIPE_ = 32,
	EFBIG_ = 27,
	EBADF_ = 9,
	EMFILE_ = 24,
	SIGPIPE_ = 13,
	SIGXFSZ_ = 25,
};

struct iovec_ {
	void *base;
	size_t len;
};

struct msghdr_ {
	void *name;
	int namelen;
	struct iovec_ *iov;
	size_t iovlen;
	void *control;
	size_t controllen;
	unsigned int flags;
};

struct cmsg_fd {
	size_t len;
	int level, type;
	int fd, pad;
};

/* False: the host is gone.  @fd_ret is -1 if no descriptor came along. */
static bool request_receive(int sock, struct compel_request *req, int *fd_ret)
{
	struct cmsg_fd cmsg = { 0 };
	struct iovec_ iov = { req, sizeof(*req) };
	struct msghdr_ msg = {
		.iov = &iov, .iovlen = 1, .control = &cmsg, .controllen = sizeof(cmsg)
	};
	long n = sys3(__NR_recvmsg, sock, (long)&msg, MSG_CMSG_CLOEXEC_);

	*fd_ret = -1;
	if (n != (long)sizeof(*req))
		return false;
	if (msg.controllen >= offsetof(struct cmsg_fd, pad) && cmsg.level == SOL_SOCKET_ &&
	    cmsg.type == SCM_RIGHTS_)
		*fd_ret = cmsg.fd;
	return true;
}

static long fd_take(struct compel_control *c, int fd)
{
	if (fd < 0)
		return -EMFILE_; /* the kernel drops descriptors that find no free number */
	if (c->nr_fds == COMPEL_FDS) {
		sys1(__NR_close, fd);
		return -EMFILE_;
	}

	c->fds[c->nr_fds++] = fd;
	return fd;
}

static long fd_drop(struct compel_control *c)
{
	return c->nr_fds ? sys1(__NR_close, c->fds[--c->nr_fds]) : -EBADF_;
}

/*
 * A failed write has left a signal behind that is blocked only as long as we
 * are here.  It is not the victim's, so it must not find it.
 */
static void signals_drop(const struct compel_control *c)
{
	uint64_t set = (1ull << (SIGPIPE_ - 1) | 1ull << (SIGXFSZ_ - 1)) & ~c->sigmask;
	struct {
		int64_t sec, nsec;
	} now = { 0, 0 };

	while (set && sys4(__NR_rt_sigtimedwait, (long)&set, 0, (long)&now, sizeof(set)) > 0)
		;
}

static long request_run(struct compel_control *c, const struct compel_request *req, int fd)
{
	long result;

	if (req->cmd == COMPEL_CMD_TAKE_FD)
		return fd_take(c, fd);
	if (req->cmd == COMPEL_CMD_DROP_FD)
		return fd_drop(c);

	result = pie_command(req->cmd, (char *)c + COMPEL_CONTROL);
	if (result == -EPIPE_ || result == -EFBIG_)
		signals_drop(c);
	return result;
}

void compel_main(struct compel_control *c)
{
	struct compel_request req;
	struct compel_answer answer;
	int fd;

	while (request_receive(c->sock, &req, &fd)) {
		answer.result = request_run(c, &req, fd);
		if (sys6(__NR_sendto, c->sock, (long)&answer, sizeof(answer), MSG_NOSIGNAL_, 0, 0) <
		    0)
			return;
	}
}

/*
 * A stopped task runs only because it has a tracer.  Our end of the socket is
 * closed a moment before that is over, and signals that wait for SIGCONT must
 * not find it running then.  When the pidfd tells of the end, the kernel has
 * let go of us and stops us before we return from here.
 */
static void wait_for_end(int host)
{
	struct {
		int fd;
		short events, revents;
	} p = { .fd = host, .events = POLLIN_ };

	while (sys5(__NR_ppoll, (long)&p, 1, 0, 0, 0) == 0)
		;
}

/* Called by head.S when the host is gone. */
void compel_close(const struct compel_control *c)
{
	uint32_t i;

	if (c->host >= 0)
		wait_for_end(c->host);
	for (i = 0; i < c->nr_fds; i++)
		sys1(__NR_close, c->fds[i]);
	sys1(__NR_close, c->sock);
	if (c->nofile[1])
		sys4(__NR_prlimit64, 0, RLIMIT_NOFILE_, (long)c->nofile, 0);
}
