/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rseq - restartable sequences: memory that the kernel writes at every switch
 *
 * collect   where it is, by ptrace.  A thread that stands inside a critical
 *	     section has already been sent to its abort handler by compel.
 * map       our own libc's is given up, or the kernel would write where we once
 *	     had memory; then the restorer registers the thread's
 */
#include <errno.h>
#include <linux/rseq.h>
#include <sys/ptrace.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/kind.h"
#include "core/region.h"

static int collect_rseq(struct dump *d, struct task *t, struct err *err)
{
	for (size_t i = 0; t->state != TASK_DEAD && i < t->nr_threads; i++) {
		struct __ptrace_rseq_configuration conf;
		RseqEntry *e;

		if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, t->threads[i].host_tid, sizeof(conf),
			   &conf) != sizeof(conf))
			continue; /* a kernel before 5.13, or without rseq */
		e = record_new(d, rseq_entry);
		e->rseq_abi_pointer = conf.rseq_abi_pointer;
		e->rseq_abi_size = conf.rseq_abi_size;
		e->signature = conf.signature;
		t->threads[i].core->thread_core->rseq_entry = e;
	}
	return 0;
}

static int read_rseq(struct restore *r, struct task *t, struct err *err)
{
	for (size_t i = 0; t->state != TASK_DEAD && i < t->nr_threads; i++) {
		const RseqEntry *e = t->threads[i].core->thread_core->rseq_entry;

		if (!e || !e->has_rseq_cs_pointer)
			continue;
		err_set(err, EOPNOTSUPP, "cannot restore thread %d inside a restartable sequence",
			t->threads[i].tid);
		err_why(err,
			"it asked not to be restarted, which kernels since 6.0 do not support");
		return err_hint(err, "dump it once more, when it is somewhere else");
	}
	return 0;
}

/* The length must be the one that libc has given, which it does not tell exactly. */
static int give_up_own(struct err *err)
{
	void *own = (char *)__builtin_thread_pointer() + __rseq_offset;

	if (!__rseq_size)
		return 0;
	for (unsigned int len = 32; len <= 256; len += 4)
		if (syscall(SYS_rseq, own, len, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) == 0)
			return 0;
	return err_sys(err, "cannot give up our own rseq");
}

static int map_rseq(struct restore *r, struct task *t, struct err *err)
{
	for (size_t i = 0; i < t->nr_threads; i++) {
		const RseqEntry *e = t->threads[i].core->thread_core->rseq_entry;
		struct restorer_thread *out = &r->region->threads[i];

		if (!e)
			continue;
		out->rseq = e->rseq_abi_pointer;
		out->rseq_size = e->rseq_abi_size;
		out->rseq_sig = e->signature;
	}
	return give_up_own(err);
}

static const enum kernel_feature needs[] = { KERNEL_PTRACE_RSEQ, KERNEL_NONE };

const struct task_kind rseq_kind = {
	.name = "rseq",
	.needs = needs,
	.collect = collect_rseq,
	.read = read_rseq,
	.map = map_rseq,
};
