/* SPDX-License-Identifier: GPL-2.0-only */
/* requests over netlink: lists, attributes, refusals, more than one buffer of answers */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "core/netlink.h"
#include "unit/tap.h"

enum { PAIRS = 700 };

struct search {
	ino_t ino;
	size_t total;
	int found;
	char name[64];
	size_t name_len;
};

static int look(const struct nlmsghdr *h, void *arg, struct err *err)
{
	const struct unix_diag_msg *m = netlink_payload(h, sizeof(*m));
	struct search *s = arg;
	const char *name;
	size_t len;

	if (!m)
		return err_set(err, EPROTO, "a short message");
	s->total++;
	if (m->udiag_ino != s->ino)
		return 0;
	s->found++;
	name = netlink_attr(h, sizeof(*m), UNIX_DIAG_NAME, 1, &len);
	if (name && len < sizeof(s->name)) {
		memcpy(s->name, name, len);
		s->name_len = len;
	}
	return 0;
}

static int stop(const struct nlmsghdr *h, void *arg, struct err *err)
{
	return err_set(err, ECANCELED, "enough");
}

static void test_unix(void)
{
	struct unix_diag_req req = { .sdiag_family = AF_UNIX,
				     .udiag_states = -1u,
				     .udiag_show = UDIAG_SHOW_NAME };
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "\0netlink_test" };
	struct search s = { 0 };
	struct err err;
	struct stat st;
	int sv[PAIRS][2];

	scoped_fd sk = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bind(sk, (struct sockaddr *)&addr, offsetof(struct sockaddr_un, sun_path) + 13);
	listen(sk, 5);
	fstat(sk, &st);
	s.ino = st.st_ino;
	for (int i = 0; i < PAIRS; i++)
		if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv[i]) < 0)
			sv[i][0] = sv[i][1] = -1;

	scoped_fd nl = netlink_open(NETLINK_SOCK_DIAG, &err);
	ok(nl >= 0, "a socket");
	ok(sock_diag_each(nl, &req, sizeof(req), look, &s, &err) == 0, "all unix sockets");
	ok(s.total >= 2 * PAIRS, "there are many: %zu", s.total);
	ok(s.found == 1 && s.name_len == 13 && memcmp(s.name, "\0netlink_test", 13) == 0,
	   "one of them is found, with its name");
	ok(sock_diag_each(nl, &req, sizeof(req), stop, NULL, &err) == -ECANCELED &&
		   strcmp(err.what, "enough") == 0,
	   "whoever looks can end it");
	for (int i = 0; i < PAIRS; i++) {
		close(sv[i][0]);
		close(sv[i][1]);
	}
}

static void test_refusal(void)
{
	struct sock_diag_req req = { .sdiag_family = 200 };
	struct err err;

	scoped_fd nl = netlink_open(NETLINK_SOCK_DIAG, &err);
	ok(sock_diag_each(nl, &req, sizeof(req), NULL, NULL, &err) < 0 && err.code,
	   "a family that does not exist");
	ok(netlink_ask(nl, 0x7777, 0, &req, sizeof(req), NULL, NULL, &err) < 0 && err.code,
	   "a request that does not exist");
	ok(netlink_open(200, &err) < 0 && err.code == EPROTONOSUPPORT,
	   "a protocol that does not exist");
}

static int name_of_link(const struct nlmsghdr *h, void *arg, struct err *err)
{
	const char *name = netlink_attr(h, sizeof(struct ifinfomsg), IFLA_IFNAME, 1, NULL);

	if (name)
		snprintf(arg, 64, "%s", name);
	return 0;
}

static void test_one(void)
{
	struct ifinfomsg req = { .ifi_index = (int)if_nametoindex("lo") };
	char name[64] = "";
	struct err err;

	scoped_fd nl = netlink_open(NETLINK_ROUTE, &err);
	ok(netlink_ask(nl, RTM_GETLINK, 0, &req, sizeof(req), name_of_link, name, &err) == 0 &&
		   strcmp(name, "lo") == 0,
	   "one answer and its acknowledgement");
	name[0] = '\0';
	ok(netlink_ask(nl, RTM_GETLINK, 0, &req, sizeof(req), name_of_link, name, &err) == 0 &&
		   strcmp(name, "lo") == 0,
	   "the next request on the same socket");
}

/* Lengths that lie. */
static void test_attributes(void)
{
	struct {
		struct nlmsghdr h;
		uint32_t fixed;
		struct nlattr a;
		uint32_t value;
	} m = { .h = { .nlmsg_len = sizeof(m) }, .a = { .nla_len = 8, .nla_type = 5 }, .value = 7 };
	const uint32_t *v = netlink_attr(&m.h, 4, 5, 4, NULL);

	ok(v && *v == 7, "an attribute");
	ok(!netlink_attr(&m.h, 4, 6, 4, NULL) && !netlink_attr(&m.h, 4, 5, 5, NULL),
	   "another type, or too short");
	m.a.nla_len = 9;
	ok(!netlink_attr(&m.h, 4, 5, 4, NULL), "longer than the message");
	m.a.nla_len = 0;
	ok(!netlink_attr(&m.h, 4, 5, 0, NULL), "shorter than its own head");
	m.h.nlmsg_len = NLMSG_HDRLEN + 3;
	ok(!netlink_attr(&m.h, 4, 5, 4, NULL) && !netlink_payload(&m.h, 4), "a short message");
}

int main(void)
{
	test_unix();
	test_refusal();
	test_one();
	test_attributes();
	return tap_done();
}
