/* SPDX-License-Identifier: GPL-2.0-only */
/* an eventfd keeps its count, and whether it is a semaphore */
#include <sys/eventfd.h>

#include "victim.h"

static const uint64_t most = UINT64_MAX - 1;

static int plain, full, semaphore, empty;

static bool make(void)
{
	return expect((plain = eventfd(5, EFD_CLOEXEC)) >= 0) &&
	       expect((full = eventfd(0, EFD_NONBLOCK)) >= 0) &&
	       expect(write(full, &most, sizeof(most)) == sizeof(most)) &&
	       expect((semaphore = eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK)) >= 0) &&
	       expect((empty = eventfd(0, EFD_NONBLOCK)) >= 0);
}

static bool holds(int fd, uint64_t want)
{
	uint64_t count = 0;

	return expect(read(fd, &count, sizeof(count)) == sizeof(count)) && expect(count == want);
}

static bool is_empty(int fd)
{
	uint64_t count;

	return expect(read(fd, &count, sizeof(count)) == -1) && expect(errno == EAGAIN);
}

static bool same(void)
{
	return expect(fcntl(plain, F_GETFD) == FD_CLOEXEC) &&
	       expect(!(fcntl(plain, F_GETFL) & O_NONBLOCK)) && holds(plain, 5) &&
	       holds(full, most) && is_empty(full) && holds(semaphore, 1) && holds(semaphore, 1) &&
	       holds(semaphore, 1) && is_empty(semaphore) && is_empty(empty);
}

VICTIM(make, same)
