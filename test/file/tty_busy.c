/* SPDX-License-Identifier: GPL-2.0-only */
/* a program that never stops writing to its terminal, and a slow reader: not a byte is lost or twice */
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "victim.h"

enum { LINES = 20000 };

static int master;
static int line;

static void child_main(int slave)
{
	char text[64];
	int n, done;
	ssize_t ret;

	for (int i = 0;; i++) {
		n = snprintf(text, sizeof(text), "%d\n", i);
		for (done = 0; done < n; done += (int)ret) {
			ret = write(slave, text + done, (size_t)(n - done));
			if (ret <= 0)
				_exit(1);
		}
	}
}

/* Lines as they come, each one more than the last. */
static bool read_lines(int n)
{
	static char text[64];
	static int len;
	char c;

	for (int end = line + n; line < end;) {
		if (!expect(read(master, &c, 1) == 1))
			return false;
		if (c != '\n') {
			text[len++] = c;
			if (len == sizeof(text))
				return expect(!"a line is too long");
			continue;
		}
		if (!expect(len > 1 && text[len - 1] == '\r'))
			return false;
		text[len - 1] = '\0';
		if (!expect(atoi(text) == line)) {
			fprintf(stderr, "%s instead of %d\n", text, line);
			return false;
		}
		line++;
		len = 0;
	}
	return true;
}

static bool make(void)
{
	int unlocked = 0, slave;

	master = posix_openpt(O_RDWR | O_NOCTTY);
	if (!expect(master >= 0) || !expect(ioctl(master, TIOCSPTLCK, &unlocked) == 0) ||
	    !expect((slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY)) >= 0))
		return false;
	if (fork() == 0) {
		close(master);
		child_main(slave);
	}
	close(slave);
	if (!read_lines(12345))
		return false;
	victim_sleep(50); /* until it is full */
	return true;
}

static bool same(void)
{
	return read_lines(LINES);
}

VICTIM(make, same)
