/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * show_form - which numbers have a form for people, and what it is
 *
 * The tables are CRIU's, with their faults: GUARD is missing from the status of
 * a vma, and task_state knows numbers that no image has (2 is a zombie and 3
 * is stopped).  Whoever reads this JSON expects exactly them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "show_form.h"

struct word {
	const char *name;
	uint64_t value;
};

/* clang-format off */
static const struct word map_prot[] = {
	{ "PROT_READ", 1 }, { "PROT_WRITE", 2 }, { "PROT_EXEC", 4 }, { 0 },
};

static const struct word map_flags[] = {
	{ "MAP_SHARED", 1 }, { "MAP_PRIVATE", 2 }, { "MAP_DROPPABLE", 8 }, { "MAP_ANON", 0x20 },
	{ "MAP_GROWSDOWN", 0x100 }, { 0 },
};

static const struct word vma_status[] = {
	{ "VMA_AREA_NONE", 0 },		   { "VMA_AREA_REGULAR", 1 << 0 },
	{ "VMA_AREA_STACK", 1 << 1 },	   { "VMA_AREA_VSYSCALL", 1 << 2 },
	{ "VMA_AREA_VDSO", 1 << 3 },	   { "VMA_AREA_HEAP", 1 << 5 },
	{ "VMA_FILE_PRIVATE", 1 << 6 },	   { "VMA_FILE_SHARED", 1 << 7 },
	{ "VMA_ANON_SHARED", 1 << 8 },	   { "VMA_ANON_PRIVATE", 1 << 9 },
	{ "VMA_AREA_SYSVIPC", 1 << 10 },   { "VMA_AREA_SOCKET", 1 << 11 },
	{ "VMA_AREA_VVAR", 1 << 12 },	   { "VMA_AREA_AIORING", 1 << 13 },
	{ "VMA_AREA_MEMFD", 1 << 14 },	   { "VMA_AREA_SHSTK", 1 << 15 },
	{ "VMA_AREA_UPROBES", 1 << 17 },   { "VMA_UNSUPP", 1u << 31 }, { 0 },
};

static const struct word file_flags[] = {
	{ "O_WRONLY", 01 }, { "O_RDWR", 02 }, { "O_CREAT", 0100 }, { "O_EXCL", 0200 },
	{ "O_NOCTTY", 0400 }, { "O_TRUNC", 01000 }, { "O_APPEND", 02000 },
	{ "O_NONBLOCK", 04000 }, { "O_DSYNC", 010000 }, { "FASYNC", 020000 },
	{ "O_DIRECT", 040000 }, { "O_LARGEFILE", 0100000 }, { "O_DIRECTORY", 0200000 },
	{ "O_NOFOLLOW", 0400000 }, { "O_NOATIME", 01000000 }, { "O_CLOEXEC", 02000000 }, { 0 },
};

static const struct word page_flags[] = {
	{ "PE_PARENT", 1 }, { "PE_LAZY", 2 }, { "PE_PRESENT", 4 }, { 0 },
};

static const struct word seals[] = {
	{ "F_SEAL_SEAL", 1 }, { "F_SEAL_SHRINK", 2 }, { "F_SEAL_GROW", 4 }, { "F_SEAL_WRITE", 8 },
	{ "F_SEAL_FUTURE_WRITE", 0x10 }, { 0 },
};

static const struct word task_states[] = {
	{ "Alive", 1 }, { "Zombie", 3 }, { "Stopped", 6 }, { 0 },
};

static const struct word sk_families[] = {
	{ "UNIX", 1 }, { "INET", 2 }, { "INET6", 10 }, { "NETLINK", 16 }, { "PACKET", 17 }, { 0 },
};

static const struct word sk_types[] = {
	{ "STREAM", 1 }, { "DGRAM", 2 }, { "RAW", 3 }, { "SEQPACKET", 5 }, { "PACKET", 10 }, { 0 },
};

