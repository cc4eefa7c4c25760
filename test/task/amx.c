/* SPDX-License-Identifier: GPL-2.0-only */
/* AMX: tiles hold what they held; who asked for them may still begin to use them */
#include <pthread.h>
#include <sys/syscall.h>

#include "victim.h"

#ifdef __x86_64__

enum { ROWS = 16, BYTES = 64, REQUEST = 0x1023, TILE_DATA = 18 };

struct config {
	uint8_t palette, start_row, reserved[14];
	uint16_t bytes_per_row[16];
	uint8_t rows[16];
} __attribute__((aligned(64)));

static unsigned char before[2][ROWS * BYTES], after[2][ROWS * BYTES];
static volatile uint32_t ready, go;
static pthread_t holder;

static void configure(void)
{
	struct config c = { .palette = 1 };

	for (int i = 0; i < 8; i++) {
		c.bytes_per_row[i] = BYTES;
		c.rows[i] = ROWS;
	}
	__asm__ volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0x00"
			 :
			 : "a"(&c)
			 : "memory"); /* ldtilecfg (%rax) */
}

/* tileloadd (%rax,%rcx,1), %tmm3 and %tmm7, and tilestored */
#define LOAD3(p)                                                    \
	__asm__ volatile(".byte 0xc4, 0xe2, 0x7b, 0x4b, 0x1c, 0x08" \
			 :                                          \
			 : "a"(p), "c"((long)BYTES)                 \
			 : "memory")
#define LOAD7(p)                                                    \
	__asm__ volatile(".byte 0xc4, 0xe2, 0x7b, 0x4b, 0x3c, 0x08" \
			 :                                          \
			 : "a"(p), "c"((long)BYTES)                 \
			 : "memory")
#define STORE3(p)                                                   \
	__asm__ volatile(".byte 0xc4, 0xe2, 0x7a, 0x4b, 0x1c, 0x08" \
			 :                                          \
			 : "a"(p), "c"((long)BYTES)                 \
			 : "memory")
#define STORE7(p)                                                   \
	__asm__ volatile(".byte 0xc4, 0xe2, 0x7a, 0x4b, 0x3c, 0x08" \
			 :                                          \
			 : "a"(p), "c"((long)BYTES)                 \
			 : "memory")
#define RELEASE() __asm__ volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0xc0")

static void *hold(void *arg)
{
	configure();
	LOAD3(before[0]);
	LOAD7(before[1]);
	ready = 1;
	while (!go)
		__asm__ volatile("pause");
	STORE3(after[0]);
	STORE7(after[1]);
	RELEASE();
	return NULL;
}

/* A thread that has not used tiles yet. */
static void *begin(void *arg)
{
	unsigned char copy[ROWS * BYTES];

	configure();
	LOAD3(before[1]);
	STORE3(copy);
	RELEASE();
	return memcmp(copy, before[1], sizeof(copy)) == 0 ? before : NULL;
}

static bool make(void)
{
	if (syscall(SYS_arch_prctl, REQUEST, TILE_DATA))
		skip("this CPU has no AMX");
	for (int i = 0; i < ROWS * BYTES; i++) {
		before[0][i] = (unsigned char)(i * 29 + 3);
		before[1][i] = (unsigned char)(i * 31 + 7);
	}
	if (pthread_create(&holder, NULL, hold, NULL))
		return false;
	while (!ready)
		;
	return true;
}

static bool same(void)
{
	pthread_t t;
	void *good;

	go = 1;
	pthread_join(holder, NULL);
	return expect(memcmp(before, after, sizeof(before)) == 0) &&
	       expect(pthread_create(&t, NULL, begin, NULL) == 0) &&
	       expect(pthread_join(t, &good) == 0) && expect(good) && expect(begin(NULL));
}

#else

static bool make(void)
{
	skip("this CPU has no AMX");
}

static bool same(void)
{
	return true;
}

#endif

VICTIM(make, same)
