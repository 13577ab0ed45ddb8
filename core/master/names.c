/* names.c - the names that many objects share (roles, ids of agents), and the keys by
 * which modules and waiting steps know frameworks and agents. Peers invent names and
 * come and go for ever: neither takes room any longer than somebody holds it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

/* ---- names ------------------------------------------------------------------- */

struct name {
	size_t refs;
	char text[];
};

static struct name *name_of(const char *text)
{
	return mz_container_of(text, struct name, text);
}

char *name_hold(struct master *m, const char *s)
{
	struct name *n = map_get(&m->names, s);
	if (!n) {
		size_t size = strlen(s) + 1;
		n = xmalloc(sizeof(*n) + size);
		n->refs = 0;
		memcpy(n->text, s, size);
		map_put(&m->names, s, n);
	}
	n->refs++;
	return n->text;
}

char *name_share(const char *name)
{
	struct name *n = name_of(name);
	n->refs++;
	return n->text;
}

void name_release(struct master *m, const char *name)
{
	if (!name)
		return;
	struct name *n = name_of(name);
	if (--n->refs)
		return;
	map_del(&m->names, n->text);
	free(n);
}

/* ---- keys -------------------------------------------------------------------- */

/* A key is the number of a slot, and which of those that the slot has had. */
mz_key key_new(struct master *m, void *object)
{
	if (!m->free_slot) {
		vec_push(&m->by_key, (struct key_slot){0});
		m->free_slot = (uint32_t)m->by_key.n;
	}
	uint32_t number = m->free_slot;
	struct key_slot *slot = &m->by_key.v[number - 1];
	m->free_slot = slot->next_free;
	slot->object = object;
	return (mz_key)slot->n_before << 32 | number;
}

static struct key_slot *slot_of(struct master *m, mz_key key)
{
	uint32_t number = (uint32_t)key;
	struct key_slot *slot = number && number <= m->by_key.n ? &m->by_key.v[number - 1] : NULL;
	return slot && slot->n_before == key >> 32 ? slot : NULL;
}

void key_drop(struct master *m, mz_key key)
{
	struct key_slot *slot = slot_of(m, key);
	if (!slot || !slot->object)
		return;
	slot->object = NULL;
	slot->n_before++;
	slot->next_free = m->free_slot;
	m->free_slot = (uint32_t)key;
}

static void *by_key(struct master *m, mz_key key, int what)
{
	struct key_slot *slot = slot_of(m, key);
	struct keyed *k = slot ? slot->object : NULL;
	return k && k->what == what ? k : NULL;
}

struct framework *framework_by_key(struct master *m, mz_key key)
{
	return by_key(m, key, IS_FRAMEWORK);
}

struct agent *agent_by_key(struct master *m, mz_key key)
{
	return by_key(m, key, IS_AGENT);
}
