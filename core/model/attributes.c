/* attributes.c - "datacenter:pdx1;rack:1-1;speed:2.5;ports:[1-2]" as messages and back.
 * A value is a number, [ranges], or else text. Sets are not accepted.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "base/vec.h"
#include "model/model.h"
#include "model/res_impl.h"
#include "wire/json.h"

typedef Mesos__V1__Attribute attribute;

static int parse_one(char *text, struct arena *a, attribute **ret, struct mz_err *err)
{
	attribute *m = PB_NEW(a, attribute, mesos__v1__attribute);
	char *colon = strchr(text, ':');
	double d;
	if (!colon)
		return mz_fail(err, -EINVAL, "It is not like name:value");
	*colon = '\0';
	m->name = arena_strdup(a, str_trim(text));
	char *value = str_trim(colon + 1);
	if (!*m->name)
		return mz_fail(err, -EINVAL, "The name is empty");
	if (!*value)
		return mz_fail(err, -EINVAL, "The value is missing");
	if (*value == '{')
		return mz_fail(err, -EINVAL, "An attribute cannot be a set");
	if (*value == '[') {
		m->type = MESOS__V1__VALUE__TYPE__RANGES;
		m->ranges = res_ranges_parse(value, a, err);
		if (!m->ranges)
			return -EINVAL;
	} else if (str_to_double(value, &d) == 0) {
		m->type = MESOS__V1__VALUE__TYPE__SCALAR;
		m->scalar = PB_NEW(a, Mesos__V1__Value__Scalar, mesos__v1__value__scalar);
		m->scalar->value = d;
	} else {
		m->type = MESOS__V1__VALUE__TYPE__TEXT;
		m->text = PB_NEW(a, Mesos__V1__Value__Text, mesos__v1__value__text);
		m->text->value = arena_strdup(a, value);
	}
	*ret = m;
	return 0;
}

static int value_check(const attribute *m, struct mz_err *err)
{
	int given = (m->scalar != NULL) + (m->ranges != NULL) + (m->set != NULL) + (m->text != NULL);
	bool fits = (m->type == MESOS__V1__VALUE__TYPE__SCALAR && m->scalar) ||
		    (m->type == MESOS__V1__VALUE__TYPE__RANGES && m->ranges) ||
		    (m->type == MESOS__V1__VALUE__TYPE__TEXT && m->text);
	if (str_empty(m->name))
		return mz_fail(err, -EINVAL, "The name is empty");
	if (m->set || m->type == MESOS__V1__VALUE__TYPE__SET)
		return mz_fail(err, -EINVAL, "An attribute cannot be a set");
	if (given != 1 || !fits)
		return mz_fail(err, -EINVAL, "Exactly the value of the given type must be set");
	return 0;
}

static int ranges_check(const attribute *m, struct mz_err *err)
{
	for (size_t i = 0; m->ranges && i < m->ranges->n_range; i++)
		if (m->ranges->range[i]->begin > m->ranges->range[i]->end)
			return mz_fail(err, -EINVAL, "A range begins behind its end");
	return 0;
}

static int parse_json(const char *text, struct arena *a, attribute ***ret, size_t *ret_n, struct mz_err *err)
{
	mz_autofree char *json = xasprintf("{\"hostname\":\"\",\"attributes\":%s}", text);
	Mesos__V1__AgentInfo *m = (Mesos__V1__AgentInfo *)json_decode(&mesos__v1__agent_info__descriptor, a, json,
								      strlen(json), err);
	if (!m)
		return mz_wrap(err, "Attributes in JSON");
	for (size_t i = 0; i < m->n_attributes; i++)
		if (value_check(m->attributes[i], err) || ranges_check(m->attributes[i], err))
			return mz_wrap(err, "attributes[%zu]", i);
	*ret = m->attributes;
	*ret_n = m->n_attributes;
	return 0;
}

int attributes_parse(const char *text, struct arena *a, Mesos__V1__Attribute ***ret, size_t *ret_n,
		     struct mz_err *err)
{
	text += strspn(text, " \t\r\n");
	if (*text == '[')
		return parse_json(text, a, ret, ret_n, err);
	mz_autofree char *copy = xstrdup(text);
	VEC(attribute *) list = {0};
	for (char *item = copy, *next; item; item = next) {
		next = strpbrk(item, ";\n");
		if (next)
			*next++ = '\0';
		item = str_trim(item);
		if (!*item)
			continue;
		mz_autofree char *shown = xstrdup(item);
		attribute *m = NULL;
		if (parse_one(item, a, &m, err) || ranges_check(m, err)) {
			vec_done(&list);
			return mz_wrap(err, "Attribute '%.80s'", shown);
		}
		vec_push(&list, m);
	}
	*ret = (attribute **)pb_array(a, list.n);
	if (list.n)
		memcpy(*ret, list.v, list.n * sizeof(*list.v));
	*ret_n = list.n;
	vec_done(&list);
	return 0;
}

/* 2.5 as it is, 2.0 without the fraction that JSON wants. */
static void format_scalar(double d, struct buf *out)
{
	json_add_double(out, d);
	if (str_ends(buf_str(out), ".0")) {
		out->len -= 2;
		out->data[out->len] = '\0';
	}
}

void attributes_format(Mesos__V1__Attribute *const *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		const attribute *m = v[i];
		buf_addf(out, "%s%s:", i ? ";" : "", m->name);
		if (m->scalar) {
			format_scalar(m->scalar->value, out);
		} else if (m->text) {
			buf_adds(out, m->text->value);
		} else if (m->ranges) {
			buf_addc(out, '[');
			for (size_t k = 0; k < m->ranges->n_range; k++)
				buf_addf(out, "%s%llu-%llu", k ? ", " : "",
					 (unsigned long long)m->ranges->range[k]->begin,
					 (unsigned long long)m->ranges->range[k]->end);
			buf_addc(out, ']');
		}
	}
}
