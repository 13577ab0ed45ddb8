/* registry.c - one daemon's modules: where they are found, how they are created
 * and destroyed, and what is told about them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "module/impl.h"

struct module_registry *module_registry_new(struct loop *l)
{
	struct module_registry *r = xnew(struct module_registry);
	r->loop = l;
	r->thread = pthread_self();
	r->slow_call_ns = 10 * NS_PER_MS;
	r->ops = op_table_new();
	return r;
}

struct module *module_ref(struct module *m)
{
	atomic_fetch_add(&m->refs, 1);
	return m;
}

void module_unref(struct module *m)
{
	if (!m || atomic_fetch_sub(&m->refs, 1) > 1)
		return;
	module_desc_done(&m->desc);
	pthread_mutex_destroy(&m->lock);
	pthread_cond_destroy(&m->idle);
	free(m->name);
	free(m->area);
	free(m->reason);
	free(m->ops);
	free(m);
}

void module_free(struct module *m)
{
	if (!m || m->state != MODULE_ACTIVE)
		return;
	host_stop_work(m);
	m->state = MODULE_OFF;
	struct module_call c = module_enter(m, "destroy");
	((struct mz_ops *)m->ops)->destroy(m->inst);
	module_leave(&c);
	m->inst = NULL;
	op_drop_all(m);
	host_done(m);
	module_conf_free(m->conf);
	m->conf = NULL;
}

void module_registry_free(struct module_registry *r)
{
	if (!r)
		return;
	for (size_t i = r->modules.n; i-- > 0;)
		module_free(r->modules.v[i]);
	for (size_t i = 0; i < r->modules.n; i++) {
		r->modules.v[i]->registry = NULL;
		module_unref(r->modules.v[i]);
	}
	op_table_free(r->ops);
	host_store_registry_done(r);
	for (size_t i = 0; i < r->path.n; i++)
		free(r->path.v[i]);
	vec_done(&r->path);
	vec_done(&r->builtin);
	vec_done(&r->modules);
	free(r);
}

void module_registry_add_path(struct module_registry *r, const char *dir)
{
	vec_push(&r->path, xstrdup(dir));
}

void module_registry_add_default_paths(struct module_registry *r)
{
	mz_autofree char *env = xstrdup(getenv("MZ_MODULE_PATH"));
	char *save = NULL;
	for (char *dir = env ? strtok_r(env, ":", &save) : NULL; dir; dir = strtok_r(NULL, ":", &save))
		module_registry_add_path(r, dir);
	module_registry_add_path(r, MZ_MODULEDIR);
}

void module_registry_set_kind(struct module_registry *r, uint32_t kind, const void *kind_host, void *user)
{
	must(kind_of(kind));
	r->service[kind] = (struct kind_service){kind_host, user};
}

void module_registry_set_router(struct module_registry *r, struct http_router *router)
{
	r->router = router;
	for (size_t i = 0; i < r->modules.n; i++)
		if (r->modules.v[i]->state == MODULE_ACTIVE)
			host_route_attach(r->modules.v[i]);
}

void module_registry_set_slow_call(struct module_registry *r, int64_t ns)
{
	r->slow_call_ns = ns;
}

void module_registry_add_builtin(struct module_registry *r, const struct mz_module *mod)
{
	vec_push(&r->builtin, mod);
}

/* ---- loading ---------------------------------------------------------------- */

/* What a configuration asked for. */
struct wanted {
	const char *name; /* NULL: any, from `file` */
	const char *file; /* absolute; NULL: search */
	const char *as;
	const struct conf_node *settings, *place;
};

static int find_and_inspect(struct module_registry *r, uint32_t kind, const struct wanted *w, struct module_desc *ret,
			    struct mz_err *err)
{
	if (w->file)
		return module_inspect(w->file, kind, w->name, ret, err);
	if (strchr(w->name, '/'))
		return mz_fail(err, -EINVAL, "'%s' is not the name of a module", w->name);
	for (size_t i = 0; i < r->builtin.n; i++)
		if (r->builtin.v[i]->kind == kind && strcmp(r->builtin.v[i]->name, w->name) == 0)
			return module_inspect_data("built in", r->builtin.v[i], kind, w->name, ret, err);
	mz_autobuf struct buf tried = {0};
	for (size_t i = 0; i < r->path.n; i++) {
		mz_autofree char *file = xasprintf("%s/%s/%s.so", r->path.v[i], module_kind_name(kind), w->name);
		if (access(file, F_OK) == 0)
			return module_inspect(file, kind, w->name, ret, err);
		buf_addf(&tried, "%s%s", i ? ", " : "", r->path.v[i]);
	}
	return mz_fail(err, -ENOENT, "No module '%s/%s' in %s", module_kind_name(kind), w->name, buf_str(&tried));
}

int module_find(struct module_registry *r, uint32_t kind, const char *name, char **ret_file, struct mz_err *err)
{
	const struct wanted w = {.name = *name == '/' ? NULL : name, .file = *name == '/' ? name : NULL};
	struct module_desc d;
	int rc = find_and_inspect(r, kind, &w, &d, err);
	if (rc < 0)
		return rc;
	*ret_file = xstrdup(d.file);
	module_desc_done(&d);
	return 0;
}

