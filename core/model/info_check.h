/* info_check.h - rules of messages that tasks and executors share.
 * For core/model only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODEL_INFO_CHECK_H
#define MZ_MODEL_INFO_CHECK_H

#include "model/model.h"
#include "model/res_impl.h"

int check_check(const Mesos__V1__CheckInfo *c, struct mz_err *err);
int health_check_check(const Mesos__V1__HealthCheck *c, struct mz_err *err);

#endif
