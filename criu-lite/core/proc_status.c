/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * proc_status - who a task is: /proc/PID/{stat,status,comm,task}
 *
 * The kernel escapes names in status but not in stat, where a process may call
 * itself ") R 1 (": only the last parenthesis ends the name.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "core/proc.h"

int proc_slurp(int proc, const char *path, struct arena *a, char **text_ret, size_t *len_ret,
	       struct err *err)
{
	int ret = io_slurp_at(proc, path, a, text_ret, len_ret);

	if (ret < 0) {
		err_set(err, -ret, "cannot read /proc/%s", path);
		if (ret == -ENOENT || ret == -ESRCH)
			err_hint(err, "see whether that process is still there, and try again");
	}
	return ret < 0 ? ret : 0;
}

static int err_format(struct err *err, const char *path)
{
	err_set(err, EPROTO, "cannot understand /proc/%s", path);
	err_why(err, "it is not as any known kernel writes it");
	return err_hint(err, "see whether /proc is the kernel's own, not a replacement");
}

/* ---- stat ---- */

/* Fields as proc(5) counts them. */
enum {
	STAT_PPID = 4,
	STAT_PGID,
	STAT_SID,
	STAT_TTY,
	STAT_TTY_PGID,
	STAT_FLAGS,
	STAT_NICE = 19,
	STAT_NR_THREADS,
	STAT_START_TIME = 22,
	STAT_START_CODE = 26,
	STAT_END_CODE,
	STAT_START_STACK,
	STAT_EXIT_SIGNAL = 38,
	STAT_PROCESSOR,
	STAT_RT_PRIORITY,
	STAT_POLICY,
	STAT_START_DATA = 45,
	STAT_END_DATA,
	STAT_START_BRK,
	STAT_ARG_START,
	STAT_ARG_END,
	STAT_ENV_START,
	STAT_ENV_END,
	STAT_EXIT_CODE,
	STAT_FIELDS,
};

static bool parse_comm(struct text *t, char *buf, size_t size)
{
	const char *open = memchr(t->p, '(', (size_t)(t->end - t->p));
	const char *close = memrchr(t->p, ')', (size_t)(t->end - t->p));
	size_t n;

	if (!open || !close || close < open)
		return false;

	n = (size_t)(close - open - 1);
	if (n >= size)
		return false;
	memcpy(buf, open + 1, n);
	buf[n] = '\0';
	t->p = close + 1;
	return true;
}

bool proc_parse_stat(const char *s, size_t len, struct proc_stat *ret)
{
	struct text t = text_of(s, len);
	uint64_t f[STAT_FIELDS] = { 0 };
	struct slice state;

	memset(ret, 0, sizeof(*ret));
	if (!parse_comm(&t, ret->comm, sizeof(ret->comm)) || !text_word(&t, &state) || state.n != 1)
		return false;
	for (int i = STAT_PPID; i < STAT_FIELDS; i++)
		if (!text_bits(&t, &f[i]))
			return false;

	ret->state = state.p[0];
	ret->ppid = (pid_t)f[STAT_PPID];
	ret->pgid = (pid_t)f[STAT_PGID];
	ret->sid = (pid_t)f[STAT_SID];
	ret->tty_nr = (int)f[STAT_TTY];
	ret->tty_pgid = (pid_t)f[STAT_TTY_PGID];
	ret->flags = (unsigned int)f[STAT_FLAGS];
	ret->nice = (long)f[STAT_NICE];
	ret->nr_threads = (int)f[STAT_NR_THREADS];
	ret->start_time = f[STAT_START_TIME];
	ret->start_code = f[STAT_START_CODE];
	ret->end_code = f[STAT_END_CODE];
	ret->start_stack = f[STAT_START_STACK];
	ret->exit_signal = (int)f[STAT_EXIT_SIGNAL];
	ret->processor = (int)f[STAT_PROCESSOR];
	ret->rt_priority = (int)f[STAT_RT_PRIORITY];
	ret->policy = (int)f[STAT_POLICY];
	ret->start_data = f[STAT_START_DATA];
	ret->end_data = f[STAT_END_DATA];
	ret->start_brk = f[STAT_START_BRK];
	ret->arg_start = f[STAT_ARG_START];
	ret->arg_end = f[STAT_ARG_END];
	ret->env_start = f[STAT_ENV_START];
	ret->env_end = f[STAT_ENV_END];
	ret->exit_code = (int)f[STAT_EXIT_CODE];
	return true;
}

