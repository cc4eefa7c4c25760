/* SPDX-License-Identifier: GPL-2.0-only */
/* base: errors, arena, growing arrays, lists, io, text and the log */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/list.h"
#include "base/log.h"
#include "base/text.h"
#include "base/vec.h"
#include "unit/tap.h"

static void test_err(void)
{
	struct err err = { 0 };
	char big[2000];
	int ret;

	ret = err_set(&err, ENOENT, "cannot open %s", "pstree.img");
	ok(ret == -ENOENT && err.code == ENOENT, "err_set returns the code");
	ok(!strcmp(err.what, "cannot open pstree.img"), "what is formatted");
	ok(!strcmp(err.why, strerror(ENOENT)), "why is the text of the code");
	ok(!err.hint[0], "no hint at first");

	ret = err_in(&err, "task %d", 5);
	ok(ret == -ENOENT && !strcmp(err.what, "task 5: cannot open pstree.img"),
	   "err_in puts where in front");

	err_hint(&err, "first");
	err_hint(&err, "second");
	ok(!strcmp(err.hint, "first"), "the first hint is kept");

	err_why(&err, "it is %d years old", 7);
	ok(!strcmp(err.why, "it is 7 years old") && err.code == ENOENT,
	   "err_why replaces the text");

	errno = EACCES;
	ok(err_sys(&err, "cannot %s", "read") == -EACCES && !err.hint[0],
	   "err_sys takes errno and begins anew");
	ok(err_set(&err, 0, "x") < 0, "a failure is never 0");

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&err, EIO, "%s", big);
	err_in(&err, "%s", big);
	ok(strlen(err.what) == sizeof(err.what) - 1, "too long is cut, not overrun");
}

static void test_arena(void)
{
	static const size_t sizes[] = { 1, 15, 16, 17, 4097, 16384, 16385, 65536, 70001, 3, 300000 };
	struct arena a;
	unsigned char *pieces[11];
	bool aligned = true, zeroed = true, kept = true;

	arena_init(&a);
	for (size_t i = 0; i < 11; i++) {
		pieces[i] = arena_alloc(&a, sizes[i]);
		aligned = aligned && (uintptr_t)pieces[i] % 16 == 0;
		for (size_t n = 0; n < sizes[i]; n++)
			zeroed = zeroed && pieces[i][n] == 0;
		memset(pieces[i], (int)i + 1, sizes[i]);
	}
	for (size_t i = 0; i < 11; i++)
		for (size_t n = 0; n < sizes[i]; n++)
			kept = kept && pieces[i][n] == i + 1;
	ok(aligned, "pieces are aligned to 16");
	ok(zeroed, "pieces are zeroed");
	ok(kept, "pieces do not overlap");

	ok(!strcmp(arena_strdup(&a, "five"), "five"), "arena_strdup");
	ok(!strcmp(arena_printf(&a, "%s-%d.img", "core", 5), "core-5.img"), "arena_printf");
	ok(!memcmp(arena_dup(&a, "a\0b", 3), "a\0b", 3), "arena_dup keeps zeros");
	ok(arena_dup(&a, "", 0) != NULL, "a copy of nothing is something");

	arena_give_back(&a, pieces[10], sizes[10]);
	ok(arena_alloc(&a, sizes[10]) == pieces[10] && pieces[10][0] == 0 &&
		   pieces[10][299999] == 0,
	   "what is given back is taken again, and zeroed");

	pieces[0] = arena_alloc(&a, 16);
	arena_forked(&a);
	pieces[1] = arena_alloc(&a, 16);
	ok(pieces[1] < pieces[0] || pieces[1] >= pieces[0] + 65536, "arena_forked begins a block");

	arena_fini(&a);
	ok(!a.blocks, "arena_fini leaves an empty arena");
}

static void test_vec(void)
{
	struct arena a;
	vec(int) v = { 0 };
	int *p, n = 0;
	bool right = true;

	arena_init(&a);
	for (int i = 0; i < 1000; i++)
		*vec_add(&a, &v) = i;
	vec_for_each(p, &v)
		right = right && *p == n++;
	ok(right && n == 1000, "a vec grows and keeps order");
	arena_fini(&a);
}

struct item {
	int n;
	struct list link;
};

