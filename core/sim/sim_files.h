/* sim_files.h - the files that a simulated agent shows: the attachments are kept,
 * and there is nothing in them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_SIM_SIM_FILES_H
#define MZ_SIM_SIM_FILES_H

#include "os/files.h"
#include "sim/sim.h"

struct files *sim_files_new(struct sim_node *n);

#endif
