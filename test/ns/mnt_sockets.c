/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sockets with names in mount namespaces: the same name in two of them, on different
 * mounts; below what was mounted later; in a bind; passed from one to the other
 * (sockets-unix-9, mountns-34)
 */
#include <sys/socket.h>
#include <sys/un.h>

#include "forest.h"

enum { SAME, RELATIVE, COVERED, MOVED, NR };

/* What each of the two has. */
struct side {
	int listener[NR], client[NR], server[NR], dgram;
	char name[NR][sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static struct side mine, its;
static struct inmate child;
static int passed[2], foreign;

static bool address(struct sockaddr_un *a, const char *name)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	return snprintf(a->sun_path, sizeof(a->sun_path), "%s", name) < (int)sizeof(a->sun_path);
}

static int bound(const char *name, int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	struct sockaddr_un a;

	if (!address(&a, name) || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -1;
	return type == SOCK_DGRAM || listen(fd, 3) == 0 ? fd : -1;
}

static int connected(const char *name)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a;

	return address(&a, name) && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 ? fd : -1;
}

static bool open_one(struct side *s, int i, const char *name)
{
	snprintf(s->name[i], sizeof(s->name[i]), "%s", name);
	s->listener[i] = bound(name, SOCK_STREAM);
	s->client[i] = connected(name);
	s->server[i] = accept4(s->listener[i], NULL, NULL, SOCK_CLOEXEC);
	return expect(s->listener[i] >= 0) && expect(s->client[i] >= 0) &&
	       expect(s->server[i] >= 0);
}

/* On a mount of one's own at fs. */
static bool make_side(struct side *s)
{
	return expect(mount_tmpfs("fs", 0, "mode=751")) && expect(make_dir("fs/deep")) &&
	       expect(make_dir("fs/deep/dir")) && open_one(s, SAME, at("fs/same")) &&
	       open_one(s, RELATIVE, "fs/relative") && open_one(s, MOVED, at("fs/moved")) &&
	       expect(rename("fs/moved", "fs/deep/moved") == 0) &&
	       open_one(s, COVERED, at("fs/deep/dir/covered")) &&
	       expect((s->dgram = bound("fs/deep/dir/dgram", SOCK_DGRAM)) >= 0) &&
	       expect(chmod("fs/deep/dir/dgram", 0613) == 0) &&
	       expect(mount_tmpfs("fs/deep/dir", 0, "mode=711"));
}

static bool make_child(void)
{
	return expect(umount2("fs/deep/dir", MNT_DETACH) == 0) &&
	       expect(umount2("fs", MNT_DETACH) == 0) && make_side(&its) &&
	       expect(bound("fs/passed", SOCK_STREAM) == its.dgram + 1);
}

/* A listener of the child's mount namespace that only we have. */
static bool pass_it(void)
{
	char control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = { (char *)"x", 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int fd = its.dgram + 1;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return expect(sendmsg(passed[1], &msg, 0) == 1) && expect(close(fd) == 0);
}

static int take_it(void)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd = -1;

	if (recvmsg(passed[0], &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static bool make(void)
{
	char cwd[60];

	if (!expect(getcwd(cwd, sizeof(cwd)) != NULL) || !own_mounts() ||
	    !expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, passed) == 0) ||
	    !make_side(&mine) || !expect(inmate_start(&child, make_child)) ||
	    !expect(ask(&child, pass_it)))
		return false;
	foreign = take_it();
	return expect(foreign >= 0);
}

static bool talk(int a, int b)
{
	char buf[20];

	return expect(write(a, "hello", 5) == 5) && expect(read(b, buf, 20) == 5) &&
	       expect(write(b, "you", 3) == 3) && expect(read(a, buf, 20) == 3);
}

static bool is_named(int fd, const char *name)
{
	struct sockaddr_un got = { 0 };
	socklen_t len = sizeof(got);

	return expect(getsockname(fd, (struct sockaddr *)&got, &len) == 0) &&
	       expect(strcmp(got.sun_path, name) == 0);
}

/* Who connects to @name is heard by @listener. */
static bool reaches(int listener, const char *name)
{
	int client = connected(name), server;

	if (!expect(client >= 0))
		return false;
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return expect(server >= 0) && talk(client, server) && expect(close(client) == 0) &&
	       expect(close(server) == 0);
}

static bool is_same_side(const struct side *s)
{
	struct stat st;

	for (int i = 0; i < NR; i++)
		if (!is_named(s->listener[i], s->name[i]) || !is_named(s->server[i], s->name[i]) ||
		    !talk(s->client[i], s->server[i])) {
			fprintf(stderr, "socket %d, pid %d\n", i, getpid());
			return false;
		}
	if (!expect(connected(s->name[COVERED]) < 0 && errno == ENOENT) ||
	    !expect(connected(s->name[MOVED]) < 0 && errno == ENOENT) ||
	    !expect(umount2("fs/deep/dir", MNT_DETACH) == 0))
		return false;
	return reaches(s->listener[SAME], s->name[SAME]) &&
	       reaches(s->listener[RELATIVE], s->name[RELATIVE]) &&
	       reaches(s->listener[MOVED], "fs/deep/moved") &&
	       reaches(s->listener[COVERED], s->name[COVERED]) &&
	       is_named(s->dgram, "fs/deep/dir/dgram") &&
	       expect(stat("fs/deep/dir/dgram", &st) == 0 && st.st_mode == (S_IFSOCK | 0613)) &&
	       expect(access("fs/deep/dir/passed", F_OK) < 0);
}

static bool is_same_child(void)
{
	return is_same_side(&its) && expect(connected("fs/passed") >= 0);
}

static bool same(void)
{
	return is_same_side(&mine) && expect(ask(&child, is_same_child)) &&
	       expect(accept4(foreign, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) >= 0) &&
	       expect(connected("fs/passed") < 0 && errno == ENOENT);
}

VICTIM(make, same)