static void task_path(char path[64], pid_t pid, pid_t tid, const char *file)
{
	if (tid && tid != pid)
		snprintf(path, 64, "%d/task/%d/%s", pid, tid, file);
	else
		snprintf(path, 64, "%d/%s", pid, file);
}

int proc_read_stat(int proc, pid_t pid, pid_t tid, struct proc_stat *ret, struct err *err)
{
	char path[64], text[2048];
	ssize_t n = -1;

	task_path(path, pid, tid, "stat");
	scoped_fd fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, text, sizeof(text));
	if (n < 0 && (errno == ENOENT || errno == ESRCH)) {
		err_set(err, ESRCH, "cannot find process %d", tid ? tid : pid);
		return err_hint(err, "see which processes there are: ps -ef");
	}
	if (n < 0)
		return err_sys(err, "cannot read /proc/%s", path);
	return proc_parse_stat(text, (size_t)n, ret) ? 0 : err_format(err, path);
}

/* ---- status ---- */

enum form {
	FORM_INT,
	FORM_OCT,
	FORM_HEX, /* 64 bits */
	FORM_IDS, /* real, effective, saved, fs */
	FORM_GROUPS,
	FORM_NSPID, /* one number per pid namespace; counts them */
	FORM_NS,    /* the same; only the last is wanted */
};

struct status_line {
	const char *key;
	enum form form;
	size_t offset; /* in struct proc_status */
	bool optional; /* not in all kernels, or not for zombies */
};

#define LINE(key, form, member)                                            \
	{                                                                  \
		key ":", form, offsetof(struct proc_status, member), false \
	}
#define MAYBE(key, form, member)                                          \
	{                                                                 \
		key ":", form, offsetof(struct proc_status, member), true \
	}

/* In the order of the kernel. */
static const struct status_line status_lines[] = {
	MAYBE("Umask", FORM_OCT, umask),
	LINE("TracerPid", FORM_INT, tracer),
	LINE("Uid", FORM_IDS, uid),
	LINE("Gid", FORM_IDS, gid),
	LINE("Groups", FORM_GROUPS, groups),
	LINE("NStgid", FORM_NS, nstgid),
	LINE("NSpid", FORM_NSPID, nspid),
	LINE("NSpgid", FORM_NS, nspgid),
	LINE("NSsid", FORM_NS, nssid),
	MAYBE("THP_enabled", FORM_INT, thp_enabled),
	LINE("Threads", FORM_INT, threads),
	LINE("SigPnd", FORM_HEX, sig_pending),
	LINE("ShdPnd", FORM_HEX, shared_pending),
	LINE("SigBlk", FORM_HEX, blocked),
	LINE("SigIgn", FORM_HEX, ignored),
	LINE("SigCgt", FORM_HEX, caught),
	LINE("CapInh", FORM_HEX, cap_inh),
	LINE("CapPrm", FORM_HEX, cap_prm),
	LINE("CapEff", FORM_HEX, cap_eff),
	LINE("CapBnd", FORM_HEX, cap_bnd),
	LINE("CapAmb", FORM_HEX, cap_amb),
	LINE("NoNewPrivs", FORM_INT, no_new_privs),
	MAYBE("Seccomp", FORM_INT, seccomp_mode),
	MAYBE("Seccomp_filters", FORM_INT, seccomp_filters),
};

enum { NR_STATUS_LINES = sizeof(status_lines) / sizeof(status_lines[0]) };

static bool parse_int(struct text *t, int *ret)
{
	struct text after = *t;
	int64_t v;

	if (!text_s64(&after, &v) || v < INT_MIN || v > INT_MAX)
		return false;
	*ret = (int)v;
	*t = after;
	return true;
}

static bool parse_ids(struct text *t, uint32_t ids[4])
{
	for (int i = 0; i < 4; i++) {
		uint64_t v;

		if (!text_u64(t, &v) || v > UINT32_MAX)
			return false;
		ids[i] = (uint32_t)v;
	}
	return true;
}

