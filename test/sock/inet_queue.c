/* SPDX-License-Identifier: GPL-2.0-only */
/* datagrams that were received and not read are still there, and say who sent them */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "victim.h"

enum { PORT = 20517, SENDER = 20600 };

static int four, six, mapped, info;
static char big[60001];

static struct sockaddr_storage addr_of(const char *ip, int port)
{
	struct sockaddr_storage a = { 0 };

	if (strchr(ip, ':')) {
		struct sockaddr_in6 *in = (struct sockaddr_in6 *)&a;

		in->sin6_family = AF_INET6;
		in->sin6_port = htons((uint16_t)port);
		inet_pton(AF_INET6, ip, &in->sin6_addr);
	} else {
		struct sockaddr_in *in = (struct sockaddr_in *)&a;

		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		inet_pton(AF_INET, ip, &in->sin_addr);
	}
	return a;
}

static int bound(const char *ip, int port)
{
	struct sockaddr_storage a = addr_of(ip, port);
	int fd = socket(a.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0), on = 1;

	/* one that stays bound to its address would not be in the way */
	setsockopt(fd, SOL_IP, IP_FREEBIND, &on, sizeof(on));
	return bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 ? fd : -1;
}

static bool say(const char *from, int port, const char *to, int to_port, const void *data, size_t n)
{
	struct sockaddr_storage a = addr_of(to, to_port);
	int fd = bound(from, port);

	return expect(fd >= 0) &&
	       expect(sendto(fd, data, n, 0, (struct sockaddr *)&a, sizeof(a)) == (ssize_t)n) &&
	       close(fd) == 0;
}

static bool make(void)
{
	int on = 1, stays;

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 13 + i / 256);
	four = bound("127.0.0.1", PORT);
	six = bound("::1", PORT);
	mapped = bound("::", PORT + 1);
	info = bound("0.0.0.0", PORT + 2);
	stays = bound("127.0.0.1", SENDER + 5);
	if (four < 0 || six < 0 || mapped < 0 || info < 0 || stays < 0 ||
	    setsockopt(info, SOL_IP, IP_PKTINFO, &on, sizeof(on)) < 0)
		return false;
	struct sockaddr_storage a = addr_of("127.0.0.1", PORT);

	return say("127.0.0.1", SENDER, "127.0.0.1", PORT, "one", 3) &&
	       say("127.0.0.9", SENDER + 1, "127.0.0.1", PORT, big, sizeof(big)) &&
	       sendto(stays, "three", 5, 0, (struct sockaddr *)&a, sizeof(a)) == 5 &&
	       say("::1", SENDER + 2, "::1", PORT, "odd", 3) &&
	       say("::1", SENDER + 2, "::1", PORT, "even", 4) &&
	       say("127.0.0.1", SENDER + 3, "127.0.0.1", PORT + 1, "mapped", 6) &&
	       say("::1", SENDER + 3, "::1", PORT + 1, "six", 3) &&
	       say("127.0.0.1", SENDER + 4, "127.0.0.7", PORT + 2, "to 7", 4);
}

static bool hears(int fd, const void *data, size_t n, const char *from, int port)
{
	static char buf[sizeof(big) + 1];
	struct sockaddr_storage want = addr_of(from, port), got = { 0 };
	socklen_t len = sizeof(got);
	ssize_t r = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&got, &len);

	if (r != (ssize_t)n)
		fprintf(stderr, "%zd bytes, not %zu\n", r, n);
	return expect(r == (ssize_t)n) && expect(memcmp(buf, data, n) == 0) &&
	       expect(memcmp(&got, &want, sizeof(got)) == 0);
}

static bool hears_info(void)
{
	char buf[20], control[200];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	struct in_pktinfo i;

	if (!expect(recvmsg(info, &msg, 0) == 4) || !expect((c = CMSG_FIRSTHDR(&msg)) != NULL) ||
	    !expect(c->cmsg_type == IP_PKTINFO))
		return false;
	memcpy(&i, CMSG_DATA(c), sizeof(i));
	return expect(i.ipi_addr.s_addr == htonl(0x7f000007));
}

static bool same(void)
{
	char c;

	return hears(four, "one", 3, "127.0.0.1", SENDER) &&
	       hears(four, big, sizeof(big), "127.0.0.9", SENDER + 1) &&
	       hears(four, "three", 5, "127.0.0.1", SENDER + 5) &&
	       hears(six, "odd", 3, "::1", SENDER + 2) &&
	       hears(six, "even", 4, "::1", SENDER + 2) &&
	       hears(mapped, "mapped", 6, "::ffff:127.0.0.1", SENDER + 3) &&
	       hears(mapped, "six", 3, "::1", SENDER + 3) && hears_info() &&
	       expect(recv(four, &c, 1, 0) < 0) && expect(recv(six, &c, 1, 0) < 0);
}

VICTIM(make, same)
