/* json_fuzz.c - any text is refused or says the same after a round trip; what we take and what we
 * write is JSON, as somebody else reads it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>

#include "base/err.h"
#include "roots.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Its own bounds of numbers and depth aside. */
static void check_json(const char *text, size_t len)
{
	json_error_t err;
	json_t *j = json_loadb(text, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &err);
	enum json_error_code code = json_error_code(&err);
	must(j || code == json_error_numeric_overflow || code == json_error_stack_overflow);
	json_decref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mz_autoarena struct arena a = {0};
	mz_autobuf struct buf text = {0};
	struct mz_err err = {0};
	if (!size)
		return 0;
	const pb_desc *d = root_of(data[0]);
	pb_msg *m = json_decode(d, &a, (const char *)data + 1, size - 1, &err);
	if (!m) {
		must(err.code < 0 && err.msg[0]);
		return 0;
	}
	check_json((const char *)data + 1, size - 1);
	json_encode(m, &text);
	check_json(text.data, text.len);
	pb_msg *again = json_decode(d, &a, text.data, text.len, &err);
	must(again && pb_equal(m, again));
	/* The other encoding takes whatever this one took. */
	struct mz_bytes bytes = pb_encode_arena(m, &a);
	again = pb_decode(d, &a, bytes.data, bytes.size, &err);
	must(again && pb_equal(m, again));
	return 0;
}