static void test_list(void)
{
	struct list head;
	struct item items[3] = { { .n = 1 }, { .n = 2 }, { .n = 3 } }, *i;
	int sum = 0;

	list_init(&head);
	ok(list_empty(&head), "a new list is empty");
	for (int n = 0; n < 3; n++)
		list_add_tail(&head, &items[n].link);
	list_for_each(i, &head, link)
		sum = sum * 10 + i->n;
	ok(sum == 123, "a list keeps order");

	list_del(&items[1].link);
	sum = 0;
	list_for_each(i, &head, link)
		sum = sum * 10 + i->n;
	ok(sum == 13, "list_del takes one out");
}

static int temp_file(const char *content, size_t len)
{
	int fd = memfd_create("base_test", MFD_CLOEXEC);

	if (fd < 0 || io_write(fd, content, len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		exit(1);
	return fd;
}

static void test_io(void)
{
	char buf[8] = "";
	struct arena a;
	char *text, *big;
	size_t len = 0;

	arena_init(&a);
	scoped_fd fd = temp_file("0123456789", 10);

	ok(io_read(fd, buf, 4) == 0 && !memcmp(buf, "0123", 4), "io_read");
	ok(io_pread(fd, buf, 3, 7) == 0 && !memcmp(buf, "789", 3), "io_pread");
	ok(io_pread(fd, buf, 3, 8) == -ENODATA, "io_pread past the end: -ENODATA");
	ok(io_pwrite(fd, "ab", 2, 1) == 0 && io_pread(fd, buf, 3, 0) == 0 && !memcmp(buf, "0ab", 3),
	   "io_pwrite");
	ok(io_read(-1, buf, 1) == -EBADF, "io_read: errno");
	ok(io_slurp(fd, &a, &text, &len) == 0 && len == 6 && !strcmp(text, "456789"),
	   "io_slurp takes the rest and ends it");

	big = calloc(1, 100001);
	memset(big, 'z', 100000);
	scoped_fd large = temp_file(big, 100000);
	ok(io_slurp(large, &a, &text, &len) == 0 && len == 100000 && !strcmp(text, big),
	   "io_slurp of 100,000 bytes");
	free(big);

	ok(io_slurp_at(AT_FDCWD, "/proc/self/status", &a, &text, NULL) == 0 && strstr(text, "Pid:"),
	   "io_slurp_at /proc");
	ok(io_slurp_at(AT_FDCWD, "/nowhere/at/all", &a, &text, NULL) == -ENOENT,
	   "io_slurp_at: errno");

	scoped_fd copy = temp_file("", 0);
	lseek(large, 5, SEEK_SET);
	ok(io_copy(large, copy, 4097) == 0 && lseek(copy, 0, SEEK_END) == 4097, "io_copy");
	lseek(large, 99999, SEEK_SET);
	ok(io_copy(large, copy, 2) == -ENODATA, "io_copy past the end: -ENODATA");
	arena_fini(&a);
}

static void test_pipe_io(void)
{
	char sent[200000], got[200000] = "";
	int p[2];
	pid_t pid;

	memset(sent, 'q', sizeof(sent));
	if (pipe(p) < 0 || (pid = fork()) < 0)
		exit(1);
	if (pid == 0) {
		/* more than a pipe holds, in pieces of odd sizes */
		for (size_t i = 0; i < sizeof(sent); i += 4999)
			if (io_write(p[1], sent + i,
				     sizeof(sent) - i < 4999 ? sizeof(sent) - i : 4999) < 0)
				_exit(1);
		_exit(0);
	}
	close(p[1]);
	ok(io_read(p[0], got, sizeof(got)) == 0 && !memcmp(sent, got, sizeof(got)),
	   "io_read goes on after short reads");
	ok(io_read(p[0], got, 1) == -ENODATA, "end of file: -ENODATA");
	close(p[0]);
	waitpid(pid, NULL, 0);
}

static void test_send_fd(void)
{
	char buf[6] = "", c;
	int s[2], fd = -1;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) < 0)
		exit(1);
	scoped_fd file = temp_file("F", 1);

	ok(io_send_fd(s[0], "hello", 6, file) == 0 && io_recv_fd(s[1], buf, 6, &fd) == 0 &&
		   !strcmp(buf, "hello"),
	   "a message arrives");
	ok(fd >= 0 && fd != file && read(fd, &c, 1) == 1 && c == 'F', "and its descriptor");
	ok(fcntl(fd, F_GETFD) == FD_CLOEXEC, "which is closed by exec");
	close(fd);

	ok(io_send_fd(s[0], "hello", 6, -1) == 0 && io_recv_fd(s[1], buf, 6, &fd) == 0 && fd == -1,
	   "a message without a descriptor");
	close(s[0]);
	ok(io_recv_fd(s[1], buf, 6, &fd) == -ENODATA, "nobody there: -ENODATA");
	close(s[1]);
}

