/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vdso - the code and data that the kernel lends to every task
 *
 * drain     the code is saved with the other pages (pages.c), the data is not
 * plan      If the code in the image is that of this kernel, a fresh one can stand
 *           in its place. If not, the old code stays as a shell: the functions
 *           in it jump to those of a fresh one that lies somewhere else.
 * map       the restorer has the kernel map it; a task that had none gets none
 *
 * refused   old code with a function that this kernel lacks, or with a thread in
 *           the middle of it
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "mem/mem.h"

/* Data in front, code behind; sizes in bytes. */
struct vdso {
	uint64_t start, data, code;
};

static struct vdso vdso_of_image(const MmEntry *mm)
{
	struct vdso v = { 0 };
	size_t i;

	for (i = 0; i < mm->n_vmas && !v.code; i++) {
		const VmaEntry *e = mm->vmas[i];

		if (!(e->status & (VMA_VVAR | VMA_VDSO)))
			continue;
		if (v.start + v.data != e->start)
			v = (struct vdso){ .start = e->start };
		*(e->status & VMA_VVAR ? &v.data : &v.code) += e->end - e->start;
	}
	return v.code ? v : (struct vdso){ 0 };
}

static int vdso_of_kernel(struct restore *r, struct vdso *ret, struct err *err)
{
	struct mem_state *s = kind_state(r->kinds, &mm_kind);
	proc_vma_list list = { 0 };
	const struct proc_vma *v;

	if (!s->vdso) {
		s->vdso = arena_new(r->arena, struct vdso);
		if (proc_read_own_maps(r->proc, r->arena, &list, err) < 0)
			return -err->code;
		vec_for_each(v, &list) {
			if (strncmp(v->name, "[vvar", 5) == 0) {
				s->vdso->data += v->end - v->start;
			} else if (strcmp(v->name, "[vdso]") == 0) {
				s->vdso->start = v->start - s->vdso->data;
				s->vdso->code = v->end - v->start;
			}
		}
	}
	*ret = *s->vdso;
	return 0;
}

/* ---- the code as an ELF file ---- */

struct vdso_elf {
	const char *bytes;
	uint64_t len;
	uint64_t symbols, nr_symbols; /* offset, number */
	uint64_t strings, strings_len;
	uint64_t note, note_len;
};

static bool fits(const struct vdso_elf *f, uint64_t off, uint64_t len)
{
	return off <= f->len && len <= f->len - off;
}

static bool parse_dynamic(struct vdso_elf *f, uint64_t off, uint64_t len)
{
	const Elf64_Dyn *dyn = (const Elf64_Dyn *)(f->bytes + off);
	uint64_t i, n = len / sizeof(*dyn);

	if (!fits(f, off, len) || off % sizeof(uint64_t))
		return false;
	for (i = 0; i < n && dyn[i].d_tag != DT_NULL; i++) {
		if (dyn[i].d_tag == DT_SYMTAB)
			f->symbols = dyn[i].d_un.d_ptr;
		if (dyn[i].d_tag == DT_STRTAB)
			f->strings = dyn[i].d_un.d_ptr;
		if (dyn[i].d_tag == DT_STRSZ)
			f->strings_len = dyn[i].d_un.d_val;
	}
	/* the number of symbols is nowhere, but their names stand right behind them */
	if (!f->symbols || f->symbols % sizeof(uint64_t) || f->strings < f->symbols)
		return false;
	f->nr_symbols = (f->strings - f->symbols) / sizeof(Elf64_Sym);
	return fits(f, f->symbols, f->nr_symbols * sizeof(Elf64_Sym)) && f->strings_len &&
	       fits(f, f->strings, f->strings_len) && !f->bytes[f->strings + f->strings_len - 1];
}

