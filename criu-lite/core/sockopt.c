/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sockopt - SO_* of all sockets, as tables
 *
 * An option is one of three things: a field of CRIU's record (a table of names),
 * something with a form of its own (timeouts, filter, device), or an extra
 * (sockopt_extra.c).
 *
 * refused   an eBPF program (SO_ATTACH_BPF)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/proc.h"
#include "core/privileged.h"
#include "core/sockopt.h"

#ifndef SO_BUF_LOCK
enum { SO_BUF_LOCK = 72 };
#endif

int sockopt_get_int(int fd, int level, int name, int *value_ret)
{
	int value = 0;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, level, name, &value, &len) < 0)
		return -1;
	*value_ret = value;
	return 0;
}

int sockopt_set_int(int fd, int level, int name, int value)
{
	int now;

	if (sockopt_get_int(fd, level, name, &now) == 0 && now == value)
		return 0;
	return setsockopt(fd, level, name, &value, sizeof(value));
}

/* Groups that may have ping sockets; errno is EACCES if nobody may. */
static int enter_ping_group(void)
{
	scoped_fd fd = open("/proc/sys/net/ipv4/ping_group_range", O_RDONLY | O_CLOEXEC);
	unsigned int low, high;
	char text[40] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return -1;
	errno = EACCES;
	if (sscanf(text, "%u %u", &low, &high) != 2 || low > high)
		return -1;
	return setresgid((gid_t)-1, low, (gid_t)-1);
}

int sock_new(int domain, int type, int proto)
{
	int fd = socket(domain, type, proto);
	gid_t was = getegid();

	if (fd >= 0 || errno != EACCES || enter_ping_group() < 0)
		return fd;
	fd = socket(domain, type, proto);
	if (setresgid((gid_t)-1, was, (gid_t)-1) < 0)
		log_error("cannot have the old group again");
	return fd;
}

/* ---- fields of the record: numbers and yes or no ---- */

enum when {
	ALWAYS,
	IF_SET,	  /* only if not 0 */
	IF_LOCAL, /* only unix and netlink have it */
};

struct field {
	const char *name; /* in sk_opts_entry */
	int opt;
	enum when when;
};

static const struct field fields[] = {
	{ "reuseaddr", SO_REUSEADDR, ALWAYS },	  { "so_priority", SO_PRIORITY, ALWAYS },
	{ "so_rcvlowat", SO_RCVLOWAT, ALWAYS },	  { "so_mark", SO_MARK, IF_SET },
	{ "so_passcred", SO_PASSCRED, IF_LOCAL }, { "so_passsec", SO_PASSSEC, IF_LOCAL },
	{ "so_dontroute", SO_DONTROUTE, ALWAYS }, { "so_no_check", SO_NO_CHECK, ALWAYS },
	{ "so_reuseport", SO_REUSEPORT, ALWAYS }, { "so_broadcast", SO_BROADCAST, ALWAYS },
	{ "so_keepalive", SO_KEEPALIVE, ALWAYS }, { "so_oobinline", SO_OOBINLINE, ALWAYS },
};

static const ProtobufCFieldDescriptor *find_field(const char *name)
{
	return protobuf_c_message_descriptor_get_field_by_name(&sk_opts_entry__descriptor, name);
}

static bool is_wanted(const struct field *f, int domain, int value)
{
	if (f->when == IF_SET)
		return value != 0;
	return f->when == ALWAYS || domain == AF_UNIX || domain == AF_NETLINK;
}

static int collect_fields(int fd, int domain, SkOptsEntry *e, struct err *err)
{
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const ProtobufCFieldDescriptor *f = find_field(fields[i].name);
		int value;

		if (fields[i].when == IF_LOCAL && !is_wanted(&fields[i], domain, 1))
			continue;
		if (sockopt_get_int(fd, SOL_SOCKET, fields[i].opt, &value) < 0)
			return err_sys(err, "cannot read socket option %s", fields[i].name);
		if (!is_wanted(&fields[i], domain, value))
			continue;
		/* both a bool and a number are an int here */
		memcpy((char *)e + f->offset, &value, sizeof(value));
		*(protobuf_c_boolean *)((char *)e + f->quantifier_offset) = true;
	}
	return 0;
}

