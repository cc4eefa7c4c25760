/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xsave - x87, SSE, AVX, AVX-512, MPX and protection keys of a thread
 *
 * The kernel's regset is an XSAVE area in the standard format: 512 bytes as
 * FXSAVE has them, a header, then components at offsets that CPUID leaf 0xD
 * tells.  Images have a list of their own for each component.  What the header
 * does not name is in its initial state, whatever its bytes are.
 *
 * AMX tiles have no list, so they go into one of our own.  A process must ask
 * for them, and the kernel makes room for them in a thread at its first use:
 * the restorer repeats both (pie_vector.c).
 */
#include <cpuid.h>
#include <errno.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/x86_64/xsave.h"
#include "compel.h"

enum {
	FXSAVE_CWD = 0,
	FXSAVE_SWD = 2,
	FXSAVE_TWD = 4,
	FXSAVE_FOP = 6,
	FXSAVE_RIP = 8,
	FXSAVE_RDP = 16,
	FXSAVE_MXCSR = 24,
	FXSAVE_MXCSR_MASK = 28,
	FXSAVE_ST = 32,
	FXSAVE_XMM = 160,
	FXSAVE_SIZE = 512,
	HEADER_SIZE = 64,
	ST_WORDS = 32,
	XMM_WORDS = 64,
	CPUID_XSAVE = 0xd,
	MXCSR_MASK_DEFAULT = 0xffbf,
	XFEATURES_LEGACY = 3, /* x87 and SSE */
	PKRU = 9,
	TILE_CONFIG = 17,
	TILE_DATA = 18,
	COMPONENTS_MAX,
};

struct component {
	unsigned int bit;
	const char *name;
	size_t size;	/* of its state */
	size_t width;	/* of the numbers it is in the image */
	size_t n, list; /* offsets of n_... and of the list in UserX86XsaveEntry */
};

#define COMPONENT(bit, name, size, width, member)                                \
	{                                                                        \
		bit, name, size, width, offsetof(UserX86XsaveEntry, n_##member), \
			offsetof(UserX86XsaveEntry, member)                      \
	}

static const struct component components[] = {
	COMPONENT(2, "AVX", 256, 4, ymmh_space),
	COMPONENT(3, "MPX bounds", 64, 8, bndreg_state),
	COMPONENT(4, "MPX configuration", 64, 8, bndcsr_state),
	COMPONENT(5, "AVX-512 masks", 64, 8, opmask_reg),
	COMPONENT(6, "AVX-512 upper halves", 512, 8, zmm_upper),
	COMPONENT(7, "AVX-512 registers 16 to 31", 1024, 8, hi16_zmm),
	COMPONENT(PKRU, "protection keys", 8, 4, pkru),
};

enum { NR_COMPONENTS = sizeof(components) / sizeof(components[0]) };

/* What goes into the list of others. */
static const struct {
	unsigned int bit;
	const char *name;
} others[] = {
	{ TILE_CONFIG, "AMX" },
	{ TILE_DATA, "AMX" },
};

enum { NR_OTHERS = sizeof(others) / sizeof(others[0]) };

static uint64_t known_features(void)
{
	uint64_t mask = XFEATURES_LEGACY;

	for (int i = 0; i < NR_OTHERS; i++)
		mask |= 1ull << others[i].bit;
	for (int i = 0; i < NR_COMPONENTS; i++)
		mask |= 1ull << components[i].bit;
	return mask;
}

struct arch_cpu {
	uint64_t enabled; /* components: XCR0 */
	size_t size;	  /* of an area with all of them, as PTRACE_SETREGSET wants it */
	uint32_t mxcsr_mask;
	struct {
		size_t offset, size;
	} components[COMPONENTS_MAX];
};

static uint64_t enabled_features(void)
{
	uint32_t eax, ebx, ecx, edx;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE))
		return XFEATURES_LEGACY;

	__asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
	return (uint64_t)edx << 32 | eax;
}

static uint32_t mxcsr_mask(void)
{
	char area[FXSAVE_SIZE] __attribute__((aligned(16))) = { 0 };
	uint32_t mask;

	__asm__ volatile("fxsave64 %0" : "=m"(area));
	memcpy(&mask, area + FXSAVE_MXCSR_MASK, sizeof(mask));
	return mask ? mask : MXCSR_MASK_DEFAULT;
}

const struct arch_cpu *arch_cpu_new(struct arena *a)
{
	struct arch_cpu *cpu = arena_new(a, struct arch_cpu);
	uint32_t eax, ebx, ecx, edx;

	cpu->enabled = enabled_features();
	cpu->mxcsr_mask = mxcsr_mask();
	__cpuid_count(CPUID_XSAVE, 0, eax, ebx, ecx, edx);
	cpu->size = ebx;
	for (uint64_t left = cpu->enabled & known_features() & ~(uint64_t)XFEATURES_LEGACY; left;
	     left &= left - 1) {
		unsigned int bit = (unsigned int)__builtin_ctzll(left);

		__cpuid_count(CPUID_XSAVE, bit, eax, ebx, ecx, edx);
		cpu->components[bit].size = eax;
		cpu->components[bit].offset = ebx;
	}
	return cpu;
}

