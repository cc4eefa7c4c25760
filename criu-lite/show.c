/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * show - images as text: the sub-commands, and where they read and write
 *
 * Names, options and output are those of crit, so what was made for its JSON
 * can read ours.  An image that comes through a pipe is kept in memory, because
 * payload may go on to its end; nothing is written before all is known to be
 * right.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "show.h"
#include "show_image.h"
#include "show_x.h"

struct show_args {
	const char *in, *out; /* NULL: stdin, stdout */
	bool pretty, brief;
	const char *operands[2];
};

struct subcommand {
	const char *name;
	const char *options; /* letters of those it takes */
	int operands;
	int (*run)(struct arena *a, const struct show_args *args, struct err *err);
};

/* ---- where it comes from and goes to ---- */

static const char *in_name(const struct show_args *args)
{
	return args->in ? args->in : "stdin";
}

/* What is no file of its own that we could go back in is copied into one. */
static int copy_all(int from, const char *name, struct err *err)
{
	scoped_fd copy = memfd_create("image", MFD_CLOEXEC);
	char buffer[65536];
	ssize_t n;
	int ret;

	if (copy < 0)
		return err_sys(err, "cannot read %s", name);
	while ((n = read(from, buffer, sizeof(buffer))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "cannot read %s", name);
		ret = io_write(copy, buffer, (size_t)n);
		if (ret < 0)
			return err_set(err, -ret, "cannot keep %s in memory", name);
	}
	return take_fd(&copy);
}

static int open_in(const struct show_args *args, struct err *err)
{
	struct stat st;

	scoped_fd fd = args->in ? open(args->in, O_RDONLY | O_CLOEXEC)
				: fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (fd < 0 || fstat(fd, &st) < 0) {
		err_sys(err, "cannot read %s", in_name(args));
		return err_hint(err, "name a file that is there and can be read");
	}
	if (S_ISREG(st.st_mode))
		return take_fd(&fd);
	return copy_all(fd, in_name(args), err);
}

/* The file of --out is made only now, when there is something to put into it. */
static int open_out(const struct show_args *args, struct err *err)
{
	int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
	int fd = args->out ? open(args->out, flags, 0644)
			   : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

	if (fd >= 0)
		return fd;
	err_sys(err, "cannot write %s", args->out ? args->out : "stdout");
	return err_hint(err, "name a file by --out that you can write to");
}

static int put_text(const struct show_args *args, const char *text, size_t len, struct err *err)
{
	scoped_fd out = open_out(args, err);
	int ret;

	if (out < 0)
		return out;
	ret = io_write(out, text, len);
	if (ret < 0)
		return err_set(err, -ret, "cannot write %s", args->out ? args->out : "stdout");
	return 0;
}

/* ---- decode, show, info, encode ---- */

typedef int writer(struct arena *a, int fd, const struct show_args *args, struct json_out *o,
		   struct err *err);

/* What @write makes of the image, if it can. */
static int put_json(struct arena *a, const struct show_args *args, bool pretty, writer *write,
		    struct err *err)
{
	struct json_out o = { .pretty = pretty };
	scoped_ptr char *text = NULL;
	size_t len = 0;
	int ret;

	scoped_fd in = open_in(args, err);
	if (in < 0)
		return in;
	o.f = open_memstream(&text, &len);
	if (!o.f)
		return err_sys(err, "cannot decode %s", in_name(args));

	ret = write(a, in, args, &o, err);
	if (ret == 0 && !args->out)
		putc('\n', o.f);
	if (fclose(o.f) != 0 && ret == 0)
		ret = err_sys(err, "cannot keep the text of %s in memory", in_name(args));
	return ret < 0 ? ret : put_text(args, text, len, err);
}

static int write_image(struct arena *a, int fd, const struct show_args *args, struct json_out *o,
		       struct err *err)
{
	return show_decode(a, fd, in_name(args), args->brief, o, err);
}

static int write_count(struct arena *a, int fd, const struct show_args *args, struct json_out *o,
		       struct err *err)
{
	return show_count(a, fd, in_name(args), o, err);
}

static int run_decode(struct arena *a, const struct show_args *args, struct err *err)
{
	return put_json(a, args, args->pretty, write_image, err);
}

static int run_pretty(struct arena *a, const struct show_args *args, struct err *err)
{
	struct show_args file = *args;

	file.in = args->operands[0];
	return put_json(a, &file, true, write_image, err);
}

static int run_info(struct arena *a, const struct show_args *args, struct err *err)
{
	struct show_args file = *args;

	file.in = args->operands[0];
	return put_json(a, &file, true, write_count, err);
}

/* The image is made in memory, so that one that cannot be made leaves what is there. */
static int run_encode(struct arena *a, const struct show_args *args, struct err *err)
{
	scoped_fd image = memfd_create("image", MFD_CLOEXEC);
	scoped_fd in = open_in(args, err);
	struct stat st;
	char *text;
	size_t len;
	int ret;

	if (in < 0)
		return in;
	if (image < 0)
		return err_sys(err, "cannot encode %s", in_name(args));
	lseek(in, 0, SEEK_SET);
	ret = io_slurp(in, a, &text, &len);
	if (ret < 0)
		return err_set(err, -ret, "cannot read %s", in_name(args));
	if (show_encode(a, text, len, image, err) < 0) {
		err_in(err, "cannot encode %s", in_name(args));
		return err_hint(err, "give the JSON of an image, as decode writes it");
	}

	if (fstat(image, &st) < 0)
		return err_sys(err, "cannot encode %s", in_name(args));
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, image, 0);
	if (text == MAP_FAILED)
		return err_sys(err, "cannot encode %s", in_name(args));
	ret = put_text(args, text, (size_t)st.st_size, err);
	munmap(text, (size_t)st.st_size);
	return ret;
}

