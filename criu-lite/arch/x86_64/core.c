/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * core - registers of a thread on x86-64, to and from its core image
 *
 * A thread stopped in a system call has its number in orig_rax and an ERESTART
 * code in rax; once let go, the kernel moves rip back over the instruction, or
 * makes it EINTR if a handler has to run.  Images have what CRIU expects: rip
 * already moved.  The code itself is kept beside it (thread_core.interrupted),
 * so that our restore gives the decision back to the kernel: a timer that
 * fires while the task is being rebuilt ends pause() as it should.
 *
 * not kept	an LDT, I/O permissions; refused: 32-bit tasks, shadow stacks
 */
#include <asm/ldt.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "arch/arch.h"
#include "arch/x86_64/xsave.h"

#ifndef PTRACE_GET_THREAD_AREA
#define PTRACE_GET_THREAD_AREA 25
#define PTRACE_SET_THREAD_AREA 26
#endif

enum {
	TLS_FIRST = 12, /* entries of the GDT */
	NR_TLS = 3,
	SYSCALL_SIZE = 2,
	USER_CS = 0x33,
	USER_DS = 0x2b,
	FLAGS_FIXED = 0x202,
	NOTE_SHSTK = 0x204,
	ERESTARTSYS = 512, /* the first of the ERESTART codes, and the last */
	ERESTARTNOHAND = 514,
	ERESTART_RESTARTBLOCK = 516,
};

static const unsigned long long task_size = (1ull << 47) - 4096;

CoreEntry__March arch_march(void)
{
	return CORE_ENTRY__MARCH__X86_64;
}

uint64_t arch_core_ip(const CoreEntry *core)
{
	return core->thread_info->gpregs->ip;
}

uint64_t arch_clear_tid_addr(const CoreEntry *core)
{
	return core->thread_info->clear_tid_addr;
}

uint64_t arch_tls(const CoreEntry *core)
{
	return 0;
}

uint64_t arch_task_size(void)
{
	return task_size;
}

uint64_t arch_regs_ip(const struct compel_regs *regs)
{
	return regs->gp.rip;
}

void arch_regs_set_ip(struct compel_regs *regs, uint64_t ip)
{
	regs->gp.rip = ip;
}

void arch_core_init(CoreEntry *core, struct arena *a)
{
	ThreadInfoX86 *info = arena_new(a, ThreadInfoX86);

	thread_info_x86__init(info);
	info->gpregs = arena_new(a, UserX86RegsEntry);
	user_x86_regs_entry__init(info->gpregs);
	info->fpregs = arena_new(a, UserX86FpregsEntry);
	user_x86_fpregs_entry__init(info->fpregs);
	core->thread_info = info;
}

/* ---- thread-local segments: three entries of the GDT ---- */

static void tls_to_image(const struct user_desc *d, UserDescT *e)
{
	e->entry_number = d->entry_number;
	e->base_addr = d->base_addr;
	e->limit = d->limit;
	e->seg_32bit = d->seg_32bit;
	e->contents_h = d->contents >> 1;
	e->contents_l = d->contents & 1;
	e->read_exec_only = d->read_exec_only;
	e->limit_in_pages = d->limit_in_pages;
	e->seg_not_present = d->seg_not_present;
	e->usable = d->useable;
}

static void collect_tls(ThreadInfoX86 *info, pid_t tid, struct arena *a)
{
	info->n_tls = NR_TLS;
	info->tls = arena_array(a, UserDescT *, NR_TLS);

	for (unsigned int i = 0; i < NR_TLS; i++) {
		/* what an empty entry looks like, for kernels without 32-bit support */
		struct user_desc d = { .read_exec_only = 1, .seg_not_present = 1 };

		ptrace(PTRACE_GET_THREAD_AREA, tid, TLS_FIRST + i, &d);
		d.entry_number = TLS_FIRST + i;
		info->tls[i] = arena_new(a, UserDescT);
		user_desc_t__init(info->tls[i]);
		tls_to_image(&d, info->tls[i]);
	}
}

static bool tls_is_empty(const UserDescT *e)
{
	return e->seg_not_present && e->read_exec_only && !e->base_addr && !e->limit;
}

