/* kinds.c - what the loader knows of each kind: accepted ABIs, size of its table
 * of callbacks, and which of them must be there.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "module/impl.h"

#define REQUIRED(kind_, ...) static const struct kind_member kind_##_required[] = {__VA_ARGS__ {NULL, 0}}
#define M(kind_, member) {#member, offsetof(struct mz_##kind_##_ops, member)},
#define BOTH(kind_) M(kind_, create) M(kind_, destroy)

REQUIRED(allocator, BOTH(allocator) M(allocator, add_framework) M(allocator, remove_framework)
	M(allocator, activate_framework) M(allocator, deactivate_framework) M(allocator, update_framework)
	M(allocator, add_agent) M(allocator, remove_agent) M(allocator, update_agent) M(allocator, activate_agent)
	M(allocator, deactivate_agent) M(allocator, update_allocation) M(allocator, recover_resources)
	M(allocator, suppress_offers) M(allocator, revive_offers) M(allocator, pause) M(allocator, resume));
REQUIRED(isolator, BOTH(isolator));
REQUIRED(containerizer, BOTH(containerizer) M(containerizer, recover) M(containerizer, launch)
	M(containerizer, terminate));
REQUIRED(executor, BOTH(executor) M(executor, launch) M(executor, kill) M(executor, shutdown));
REQUIRED(authorizer, BOTH(authorizer) M(authorizer, authorized) M(authorizer, allows));
REQUIRED(authenticator, BOTH(authenticator) M(authenticator, authenticate));
REQUIRED(elector, BOTH(elector) M(elector, detect) M(elector, contend));
REQUIRED(store, BOTH(store) M(store, each) M(store, apply));
REQUIRED(logger, BOTH(logger) M(logger, prepare));
REQUIRED(secret, BOTH(secret) M(secret, resolve));

#define KIND(NUMBER, kind_) [MZ_KIND_##NUMBER] = {#kind_, 1, 1, sizeof(struct mz_##kind_##_ops), kind_##_required}
#define LATER(NUMBER, kind_) [MZ_KIND_##NUMBER] = {#kind_, 1, 1, 0, NULL}

static const struct kind kinds[N_KINDS] = {
	KIND(ALLOCATOR, allocator),
	KIND(ISOLATOR, isolator),
	KIND(CONTAINERIZER, containerizer),
	KIND(EXECUTOR, executor),
	KIND(AUTHORIZER, authorizer),
	KIND(AUTHENTICATOR, authenticator),
	KIND(ELECTOR, elector),
	KIND(STORE, store),
	KIND(LOGGER, logger),
	LATER(ESTIMATOR, estimator),
	LATER(QOS, qos),
	KIND(SECRET, secret),
	LATER(HOOK, hook),
	LATER(IMAGE, image),
	LATER(FETCHER, fetcher),
	LATER(SERVICE, service),
};

const struct kind *kind_of(uint32_t kind)
{
	return kind > 0 && kind < N_KINDS ? &kinds[kind] : NULL;
}

const char *module_kind_name(uint32_t kind)
{
	const struct kind *k = kind_of(kind);
	return k ? k->name : NULL;
}

uint32_t module_kind_parse(const char *name)
{
	for (uint32_t i = 1; i < N_KINDS; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return i;
	return 0;
}
