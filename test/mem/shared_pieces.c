/* SPDX-License-Identifier: GPL-2.0-only */
/* much shared memory, of which each child keeps another part, and one of them all */
#include <sys/mman.h>

#include "victim.h"

enum { SIZE = 20 << 20, NR = 3, PIECE = SIZE / NR & ~4095 };

struct talk {
	volatile int ask, found[NR + 1];
};

static uint32_t *memory;
static struct talk *talk;

static uint32_t word(size_t i)
{
	return (uint32_t)i * 2654435761u + 17;
}

/* Does @who have its piece (0: all) as it was, and nothing else? */
static bool has_piece(int who)
{
	size_t from = who ? (size_t)(who - 1) * PIECE : 0, to = who ? from + PIECE : SIZE;
	unsigned char there;

	for (size_t i = from / 4; i < to / 4; i += 5)
		if (memory[i] != word(i))
			return false;
	return !who || mincore((char *)memory + (who % NR) * PIECE, 4096, &there) < 0;
}

static void be_child(int who)
{
	for (int i = 1; who && i <= NR; i++)
		if (i != who)
			munmap((char *)memory + (size_t)(i - 1) * PIECE,
			       i == NR ? SIZE - (size_t)(i - 1) * PIECE : PIECE);
	talk->found[who] = 1;
	while (!talk->ask)
		victim_sleep(2);
	talk->found[who] = has_piece(who) ? 2 : 3;
	for (;;)
		pause();
}

static bool make(void)
{
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	talk = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!expect(memory != MAP_FAILED && talk != MAP_FAILED))
		return false;
	for (size_t i = 0; i < SIZE / 4; i++)
		memory[i] = word(i);
	for (int who = 0; who <= NR; who++)
		if (fork() == 0)
			be_child(who);
	for (int who = 0; who <= NR; who++)
		while (!talk->found[who])
			victim_sleep(1);
	/* we have nothing of it any more */
	return expect(munmap(memory, SIZE) == 0);
}

static bool same(void)
{
	bool ok = true;

	talk->ask = 1;
	for (int who = 0; who <= NR; who++) {
		for (int i = 0; i < 2500 && talk->found[who] < 2; i++)
			victim_sleep(2);
		ok = expect(talk->found[who] == 2) && ok;
	}
	return ok;
}

VICTIM(make, same)
