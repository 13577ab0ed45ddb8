/* settings.c - a module's settings table against the YAML: types, ranges, choices,
 * defaults, unknown keys with their place; and the getters of struct mz_host.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "module/impl.h"

/* A row is at least this long: what ABI 1.0 had. */
#define SETTING_SIZE_1_0 (offsetof(struct mz_setting, choices) + sizeof(void *))

struct value {
	const char *name;
	uint32_t type;
	char *text;
	int64_t num;
	VEC(char *) items; /* lists: elements; maps: key, value, key, value … */
};

struct mz_conf {
	char *what;
	size_t n;
	struct value *v;
};

static const char *const type_names[] = {"",	     "string", "bool", "int",  "bytes",
					 "duration", "number", "path", "list", "map"};

const char *module_setting_type_name(uint32_t type)
{
	return type < MZ_N(type_names) ? type_names[type] : "unknown";
}

bool module_setting(const struct module_desc *d, size_t i, struct mz_setting *ret)
{
	if (!d->mod.settings)
		return false;
	uint32_t step = d->mod.settings[0].size;
	const char *row = (const char *)d->mod.settings + i * step;
	struct mz_setting s = {0};
	memcpy(&s, row, MZ_MIN(sizeof(s), (size_t)step));
	if (!s.name)
		return false;
	*ret = s;
	return true;
}

static void value_done(struct value *v)
{
	free(v->text);
	for (size_t i = 0; i < v->items.n; i++)
		free(v->items.v[i]);
	vec_done(&v->items);
}

void module_conf_free(struct mz_conf *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		value_done(&c->v[i]);
	free(c->v);
	free(c->what);
	free(c);
}

static int check_scalar(const struct mz_setting *s, const char *text, int64_t *ret, struct mz_err *err)
{
	return conf_value((int)s->type, text, s->min, s->max, s->choices, ret, err);
}

static int take_list(struct value *v, const struct mz_setting *s, const struct conf_node *n, struct mz_err *err)
{
	if (n->type == CONF_NULL)
		return 0;
	if (n->type != CONF_LIST)
		return mz_fail(err, -EINVAL, "Want a list");
	if ((s->min || s->max) && ((int64_t)n->n < s->min || (int64_t)n->n > s->max))
		return mz_fail(err, -ERANGE, "Want %lld to %lld elements, there are %zu", (long long)s->min,
			       (long long)s->max, n->n);
	for (size_t i = 0; i < n->n; i++) {
		const struct conf_node *e = n->child[i];
		int64_t unused;
		if (e->type != CONF_SCALAR)
			return mz_fail(err, -EINVAL, "Element %zu is not a string", i);
		if (conf_value(MZ_SETTING_STRING, e->text, 0, 0, s->choices, &unused, err) < 0)
			return mz_wrap(err, "Element %zu", i);
		vec_push(&v->items, xstrdup(e->text));
	}
	return 0;
}

/* A list as the text of its elements, with blanks between; NULL: there is more in it than text. */
static char *text_of(const struct conf_node *n)
{
	struct buf b = {0};
	bool plain = n->type == CONF_SCALAR || n->type == CONF_LIST;
	if (n->type == CONF_SCALAR)
		buf_adds(&b, n->text);
	for (size_t i = 0; n->type == CONF_LIST && plain && i < n->n; i++) {
		plain = n->child[i]->type == CONF_SCALAR;
		if (plain)
			buf_addf(&b, "%s%s", i ? " " : "", n->child[i]->text);
	}
	char *text = plain ? xstrdup(buf_str(&b)) : NULL;
	buf_done(&b);
	return text;
}

static int take_map(struct value *v, const struct conf_node *n, struct mz_err *err)
{
	if (n->type == CONF_NULL)
		return 0;
	if (n->type != CONF_MAP)
		return mz_fail(err, -EINVAL, "Want a map");
	for (size_t i = 0; i < n->n; i++) {
		char *text = text_of(n->child[i]);
		if (!text)
			return mz_fail(err, -EINVAL, "The value of '%s' is neither a string nor a list of strings", n->key[i]);
		vec_push(&v->items, xstrdup(n->key[i]));
		vec_push(&v->items, text);
	}
	return 0;
}

