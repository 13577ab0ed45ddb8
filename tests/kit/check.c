/* check.c - mezzo-module-check: does a module keep the contract?
 *
 *	mezzo-module-check [-s SETTINGS] [-c CONTAINER] [-p PAGE.md] FILE.so
 *
 * Speaks TAP. SETTINGS is YAML (or @FILE), and so is CONTAINER: what the containers are
 * like that an isolator is checked with. The page is checked if it is given, or
 * lies beside the file as NAME.md.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "check.h"

bool check(struct check *c, bool good, const char *fmt, ...)
{
	va_list ap;
	c->n++;
	c->n_failed += !good;
	printf("%s %d - ", good ? "ok" : "not ok", c->n);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	return good;
}

void check_skip(struct check *c, const char *why, const char *fmt, ...)
{
	va_list ap;
	printf("ok %d - ", ++c->n);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(" # SKIP %s\n", why);
}

void check_note(const char *fmt, ...)
{
	va_list ap;
	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

struct mz_kit *check_kit(struct check *c, struct mz_kit_module **ret)
{
	struct mz_err err = {0};
	struct mz_kit *k = mz_kit_new();
	if (mz_kit_load(k, c->file, c->settings, ret, &err) == 0)
		return k;
	check(c, false, "create succeeds");
	check_note("%s", err.msg);
	mz_kit_free(k);
	return NULL;
}

bool check_completes(struct check *c, struct mz_kit *k, struct mz_kit_op *r, const char *what)
{
	mz_kit_wait(k, r);
	return check(c, r->done && !(r->failed && r->err.code == -ETIMEDOUT), "%s completes", what);
}

/* The host reports breaches as errors in the module's area. */
static bool has_breach(const char *log)
{
	return strstr(log, "twice, ignoring") || strstr(log, "after its deadline") || strstr(log, "ended long ago") ||
	       strstr(log, "an op that is NULL");
}

void check_end(struct check *c, struct mz_kit *k, const char *what)
{
	mz_kit_advance(k, NS_PER_SEC); /* late second completions show up */
	if (!check(c, !has_breach(mz_kit_log(k)), "%s: each op was completed once", what))
		check_note("%s", mz_kit_log(k));
	mz_kit_free(k);
	check(c, true, "%s: destroy returns", what);
}

static char *read_text(const char *file)
{
	mz_autofile FILE *f = fopen(file, "re");
	struct buf b = {0};
	char part[4096];
	size_t n;
	if (!f)
		return NULL;
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(&b, part, n);
	return buf_take(&b);
}

static bool has_setting(const struct check *c, const char *name)
{
	struct mz_setting s;
	for (size_t i = 0; module_setting(&c->desc, i, &s); i++)
		if (strcmp(s.name, name) == 0)
			return true;
	return false;
}

/* Under "## Settings" every item begins with "- `name`", or is a row "| `name` |". */
static void check_page_items(struct check *c, char *text, struct buf *unknown, struct buf *known)
{
	char *save = NULL;
	bool inside = false;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (str_starts(line, "## "))
			inside = strcmp(line, "## Settings") == 0;
		if (!inside || !(str_starts(line, "- `") || str_starts(line, "| `")))
			continue;
		char *end = strchr(line + 3, '`');
		if (!end)
			continue;
		*end = '\0';
		buf_addf(has_setting(c, line + 3) ? known : unknown, " %s ", line + 3);
	}
}

static void check_page(struct check *c)
{
	mz_autofree char *text = read_text(c->page);
	mz_autobuf struct buf unknown = {0}, known = {0}, missing = {0};
	struct mz_setting s;
	if (!check(c, text != NULL, "the page %s can be read", c->page))
		return;
	mz_autofree char *title = xasprintf("# %s/%s", module_kind_name(c->desc.mod.kind), c->desc.mod.name);
	check(c, str_starts(text, title), "the page begins with '%s'", title);
	check_page_items(c, text, &unknown, &known);
	for (size_t i = 0; module_setting(&c->desc, i, &s); i++) {
		mz_autofree char *item = xasprintf(" %s ", s.name);
		if (!strstr(buf_str(&known), item))
			buf_addf(&missing, " %s", s.name);
	}
	check(c, missing.len == 0, "every setting is on the page, below \"## Settings\" as \"- `name`\" or \"| `name` |\"");
	if (missing.len)
		check_note("missing:%s", buf_str(&missing));
	check(c, unknown.len == 0, "every setting of the page is in the table");
	if (unknown.len)
		check_note("not in the table:%s", buf_str(&unknown));
}