static int apply_fields(int fd, const SkOptsEntry *e, struct err *err)
{
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const ProtobufCFieldDescriptor *f = find_field(fields[i].name);
		int value;

		if (!*(const protobuf_c_boolean *)((const char *)e + f->quantifier_offset))
			continue;
		memcpy(&value, (const char *)e + f->offset, sizeof(value));
		if (sockopt_set_int(fd, SOL_SOCKET, fields[i].opt, value) < 0)
			return err_sys(err, "cannot set socket option %s to %d", fields[i].name,
				       value);
	}
	return 0;
}

/* ---- those with a form of their own ---- */

static int collect_timeout(int fd, int opt, uint64_t *sec, uint64_t *usec, struct err *err)
{
	struct timeval tv;
	socklen_t len = sizeof(tv);

	if (getsockopt(fd, SOL_SOCKET, opt, &tv, &len) < 0)
		return err_sys(err, "cannot read the timeout of a socket");
	*sec = (uint64_t)tv.tv_sec;
	*usec = (uint64_t)tv.tv_usec;
	return 0;
}

static int apply_timeout(int fd, int opt, uint64_t sec, uint64_t usec, struct err *err)
{
	struct timeval tv = { .tv_sec = (time_t)sec, .tv_usec = (suseconds_t)usec };

	if ((sec || usec) && setsockopt(fd, SOL_SOCKET, opt, &tv, sizeof(tv)) < 0)
		return err_sys(err, "cannot set the timeout of a socket");
	return 0;
}

static int collect_device(struct dump *d, int fd, SkOptsEntry *e, struct err *err)
{
	char name[IFNAMSIZ] = "";
	socklen_t len = sizeof(name);

	if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len) < 0)
		return err_sys(err, "cannot read the device of a socket");
	if (len > 1)
		e->so_bound_dev = arena_strdup(d->arena, name);
	return 0;
}

static int collect_linger(int fd, SkOptsEntry *e, struct err *err)
{
	struct linger l;
	socklen_t len = sizeof(l);

	if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &len) < 0)
		return err_sys(err, "cannot read SO_LINGER");
	e->has_so_linger = l.l_onoff != 0;
	e->so_linger = (uint32_t)l.l_linger;
	return 0;
}

static int apply_linger(int fd, const SkOptsEntry *e, struct err *err)
{
	struct linger l = { .l_onoff = 1, .l_linger = (int)e->so_linger };

	if (e->has_so_linger && setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) < 0)
		return err_sys(err, "cannot set SO_LINGER");
	return 0;
}

/* The length of a filter is counted in instructions. */
static int collect_filter(struct dump *d, int fd, SkOptsEntry *e, struct err *err)
{
	struct sock_filter *code;
	socklen_t len = 0, i;

	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &len) < 0) {
		err_sys(err, "cannot read the filter of a socket");
		if (err->code == EACCES) {
			err_why(err, "it is an eBPF program");
			err_hint(
				err,
				"programs of SO_ATTACH_BPF cannot be dumped; detach it before the dump");
		}
		return -err->code;
	}
	if (len == 0)
		return 0;
	code = arena_array(d->arena, struct sock_filter, len);
	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, code, &len) < 0)
		return err_sys(err, "cannot read the filter of a socket");

	e->so_filter = arena_array(d->arena, uint64_t, len);
	for (i = 0; i < len; i++)
		e->so_filter[i] = (uint64_t)code[i].code << 48 | (uint64_t)code[i].jt << 40 |
				  (uint64_t)code[i].jf << 32 | code[i].k;
	e->n_so_filter = len;
	return 0;
}

static int apply_filter(int fd, const SkOptsEntry *e, struct err *err)
{
	struct sock_filter code[BPF_MAXINSNS];
	struct sock_fprog prog = { .len = (unsigned short)e->n_so_filter, .filter = code };
	size_t i;

	if (!e->n_so_filter)
		return 0;
	if (e->n_so_filter > BPF_MAXINSNS)
		return err_set(err, EBADMSG, "cannot set a filter of %zu instructions",
			       e->n_so_filter);
	for (i = 0; i < e->n_so_filter; i++)
		code[i] = (struct sock_filter){ .code = (uint16_t)(e->so_filter[i] >> 48),
						.jt = (uint8_t)(e->so_filter[i] >> 40),
						.jf = (uint8_t)(e->so_filter[i] >> 32),
						.k = (uint32_t)e->so_filter[i] };
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		return err_sys(err, "cannot set the filter of a socket");
	return 0;
}

