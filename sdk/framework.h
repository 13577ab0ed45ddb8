/* framework.h - the framework library as the programs of this tree use it: the
 * public header, and a framework on a loop that they have already.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZF_FRAMEWORK_H
#define MZF_FRAMEWORK_H

#include <mezzo/framework.h>

struct loop;

/* mzf_framework_new() on the caller's loop, which the caller runs: none of
 * mzf_run(), _stop(), _poll(), _fd() and _dispatch() may be used then. */
int mzf_framework_new_on(struct loop *l, const struct mzf_options *o, const struct mzf_callbacks *cb, void *arg,
			 struct mzf_framework **ret, struct mz_err *err);

#endif
