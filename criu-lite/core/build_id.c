/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * build id - the note by which a linker tells one program from another
 *
 * Looked for in the program headers, and as far as CRIU looks: the first MiB.
 */
#include <elf.h>
#include <stdbool.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "core/build_id.h"

enum { LOOKED_AT = 1 << 20, NOTES_MAX = 8192 };

struct program_header {
	uint32_t type;
	uint64_t offset, size;
};

static bool read_at(int fd, void *buf, size_t len, uint64_t off)
{
	return off < LOOKED_AT && pread(fd, buf, len, (off_t)off) == (ssize_t)len;
}

static bool header_64(int fd, const Elf64_Ehdr *e, unsigned int i, struct program_header *ret)
{
	Elf64_Phdr p;

	if (i >= e->e_phnum || !read_at(fd, &p, sizeof(p), e->e_phoff + (uint64_t)i * sizeof(p)))
		return false;
	*ret = (struct program_header){ p.p_type, p.p_offset, p.p_filesz };
	return true;
}

static bool header_32(int fd, const Elf32_Ehdr *e, unsigned int i, struct program_header *ret)
{
	Elf32_Phdr p;

	if (i >= e->e_phnum ||
	    !read_at(fd, &p, sizeof(p), (uint64_t)e->e_phoff + (uint64_t)i * sizeof(p)))
		return false;
	*ret = (struct program_header){ p.p_type, p.p_offset, p.p_filesz };
	return true;
}

static size_t find_in_notes(const char *notes, size_t len, uint32_t words[BUILD_ID_WORDS])
{
	size_t at = 0;

	while (len - at > sizeof(Elf32_Nhdr)) {
		Elf32_Nhdr n;
		size_t name, desc;

		memcpy(&n, notes + at, sizeof(n));
		at += sizeof(n);
		if (n.n_namesz > len || n.n_descsz > len)
			return 0;
		name = ((size_t)n.n_namesz + 3) & ~(size_t)3;
		desc = ((size_t)n.n_descsz + 3) & ~(size_t)3;
		if (name + desc > len - at)
			return 0;
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == 4 &&
		    memcmp(notes + at, "GNU", 4) == 0 && n.n_descsz && desc <= BUILD_ID_WORDS * 4) {
			memset(words, 0, BUILD_ID_WORDS * 4);
			memcpy(words, notes + at + name, n.n_descsz);
			return desc / 4;
		}
		at += name + desc;
	}
	return 0;
}

size_t build_id_read(int fd, uint32_t words[BUILD_ID_WORDS])
{
	union {
		Elf64_Ehdr e64;
		Elf32_Ehdr e32;
		unsigned char ident[EI_NIDENT];
	} head;
	struct program_header p;
	char notes[NOTES_MAX];
	unsigned int i;

	if (!read_at(fd, &head, sizeof(head), 0) || memcmp(head.ident, ELFMAG, SELFMAG) != 0)
		return 0;
	for (i = 0; head.ident[EI_CLASS] == ELFCLASS64 ? header_64(fd, &head.e64, i, &p)
						       : header_32(fd, &head.e32, i, &p);
	     i++) {
		size_t len = p.size < sizeof(notes) ? (size_t)p.size : sizeof(notes);
		size_t n;

		if (p.type != PT_NOTE || !read_at(fd, notes, len, p.offset))
			continue;
		n = find_in_notes(notes, len, words);
		if (n)
			return n;
	}
	return 0;
}
