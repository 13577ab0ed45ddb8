/* take.c - which part of the offered resources a task takes, reservations and all.
 * No messages here, only resources; called by tasks.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/err.h"
#include "base/str.h"
#include "sdk/impl.h"

/* Not to be given to a task that did not ask for just that. */
enum { SPECIAL = MZ_RES_REVOCABLE | MZ_RES_SHARED | MZ_RES_PERSISTENT | MZ_RES_DISK_SOURCE | MZ_RES_PROVIDER };

static bool may_take(const struct mz_res_kind *have, const struct mz_res_kind *want, bool reserved)
{
	if (!str_eq(have->name, want->name) || have->type != want->type || (have->flags & SPECIAL))
		return false;
	if (!!(have->flags & MZ_RES_RESERVED) != reserved)
		return false;
	/* cpus(ops):1 asks for that reservation, cpus:1 for any. */
	return str_eq(want->role, "*") || str_eq(want->role, have->role);
}

static int64_t take_scalar(const resources *left, const struct mz_res_kind *want, int64_t need, bool reserved,
			   resources *taken)
{
	for (size_t i = 0; i < res_count(left) && need > 0; i++) {
		struct mz_res_item it = res_item(left, i);
		int64_t part = MZ_MIN(it.amount, need);
		if (!may_take(res_kind(it.kind), want, reserved))
			continue;
		res_api()->add_scalar(taken, it.kind, part);
		need -= part;
	}
	return need;
}

/* Ranges and sets come whole, from one item: its kind with the wanted elements. */
static bool take_elements(const resources *left, const resources *want, size_t w, bool reserved, resources *taken)
{
	const struct mz_res_kind *wk = res_kind(res_item(want, w).kind);

	for (size_t i = 0; i < res_count(left); i++) {
		mz_autoarena struct arena a = {0};
		mz_autores resources one = {0}, asked = {0}, part = {0};
		Mesos__V1__Resource **have_pb, **want_pb, *pb;

		if (!may_take(res_kind(res_item(left, i).kind), wk, reserved))
			continue;
		res_api()->add_item(&one, left, i);
		res_api()->add_item(&asked, want, w);
		if (res_to_pb(&one, RES_FORMAT_POST, true, &a, &have_pb) != 1 ||
		    res_to_pb(&asked, RES_FORMAT_POST, false, &a, &want_pb) != 1)
			continue;
		pb = have_pb[0];
		pb->ranges = want_pb[0]->ranges;
		pb->set = want_pb[0]->set;
		if (res_from_pb(&pb, 1, &part, NULL) < 0 || !res_contains(&one, &part))
			continue;
		res_add(taken, &part);
		return true;
	}
	return false;
}

int mzf_take(const resources *left, const char *text, resources *taken, struct mz_err *err)
{
	mz_autores resources want = {0};
	int rc = res_parse(text, NULL, &want, err);

	if (rc < 0)
		return rc;
	if (res_empty(&want))
		return mz_fail(err, -EINVAL, "A task needs resources");
	for (size_t i = 0; i < res_count(&want); i++) {
		struct mz_res_item it = res_item(&want, i);
		const struct mz_res_kind *k = res_kind(it.kind);
		bool got;
		if (k->type == MZ_SCALAR) {
			int64_t need = take_scalar(left, k, it.amount, true, taken);
			got = take_scalar(left, k, need, false, taken) == 0;
		} else {
			got = take_elements(left, &want, i, true, taken) ||
			      take_elements(left, &want, i, false, taken);
		}
		if (!got)
			return mz_fail(err, -ENOSPC, "Not enough %s", k->name);
	}
	return 0;
}
