/* json_fuzz.c - any text is refused or says the same after a round trip.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "roots.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
	json_encode(m, &text);
	pb_msg *again = json_decode(d, &a, text.data, text.len, &err);
	must(again && pb_equal(m, again));
	/* The other encoding takes whatever this one took. */
	struct mz_bytes bytes = pb_encode_arena(m, &a);
	again = pb_decode(d, &a, bytes.data, bytes.size, &err);
	must(again && pb_equal(m, again));
	return 0;
}
