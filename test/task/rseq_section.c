/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * a thread that is always inside a restartable sequence: whoever stops it there makes it begin
 * anew, so what it does in one go is never done by half
 */
#include <pthread.h>
#include <sys/rseq.h>

#include "victim.h"

struct section {
	uint32_t version, flags;
	uint64_t start, length, abort;
} __attribute__((aligned(32)));

/* stop, times begun anew, and two counters that are raised one after the other */
static volatile long shared[4];
static pthread_t thread;
static volatile bool made;

/*
 * Between start and commit: the first counter plus one is in a register only, and a long time
 * passes; then it becomes the counter in one instruction.
 */
long section_run(volatile long *shared, void *rseq, void *cs);
extern const char section_start[], section_end[], section_abort[];
__asm__(".text\n.globl section_run, section_start, section_end, section_abort\n"
	"section_run:\n"
	" cmpq $0, (%rdi)\n jne 9f\n"
	" movq %rdx, 8(%rsi)\n"
	"section_start:\n"
	" movq 16(%rdi), %rax\n"
	" movq $20000, %rcx\n"
	"1: decq %rcx\n jnz 1b\n"
	" incq %rax\n"
	" movq %rax, 16(%rdi)\n"
	"section_end:\n"
	" incq 24(%rdi)\n"
	" jmp section_run\n"
	"9: xorl %eax, %eax\n ret\n"
	" .long 0x53053053\n" /* RSEQ_SIG */
	"section_abort: incq 8(%rdi)\n jmp section_run\n");

static void *run(void *arg)
{
	static struct section cs;

	cs.start = (uintptr_t)section_start;
	cs.length = (uint64_t)(section_end - section_start);
	cs.abort = (uintptr_t)section_abort;
	made = true;
	section_run(shared, (char *)__builtin_thread_pointer() + __rseq_offset, &cs);
	return NULL;
}

static bool make(void)
{
	if (!__rseq_size)
		skip("libc has not registered rseq");
	if (pthread_create(&thread, NULL, run, NULL))
		return false;
	while (!made || shared[2] == 0)
		victim_sleep(1);
	return true;
}

static bool same(void)
{
	long before = shared[2];

	victim_sleep(20);
	if (!expect(shared[2] > before))
		return false;
	shared[0] = 1;
	pthread_join(thread, NULL);
	return expect(shared[2] == shared[3]);
}

VICTIM(make, same)
