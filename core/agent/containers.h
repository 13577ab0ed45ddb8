/* containers.h - see module/containers.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "module/containers.h"