static int collect_buffers(int fd, SkOptsEntry *e, struct err *err)
{
	int snd, rcv, lock;

	if (sockopt_get_int(fd, SOL_SOCKET, SO_SNDBUF, &snd) < 0 ||
	    sockopt_get_int(fd, SOL_SOCKET, SO_RCVBUF, &rcv) < 0)
		return err_sys(err, "cannot read the sizes of buffers of a socket");
	e->so_sndbuf = (uint32_t)snd;
	e->so_rcvbuf = (uint32_t)rcv;
	e->has_so_buf_lock = sockopt_get_int(fd, SOL_SOCKET, SO_BUF_LOCK, &lock) == 0;
	e->so_buf_lock = e->has_so_buf_lock ? (uint32_t)lock : 0;
	return 0;
}

/* The kernel doubles what it is given, so half of what it gave goes in; setting a size also locks it. */
static int apply_buffers(struct restore *r, int fd, const SkOptsEntry *e, struct err *err)
{
	int snd = (int)(e->so_sndbuf / 2), rcv = (int)(e->so_rcvbuf / 2);

	if (privileged_setsockopt(r, fd, SOL_SOCKET, SO_SNDBUFFORCE, &snd, sizeof(snd)) < 0 ||
	    privileged_setsockopt(r, fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcv, sizeof(rcv)) < 0)
		return err_sys(err, "cannot set the sizes of buffers of a socket");
	if (e->has_so_buf_lock &&
	    sockopt_set_int(fd, SOL_SOCKET, SO_BUF_LOCK, (int)e->so_buf_lock) < 0)
		return err_sys(err, "cannot set SO_BUF_LOCK");
	return 0;
}

int sockopt_collect(struct dump *d, int fd, SkOptsEntry **opts_ret, struct err *err)
{
	SkOptsEntry *e = record_new(d, sk_opts_entry);
	int domain, proto;

	if (sockopt_get_int(fd, SOL_SOCKET, SO_DOMAIN, &domain) < 0 ||
	    sockopt_get_int(fd, SOL_SOCKET, SO_PROTOCOL, &proto) < 0)
		return err_sys(err, "cannot ask what a socket is");
	if (collect_buffers(fd, e, err) < 0 || collect_fields(fd, domain, e, err) < 0 ||
	    collect_timeout(fd, SO_SNDTIMEO, &e->so_snd_tmo_sec, &e->so_snd_tmo_usec, err) < 0 ||
	    collect_timeout(fd, SO_RCVTIMEO, &e->so_rcv_tmo_sec, &e->so_rcv_tmo_usec, err) < 0 ||
	    collect_device(d, fd, e, err) < 0 || collect_linger(fd, e, err) < 0 ||
	    collect_filter(d, fd, e, err) < 0 ||
	    sockopt_extra_collect(d, fd, domain, proto, e, err) < 0)
		return -err->code;
	*opts_ret = e;
	return 0;
}

int sockopt_begin(struct restore *r, int fd, const SkOptsEntry *e, struct err *err)
{
	if (e->so_bound_dev && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, e->so_bound_dev,
					  (socklen_t)strlen(e->so_bound_dev) + 1) < 0) {
		err_sys(err, "cannot bind a socket to device %s", e->so_bound_dev);
		return err_hint(err, "make a network device of that name");
	}
	if (apply_fields(fd, e, err) < 0 || apply_linger(fd, e, err) < 0)
		return -err->code;
	return sockopt_extra_apply(r, fd, e, false, err);
}

int sockopt_end(struct restore *r, int fd, const SkOptsEntry *e, struct err *err)
{
	if (apply_buffers(r, fd, e, err) < 0 || apply_filter(fd, e, err) < 0 ||
	    apply_timeout(fd, SO_SNDTIMEO, e->so_snd_tmo_sec, e->so_snd_tmo_usec, err) < 0 ||
	    apply_timeout(fd, SO_RCVTIMEO, e->so_rcv_tmo_sec, e->so_rcv_tmo_usec, err) < 0)
		return -err->code;
	return sockopt_extra_apply(r, fd, e, true, err);
}

/* ---- who ---- */

