/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shared - what the coordinator and the newborn tasks tell each other
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/inject.h"
#include "core/births.h"
#include "core/files.h"
#include "core/shared.h"
#include "core/task.h"

/* What a test wants to go wrong inside the restorers. */
static void inject_restorers(struct shared_page *p)
{
	struct inject_wish wish;

	p->inject = inject_counts();
	for (uint32_t op = RST_NONE + 1; op < RST_OPS; op++) {
		if (!inject_wished(&wish, "restorer:%u", op))
			continue;
		p->inject = 1;
		p->inject_op = op;
		p->inject_code = wish.code;
		p->inject_hang = wish.hang;
		p->inject_kill = wish.kill;
	}
}

int shared_count(const struct shared *s, struct err *err)
{
	for (uint32_t op = RST_NONE + 1; op < RST_OPS; op++)
		if (s->page.passed & 1ull << op && inject_point(err, "restorer:%u", op) < 0)
			return -err->code;
	return 0;
}

int shared_new(struct restore *r, struct err *err)
{
	size_t size = sizeof(struct shared);
	size_t fds = size, tasks;
	struct shared *s;
	size_t i;

	size += (r->files->nr * sizeof(int32_t) + 15) & ~(size_t)15;
	tasks = size;
	size += (r->tree->nr_tasks + r->births->nr_helpers) * sizeof(struct shared_task);

	s = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		return err_sys(err, "cannot make %zu bytes of shared memory", size);

	s->file_fd = (int32_t *)((char *)s + fds);
	s->tasks = (struct shared_task *)((char *)s + tasks);
	s->nr_tasks = r->tree->nr_tasks;
	s->last_pid = getpid();
	for (i = 0; i < r->files->nr; i++)
		s->file_fd[i] = -1;
	inject_restorers(&s->page);
	r->shared = s;
	return 0;
}

void shared_fail(struct shared *s, const struct err *err)
{
	if (__atomic_exchange_n(&s->has_err, 1, __ATOMIC_ACQ_REL) == 0)
		s->err = *err;
}

static const char *op_text(enum restorer_op op)
{
	switch (op) {
	case RST_NONE:
	case RST_OPS:
		break;
	case RST_UNMAP:
		return "cannot unmap our own memory at %#llx";
	case RST_VDSO:
		return "cannot put the vdso at %#llx";
	case RST_MMAP:
		return "cannot map memory at %#llx";
	case RST_READ:
		return "cannot read pages from the image to %#llx";
	case RST_PROTECT:
		return "cannot protect memory at %#llx";
	case RST_MADVISE:
		return "cannot advise on memory at %#llx";
	case RST_MM:
		return "cannot set the limits of the address space";
	case RST_THREAD:
		return "cannot create thread %llu";
	case RST_FILLER:
		return "cannot create a helper that reads pages";
	case RST_SIGACTION:
		return "cannot set the action of signal %llu";
	case RST_SIGQUEUE:
		return "cannot queue signal %llu";
	case RST_ITIMER:
		return "cannot set interval timer %llu";
	case RST_TIMER:
		return "cannot make POSIX timer %llu";
	case RST_CREDS:
		return "cannot set credentials (step %llu)";
	case RST_SECCOMP:
		return "cannot install seccomp filter %llu";
	case RST_RLIMIT:
		return "cannot set resource limit %llu";
	case RST_SCHED:
		return "cannot set the scheduling of thread %llu";
	case RST_PRCTL:
		return "cannot set process attribute %llu (prctl)";
	case RST_RSEQ:
		return "cannot register restartable sequences of thread %llu";
	case RST_SAS:
		return "cannot set the alternate signal stack of thread %llu";
	case RST_LOCK:
		return "cannot lock memory at %#llx";
	case RST_GUARD:
		return "cannot guard memory at %#llx";
	case RST_FILE_LOCK:
		return "cannot lock the file at descriptor %llu again";
	case RST_SHM:
		return "cannot attach System V segment %llu";
	case RST_POLICY:
		return "cannot set the memory policy of thread %llu";
	case RST_AIO:
		return "cannot make the AIO ring at %#llx";
	case RST_MSEAL:
		return "cannot seal the memory at %#llx";
	case RST_MBIND:
		return "cannot set the memory policy of %#llx";
	case RST_FS:
		return "cannot enter the directory at descriptor %llu";
	case RST_SEAL:
		return "cannot seal memory (%#llx)";
	}
	return "cannot go on in the restorer (%llu)";
}

static void page_failure(const struct shared_page *p, struct err *err)
{
	char what[256];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(what, sizeof(what), op_text((enum restorer_op)p->op), (unsigned long long)p->arg);
#pragma GCC diagnostic pop
	err_set(err, p->code, "%s", what);
	err_in(err, "task %d", p->pid);
}

bool shared_failure(const struct shared *s, struct err *err_ret)
{
	if (s->has_err)
		*err_ret = s->err;
	else if (s->page.failed)
		page_failure(&s->page, err_ret);
	else
		return false;
	return true;
}
