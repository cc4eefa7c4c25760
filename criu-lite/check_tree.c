/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * check (tree) - what would keep a tree from being dumped
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/vec.h"
#include "check.h"
#include "dump.h"

/* ---- text ---- */

static void print_refusal(const struct refusal *r)
{
	if (r->pid)
		printf("task %d (%s)", r->pid, r->comm);
	else
		printf("the tree");
	if (r->fd >= 0)
		printf(", descriptor %d", r->fd);
	printf("\n  %s\n  why: %s\n  do:  %s\n", r->err.what, r->err.why, r->err.hint);
}

static void print_text(const struct refusals *refused, const struct dump_report *report)
{
	const struct refusal *r;
	size_t n = refused->list.n;

	vec_for_each(r, &refused->list)
		print_refusal(r);
	if (n)
		printf("a dump would not work: %zu obstacle%s", n, n == 1 ? "" : "s");
	else
		printf("a dump would work");
	printf(" (%zu task%s, stopped for %" PRIu64 " us)\n", report->tasks,
	       report->tasks == 1 ? "" : "s", report->stopped_us);
}

/* ---- JSON ---- */

/* Length of the UTF-8 character at @s, 0: it is none. */
static size_t utf8_length(const unsigned char *s)
{
	size_t i, n = *s < 0x80	  ? 1
		      : *s < 0xc2 ? 0
		      : *s < 0xe0 ? 2
		      : *s < 0xf0 ? 3
		      : *s < 0xf5 ? 4
				  : 0;

	for (i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* File names are bytes: what is no UTF-8 becomes the character of that number. */
static void put_string(const char *name, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	printf("\"%s\": \"", name);
	while (*s) {
		size_t n = utf8_length(s);

		if (*s < ' ' || n == 0) {
			printf("\\u%04x", *s);
			n = 1;
		} else {
			printf("%s%.*s", *s == '"' || *s == '\\' ? "\\" : "", (int)n,
			       (const char *)s);
		}
		s += n;
	}
	putchar('"');
}

static void put_number(const char *name, bool is_known, int n)
{
	if (is_known)
		printf("\"%s\": %d, ", name, n);
	else
		printf("\"%s\": null, ", name);
}

static void put_refusal(const struct refusal *r)
{
	printf("\n    { ");
	put_number("task", r->pid != 0, r->pid);
	put_string("comm", r->comm);
	printf(", ");
	put_number("fd", r->fd >= 0, r->fd);
	put_string("what", r->err.what);
	printf(", ");
	put_string("why", r->err.why);
	printf(", ");
	put_string("do", r->err.hint);
	printf(" }");
}

static void print_json(pid_t pid, const struct refusals *refused, const struct dump_report *report)
{
	const struct refusal *r;

	printf("{ \"pid\": %d, \"tasks\": %zu, \"would_work\": %s, \"stopped_us\": %" PRIu64 ",\n",
	       pid, report->tasks, refused->list.n ? "false" : "true", report->stopped_us);
	printf("  \"obstacles\": [");
	vec_for_each(r, &refused->list) {
		put_refusal(r);
		printf(r + 1 < refused->list.items + refused->list.n ? "," : "\n  ");
	}
	printf("] }\n");
}

int check_tree(const struct dump_opts *opts, bool json, struct refusals *refused, bool *works_ret,
	       struct err *err)
{
	struct dump_report report;

	if (dump_check(opts, refused, &report, err) < 0)
		return -err->code;
	if (json)
		print_json(opts->pid, refused, &report);
	else
		print_text(refused, &report);
	*works_ret = refused->list.n == 0;
	return 0;
}
