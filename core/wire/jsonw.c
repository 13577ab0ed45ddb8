/* jsonw.c - the streaming writer of json.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "wire/json.h"

static void before_value(struct jsonw *w)
{
	if (w->after_key) {
		w->after_key = false;
		return;
	}
	/* In an object a value has a key before it; at the top there is one value. */
	must(!w->depth || w->is_array[w->depth]);
	if (w->need_comma[w->depth])
		buf_addc(w->out, ',');
	w->need_comma[w->depth] = 1;
}

static void begin(struct jsonw *w, char c, bool is_array)
{
	before_value(w);
	must(w->depth + 1 < (int)MZ_N(w->is_array));
	w->depth++;
	w->need_comma[w->depth] = 0;
	w->is_array[w->depth] = is_array;
	buf_addc(w->out, c);
}

void jsonw_object(struct jsonw *w)
{
	begin(w, '{', false);
}

void jsonw_array(struct jsonw *w)
{
	begin(w, '[', true);
}

void jsonw_end(struct jsonw *w)
{
	must(w->depth > 0 && !w->after_key);
	buf_addc(w->out, w->is_array[w->depth] ? ']' : '}');
	w->depth--;
}

void jsonw_key(struct jsonw *w, const char *key)
{
	must(w->depth > 0 && !w->is_array[w->depth] && !w->after_key);
	if (w->need_comma[w->depth])
		buf_addc(w->out, ',');
	w->need_comma[w->depth] = 1;
	json_add_string(w->out, key);
	buf_addc(w->out, ':');
	w->after_key = true;
}

void jsonw_string(struct jsonw *w, const char *s)
{
	if (!s) {
		jsonw_null(w);
		return;
	}
	before_value(w);
	json_add_string(w->out, s);
}

void jsonw_text(struct jsonw *w, const char *s, size_t len)
{
	before_value(w);
	json_add_text(w->out, s, len);
}

void jsonw_int(struct jsonw *w, int64_t v)
{
	before_value(w);
	buf_addf(w->out, "%" PRId64, v);
}

void jsonw_double(struct jsonw *w, double v)
{
	before_value(w);
	json_add_double(w->out, v);
}

void jsonw_bool(struct jsonw *w, bool v)
{
	before_value(w);
	buf_adds(w->out, v ? "true" : "false");
}

void jsonw_null(struct jsonw *w)
{
	before_value(w);
	buf_add(w->out, "null", 4);
}

void jsonw_message(struct jsonw *w, const pb_msg *m)
{
	before_value(w);
	json_encode(m, w->out);
}

void jsonw_raw(struct jsonw *w, const char *json, size_t len)
{
	before_value(w);
	buf_add(w->out, json, len);
}

void jsonw_kstring(struct jsonw *w, const char *key, const char *s)
{
	jsonw_key(w, key);
	jsonw_string(w, s);
}

void jsonw_kint(struct jsonw *w, const char *key, int64_t v)
{
	jsonw_key(w, key);
	jsonw_int(w, v);
}

void jsonw_kdouble(struct jsonw *w, const char *key, double v)
{
	jsonw_key(w, key);
	jsonw_double(w, v);
}

void jsonw_kbool(struct jsonw *w, const char *key, bool v)
{
	jsonw_key(w, key);
	jsonw_bool(w, v);
}