static bool text_is(struct text t, const char *s)
{
	return (size_t)(t.end - t.p) == strlen(s) && !memcmp(t.p, s, strlen(s));
}

static void test_text_lines(void)
{
	const char *s = "Name:\tsleep\nPid:\t 15\n\nlast";
	struct text t = text_of(s, strlen(s)), line;
	struct slice w;

	ok(text_line(&t, &line) && text_is(line, "Name:\tsleep"), "the first line");
	ok(text_word(&line, &w) && slice_is(w, "Name:"), "its first word");
	ok(text_word(&line, &w) && slice_is(w, "sleep"), "its second word");
	ok(!text_word(&line, &w), "there is no third");
	ok(text_line(&t, &line) && text_line(&t, &line) && text_is(line, ""), "an empty line");
	ok(text_line(&t, &line) && text_is(line, "last"), "the last line without its end");
	ok(!text_line(&t, &line), "and then no more");

	ok(text_find(s, "Pid:", &line) && text_is(line, "15"), "text_find skips blanks");
	ok(!text_find(s, "id:", &line), "text_find looks at the beginning of lines");
}

static void test_text_numbers(void)
{
	const char *s = "  42 -7 7fffE 0755 x 18446744073709551616 9223372036854775808";
	struct text t = text_of(s, strlen(s));
	struct slice w;
	uint64_t u;
	int64_t i;

	ok(text_u64(&t, &u) && u == 42, "text_u64");
	ok(!text_u64(&t, &u) && u == 42, "no number: nothing is changed");
	ok(text_s64(&t, &i) && i == -7, "text_s64");
	ok(text_hex(&t, &u) && u == 0x7fffe, "text_hex, both cases");
	ok(text_oct(&t, &u) && u == 0755, "text_oct");
	text_skip_blanks(&t);
	ok(!text_lit(&t, "xy") && text_lit(&t, "x"), "text_lit takes all or nothing");
	ok(!text_u64(&t, &u), "2^64 is no u64");
	ok(text_word(&t, &w) && slice_is(w, "18446744073709551616"), "and still there");
	ok(!text_s64(&t, &i), "2^63 is no s64");

	t = text_of("123", 2);
	ok(text_u64(&t, &u) && u == 12, "nothing is read behind the end");
}

static void test_log(void)
{
	char buf[4096] = "";
	ssize_t n;

	scoped_fd fd = memfd_create("log", MFD_CLOEXEC);
	log_init(fd, LOG_WARN);
	log_info("not this");
	log_warn("task %d", 5);
	n = pread(fd, buf, sizeof(buf) - 1, 0);
	ok(n > 0 && !strncmp(buf, "Warn  (", 7) && strstr(buf, "): task 5\n"),
	   "a warning in CRIU's shape");
	ok(!strstr(buf, "not this"), "nothing above the level");

	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		exit(1);
	log_init(fd, LOG_DEBUG);
	log_set_pid(77);
	log_debug("%s", "here");
	memset(buf, 0, sizeof(buf));
	n = pread(fd, buf, sizeof(buf) - 1, 0);
	ok(n > 0 && buf[0] == '(' && buf[3] == '.' && !strncmp(buf + 10, ") ", 2),
	   "a time of 12 bytes");
	ok(!strcmp(buf + 12, "    77: here\n"), "then the pid, then the text");
	log_set_pid(0);

	memset(buf, 'l', sizeof(buf) - 1);
	log_error("%s", buf);
	n = lseek(fd, 0, SEEK_CUR);
	ok(pread(fd, buf, 1, n - 1) == 1 && buf[0] == '\n', "a line too long still ends");
	log_init(STDERR_FILENO, LOG_WARN);
}

int main(void)
{
	test_err();
	test_arena();
	test_vec();
	test_list();
	test_io();
	test_pipe_io();
	test_send_fd();
	test_text_lines();
	test_text_numbers();
	test_log();
	return tap_done();
}
