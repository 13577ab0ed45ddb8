/* recordio.c - see recordio.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "wire/recordio.h"

#include <errno.h>
#include <stdbool.h>

#include "base/err.h"

enum { LENGTH_DIGITS_MAX = 19 }; /* fits an int64 */

void recordio_add(struct buf *out, const void *data, size_t len)
{
	must(len > 0); /* the framing has no empty record */
	buf_addf(out, "%zu\n", len);
	buf_add(out, data, len);
}

void recordio_reader_done(struct recordio_reader *r)
{
	buf_done(&r->pending);
}

/* The bytes of the header at `p` into *ret_header (0: incomplete), the length
 * that it says into *ret_len. */
static int parse_header(const struct recordio_reader *r, const char *p, size_t n, size_t *ret_header,
			size_t *ret_len, struct mz_err *err)
{
	size_t len = 0, i = 0;
	*ret_header = 0;
	for (; i < n && p[i] != '\n'; i++) {
		if (p[i] < '0' || p[i] > '9')
			return mz_fail(err, -EPROTO, "Record length has the byte 0x%02x in it", (unsigned char)p[i]);
		if (i >= LENGTH_DIGITS_MAX)
			return mz_fail(err, -EPROTO, "Record length of more than %d digits", LENGTH_DIGITS_MAX);
		len = len * 10 + (size_t)(p[i] - '0');
	}
	if (i == n)
		return 0;
	if (!i || !len)
		return mz_fail(err, -EPROTO, "Record without a length");
	if (len > r->max_record)
		return mz_fail(err, -EPROTO, "Record of %zu bytes, more than %zu", len, r->max_record);
	*ret_header = i + 1;
	*ret_len = len;
	return 0;
}

/* Consumes whole records; *ret_used says how many bytes. */
static int consume(struct recordio_reader *r, const char *p, size_t n, size_t *ret_used,
		   int (*fn)(void *arg, const char *record, size_t len), void *arg, struct mz_err *err)
{
	size_t used = 0;
	while (used < n) {
		size_t header, len;
		int rc = parse_header(r, p + used, n - used, &header, &len, err);
		if (rc < 0)
			return rc;
		if (!header || n - used - header < len)
			break;
		rc = fn(arg, p + used + header, len);
		if (rc)
			return rc;
		used += header + len;
	}
	*ret_used = used;
	return 0;
}

int recordio_feed(struct recordio_reader *r, const void *data, size_t len,
		  int (*fn)(void *arg, const char *record, size_t len), void *arg, struct mz_err *err)
{
	bool buffered = r->pending.len > 0;
	const char *p = data;
	size_t n = len, used = 0;

	must(r->max_record > 0);
	if (buffered) {
		buf_add(&r->pending, data, len);
		p = r->pending.data;
		n = r->pending.len;
	}
	int rc = consume(r, p, n, &used, fn, arg, err);
	if (rc)
		return rc;
	if (buffered)
		buf_drop(&r->pending, used);
	else if (used < n)
		buf_add(&r->pending, p + used, n - used);
	return 0;
}