static const char *family_name(int domain, int type)
{
	static const char *const names[] = {
		[AF_INET] = "IPv4",  [AF_INET6] = "IPv6",	   [AF_PACKET] = "packet",
		[AF_KEY] = "key",    [AF_BLUETOOTH] = "Bluetooth", [AF_CAN] = "CAN",
		[AF_ALG] = "crypto", [AF_VSOCK] = "vsock",	   [AF_XDP] = "XDP",
		[AF_TIPC] = "TIPC",  [AF_QIPCRTR] = "QRTR",	   [AF_SMC] = "SMC",
		[AF_UNIX] = "unix",  [AF_NETLINK] = "netlink",	   [AF_RDS] = "RDS",
	};

	if (type == SOCK_RAW && (domain == AF_INET || domain == AF_INET6))
		return "raw IP";
	return (size_t)domain < sizeof(names) / sizeof(names[0]) && names[domain] ? names[domain]
										  : "unknown";
}

int sock_refuse(const struct fd_probe *p, struct err *err)
{
	int domain = 0, type = 0, proto = 0;

	if ((p->flags & O_PATH) || sockopt_get_int(p->own, SOL_SOCKET, SO_DOMAIN, &domain) < 0 ||
	    sockopt_get_int(p->own, SOL_SOCKET, SO_TYPE, &type) < 0 ||
	    sockopt_get_int(p->own, SOL_SOCKET, SO_PROTOCOL, &proto) < 0) {
		err_set(err, EOPNOTSUPP,
			"cannot dump \"%s\" (/proc/%s): the file of a socket, opened by O_PATH",
			p->link, p->proc_ref);
		return err_hint(err, "close it in the program before the dump");
	}
	err_set(err, EOPNOTSUPP,
		"cannot dump the %s socket /proc/%s (family %d, type %d, protocol %d)",
		family_name(domain, type), p->proc_ref, domain, type, proto);
	return err_hint(err,
			"sockets of this sort are not supported yet; close it before the dump");
}

static const CredsEntry *creds_of_owner(const struct restore *r)
{
	const ThreadCoreEntry *th = r->self ? r->self->threads[0].core->thread_core : NULL;

	return th ? th->creds : NULL;
}

/* Others of us, who have no power over us in a user namespace, fetch our descriptors. */
static void stay_dumpable(void)
{
	prctl(PR_SET_DUMPABLE, 1);
}

int sock_act_as(uid_t uid, gid_t gid, struct err *err)
{
	if (uid == 0 && gid == 0)
		return 0;
	/* with this bit a change of users takes no capabilities away */
	if (prctl(PR_SET_SECUREBITS, 1 << 2 /* SECBIT_NO_SETUID_FIXUP */) < 0 ||
	    setresgid((gid_t)-1, gid, (gid_t)-1) < 0 || setresuid((uid_t)-1, uid, (uid_t)-1) < 0) {
		err_sys(err, "cannot become user %u, group %u to make a socket", uid, gid);
		sock_act_as_root();
		return -err->code;
	}
	stay_dumpable();
	return 0;
}

int sock_act_as_owner(const struct restore *r, struct err *err)
{
	const CredsEntry *c = creds_of_owner(r);

	return c ? sock_act_as(c->euid, c->egid, err) : 0;
}

void sock_act_as_root(void)
{
	int saved = errno;

	if (geteuid() != 0 || getegid() != 0) {
		if (setresuid((uid_t)-1, 0, (uid_t)-1) < 0 ||
		    setresgid((gid_t)-1, 0, (gid_t)-1) < 0)
			log_error("cannot become root again");
		prctl(PR_SET_SECUREBITS, 0);
		stay_dumpable();
	}
	errno = saved;
}

static bool holds(int proc, const char *pid, const char *link)
{
	char path[300], text[64];
	struct dirent *e;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/fd", pid);
	scoped_fd fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return false;
	take_fd(&fd);
	while (!found && (e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, text, sizeof(text) - 1);

		if (n > 0) {
			text[n] = '\0';
			found = strcmp(text, link) == 0;
		}
	}
	closedir(dir);
	return found;
}

const char *sock_holder(struct arena *a, int proc, uint32_t ino)
{
	const char *link = arena_printf(a, "socket:[%u]", ino), *found = "nobody we can see";
	int fd = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	char comm[64];

	while (dir && (e = readdir(dir))) {
		int pid = atoi(e->d_name);

		if (pid <= 0 || pid == getpid() || !holds(proc, e->d_name, link))
			continue;
		found = arena_printf(a, "process %d (%s)", pid, proc_comm(proc, pid, comm));
		break;
	}
	if (dir)
		closedir(dir);
	return found;
}
