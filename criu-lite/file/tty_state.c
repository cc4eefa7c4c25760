/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tty state - what a terminal tells of itself, and how it is told again
 *
 * The kernel's struct termios, not libc's, which is another one: speeds that
 * have no name (BOTHER) need termios2.  A pty's master answers for its slave.
 */
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/kind.h"
#include "core/privileged.h"
#include "file/tty.h"

enum {
	CC_WORDS = 19
}; /* as many words as there are characters, of which only the first five are used */

/* ---- dump ---- */

static TermiosEntry *termios_entry_of(struct dump *d, const struct termios2 *t)
{
	TermiosEntry *e = record_new(d, termios_entry);

	e->c_iflag = t->c_iflag;
	e->c_oflag = t->c_oflag;
	e->c_cflag = t->c_cflag;
	e->c_lflag = t->c_lflag;
	e->c_line = t->c_line;
	if ((t->c_cflag & CBAUD) == BOTHER || ((t->c_cflag >> IBSHIFT) & CBAUD) == BOTHER) {
		e->c_ispeed = t->c_ispeed;
		e->c_ospeed = t->c_ospeed;
	}
	e->n_c_cc = CC_WORDS;
	e->c_cc = arena_array(d->arena, uint32_t, CC_WORDS);
	memcpy(e->c_cc, t->c_cc, NCCS);
	return e;
}

static int collect_termios(struct dump *d, int own, TtyInfoEntry *info, struct err *err)
{
	struct termios2 t = { 0 };
	struct termios locked = { 0 };

	if (ioctl(own, TCGETS2, &t) < 0 || ioctl(own, TIOCGLCKTRMIOS, &locked) < 0)
		return err_sys(err, "cannot read the settings of a terminal");
	info->termios = termios_entry_of(d, &t);

	memset(&t, 0, sizeof(t));
	memcpy(&t, &locked, sizeof(locked)); /* it begins with the same members */
	info->termios_locked = termios_entry_of(d, &t);
	return 0;
}

static int collect_size(struct dump *d, int own, TtyInfoEntry *info, struct err *err)
{
	struct winsize w;

	if (ioctl(own, TIOCGWINSZ, &w) < 0)
		return err_sys(err, "cannot read the size of a terminal");
	info->winsize = record_new(d, winsize_entry);
	info->winsize->ws_row = w.ws_row;
	info->winsize->ws_col = w.ws_col;
	info->winsize->ws_xpixel = w.ws_xpixel;
	info->winsize->ws_ypixel = w.ws_ypixel;
	return 0;
}

static int check_discipline(int own, struct err *err)
{
	int ldisc;

	if (ioctl(own, TIOCGETD, &ldisc) < 0)
		return err_sys(err, "cannot ask for the line discipline of a terminal");
	if (ldisc == N_TTY)
		return 0;
	err_set(err, EOPNOTSUPP, "cannot dump a terminal with line discipline %d", ldisc);
	return err_hint(
		err,
		"only the usual one (N_TTY) can be restored; end what uses this terminal as a line");
}

int tty_collect_state(struct dump *d, int own, TtyInfoEntry *info, bool *hung_up_ret,
		      struct err *err)
{
	struct termios2 t;
	int exclusive, locked = 0, packet = 0;

	*hung_up_ret = ioctl(own, TCGETS2, &t) < 0 && errno == EIO;
	if (*hung_up_ret)
		return 0;
	if (check_discipline(own, err) < 0 || collect_termios(d, own, info, err) < 0 ||
	    collect_size(d, own, info, err) < 0)
		return -err->code;
	if (ioctl(own, TIOCGEXCL, &exclusive) < 0)
		return err_sys(err, "cannot ask whether a terminal is exclusive");
	if (tty_is_master(info) &&
	    (ioctl(own, TIOCGPTLCK, &locked) < 0 || ioctl(own, TIOCGPKT, &packet) < 0))
		return err_sys(err, "cannot ask a pty whether it is locked");
	info->exclusive = exclusive;
	info->locked = locked;
	info->packet_mode = packet;
	return 0;
}

/* ---- restore ---- */

int tty_check_state(const TtyInfoEntry *info, struct err *err)
{
	const TermiosEntry *const all[] = { info->termios, info->termios_locked };

	for (size_t i = 0; i < 2; i++)
		if (all[i] && all[i]->n_c_cc * sizeof(uint32_t) < NCCS)
			return err_set(
				err, EBADMSG,
				"cannot use tty-info.img: terminal %u has too few characters",
				info->id);
	return 0;
}

static void termios_from(struct termios2 *t, const TermiosEntry *e)
{
	t->c_iflag = e->c_iflag;
	t->c_oflag = e->c_oflag;
	t->c_cflag = e->c_cflag;
	t->c_lflag = e->c_lflag;
	t->c_line = (cc_t)e->c_line;
	t->c_ispeed = e->c_ispeed;
	t->c_ospeed = e->c_ospeed;
	memcpy(t->c_cc, e->c_cc, NCCS);
}

static int set_termios(int fd, const TermiosEntry *e)
{
	struct termios2 t = { 0 };
	struct termios old = { 0 };

	termios_from(&t, e);
	if (t.c_ospeed || t.c_ispeed)
		return ioctl(fd, TCSETS2, &t);
	memcpy(&old, &t, sizeof(old));
	return ioctl(fd, TCSETS, &old);
}

static int set_locked(struct restore *r, int fd, const TermiosEntry *e)
{
	struct termios2 t = { 0 };
	struct termios old, now;

	termios_from(&t, e);
	memcpy(&old, &t, sizeof(old));
	if (ioctl(fd, TIOCGLCKTRMIOS, &now) == 0 && memcmp(&old, &now, sizeof(now)) == 0)
		return 0;
	return privileged_ioctl(r, fd, TIOCSLCKTRMIOS, &old, sizeof(old));
}

int tty_set_state(struct restore *r, int fd, const TtyInfoEntry *info, bool size, struct err *err)
{
	const WinsizeEntry *e = info->winsize;

	if (info->termios && set_termios(fd, info->termios) < 0)
		return err_sys(err, "cannot set up a terminal");
	if (info->termios_locked && set_locked(r, fd, info->termios_locked) < 0)
		return err_sys(err, "cannot lock the settings of a terminal");
	if (e && size) {
		struct winsize w = { (unsigned short)e->ws_row, (unsigned short)e->ws_col,
				     (unsigned short)e->ws_xpixel, (unsigned short)e->ws_ypixel };

		if (ioctl(fd, TIOCSWINSZ, &w) < 0)
			return err_sys(err, "cannot set the size of a terminal");
	}
	return 0;
}