static const struct word sk_states[] = {
	{ "ESTABLISHED", 1 }, { "SYN_SENT", 2 }, { "SYN_RECV", 3 }, { "FIN_WAIT1", 4 },
	{ "FIN_WAIT2", 5 }, { "TIME_WAIT", 6 }, { "CLOSE", 7 }, { "CLOSE_WAIT", 8 },
	{ "LAST_ACK", 9 }, { "LISTEN", 10 }, { 0 },
};

static const struct word sk_protocols[] = {
	{ "IP", 0 }, { "TCP", 6 }, { "UDP", 17 }, { "UDPLITE", 136 }, { 0 },
};

#define HEX	 FORM_HEX, NULL
#define DEV	 FORM_DEV, NULL
#define STAT_DEV FORM_STAT_DEV, NULL
#define ADDRESS	 FORM_ADDRESS, NULL
#define TEXT	 FORM_UNIX_NAME, NULL
#define FLAGS(w) FORM_FLAGS, w
#define NAMES(w) FORM_NAME, w

/* Rows of one message stand together. */
static const struct form forms[] = {
	{ "bpfmap_file_entry", "flags", FLAGS(file_flags) },
	{ "thread_info_aarch64", "clear_tid_addr", HEX },
	{ "thread_info_aarch64", "gpregs", HEX },
	{ "thread_info_arm", "clear_tid_addr", HEX },
	{ "thread_info_arm", "gpregs", HEX },
	{ "thread_info_loongarch64", "clear_tid_addr", HEX },
	{ "thread_info_loongarch64", "gpregs", HEX },
	{ "thread_info_loongarch64", "fpregs", HEX },
	{ "thread_info_mips", "clear_tid_addr", HEX },
	{ "thread_info_mips", "gpregs", HEX },
	{ "thread_info_mips", "fpregs", HEX },
	{ "thread_info_ppc64", "clear_tid_addr", HEX },
	{ "thread_info_ppc64", "gpregs", HEX },
	{ "thread_info_riscv64", "clear_tid_addr", HEX },
	{ "thread_info_riscv64", "gpregs", HEX },
	{ "thread_info_s390", "clear_tid_addr", HEX },
	{ "thread_info_s390", "gpregs", HEX },
	{ "thread_info_s390", "fpregs", HEX },
	{ "thread_info_s390", "vxrs_low", HEX },
	{ "thread_info_s390", "vxrs_high", HEX },
	{ "thread_info_s390", "gs_cb", HEX },
	{ "thread_info_s390", "gs_bc", HEX },
	{ "thread_info_s390", "ri_cb", HEX },
	{ "user_x86_cet_entry", "cet", HEX },
	{ "user_x86_cet_entry", "ssp", HEX },
	{ "thread_info_x86", "clear_tid_addr", HEX },
	{ "thread_info_x86", "gpregs", HEX },
	{ "task_core_entry", "task_state", NAMES(task_states) },
	{ "task_core_entry", "blk_sigset", HEX },
	{ "task_core_entry", "blk_sigset_extended", HEX },
	{ "task_core_entry", "membarrier_registration_mask", HEX },
	{ "irmap_cache_entry", "dev", STAT_DEV },
	{ "inotify_wd_entry", "mask", HEX },
	{ "inotify_wd_entry", "ignored_mask", HEX },
	{ "inotify_wd_entry", "s_dev", DEV },
	{ "inotify_file_entry", "flags", HEX },
	{ "fanotify_mark_entry", "mflags", HEX },
	{ "fanotify_mark_entry", "mask", HEX },
	{ "fanotify_mark_entry", "ignored_mask", HEX },
	{ "fanotify_mark_entry", "s_dev", DEV },
	{ "fanotify_file_entry", "flags", HEX },
	{ "fanotify_file_entry", "faflags", HEX },
	{ "fanotify_file_entry", "evflags", HEX },
	{ "ghost_file_entry", "dev", DEV },
	{ "ghost_file_entry", "rdev", STAT_DEV },
	{ "memfd_file_entry", "flags", FLAGS(file_flags) },
	{ "memfd_inode_entry", "seals", FLAGS(seals) },
	{ "mm_entry", "mm_start_code", HEX },
	{ "mm_entry", "mm_end_code", HEX },
	{ "mm_entry", "mm_start_data", HEX },
	{ "mm_entry", "mm_end_data", HEX },
	{ "mm_entry", "mm_start_stack", HEX },
	{ "mm_entry", "mm_start_brk", HEX },
	{ "mm_entry", "mm_brk", HEX },
	{ "mm_entry", "mm_arg_start", HEX },
	{ "mm_entry", "mm_arg_end", HEX },
	{ "mm_entry", "mm_env_start", HEX },
	{ "mm_entry", "mm_env_end", HEX },
	{ "mnt_entry", "root_dev", DEV },
	{ "mnt_entry", "flags", HEX },
	{ "mnt_entry", "sb_flags", HEX },
	{ "net_device_entry", "flags", HEX },
	{ "packet_sock_entry", "flags", HEX },
	{ "pagemap_entry", "vaddr", HEX },
	{ "pagemap_entry", "flags", FLAGS(page_flags) },
	{ "pipe_entry", "flags", HEX },
	{ "reg_file_entry", "flags", FLAGS(file_flags) },
	{ "sa_entry", "sigaction", HEX },
	{ "sa_entry", "flags", HEX },
	{ "sa_entry", "restorer", HEX },
	{ "sa_entry", "mask", HEX },
	{ "sa_entry", "mask_extended", HEX },
	{ "signalfd_entry", "flags", HEX },
	{ "signalfd_entry", "sigmask", HEX },
	{ "sit_entry", "local", ADDRESS },
	{ "sit_entry", "remote", ADDRESS },
	{ "sit_entry", "rd_prefix", ADDRESS },
	{ "sit_entry", "relay_prefix", ADDRESS },
	{ "inet_sk_entry", "family", NAMES(sk_families) },
	{ "inet_sk_entry", "type", NAMES(sk_types) },
	{ "inet_sk_entry", "proto", NAMES(sk_protocols) },
	{ "inet_sk_entry", "state", NAMES(sk_states) },
	{ "inet_sk_entry", "flags", HEX },
	{ "inet_sk_entry", "src_addr", ADDRESS },
	{ "inet_sk_entry", "dst_addr", ADDRESS },
	{ "netlink_sk_entry", "flags", HEX },
	{ "unix_sk_entry", "type", NAMES(sk_types) },
	{ "unix_sk_entry", "state", NAMES(sk_states) },
	{ "unix_sk_entry", "flags", HEX },
	{ "unix_sk_entry", "uflags", HEX },
	{ "unix_sk_entry", "name", TEXT },
	{ "tcp_stream_entry", "opt_mask", HEX },
	{ "timerfd_entry", "flags", HEX },
	{ "timerfd_entry", "settime_flags", HEX },
	{ "tty_file_entry", "flags", HEX },
	{ "tun_link_entry", "flags", HEX },
	{ "vma_entry", "start", HEX },
	{ "vma_entry", "end", HEX },
	{ "vma_entry", "prot", FLAGS(map_prot) },
	{ "vma_entry", "flags", FLAGS(map_flags) },
	{ "vma_entry", "status", FLAGS(vma_status) },
	{ "vma_entry", "madv", HEX },
	{ "vma_entry", "fdflags", HEX },
	{ 0 },
};
/* clang-format on */

