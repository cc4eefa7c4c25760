/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stub - a system call that repairs the thread if nobody does
 *
 * The host stops the thread right behind the first instruction.  The rest is
 * for a host that has died: it does what head.S does at its end, and is alike.
 */
#include <string.h>

#include "../../pie/control.h"
#include "../../src/arch.h"
#include "resume.h"

struct stub_data {
	uint64_t resume[RESUME_NR];
	uint64_t sigmask;
};

#define STR_(x) #x
#define STR(x)	STR_(x)
#define FROM(i) "9f+8*" STR(i) "(%rip)"

extern const char arch_stub_start[], arch_stub_data[], arch_stub_end[];
__asm__(".pushsection .rodata\n"
	"arch_stub_start:\n"
	"syscall\n"
	"lea " FROM(
		RESUME_RFLAGS) ", %rsp\n"
			       "popfq\n"
			       "mov " FROM(
				       RESUME_RSP) ", %rsp\n"
						   "mov $14, %eax\n" /* rt_sigprocmask */
						   "mov $2, %edi\n"  /* SIG_SETMASK */
						   "lea " FROM(
							   RESUME_NR) ", %rsi\n"
								      "mov $0, %edx\n"
								      "mov $8, %r10d\n"
								      "syscall\n"
								      "mov " FROM(
									      RESUME_RAX) ", %rax\n"
											  "mov " FROM(
												  RESUME_RBX) ", %rbx\n"
													      "mov " FROM(
														      RESUME_RCX) ", %rcx\n"
																  "mov " FROM(
																	  RESUME_RDX) ", %rdx\n"
																		      "mov " FROM(
																			      RESUME_RSI) ", %rsi\n"
																					  "mov " FROM(
																						  RESUME_RDI) ", %rdi\n"
																							      "mov " FROM(
																								      RESUME_RBP) ", %rbp\n"
																										  "mov " FROM(
																											  RESUME_R8) ", %r8\n"
																												     "mov " FROM(
																													     RESUME_R9) ", %r9\n"
																															"mov " FROM(
																																RESUME_R10) ", %r10\n"
																																	    "mov " FROM(
																																		    RESUME_R11) ", %r11\n"
																																				"mov " FROM(
																																					RESUME_R12) ", %r12\n"
																																						    "mov " FROM(
																																							    RESUME_R13) ", %r13\n"
																																									"mov " FROM(
																																										RESUME_R14) ", %r14\n"
																																											    "mov " FROM(
																																												    RESUME_R15) ", %r15\n"
																																														"jmp *" FROM(
																																															RESUME_RIP) "\n"
																																																    "9: arch_stub_data:\n"
																																																    ".fill " STR(
																																																	    RESUME_NR) " + 1, 8, 0\n"
																																																		       "arch_stub_end:\n"
																																																		       ".popsection\n");

size_t arch_stub(const struct compel_thread *t, void *buf, size_t max)
{
	size_t size = (size_t)(arch_stub_end - arch_stub_start);
	uint64_t resume[COMPEL_RESUME_REGS];
	struct stub_data data;

	if (size > max)
		return 0;

	arch_resume(&t->regs, resume);
	memcpy(data.resume, resume, sizeof(data.resume));
	data.sigmask = t->sigmask;
	memcpy(buf, arch_stub_start, size);
	memcpy((char *)buf + (arch_stub_data - arch_stub_start), &data, sizeof(data));
	return size;
}

bool arch_is_stub(const void *code)
{
	return memcmp(code, arch_stub_start, (size_t)(arch_stub_data - arch_stub_start)) == 0;
}

bool arch_stub_undo(const void *code, struct compel_thread *t)
{
	struct stub_data data;

	if (!arch_is_stub(code))
		return false;

	memcpy(&data, (const char *)code + (arch_stub_data - arch_stub_start), sizeof(data));
	arch_resumed(data.resume, &t->regs);
	t->sigmask = data.sigmask;
	return true;
}
