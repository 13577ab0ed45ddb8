/* authorize.h - asking an authorizer module: the answers that are still owed, and
 * what becomes of them when the asker ends. Used by core/master and core/agent, which
 * say what is asked.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULE_AUTHORIZE_H
#define MZ_MODULE_AUTHORIZE_H

#include "base/list.h"
#include "module/module.h"

/* err NULL: allowed; -EACCES: not; anything else: nobody could say. */
typedef void (*authorize_fn)(void *arg, const struct mz_err *err);

/* Without a module everything is allowed. fn once, perhaps from inside; until then the
 * question is in `open`. */
void authorize_ask(const struct module_authorizer *m, struct list *open, int action, const char *principal,
		   const struct mz_object *o, authorize_fn fn, void *arg);
/* Nobody waits any more. tell: each fn is called with -ECANCELED. */
void authorize_drop(struct list *open, bool tell);
/* At once, for views. */
bool authorize_view(const struct module_authorizer *m, int action, const char *principal, const struct mz_object *o);

#endif
