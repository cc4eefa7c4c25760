/* SPDX-License-Identifier: GPL-2.0-only */
/* socket pairs of all types keep what was sent, where messages end, and what is shut */
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "victim.h"

static int stream[2], dgram[2], seq[2], half[2], alone[2], reset[2], big[2], none[2];
static char block[70001];

static bool say(int fd, const char *text)
{
	return expect(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

static bool hear(int fd, const char *text)
{
	char buf[100] = "";
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n != (ssize_t)strlen(text) || memcmp(buf, text, (size_t)n) != 0)
		fprintf(stderr, "heard %zd bytes \"%s\" instead of \"%s\"\n", n, buf, text);
	return expect(n == (ssize_t)strlen(text)) && expect(memcmp(buf, text, (size_t)n) == 0);
}

static bool silent(int fd)
{
	char c;

	return expect(recv(fd, &c, 1, MSG_DONTWAIT) < 0) && expect(errno == EAGAIN);
}

static bool ended(int fd)
{
	char c;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return expect(recv(fd, &c, 1, MSG_DONTWAIT) == 0) && expect(poll(&p, 1, 0) == 1) &&
	       expect(p.revents & POLLHUP);
}

static bool make(void)
{
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)(i * 7 + i / 251);
	signal(SIGPIPE, SIG_IGN);

	return socketpair(AF_UNIX, SOCK_STREAM, 0, stream) == 0 && say(stream[0], "forth") &&
	       say(stream[1], "and ") && say(stream[1], "back") &&
	       socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, dgram) == 0 &&
	       say(dgram[0], "one") && say(dgram[0], "") && say(dgram[0], "three") &&
	       say(dgram[1], "answer") && socketpair(AF_UNIX, SOCK_SEQPACKET, 0, seq) == 0 &&
	       say(seq[0], "a") && say(seq[0], "bc") &&
	       socketpair(AF_UNIX, SOCK_STREAM, 0, half) == 0 && say(half[0], "last") &&
	       shutdown(half[0], SHUT_WR) == 0 && say(half[1], "still") &&
	       socketpair(AF_UNIX, SOCK_STREAM, 0, alone) == 0 && say(alone[1], "farewell") &&
	       close(alone[1]) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, reset) == 0 &&
	       say(reset[0], "unread") && close(reset[1]) == 0 &&
	       socketpair(AF_UNIX, SOCK_STREAM, 0, big) == 0 &&
	       send(big[0], block, sizeof(block), 0) == sizeof(block) &&
	       socketpair(AF_UNIX, SOCK_DGRAM, 0, none) == 0 && say(none[1], "gone") &&
	       close(none[1]) == 0;
}

static bool same(void)
{
	static char got[sizeof(block) + 1];

	return hear(stream[1], "forth") && hear(stream[0], "and back") && silent(stream[0]) &&
	       silent(stream[1]) && say(stream[0], "again") && hear(stream[1], "again") &&

	       hear(dgram[1], "one") && hear(dgram[1], "") && hear(dgram[1], "three") &&
	       silent(dgram[1]) && hear(dgram[0], "answer") && say(dgram[1], "again") &&
	       hear(dgram[0], "again") &&

	       hear(seq[1], "a") && hear(seq[1], "bc") && silent(seq[1]) && close(seq[0]) == 0 &&
	       ended(seq[1]) &&

	       hear(half[1], "last") && expect(recv(half[1], got, 1, MSG_DONTWAIT) == 0) &&
	       expect(send(half[0], "x", 1, 0) < 0) && expect(errno == EPIPE) &&
	       hear(half[0], "still") && silent(half[0]) && say(half[1], "more") &&
	       hear(half[0], "more") &&

	       hear(alone[0], "farewell") && ended(alone[0]) &&
	       expect(send(alone[0], "x", 1, 0) < 0) && expect(errno == EPIPE) &&

	       expect(recv(reset[0], got, 9, MSG_DONTWAIT) < 0) && expect(errno == ECONNRESET) &&
	       ended(reset[0]) &&

	       expect(recv(big[1], got, sizeof(got), MSG_DONTWAIT | MSG_WAITALL) ==
		      sizeof(block)) &&
	       expect(memcmp(got, block, sizeof(block)) == 0) && silent(big[1]) &&

	       hear(none[0], "gone") && silent(none[0]) && expect(send(none[0], "x", 1, 0) < 0) &&
	       expect(errno == ECONNREFUSED);
}

VICTIM(make, same)
