/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * core - registers of a thread on arm64, to and from its core image
 *
 * An interrupted system call has been put back to its instruction by the
 * kernel before we see it, so there is nothing to do about it here.
 *
 * refused   SVE state in use, 32-bit tasks
 */
#include <asm/ptrace.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "arch/arch.h"

enum {
	NR_REGS = 31,
	NR_VREGS = 32,
	VREG_WORDS = NR_VREGS * 2,
	PSTATE_AARCH32 = 0x10,
	PSTATE_USER = 0xf0000000, /* nzcv is all that a thread may choose here */
	NOTE_TLS = 0x401,
	NOTE_SVE = 0x405,
	NOTE_PACA_KEYS = 0x407,
	NOTE_PACG_KEYS = 0x408,
	NOTE_PAC_ENABLED_KEYS = 0x40a,
};

/* As the regset has it; the last words of the kernel's struct are padding. */
struct fpsimd {
	uint64_t vregs[VREG_WORDS];
	uint32_t fpsr, fpcr, pad[2];
};

static const uint64_t task_size = 1ull << 48;

const struct arch_cpu *arch_cpu_new(struct arena *a)
{
	return NULL;
}

CoreEntry__March arch_march(void)
{
	return CORE_ENTRY__MARCH__AARCH64;
}

uint64_t arch_core_ip(const CoreEntry *core)
{
	return core->ti_aarch64->gpregs->pc;
}

uint64_t arch_clear_tid_addr(const CoreEntry *core)
{
	return core->ti_aarch64->clear_tid_addr;
}

uint64_t arch_tls(const CoreEntry *core)
{
	return core->ti_aarch64->tls;
}

uint64_t arch_task_size(void)
{
	return task_size;
}

uint64_t arch_regs_ip(const struct compel_regs *regs)
{
	return regs->gp.pc;
}

void arch_regs_set_ip(struct compel_regs *regs, uint64_t ip)
{
	regs->gp.pc = ip;
}

void arch_core_init(CoreEntry *core, struct arena *a)
{
	ThreadInfoAarch64 *info = arena_new(a, ThreadInfoAarch64);

	thread_info_aarch64__init(info);
	info->gpregs = arena_new(a, UserAarch64RegsEntry);
	user_aarch64_regs_entry__init(info->gpregs);
	info->fpsimd = arena_new(a, UserAarch64FpsimdContextEntry);
	user_aarch64_fpsimd_context_entry__init(info->fpsimd);
	core->ti_aarch64 = info;
}

/* One regset; false if this CPU or kernel does not have it. */
static bool get_regset(pid_t tid, int note, void *buf, size_t size)
{
	struct iovec iov = { buf, size };

	return ptrace(PTRACE_GETREGSET, tid, note, &iov) == 0 && iov.iov_len == size;
}

static bool set_regset(pid_t tid, int note, const void *buf, size_t size)
{
	struct iovec iov = { (void *)buf, size };

	return ptrace(PTRACE_SETREGSET, tid, note, &iov) == 0;
}

/* ---- dump ---- */

static int check_sve(pid_t tid, struct err *err)
{
	struct user_sve_header head;
	struct iovec iov = { &head, sizeof(head) };

	if (ptrace(PTRACE_GETREGSET, tid, NOTE_SVE, &iov) < 0 ||
	    (head.flags & SVE_PT_REGS_MASK) != SVE_PT_REGS_SVE)
		return 0;
	err_set(err, EOPNOTSUPP, "cannot dump thread %d, which uses SVE", tid);
	return err_hint(
		err,
		"images have no place for SVE registers; dump while it does not compute with them");
}

static void collect_pac_keys(ThreadInfoAarch64 *info, pid_t tid, struct arena *a)
{
	struct user_pac_address_keys address;
	struct user_pac_generic_keys generic;
	uint64_t halves[2], enabled = 0;

	if (!get_regset(tid, NOTE_PACA_KEYS, &address, sizeof(address)))
		return;

	info->pac_keys = arena_new(a, PacKeys);
	pac_keys__init(info->pac_keys);
	PacAddressKeys *e = info->pac_keys->pac_address_keys = arena_new(a, PacAddressKeys);
	pac_address_keys__init(e);
	e->apiakey_lo = (uint64_t)address.apiakey;
	e->apiakey_hi = (uint64_t)(address.apiakey >> 64);
	e->apibkey_lo = (uint64_t)address.apibkey;
	e->apibkey_hi = (uint64_t)(address.apibkey >> 64);
	e->apdakey_lo = (uint64_t)address.apdakey;
	e->apdakey_hi = (uint64_t)(address.apdakey >> 64);
	e->apdbkey_lo = (uint64_t)address.apdbkey;
	e->apdbkey_hi = (uint64_t)(address.apdbkey >> 64);
	get_regset(tid, NOTE_PAC_ENABLED_KEYS, &enabled, sizeof(enabled));
	e->pac_enabled_key = enabled;

	if (!get_regset(tid, NOTE_PACG_KEYS, &generic, sizeof(generic)))
		return;
	memcpy(halves, &generic.apgakey, sizeof(halves));
	info->pac_keys->pac_generic_keys = arena_new(a, PacGenericKeys);
	pac_generic_keys__init(info->pac_keys->pac_generic_keys);
	info->pac_keys->pac_generic_keys->apgakey_lo = halves[0];
	info->pac_keys->pac_generic_keys->apgakey_hi = halves[1];
}