int arch_set_thread(pid_t tid, const CoreEntry *core, struct err *err)
{
	const ThreadInfoX86 *info = core->thread_info;

	for (size_t i = 0; i < info->n_tls; i++) {
		const UserDescT *e = info->tls[i];
		struct user_desc d = {
			.entry_number = e->entry_number,
			.base_addr = e->base_addr,
			.limit = e->limit,
			.seg_32bit = e->seg_32bit,
			.contents = (unsigned int)(e->contents_h << 1 | e->contents_l),
			.read_exec_only = e->read_exec_only,
			.limit_in_pages = e->limit_in_pages,
			.seg_not_present = e->seg_not_present,
			.useable = e->usable,
		};

		if (tls_is_empty(e))
			continue;
		if (ptrace(PTRACE_SET_THREAD_AREA, tid, e->entry_number, &d) < 0)
			return err_sys(err, "cannot set segment %u of thread %d", e->entry_number,
				       tid);
	}
	return 0;
}

/* ---- dump ---- */

static int check_shadow_stack(pid_t tid, struct err *err)
{
	uint64_t ssp;
	struct iovec iov = { &ssp, sizeof(ssp) };

	if (ptrace(PTRACE_GETREGSET, tid, NOTE_SHSTK, &iov) < 0)
		return 0;

	err_set(err, EOPNOTSUPP, "cannot dump thread %d: it has a shadow stack", tid);
	return err_hint(err, "start the program with GLIBC_TUNABLES=glibc.cpu.hwcaps=-SHSTK");
}

int arch_core_from_xstate(const struct arch_cpu *cpu, CoreEntry *core, pid_t tid,
			  const void *xstate, size_t len, struct arena *a, struct err *err)
{
	if (check_shadow_stack(tid, err) < 0)
		return -err->code;

	collect_tls(core->thread_info, tid, a);
	return xsave_to_image(cpu, xstate, len, core->thread_info->fpregs, a, err);
}

static void regs_to_image(const struct user_regs_struct *r, UserX86RegsEntry *e)
{
	e->r15 = r->r15;
	e->r14 = r->r14;
	e->r13 = r->r13;
	e->r12 = r->r12;
	e->bp = r->rbp;
	e->bx = r->rbx;
	e->r11 = r->r11;
	e->r10 = r->r10;
	e->r9 = r->r9;
	e->r8 = r->r8;
	e->ax = r->rax;
	e->cx = r->rcx;
	e->dx = r->rdx;
	e->si = r->rsi;
	e->di = r->rdi;
	e->orig_ax = r->orig_rax;
	e->ip = r->rip;
	e->cs = r->cs;
	e->flags = r->eflags;
	e->sp = r->rsp;
	e->ss = r->ss;
	e->fs_base = r->fs_base;
	e->gs_base = r->gs_base;
	e->ds = r->ds;
	e->es = r->es;
	e->fs = r->fs;
	e->gs = r->gs;
	e->has_mode = true;
	e->mode = USER_X86_REGS_MODE__NATIVE;
}

int arch_core_from_regs(CoreEntry *core, const struct compel_regs *regs, uint64_t clear_tid_addr,
			struct arena *a, struct err *err)
{
	struct compel_regs again = *regs;
	struct compel_interrupted in;

	if (regs->gp.cs != USER_CS) {
		err_set(err, EOPNOTSUPP, "cannot dump a 32-bit task");
		return err_hint(err, "only 64-bit programs can be dumped");
	}

	compel_interrupted(regs, &in);
	compel_regs_reissue(&again);
	regs_to_image(&again.gp, core->thread_info->gpregs);
	core->thread_info->clear_tid_addr = clear_tid_addr;

	if (again.gp.rip != regs->gp.rip) {
		SyscallEntry *e = arena_new(a, SyscallEntry);

		syscall_entry__init(e);
		e->result = (int32_t)in.result;
		core->thread_core->interrupted = e;
	}
	return 0;
}

static bool is_reissued(const UserX86RegsEntry *e)
{
	return (long)e->orig_ax < 0;
}

bool arch_core_call(const CoreEntry *core, long *nr_ret, unsigned long args_ret[6])
{
	const UserX86RegsEntry *e = core->thread_info->gpregs;

	if (!core->thread_core->interrupted)
		return false;
	*nr_ret = (long)(is_reissued(e) ? e->ax : e->orig_ax);
	args_ret[0] = e->di;
	args_ret[1] = e->si;
	args_ret[2] = e->dx;
	args_ret[3] = e->r10;
	args_ret[4] = e->r8;
	args_ret[5] = e->r9;
	return true;
}

void arch_core_set_permitted(CoreEntry *core, uint64_t components)
{
	core->thread_info->has_permitted = components != 0;
	core->thread_info->permitted = components;
}

uint64_t arch_permitted(const CoreEntry *core)
{
	return core->thread_info->permitted;
}

bool arch_vector_is_large(const CoreEntry *core)
{
	const UserX86XsaveEntry *x = core->thread_info->fpregs->xsave;

	return x && xsave_is_large(x->xstate_bv);
}

