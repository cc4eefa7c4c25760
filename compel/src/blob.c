/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * blob - what is put into a victim, and where
 *
 * One mapping holds everything, see control.h for its order.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "internal.h"

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

void blob_layout(struct compel_blob *b, size_t code_size, size_t args_size)
{
	b->code_size = round_up(code_size, COMPEL_ALIGN);
	b->args_size = args_size;
	b->size = round_up(b->code_size + COMPEL_STACK + COMPEL_CONTROL + args_size, COMPEL_ALIGN);
}

unsigned long blob_control(const struct compel_blob *b)
{
	return b->base + b->code_size + COMPEL_STACK;
}

unsigned long blob_args(const struct compel_blob *b)
{
	return blob_control(b) + COMPEL_CONTROL;
}

/* The file is at its end everywhere once the memory is gone. */
static int mem_err(struct compel_task *task, unsigned long at, int code, struct err *err)
{
	char byte;

	if (pread(task->mem, &byte, 1, (off_t)at) == 0)
		code = -ESRCH;
	return err_set(err, -code, "cannot access the memory of process %d", task->pid);
}

int task_write(struct compel_task *task, unsigned long to, const void *from, size_t len,
	       struct err *err)
{
	int ret = io_pwrite(task->mem, from, len, (off_t)to);

	return ret < 0 ? mem_err(task, to, ret, err) : 0;
}

int task_read(struct compel_task *task, unsigned long from, void *to, size_t len, struct err *err)
{
	int ret = io_pread(task->mem, to, len, (off_t)from);

	return ret < 0 ? mem_err(task, from, ret, err) : 0;
}

/*
 * The blob keeps the list of descriptors it has received in the rest of the
 * block, which is left alone.
 */
int blob_write_resume(struct compel_task *task, const struct compel_thread *t, struct err *err)
{
	struct compel_control c = { 0 };

	arch_resume(&t->regs, c.resume);
	c.sigmask = t->sigmask;
	return task_write(task, blob_control(task->blob), &c, offsetof(struct compel_control, sock),
			  err);
}

int blob_write_sock(struct compel_task *task, int sock, struct err *err)
{
	int32_t s = sock;

	return task_write(task, blob_control(task->blob) + offsetof(struct compel_control, sock),
			  &s, sizeof(s), err);
}

int blob_write_host(struct compel_task *task, int pidfd, struct err *err)
{
	int32_t fd = pidfd;

	return task_write(task, blob_control(task->blob) + offsetof(struct compel_control, host),
			  &fd, sizeof(fd), err);
}

void blob_free(struct compel_task *task)
{
	if (!task->blob)
		return;
	if (task->blob->sock >= 0)
		close(task->blob->sock);
	free(task->blob);
	task->blob = NULL;
}