static bool parse_groups(struct text *t, struct arena *a, struct proc_status *ret)
{
	vec(uint32_t) groups = { 0 };
	uint64_t v;

	while (text_u64(t, &v)) {
		if (v > UINT32_MAX)
			return false;
		*vec_add(a, &groups) = (uint32_t)v;
	}
	ret->groups = groups.items;
	ret->nr_groups = groups.n;
	return true;
}

static bool parse_ns(struct text *t, int *depth_ret, int *last_ret)
{
	int depth = 0;

	while (parse_int(t, last_ret))
		depth++;
	*depth_ret = depth;
	return depth > 0;
}

static bool parse_value(const struct status_line *l, struct text *t, struct arena *a,
			struct proc_status *ret)
{
	void *to = (char *)ret + l->offset;
	uint64_t v;
	int depth;

	switch (l->form) {
	case FORM_INT:
		return parse_int(t, to);
	case FORM_OCT:
		if (!text_oct(t, &v) || v > 07777)
			return false;
		*(unsigned int *)to = (unsigned int)v;
		return true;
	case FORM_HEX:
		return text_hex(t, to);
	case FORM_IDS:
		return parse_ids(t, to);
	case FORM_GROUPS:
		return parse_groups(t, a, ret);
	case FORM_NSPID:
		return parse_ns(t, &ret->nspid_depth, to);
	case FORM_NS:
		return parse_ns(t, &depth, to);
	}
	return false;
}

/* The row of the table that @line belongs to, or -1; its key is then behind the cursor. */
static int status_line_of(struct text *line)
{
	for (int i = 0; i < NR_STATUS_LINES; i++)
		if (text_lit(line, status_lines[i].key))
			return i;
	return -1;
}

bool proc_parse_status(const char *s, size_t len, struct arena *a, struct proc_status *ret)
{
	struct text t = text_of(s, len), line;
	uint32_t seen = 0;

	memset(ret, 0, sizeof(*ret));
	ret->thp_enabled = -1;

	while (text_line(&t, &line)) {
		int i = status_line_of(&line);

		if (i < 0)
			continue;
		if (!parse_value(&status_lines[i], &line, a, ret))
			return false;
		seen |= 1u << i;
	}
	for (int i = 0; i < NR_STATUS_LINES; i++)
		if (!(seen & (1u << i)) && !status_lines[i].optional)
			return false;
	return true;
}

int proc_read_status(int proc, pid_t pid, pid_t tid, struct arena *a, struct proc_status *ret,
		     struct err *err)
{
	char path[64], *text;
	size_t len;

	task_path(path, pid, tid, "status");
	if (proc_slurp(proc, path, a, &text, &len, err) < 0)
		return -err->code;
	return proc_parse_status(text, len, a, ret) ? 0 : err_format(err, path);
}

/* ---- children, threads, name ---- */

bool proc_parse_children(const char *s, size_t len, struct arena *a, pid_list *ret)
{
	struct text t = text_of(s, len);
	int pid;

	while (parse_int(&t, &pid)) {
		if (pid <= 0)
			return false;
		*vec_add(a, ret) = pid;
	}
	text_skip_blanks(&t);
	return t.p == t.end;
}

int proc_read_children(int proc, pid_t pid, struct arena *a, pid_list *ret, struct err *err)
{
	pid_list threads = { 0 };
	pid_t *tid;

	if (proc_read_threads(proc, pid, a, &threads, err) < 0)
		return -err->code;

	vec_for_each(tid, &threads) {
		char path[64], *text;
		size_t len;

		snprintf(path, sizeof(path), "%d/task/%d/children", pid, *tid);
		if (proc_slurp(proc, path, a, &text, &len, err) < 0)
			return -err->code;
		if (!proc_parse_children(text, len, a, ret))
			return err_format(err, path);
	}
	return 0;
}

int proc_read_threads(int proc, pid_t pid, struct arena *a, pid_list *ret, struct err *err)
{
	return proc_read_numbers(proc, pid, "task", a, ret, err);
}

const char *proc_comm(int proc, pid_t pid, char *buf)
{
	char path[64];
	ssize_t n = -1;

	task_path(path, pid, 0, "comm");
	scoped_fd fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, buf, 63);
	if (n <= 0)
		return strcpy(buf, "?");

	buf[buf[n - 1] == '\n' ? n - 1 : n] = '\0';
	return buf;
}
