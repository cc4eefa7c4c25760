/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * proc_fd - what a task has open: /proc/PID/{fd,fdinfo}
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "core/proc.h"

/* "." and ".." are skipped; anything else that is no number does not come from the kernel. */
static bool parse_number(const char *name, int *ret)
{
	struct text t = text_of(name, strlen(name));
	uint64_t v;

	if (!text_u64(&t, &v) || t.p != t.end || v > INT_MAX)
		return false;
	*ret = (int)v;
	return true;
}

static void add_numbers(const char *buf, ssize_t len, struct arena *a, number_list *ret)
{
	for (ssize_t at = 0; at < len;) {
		const struct dirent64 *e = (const struct dirent64 *)(buf + at);
		int n;

		if (parse_number(e->d_name, &n))
			*vec_add(a, ret) = n;
		at += e->d_reclen;
	}
}

static int read_numbers(int proc, const char *path, struct arena *a, number_list *ret,
			struct err *err)
{
	_Alignas(struct dirent64) char buf[8192];
	ssize_t len;

	scoped_fd fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err_sys(err, "cannot open /proc/%s", path);
		return err_hint(err, "see whether that process is still there, and try again");
	}

	while ((len = getdents64(fd, buf, sizeof(buf))) > 0)
		add_numbers(buf, len, a, ret);
	return len < 0 ? err_sys(err, "cannot list /proc/%s", path) : 0;
}

int proc_read_numbers(int proc, pid_t pid, const char *dir, struct arena *a, number_list *ret,
		      struct err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "%d/%s", pid, dir);
	return read_numbers(proc, path, a, ret, err);
}

int proc_read_processes(int proc, struct arena *a, pid_list *ret, struct err *err)
{
	return read_numbers(proc, ".", a, ret, err);
}

/* The kernel walks the table upwards, so they come rising. */
int proc_read_fds(int proc, pid_t pid, struct arena *a, fd_list *ret, struct err *err)
{
	return proc_read_numbers(proc, pid, "fd", a, ret, err);
}

/* Only the first lines are common; what follows belongs to the kind of file. */
bool proc_parse_fdinfo(const char *s, size_t len, struct proc_fdinfo *ret)
{
	struct text t = text_of(s, len), line;
	bool has_pos = false, has_flags = false;
	uint64_t flags;

	memset(ret, 0, sizeof(*ret));
	ret->text = s;

	for (int i = 0; i < 4 && text_line(&t, &line); i++) {
		/* 2^63 and more, as /dev/mem has them, are written as negative numbers */
		if (text_lit(&line, "pos:"))
			has_pos = text_bits(&line, &ret->pos);
		else if (text_lit(&line, "flags:"))
			has_flags = text_oct(&line, &flags) && flags <= UINT_MAX;
		else if (text_lit(&line, "mnt_id:"))
			text_u64(&line, &ret->mnt_id);
		else if (text_lit(&line, "ino:"))
			text_u64(&line, &ret->ino);
	}
	if (!has_pos || !has_flags)
		return false;
	ret->flags = (unsigned int)flags;
	return true;
}

int proc_read_fdinfo(int proc, pid_t pid, int fd, struct arena *a, struct proc_fdinfo *ret,
		     struct err *err)
{
	char path[64], *text;
	size_t len;

	snprintf(path, sizeof(path), "%d/fdinfo/%d", pid, fd);
	if (proc_slurp(proc, path, a, &text, &len, err) < 0)
		return -err->code;
	if (proc_parse_fdinfo(text, len, ret))
		return 0;

	err_set(err, EPROTO, "cannot understand /proc/%s", path);
	err_why(err, "it is not as any known kernel writes it");
	return err_hint(err, "see whether /proc is the kernel's own, not a replacement");
}
