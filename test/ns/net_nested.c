/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * a tree with several network namespaces: one of a child, one that is only open
 * as a file, one in which only a socket is; veths lead from one to another
 */
#include <arpa/inet.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "said.h"

static int opened, server, datagram, pipe_to[2], pipe_from[2];

static bool make_socket(int *fd, int type, const char *address, uint16_t port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };

	*fd = socket(AF_INET, type, 0);
	inet_pton(AF_INET, address, &addr.sin_addr);
	return expect(*fd >= 0) && expect(bind(*fd, (struct sockaddr *)&addr, sizeof(addr)) == 0) &&
	       expect(type != SOCK_STREAM || listen(*fd, 5) == 0);
}

/* Over the veth, into the namespace of the child. */
static bool can_reach(const char *address)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool ok;

	inet_pton(AF_INET, address, &addr.sin_addr);
	/* nobody listens, but somebody says so */
	ok = expect(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) &&
	     expect(errno == ECONNREFUSED);
	close(fd);
	return ok;
}

static bool name_is(int fd, const char *address, uint16_t port)
{
	struct sockaddr_in addr = { 0 };
	socklen_t len = sizeof(addr);
	char text[32];

	return expect(getsockname(fd, (struct sockaddr *)&addr, &len) == 0) &&
	       expect(strcmp(inet_ntop(AF_INET, &addr.sin_addr, text, sizeof(text)), address) ==
		      0) &&
	       expect(ntohs(addr.sin_port) == port);
}

static bool abstract(int *fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "\0odd" };

	*fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	return expect(bind(*fd, (struct sockaddr *)&addr, sizeof(sa_family_t) + 4) == 0);
}

static ino_t place_of(int fd)
{
	struct stat st = { 0 };
	int ns = ioctl(fd, SIOCGSKNS);

	fstat(ns, &st);
	close(ns);
	return st.st_ino;
}

static ino_t own_place(void)
{
	struct stat st = { 0 };

	stat("/proc/self/ns/net", &st);
	return st.st_ino;
}

/* In a namespace of its own; it answers whether all is as it was. */
static void be_child(void)
{
	int listener, name;
	char c;

	if (!new_network())
		_exit(1);
	if (write(pipe_from[1], "u", 1) != 1 || read(pipe_to[0], &c, 1) != 1 ||
	    !run("ip addr add 10.1.0.2/24 dev there && ip link set there up && ip addr add "
		 "10.2.0.1/24 dev more && ip link set more up") ||
	    !make_socket(&listener, SOCK_STREAM, "10.1.0.2", 4097) || !abstract(&name))
		_exit(1);
	if (!links_settled())
		_exit(1);
	said("ip -o link");
	said("ip -o addr");
	said("ip netns list-id");
	if (write(pipe_from[1], "r", 1) != 1 || read(pipe_to[0], &c, 1) != 1)
		_exit(1);
	c = links_settled() && said_again() && name_is(listener, "10.1.0.2", 4097) &&
	    expect(place_of(listener) == own_place()) && expect(place_of(name) == own_place());
	if (write(pipe_from[1], &c, 1) != 1)
		_exit(1);
	/* our end of the veths shall stay */
	for (;;)
		pause();
}

static bool make(void)
{
	pid_t child;
	char command[512], c;
	int name, back;

	prctl(PR_SET_PDEATHSIG, 0);
	if (!new_network() || !expect(pipe(pipe_to) == 0) || !expect(pipe(pipe_from) == 0))
		return false;
	child = fork();
	if (child == 0)
		be_child();
	if (!expect(read(pipe_from[0], &c, 1) == 1) || !abstract(&name))
		return false;

	/* one that only a file and a veth lead to, with a socket in it */
	back = open("/proc/self/ns/net", O_RDONLY);
	if (!new_network() || !run("ip addr add 10.77.0.5/32 dev lo") ||
	    !make_socket(&datagram, SOCK_DGRAM, "10.77.0.5", 4099))
		return false;
	opened = open("/proc/self/ns/net", O_RDONLY);
	if (!expect(setns(back, CLONE_NEWNET) == 0))
		return false;
	close(back);

	snprintf(command, sizeof(command),
		 "ip link add here type veth peer name there netns %d && "
		 "ip addr add 10.1.0.1/24 dev here && ip link set here up && "
		 "ip link add one type veth peer name more netns %d && ip link set one up",
		 child, child);
	if (!run(command) || !make_socket(&server, SOCK_STREAM, "10.1.0.1", 4097) ||
	    !expect(write(pipe_to[1], "g", 1) == 1) || !expect(read(pipe_from[0], &c, 1) == 1) ||
	    !expect(c == 'r') || !links_settled())
		return false;
	said("ip -o link");
	said("ip -o addr");
	said("ip netns list-id");
	return can_reach("10.1.0.2");
}

static bool same(void)
{
	struct stat st;
	char c = 0;

	return links_settled() && can_reach("10.1.0.2") && expect(write(pipe_to[1], "g", 1) == 1) &&
	       expect(read(pipe_from[0], &c, 1) == 1) && expect(c == 1) && said_again() &&
	       name_is(server, "10.1.0.1", 4097) && name_is(datagram, "10.77.0.5", 4099) &&
	       expect(place_of(server) == own_place()) && expect(fstat(opened, &st) == 0) &&
	       expect(place_of(datagram) == st.st_ino) && expect(st.st_ino != own_place()) &&
	       expect(setns(opened, CLONE_NEWNET) == 0) &&
	       run("ip -o addr show lo | grep -q 10.77.0.5/32");
}

VICTIM(make, same)