static int take(struct value *v, const struct mz_setting *s, const struct conf_node *n, struct mz_err *err)
{
	if (s->type == MZ_SETTING_LIST)
		return take_list(v, s, n, err);
	if (s->type == MZ_SETTING_MAP)
		return take_map(v, n, err);
	if (n->type != CONF_SCALAR)
		return mz_fail(err, -EINVAL, "Want one value of type %s", module_setting_type_name(s->type));
	int rc = check_scalar(s, n->text, &v->num, err);
	if (rc == 0)
		v->text = xstrdup(n->text);
	return rc;
}

/* A default of "" is empty for every type that has an empty value. */
static int take_default(struct value *v, const struct mz_setting *s, struct mz_err *err)
{
	if (!*s->def) {
		if (s->type != MZ_SETTING_STRING && s->type != MZ_SETTING_PATH && s->type != MZ_SETTING_LIST &&
		    s->type != MZ_SETTING_MAP)
			return mz_fail(err, -EINVAL, "An empty default is no %s", module_setting_type_name(s->type));
		v->text = xstrdup("");
		return 0;
	}
	if (s->type != MZ_SETTING_LIST && s->type != MZ_SETTING_MAP) {
		v->text = xstrdup(s->def);
		return check_scalar(s, s->def, &v->num, err);
	}
	struct conf_node *n = NULL;
	int rc = conf_parse("default", s->def, strlen(s->def), &n, err);
	if (rc == 0)
		rc = take(v, s, n, err);
	conf_free(n);
	return rc;
}

/* A module's own mistakes are found when it is inspected, not by its users. */
int settings_check_table(const struct module_desc *d, struct mz_err *err)
{
	if (d->mod.settings && d->mod.settings[0].size < SETTING_SIZE_1_0)
		return mz_fail(err, -EINVAL, "%s: Rows of the settings table say %u bytes, they have at least %zu", d->file,
			       d->mod.settings[0].size, SETTING_SIZE_1_0);
	struct mz_setting s;
	for (size_t i = 0; module_setting(d, i, &s); i++) {
		if (s.type < MZ_SETTING_STRING || s.type > MZ_SETTING_MAP)
			return mz_fail(err, -EINVAL, "%s: Setting '%s' has the unknown type %u", d->file, s.name, s.type);
		struct value v = {0};
		int rc = s.def ? take_default(&v, &s, err) : 0;
		value_done(&v);
		if (rc < 0)
			return mz_wrap(err, "%s: Setting '%s' has a default that its own row refuses", d->file, s.name);
		struct mz_setting other;
		for (size_t j = 0; j < i && module_setting(d, j, &other); j++)
			if (strcmp(other.name, s.name) == 0)
				return mz_fail(err, -EINVAL, "%s: Setting '%s' is there twice", d->file, s.name);
	}
	return 0;
}

/* Levenshtein distance of short words, for "did you mean". */
static size_t distance(const char *a, const char *b)
{
	size_t row[65], la = strlen(a), lb = strlen(b);
	if (la > 64 || lb > 64)
		return 64;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t swap = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			row[j] = MZ_MIN(swap, MZ_MIN(row[j], row[j - 1]) + 1);
		}
	}
	return row[lb];
}

static int unknown_key(const struct module_desc *d, const char *what, const char *key, const struct conf_node *n,
		       struct mz_err *err)
{
	char where[256];
	const char *best = NULL;
	size_t best_distance = strlen(key) / 3 + 2;
	struct mz_setting s;
	for (size_t i = 0; module_setting(d, i, &s); i++) {
		size_t far = distance(key, s.name);
		if (far < best_distance) {
			best = s.name;
			best_distance = far;
		}
	}
	if (best)
		return mz_fail(err, -EINVAL, "%s: Unknown setting '%s' of module '%s', did you mean '%s'?",
			       conf_where(n, where), key, what, best);
	return mz_fail(err, -EINVAL, "%s: Unknown setting '%s' of module '%s'", conf_where(n, where), key, what);
}

