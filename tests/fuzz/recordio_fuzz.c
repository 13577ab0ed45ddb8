/* recordio_fuzz.c - the records of a stream do not depend on where it is cut.
 * The first byte says where.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "wire/recordio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_RECORD = 65536 };

static int collect(void *arg, const char *record, size_t len)
{
	must(len > 0 && len <= MAX_RECORD);
	recordio_add(arg, record, len);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mz_autobuf struct buf whole = {0}, cut = {0};
	struct recordio_reader one = {.max_record = MAX_RECORD}, many = {.max_record = MAX_RECORD};
	size_t step;
	int r = 0;
	if (!size)
		return 0;
	step = (size_t)data[0] % 64 + 1;
	data++, size--;
	int want = recordio_feed(&one, data, size, collect, &whole, NULL);
	for (size_t at = 0; at < size && !r; at += step)
		r = recordio_feed(&many, data + at, MZ_MIN(step, size - at), collect, &cut, NULL);
	must(r == want);
	must(whole.len == cut.len && !memcmp(buf_str(&whole), buf_str(&cut), cut.len));
	recordio_reader_done(&one);
	recordio_reader_done(&many);
	return 0;
}
