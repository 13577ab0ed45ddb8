/* res_api.c - the resource functions as modules get them, in one table.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "model/res_impl.h"
#include "wire/pb.h"

static size_t api_ranges(const struct mz_resources *r, size_t i, const struct mz_range **ret)
{
	const struct res_slot *s = i < r->n ? &slots(r)[i] : NULL;
	if (!s || kind_of(s->kind)->pub.type != MZ_RANGES) {
		*ret = NULL;
		return 0;
	}
	*ret = s->elems->ranges;
	return s->elems->n;
}

static size_t api_elements(const struct mz_resources *r, size_t i, const char *const **ret)
{
	const struct res_slot *s = i < r->n ? &slots(r)[i] : NULL;
	if (!s || kind_of(s->kind)->pub.type != MZ_SET) {
		*ret = NULL;
		return 0;
	}
	*ret = s->elems->strings;
	return s->elems->n;
}

static int api_contains(const struct mz_resources *r, const struct mz_resources *part)
{
	return res_contains(r, part);
}

static int api_equal(const struct mz_resources *a, const struct mz_resources *b)
{
	return res_equal(a, b);
}

/* Ranges, sets and what cannot be split have no amount to add: add_item copies them. */
static void api_add_scalar(struct mz_resources *to, uint32_t kind, int64_t amount)
{
	if (!res_kind(kind) || kind_of(kind)->pub.type != MZ_SCALAR || kind_of(kind)->indivisible)
		return;
	res_add_slot(to, (struct res_slot){.kind = kind_ref(kind), .amount = amount});
}

static void api_add_item(struct mz_resources *to, const struct mz_resources *r, size_t i)
{
	if (i >= r->n)
		return;
	struct res_slot s = slots(r)[i]; /* of what may be `to` itself */
	slot_ref(&s);
	res_add_slot(to, s);
}

static int api_format(const struct mz_resources *r, char *out, size_t size)
{
	mz_autobuf struct buf b = {0};
	res_format_text(r, &b);
	return snprintf(out, size, "%s", buf_str(&b));
}

static int api_parse(const char *text, struct mz_resources *to, struct mz_err *err)
{
	return res_parse(text, NULL, to, err);
}

static int put_text(char *to, size_t size, const char *text)
{
	return snprintf(to, size, "%s", text ? text : "") >= (int)size;
}

static int api_volume(const struct mz_resources *r, size_t i, struct mz_res_volume *ret)
{
	const struct res_slot *s = i < r->n ? &slots(r)[i] : NULL;
	if (!s || !kind_of(s->kind)->has_details)
		return -ENOENT;
	struct arena mz_autoarena a = {0};
	const Mesos__V1__Resource__DiskInfo *d = (const Mesos__V1__Resource__DiskInfo *)pb_decode(
		&mesos__v1__resource__disk_info__descriptor, &a, s->elems->bytes, s->elems->n, NULL);
	if (!d || !d->persistence || !d->volume)
		return -ENOENT;
	struct mz_res_volume v = {.size = sizeof(v), .read_only = d->volume->mode == MESOS__V1__VOLUME__MODE__RO};
	const Mesos__V1__Resource__DiskInfo__Source *from = d->source;
	v.cut = put_text(v.id, sizeof(v.id), d->persistence->id);
	v.cut |= put_text(v.container_path, sizeof(v.container_path), d->volume->container_path);
	if (from) {
		const ProtobufCEnumValue *type = protobuf_c_enum_descriptor_get_value(
			&mesos__v1__resource__disk_info__source__type__descriptor, (int)from->type);
		v.cut |= put_text(v.source_type, sizeof(v.source_type), type ? type->name : "UNKNOWN");
		v.cut |= put_text(v.root, sizeof(v.root),
				  from->path ? from->path->root : from->mount ? from->mount->root : NULL);
	}
	*ret = v;
	return 0;
}

const struct mz_resources_api *res_api(void)
{
	static const struct mz_resources_api api = {
		.size = sizeof(api),
		.create = res_new,
		.copy = res_copy,
		.destroy = res_free,
		.count = res_count,
		.item = res_item,
		.kind = kind_pin,
		.ranges = api_ranges,
		.elements = api_elements,
		.clear = res_clear,
		.add = res_add,
		.subtract = res_subtract,
		.contains = api_contains,
		.equal = api_equal,
		.add_scalar = api_add_scalar,
		.add_item = api_add_item,
		.scalar = res_scalar,
		.add_allocatable = res_add_allocatable,
		.format = api_format,
		.parse = api_parse,
		.volume = api_volume,
	};
	return &api;
}
