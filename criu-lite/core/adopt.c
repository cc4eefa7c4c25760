/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * adopt - tasks that were born of others come to their parents
 *
 * births.c says why.  The kernel gives an orphan to the next ancestor that is a
 * subreaper (PR_SET_CHILD_SUBREAPER).  All newborns wait in a stop meanwhile, so
 * the coordinator lets the parent be one, ends the carrier between the task and
 * its father, and has the father reap the carrier; the youngest come first, so
 * that the ancestors of the others are still there.  Nobody stays a subreaper:
 * who was one is made one again by its restorer, when all are there.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/log.h"
#include "core/adopt.h"
#include "core/barrier.h"
#include "core/births.h"
#include "core/pids.h"
#include "core/shared.h"
#include "core/task.h"

/* A newborn is a copy of us: where we have a system call instruction, it has one. */
static uintptr_t our_syscall(void)
{
	return (uintptr_t)arch_find_syscall((const void *)(uintptr_t)syscall, 64);
}

static int call_in(const struct task *t, long nr, const unsigned long args[6], struct err *err)
{
	char regs[1024];
	struct iovec iov = { regs, sizeof(regs) };
	uintptr_t insn = our_syscall();
	long ret;

	if (!insn)
		return err_set(err, ENOENT, "cannot find a system call instruction in ourselves");
	if (ptrace(PTRACE_GETREGSET, t->host_pid, NT_PRSTATUS, &iov) < 0)
		return err_sys(err, "cannot read the registers of task %d", t->pid);
	if (compel_raw_syscall(t->host_pid, insn, nr, args, &ret, err) < 0)
		return -err->code;
	if (ptrace(PTRACE_SETREGSET, t->host_pid, NT_PRSTATUS, &iov) < 0)
		return err_sys(err, "cannot set the registers of task %d", t->pid);
	return ret < 0 ? err_set(err, (int)-ret, "cannot make system call %ld in task %d", nr,
				 t->pid)
		       : 0;
}

static int set_subreaper(const struct task *t, unsigned long on, struct err *err)
{
	const unsigned long args[6] = { PR_SET_CHILD_SUBREAPER, on };

	return call_in(t, SYS_prctl, args, err);
}

/* End a child of @father, by its number there, that has no signal for its parent. */
static int end_child(struct restore *r, const struct task *father, pid_t pid, struct err *err)
{
	const unsigned long args[6] = { (unsigned long)pid, 0, __WALL };

	if (barrier_end(r->barrier, pids_host(r, pid), err) < 0)
		return -err->code;
	return call_in(father, SYS_wait4, args, err);
}

static int adopt(struct restore *r, const struct task *t, struct err *err)
{
	const struct task *father = t->birth->father->task;

	if (set_subreaper(t->parent, 1, err) < 0 ||
	    end_child(r, father, r->shared->tasks[t->index].carrier, err) < 0)
		return -err->code;
	return set_subreaper(t->parent, 0, err);
}

int adopt_tasks(struct restore *r, struct err *err)
{
	size_t i;

	for (i = r->births->all.n; i > 0; i--) {
		const struct birth *b = r->births->all.items[i - 1];

		if (b->is_adopted && adopt(r, b->task, err) < 0)
			return err_in(err, "task %d comes to its parent %d", b->task->pid,
				      b->task->parent->pid);
	}
	return 0;
}

int adopt_end_helpers(struct restore *r, struct err *err)
{
	size_t i;

	for (i = r->births->all.n; i > 0; i--) {
		const struct birth *b = r->births->all.items[i - 1];

		if (b->is_helper && end_child(r, b->father->task, b->task->pid, err) < 0)
			return err_in(err, "helper %d", b->task->pid);
	}
	return 0;
}
