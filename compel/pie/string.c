/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * string - what compilers call although nobody wrote it
 */
#include <stddef.h>

#include "sys.h"

/* Or the compiler would see what a loop does, and replace it by a call of itself. */
#define NO_IDIOM() __asm__ volatile("")

void *memcpy(void *to, const void *from, size_t n)
{
	char *d = to;
	const char *s = from;

	while (n--) {
		NO_IDIOM();
		*d++ = *s++;
	}
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	char *d = to;
	const char *s = from;

	if (d <= s)
		return memcpy(to, from, n);
	while (n--) {
		NO_IDIOM();
		d[n] = s[n];
	}
	return to;
}

void *memset(void *to, int byte, size_t n)
{
	char *d = to;

	while (n--) {
		NO_IDIOM();
		*d++ = (char)byte;
	}
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}
