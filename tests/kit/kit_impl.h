/* kit_impl.h - what the files of the kit share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_KIT_IMPL_H
#define MZ_KIT_IMPL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"
#include "module/module.h"
#include "store/store.h"
#include "wire/http.h"

#include <mezzo/kit.h>

#include "kit_loop.h"

struct mz_kit {
	char *dir;
	bool keeps; /* dir and disk stay, for the next kit there */
	int journal; /* what is on the disk, as a file; -1: it is not kept */
	struct loop *loop;
	struct module_registry *registry;
	struct store_backend disk;
	struct map records; /* of the disk: key -> struct mz_bytes * */
	struct store *store;
	struct module_storage *storage;
	struct http_router router;
	struct buf log, events;
	VEC(struct mz_kit_module *) modules;
	VEC(struct conf_node *) yaml; /* settings and messages, freed with the kit */
	VEC(struct mz_resources *) resources;
	VEC(struct mz_container *) containers;
	VEC(struct mz_launch *) launches;
	VEC(struct mz_usage *) usages;
	VEC(char *) strings;
	/* A containerizer's own. */
	void (*on_limitation)(void *inst, const char *container_id, const struct mz_limitation *l);
	void *on_limitation_inst;
};

struct mz_kit_module {
	struct mz_kit *kit;
	struct module *m;
};

/* kit_info.c */
const struct mz_usage_api *kit_usage_api(void);
void kit_launch_fill(struct mz_isolator_host *h);
void kit_launch_free(struct mz_launch *l);
void kit_usage_free(struct mz_usage *u);
struct mz_launch *kit_launch_new(void);

/* kit_hosts.c: host->kind of every kind. */
void kit_hosts_set(struct mz_kit *k);

/* A kit in a directory that is there, and that outlives it with what modules have
 * stored: a later kit there is the next life of the same agent. */
struct mz_kit *kit_new_in(const char *dir);
#define KIT_JOURNAL "kit-disk"

/* kit_store.c: a disk in memory, for storage_* of modules. `journal`: a file that keeps
 * it, or NULL. */
void kit_disk_init(struct mz_kit *k, const char *journal);
void kit_disk_done(struct mz_kit *k);

#endif
