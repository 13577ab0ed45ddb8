/* inspect.c - opens a module's file and checks its descriptor before any of its
 * callbacks runs. Each way of being wrong has its own message, made from copies,
 * beginning with the file. A file that was opened stays mapped.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr1 */
#endif
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#include "base/str.h"
#include "module/impl.h"

/* Up to here every descriptor reaches: the members that ABI 1.0 had. */
#define MODULE_SIZE_1_0 (offsetof(struct mz_module, ops) + sizeof(void *))

/* The linker's size of the symbol: nothing behind it may be read. */
static size_t symbol_size(const void *sym)
{
	Dl_info info;
	const ElfW(Sym) *elf = NULL;
	if (!dladdr1(sym, &info, (void **)&elf, RTLD_DL_SYMENT) || !elf)
		return sizeof(struct mz_module);
	return elf->st_size;
}

static bool name_is_valid(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
	return n > 0 && n <= 64 && name[n] == '\0';
}

static int check_abi(const char *file, const struct mz_module *m, const struct kind *k, struct mz_err *err)
{
	if (m->abi < k->abi_min)
		return mz_fail(err, -EPROTONOSUPPORT,
			       "%s: ABI %u is too old, this Mezzo takes %u to %u for kind '%s'; build the module again",
			       file, m->abi, k->abi_min, k->abi_max, k->name);
	if (m->abi > k->abi_max)
		return mz_fail(err, -EPROTONOSUPPORT,
			       "%s: ABI %u is too new, this Mezzo takes %u to %u for kind '%s'; it needs a newer Mezzo",
			       file, m->abi, k->abi_min, k->abi_max, k->name);
	return 0;
}

static int check_ops(const char *file, const struct module_desc *d, const struct kind *k, struct mz_err *err)
{
	if (!d->mod.ops)
		return mz_fail(err, -EINVAL, "%s: The descriptor has no table of callbacks", file);
	if (d->mod.ops->size < sizeof(struct mz_ops))
		return mz_fail(err, -EINVAL, "%s: The table of callbacks says %u bytes, it has at least %zu", file,
			       d->mod.ops->size, sizeof(struct mz_ops));
	for (const struct kind_member *m = k->required; m->name; m++) {
		void (*fn)(void) = NULL;
		if (m->offset + sizeof(fn) <= d->mod.ops->size)
			memcpy(&fn, (const char *)d->mod.ops + m->offset, sizeof(fn));
		if (!fn)
			return mz_fail(err, -EINVAL, "%s: Required callback '%s' of kind '%s' is missing", file, m->name,
				       k->name);
	}
	return 0;
}

/* `have`: bytes that may be read at raw. */
static int check_head(const char *file, const struct mz_module *raw, size_t have, struct mz_err *err)
{
	if (have < offsetof(struct mz_module, kind) + sizeof(raw->kind))
		return mz_fail(err, -EINVAL, "%s: Symbol 'mz_module' has %zu bytes, that is no descriptor", file, have);
	if (raw->magic != MZ_MODULE_MAGIC)
		return mz_fail(err, -EINVAL, "%s: Bad magic 0x%08x in 'mz_module', want 0x%08x", file, raw->magic,
			       MZ_MODULE_MAGIC);
	return 0;
}

static int check_size(const char *file, const struct mz_module *raw, size_t have, struct mz_err *err)
{
	if (raw->size < MODULE_SIZE_1_0)
		return mz_fail(err, -EINVAL, "%s: The descriptor says %u bytes, it has at least %zu", file, raw->size,
			       MODULE_SIZE_1_0);
	if (raw->size > have)
		return mz_fail(err, -EINVAL, "%s: The descriptor says %u bytes, but symbol 'mz_module' has %zu", file,
			       raw->size, have);
	return 0;
}

static int inspect(const char *file, const struct mz_module *raw, size_t have, uint32_t kind, const char *name,
		   struct module_desc *ret, struct mz_err *err)
{
	int rc = check_head(file, raw, have, err);
	if (rc < 0)
		return rc;
	const struct kind *k = kind_of(raw->kind);
	if (!k)
		return mz_fail(err, -EINVAL, "%s: Unknown kind %u of module", file, raw->kind);
	if ((rc = check_abi(file, raw, k, err)) < 0 || (rc = check_size(file, raw, have, err)) < 0)
		return rc;
	if (kind && raw->kind != kind)
		return mz_fail(err, -EINVAL, "%s: Wrong kind: wanted a module of kind '%s', this is '%s'", file,
			       module_kind_name(kind), k->name);
	if (!k->ops_size)
		return mz_fail(err, -ENOTSUP, "%s: This release of Mezzo loads no modules of kind '%s'", file, k->name);

