/* recordio_fuzz.c - the records of a stream are those that a plain reader of the whole finds, wherever
 * it is cut. The first byte says where.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
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

/* The same in other words: what is to come out, and whether it is refused. */
static bool read_plainly(const uint8_t *p, const uint8_t *end, struct buf *out)
{
	while (p < end) {
		uint64_t len = 0;
		for (int digits = 0; p < end && *p >= '0' && *p <= '9' && digits < 19; p++, digits++)
			len = len * 10 + (uint64_t)(*p - '0');
		if (p == end)
			break;
		if (*p++ != '\n' || !len || len > MAX_RECORD)
			return false;
		if ((uint64_t)(end - p) < len)
			break;
		recordio_add(out, p, (size_t)len);
		p += len;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mz_autobuf struct buf whole = {0}, cut = {0}, plain = {0};
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
	must(read_plainly(data, data + size, &plain) == (want == 0));
	must(whole.len == plain.len && !memcmp(buf_str(&whole), buf_str(&plain), plain.len));
	must(whole.len == cut.len && !memcmp(buf_str(&whole), buf_str(&cut), cut.len));
	recordio_reader_done(&one);
	recordio_reader_done(&many);
	return 0;
}
