/* pb.h - protobuf-c messages in arenas: decode, encode, copy, walk.
 *
 * A decoded message lives as long as the arena it was decoded into; nothing of
 * it is freed by itself. What a peer may make large is bounded before memory is
 * taken: the caller bounds the body, pb_decode bounds the nesting and the number.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_PB_H
#define MZ_WIRE_PB_H

#include <mezzo/types.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"

/* PB_MAX_RECORD: the largest message of a peer's that is put on record, 16 MiB. The store
 * takes twice that, so that a record has room for what it says beside it. */
enum { PB_MAX_DEPTH = 64, PB_MAX_RECORD = 16 << 20 };

typedef ProtobufCMessageDescriptor pb_desc;
typedef ProtobufCMessage pb_msg;

/* An empty message is two bytes for its sender, and some hundred for us. So many may
 * the messages take, without their texts and lists, that come in `size` bytes: several
 * times what any honest one does. */
static inline size_t pb_room(size_t size)
{
	return ((size_t)64 << 20) + 16 * size;
}

/* NULL with *err set if it is no such message: truncated, a required field is
 * missing, a string is not UTF-8, nested deeper than PB_MAX_DEPTH, or pb_room() is
 * not enough. */
pb_msg *pb_decode(const pb_desc *desc, struct arena *a, const void *data, size_t size, struct mz_err *err);
/* A new, initialised message in the arena. */
pb_msg *pb_new(const pb_desc *desc, struct arena *a);
#define PB_NEW(arena, Type, lower) ((Type *)pb_new(&lower##__descriptor, (arena)))
void pb_encode(const pb_msg *m, struct buf *out); /* appends */
struct mz_bytes pb_encode_arena(const pb_msg *m, struct arena *a);
/* Deep copy. Strings and bytes are copied as well. */
pb_msg *pb_copy(const pb_msg *m, struct arena *a);
/* Same content, field by field (unset differs from default). */
bool pb_equal(const pb_msg *a, const pb_msg *b);
/* -E2BIG if its encoding has more than PB_MAX_RECORD bytes; `what` names it in the message. */
int pb_check_size(const pb_msg *m, const char *what, struct mz_err *err);
/* The name of an enum's value, or NULL; the other way round into *ret. */
const char *pb_enum_name(const ProtobufCEnumDescriptor *d, int value);
bool pb_enum_value(const ProtobufCEnumDescriptor *d, const char *name, int *ret);

/* A pointer array of `n` in the arena for a repeated field. */
void **pb_array(struct arena *a, size_t n);

#endif