const struct form form_hex = { "", "", HEX };

const struct form *forms_of(const char *message)
{
	for (const struct form *f = forms; f->message; f++)
		if (strcmp(f->message, message) == 0)
			return f;
	return NULL;
}

const struct form *form_of(const struct form *f, const char *field)
{
	const char *message = f ? f->message : NULL;

	for (; f && f->message && strcmp(f->message, message) == 0; f++)
		if (strcmp(f->field, field) == 0)
			return f;
	return NULL;
}

/* ---- to text ---- */

static void write_flags(struct json_out *o, const struct word *words, uint64_t v)
{
	const char *between = "";

	putc('"', o->f);
	for (; words->name; words++) {
		if (!(v & words->value))
			continue;
		fprintf(o->f, "%s%s", between, words->name);
		between = " | ";
		v &= ~words->value;
	}
	if (v)
		fprintf(o->f, "%s0x%" PRIx64, between, v);
	putc('"', o->f);
}

static void write_name(struct json_out *o, const struct word *words, uint64_t v)
{
	for (; words->name; words++)
		if (words->value == v) {
			json_string(o, words->name, strlen(words->name));
			return;
		}
	json_number(o, "%" PRIu64, v);
}

void form_write(struct json_out *o, const struct form *form, uint64_t v)
{
	switch (form->kind) {
	case FORM_HEX:
		json_number(o, "\"0x%" PRIx64 "\"", v);
		return;
	case FORM_DEV:
		json_number(o, "\"%" PRIu64 ":%" PRIu64 "\"", v >> 20, v & 0xfffff);
		return;
	case FORM_STAT_DEV:
		json_number(o, "\"%u:%u\"", major(v), minor(v));
		return;
	case FORM_FLAGS:
		write_flags(o, form->words, v);
		return;
	case FORM_NAME:
		write_name(o, form->words, v);
		return;
	default:
		json_number(o, "%" PRIu64, v);
	}
}

