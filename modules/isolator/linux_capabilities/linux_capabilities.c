/* linux_capabilities.c - isolator/linux_capabilities: which capabilities a container
 * has, and which it can ever get.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../caps.h"

struct set {
	int given;
	uint64_t caps;
};

/* What the operator says: of all containers, or of a principal's or role's. */
struct word {
	char *name;	 /* of the principal or role; NULL: of all */
	char bound[200]; /* "the agent's bounding capabilities", for messages */
	struct set effective, bounding;
};

struct words {
	struct word *v;
	size_t n;
};

struct capabilities {
	const struct mz_host *h;
	const struct mz_isolator_host *k;
	struct word all;
	struct words principals, roles;
};

/* ---- settings ------------------------------------------------------------------------- */

/* What the agent itself may not have, it cannot give. */
static int check_ours(const char *what, uint64_t caps, struct mz_err *err)
{
	for (int i = 0; i < N_CAPS; i++)
		if (caps & 1ull << i && !caps_is_ours(i))
			return iso_error(err, -EPERM, "%s: the agent does not have %s itself", what, caps_name(i));
	return 0;
}

static int check_within(const char *what, uint64_t caps, const char *bound, uint64_t bounding, struct mz_err *err)
{
	if (!(caps & ~bounding))
		return 0;
	return iso_error(err, -EPERM, "%s has %s, which is not in %s", what, caps_first(caps & ~bounding), bound);
}

static int read_setting(struct capabilities *p, const struct mz_conf *conf, const char *name, struct set *ret,
			struct mz_err *err)
{
	int rc = caps_setting(p->h, conf, name, &ret->caps, err);
	if (rc <= 0)
		return rc;
	ret->given = 1;
	return check_ours(name, ret->caps, err);
}

static struct word *find(const struct words *l, const char *name, size_t len)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strncmp(l->v[i].name, name, len) && !l->v[i].name[len])
			return &l->v[i];
	return NULL;
}

static struct word *find_or_add(struct words *l, const char *kind, const char *name)
{
	struct word *w = find(l, name, strlen(name));
	if (w)
		return w;
	w = realloc(l->v, (l->n + 1) * sizeof(*w));
	if (!w)
		return NULL;
	l->v = w;
	w = &l->v[l->n];
	*w = (struct word){.name = strdup(name)};
	if (!w->name)
		return NULL;
	snprintf(w->bound, sizeof(w->bound), "the bounding capabilities of %s '%s'", kind, name);
	l->n++;
	return w;
}

/* Names with blanks or commas between. */
static int parse_set(const char *text, const char *where, struct set *ret, struct mz_err *err)
{
	struct caps_words w = {0};
	char word[32];
	for (const char *s = text + strspn(text, " ,"); *s; s += strspn(s, " ,")) {
		size_t n = strcspn(s, " ,");
		snprintf(word, sizeof(word), "%.*s", (int)n, s);
		int rc = caps_word(&w, where, word, err);
		if (rc < 0)
			return rc;
		s += n;
	}
	if (!w.n)
		return iso_error(err, -EINVAL, "%s is empty; for none at all there is NONE", where);
	*ret = (struct set){1, w.set};
	return check_ours(where, w.set, err);
}

/* A map from names to capabilities. */
static int read_map(struct capabilities *p, const struct mz_conf *conf, const char *setting, int bounding,
		    struct words *l, const char *kind, struct mz_err *err)
{
	const char *name, *text;
	char where[160];
	int rc = 0;
	for (size_t i = 0; rc == 0 && (name = p->h->conf_pair(conf, setting, i, &text)); i++) {
		snprintf(where, sizeof(where), "%s of '%s'", setting, name);
		struct word *w = find_or_add(l, kind, name);
		rc = w ? parse_set(text, where, bounding ? &w->bounding : &w->effective, err) : iso_no_memory(err);
	}
	return rc;
}

/* What it does not say follows from what is said of all. */
static int complete(const struct capabilities *p, struct words *l, const char *setting, struct mz_err *err)
{
	char what[160];
	int rc = 0;
	for (size_t i = 0; i < l->n && rc == 0; i++) {
		struct word *w = &l->v[i];
		const char *bound = w->bounding.given ? w->bound : p->all.bound;
		if (!w->bounding.given)
			w->bounding = p->all.bounding.given ? p->all.bounding : w->effective;
		snprintf(what, sizeof(what), "%s of '%s'", setting, w->name);
		if (w->effective.given)
			rc = check_within(what, w->effective.caps, bound, w->bounding.caps, err);
		else if (p->all.effective.given)
			w->effective = (struct set){1, p->all.effective.caps & w->bounding.caps};
	}
	return rc;
}

static int read_settings(struct capabilities *p, const struct mz_conf *conf, struct mz_err *err)
{
	snprintf(p->all.bound, sizeof(p->all.bound), "the agent's bounding capabilities");
	int rc = read_setting(p, conf, "effective", &p->all.effective, err);
	if (rc == 0)
		rc = read_setting(p, conf, "bounding", &p->all.bounding, err);
	if (rc == 0 && p->all.effective.given && !p->all.bounding.given)
		p->all.bounding = p->all.effective;
	if (rc == 0 && p->all.effective.given)
		rc = check_within("effective", p->all.effective.caps, "bounding", p->all.bounding.caps, err);
	if (rc == 0)
		rc = read_map(p, conf, "bounding_of_principals", 1, &p->principals, "principal", err);
	if (rc == 0)
		rc = read_map(p, conf, "effective_of_principals", 0, &p->principals, "principal", err);
	if (rc == 0)
		rc = read_map(p, conf, "bounding_of_roles", 1, &p->roles, "role", err);
	if (rc == 0)
		rc = read_map(p, conf, "effective_of_roles", 0, &p->roles, "role", err);
	if (rc == 0)
		rc = complete(p, &p->principals, "effective_of_principals", err);
	return rc < 0 ? rc : complete(p, &p->roles, "effective_of_roles", err);
}

