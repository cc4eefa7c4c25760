/* SPDX-License-Identifier: GPL-2.0-only */
/* a thread's registers: general, x87, MXCSR, AVX, AVX-512 and PKRU, all in use while it spins */
#include <cpuid.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "victim.h"

#ifdef __x86_64__

enum { NR_GP = 13, NR_ZMM = 32, NR_K = 8, NR_YMM = 16 };

struct registers {
	uint64_t gp[NR_GP];
	uint64_t fs_base, gs_base;
	uint16_t x87_control;
	uint32_t mxcsr, pkru;
	long double st[3];
	unsigned char zmm[NR_ZMM][64] __attribute__((aligned(64)));
	uint64_t k[NR_K];
};

/* offsets that the assembler needs */
struct spin {
	uint32_t ready, go;  /* 0, 4 */
	uint64_t in[NR_GP];  /* 8 */
	uint64_t out[NR_GP]; /* 112 */
};

/* Load everything but rdi and rsp, spin, and store it again. */
void spin_gp(struct spin *s);
__asm__(".globl spin_gp\n"
	"spin_gp:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	mov 8(%rdi), %rax;   mov 16(%rdi), %rbx;  mov 24(%rdi), %rcx\n"
	"	mov 32(%rdi), %rdx;  mov 40(%rdi), %rsi;  mov 48(%rdi), %rbp\n"
	"	mov 56(%rdi), %r8;   mov 64(%rdi), %r9;   mov 72(%rdi), %r10\n"
	"	mov 80(%rdi), %r12;  mov 88(%rdi), %r13;  mov 96(%rdi), %r14\n"
	"	mov 104(%rdi), %r15\n"
	"	movl $1, 0(%rdi)\n"
	"1:	pause\n"
	"	cmpl $0, 4(%rdi)\n"
	"	je 1b\n"
	"	mov %rax, 112(%rdi); mov %rbx, 120(%rdi); mov %rcx, 128(%rdi)\n"
	"	mov %rdx, 136(%rdi); mov %rsi, 144(%rdi); mov %rbp, 152(%rdi)\n"
	"	mov %r8, 160(%rdi);  mov %r9, 168(%rdi);  mov %r10, 176(%rdi)\n"
	"	mov %r12, 184(%rdi); mov %r13, 192(%rdi); mov %r14, 200(%rdi)\n"
	"	mov %r15, 208(%rdi)\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n");

static struct registers before, after;
static struct spin spin;
static pthread_t thread;
static bool has_avx, has_avx512, has_pku;

static void find_features(void)
{
	uint32_t a, b, c, d, xcr0 = 0;

	__cpuid(1, a, b, c, d);
	if (c & bit_OSXSAVE)
		__asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(d) : "c"(0));
	has_avx = (xcr0 & 6) == 6;
	has_avx512 = (xcr0 & 0xe6) == 0xe6;
	__cpuid_count(7, 0, a, b, c, d);
	has_pku = c & bit_OSPKE;
}

static void invent(struct registers *r)
{
	unsigned char *bytes = &r->zmm[0][0];

	for (size_t i = 0; i < sizeof(r->zmm); i++)
		bytes[i] = (unsigned char)(i * 37 + 11);
	for (int i = 0; i < NR_K; i++)
		r->k[i] = 0x0123456789abcdefull * (uint64_t)(i + 3);
	for (int i = 0; i < NR_GP; i++)
		r->gp[i] = 0x9e3779b97f4a7c15ull * (uint64_t)(i + 1);
	r->st[0] = 3.25L;
	r->st[1] = -1e4000L;
	r->st[2] = 1.0L / 3;
	r->x87_control = 0x0f7f - 0x300; /* rounds towards zero, single precision */
	r->mxcsr = 0x1f80 | 0x6000 | 0x8000 |
		   0x21; /* rounds towards zero, flushes to zero, two flags */
	r->pkru = 0x5555aaa4;
}

static inline void load_vectors(const struct registers *r)
{
	const unsigned char *z = &r->zmm[0][0];

#define LOAD(insn, reg, n) __asm__ volatile(insn " %0, %%" reg #n : : "m"(z[64 * n]))
#define LOAD_LOW(insn, reg)  \
	LOAD(insn, reg, 0);  \
	LOAD(insn, reg, 1);  \
	LOAD(insn, reg, 2);  \
	LOAD(insn, reg, 3);  \
	LOAD(insn, reg, 4);  \
	LOAD(insn, reg, 5);  \
	LOAD(insn, reg, 6);  \
	LOAD(insn, reg, 7);  \
	LOAD(insn, reg, 8);  \
	LOAD(insn, reg, 9);  \
	LOAD(insn, reg, 10); \
	LOAD(insn, reg, 11); \
	LOAD(insn, reg, 12); \
	LOAD(insn, reg, 13); \
	LOAD(insn, reg, 14); \
	LOAD(insn, reg, 15)
#define LOAD_HIGH                     \
	LOAD("vmovdqu64", "zmm", 16); \
	LOAD("vmovdqu64", "zmm", 17); \
	LOAD("vmovdqu64", "zmm", 23); \
	LOAD("vmovdqu64", "zmm", 30); \
	LOAD("vmovdqu64", "zmm", 31)

	if (has_avx512) {
		LOAD_LOW("vmovdqu64", "zmm");
		LOAD_HIGH;
		__asm__ volatile("kmovq %0, %%k1; kmovq %1, %%k5; kmovq %2, %%k7"
				 :
				 : "m"(r->k[1]), "m"(r->k[5]), "m"(r->k[7]));
	} else if (has_avx) {
		LOAD_LOW("vmovdqu", "ymm");
	} else {
		LOAD_LOW("movdqu", "xmm");
	}
}

