/* SPDX-License-Identifier: GPL-2.0-only */
/* stream and seqpacket sockets by relative names, in removed directories, renamed, unlinked, unconnected */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "victim.h"

/* of each type */
struct names {
	int type;
	int here[2];		      /* both are named "s", in directories a and b */
	int gone;		      /* listens; its directory was removed */
	int unlinked, client, server; /* connected by a name that was removed */
	int renamed;		      /* listens at "old", which is "moved/new" now */
	int twice;		      /* and another one is at "old" meanwhile */
	int bound, plain;	      /* does not listen; has no name */
	int dgram;		      /* unlinked, with messages */
};

static struct names sets[2] = { { .type = SOCK_STREAM }, { .type = SOCK_SEQPACKET } };

static int try_at(const char *name, int type, bool connects)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);

	strcpy(a.sun_path, name);
	if ((connects ? connect(fd, (struct sockaddr *)&a, sizeof(a))
		      : bind(fd, (struct sockaddr *)&a, sizeof(a))) == 0)
		return fd;
	close(fd);
	return -1;
}

static int listens(const char *name, int type)
{
	int fd = try_at(name, type, false);

	return fd >= 0 && listen(fd, 5) == 0 ? fd : -1;
}

static bool make_here(struct names *n)
{
	static const char *const dirs[] = { "a", "b" };
	int i;

	for (i = 0; i < 2; i++) {
		if (mkdir(dirs[i], 0755) < 0 || chdir(dirs[i]) < 0)
			return false;
		n->here[i] = listens("s", n->type);
		if (n->here[i] < 0 || chdir("..") < 0)
			return false;
	}
	return true;
}

static bool make_gone(struct names *n)
{
	char path[200];

	if (!getcwd(path, 150) || mkdir("doomed", 0755) < 0)
		return false;
	strcat(path, "/doomed/s");
	n->gone = listens(path, n->type);
	n->dgram = try_at("doomed/d", SOCK_DGRAM, false);
	return n->gone >= 0 && n->dgram >= 0 && unlink("doomed/s") == 0 &&
	       send(try_at("doomed/d", SOCK_DGRAM, true), "one", 3, 0) == 3 &&
	       send(try_at("doomed/d", SOCK_DGRAM, true), "three", 5, 0) == 5 &&
	       unlink("doomed/d") == 0 && rmdir("doomed") == 0;
}

static bool make_renamed(struct names *n)
{
	n->renamed = listens("old", n->type);
	if (n->renamed < 0 || mkdir("moved", 0755) < 0 || rename("old", "moved/new") < 0)
		return false;
	n->twice = listens("old", n->type);
	return n->twice >= 0;
}

static bool make_set(struct names *n)
{
	int l = listens("unlinked", n->type);

	n->unlinked = l;
	n->client = try_at("unlinked", n->type, true);
	n->server = accept(l, NULL, NULL);
	n->bound = try_at("bound", n->type, false);
	n->plain = socket(AF_UNIX, n->type | SOCK_NONBLOCK, 0);
	return n->client >= 0 && n->server >= 0 && unlink("unlinked") == 0 && n->bound >= 0 &&
	       n->plain >= 0 && make_here(n) && make_gone(n) && make_renamed(n);
}

static bool make(void)
{
	return mkdir("one", 0755) == 0 && chdir("one") == 0 && make_set(&sets[0]) &&
	       chdir("..") == 0 && mkdir("two", 0755) == 0 && chdir("two") == 0 &&
	       make_set(&sets[1]) && chdir("..") == 0;
}

static bool is_named(int fd, const char *want)
{
	struct sockaddr_un a = { 0 };
	socklen_t len = sizeof(a);

	if (!expect(getsockname(fd, (struct sockaddr *)&a, &len) == 0))
		return false;
	if (strcmp(a.sun_path, want) != 0)
		fprintf(stderr, "named %s, not %s\n", a.sun_path, want);
	return expect(strcmp(a.sun_path, want) == 0);
}

static bool talk(int a, int b)
{
	char buf[20];

	return expect(send(a, "hello", 5, 0) == 5) && expect(recv(b, buf, 20, 0) == 5) &&
	       expect(send(b, "you", 3, 0) == 3) && expect(recv(a, buf, 20, 0) == 3);
}

/* Who connects to @name is accepted by @l. */
static bool serves(int l, const char *name, int type)
{
	int client = try_at(name, type, true);
	int server = accept(l, NULL, NULL);

	return expect(client >= 0) && expect(server >= 0) && talk(client, server) &&
	       close(client) == 0 && close(server) == 0;
}

static bool same_gone(const struct names *n)
{
	struct sockaddr_un a = { 0 };
	socklen_t len = sizeof(a);
	char buf[20];

	return expect(getsockname(n->gone, (struct sockaddr *)&a, &len) == 0) &&
	       expect(strstr(a.sun_path, "/doomed/s") != NULL) &&
	       expect(access("doomed", F_OK) < 0) && expect(accept(n->gone, NULL, NULL) < 0) &&
	       expect(errno == EAGAIN) && is_named(n->dgram, "doomed/d") &&
	       expect(recv(n->dgram, buf, 20, 0) == 3) && expect(recv(n->dgram, buf, 20, 0) == 5);
}

static bool same_set(struct names *n)
{
	return is_named(n->here[0], "s") && is_named(n->here[1], "s") &&
	       serves(n->here[0], "a/s", n->type) && serves(n->here[1], "b/s", n->type) &&
	       same_gone(n) && is_named(n->unlinked, "unlinked") &&
	       is_named(n->server, "unlinked") && talk(n->client, n->server) &&
	       is_named(n->renamed, "old") && is_named(n->twice, "old") &&
	       serves(n->renamed, "moved/new", n->type) && serves(n->twice, "old", n->type) &&
	       is_named(n->bound, "bound") && expect(listen(n->bound, 3) == 0) &&
	       serves(n->bound, "bound", n->type) && expect(listen(n->plain, 3) < 0) &&
	       expect(errno == EINVAL) && is_named(n->plain, "");
}

static bool same(void)
{
	return expect(chdir("one") == 0) && same_set(&sets[0]) && expect(chdir("..") == 0) &&
	       expect(chdir("two") == 0) && same_set(&sets[1]) && expect(chdir("..") == 0);
}

VICTIM(make, same)
