/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tty data - bytes that one end of a pty has sent and the other has not read
 *
 * A terminal cannot be peeked into, so the bytes are taken and put back at once,
 * while the tree is stopped.  Put back means TIOCSTI, which hands a byte to the
 * line discipline of that very end: nobody's rules are applied a second time to
 * output, and to input only those that make lines, as they were when it was typed.
 *
 * The discipline holds 4095 bytes.  What is more waits in front of it, in buffers
 * of the kernel, and is written at the other end.
 */
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/kind.h"
#include "core/ns.h"
#include "core/outside.h"
#include "file/tty.h"

enum { DISCIPLINE_HOLDS = 4095, SOME = 8192, SMALL_WRITE = 256, LARGE_WRITE = 1792 };

struct bytes {
	struct arena *arena;
	vec(uint8_t) data;
	vec(uint32_t) ends;
};

static void add_bytes(struct bytes *b, const char *p, size_t n)
{
	while (n--)
		*vec_add(b->arena, &b->data) = (uint8_t)*p++;
}

static bool is_ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) > 0 && (p.revents & events);
}

static int failed(struct err *err, const char *what)
{
	return err_sys(err, "cannot %s a terminal", what);
}

/* ---- settings, for a moment ---- */

struct settings {
	struct restore *r; /* NULL: a dump */
	int fd;
	struct termios2 now;
	struct termios locked; /* those that nobody may change, not even we */
	bool is_locked;
};

static int settings_begin(struct settings *s, struct restore *r, int fd, struct err *err)
{
	const struct termios none = { 0 };

	s->r = r;
	s->fd = fd;
	if (ioctl(fd, TCGETS2, &s->now) < 0 || ioctl(fd, TIOCGLCKTRMIOS, &s->locked) < 0)
		return failed(err, "read the settings of");
	s->is_locked = memcmp(&s->locked, &none, sizeof(none)) != 0;
	if (s->is_locked && ioctl(fd, TIOCSLCKTRMIOS, &none) < 0)
		return failed(err, "unlock the settings of");
	return 0;
}

static int settings_set(const struct settings *s, const struct termios2 *t, struct err *err)
{
	return ioctl(s->fd, TCSETS2, t) < 0 ? failed(err, "set up") : 0;
}

static int settings_end(const struct settings *s, struct err *err)
{
	if (settings_set(s, &s->now, err) < 0)
		return -err->code;
	if (s->is_locked && ioctl(s->fd, TIOCSLCKTRMIOS, &s->locked) < 0)
		return failed(err, "lock the settings of");
	return 0;
}

static bool has_lines(const struct termios2 *t)
{
	return (t->c_lflag & ICANON) && !(t->c_lflag & EXTPROC);
}

/* ---- taking ---- */

static bool ends_line(const struct termios2 *t, char c)
{
	return c == '\n' || (c && ((cc_t)c == t->c_cc[VEOL] || (cc_t)c == t->c_cc[VEOL2]));
}

/* No lines, no echo, no signals, no waiting. */
static struct termios2 settings_for_taking(const struct termios2 *now)
{
	struct termios2 t = *now;

	t.c_lflag &= ~(ECHO | ECHONL | ISIG | ICANON);
	t.c_cc[VMIN] = 0;
	t.c_cc[VTIME] = 0;
	return t;
}

/* One read, one line. */
static int take_lines(int slave, const struct termios2 *t, struct bytes *b, struct err *err)
{
	char buf[SOME];

	while (is_ready(slave, POLLIN)) {
		ssize_t n = read(slave, buf, sizeof(buf));

		if (n < 0)
			return failed(err, "read from");
		add_bytes(b, buf, (size_t)n);
		if (n == 0 || !ends_line(t, buf[n - 1]))
			*vec_add(b->arena, &b->ends) = (uint32_t)b->data.n;
	}
	return 0;
}

/* Without lines and without waiting: nothing there is an end of file here. */
static int take_rest(int slave, struct bytes *b, struct err *err)
{
	char buf[SOME];
	ssize_t n;

	while ((n = read(slave, buf, sizeof(buf))) > 0)
		add_bytes(b, buf, (size_t)n);
	return n < 0 && errno != EAGAIN ? failed(err, "read from") : 0;
}

/* What has been typed but is no line yet can be seen only while there are no lines. */
static int take_input(const struct settings *s, struct bytes *b, struct err *err)
{
	struct termios2 t = settings_for_taking(&s->now), lines = t;

	lines.c_lflag |= ICANON;
	if (has_lines(&s->now) &&
	    (settings_set(s, &lines, err) < 0 || take_lines(s->fd, &lines, b, err) < 0))
		return -err->code;
	if (settings_set(s, &t, err) < 0)
		return -err->code;
	return take_rest(s->fd, b, err);
}

