/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * io - whole reads and writes, descriptors over sockets
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

int io_read(int fd, void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		ssize_t n = read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int io_write(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int io_pread(int fd, void *buf, size_t len, off_t off)
{
	char *p = buf;

	while (len) {
		ssize_t n = pread(fd, p, len, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		p += n;
		off += n;
		len -= (size_t)n;
	}
	return 0;
}

int io_pwrite(int fd, const void *buf, size_t len, off_t off)
{
	const char *p = buf;

	while (len) {
		ssize_t n = pwrite(fd, p, len, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		p += n;
		off += n;
		len -= (size_t)n;
	}
	return 0;
}

int io_slurp(int fd, struct arena *a, char **text_ret, size_t *len_ret)
{
	scoped_ptr char *big = NULL;
	char small[4096];
	char *buf = small;
	size_t max = sizeof(small), len = 0;
	ssize_t n;

	while ((n = read(fd, buf + len, max - len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if (len < max)
			continue;

		max *= 4;
		buf = realloc(big, max);
		if (!buf)
			return -ENOMEM;
		if (!big)
			memcpy(buf, small, len);
		big = buf;
	}

	*text_ret = arena_alloc(a, len + 1);
	memcpy(*text_ret, buf, len);
	if (len_ret)
		*len_ret = len;
	return 0;
}

int io_slurp_at(int dirfd, const char *path, struct arena *a, char **text_ret, size_t *len_ret)
{
	scoped_fd fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return io_slurp(fd, a, text_ret, len_ret);
}

int io_copy(int from, int to, uint64_t len)
{
	while (len) {
		ssize_t n = sendfile(to, from, NULL, len < (1u << 30) ? len : 1u << 30);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		len -= (uint64_t)n;
	}
	return 0;
}

int io_chdir(int dir)
{
	scoped_fd back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return back < 0 || fchdir(dir) < 0 ? -1 : take_fd(&back);
}

void scoped_cwd_end(int *back)
{
	if (*back < 0)
		return;
	/* a directory that one could enter before can be entered */
	if (fchdir(*back) < 0)
		abort();
	close(*back);
}

int io_send_fd(int sock, const void *buf, size_t len, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}

	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : io_write(sock, (const char *)buf + n, len - (size_t)n);
}

int io_recv_fd(int sock, void *buf, size_t len, int *fd_ret)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	scoped_fd fd = -1;
	ssize_t n;
	int ret;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n ? -errno : -ENODATA;

	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(int));

	ret = io_read(sock, (char *)buf + n, len - (size_t)n);
	if (ret < 0)
		return ret;
	*fd_ret = take_fd(&fd);
	return 0;
}
