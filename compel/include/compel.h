/* SPDX-License-Identifier: MIT */
#ifndef COMPEL_H
#define COMPEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "compel_arch.h" /* struct compel_regs, COMPEL_XSTATE_MAX: from compel/arch/CPU/ */

/*
 * compel - takes over the threads of a process by ptrace, runs code in them,
 * and leaves them as they were.  It knows nothing of images or options.
 *
 * What it promises about a victim at every moment after compel_seize():
 *  - if the caller dies, even by SIGKILL, every thread goes on by itself from
 *    where it was stopped: code of ours that is running at that moment notices
 *    that its socket has closed and jumps back to the saved registers;
 *  - system calls that were interrupted are carried on by the kernel, also
 *    those that would have returned EINTR because of our stop (epoll_wait,
 *    semop, sigtimedwait, sockets with timeouts, ...), unless a signal with a
 *    handler is what really ended them.
 *
 * Where the promise ends:
 *  - a timeout that is an argument of such an EINTR call begins anew, because
 *    the kernel keeps no note of when the call began;
 *  - if the caller dies, the few pages of the blob stay mapped; and a thread
 *    that runs it under a seccomp filter needs rt_sigprocmask() and close(),
 *    and, if the process was stopped, kill(); such a process has our
 *    descriptors until it goes on; and a thread has lost its system call user
 *    dispatch, which is off as long as it is seized;
 *  - not looked after: the shadow stack (CET).
 *
 * What it asks of its caller:
 *  - a tracer is a thread: all calls for a task come from the same one;
 *  - nobody in the process waits for just any child (waitpid(-1));
 *  - children that the caller forks while a blob is in a victim exec or exit
 *    soon: they have a copy of the socket whose end tells the blob to leave;
 *  - a cgroup that was frozen is thawed before anything is to run in a victim.
 */

/* As the kernel's struct ptrace_sud_config. */
struct compel_dispatch {
	uint64_t mode; /* 0: off */
	uint64_t selector, offset, len;
};

struct compel_thread {
	pid_t tid;
	struct compel_regs regs;	 /* as it was stopped; valid after compel_seize() */
	uint64_t sigmask;		 /* blocked signals, as it was stopped */
	struct compel_dispatch dispatch; /* system call user dispatch, as it was stopped */
	bool dead;			 /* a zombie leader whose other threads live on */
};

struct compel_task {
	pid_t pid;
	struct compel_thread *threads; /* the leader first */
	size_t nr_threads;
	int stop_signal; /* it was stopped by this signal (group stop), or 0 */
	int mem;	 /* /proc/PID/mem, open for reading and writing */

	/* Private to compel: */
	struct compel_blob *blob;     /* what is injected */
	unsigned long room, room_end; /* for a little code of ours */
	bool seccomp_in_force;	      /* filters could not be suspended */
};

/*
 * Seize and stop every thread of the thread group @pid, those born meanwhile
 * included.  Waits at most @timeout_ms (0: for ever) for a thread that sleeps
 * uninterruptibly, then fails with -EBUSY and names it; -ESRCH: no such task;
 * -EBUSY: it is traced by somebody else (named); -EPERM: not permitted;
 * -EOPNOTSUPP: it runs 32-bit code.  On failure nothing is left seized, but the
 * kernel does not let go of a thread that sleeps uninterruptibly before it
 * wakes up or we end.  The result is on the heap and ends with compel_release().
 *
 * A thread that was inside a restartable sequence (rseq) is moved to its abort,
 * as the kernel would do when it runs on.
 */
int compel_seize(pid_t pid, unsigned int timeout_ms, struct compel_task **task_ret,
		 struct err *err);

/*
 * The same in two steps, for many at once or for tasks that cannot stop yet
 * because their cgroup is frozen: the first tells the threads to stop, the second
 * waits until they have, and sees to those that are new.  Each of the other two
 * takes @s, whatever comes of it; to abandon it the task must not be frozen.
 */
struct compel_seizing;
int compel_seize_begin(pid_t pid, struct compel_seizing **ret, struct err *err);
int compel_seize_end(struct compel_seizing *s, unsigned int timeout_ms,
		     struct compel_task **task_ret, struct err *err);
void compel_seize_abandon(struct compel_seizing *s);

enum compel_end {
	COMPEL_RUN,  /* go on as before; a task that was stopped stays stopped */
	COMPEL_STOP, /* stopped by SIGSTOP */
	COMPEL_KILL, /* SIGKILL, and wait until it is dead (a zombie of its parent) */
};

/*
 * Cure the task if need be and let go of it.  Frees @task.  Never fails for a
 * task that has died meanwhile.
 */
int compel_release(struct compel_task *task, enum compel_end end, struct err *err);

/*
 * One system call in thread @t.  @ret is what the kernel returned (negative
 * errno included).  Nothing of the thread changes but by the call itself.  Not
 * for calls that leave something for the kernel to restart (nanosleep, poll or
 * futex with a timeout), nor those that do not return.
 */
int compel_syscall(struct compel_task *task, struct compel_thread *t, long nr,
		   const unsigned long args[6], long *ret, struct err *err);