static uint16_t get16(const char *area, size_t at)
{
	uint16_t v;

	memcpy(&v, area + at, sizeof(v));
	return v;
}

static uint32_t get32(const char *area, size_t at)
{
	uint32_t v;

	memcpy(&v, area + at, sizeof(v));
	return v;
}

static uint64_t get64(const char *area, size_t at)
{
	uint64_t v;

	memcpy(&v, area + at, sizeof(v));
	return v;
}

bool xsave_is_large(uint64_t used)
{
	return used >> TILE_DATA & 1;
}

static int refuse_feature(unsigned int bit, struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot dump a thread that uses CPU state component %u", bit);
	return err_hint(err, "images have no place for it");
}

/* ---- dump ---- */

static void legacy_to_image(const char *area, UserX86FpregsEntry *fp, struct arena *a)
{
	fp->cwd = get16(area, FXSAVE_CWD);
	fp->swd = get16(area, FXSAVE_SWD);
	fp->twd = get16(area, FXSAVE_TWD);
	fp->fop = get16(area, FXSAVE_FOP);
	fp->rip = get64(area, FXSAVE_RIP);
	fp->rdp = get64(area, FXSAVE_RDP);
	fp->mxcsr = get32(area, FXSAVE_MXCSR);
	fp->mxcsr_mask = get32(area, FXSAVE_MXCSR_MASK);
	fp->n_st_space = ST_WORDS;
	fp->st_space = arena_dup(a, area + FXSAVE_ST, ST_WORDS * 4);
	fp->n_xmm_space = XMM_WORDS;
	fp->xmm_space = arena_dup(a, area + FXSAVE_XMM, XMM_WORDS * 4);
}

static void component_to_image(const struct arch_cpu *cpu, const struct component *c,
			       const char *area, UserX86XsaveEntry *x, struct arena *a)
{
	size_t *n = (size_t *)((char *)x + c->n);
	void **list = (void **)((char *)x + c->list);

	*n = c->size / c->width;
	*list = arena_dup(a, area + cpu->components[c->bit].offset, c->size);
}

static int others_to_image(const struct arch_cpu *cpu, const char *area, size_t len,
			   UserX86XsaveEntry *x, struct arena *a, struct err *err)
{
	x->others = arena_array(a, UserX86ComponentEntry *, NR_OTHERS);
	for (int i = 0; i < NR_OTHERS; i++) {
		unsigned int bit = others[i].bit;
		UserX86ComponentEntry *e;

		if (!(x->xstate_bv >> bit & 1))
			continue;
		if (cpu->components[bit].offset + cpu->components[bit].size > len)
			return err_set(err, EPROTO, "cannot understand vector state of %zu bytes",
				       len);
		e = arena_new(a, UserX86ComponentEntry);
		user_x86_component_entry__init(e);
		e->number = bit;
		e->state.len = cpu->components[bit].size;
		e->state.data = arena_dup(a, area + cpu->components[bit].offset, e->state.len);
		x->others[x->n_others++] = e;
	}
	return 0;
}

int xsave_to_image(const struct arch_cpu *cpu, const void *area, size_t len, UserX86FpregsEntry *fp,
		   struct arena *a, struct err *err)
{
	UserX86XsaveEntry *x = arena_new(a, UserX86XsaveEntry);
	uint64_t used, unknown;

	if (len < FXSAVE_SIZE + HEADER_SIZE)
		return err_set(err, EPROTO, "cannot understand vector state of %zu bytes", len);

	used = get64(area, FXSAVE_SIZE);
	unknown = used & ~known_features();
	if (unknown)
		return refuse_feature((unsigned int)__builtin_ctzll(unknown), err);

	user_x86_xsave_entry__init(x);
	legacy_to_image(area, fp, a);
	for (int i = 0; i < NR_COMPONENTS; i++) {
		const struct component *c = &components[i];

		if ((cpu->enabled >> c->bit & 1) && cpu->components[c->bit].offset + c->size <= len)
			component_to_image(cpu, c, area, x, a);
	}

	/* The kernel keeps PKRU elsewhere and its bit here may be stale. */
	if (x->n_pkru && x->pkru[0])
		used |= 1u << PKRU;
	x->xstate_bv = used;
	x->cet = arena_new(a, UserX86CetEntry);
	user_x86_cet_entry__init(x->cet);
	fp->xsave = x;
	return others_to_image(cpu, area, len, x, a, err);
}

/* ---- restore ---- */

static int damaged(const char *what, struct err *err)
{
	err_set(err, EBADMSG, "cannot use %s in the image", what);
	return err_hint(err, "the checkpoint is damaged; take it again");
}

static void put(char *area, size_t at, uint64_t value, size_t width)
{
	memcpy(area + at, &value, width);
}

static int legacy_from_image(const struct arch_cpu *cpu, const UserX86FpregsEntry *fp, char *area,
			     struct err *err)
{
	if (fp->n_st_space != ST_WORDS)
		return damaged("the list of x87 registers", err);
	if (fp->n_xmm_space != XMM_WORDS)
		return damaged("the list of SSE registers", err);
	/* the kernel refuses these bits too, without saying which */
	if (fp->mxcsr & ~cpu->mxcsr_mask)
		return damaged("the SSE control register (mxcsr)", err);

