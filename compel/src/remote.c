/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * remote - one system call in the victim
 *
 * It needs an instruction that does it, and behind it code that repairs the
 * thread if we die in the middle.  A blob has both.  Without a blob a stub is
 * put into the unused end of the vdso for the time of the call; the kernel's
 * code is the only one that we may extend, because we know how it ends.  What
 * stays is a private copy of that page with the same content.
 *
 * A victim that has no vdso, or a full one, lends us any system call
 * instruction it has, and must not lose its host for some 20 us.
 */
#include <elf.h>
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

enum {
	SCAN_STEP = 16384,
	STUB_MAX = 384,
	PAGE = 4096,
	VDSO_MAX = 16 * PAGE, /* anything larger at that address is not it */
};

static bool is_insn(const struct compel_task *task, unsigned long address)
{
	unsigned char bytes[ARCH_INSN_MAX];

	return io_pread(task->mem, bytes, arch_syscall_insn.size, (off_t)address) == 0 &&
	       memcmp(bytes, arch_syscall_insn.bytes, arch_syscall_insn.size) == 0;
}

static unsigned long insn_between(int mem, unsigned long start, unsigned long end)
{
	const struct arch_insn *insn = &arch_syscall_insn;
	unsigned char code[SCAN_STEP];
	unsigned long i;
	ssize_t n;

	for (; start < end; start += (unsigned long)n) {
		n = pread(mem, code, sizeof(code), (off_t)start);
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
static unsigned long insn_anywhere(int mem, pid_t tid)
{
	unsigned long start, end, insn = 0;
	char path[64], line[512], may_execute;

	snprintf(path, sizeof(path), "%d/maps", tid);
	scoped_fd fd = proc_open(path, O_RDONLY);
	scoped_stream *maps = fd < 0 ? NULL : fdopen(fd, "r");
	if (maps)
		take_fd(&fd);
	while (maps && !insn && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %*2c%c", &start, &end, &may_execute) == 3 &&
		    may_execute == 'x')
			insn = insn_between(mem, start, end);
	return insn;
}

unsigned long compel_find_insn(pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "%d/mem", tid);
	scoped_fd mem = proc_open(path, O_RDONLY);

	return mem < 0 ? 0 : insn_anywhere(mem, tid);
}

static int find_insn(const struct compel_task *task, const struct compel_thread *t,
		     unsigned long *insn_ret, struct err *err)
{
	unsigned long ip = arch_ip(&t->regs), insn;

	if (is_insn(task, ip - arch_syscall_insn.size))
		insn = ip - arch_syscall_insn.size;
	else if (is_insn(task, ip))
		insn = ip;
	else
		insn = insn_anywhere(task->mem, t->tid);

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

static unsigned long vdso_start(pid_t tid)
{
	char path[64];
	unsigned long auxv[128];
	ssize_t n, i;

	snprintf(path, sizeof(path), "%d/auxv", tid);
	scoped_fd fd = proc_open(path, O_RDONLY);
	n = fd < 0 ? 0 : read(fd, auxv, sizeof(auxv)) / (ssize_t)sizeof(auxv[0]);

	for (i = 0; i + 1 < n; i += 2)
		if (auxv[i] == AT_SYSINFO_EHDR)
			return auxv[i + 1];
	return 0;
}

static bool is_zero(const unsigned char *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* The section headers are the last thing in the vdso; from there to the end of the page it is 0. */
static void find_room(struct compel_task *task)
{
	unsigned long vdso = vdso_start(task_thread(task)->tid), end;
	Elf64_Ehdr elf;

	if (!vdso || io_pread(task->mem, &elf, sizeof(elf), (off_t)vdso) < 0 ||
	    memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0)
		return;

	end = vdso + elf.e_shoff + (unsigned long)elf.e_shnum * elf.e_shentsize;
	if (end - vdso > VDSO_MAX)
		return;
	task->room_end = (end + PAGE - 1) / PAGE * PAGE;
	task->room = task->room_end - (task->room_end - end) / STUB_MAX * STUB_MAX;
}

static int leave_stub(struct compel_task *task, struct compel_thread *t)
{
	unsigned long into = arch_ip(&t->regs) - task->room;
	unsigned char stub[STUB_MAX];
	int ret;

	if (into >= task->room_end - task->room)
		return 0;

	ret = io_pread(task->mem, stub, sizeof(stub),
		       (off_t)(task->room + into / STUB_MAX * STUB_MAX));
	return ret == 0 && arch_stub_undo(stub, t) ? thread_reset(t) : ret;
}

int remote_leave_stubs(struct compel_task *task)
{
	size_t i;
	int ret = 0;

	find_room(task);
	for (i = 0; ret == 0 && i < task->nr_threads; i++)
		if (!task->threads[i].dead)
			ret = leave_stub(task, &task->threads[i]);
	return ret;
}

/*
 * A host that died during a call has left its stub behind.  No thread is in it
 * any more, see remote_leave_stubs(), but a signal handler may be about to return
 * there: so it is used again only when there is no other room.
 */
static unsigned long find_place(const struct compel_task *task)
{
	unsigned char there[STUB_MAX];
	unsigned long at;

	for (at = task->room; at < task->room_end; at += STUB_MAX)
		if (io_pread(task->mem, there, sizeof(there), (off_t)at) == 0 &&
		    is_zero(there, sizeof(there)))
			return at;
	return io_pread(task->mem, there, sizeof(there), (off_t)task->room) == 0 &&
			       arch_is_stub(there)
		       ? task->room
		       : 0;
}

/* Where it is, or 0: there is no room. */
static unsigned long stub_put(struct compel_task *task, const struct compel_thread *t)
{
	unsigned char code[STUB_MAX];
	size_t size = arch_stub(t, code, sizeof(code));
	unsigned long at = size ? find_place(task) : 0;

	return at && io_pwrite(task->mem, code, size, (off_t)at) == 0 ? at : 0;
}

static void stub_take(struct compel_task *task, unsigned long at)
{
	static const unsigned char zeros[STUB_MAX];

	io_pwrite(task->mem, zeros, sizeof(zeros), (off_t)at);
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

	snprintf(path, sizeof(path), "%d/status", t->tid);
	scoped_fd fd = proc_open(path, O_RDONLY);
	n = fd < 0 ? 0 : read(fd, buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = '\0';
	if (!text_find(buf, "Seccomp:", &mode) || (text_u64(&mode, &filtered) && !filtered))
		return 0;

	err_set(err, EPERM, "cannot run code in thread %d, it is under a seccomp filter", t->tid);
	return err_hint(
		err,
		"run with CAP_SYS_ADMIN and outside of seccomp, so that the filter can be suspended");
}

static int call_at(struct compel_thread *t, unsigned long insn, long nr,
		   const unsigned long args[6], long *ret, struct err *err)
{
	struct compel_regs regs = t->regs;
	long result;
	int failed, reset;

	arch_set_call(&regs, insn, nr, args);
	failed = thread_call(t->tid, &regs, false, &result);
	reset = thread_reset(t);
	if (failed < 0 || reset < 0)
		return thread_err(err, failed < 0 ? failed : reset, t, "make a system call in");

	*ret = result;
	return 0;
}

int remote_call(struct compel_task *task, struct compel_thread *t, long nr,
		const unsigned long args[6], long *ret, struct err *err)
{
	unsigned long insn = 0, stub = stub_put(task, t);
	int failed;

	if (stub) {
		failed = call_at(t, stub, nr, args, ret, err);
		stub_take(task, stub);
		return failed;
	}

	failed = find_insn(task, t, &insn, err);
	return failed < 0 ? failed : call_at(t, insn, nr, args, ret, err);
}

int compel_syscall(struct compel_task *task, struct compel_thread *t, long nr,
		   const unsigned long args[6], long *ret, struct err *err)
{
	struct compel_blob *b = task->blob;
	int failed = remote_is_allowed(task, t, err);

	if (failed == 0)
		failed = blob_leave(task, err);
	if (failed < 0)
		return failed;
	if (!b || !b->base)
		return remote_call(task, t, nr, args, ret, err);

	failed = blob_write_resume(task, t, err);
	return failed < 0 ? failed : call_at(t, b->base + COMPEL_GADGET, nr, args, ret, err);
}

static int raw_syscall(pid_t tid, unsigned long insn, long nr, const unsigned long args[6],
		       bool interrupt, long *ret, struct err *err)
{
	struct compel_thread t = { .tid = tid };
	struct compel_regs regs;
	uint64_t sigmask;
	int failed = thread_get_regs(tid, &regs);

	if (failed == 0)
		failed = thread_get_sigmask(tid, &sigmask);
	if (failed == 0) {
		arch_set_call(&regs, insn, nr, args);
		failed = thread_call(tid, &regs, interrupt, ret);
	}
	if (failed == 0)
		failed = thread_set_sigmask(tid, sigmask);
	return failed < 0 ? thread_err(err, failed, &t, "make a system call in") : 0;
}

int compel_raw_syscall(pid_t tid, unsigned long insn, long nr, const unsigned long args[6],
		       long *ret, struct err *err)
{
	return raw_syscall(tid, insn, nr, args, false, ret, err);
}

int compel_raw_begin(pid_t tid, unsigned long insn, long nr, const unsigned long args[6],
		     struct err *err)
{
	const struct compel_thread t = { .tid = tid };
	struct compel_regs regs;
	int failed = thread_get_regs(tid, &regs);

	if (failed == 0) {
		arch_set_call(&regs, insn, nr, args);
		failed = thread_step(tid, &regs);
	}
	return failed < 0 ? thread_err(err, failed, &t, "begin a system call in") : 0;
}

int compel_raw_end(pid_t tid, long *ret, struct err *err)
{
	const struct compel_thread t = { .tid = tid };
	struct compel_regs regs;
	int failed = thread_wait_stepped(tid);

	if (failed == 0)
		failed = thread_get_regs(tid, &regs);
	if (failed < 0)
		return thread_err(err, failed, &t, "end a system call in");
	*ret = arch_result(&regs);
	return 0;
}

int compel_interrupt_syscall(pid_t tid, unsigned long insn, long nr, const unsigned long args[6],
			     long *ret, struct err *err)
{
	return raw_syscall(tid, insn, nr, args, true, ret, err);
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