static int take_output(int master, struct bytes *b, struct err *err)
{
	char buf[SOME];
	int packet;

	if (ioctl(master, TIOCGPKT, &packet) < 0)
		return failed(err, "ask for packet mode of");
	while (is_ready(master, POLLIN)) {
		ssize_t n;

		if (is_ready(master, POLLPRI)) {
			err_set(err, EOPNOTSUPP,
				"cannot take unread output of a terminal: its status has not been read");
			err_why(err, "whoever has the master has not looked yet");
			return err_hint(err, "try again in a moment");
		}
		n = read(master, buf, sizeof(buf));
		if (n < 0)
			return failed(err, "read from");
		add_bytes(b, buf + !!packet, n ? (size_t)n - !!packet : 0);
	}
	return 0;
}

/* ---- putting ---- */

struct typed {
	size_t n;
	uint8_t bytes[DISCIPLINE_HOLDS];
};

static int type_here(struct restore *r, void *args, int *fd, struct err *err)
{
	const struct typed *t = args;

	for (size_t i = 0; i < t->n; i++)
		if (ioctl(*fd, TIOCSTI, &t->bytes[i]) < 0)
			return failed(err, "put bytes into");
	return 0;
}

/* Only the root of the whole machine may do that; a dump is done by it. */
static int push(struct restore *r, int fd, const uint8_t *p, size_t n, struct err *err)
{
	struct typed t;

	for (; n; n -= t.n, p += t.n) {
		t.n = n < sizeof(t.bytes) ? n : sizeof(t.bytes);
		memcpy(t.bytes, p, t.n);
		if ((r && r->ns->root[NS_USER] ? outside_run(r, type_here, &t, sizeof(t), &fd, err)
					       : type_here(r, &t, &fd, err)) < 0)
			return -err->code;
	}
	return 0;
}

/*
 * The kernel keeps what waits in buffers, each for two writes as large as the one
 * it was made for (256 to 1792 bytes).  Their sum has a limit, which the last one
 * may exceed.  So small writes leave no gaps, and large ones come last: what has
 * been there fits again.
 */
static bool write_pieces(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		size_t most = n > 2 * LARGE_WRITE ? SMALL_WRITE : LARGE_WRITE;
		ssize_t done = write(fd, p, n < most ? n : most);

		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

/* Instead of waiting, it fails. */
static int write_rest(int fd, const uint8_t *p, size_t n, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);
	bool ok;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return failed(err, "put bytes into");
	ok = write_pieces(fd, p, n);
	if (!ok)
		failed(err, "put all unread bytes back into");
	fcntl(fd, F_SETFL, flags);
	return ok ? 0 : -err->code;
}

/* The last buffer stays when it is empty, and may be a large one: push it out by bytes that nobody sees. */
static bool write_filler(int fd)
{
	const uint8_t filler[SMALL_WRITE] = { 0 };

	for (int n = 0; n < 2 * LARGE_WRITE + SMALL_WRITE; n += SMALL_WRITE)
		if (!write_pieces(fd, filler, sizeof(filler)))
			return false;
	return true;
}

static int renew_input_buffers(struct arena *a, int master, const struct settings *s,
			       struct err *err)
{
	struct termios2 t = settings_for_taking(&s->now);
	struct bytes scratch = { .arena = a };

	if (settings_set(s, &t, err) < 0)
		return -err->code;
	if (!write_filler(master))
		return failed(err, "put bytes into");
	return take_rest(s->fd, &scratch, err);
}

static int renew_output_buffers(struct arena *a, int master, const struct settings *s,
				struct err *err)
{
	struct bytes scratch = { .arena = a };

	if (!write_filler(s->fd))
		return failed(err, "put bytes into");
	return take_output(master, &scratch, err);
}

/* A byte that does not occur, to stand for the end of a file. */
static uint8_t unused_byte(const TtyDataEntry *e, const struct termios2 *t)
{
	uint8_t c;

	for (c = 255; c > 0; c--)
		if (!memchr(e->data.data, c, e->data.len) && !memchr(t->c_cc, c, NCCS))
			break;
	return c;
}

/* Lines end as they did, and nothing else has a meaning. */
static struct termios2 settings_for_input(const struct termios2 *now, uint8_t eof)
{
	struct termios2 t = *now;

	t.c_iflag &= IXON; /* a master in packet mode is told when it changes */
	t.c_lflag &= ICANON | IEXTEN | EXTPROC;
	memset(t.c_cc, 0, sizeof(t.c_cc));
	t.c_cc[VSTART] = now->c_cc[VSTART];
	t.c_cc[VSTOP] = now->c_cc[VSTOP];
	t.c_cc[VEOL] = now->c_cc[VEOL];
	t.c_cc[VEOL2] = now->c_cc[VEOL2];
	t.c_cc[VEOF] = eof;
	t.c_cc[VMIN] = 1;
	return t;
}

static size_t type_bytes(const TtyDataEntry *e, uint8_t eof, uint8_t eof_later, uint8_t *typed)
{
	size_t n = 0, end = 0;

	for (size_t i = 0; i <= e->data.len; i++) {
		for (; end < e->n_ends && e->ends[end] == i; end++) {
			typed[n] = n < DISCIPLINE_HOLDS ? eof : eof_later;
			n++;
		}
		if (i < e->data.len)
			typed[n++] = e->data.data[i];
	}
	return n;
}

