/* reflect.h - fields of protobuf messages by path, and the opaque handles of
 * <mezzo/container.h> and <mezzo/isolator.h> that are made of them.
 *
 * struct mz_info is a ProtobufCMessage seen from outside; struct mz_usage is one
 * that is being filled in; struct mz_launch is the list of what isolators asked for.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULE_REFLECT_H
#define MZ_MODULE_REFLECT_H

#ifndef MZ_MODULE_ABI
#define MZ_MODULE_ABI 1
#endif
#include <mezzo/containerizer.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/vec.h"

/* One segment of "a.b.0.c": its end is returned, or NULL if it is empty. */
const char *path_segment(const char *path, char *out, size_t size);
/* Is the (singular) field set? `m` must be of the field's message. */
int reflect_is_set(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);

const struct mz_info_api *info_api(void);
static inline const struct mz_info *info_of(const void *pb_message)
{
	return (const struct mz_info *)pb_message;
}

/* What modules measure. Nothing has to be freed but the arena. */
struct mz_usage {
	struct arena arena;
	ProtobufCMessage *msg;
};
struct mz_usage *usage_new(const ProtobufCMessageDescriptor *d);
void usage_free(struct mz_usage *u);
const struct mz_usage_api *usage_api(void);
/* Packed; missing required fields of submessages are dropped with them. */
struct mz_bytes usage_pack(struct mz_usage *u);

struct mz_launch {
	struct arena arena;
	VEC(struct mz_launch_entry) entries;
	const char *isolator; /* whose prepare is running; NULL: nobody may add */
	bool late;	      /* one has not answered in time, and may still use it: launch_free() leaves it */
	int32_t parent_pid;   /* of the container that it is nested in; 0: none, or not known */
};
struct mz_launch *launch_new(void);
void launch_free(struct mz_launch *l);
int launch_read(const struct mz_launch *l, size_t i, struct mz_launch_entry *ret);
struct mz_isolator_host;
/* Fills in the launch_* members. */
void launch_services(struct mz_isolator_host *h);

#endif
