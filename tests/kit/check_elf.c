/* check_elf.c - what the file itself shows: one exported symbol, no Mezzo symbol
 * that it needs, and no data that can be written.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "check.h"

#ifdef MZ_SANITIZED
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

struct image {
	const unsigned char *data;
	size_t size;
	const ElfW(Shdr) * sections;
	size_t n_sections;
	const char *names;
};

static const void *part(const struct image *e, uint64_t offset, uint64_t size)
{
	return offset <= e->size && size <= e->size - offset ? e->data + offset : NULL;
}

static bool open_image(const char *file, struct image *e)
{
	struct stat st;
	mz_autoclose int fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || (size_t)st.st_size < sizeof(ElfW(Ehdr)))
		return false;
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return false;
	*e = (struct image){.data = p, .size = (size_t)st.st_size};
	const ElfW(Ehdr) *h = p;
	e->sections = part(e, h->e_shoff, (uint64_t)h->e_shnum * sizeof(ElfW(Shdr)));
	e->n_sections = e->sections ? h->e_shnum : 0;
	if (h->e_shstrndx < e->n_sections) {
		const ElfW(Shdr) *s = &e->sections[h->e_shstrndx];
		e->names = part(e, s->sh_offset, s->sh_size);
	}
	return memcmp(h->e_ident, ELFMAG, SELFMAG) == 0 && e->names;
}

static const ElfW(Shdr) *section_of_type(const struct image *e, uint32_t type)
{
	for (size_t i = 0; i < e->n_sections; i++)
		if (e->sections[i].sh_type == type)
			return &e->sections[i];
	return NULL;
}

static void each_symbol(const struct image *e, uint32_t table,
			void (*fn)(void *arg, const struct image *e, const char *name, const ElfW(Sym) * s), void *arg)
{
	const ElfW(Shdr) *t = section_of_type(e, table);
	if (!t || t->sh_link >= e->n_sections)
		return;
	const ElfW(Sym) *v = part(e, t->sh_offset, t->sh_size);
	const char *names = part(e, e->sections[t->sh_link].sh_offset, e->sections[t->sh_link].sh_size);
	for (size_t i = 1; v && names && i < t->sh_size / sizeof(*v); i++)
		if (v[i].st_name < e->sections[t->sh_link].sh_size)
			fn(arg, e, names + v[i].st_name, &v[i]);
}

struct found {
	struct buf exported, needed, writable;
};

static void on_dynamic(void *arg, const struct image *e, const char *name, const ElfW(Sym) * s)
{
	struct found *f = arg;
	unsigned bind = ELF64_ST_BIND(s->st_info);
	(void)e;
	if (s->st_shndx == SHN_UNDEF) {
		if (str_starts(name, "mz_") || str_starts(name, "MZ_"))
			buf_addf(&f->needed, " %s", name);
	} else if (bind != STB_LOCAL && strcmp(name, "mz_module") != 0 && !str_starts(name, "__odr_asan") &&
		   ELF64_ST_VISIBILITY(s->st_other) == STV_DEFAULT) {
		buf_addf(&f->exported, " %s", name);
	}
}

/* What compilers and start files put there by themselves. */
static bool is_toolchain(const char *name)
{
	static const char *const known[] = {"completed.", "__dso_handle", "_GLOBAL_OFFSET_TABLE_", "_DYNAMIC", "__TMC_END__", "__gcov", "__llvm",
					    "__asan", "__odr_asan", "__ubsan", "__tsan", "__frame_dummy_init_array_entry",
					    "__do_global_dtors_aux_fini_array_entry", ".Lubsan", "llvm_"};
	for (size_t i = 0; i < MZ_N(known); i++)
		if (str_starts(name, known[i]))
			return true;
	return false;
}

static void on_symbol(void *arg, const struct image *e, const char *name, const ElfW(Sym) * s)
{
	struct found *f = arg;
	unsigned type = ELF64_ST_TYPE(s->st_info);
	if ((type != STT_OBJECT && type != STT_TLS && type != STT_COMMON) || s->st_shndx >= e->n_sections ||
	    s->st_shndx == SHN_UNDEF || is_toolchain(name))
		return;
	const ElfW(Shdr) *section = &e->sections[s->st_shndx];
	const char *where = e->names + section->sh_name;
	/* Constants with addresses in them are made read-only after relocation. */
	if ((section->sh_flags & SHF_WRITE) && !str_starts(where, ".data.rel.ro"))
		buf_addf(&f->writable, " %s (%s)", name, where);
}

void check_elf(struct check *c)
{
	struct image e = {0};
	struct found f = {0};
	if (!check(c, open_image(c->file, &e), "the file is an ELF object"))
		return;
	each_symbol(&e, SHT_DYNSYM, on_dynamic, &f);
	check(c, f.exported.len == 0, "only 'mz_module' is exported");
	if (f.exported.len)
		check_note("exported as well:%s (use -fvisibility=hidden)", buf_str(&f.exported));
	each_symbol(&e, SHT_SYMTAB, on_symbol, &f);
	if (SANITIZED) {
		check_skip(c, "a sanitizer adds data of its own", "there is no global data that can be written");
	} else if (!section_of_type(&e, SHT_SYMTAB)) {
		check_skip(c, "the file is stripped", "there is no global data that can be written");
	} else {
		check(c, f.writable.len == 0, "there is no global data that can be written");
		if (f.writable.len)
			check_note("state belongs into the instance:%s", buf_str(&f.writable));
	}
	check(c, f.needed.len == 0, "no symbol of Mezzo is needed to link");
	if (f.needed.len)
		check_note("undefined:%s", buf_str(&f.needed));
	buf_done(&f.exported);
	buf_done(&f.needed);
	buf_done(&f.writable);
	munmap((void *)e.data, e.size);
}