/* ---- from text ---- */

bool form_read_number(const char *text, bool *negative_ret, uint64_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	bool negative = *text == '-';
	int base = 10;
	char *end;

	text += negative;
	if (text[0] == '0' && (text[1] | 32) == 'x')
		base = 16;
	else if (text[0] == '0' && (text[1] | 32) == 'o')
		base = 8;
	else if (text[0] == '0' && (text[1] | 32) == 'b')
		base = 2;
	text += base == 10 ? 0 : 2;

	/* strtoull would take blanks and signs */
	if (!*text || !memchr(digits, *text >= 'A' && *text <= 'F' ? *text | 32 : *text, 16))
		return false;
	errno = 0;
	*ret = strtoull(text, &end, base);
	*negative_ret = negative;
	return errno == 0 && *end == '\0';
}

static bool read_unsigned(const char *text, uint64_t *ret)
{
	bool negative;

	return form_read_number(text, &negative, ret) && !negative;
}

static bool find_word(const struct word *words, const char *name, size_t n, uint64_t *ret)
{
	for (; words->name; words++)
		if (strncmp(words->name, name, n) == 0 && !words->name[n]) {
			*ret = words->value;
			return true;
		}
	return false;
}

/* Names and numbers with bars between them. */
static bool read_flags(const struct word *words, const char *text, uint64_t *ret)
{
	uint64_t sum = 0, v;
	char number[24];

	while (*text) {
		size_t n = strcspn(text, "|"), last = n;

		for (; n && *text == ' '; text++, n--)
			;
		for (last = n; last && text[last - 1] == ' '; last--)
			;
		snprintf(number, sizeof(number), "%.*s", (int)(last < 24 ? last : 0), text);
		if (!find_word(words, text, last, &v) && !read_unsigned(number, &v))
			return false;
		sum |= v;
		text += n;
		if (*text == '|' && !*++text)
			return false;
	}
	*ret = sum;
	return true;
}

static bool read_dev(const char *text, bool stat_dev, uint64_t *ret)
{
	char number[12];
	const char *colon = strchr(text, ':');
	uint64_t maj, min;

	if (!colon || colon - text >= (long)sizeof(number))
		return false;
	snprintf(number, sizeof(number), "%.*s", (int)(colon - text), text);
	if (!read_unsigned(number, &maj) || !read_unsigned(colon + 1, &min))
		return false;
	if (maj > 0xfff || min > 0xfffff)
		return false;
	*ret = stat_dev ? makedev((unsigned)maj, (unsigned)min) : maj << 20 | min;
	return true;
}

bool form_read(const struct form *form, const char *text, uint64_t *ret)
{
	enum form_kind kind = form ? form->kind : FORM_HEX;

	if (kind == FORM_FLAGS)
		return read_flags(form->words, text, ret);
	if (kind == FORM_NAME && find_word(form->words, text, strlen(text), ret))
		return true;
	if ((kind == FORM_DEV || kind == FORM_STAT_DEV) && strchr(text, ':'))
		return read_dev(text, kind == FORM_STAT_DEV, ret);
	return read_unsigned(text, ret);
}