static struct module *find_active(const struct module_registry *r, const char *name)
{
	for (size_t i = 0; i < r->modules.n; i++)
		if (r->modules.v[i]->state == MODULE_ACTIVE && strcmp(r->modules.v[i]->name, name) == 0)
			return r->modules.v[i];
	return NULL;
}

static struct module *module_new(struct module_registry *r, uint32_t kind, const struct wanted *w)
{
	struct module *m = xnew(struct module);
	const char *base = w->file ? strrchr(w->file, '/') + 1 : NULL;
	const char *name = w->as ? w->as : w->name ? w->name : base;
	atomic_init(&m->refs, 1);
	m->registry = r;
	m->kind = kind;
	m->name = xasprintf("%s/%s", module_kind_name(kind), name);
	m->area = xasprintf("module/%s", m->name);
	m->state = MODULE_FAILED;
	m->host.kind = r->service[kind].kind_host;
	m->user = r->service[kind].user;
	host_init(m);
	vec_push(&r->modules, m);
	return m;
}

static int module_start(struct module *m, const struct wanted *w, struct mz_err *err)
{
	struct module_registry *r = m->registry;
	int rc = find_and_inspect(r, m->kind, w, &m->desc, err);
	if (rc < 0)
		return rc;
	if (!w->as) {
		free(m->name);
		free(m->area);
		m->name = xasprintf("%s/%s", module_kind_name(m->kind), m->desc.mod.name);
		m->area = xasprintf("module/%s", m->name);
	}
	struct module *other = find_active(r, m->name);
	if (other)
		return mz_fail(err, -EEXIST, "%s: Duplicate module '%s', it is loaded from %s already", m->desc.file, m->name,
			       other->desc.file);
	rc = module_conf_new(&m->desc, m->name, w->settings, w->place, &m->conf, err);
	if (rc < 0)
		return rc;
	m->ops = xcalloc(1, kind_of(m->kind)->ops_size);
	memcpy(m->ops, m->desc.mod.ops, MZ_MIN(kind_of(m->kind)->ops_size, m->desc.ops_size));
	struct mz_err why = {0};
	struct module_call c = module_enter(m, "create");
	rc = ((struct mz_ops *)m->ops)->create(&m->host, m->conf, &m->inst, &why);
	module_leave(&c);
	if (rc < 0) {
		why.msg[sizeof(why.msg) - 1] = '\0';
		return mz_fail(err, rc, "Module '%s' (%s): %s", m->name, m->desc.file,
			       why.msg[0] ? why.msg : "create failed without a reason");
	}
	m->state = MODULE_ACTIVE;
	return 0;
}

/* Families of isolators are written with a slash, as in "cgroups/mem"; the
 * module's own name has an underscore there. */
static char *plain_name(uint32_t kind, const char *name)
{
	char *s = name ? xstrdup(name) : NULL;
	char *slash = s && kind == MZ_KIND_ISOLATOR ? strchr(s, '/') : NULL;
	if (slash)
		*slash = '_';
	return s;
}

static int load(struct module_registry *r, uint32_t kind, const struct wanted *wanted, struct module **ret,
		struct mz_err *err)
{
	struct mz_err why = {0};
	struct wanted own = *wanted, *w = &own;
	mz_autofree char *name = plain_name(kind, wanted->name);
	own.name = name;
	struct module *m = module_new(r, kind, w);
	int rc = module_start(m, w, &why);
	if (rc == 0) {
		log_debug(m->area, "Loaded %s %s from %s", m->name, m->desc.mod.version, m->desc.file);
		*ret = m;
		return 0;
	}
	host_stop_work(m);
	op_drop_all(m);
	host_done(m);
	module_conf_free(m->conf);
	m->conf = NULL;
	m->reason = xstrdup(why.msg);
	return mz_fail(err, rc, "%s", why.msg);
}

