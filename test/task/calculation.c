/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * calculations that go on in x87, MMX, SSE and SSE2 registers, in tasks and in a thread: each has the
 * same result every time, wherever it was stopped
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "victim.h"

enum { NR = 5, ROUNDS = 200000 };

static struct {
	volatile long done[NR], wrong[NR];
	volatile bool stop;
} * s;

static pid_t pids[NR];
static pthread_t thread;

struct result {
	unsigned char bytes[64];
};

/* Eight values in the stack of registers, each turned a little with every round. */
static void x87(struct result *r)
{
	static const double start[4] = { 1.5, -2.25, 1e100, 1.0 / 3 };
	long n = ROUNDS;

	__asm__ volatile(
		"fninit\n fldpi\n fldl 0(%1)\n fldl 8(%1)\n fldl 16(%1)\n fldl 24(%1)\n"
		" fldl2e\n fldln2\n fld1\n"
		"1: fadd %%st(4), %%st\n fsub %%st, %%st(3)\n fxch %%st(1)\n"
		" fmul %%st(2), %%st\n fsqrt\n fxch %%st(7)\n fincstp\n fdecstp\n fchs\n fabs\n"
		" dec %0\n jnz 1b\n"
		" fstpl 0(%2)\n fstpl 8(%2)\n fstpl 16(%2)\n fstpl 24(%2)\n"
		" fstpl 32(%2)\n fstpl 40(%2)\n fstpl 48(%2)\n fstpl 56(%2)\n"
		: "+r"(n)
		: "r"(start), "r"(r->bytes)
		: "memory", "cc");
}

static void mmx(struct result *r)
{
	static const uint16_t start[8] = { 1, 3, 50021, 7, 65535, 32771, 5, 2 };
	long n = ROUNDS;

	__asm__ volatile(
		"movq 0(%1), %%mm0\n movq 8(%1), %%mm1\n movq %%mm0, %%mm5\n movq %%mm1, %%mm7\n"
		"1: paddw %%mm0, %%mm1\n pmullw %%mm5, %%mm1\n pxor %%mm7, %%mm0\n"
		" psubw %%mm1, %%mm7\n paddd %%mm7, %%mm5\n"
		" dec %0\n jnz 1b\n"
		" movq %%mm0, 0(%2)\n movq %%mm1, 8(%2)\n movq %%mm5, 16(%2)\n movq %%mm7, 24(%2)\n emms\n"
		: "+r"(n)
		: "r"(start), "r"(r->bytes)
		: "memory", "cc");
}

static void sse(struct result *r)
{
	static const float start[8] = { 1.5f, 2.25f, 1e7f, 0.3f, 7, 1e-9f, 31, 4 };
	long n = ROUNDS;

	__asm__ volatile("movups 0(%1), %%xmm0\n movups 16(%1), %%xmm9\n movaps %%xmm0, %%xmm15\n"
			 "1: addps %%xmm9, %%xmm0\n sqrtps %%xmm0, %%xmm0\n mulps %%xmm15, %%xmm9\n"
			 " minps %%xmm0, %%xmm9\n shufps $0x93, %%xmm15, %%xmm15\n"
			 " dec %0\n jnz 1b\n"
			 " movups %%xmm0, 0(%2)\n movups %%xmm9, 16(%2)\n movups %%xmm15, 32(%2)\n"
			 : "+r"(n)
			 : "r"(start), "r"(r->bytes)
			 : "memory", "cc", "xmm0", "xmm9", "xmm15");
}

static void sse2(struct result *r)
{
	static const uint64_t start[4] = { 0x123456789abcdef, 77, 0xfedcba9876543210, 3 };
	long n = ROUNDS;

	__asm__ volatile(
		"movdqu 0(%1), %%xmm2\n movdqu 16(%1), %%xmm11\n"
		"1: paddq %%xmm11, %%xmm2\n pmuludq %%xmm2, %%xmm11\n pxor %%xmm2, %%xmm11\n"
		" pshufd $0x39, %%xmm11, %%xmm11\n"
		" dec %0\n jnz 1b\n"
		" movdqu %%xmm2, 0(%2)\n movdqu %%xmm11, 16(%2)\n"
		: "+r"(n)
		: "r"(start), "r"(r->bytes)
		: "memory", "cc", "xmm2", "xmm11");
}

static void (*const calculations[NR])(struct result *r) = { x87, mmx, sse, sse2, x87 };

static void *calculate(void *arg)
{
	long i = (long)arg;
	struct result first = { 0 }, now;

	calculations[i](&first);
	while (!s->stop) {
		memset(&now, 0, sizeof(now));
		calculations[i](&now);
		s->wrong[i] += memcmp(&first, &now, sizeof(now)) != 0;
		s->done[i]++;
	}
	return NULL;
}

/* The last is a thread. */
static bool make(void)
{
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		return false;
	for (long i = 0; i < NR - 1; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			calculate((void *)i);
			_exit(0);
		}
	}
	if (pthread_create(&thread, NULL, calculate, (void *)(NR - 1l)))
		return false;
	for (int i = 0; i < NR; i++)
		while (s->done[i] < 2)
			victim_sleep(1);
	return true;
}

static bool same(void)
{
	int status;

	for (int i = 0; i < NR; i++) {
		long before = s->done[i];

		while (s->done[i] < before + 2)
			victim_sleep(1);
	}
	s->stop = true;
	for (int i = 0; i < NR - 1; i++)
		if (!expect(waitpid(pids[i], &status, 0) == pids[i]) || !expect(status == 0))
			return false;
	pthread_join(thread, NULL);
	for (int i = 0; i < NR; i++)
		if (!expect(s->wrong[i] == 0))
			return false;
	return true;
}

VICTIM(make, same)
