/* store_module.h - the two meetings of stores and modules: a store module as the
 * backend of a store, and a store as the storage of modules.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_STORE_STORE_MODULE_H
#define MZ_STORE_STORE_MODULE_H

#include "module/module.h"
#include "store/store.h"

/* `m` is a loaded module of kind store; it must outlive the backend, and the
 * backend the store. */
struct store_backend *store_backend_new(struct module *m);
void store_backend_free(struct store_backend *b); /* NULL: no-op */

/* For module_registry_set_storage(). */
struct module_storage *store_storage_new(struct store *s);
void store_storage_free(struct module_storage *s); /* NULL: no-op */

#endif
