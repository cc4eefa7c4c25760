/* SPDX-License-Identifier: GPL-2.0-only */
/* POSIX message queues: what was sent is there, in its order, for each who has it open */
#include <mqueue.h>
#include <sys/wait.h>

#include "victim.h"

static char name[32];
static mqd_t queue, sender, readable;
static int ask[2];
static pid_t child;

static void child_main(void)
{
	char c;

	while (read(ask[0], &c, 1) == 1)
		if (mq_send(sender, "from child", 10, 9) < 0)
			_exit(1);
	_exit(0);
}

static bool make(void)
{
	struct mq_attr a = { .mq_maxmsg = 7, .mq_msgsize = 77 };

	snprintf(name, sizeof(name), "/victim.%d", getpid());
	mq_unlink(name);
	queue = mq_open(name, O_RDWR | O_CREAT | O_NONBLOCK, 0600, &a);
	if (queue < 0 && errno == ENOSYS)
		skip("this kernel has no POSIX message queues");
	if (!expect(queue >= 0) || !expect((sender = mq_open(name, O_WRONLY)) >= 0) ||
	    !expect((readable = mq_open(name, O_RDONLY)) >= 0) || !expect(pipe(ask) == 0))
		return false;
	child = fork();
	if (child == 0)
		child_main();
	return expect(mq_send(queue, "low", 3, 1) == 0) &&
	       expect(mq_send(queue, "high", 4, 5) == 0) &&
	       expect(mq_send(sender, "low too", 7, 1) == 0);
}

static bool receives(mqd_t q, const char *want, unsigned int want_prio)
{
	char buf[77];
	unsigned int prio;

	return expect(mq_receive(q, buf, sizeof(buf), &prio) == (ssize_t)strlen(want)) &&
	       expect(memcmp(buf, want, strlen(want)) == 0) && expect(prio == want_prio);
}

static bool same(void)
{
	struct mq_attr a;

	return expect(mq_getattr(queue, &a) == 0) &&
	       expect(a.mq_flags == O_NONBLOCK && a.mq_maxmsg == 7 && a.mq_msgsize == 77) &&
	       expect(a.mq_curmsgs == 3) && expect(mq_getattr(sender, &a) == 0) &&
	       expect(a.mq_flags == 0) && expect(fcntl(sender, F_GETFD) == FD_CLOEXEC) &&
	       receives(queue, "high", 5) && expect(write(ask[1], "x", 1) == 1) &&
	       expect(close(ask[1]) == 0) && expect(close(ask[0]) == 0) &&
	       expect(kill(child, 0) == 0) && (victim_sleep(100), true) &&
	       receives(readable, "from child", 9) && receives(readable, "low", 1) &&
	       receives(queue, "low too", 1) &&
	       expect(mq_receive(queue, (char[77]){ 0 }, 77, NULL) < 0 && errno == EAGAIN) &&
	       expect(mq_send(readable, "x", 1, 0) < 0 && errno == EBADF) &&
	       expect(mq_unlink(name) == 0);
}

VICTIM(make, same)
