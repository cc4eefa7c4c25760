/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * move - what migrate and agent say to each other
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "move.h"

struct head {
	uint32_t type, unused;
	uint64_t len;
};

int move_send(int fd, enum move_type type, const void *data, size_t len)
{
	struct head h = { .type = type, .len = len };
	int ret = io_write(fd, &h, sizeof(h));

	return ret < 0 || !len ? ret : io_write(fd, data, len);
}

int move_send_text(int fd, enum move_type type, const char *text)
{
	return move_send(fd, type, text, strlen(text));
}

int move_receive_head(int fd, enum move_type *type, uint64_t *len)
{
	struct head h;
	int ret = io_read(fd, &h, sizeof(h));

	if (ret < 0)
		return ret;
	*type = h.type;
	*len = h.len;
	return 0;
}

int move_receive(int fd, enum move_type *type, char *buf, size_t room, size_t *len_ret)
{
	uint64_t len;
	int ret = move_receive_head(fd, type, &len);

	if (ret < 0)
		return ret;
	if (len >= room)
		return -EMSGSIZE;
	ret = io_read(fd, buf, len);
	if (ret < 0)
		return ret;
	buf[len] = '\0';
	*len_ret = len;
	return 0;
}

/* ---- images: length of the name, the name, the content ---- */

int move_send_image(int fd, int dir, const char *name, struct err *err)
{
	scoped_fd file = openat(dir, name, O_RDONLY | O_CLOEXEC);
	struct head h = { .type = MOVE_IMAGE };
	uint32_t len = (uint32_t)strlen(name);
	struct stat st;
	int ret;

	if (file < 0 || fstat(file, &st) < 0)
		return err_sys(err, "cannot open the image %s", name);
	h.len = sizeof(len) + len + (uint64_t)st.st_size;
	ret = io_write(fd, &h, sizeof(h));
	if (ret == 0)
		ret = io_write(fd, &len, sizeof(len));
	if (ret == 0)
		ret = io_write(fd, name, len);
	if (ret == 0)
		ret = io_copy(file, fd, (uint64_t)st.st_size);
	return ret < 0 ? err_set(err, -ret, "cannot send the image %s", name) : 0;
}

static bool is_name(const char *name)
{
	return name[0] && name[0] != '.' && !strchr(name, '/');
}

/* A connection is a socket or a pipe, of which the kernel does not copy by itself. */
static int copy_from(int fd, int to, uint64_t len)
{
	static char buf[256 * 1024];
	int ret = 0;

	while (len && ret == 0) {
		size_t n = len < sizeof(buf) ? len : sizeof(buf);

		ret = io_read(fd, buf, n);
		if (ret == 0)
			ret = io_write(to, buf, n);
		len -= n;
	}
	return ret;
}

int move_receive_image(int fd, int dir, uint64_t len, struct err *err)
{
	uint32_t n = 0;
	char name[256];
	int ret = len < sizeof(n) ? -EPROTO : io_read(fd, &n, sizeof(n));

	if (ret == 0)
		ret = n >= sizeof(name) || n > len - sizeof(n) ? -EPROTO : io_read(fd, name, n);
	if (ret < 0)
		return err_set(err, -ret, "cannot receive an image");
	name[n] = '\0';
	if (!is_name(name))
		return err_set(err, EPROTO, "cannot receive an image with the name %s", name);

	scoped_fd file = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (file < 0)
		return err_sys(err, "cannot make the image %s", name);
	ret = copy_from(fd, file, len - sizeof(n) - n);
	return ret < 0 ? err_set(err, -ret, "cannot receive the image %s", name) : 0;
}

/* ---- the end of a directory ---- */

void move_remove_dir(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
}
