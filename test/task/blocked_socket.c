/* SPDX-License-Identifier: GPL-2.0-only */
/* reading a socket with a timeout, which Linux ends with EINTR at every stop, goes on waiting */
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "victim.h"

static int pair[2];
static pthread_t threads[2];
static ssize_t results[2];
static int errors[2];

static void *run(void *arg)
{
	int i = (int)(intptr_t)arg;
	char c;

	results[i] = i ? read(pair[0], &c, 1) : recv(pair[0], &c, 1, 0);
	errors[i] = errno;
	return NULL;
}

static bool make(void)
{
	struct timeval wait = { 3600, 0 };

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ||
	    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)))
		return false;
	for (intptr_t i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, run, (void *)i))
			return false;
	victim_sleep(30);
	return true;
}

static bool same(void)
{
	bool good = expect(write(pair[1], "ab", 2) == 2);

	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		errno = errors[i];
		good = expect(results[i] == 1) && good;
	}
	return good;
}

VICTIM(make, same)
