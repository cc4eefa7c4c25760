/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef OPTIONS_WORDS_H
#define OPTIONS_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "options.h"

/* Only for options*.c: one row of the table of options, and who uses it. */

enum option_store {
	STORE_NOTHING, /* accepted and noted: it has no effect on what we do */
	STORE_BOOL,
	STORE_STRING,
	STORE_LIST, /* of strings */
	STORE_UINT,
	STORE_SIZE, /* uint64_t, with K, M, G */
	STORE_CALL, /* option_row.set */
};

struct option_row {
	const char *name;
	char letter;	 /* 0: none */
	bool no;	 /* --no-NAME clears it */
	bool early;	 /* wanted before configuration files are read */
	const char *arg; /* NULL: takes none; "[N]": may have one, glued */
	enum option_store store;
	size_t at; /* in struct options */
	int (*set)(struct options *o, struct arena *a, const char *value, struct err *err);
	const char *choices; /* words that the value may be */
	const char *help;
	unsigned int refused; /* commands that cannot go on if it is given */
	const char *why, *hint;
};

/* Ends with a row without name. */
extern const struct option_row option_rows[];

/* What has been read so far. */
struct option_reader {
	struct options *o;
	struct arena *a;
	opt_strings files;     /* --config */
	bool no_default_files; /* --no-default-config */
	opt_strings operands;  /* what is no option */
};

int words_read_argv(struct option_reader *r, char **argv, bool early, struct err *err);

/* A file that cannot be read is skipped. */
int words_read_file(struct option_reader *r, const char *path, struct err *err);

#endif
