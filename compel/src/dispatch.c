/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dispatch - system call user dispatch
 *
 * A thread that uses it (Wine does) is sent SIGSYS for system calls of code
 * that lies outside of a range.  Ours would be such code, so it is off as long
 * as a thread is seized.  Linux 6.4; before nobody can know.
 */
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>

#include "stop.h"

/* PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG and its _SET_ */
static const enum __ptrace_request get_config = (enum __ptrace_request)0x4211,
				   set_config = (enum __ptrace_request)0x4210;

static int set(pid_t tid, const struct compel_dispatch *d)
{
	return ptrace(set_config, tid, sizeof(*d), d) < 0 ? -errno : 0;
}

int thread_dispatch_off(struct compel_thread *t)
{
	static const struct compel_dispatch off;

	if (ptrace(get_config, t->tid, sizeof(t->dispatch), &t->dispatch) < 0)
		memset(&t->dispatch, 0, sizeof(t->dispatch));
	return t->dispatch.mode ? set(t->tid, &off) : 0;
}

void thread_dispatch_on(const struct compel_thread *t)
{
	if (t->dispatch.mode)
		set(t->tid, &t->dispatch);
}

int compel_set_dispatch(pid_t tid, const struct compel_dispatch *dispatch, struct err *err)
{
	int ret = set(tid, dispatch);

	if (ret == 0)
		return 0;
	err_set(err, -ret, "cannot set the system call user dispatch of thread %d", tid);
	return err_hint(err, "restore with Linux 6.4 or newer");
}
