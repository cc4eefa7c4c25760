/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * command_line - the verb among the global options of an OCI runtime
 *
 * These are the options of runc and of crun.  Both take "--log FILE" and
 * "--log=FILE", and runc also one dash, as engines use it.  Which options have a
 * value must be known, or "--root checkpoint" would have the wrong verb.
 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "oci-hook/command_line.h"

/* Those that have a value; the first ones concern us. */
enum { OPT_RUNTIME, OPT_LOG, OPT_LOG_FORMAT, OPT_ROOT, NR_OPTIONS = 8 };

static const char *const names[NR_OPTIONS] = {
	[OPT_RUNTIME] = "runtime",
	[OPT_LOG] = "log",
	[OPT_LOG_FORMAT] = "log-format",
	[OPT_ROOT] = "root",
	"log-level",
	"criu",
	"rootless",
	"cgroup-manager",
};

/* Which of them @word is, or -1.  @value_ret is what follows its "=", or NULL. */
static int find_option(const char *word, const char **value_ret)
{
	word += strspn(word, "-");
	for (int i = 0; i < NR_OPTIONS; i++) {
		size_t n = strlen(names[i]);

		if (strncmp(word, names[i], n) == 0 && (!word[n] || word[n] == '=')) {
			*value_ret = word[n] ? word + n + 1 : NULL;
			return i;
		}
	}
	return -1;
}

/* @n words go. */
static void cut_words(char **at, int n)
{
	do
		*at = at[n];
	while (*at++);
}

static int refuse_empty_runtime(struct err *err)
{
	err_set(err, EINVAL, "cannot understand --runtime without a value");
	return err_hint(err, "say which: --runtime runc");
}

int command_line_read(char **argv, struct command_line *c, struct err *err)
{
	const char *values[NR_OPTIONS] = {}, *value;
	char **word = argv + 1;

	while (*word && (*word)[0] == '-' && strcmp(*word, "--") != 0) {
		int option = find_option(*word, &value);
		int n = option >= 0 && !value && word[1] ? 2 : 1;

		if (option >= 0)
			values[option] = value ? value : word[1];
		if (option != OPT_RUNTIME)
			word += n;
		else if (!values[option] || !*values[option])
			return refuse_empty_runtime(err);
		else
			cut_words(word, n);
	}
	if (*word && strcmp(*word, "--") == 0)
		word++;

	c->runtime = values[OPT_RUNTIME];
	c->log = values[OPT_LOG];
	c->log_format = values[OPT_LOG_FORMAT];
	c->root = values[OPT_ROOT];
	c->verb = *word;
	c->rest = word + (*word != NULL);
	return 0;
}
