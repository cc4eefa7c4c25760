/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rpc - talking to the blob
 *
 * Arguments and results are copied from memory to memory; the socket carries
 * the number of the command, the result, and descriptors.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/inject.h"
#include "base/io.h"
#include "internal.h"
#include "stop.h"

enum {
	LOOK_MS = 20, /* how often a thread that owes us an answer is looked at */
};

static int request_send(struct compel_task *task, struct compel_thread *t, uint32_t cmd, int fd,
			struct err *err)
{
	struct compel_request req = { .cmd = cmd };
	int ret = blob_enter(task, t, err);

	if (ret < 0)
		return ret;
	ret = io_send_fd(task->blob->sock, &req, sizeof(req), fd);
	return ret < 0 ? thread_err(err, ret == -EPIPE ? -ESRCH : ret, t, "send a command to") : 0;
}

static int blob_crashed(struct compel_task *task, struct err *err)
{
	struct compel_thread *t = task->blob->inside;
	int ret = thread_park_quietly(t->tid);

	task->blob->inside = NULL;
	if (ret == 0)
		ret = thread_reset(t);
	return thread_err(err, ret < 0 ? ret : -EFAULT, t, "run code in");
}

/*
 * A thread in the blob stops only for a SIGSTOP or SIGCONT, after which it is
 * sent on, or because it has crashed.
 */
static int check_running(struct compel_task *task, struct err *err)
{
	struct compel_thread *t = task->blob->inside;
	int status;
	pid_t got = waitpid(t->tid, &status, __WALL | WNOHANG);

	if (got < 0 || (got > 0 && !WIFSTOPPED(status)))
		return thread_err(err, -ESRCH, t, "run code in");
	if (got == 0)
		return 0;
	if (stop_is_fault(status))
		return blob_crashed(task, err);

	ptrace(PTRACE_CONT, t->tid, 0, stop_signal(status));
	return 0;
}

static int answer_wait(struct compel_task *task, struct err *err)
{
	struct pollfd poll_sock = { .fd = task->blob->sock, .events = POLLIN };
	int ret = 0, ready;

	while (ret == 0) {
		ready = poll(&poll_sock, 1, LOOK_MS);
		if (ready > 0)
			break;
		if (ready < 0 && errno != EINTR)
			return err_sys(err, "cannot wait for thread %d", task->blob->inside->tid);
		ret = check_running(task, err);
	}
	return ret;
}

static int answer_receive(struct compel_task *task, long *result_ret, struct err *err)
{
	struct compel_answer answer;
	int ret = answer_wait(task, err), fd;

	if (ret < 0)
		return ret;
	ret = io_recv_fd(task->blob->sock, &answer, sizeof(answer), &fd);
	if (ret < 0)
		return thread_err(err, -ESRCH, task->blob->inside, "run code in");
	*result_ret = (long)answer.result;
	return 0;
}

int compel_call_start(struct compel_task *task, struct compel_thread *t, uint32_t cmd,
		      const void *args, size_t len, struct err *err)
{
	int ret = 0;

	if (len > task->blob->args_size)
		return err_set(err, E2BIG, "cannot pass %zu bytes to process %d", len, task->pid);
	if (len)
		ret = task_write(task, blob_args(task->blob), args, len, err);
	return ret < 0 ? ret : request_send(task, t, cmd, -1, err);
}

int compel_call_finish(struct compel_task *task, void *args, size_t len, long *ret_ret,
		       struct err *err)
{
	int ret = answer_receive(task, ret_ret, err);

	if (ret == 0 && len)
		ret = task_read(task, blob_args(task->blob), args, len, err);
	return ret;
}

int compel_call(struct compel_task *task, struct compel_thread *t, uint32_t cmd, void *args,
		size_t len, long *ret_ret, struct err *err)
{
	int ret = compel_call_start(task, t, cmd, args, len, err);

	if (ret == 0)
		ret = inject_point(err, "call:%u:inside", cmd);
	return ret < 0 ? ret : compel_call_finish(task, args, len, ret_ret, err);
}

int compel_drop_fd(struct compel_task *task, struct err *err)
{
	struct compel_blob *b = task->blob;
	long result;
	int ret = request_send(task, b->inside ? b->inside : b->home, COMPEL_CMD_DROP_FD, -1, err);

	if (ret == 0)
		ret = answer_receive(task, &result, err);
	if (ret < 0)
		return ret;
	if (result < 0)
		return err_set(err, (int)-result, "cannot close a descriptor in process %d",
			       task->pid);
	b->nr_fds--;
	return 0;
}

int compel_send_fd(struct compel_task *task, int fd, int *remote_ret, struct err *err)
{
	struct compel_blob *b = task->blob;
	long result;
	int ret;

	if (b->nr_fds == COMPEL_FDS)
		return err_set(err, EMFILE, "cannot give more than %d descriptors to process %d",
			       COMPEL_FDS, task->pid);

	ret = request_send(task, b->inside ? b->inside : b->home, COMPEL_CMD_TAKE_FD, fd, err);
	if (ret == 0)
		ret = answer_receive(task, &result, err);
	if (ret < 0)
		return ret;
	if (result < 0) {
		err_set(err, (int)-result, "cannot give a descriptor to process %d", task->pid);
		return err_hint(err, "it needs a free descriptor, see its RLIMIT_NOFILE");
	}

	b->fds[b->nr_fds++] = (int)result;
	*remote_ret = (int)result;
	return 0;
}