/* @bytes come from an image: nothing in them is believed. */
static bool parse_elf(const char *bytes, uint64_t len, struct vdso_elf *ret)
{
	struct vdso_elf f = { .bytes = bytes, .len = len };
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)bytes;
	const Elf64_Phdr *ph;
	bool found = false;
	unsigned int i;

	if (!fits(&f, 0, sizeof(*eh)) || memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 ||
	    eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_phentsize != sizeof(*ph) ||
	    eh->e_phoff % 8 || !fits(&f, eh->e_phoff, eh->e_phnum * sizeof(*ph)))
		return false;
	ph = (const Elf64_Phdr *)(bytes + eh->e_phoff);
	for (i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_DYNAMIC)
			found = parse_dynamic(&f, ph[i].p_vaddr, ph[i].p_filesz);
		if (ph[i].p_type == PT_NOTE && fits(&f, ph[i].p_vaddr, ph[i].p_filesz)) {
			f.note = ph[i].p_vaddr;
			f.note_len = ph[i].p_filesz;
		}
	}
	*ret = f;
	return found;
}

static const Elf64_Sym *symbol_at(const struct vdso_elf *f, uint64_t i)
{
	return (const Elf64_Sym *)(f->bytes + f->symbols) + i;
}

static const char *symbol_name(const struct vdso_elf *f, const Elf64_Sym *s)
{
	return s->st_name < f->strings_len ? f->bytes + f->strings + s->st_name : "";
}

static bool is_function(const struct vdso_elf *f, const Elf64_Sym *s)
{
	return ELF64_ST_TYPE(s->st_info) == STT_FUNC && s->st_shndx != SHN_UNDEF &&
	       fits(f, s->st_value, s->st_size);
}

static const Elf64_Sym *find_function(const struct vdso_elf *f, const char *name)
{
	uint64_t i;

	for (i = 0; i < f->nr_symbols; i++)
		if (is_function(f, symbol_at(f, i)) &&
		    strcmp(symbol_name(f, symbol_at(f, i)), name) == 0)
			return symbol_at(f, i);
	return NULL;
}

/* @byte may differ between two builds of the same code: build id, library path. */
static bool is_text(const struct vdso_elf *f, uint64_t byte)
{
	return (byte >= f->strings && byte < f->strings + f->strings_len) ||
	       (byte >= f->note && byte < f->note + f->note_len);
}

static bool is_same_code(const struct vdso_elf *a, const struct vdso_elf *b)
{
	uint64_t i;

	if (a->len != b->len || a->symbols != b->symbols || a->strings != b->strings ||
	    a->strings_len != b->strings_len || a->note != b->note || a->note_len != b->note_len)
		return false;
	for (i = 0; i < a->len; i++)
		if (a->bytes[i] != b->bytes[i] && !is_text(a, i))
			return false;
	for (i = 0; i < a->nr_symbols; i++)
		if (strcmp(symbol_name(a, symbol_at(a, i)), symbol_name(b, symbol_at(b, i))) != 0)
			return false;
	return true;
}

/* ---- plan ---- */

static int read_code(struct restore *r, const struct mem_task *m, const struct vdso *v, char *to,
		     struct err *err)
{
	uint64_t addr = v->start + v->data, end = addr + v->code;
	const struct pagemap_run *run;

	vec_for_each(run, &m->pages) {
		uint64_t at = run->addr > addr ? run->addr : addr;
		uint64_t stop = run->addr + run->len < end ? run->addr + run->len : end;
		scoped_fd fd = -1;
		int ret;

		if (at >= stop)
			continue;
		fd = pagemap_open_pages(r, run, err);
		if (fd < 0)
			return fd;
		ret = io_pread(fd, to + (at - addr), stop - at,
			       (off_t)(run->off + (at - run->addr)));
		if (ret < 0)
			return err_set(err, -ret, "cannot read the vdso from the image");
	}
	return 0;
}

static int refuse(const struct task *t, const char *why, const char *name, struct err *err)
{
	err_set(err, EOPNOTSUPP, "cannot replace the vdso of task %d by that of this kernel",
		t->pid);
	err_why(err, "%s%s", why, name);
	return err_hint(err, "restore with the kernel that the dump was made with");
}