static bool check_descriptor(struct check *c)
{
	struct mz_err err = {0};
	struct mz_setting s;
	if (!check(c, module_inspect(c->file, 0, NULL, &c->desc, &err) == 0, "the descriptor is in order")) {
		check_note("%s", err.msg);
		return false;
	}
	check(c, c->desc.mod.version[0] && c->desc.mod.author[0] && c->desc.mod.summary[0],
	      "version, author and summary are there");
	bool helped = true;
	for (size_t i = 0; module_setting(&c->desc, i, &s); i++)
		helped &= s.help && s.help[0];
	check(c, helped, "every setting has a line of help");
	mz_autobuf struct buf text = {0};
	module_describe(&c->desc, &text);
	check(c, strstr(buf_str(&text), c->desc.mod.name) != NULL, "it can be described");
	c->desc.mod.ops->destroy(NULL);
	check(c, true, "destroy(NULL) does nothing");
	return true;
}

/* Here, or not at all: a machine may lack what the module needs. */
static bool can_create(struct check *c)
{
	struct mz_err err = {0};
	struct mz_kit_module *m;
	struct mz_kit *k = mz_kit_new();
	int rc = mz_kit_load(k, c->file, c->settings, &m, &err);
	mz_kit_free(k);
	if (rc == 0)
		return check(c, true, "create and destroy");
	if (rc == -EPERM || rc == -EACCES || rc == -ENOTSUP || rc == -ENODEV) {
		check_skip(c, err.msg, "create and destroy");
		return false;
	}
	check(c, false, "create and destroy");
	check_note("%s", err.msg);
	return false;
}

static void check_instances(struct check *c)
{
	struct mz_kit_module *m1, *m2;
	struct mz_kit *k1 = check_kit(c, &m1);
	struct mz_kit *k2 = check_kit(c, &m2);
	if (k1 && k2) {
		check(c, mz_kit_inst(m1) != mz_kit_inst(m2) || !mz_kit_inst(m1), "two instances at once are two");
		mz_kit_unload(m1);
		mz_kit_advance(k2, 10 * NS_PER_SEC);
		check(c, true, "one lives on without the other");
	}
	mz_kit_free(k1);
	mz_kit_free(k2);
}

static void check_kind(struct check *c)
{
	static void (*const by_kind[])(struct check *c) = {
		[MZ_KIND_ALLOCATOR] = check_allocator,
		[MZ_KIND_ISOLATOR] = check_isolator,
		[MZ_KIND_CONTAINERIZER] = check_containerizer,
		[MZ_KIND_EXECUTOR] = check_executor,
		[MZ_KIND_AUTHORIZER] = check_authorizer,
		[MZ_KIND_AUTHENTICATOR] = check_authenticator,
		[MZ_KIND_ELECTOR] = check_elector,
		[MZ_KIND_STORE] = check_store,
		[MZ_KIND_LOGGER] = check_logger,
	};
	if (c->desc.mod.kind < MZ_N(by_kind) && by_kind[c->desc.mod.kind])
		by_kind[c->desc.mod.kind](c);
}

static int usage(FILE *to, int status)
{
	fprintf(to, "usage: mezzo-module-check [-s SETTINGS|@FILE] [-c CONTAINER|@FILE] [-p PAGE.md] FILE.so\n"
		    "Checks whether a module keeps the contract of <mezzo/module.h>; speaks TAP.\n");
	return status;
}

/* "@FILE": what is in it, which the caller frees. */
static int take_file(const char **text, char **ret)
{
	if (!*text || (*text)[0] != '@')
		return 0;
	*ret = read_text(*text + 1);
	if (!*ret)
		fprintf(stderr, "mezzo-module-check: Cannot read '%s': %s\n", *text + 1, strerror(errno));
	*text = *ret;
	return *ret ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct check c = {0};
	mz_autofree char *settings = NULL, *box = NULL;
	int opt;
	while ((opt = getopt(argc, argv, "s:c:p:h")) != -1) {
		if (opt == 's')
			c.settings = optarg;
		else if (opt == 'c')
			c.box = optarg;
		else if (opt == 'p')
			c.page = optarg;
		else
			return usage(opt == 'h' ? stdout : stderr, opt == 'h' ? 0 : 2);
	}
	if (optind + 1 != argc)
		return usage(stderr, 2);
	if (take_file(&c.settings, &settings) < 0 || take_file(&c.box, &box) < 0)
		return 2;
	c.file = argv[optind];
	mz_autofree char *beside = xasprintf("%.*s.md", (int)(strlen(c.file) - (str_ends(c.file, ".so") ? 3 : 0)), c.file);
	if (!c.page && access(beside, R_OK) == 0)
		c.page = beside;
	if (check_descriptor(&c)) {
		check_elf(&c);
		if (c.page)
			check_page(&c);
		if (can_create(&c)) {
			check_instances(&c);
			check_kind(&c);
		}
	}
	module_desc_done(&c.desc);
	printf("1..%d\n", c.n);
	return c.n_failed ? 1 : 0;
}