static inline void store_vectors(struct registers *r)
{
	unsigned char *z = &r->zmm[0][0];

#define STORE(insn, reg, n) \
	__asm__ volatile(insn " %%" reg #n ", %0" : "=m"(*(char(*)[64]) & z[64 * n]))
#define STORE_LOW(insn, reg)  \
	STORE(insn, reg, 0);  \
	STORE(insn, reg, 1);  \
	STORE(insn, reg, 2);  \
	STORE(insn, reg, 3);  \
	STORE(insn, reg, 4);  \
	STORE(insn, reg, 5);  \
	STORE(insn, reg, 6);  \
	STORE(insn, reg, 7);  \
	STORE(insn, reg, 8);  \
	STORE(insn, reg, 9);  \
	STORE(insn, reg, 10); \
	STORE(insn, reg, 11); \
	STORE(insn, reg, 12); \
	STORE(insn, reg, 13); \
	STORE(insn, reg, 14); \
	STORE(insn, reg, 15)
#define STORE_HIGH                     \
	STORE("vmovdqu64", "zmm", 16); \
	STORE("vmovdqu64", "zmm", 17); \
	STORE("vmovdqu64", "zmm", 23); \
	STORE("vmovdqu64", "zmm", 30); \
	STORE("vmovdqu64", "zmm", 31)

	if (has_avx512) {
		STORE_LOW("vmovdqu64", "zmm");
		STORE_HIGH;
		__asm__ volatile("kmovq %%k1, %0; kmovq %%k5, %1; kmovq %%k7, %2"
				 : "=m"(r->k[1]), "=m"(r->k[5]), "=m"(r->k[7]));
	} else if (has_avx) {
		STORE_LOW("vmovdqu", "ymm");
	} else {
		STORE_LOW("movdqu", "xmm");
	}
}

static inline uint32_t get_pkru(void)
{
	uint32_t v, d;

	__asm__ volatile(".byte 0x0f, 0x01, 0xee" : "=a"(v), "=d"(d) : "c"(0));
	return v;
}

static inline void set_pkru(uint32_t v)
{
	__asm__ volatile(".byte 0x0f, 0x01, 0xef" : : "a"(v), "c"(0), "d"(0));
}

/* Nothing between load and store may use a register that is looked at. */
static void *hold(void *arg)
{
	memcpy(spin.in, before.gp, sizeof(spin.in));
	__asm__ volatile("fninit; fldcw %0" : : "m"(before.x87_control));
	__asm__ volatile("fldt %2; fldt %1; fldt %0"
			 :
			 : "m"(before.st[0]), "m"(before.st[1]), "m"(before.st[2]));
	__asm__ volatile("ldmxcsr %0" : : "m"(before.mxcsr));
	if (has_pku)
		set_pkru(before.pkru);
	load_vectors(&before);

	spin_gp(&spin);

	store_vectors(&after);
	__asm__ volatile("stmxcsr %0" : "=m"(after.mxcsr));
	__asm__ volatile("fnstcw %0" : "=m"(after.x87_control));
	__asm__ volatile("fstpt %0; fstpt %1; fstpt %2"
			 : "=m"(after.st[0]), "=m"(after.st[1]), "=m"(after.st[2]));
	if (has_pku) {
		after.pkru = get_pkru();
		set_pkru(0);
	}
	__asm__ volatile("fninit");
	return NULL;
}

static bool make(void)
{
	find_features();
	invent(&before);
	invent(&after); /* what no instruction stores is not looked at */
	memset(after.gp, 0, sizeof(after.gp));
	if (pthread_create(&thread, NULL, hold, NULL))
		return false;
	while (!__atomic_load_n(&spin.ready, __ATOMIC_ACQUIRE))
		;
	return true;
}

static bool vectors_are_same(void)
{
	size_t width = has_avx512 ? 64 : has_avx ? 32 : 16;

	for (int i = 0; i < (has_avx512 ? NR_ZMM : NR_YMM); i++)
		if (!expect(memcmp(before.zmm[i], after.zmm[i], width) == 0))
			return false;
	return expect(memcmp(before.k, after.k, sizeof(before.k)) == 0);
}

static bool same(void)
{
	memset(after.zmm, 0, 16 * 64); /* all of these are stored */
	after.k[1] = after.k[5] = after.k[7] = has_avx512 ? 0 : after.k[1];
	if (!has_avx512)
		memcpy(after.k, before.k, sizeof(after.k));
	__atomic_store_n(&spin.go, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);

	return expect(memcmp(before.gp, spin.out, sizeof(before.gp)) == 0) && vectors_are_same() &&
	       expect(before.mxcsr == after.mxcsr) &&
	       expect(before.x87_control == after.x87_control) &&
	       expect(before.st[0] == after.st[0]) && expect(before.st[1] == after.st[1]) &&
	       expect(before.st[2] == after.st[2]) && expect(!has_pku || before.pkru == after.pkru);
}

#else

static bool make(void)
{
	skip("the registers of this CPU have no test");
}

static bool same(void)
{
	return true;
}

#endif

VICTIM(make, same)
