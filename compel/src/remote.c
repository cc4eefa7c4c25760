/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * remote - one system call in the victim
 *
 * It needs a system call instruction.  Once a blob is there its own is used,
 * with code behind it that repairs the thread if we die in the middle.  Before
 * and after, one of the victim's must do.  These two calls, the mmap() of the
 * blob and its munmap(), are the only moments (some 20 us each) where our death
 * would leave a thread with wrong registers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "internal.h"
#include "stop.h"

enum { SCAN_STEP = 16384 };

static bool is_insn(const struct compel_task *task, unsigned long address)
{
	unsigned char bytes[ARCH_INSN_MAX];

	return io_pread(task->mem, bytes, arch_syscall_insn.size, (off_t)address) == 0 &&
	       memcmp(bytes, arch_syscall_insn.bytes, arch_syscall_insn.size) == 0;
}

static unsigned long insn_between(const struct compel_task *task, unsigned long start,
				  unsigned long end)
{
	const struct arch_insn *insn = &arch_syscall_insn;
	unsigned char code[SCAN_STEP];
	unsigned long i;
	ssize_t n;

	for (; start < end; start += (unsigned long)n) {
		n = pread(task->mem, code, sizeof(code), (off_t)start);
		if (n <= 0)
			return 0;
		for (i = 0; (ssize_t)(i + insn->size) <= n && start + i + insn->size <= end;
		     i += insn->align)
			if (memcmp(code + i, insn->bytes, insn->size) == 0)
				return start + i;
	}
	return 0;
}

/* Any will do, even in the middle of another instruction: it is stopped right behind it. */
static unsigned long insn_anywhere(const struct compel_task *task, pid_t tid)
{
	unsigned long start, end, insn = 0;
	char path[64], line[512], may_execute;

	snprintf(path, sizeof(path), "/proc/%d/maps", tid);
	scoped_stream *maps = fopen(path, "re");
	while (maps && !insn && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %*2c%c", &start, &end, &may_execute) == 3 &&
		    may_execute == 'x')
			insn = insn_between(task, start, end);
	return insn;
}

int remote_find_insn(struct compel_task *task, const struct compel_thread *t,
		     unsigned long *insn_ret, struct err *err)
{
	unsigned long ip = arch_ip(&t->regs), insn;

	if (is_insn(task, ip - arch_syscall_insn.size))
		insn = ip - arch_syscall_insn.size;
	else if (is_insn(task, ip))
		insn = ip;
	else
		insn = insn_anywhere(task, t->tid);

	if (!insn) {
		err_set(err, ENOENT, "cannot find a system call instruction in process %d",
			task->pid);
		return err_hint(
			err,
			"try again: it was not in a system call, and none of its code has one");
	}
	*insn_ret = insn;
	return 0;
}

struct compel_thread *task_thread(struct compel_task *task)
{
	return &task->threads[task->threads[0].dead ? 1 : 0];
}

int thread_err(struct err *err, int code, const struct compel_thread *t, const char *what)
{
	err_set(err, -code, "cannot %s thread %d", what, t->tid);
	switch (code) {
	case -ESRCH:
		return err_why(err, "it has been killed");
	case -EFAULT:
		return err_why(err, "our code in it crashed");
	case -ETIMEDOUT:
		err_why(err, "it does not run when it is told to");
		return err_hint(err, "thaw its cgroup if that is frozen");
	default:
		return code;
	}
}

int remote_is_allowed(const struct compel_task *task, const struct compel_thread *t,
		      struct err *err)
{
	char path[64], buf[4096];
	struct text mode;
	uint64_t filtered = 1;
	ssize_t n;

	if (!task->seccomp_in_force)
		return 0;

	snprintf(path, sizeof(path), "/proc/%d/status", t->tid);
	scoped_fd fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = '\0';
	if (!text_find(buf, "Seccomp:", &mode) || (text_u64(&mode, &filtered) && !filtered))
		return 0;

	err_set(err, EPERM, "cannot run code in thread %d, it is under a seccomp filter", t->tid);
	return err_hint(
		err,
		"run with CAP_SYS_ADMIN and outside of seccomp, so that the filter can be suspended");
}

int remote_call(struct compel_thread *t, unsigned long insn, long nr, const unsigned long args[6],
		long *ret, struct err *err)
{
	struct compel_regs regs = t->regs;
	long result;
	int failed, reset;

	arch_set_call(&regs, insn, nr, args);
	failed = thread_call(t->tid, &regs, &result);
	reset = thread_reset(t);
	if (failed < 0 || reset < 0)
		return thread_err(err, failed < 0 ? failed : reset, t, "make a system call in");

	*ret = result;
	return 0;
}

int compel_syscall(struct compel_task *task, struct compel_thread *t, long nr,
		   const unsigned long args[6], long *ret, struct err *err)
{
	struct compel_blob *b = task->blob;
	unsigned long insn;
	int failed = remote_is_allowed(task, t, err);

	if (failed == 0)
		failed = blob_leave(task, err);
	if (failed == 0 && b && b->base) {
		insn = b->base + COMPEL_GADGET;
		failed = blob_write_resume(task, t, err);
	} else if (failed == 0) {
		failed = remote_find_insn(task, t, &insn, err);
	}
	return failed < 0 ? failed : remote_call(t, insn, nr, args, ret, err);
}

int compel_raw_syscall(pid_t tid, unsigned long insn, long nr, const unsigned long args[6],
		       long *ret, struct err *err)
{
	struct compel_thread t = { .tid = tid };
	struct compel_regs regs;
	uint64_t sigmask;
	int failed = thread_get_regs(tid, &regs);

	if (failed == 0)
		failed = thread_get_sigmask(tid, &sigmask);
	if (failed == 0) {
		arch_set_call(&regs, insn, nr, args);
		failed = thread_call(tid, &regs, ret);
	}
	if (failed == 0)
		failed = thread_set_sigmask(tid, sigmask);
	return failed < 0 ? thread_err(err, failed, &t, "make a system call in") : 0;
}

int compel_get_xstate(pid_t tid, void *buf, size_t size, size_t *len_ret, struct err *err)
{
	struct iovec iov = { buf, size };

	if (ptrace(PTRACE_GETREGSET, tid, arch_xstate_note, &iov) < 0)
		return err_sys(err, "cannot read the vector state of thread %d", tid);
	*len_ret = iov.iov_len;
	return 0;
}

static int set_xstate(pid_t tid, const void *buf, size_t len)
{
	struct iovec iov = { (void *)buf, len };

	return ptrace(PTRACE_SETREGSET, tid, arch_xstate_note, &iov) < 0 ? -errno : 0;
}

int compel_set_state(pid_t tid, const struct compel_regs *regs, const void *xstate, size_t len,
		     uint64_t sigmask, struct err *err)
{
	int ret = len ? set_xstate(tid, xstate, len) : 0;

	if (ret < 0)
		return err_set(err, -ret, "cannot set the vector state of thread %d", tid);
	ret = thread_set_sigmask(tid, sigmask);
	if (ret == 0)
		ret = thread_set_regs(tid, regs);
	return ret < 0 ? err_set(err, -ret, "cannot set the registers of thread %d", tid) : 0;
}