static int check_threads(const struct task *t, const struct vdso *v, struct err *err)
{
	size_t i;

	for (i = 0; i < t->nr_threads; i++) {
		if (arch_core_ip(t->threads[i].core) - (v->start + v->data) < v->code)
			return refuse(t, "a thread was in the middle of it", "", err);
	}
	return 0;
}

/* Every function of the old code becomes a jump to its namesake. */
static int plan_jumps(struct restore *r, struct task *t, struct mem_task *m,
		      const struct vdso *image, const struct vdso *ours, const struct vdso_elf *old,
		      const struct vdso_elf *new, struct err *err)
{
	uint64_t code = image->start + image->data, i;

	for (i = 0; i < old->nr_symbols; i++) {
		const Elf64_Sym *from = symbol_at(old, i), *to;
		struct restorer_patch *p;

		if (!is_function(old, from))
			continue;
		to = find_function(new, symbol_name(old, from));
		if (!to)
			return refuse(t, "this kernel has no ", symbol_name(old, from), err);
		p = vec_add(r->arena, &m->patches);
		p->addr = code + from->st_value;
		p->len = (uint32_t)arch_encode_jump(p->bytes, m->vdso + ours->data + to->st_value);
		if (p->len > from->st_size)
			return refuse(t, "too short for a jump is ", symbol_name(old, from), err);
	}
	return 0;
}

static int plan_move(struct restore *r, struct task *t, struct mem_task *m,
		     const struct vdso *image, const struct vdso *ours, const struct vdso_elf *new,
		     const char *code, struct err *err)
{
	struct vdso_elf old;

	if (!parse_elf(code, image->code, &old))
		return refuse(t, "that in the image is damaged", "", err);
	if (check_threads(t, image, err) < 0)
		return -err->code;
	m->vdso_moved = true;
	m->vdso = layout_find_gap(r, t->mm, image->start + image->data + image->code,
				  ours->data + ours->code);
	if (!m->vdso)
		return refuse(t, "the address space of the task is full", "", err);
	log_info("vdso: another kernel's, calls go to %#" PRIx64, m->vdso);
	return plan_jumps(r, t, m, image, ours, &old, new, err);
}

int vdso_plan(struct restore *r, struct task *t, struct mem_task *m, struct err *err)
{
	struct vdso image = vdso_of_image(t->mm), ours = { 0 };
	struct vdso_elf old, new;
	char *code;

	if (!image.code)
		return 0;
	if (image.code > 1 << 20)
		return refuse(t, "that in the image is damaged", "", err);
	code = arena_alloc(r->arena, image.code);
	if (vdso_of_kernel(r, &ours, err) < 0 || read_code(r, m, &image, code, err) < 0)
		return -err->code;
	if (!ours.code ||
	    !parse_elf((const char *)(uintptr_t)(ours.start + ours.data), ours.code, &new))
		return refuse(t, "this kernel has none", "", err);

	m->vdso = image.start;
	m->vdso_size = ours.data + ours.code;
	if (image.data == ours.data && parse_elf(code, image.code, &old) &&
	    is_same_code(&old, &new)) {
		arena_give_back(r->arena, code, image.code);
		return 0;
	}
	return plan_move(r, t, m, &image, &ours, &new, code, err);
}

/* ---- map ---- */

int vdso_map(struct restore *r, const struct mem_task *m, struct err *err)
{
	struct restorer_mm *out = &r->region->args->mm;
	size_t size = m->patches.n * sizeof(struct restorer_patch);
	void *patches = region_alloc(r->region, size, err);

	if (!patches)
		return -err->code;
	if (size)
		memcpy(patches, m->patches.items, size);
	out->vdso = m->vdso;
	out->patches = (uintptr_t)patches;
	out->nr_patches = m->patches.n;
	return 0;
}