	put(area, FXSAVE_CWD, fp->cwd, 2);
	put(area, FXSAVE_SWD, fp->swd, 2);
	put(area, FXSAVE_TWD, fp->twd, 2);
	put(area, FXSAVE_FOP, fp->fop, 2);
	put(area, FXSAVE_RIP, fp->rip, 8);
	put(area, FXSAVE_RDP, fp->rdp, 8);
	put(area, FXSAVE_MXCSR, fp->mxcsr, 4);
	put(area, FXSAVE_MXCSR_MASK, fp->mxcsr_mask, 4);
	memcpy(area + FXSAVE_ST, fp->st_space, ST_WORDS * 4);
	memcpy(area + FXSAVE_XMM, fp->xmm_space, XMM_WORDS * 4);
	return 0;
}

static int component_from_image(const struct arch_cpu *cpu, const struct component *c,
				const UserX86XsaveEntry *x, char *area, size_t size,
				struct err *err)
{
	size_t n = *(const size_t *)((const char *)x + c->n);
	void *const *list = (void *const *)((const char *)x + c->list);

	if (n != c->size / c->width)
		return damaged(c->name, err);
	if (cpu->components[c->bit].offset + c->size > size)
		return err_set(err, EPROTO, "cannot place %s in vector state of %zu bytes", c->name,
			       size);

	memcpy(area + cpu->components[c->bit].offset, *list, c->size);
	return 0;
}

static int check_feature(const struct arch_cpu *cpu, unsigned int bit, const char *name,
			 struct err *err)
{
	if (cpu->enabled >> bit & 1)
		return 0;

	err_set(err, EOPNOTSUPP, "cannot restore a thread that uses %s", name);
	err_why(err, "this CPU, or its hypervisor, does not have it");
	return err_hint(err, "restore on a machine with the features of the one that was dumped");
}

int xsave_check_permitted(const struct arch_cpu *cpu, uint64_t permitted, struct err *err)
{
	for (unsigned int bit = 0; bit < 64; bit++)
		if ((permitted >> bit & 1) && check_feature(cpu, bit, "AMX", err) < 0)
			return -err->code;
	return 0;
}

static const UserX86ComponentEntry *find_other(const UserX86XsaveEntry *x, unsigned int bit)
{
	for (size_t i = 0; i < x->n_others; i++)
		if (x->others[i]->number == bit)
			return x->others[i];
	return NULL;
}

static int others_from_image(const struct arch_cpu *cpu, const UserX86XsaveEntry *x, char *area,
			     size_t size, struct err *err)
{
	for (int i = 0; i < NR_OTHERS; i++) {
		unsigned int bit = others[i].bit;
		const UserX86ComponentEntry *e;

		if (!(x->xstate_bv >> bit & 1))
			continue;
		if (check_feature(cpu, bit, others[i].name, err) < 0)
			return -err->code;
		e = find_other(x, bit);
		if (!e || e->state.len != cpu->components[bit].size ||
		    cpu->components[bit].offset + e->state.len > size)
			return damaged(others[i].name, err);
		memcpy(area + cpu->components[bit].offset, e->state.data, e->state.len);
	}
	return 0;
}

/* Nothing may be left over that this kernel, or this version of us, would drop. */
static int check_features(uint64_t used, struct err *err)
{
	uint64_t unknown = used & ~known_features();

	if (!unknown)
		return 0;
	err_set(err, EOPNOTSUPP, "cannot restore CPU state component %d", __builtin_ctzll(unknown));
	return err_hint(err, "use a newer criu-lite");
}

int xsave_from_image(const struct arch_cpu *cpu, const UserX86FpregsEntry *fp, void *area,
		     size_t *len_ret, struct err *err)
{
	const UserX86XsaveEntry *x = fp->xsave;
	uint64_t used = x ? x->xstate_bv : XFEATURES_LEGACY;
	size_t size = cpu->size;

	if (size > COMPEL_XSTATE_MAX)
		return err_set(err, EPROTO, "cannot use vector state of %zu bytes", size);
	if (x && x->cet && x->cet->cet) {
		err_set(err, EOPNOTSUPP, "cannot restore a thread with a shadow stack");
		return err_hint(err,
				"start the program with GLIBC_TUNABLES=glibc.cpu.hwcaps=-SHSTK");
	}

	memset(area, 0, size);
	if (legacy_from_image(cpu, fp, area, err) < 0 || check_features(used, err) < 0)
		return -err->code;
	for (int i = 0; i < NR_COMPONENTS; i++) {
		const struct component *c = &components[i];

		if (!(used >> c->bit & 1))
			continue;
		if (check_feature(cpu, c->bit, c->name, err) < 0 ||
		    component_from_image(cpu, c, x, area, size, err) < 0)
			return -err->code;
	}

	if (x && others_from_image(cpu, x, area, size, err) < 0)
		return -err->code;

	put(area, FXSAVE_SIZE, used, 8);
	*len_ret = size;
	return 0;
}
