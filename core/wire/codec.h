/* codec.h - the two encodings of the v1 APIs behind one switch, and the HTTP
 * headers that choose between them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_CODEC_H
#define MZ_WIRE_CODEC_H

#include "wire/json.h"
#include "wire/pb.h"

enum codec { CODEC_JSON = 1, CODEC_PROTOBUF = 2 };

const char *codec_content_type(enum codec c); /* "application/json", "application/x-protobuf" */
/* Exact, case-sensitive comparison of a Content-Type; 0 if it is neither. */
int codec_from_content_type(const char *value);
/* From an Accept header (NULL: absent = all). When both are acceptable, JSON
 * wins whatever the q-values. 0 if neither is. */
int codec_from_accept(const char *accept);
/* Does it name application/recordio, or a range that it is in? */
bool codec_accepts_recordio(const char *accept);
pb_msg *codec_decode(enum codec c, const pb_desc *desc, struct arena *a, const void *data, size_t size,
		     struct mz_err *err);
void codec_encode(enum codec c, const pb_msg *m, struct buf *out); /* appends */

#endif