static int fill(struct mz_conf *c, const struct module_desc *d, const char *what, const struct conf_node *map,
		const struct conf_node *place, struct mz_err *err)
{
	char where[256];
	struct mz_setting s;
	for (size_t i = 0; module_setting(d, i, &s); i++) {
		struct value *v = &c->v[i];
		const struct conf_node *n = map ? conf_get(map, s.name) : NULL;
		v->name = s.name;
		v->type = s.type;
		if (n) {
			if (take(v, &s, n, err) < 0)
				return mz_wrap(err, "%s: Setting '%s' of module '%s'", conf_where(n, where), s.name, what);
		} else if (s.def) {
			if (take_default(v, &s, err) < 0)
				return mz_wrap(err, "%s: Default of setting '%s'", what, s.name);
		} else if (place) {
			return mz_fail(err, -EINVAL, "%s: Module '%s' needs setting '%s': %s", conf_where(place, where), what,
				       s.name, s.help ? s.help : "");
		} else {
			return mz_fail(err, -EINVAL, "Module '%s' needs setting '%s': %s", what, s.name,
				       s.help ? s.help : "");
		}
	}
	return 0;
}

int module_conf_new(const struct module_desc *d, const char *what, const struct conf_node *map,
		    const struct conf_node *where, struct mz_conf **ret, struct mz_err *err)
{
	char place[256];
	struct mz_setting s;
	size_t n = 0;
	if (map && map->type == CONF_NULL)
		map = NULL;
	if (map && map->type != CONF_MAP)
		return mz_fail(err, -EINVAL, "%s: The settings of module '%s' are not a map", conf_where(map, place), what);
	for (size_t i = 0; map && i < map->n; i++) {
		bool known = false;
		for (size_t j = 0; !known && module_setting(d, j, &s); j++)
			known = strcmp(s.name, map->key[i]) == 0;
		if (!known)
			return unknown_key(d, what, map->key[i], map->child[i], err);
	}
	while (module_setting(d, n, &s))
		n++;
	struct mz_conf *c = xnew(struct mz_conf);
	c->what = xstrdup(what);
	c->n = n;
	c->v = xcalloc(n ? n : 1, sizeof(*c->v));
	int rc = fill(c, d, what, map, map ? map : where, err);
	if (rc < 0) {
		module_conf_free(c);
		return rc;
	}
	*ret = c;
	return 0;
}

/* ---- getters ---------------------------------------------------------------- */

#define TYPE(t) (1u << MZ_SETTING_##t)

static const struct value *find(const struct mz_conf *c, const char *name, uint32_t types)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->v[i].name, name) == 0 && (types & 1u << c->v[i].type))
			return &c->v[i];
	log_error("module", "Module '%s' asks for setting '%s', which its table does not have with that type", c->what,
		  name);
	must(!"a module reads only settings of its own table");
}

static const char *get_str(const struct mz_conf *c, const char *name)
{
	return find(c, name, TYPE(STRING) | TYPE(PATH))->text;
}

static int64_t get_int(const struct mz_conf *c, const char *name)
{
	return find(c, name, TYPE(BOOL) | TYPE(INT) | TYPE(BYTES) | TYPE(DURATION) | TYPE(NUMBER))->num;
}

static const char *get_item(const struct mz_conf *c, const char *name, size_t i)
{
	const struct value *v = find(c, name, TYPE(LIST));
	return i < v->items.n ? v->items.v[i] : NULL;
}

static const char *get_pair(const struct mz_conf *c, const char *name, size_t i, const char **ret_value)
{
	const struct value *v = find(c, name, TYPE(MAP));
	if (i >= v->items.n / 2)
		return NULL;
	if (ret_value)
		*ret_value = v->items.v[2 * i + 1];
	return v->items.v[2 * i];
}

void settings_init(struct mz_host *h)
{
	h->conf_str = get_str;
	h->conf_int = get_int;
	h->conf_item = get_item;
	h->conf_pair = get_pair;
}