int arch_core_from_xstate(const struct arch_cpu *cpu, CoreEntry *core, pid_t tid,
			  const void *xstate, size_t len, struct arena *a, struct err *err)
{
	ThreadInfoAarch64 *info = core->ti_aarch64;
	const struct fpsimd *fp = xstate;

	if (len < offsetof(struct fpsimd, pad))
		return err_set(err, EPROTO, "cannot understand vector state of %zu bytes", len);
	if (check_sve(tid, err) < 0)
		return -err->code;
	if (!get_regset(tid, NOTE_TLS, &info->tls, sizeof(info->tls)))
		return err_sys(err, "cannot read the thread pointer of thread %d", tid);

	info->fpsimd->n_vregs = VREG_WORDS;
	info->fpsimd->vregs = arena_dup(a, fp->vregs, sizeof(fp->vregs));
	info->fpsimd->fpsr = fp->fpsr;
	info->fpsimd->fpcr = fp->fpcr;
	collect_pac_keys(info, tid, a);
	return 0;
}

int arch_core_from_regs(CoreEntry *core, const struct compel_regs *regs, uint64_t clear_tid_addr,
			struct arena *a, struct err *err)
{
	UserAarch64RegsEntry *e = core->ti_aarch64->gpregs;

	if (regs->gp.pstate & PSTATE_AARCH32) {
		err_set(err, EOPNOTSUPP, "cannot dump a 32-bit task");
		return err_hint(err, "only 64-bit programs can be dumped");
	}

	e->n_regs = NR_REGS;
	e->regs = arena_array(a, uint64_t, NR_REGS);
	for (int i = 0; i < NR_REGS; i++)
		e->regs[i] = regs->gp.regs[i];
	e->sp = regs->gp.sp;
	e->pc = regs->gp.pc;
	e->pstate = regs->gp.pstate;
	core->ti_aarch64->clear_tid_addr = clear_tid_addr;
	return 0;
}

void arch_core_set_eintr(CoreEntry *core)
{
}

bool arch_core_call(const CoreEntry *core, long *nr_ret, unsigned long args_ret[6])
{
	return false;
}

void arch_core_set_permitted(CoreEntry *core, uint64_t components)
{
}

uint64_t arch_permitted(const CoreEntry *core)
{
	return 0;
}

bool arch_vector_is_large(const CoreEntry *core)
{
	return false;
}

void arch_regs_set_call(struct compel_regs *regs, long nr)
{
}

long arch_number_loaded(const unsigned char *code, size_t len)
{
	return -1;
}

void arch_regs_set_result(struct compel_regs *regs, long result)
{
}

/* ---- restore ---- */

static int damaged(struct err *err)
{
	err_set(err, EBADMSG, "cannot use the registers in the image");
	return err_hint(err, "the checkpoint is damaged; take it again");
}

int arch_regs_from_core(const struct arch_cpu *cpu, const CoreEntry *core,
			struct compel_regs *regs_ret, void *xstate_ret, size_t *len_ret,
			struct err *err)
{
	const ThreadInfoAarch64 *info = core->ti_aarch64;
	struct fpsimd fp = { 0 };

	if (core->mtype != CORE_ENTRY__MARCH__AARCH64 || !info) {
		err_set(err, EOPNOTSUPP, "cannot restore a thread of another CPU");
		return err_hint(err, "restore on the architecture that was dumped; this is arm64");
	}
	if (info->gpregs->n_regs != NR_REGS || info->fpsimd->n_vregs != VREG_WORDS ||
	    info->gpregs->pc >= task_size)
		return damaged(err);

	memset(regs_ret, 0, sizeof(*regs_ret));
	for (int i = 0; i < NR_REGS; i++)
		regs_ret->gp.regs[i] = info->gpregs->regs[i];
	regs_ret->gp.sp = info->gpregs->sp;
	regs_ret->gp.pc = info->gpregs->pc;
	regs_ret->gp.pstate = info->gpregs->pstate & PSTATE_USER;

	memcpy(fp.vregs, info->fpsimd->vregs, sizeof(fp.vregs));
	fp.fpsr = info->fpsimd->fpsr;
	fp.fpcr = info->fpsimd->fpcr;
	memcpy(xstate_ret, &fp, sizeof(fp));
	*len_ret = sizeof(fp);
	return 0;
}

static bool set_pac_keys(pid_t tid, const PacKeys *keys)
{
	const PacAddressKeys *e = keys->pac_address_keys;
	const PacGenericKeys *g = keys->pac_generic_keys;
	uint64_t enabled = e ? e->pac_enabled_key : 0;

	if (e) {
		uint64_t k[] = {
			e->apiakey_lo, e->apiakey_hi, e->apibkey_lo, e->apibkey_hi,
			e->apdakey_lo, e->apdakey_hi, e->apdbkey_lo, e->apdbkey_hi,
		};

		if (!set_regset(tid, NOTE_PACA_KEYS, k, sizeof(k)) ||
		    !set_regset(tid, NOTE_PAC_ENABLED_KEYS, &enabled, sizeof(enabled)))
			return false;
	}
	if (g) {
		uint64_t k[] = { g->apgakey_lo, g->apgakey_hi };

		return set_regset(tid, NOTE_PACG_KEYS, k, sizeof(k));
	}
	return true;
}

int arch_set_thread(pid_t tid, const CoreEntry *core, struct err *err)
{
	const ThreadInfoAarch64 *info = core->ti_aarch64;

	if (!set_regset(tid, NOTE_TLS, &info->tls, sizeof(info->tls)))
		return err_sys(err, "cannot set the thread pointer of thread %d", tid);
	if (info->pac_keys && !set_pac_keys(tid, info->pac_keys)) {
		err_sys(err, "cannot set the pointer authentication keys of thread %d", tid);
		return err_hint(err,
				"restore on a CPU with the features of the one that was dumped");
	}
	return 0;
}
