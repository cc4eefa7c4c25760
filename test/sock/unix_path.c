/* SPDX-License-Identifier: GPL-2.0-only */
/* sockets with names: absolute, relative, deleted, abstract; listening, with clients and without */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "victim.h"

static int abs_sock, rel_sock, gone_sock, abstract_sock, idle;
static int gone_client, gone_server, rel_client, rel_server, orphan_client, orphan_server;
static char abs_name[100], abstract_name[30];

static socklen_t address(struct sockaddr_un *a, const char *name)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	if (name[0] == '@') {
		memcpy(a->sun_path + 1, name + 1, strlen(name) - 1);
		return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	}
	strcpy(a->sun_path, name);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1);
}

static int listen_at(const char *name, int type)
{
	struct sockaddr_un a;
	socklen_t len = address(&a, name);
	int fd = socket(AF_UNIX, type, 0);

	return bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, 7) == 0 ? fd : -1;
}

static int connect_to(const char *name, int type)
{
	struct sockaddr_un a;
	socklen_t len = address(&a, name);
	int fd = socket(AF_UNIX, type, 0);

	return connect(fd, (struct sockaddr *)&a, len) == 0 ? fd : -1;
}

static bool is_named(int fd, const char *name)
{
	struct sockaddr_un want, got;
	socklen_t len = sizeof(got), want_len = address(&want, name);

	memset(&got, 0, sizeof(got));
	if (!expect(getsockname(fd, (struct sockaddr *)&got, &len) == 0))
		return false;
	if (len != want_len || memcmp(&got, &want, len) != 0)
		fprintf(stderr, "named %s (%u) instead of %s (%u)\n", got.sun_path, len, name,
			want_len);
	return expect(len == want_len) && expect(memcmp(&got, &want, len) == 0);
}

static bool make(void)
{
	char cwd[80];

	if (!getcwd(cwd, sizeof(cwd)) || mkdir("below", 0755) < 0)
		return false;
	snprintf(abs_name, sizeof(abs_name), "%s/abs", cwd);
	abs_sock = listen_at(abs_name, SOCK_STREAM);
	if (abs_sock < 0 || chmod("abs", 0713) < 0 || chown("abs", 17, 23) < 0)
		return false;

	if (chdir("below") < 0)
		return false;
	rel_sock = listen_at("rel", SOCK_SEQPACKET);
	rel_client = connect_to("rel", SOCK_SEQPACKET);
	rel_server = accept(rel_sock, NULL, NULL);
	if (chdir("..") < 0 || rel_sock < 0 || rel_client < 0 || rel_server < 0)
		return false;

	gone_sock = listen_at("gone", SOCK_STREAM);
	gone_client = connect_to("gone", SOCK_STREAM);
	gone_server = accept(gone_sock, NULL, NULL);
	if (gone_sock < 0 || gone_client < 0 || gone_server < 0 || unlink("gone") < 0)
		return false;
	/* something else has the name now */
	if (close(open("gone", O_WRONLY | O_CREAT, 0600)) < 0)
		return false;

	idle = listen_at("orphan", SOCK_STREAM);
	orphan_client = connect_to("orphan", SOCK_STREAM);
	orphan_server = accept(idle, NULL, NULL);
	if (orphan_client < 0 || orphan_server < 0 || close(idle) < 0)
		return false;

	snprintf(abstract_name, sizeof(abstract_name), "@crl.%d", getpid());
	abstract_sock = listen_at(abstract_name, SOCK_STREAM);
	return abstract_sock >= 0 && write(gone_client, "before", 6) == 6;
}

static bool talk(int a, int b)
{
	char buf[20];

	return expect(write(a, "hello", 5) == 5) && expect(read(b, buf, 20) == 5) &&
	       expect(write(b, "you", 3) == 3) && expect(read(a, buf, 20) == 3);
}

static bool serves(int listener, const char *name, int type)
{
	int client = connect_to(name, type), server;

	if (!expect(client >= 0))
		return false;
	server = accept(listener, NULL, NULL);
	return expect(server >= 0) && is_named(server, name) && talk(client, server);
}

static bool same(void)
{
	struct stat st;
	char buf[20];

	return is_named(abs_sock, abs_name) && serves(abs_sock, abs_name, SOCK_STREAM) &&
	       expect(stat("abs", &st) == 0) && expect(st.st_mode == (S_IFSOCK | 0713)) &&
	       expect(st.st_uid == 17 && st.st_gid == 23) &&

	       is_named(rel_sock, "rel") && is_named(rel_server, "rel") &&
	       talk(rel_client, rel_server) && expect(chdir("below") == 0) &&
	       serves(rel_sock, "rel", SOCK_SEQPACKET) && expect(chdir("..") == 0) &&

	       is_named(gone_sock, "gone") && is_named(gone_server, "gone") &&
	       expect(read(gone_server, buf, 20) == 6) && talk(gone_client, gone_server) &&
	       expect(stat("gone", &st) == 0) && expect(S_ISREG(st.st_mode)) &&

	       is_named(orphan_server, "orphan") && talk(orphan_client, orphan_server) &&
	       is_named(abstract_sock, abstract_name) &&
	       serves(abstract_sock, abstract_name, SOCK_STREAM);
}

VICTIM(make, same)
