/* SPDX-License-Identifier: GPL-2.0-only */
/* a task that never stops asking the kernel for its network devices gets every answer */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <sys/socket.h>

#include "victim.h"

static int fd;
static volatile uint64_t rounds;
static volatile int bad;

struct question {
	struct nlmsghdr h;
	struct ifinfomsg i;
};

/* One device, told by its number: lo. */
static bool ask(uint32_t seq)
{
	struct question q = { .h = { .nlmsg_len = sizeof(q),
				     .nlmsg_type = RTM_GETLINK,
				     .nlmsg_flags = NLM_F_REQUEST,
				     .nlmsg_seq = seq },
			      .i = { .ifi_index = 1 } };
	_Alignas(struct nlmsghdr) char buf[8192];
	const struct nlmsghdr *h = (void *)buf;
	ssize_t n;

	if (send(fd, &q, sizeof(q), 0) != sizeof(q))
		return false;
	n = recv(fd, buf, sizeof(buf), 0);
	return n > (ssize_t)sizeof(*h) && h->nlmsg_type == RTM_NEWLINK && h->nlmsg_seq == seq;
}

static void *ask_always(void *arg)
{
	uint32_t seq = 17;

	for (;;) {
		if (!ask(++seq)) {
			bad = errno ? errno : -1;
			return NULL;
		}
		rounds++;
	}
}

static bool make(void)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK };
	pthread_t thread;

	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	return bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	       pthread_create(&thread, NULL, ask_always, NULL) == 0;
}

static bool same(void)
{
	uint64_t before = rounds;

	victim_sleep(50);
	if (bad)
		fprintf(stderr, "bad: %d\n", bad);
	return expect(!bad) && expect(rounds > before);
}

VICTIM(make, same)