static int read_ref(const struct conf_node *ref, struct wanted *w, struct mz_err *err)
{
	char where[256];
	w->place = ref;
	if (ref->type == CONF_SCALAR) {
		*(ref->text[0] == '/' ? &w->file : &w->name) = ref->text;
		return 0;
	}
	if (ref->type != CONF_MAP)
		return mz_fail(err, -EINVAL, "%s: Want the name of a module, or a map with 'name' or 'file'",
			       conf_where(ref, where));
	for (size_t i = 0; i < ref->n; i++) {
		const struct conf_node *v = ref->child[i];
		const char **to = strcmp(ref->key[i], "name") == 0   ? &w->name
				  : strcmp(ref->key[i], "file") == 0 ? &w->file
				  : strcmp(ref->key[i], "as") == 0   ? &w->as
								     : NULL;
		if (to && v->type != CONF_SCALAR)
			return mz_fail(err, -EINVAL, "%s: Want a string for '%s'", conf_where(v, where), ref->key[i]);
		if (to)
			*to = v->text;
		else if (strcmp(ref->key[i], "settings") == 0)
			w->settings = v;
		else
			return mz_fail(err, -EINVAL,
				       "%s: Unknown key '%s' of a module; it has 'name', 'file', 'as' and 'settings'",
				       conf_where(v, where), ref->key[i]);
	}
	if (!w->name && !w->file)
		return mz_fail(err, -EINVAL, "%s: A module needs 'name' or 'file'", conf_where(ref, where));
	if (w->file && w->file[0] != '/')
		return mz_fail(err, -EINVAL, "%s: File '%s' of a module is not an absolute path", conf_where(ref, where),
			       w->file);
	if (w->as && (!w->as[0] || strspn(w->as, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(w->as)))
		return mz_fail(err, -EINVAL, "%s: The name '%s' of an instance is not [a-z0-9_]+", conf_where(ref, where),
			       w->as);
	return 0;
}

int module_load(struct module_registry *r, uint32_t kind, const struct conf_node *ref, struct module **ret,
		struct mz_err *err)
{
	char where[256];
	struct wanted w = {0};
	struct mz_err why = {0};
	int rc = read_ref(ref, &w, err);
	if (rc < 0)
		return rc;
	rc = load(r, kind, &w, ret, &why);
	if (rc == 0)
		return 0;
	/* Complaints about settings say where they stand themselves. */
	if (ref->file && str_starts(why.msg, ref->file))
		return mz_fail(err, rc, "%s", why.msg);
	return mz_fail(err, rc, "%s: %s", conf_where(ref, where), why.msg);
}

int module_load_name(struct module_registry *r, uint32_t kind, const char *name_or_file,
		     const struct conf_node *settings, struct module **ret, struct mz_err *err)
{
	struct wanted w = {.settings = settings};
	*(name_or_file[0] == '/' ? &w.file : &w.name) = name_or_file;
	return load(r, kind, &w, ret, err);
}

static bool is_loaded(const struct module_registry *r, const char *kind_and_name)
{
	for (size_t i = 0; i < r->modules.n; i++) {
		const struct module *m = r->modules.v[i];
		if (m->state != MODULE_ACTIVE)
			continue;
		mz_autofree char *own = xasprintf("%s/%s", module_kind_name(m->kind), m->desc.mod.name);
		if (strcmp(own, kind_and_name) == 0)
			return true;
	}
	return false;
}

int module_registry_check_requires(struct module_registry *r, struct mz_err *err)
{
	for (size_t i = 0; i < r->modules.n; i++) {
		const struct module *m = r->modules.v[i];
		const char *const *need = m->state == MODULE_ACTIVE ? m->desc.mod.requires_modules : NULL;
		for (; need && *need; need++)
			if (!is_loaded(r, *need))
				return mz_fail(err, -ENOENT, "%s: Module '%s' requires module '%s', which is not configured",
					       m->desc.file, m->name, *need);
	}
	return 0;
}

/* ---- telling ---------------------------------------------------------------- */

const char *module_state_name(enum module_state s)
{
	return s == MODULE_ACTIVE ? "active" : s == MODULE_FAILED ? "failed" : "off";
}

void module_registry_each(struct module_registry *r, void (*fn)(void *arg, const struct module_info *i), void *arg)
{
	for (size_t i = 0; i < r->modules.n; i++) {
		struct module *m = r->modules.v[i];
		struct module_info info = {
			.kind = m->kind,
			.abi = m->desc.mod.abi,
			.instance = m->name,
			.name = m->desc.mod.name ? m->desc.mod.name : strchr(m->name, '/') + 1,
			.version = m->desc.mod.version ? m->desc.mod.version : "",
			.author = m->desc.mod.author ? m->desc.mod.author : "",
			.summary = m->desc.mod.summary ? m->desc.mod.summary : "",
			.file = m->desc.file ? m->desc.file : "",
			.state = m->state,
			.reason = m->reason ? m->reason : "",
			.n_calls = m->n_calls,
			.total_ns = m->total_ns,
			.max_ns = m->max_ns,
			.n_ops = m->n_ops,
		};
		fn(arg, &info);
	}
}

void module_registry_metrics(struct module_registry *r, void (*fn)(void *arg, const char *name, double value),
			     void *arg)
{
	for (size_t i = 0; i < r->modules.n; i++)
		if (r->modules.v[i]->state == MODULE_ACTIVE)
			host_metrics_each(r->modules.v[i], fn, arg);
}

const char *module_name(const struct module *m)
{
	return m->name;
}

const char *module_file(const struct module *m)
{
	return m->desc.file;
}

uint32_t module_kind(const struct module *m)
{
	return m->kind;
}

const void *module_ops(const struct module *m)
{
	return m->ops;
}

void *module_inst(const struct module *m)
{
	return m->inst;
}

const struct mz_host *module_host(const struct module *m)
{
	return &m->host;
}

void *module_user(const struct module *m)
{
	return m->user;
}

void module_host_set_kind(struct module *m, const void *kind_host, void *user)
{
	m->host.kind = kind_host;
	m->user = user;
}

void module_must_be(const struct module *m, uint32_t kind)
{
	must(m->kind == kind);
}