/* ---- x: a directory ---- */

static int run_x(struct arena *a, const struct show_args *args, struct err *err)
{
	scoped_ptr char *text = NULL;
	size_t len = 0;
	int ret;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return err_sys(err, "cannot report");
	ret = show_x(a, args->operands[0], args->operands[1], f, err);
	if (fclose(f) != 0 && ret == 0)
		ret = err_sys(err, "cannot report");
	return ret < 0 ? ret : put_text(args, text, len, err);
}

/* ---- the command line ---- */

static const struct subcommand subcommands[] = {
	{ "decode", "iop", 0, run_decode },
	{ "encode", "io", 0, run_encode },
	{ "info", "", 1, run_info },
	{ "show", "n", 1, run_pretty },
	{ "x", "", 2, run_x },
};

static const struct option long_options[] = {
	{ "in", required_argument, NULL, 'i' }, { "out", required_argument, NULL, 'o' },
	{ "pretty", no_argument, NULL, 'p' },	{ "nopl", no_argument, NULL, 'n' },
	{ "help", no_argument, NULL, 'h' },	{ 0 },
};

static const char usage[] = "  criu-lite show decode [-i IMAGE] [-o JSON] [--pretty]\n"
			    "  criu-lite show encode [-i JSON] [-o IMAGE]\n"
			    "  criu-lite show show IMAGE [--nopl]\n"
			    "  criu-lite show info IMAGE\n"
			    "  criu-lite show x DIR ps|fds|mems|rss|tree\n";

static const char option_help[] =
	"  -i, --in FILE                   what is read (default: stdin)\n"
	"  -o, --out FILE                  what is written (default: stdout)\n"
	"  --pretty                        decode: for people, with names and hexadecimal numbers\n"
	"  --nopl                          show: without payload\n";

void show_usage(FILE *f)
{
	fputs(usage, f);
}

void show_options(FILE *f)
{
	fputs(option_help, f);
}

static int show_help(void)
{
	show_usage(stdout);
	printf("\nOptions:\n");
	show_options(stdout);
	return 0;
}

static int bad_usage(struct err *err)
{
	err_hint(err, "the sub-commands are decode, encode, show, info and x; see criu-lite "
		      "show --help");
	err_why(err, "that is not how it is called");
	err->exit_status = 2; /* as crit's */
	return -err->code;
}

static const struct subcommand *find_subcommand(const char *name)
{
	for (size_t i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]); i++)
		if (strcmp(subcommands[i].name, name) == 0)
			return &subcommands[i];
	return NULL;
}

static void take_option(struct show_args *args, int letter)
{
	if (letter == 'i')
		args->in = optarg;
	else if (letter == 'o')
		args->out = optarg;
	else if (letter == 'p')
		args->pretty = true;
	else if (letter == 'n')
		args->brief = true;
}

/* Options and operands of @c, in any order.  @help_ret: only the usage is wanted. */
static int read_args(const struct subcommand *c, int argc, char **argv, struct show_args *args,
		     bool *help_ret, struct err *err)
{
	int letter, n;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, "i:o:h", long_options, NULL)) != -1) {
		if (letter == 'h') {
			*help_ret = true;
			return 0;
		}
		if (letter == '?' || !strchr(c->options, letter)) {
			err_set(err, EINVAL, "cannot use %s with show %s", argv[optind - 1],
				c->name);
			return bad_usage(err);
		}
		take_option(args, letter);
	}

	n = argc - optind;
	if (n != c->operands) {
		err_set(err, EINVAL, "cannot use show %s with %d %s: it takes %d", c->name, n,
			n == 1 ? "name" : "names", c->operands);
		return bad_usage(err);
	}
	for (int i = 0; i < n; i++)
		args->operands[i] = argv[optind + i];
	return 0;
}

static int run_subcommand(struct arena *a, int argc, char **argv, struct err *err)
{
	const struct subcommand *c = find_subcommand(argv[0]);
	struct show_args args = { 0 };
	bool help = false;

	if (!c) {
		err_set(err, EINVAL, "cannot show %s: there is no such sub-command", argv[0]);
		return bad_usage(err);
	}
	if (read_args(c, argc, argv, &args, &help, err) < 0)
		return -err->code;
	if (help)
		return show_help();
	return c->run(a, &args, err);
}

int show_run(int argc, char **argv, struct err *err)
{
	struct arena arena;
	int ret;

	if (argc < 2) {
		show_usage(stderr);
		err_set(err, EINVAL, "cannot show: too few arguments");
		bad_usage(err);
		err->exit_status = 1;
		return -err->code;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return show_help();
	arena_init(&arena);
	ret = run_subcommand(&arena, argc - 1, argv + 1, err);
	arena_fini(&arena);
	return ret;
}