	struct module_desc d = {0};
	memcpy(&d.mod, raw, MZ_MIN(sizeof(d.mod), (size_t)raw->size));
	if (!d.mod.name || !name_is_valid(d.mod.name))
		return mz_fail(err, -EINVAL, "%s: The name '%s' of the module is not [a-z0-9_]+", file,
			       d.mod.name ? d.mod.name : "");
	if (name && strcmp(name, d.mod.name) != 0)
		return mz_fail(err, -EINVAL, "%s: Configured as '%s/%s', but the file calls itself '%s/%s'", file, k->name,
			       name, k->name, d.mod.name);
	if ((rc = check_ops(file, &d, k, err)) < 0)
		return rc;
	d.ops_size = d.mod.ops->size;
	d.mod.version = d.mod.version ? d.mod.version : "";
	d.mod.author = d.mod.author ? d.mod.author : "";
	d.mod.summary = d.mod.summary ? d.mod.summary : "";
	d.file = (char *)file; /* for messages of the next check only */
	if ((rc = settings_check_table(&d, err)) < 0)
		return rc;
	d.file = xstrdup(file);
	*ret = d;
	return 0;
}

int module_inspect(const char *file, uint32_t kind, const char *name, struct module_desc *ret, struct mz_err *err)
{
	/* Without a slash dlopen would search the system's libraries. */
	mz_autofree char *path = strchr(file, '/') ? xstrdup(file) : xasprintf("./%s", file);
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		const char *why = dlerror();
		if (why && str_starts(why, path) && str_starts(why + strlen(path), ": "))
			why += strlen(path) + 2;
		return mz_fail(err, -ENOENT, "%s: Cannot open: %s", file, why ? why : "unknown reason");
	}
	const struct mz_module *raw = dlsym(handle, "mz_module");
	if (!raw)
		return mz_fail(err, -EINVAL, "%s: No symbol 'mz_module': this is not a Mezzo module", file);
	return inspect(file, raw, symbol_size(raw), kind, name, ret, err);
}

int module_inspect_data(const char *file, const struct mz_module *mod, uint32_t kind, const char *name,
			struct module_desc *ret, struct mz_err *err)
{
	return inspect(file, mod, sizeof(*mod), kind, name, ret, err);
}

void module_desc_done(struct module_desc *d)
{
	free(d->file);
	d->file = NULL;
}

static void describe_setting(const struct mz_setting *s, struct buf *out)
{
	buf_addf(out, "  %s: %s", s->name, module_setting_type_name(s->type));
	if (!s->def)
		buf_adds(out, ", required");
	else
		buf_addf(out, ", default %s", *s->def ? s->def : "\"\"");
	if (s->min || s->max)
		buf_addf(out, ", %lld to %lld", (long long)s->min, (long long)s->max);
	for (size_t i = 0; s->choices && s->choices[i]; i++)
		buf_addf(out, "%s%s", i ? " | " : ", one of ", s->choices[i]);
	buf_addf(out, "\n      %s\n", s->help ? s->help : "");
}

void module_describe(const struct module_desc *d, struct buf *out)
{
	buf_addf(out, "%s/%s %s\n", module_kind_name(d->mod.kind), d->mod.name, d->mod.version);
	buf_addf(out, "%s\n\n", d->mod.summary);
	buf_addf(out, "file:    %s\nabi:     %u\nauthor:  %s\n", d->file, d->mod.abi, d->mod.author);
	for (size_t i = 0; d->mod.requires_modules && d->mod.requires_modules[i]; i++)
		buf_addf(out, "needs:   %s\n", d->mod.requires_modules[i]);
	struct mz_setting s;
	buf_adds(out, module_setting(d, 0, &s) ? "\nsettings:\n" : "\nno settings\n");
	for (size_t i = 0; module_setting(d, i, &s); i++)
		describe_setting(&s, out);
}
