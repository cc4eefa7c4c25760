/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "core/opts.h"

/* Commands, as bits: an option may be refused for some of them. */
enum command {
	COMMAND_NONE = 0,
	COMMAND_DUMP = 1,
	COMMAND_RESTORE = 2,
	COMMAND_CHECK = 4,
	COMMAND_OTHER = 8, /* known to CRIU, not to us */
	COMMAND_SWRK = 16,
	COMMAND_SERVICE = 32,
	COMMAND_PAGE_SERVER = 64,
	COMMAND_LAZY_PAGES = 128,
	COMMAND_PRE_DUMP = 256,
	COMMAND_DEDUP = 512,
	COMMAND_ANY = 0xffff,
};

struct option_row;

struct options {
	enum command command;
	const char *command_name;
	bool help, version;
	bool unprivileged;
	struct common_opts common; /* while reading; then a part of the next two */
	struct dump_opts dump;
	struct restore_opts restore;
	struct check_opts check;
	bool exec_cmd;
	int swrk_fd;
	vec(const struct option_row *) given;
	opt_strings notes; /* for the log: what was given and has no effect */
};

/*
 * Read the configuration files and the command line.  What is kept lives in
 * @a or in @argv.  A wrong option is -EINVAL, one that we do not serve, and
 * cannot leave out without losing something, -EOPNOTSUPP.
 *
 * Files come first and are overruled by what follows: /etc/criu/default.conf,
 * $HOME/.criu/default.conf, $CRIU_CONFIG_FILE, --config, the command line.
 */
int options_read(struct options *o, struct arena *a, int argc, char **argv, struct err *err);

/* What somebody asks for over a socket. */
struct option_request {
	enum command command;
	const char *name;
	opt_strings words;	 /* "--name=value", as on a command line */
	const char *config_file; /* read last, so it overrules all else; NULL: none */
};

/*
 * Options for one request: those that the server was started with (@base, NULL:
 * none), then what the request says.  @base is not changed.  @o lives in @a, and
 * in what both point to.
 */
int options_request(struct options *o, struct arena *a, const struct options *base,
		    const struct option_request *q, struct err *err);

/* On stdout. */
void options_usage(void);

#endif