void arch_regs_set_call(struct compel_regs *regs, long nr)
{
	regs->gp.orig_rax = (unsigned long)nr;
}

/* mov $NR, %eax */
long arch_number_loaded(const unsigned char *code, size_t len)
{
	enum { MOV_EAX = 0xb8, MOV_SIZE = 5, NR_MAX = 1024 };
	uint32_t nr;

	for (size_t at = len - SYSCALL_SIZE - MOV_SIZE + 1; at-- > 0;) {
		memcpy(&nr, code + at + 1, sizeof(nr));
		if (code[at] == MOV_EAX && nr < NR_MAX)
			return nr;
	}
	return -1;
}

void arch_core_set_eintr(CoreEntry *core)
{
	UserX86RegsEntry *e = core->thread_info->gpregs;

	if (!core->thread_core->interrupted)
		return;
	e->orig_ax = e->ax;
	e->ax = (uint64_t)-EINTR;
	e->ip += SYSCALL_SIZE;
}

/* ---- restore ---- */

static int check_regs(const CoreEntry *core, struct err *err)
{
	const ThreadInfoX86 *info = core->thread_info;

	if (core->mtype != CORE_ENTRY__MARCH__X86_64 || !info) {
		err_set(err, EOPNOTSUPP, "cannot restore a thread of another CPU");
		return err_hint(err, "restore on the architecture that was dumped; this is x86-64");
	}
	if (info->gpregs->mode != USER_X86_REGS_MODE__NATIVE || info->gpregs->cs != USER_CS) {
		err_set(err, EOPNOTSUPP, "cannot restore a 32-bit task");
		return err_hint(err, "only 64-bit programs can be restored");
	}
	if (info->gpregs->ip >= task_size || info->gpregs->fs_base >= task_size ||
	    info->gpregs->gs_base >= task_size)
		return err_set(err, EBADMSG,
			       "cannot use registers that point outside of user memory");
	return 0;
}

static void regs_from_image(const UserX86RegsEntry *e, struct user_regs_struct *r)
{
	r->r15 = e->r15;
	r->r14 = e->r14;
	r->r13 = e->r13;
	r->r12 = e->r12;
	r->rbp = e->bp;
	r->rbx = e->bx;
	r->r11 = e->r11;
	r->r10 = e->r10;
	r->r9 = e->r9;
	r->r8 = e->r8;
	r->rax = e->ax;
	r->rcx = e->cx;
	r->rdx = e->dx;
	r->rsi = e->si;
	r->rdi = e->di;
	r->orig_rax = (unsigned long)-1; /* outside of a system call */
	r->rip = e->ip;
	r->cs = USER_CS;
	r->eflags = e->flags | FLAGS_FIXED;
	r->rsp = e->sp;
	r->ss = USER_DS;
	r->fs_base = e->fs_base;
	r->gs_base = e->gs_base;
	r->ds = e->ds;
	r->es = e->es;
	r->fs = e->fs;
	r->gs = e->gs;
}

/* Back into the system call, as the kernel had it when it stopped. */
static void regs_interrupt(const UserX86RegsEntry *e, long result, struct user_regs_struct *r)
{
	bool reissued = is_reissued(e);

	/* There is no restart block unless the call is entered again, see core/wait.h. */
	if (result == -ERESTART_RESTARTBLOCK)
		result = -ERESTARTNOHAND;
	r->orig_rax = reissued ? e->ax : e->orig_ax;
	r->rip = e->ip + (reissued ? SYSCALL_SIZE : 0);
	r->rax = (unsigned long)result;
}

void arch_regs_set_result(struct compel_regs *regs, long result)
{
	regs->gp.rax = (unsigned long)result;
	/* the kernel looks at the number only if there is something to restart */
	if (result > -ERESTARTSYS || result < -ERESTART_RESTARTBLOCK)
		regs->gp.orig_rax = (unsigned long)-1;
}

int arch_regs_from_core(const struct arch_cpu *cpu, const CoreEntry *core,
			struct compel_regs *regs_ret, void *xstate_ret, size_t *len_ret,
			struct err *err)
{
	const SyscallEntry *in = core->thread_core ? core->thread_core->interrupted : NULL;

	if (check_regs(core, err) < 0)
		return -err->code;

	memset(regs_ret, 0, sizeof(*regs_ret));
	regs_from_image(core->thread_info->gpregs, &regs_ret->gp);
	if (in)
		regs_interrupt(core->thread_info->gpregs, in->result, &regs_ret->gp);
	if (xsave_check_permitted(cpu, core->thread_info->permitted, err) < 0)
		return -err->code;
	return xsave_from_image(cpu, core->thread_info->fpregs, xstate_ret, len_ret, err);
}