static int put_input(struct arena *a, int master, const struct settings *s, const TtyDataEntry *e,
		     struct err *err)
{
	uint8_t *typed = arena_alloc(a, e->data.len + e->n_ends);
	uint8_t eof = unused_byte(e, &s->now);
	struct termios2 t = settings_for_input(&s->now, eof);
	size_t n = type_bytes(e, eof, s->now.c_cc[VEOF], typed);
	size_t now = n < DISCIPLINE_HOLDS ? n : DISCIPLINE_HOLDS;

	if (n > now && renew_input_buffers(a, master, s, err) < 0)
		return -err->code;
	if (settings_set(s, &t, err) < 0 || push(s->r, s->fd, typed, now, err) < 0 ||
	    settings_set(s, &s->now, err) < 0)
		return -err->code;
	return n > now ? write_rest(master, typed + now, n - now, err) : 0;
}

static void stop_output(const struct settings *s)
{
	uint8_t stop = s->now.c_cc[VSTOP];
	struct err ignored = { 0 };

	if ((s->now.c_iflag & IXON) && stop)
		push(s->r, s->fd, &stop, 1, &ignored);
	else
		ioctl(s->fd, TCXONC, TCOOFF);
}

static void start_output(int slave)
{
	ioctl(slave, TCXONC, TCOOFF);
	ioctl(slave, TCXONC, TCOON);
}

/* Output comes from the slave once more, ready made, as far as the discipline of the master does not hold it. */
static int put_much_output(struct arena *a, int master, const struct settings *s,
			   const TtyDataEntry *e, struct err *err)
{
	struct termios2 t = s->now;

	t.c_oflag &= ~OPOST;
	if (settings_set(s, &t, err) < 0)
		return -err->code;
	if (!is_ready(s->fd, POLLOUT))
		start_output(s->fd);
	if (renew_output_buffers(a, master, s, err) < 0 ||
	    push(s->r, master, e->data.data, DISCIPLINE_HOLDS, err) < 0)
		return -err->code;
	return write_rest(s->fd, e->data.data + DISCIPLINE_HOLDS, e->data.len - DISCIPLINE_HOLDS,
			  err);
}

static int put_output(struct arena *a, int master, const struct settings *s, const TtyDataEntry *e,
		      struct err *err)
{
	if (e->data.len > DISCIPLINE_HOLDS)
		return put_much_output(a, master, s, e, err);
	return push(s->r, master, e->data.data, e->data.len, err);
}

/* ---- both ---- */

static int put_all(struct arena *a, int master, const struct settings *s,
		   const struct pty_data *data, struct err *err)
{
	if (data->slave && put_input(a, master, s, data->slave, err) < 0)
		return -err->code;
	if (data->master && put_output(a, master, s, data->master, err) < 0)
		return -err->code;
	if (settings_end(s, err) < 0)
		return -err->code;
	if (data->stopped && is_ready(s->fd, POLLOUT))
		stop_output(s);
	return 0;
}

int pty_put_data(struct restore *r, int master, int slave, const struct pty_data *data,
		 struct err *err)
{
	struct settings s;

	if (slave < 0)
		return data->master ? push(r, master, data->master->data.data,
					   data->master->data.len, err)
				    : 0;
	if (settings_begin(&s, r, slave, err) < 0)
		return -err->code;
	return put_all(r->arena, master, &s, data, err);
}

static TtyDataEntry *entry_of(struct dump *d, const struct bytes *b)
{
	TtyDataEntry *e;

	if (!b->data.n && !b->ends.n)
		return NULL;
	e = record_new(d, tty_data_entry);
	e->data.data = b->data.items;
	e->data.len = b->data.n;
	e->ends = b->ends.items;
	e->n_ends = b->ends.n;
	return e;
}

static bool may_have_input(const struct settings *s)
{
	int n;

	/* poll() also has the kernel deliver what is on its way */
	is_ready(s->fd, POLLIN);
	return has_lines(&s->now) || ioctl(s->fd, FIONREAD, &n) < 0 || n > 0;
}

int pty_copy_data(struct dump *d, int master, int slave, struct pty_data *data_ret, struct err *err)
{
	struct bytes in = { .arena = d->arena }, out = { .arena = d->arena };
	struct err ignored = { 0 };
	struct settings s;
	int ret;

	if (settings_begin(&s, NULL, slave, err) < 0)
		return -err->code;
	ret = may_have_input(&s) ? take_input(&s, &in, err) : 0;
	if (ret == 0)
		ret = take_output(master, &out, err);

	/* whatever went wrong, what has been taken goes back */
	data_ret->slave = entry_of(d, &in);
	data_ret->master = entry_of(d, &out);
	data_ret->stopped = !is_ready(slave, POLLOUT);
	if (put_all(d->arena, master, &s, data_ret, ret < 0 ? &ignored : err) < 0 && ret == 0)
		ret = -err->code;
	return ret;
}