/*
 * After compel_syscall() in an injected task: back into the blob, where our
 * death is noticed and descriptors are closed then.
 */
int compel_stay(struct compel_task *task, struct err *err);

/* A flat, position independent binary whose first byte is its entry. */
struct compel_image {
	const void *start;
	size_t size;
};

/*
 * Put @image into the task, with a buffer of @args_size bytes for arguments
 * behind it.  Uses no descriptors of the victim but one end of a socket pair.
 */
int compel_inject(struct compel_task *task, const struct compel_image *image, size_t args_size,
		  struct err *err);

/*
 * Run command @cmd in thread @t (the leader, or any other).  @args (@len bytes,
 * at most args_size) is copied into the victim's buffer before and back from it
 * after.  @ret_ret is what the command returned: negative errno, or a result.
 * Fails only if the victim or the channel is lost, or with -EFAULT if the
 * command has crashed: the victim can then be cured and lives on.
 *
 * The thread stays in the blob, running, until another thread is called, or
 * until compel_syscall() or the cure.  What else ptrace can tell of it is asked
 * before the first call or after the cure.
 *
 * Commands run with all signals blocked.  They do not call what needs the
 * kernel's restart block (see compel_syscall()), and wait only for things that
 * end when the caller does, or they will not notice that it has died.
 */
int compel_call(struct compel_task *task, struct compel_thread *t, uint32_t cmd, void *args,
		size_t len, long *ret_ret, struct err *err);

/*
 * compel_call() in two halves, for a command that runs long: the caller may do
 * other work, or start other tasks' commands, in between.
 */
int compel_call_start(struct compel_task *task, struct compel_thread *t, uint32_t cmd,
		      const void *args, size_t len, struct err *err);
int compel_call_finish(struct compel_task *task, void *args, size_t len, long *ret_ret,
		       struct err *err);

/* Give a copy of our @fd to the victim; @remote_ret is its number there.  It is closed by the cure. */
int compel_send_fd(struct compel_task *task, int fd, int *remote_ret, struct err *err);

/* Close there what was sent last. */
int compel_drop_fd(struct compel_task *task, struct err *err);

/* Take everything of ours out again: the task is stopped exactly as compel_seize() left it. */
int compel_cure(struct compel_task *task, struct err *err);

/* The floating point and vector state of a stopped thread, as NT_X86_XSTATE or its like has it. */
int compel_get_xstate(pid_t tid, void *buf, size_t size, size_t *len_ret, struct err *err);

/*
 * For restore: threads that were born traced by us and have stopped.
 *
 * They are seized (PTRACE_SEIZE, or born of a seized thread) with
 * PTRACE_O_TRACESYSGOOD, and stopped by PTRACE_EVENT_STOP; so they are after
 * each call, too.
 *
 * compel_raw_syscall() runs one system call through the system call
 * instruction at address @insn; registers are garbage afterwards.
 * compel_find_insn() finds one in what @tid has mapped, 0: there is none.
 * compel_set_state() gives a thread its final registers, vector state (@len 0:
 * none) and blocked signals.  Interrupted system calls are written as the
 * kernel has them (an ERESTART code as result): they are carried on when it runs.
 */
int compel_raw_syscall(pid_t tid, unsigned long insn, long nr, const unsigned long args[6],
		       long *ret, struct err *err);
unsigned long compel_find_insn(pid_t tid);
/*
 * The same in two halves, for many threads at a time, with one stop instead of three:
 * begin lets the thread go, end waits until it has made its call. SIGTRAP must be neither
 * blocked nor ignored, and the process not stopped.
 */
int compel_raw_begin(pid_t tid, unsigned long insn, long nr, const unsigned long args[6],
		     struct err *err);
int compel_raw_end(pid_t tid, long *ret, struct err *err);

/*
 * As compel_raw_syscall(), but the call is interrupted before it can wait: an
 * ERESTART code, or what it gave without waiting.
 */
int compel_interrupt_syscall(pid_t tid, unsigned long insn, long nr, const unsigned long args[6],
			     long *ret, struct err *err);
/* System call user dispatch, as the last thing: from then on calls of ours would be dispatched. */
int compel_set_dispatch(pid_t tid, const struct compel_dispatch *dispatch, struct err *err);

int compel_set_state(pid_t tid, const struct compel_regs *regs, const void *xstate, size_t len,
		     uint64_t sigmask, struct err *err);

/* What an interrupted system call looks like in @regs; nr is -1 outside of one. */
struct compel_interrupted {
	long nr;     /* number of the system call */
	long result; /* -ERESTARTSYS, -ERESTART_RESTARTBLOCK (-516) ... or any other result */
};
void compel_interrupted(const struct compel_regs *regs, struct compel_interrupted *in_ret);

/* Change @regs so that the interrupted system call is entered again with its old arguments. */
void compel_regs_reissue(struct compel_regs *regs);

/*
 * Whoever goes into other mount namespaces finds another /proc there, or none:
 * from now on this open directory is used instead.  Borrowed; -1: "/proc" again.
 */
void compel_use_proc(int proc);

#endif
