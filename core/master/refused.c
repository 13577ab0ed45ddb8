/* refused.c - calls that came to nothing though they were answered 202 (or were
 * over the rate): counted by type, logged, and shown on the framework with the
 * last reason, because their sender cannot see it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/api/api.h"

enum { MAX_REASON = 256 };

struct refused_calls {
	uint64_t n[N_CALL_TYPES];
	char reason[N_CALL_TYPES][MAX_REASON];
};

void call_refuse(struct framework *f, int type, const char *fmt, ...)
{
	if (!f->refused)
		f->refused = xnew(struct refused_calls);
	struct refused_calls *r = f->refused;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(r->reason[type], MAX_REASON, fmt, ap);
	va_end(ap);
	uint64_t n = ++r->n[type];
	f->m->metrics.refused_calls++;
	if (n & (n - 1))
		return; /* a flood of them is logged at each doubling */
	log_warning(AREA, "%s of framework %s (%s) is refused, time %llu: %s",
		    pb_enum_name(&mesos__v1__scheduler__call__type__descriptor, type), f->id, f->info->name,
		    (unsigned long long)n, r->reason[type]);
}

uint64_t call_refused(const struct framework *f, int type)
{
	return f->refused ? f->refused->n[type] : 0;
}

/* {"REVIVE":{"count":2,"last_reason":"…"}} */
void show_refused(struct jsonw *w, const struct framework *f)
{
	jsonw_key(w, "refused_calls");
	jsonw_object(w);
	for (int i = 0; f->refused && i < N_CALL_TYPES; i++) {
		if (!f->refused->n[i])
			continue;
		jsonw_key(w, pb_enum_name(&mesos__v1__scheduler__call__type__descriptor, i));
		jsonw_object(w);
		jsonw_kint(w, "count", (int64_t)f->refused->n[i]);
		jsonw_kstring(w, "last_reason", f->refused->reason[i]);
		jsonw_end(w);
	}
	jsonw_end(w);
}