static void words_done(struct words *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].name);
	free(l->v);
}

static void destroy(void *inst)
{
	struct capabilities *p = inst;
	if (!p)
		return;
	words_done(&p->principals);
	words_done(&p->roles);
	free(p);
}

static int create(const struct mz_host *h, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	struct capabilities *p = calloc(1, sizeof(*p));
	if (!p)
		return iso_no_memory(err);
	*p = (struct capabilities){.h = h, .k = h->kind};
	int rc = read_settings(p, conf, err);
	if (rc < 0) {
		destroy(p);
		return rc;
	}
	*inst = p;
	return 0;
}

/* ---- containers ------------------------------------------------------------------------ */

static uint32_t flags(void *inst)
{
	(void)inst;
	return MZ_ISOLATOR_NESTED | MZ_ISOLATOR_STANDALONE | MZ_ISOLATOR_ROOT;
}

/* What the task says, under the name that it used. */
static int read_task(const struct mz_container *c, const char *path, struct set *ret, const char **ret_path,
		     struct mz_err *err)
{
	int rc = caps_of(c, path, &ret->caps, err);
	if (rc <= 0)
		return rc;
	ret->given = 1;
	*ret_path = path;
	return check_ours(path, ret->caps, err);
}

/* The operator's: of its framework's principal, of its role or the nearest above that, or of all. */
static const struct word *word_of(const struct capabilities *p, const struct mz_container *c)
{
	const struct word *w = c->principal ? find(&p->principals, c->principal, strlen(c->principal)) : NULL;
	for (size_t n = c->role ? strlen(c->role) : 0; n > 0 && !w; n--)
		if (!c->role[n] || c->role[n] == '/')
			w = find(&p->roles, c->role, n);
	return w ? w : &p->all;
}

/* The task's word, or what follows from its other word, or the operator's. */
static int decide(const struct word *w, const struct mz_container *c, struct set *e, struct set *b, struct mz_err *err)
{
	const char *e_path = "effective", *b_path = "bounding";
	int rc = read_task(c, "linux_info.effective_capabilities", e, &e_path, err);
	if (rc == 0 && !e->given)
		rc = read_task(c, "linux_info.capability_info", e, &e_path, err);
	if (rc == 0)
		rc = read_task(c, "linux_info.bounding_capabilities", b, &b_path, err);
	if (rc == 0 && w->bounding.given && e->given)
		rc = check_within(e_path, e->caps, w->bound, w->bounding.caps, err);
	if (rc == 0 && w->bounding.given && b->given)
		rc = check_within(b_path, b->caps, w->bound, w->bounding.caps, err);
	if (rc < 0)
		return rc;
	if (!b->given)
		*b = e->given ? *e : w->bounding;
	if (!e->given)
		*e = w->effective.given ? (struct set){1, w->effective.caps & b->caps} : *b;
	return e->given ? check_within(e_path, e->caps, b_path, b->caps, err) : 0;
}

static int ask(const struct capabilities *p, const struct mz_container *c, struct mz_launch *l, struct mz_err *err)
{
	struct set e = {0}, b = {0};
	int rc = decide(word_of(p, c), c, &e, &b, err);
	if (rc < 0 || !b.given)
		return rc;
	/* Ambient: who is not root keeps them when it runs a program. */
	return iso_asked(p->k->launch_capabilities(l, e.caps, e.caps, e.caps, b.caps, e.caps), "capabilities", err);
}

static void prepare(void *inst, const struct mz_container *c, struct mz_launch *l, struct mz_op *op)
{
	struct capabilities *p = inst;
	struct mz_err err;
	iso_end(p->h, op, ask(p, c, l, &err), &err);
}

static const struct mz_setting settings[] = {
	MZ_SETTING(LIST, "effective", "", 0, 0,
		   "capabilities of containers that ask for none; empty: all of `bounding`, [NONE]: none"),
	MZ_SETTING(LIST, "bounding", "", 0, 0,
		   "capabilities that a container may have at most; empty: as `effective`, or no bound, [NONE]: none"),
	MZ_SETTING(MAP, "effective_of_principals", "", 0, 0, "principals of frameworks to what `effective` is for theirs"),
	MZ_SETTING(MAP, "bounding_of_principals", "", 0, 0, "principals of frameworks to what `bounding` is for theirs"),
	MZ_SETTING(MAP, "effective_of_roles", "", 0, 0, "roles to what `effective` is for containers in them"),
	MZ_SETTING(MAP, "bounding_of_roles", "", 0, 0, "roles to what `bounding` is for containers in them"),
	MZ_SETTING_END,
};

static const struct mz_isolator_ops ops = {
	.size = sizeof(ops),
	.create = create,
	.destroy = destroy,
	.flags = flags,
	.prepare = prepare,
};

MZ_MODULE = {
	MZ_MODULE_HEAD(ISOLATOR),
	.name = "linux_capabilities",
	.version = "1.0",
	.author = "Mezzo",
	.summary = "Which Linux capabilities containers have, and can get",
	.settings = settings,
	.ops = (const struct mz_ops *)&ops,
};
