/* SPDX-License-Identifier: GPL-2.0-only */
/* descriptors in flight: pipe ends, a socket in its own queue, what nobody else has, among plain bytes */
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "victim.h"

static int stream[2], dgram[2], loop[2], chain[2];

static bool pass(int sock, const char *text, const int *fds, size_t n)
{
	char control[CMSG_SPACE(5 * sizeof(int))] = "";
	struct iovec iov = { (char *)text, strlen(text) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	return expect(sendmsg(sock, &msg, 0) == (ssize_t)iov.iov_len);
}

/* At most @max bytes; fds are those that come with them, -1 if none do. */
static bool take(int sock, size_t max, const char *text, int *fds, size_t n)
{
	char buf[100] = "", control[CMSG_SPACE(5 * sizeof(int))];
	struct iovec iov = { buf, max };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(sock, &msg, MSG_DONTWAIT);
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	if (!expect(got == (ssize_t)strlen(text)) || !expect(memcmp(buf, text, strlen(text)) == 0))
		return false;
	if (n == 0)
		return expect(c == NULL);
	if (!expect(c != NULL) || !expect(c->cmsg_len == CMSG_LEN(n * sizeof(int))))
		return false;
	memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	return true;
}

static bool make_stream(void)
{
	int a[2], b[2], e = eventfd(5, 0), fds[3];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, stream) < 0 || pipe(a) < 0 || pipe(b) < 0 || e < 0)
		return false;
	if (write(a[1], "piped", 5) != 5 || write(b[1], "other", 5) != 5)
		return false;
	memcpy(fds, (int[]){ a[0], e, a[0] }, sizeof(fds));
	/* plain bytes before and behind, and twice in a row with descriptors */
	if (write(stream[1], "plain", 5) != 5 || !pass(stream[1], "with", fds, 3) ||
	    write(stream[1], "mid", 3) != 3 || !pass(stream[1], "x", &b[0], 1) ||
	    !pass(stream[1], "y", &b[1], 1))
		return false;
	/* nobody has them but the queue; the write end of the first stays with us as 30 */
	return dup2(a[1], 30) == 30 && close(a[0]) == 0 && close(a[1]) == 0 && close(b[0]) == 0 &&
	       close(b[1]) == 0 && close(e) == 0;
}

static bool make_dgram(void)
{
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0640);

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, dgram) < 0 || fd < 0 ||
	    write(fd, "content", 7) != 7 || lseek(fd, 3, SEEK_SET) != 3)
		return false;
	return send(dgram[1], "first", 5, 0) == 5 && pass(dgram[1], "", &fd, 1) &&
	       send(dgram[1], "last", 4, 0) == 4 && close(fd) == 0;
}

/* A socket whose other end waits in its own queue, and sockets that wait in sockets that wait. */
static bool make_loop(void)
{
	int inner[2], most[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, loop) < 0 || !pass(loop[1], "me", &loop[1], 1) ||
	    close(loop[1]) < 0)
		return false;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, chain) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, inner) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, most) < 0)
		return false;
	return write(most[1], "deep", 4) == 4 && pass(inner[1], "in", most, 1) &&
	       pass(chain[1], "out", inner, 1) && close(most[0]) == 0 && close(most[1]) == 0 &&
	       close(inner[0]) == 0 && close(inner[1]) == 0;
}

static bool make(void)
{
	return make_stream() && make_dgram() && make_loop();
}

static bool same_stream(void)
{
	int fds[3], r, w;
	uint64_t count;
	char buf[10];

	if (!take(stream[0], 5, "plain", NULL, 0) || !take(stream[0], 100, "with", fds, 3) ||
	    !take(stream[0], 3, "mid", NULL, 0) || !take(stream[0], 9, "x", &r, 1) ||
	    !take(stream[0], 9, "y", &w, 1))
		return false;
	return expect(read(fds[0], buf, 5) == 5) && expect(memcmp(buf, "piped", 5) == 0) &&
	       expect(read(fds[1], &count, 8) == 8) && expect(count == 5) &&
	       expect(write(30, "more", 4) == 4) && expect(read(fds[2], buf, 9) == 4) &&
	       expect(close(30) == 0) && expect(read(fds[0], buf, 1) == 0) &&
	       expect(read(r, buf, 9) == 5) && expect(memcmp(buf, "other", 5) == 0) &&
	       expect(write(w, "z", 1) == 1) && expect(read(r, buf, 9) == 1);
}

static bool same_dgram(void)
{
	char buf[20];
	int fd;

	return expect(recv(dgram[0], buf, 20, 0) == 5) && take(dgram[0], 20, "", &fd, 1) &&
	       expect(recv(dgram[0], buf, 20, 0) == 4) && expect(read(fd, buf, 20) == 4) &&
	       expect(memcmp(buf, "tent", 4) == 0);
}

static bool same_loop(void)
{
	int other, inner, most;
	char buf[10];

	return take(loop[0], 9, "me", &other, 1) && expect(write(loop[0], "to me", 5) == 5) &&
	       expect(read(other, buf, 9) == 5) && expect(close(other) == 0) &&
	       expect(read(loop[0], buf, 9) == 0) && take(chain[0], 9, "out", &inner, 1) &&
	       take(inner, 9, "in", &most, 1) && expect(read(most, buf, 9) == 4) &&
	       expect(memcmp(buf, "deep", 4) == 0) && expect(read(most, buf, 9) == 0) &&
	       expect(read(inner, buf, 9) == 0);
}

static bool same(void)
{
	return same_stream() && same_dgram() && same_loop();
}

VICTIM(make, same)
