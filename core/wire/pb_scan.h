/* pb_scan.h - checks encoded bytes of a peer before anything is allocated for
 * them. For pb.c only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_WIRE_PB_SCAN_H
#define MZ_WIRE_PB_SCAN_H

#include "wire/pb.h"

/* 0, or -EINVAL with the path of the field in *err. */
int pb_scan(const pb_desc *desc, const void *data, size_t size, struct mz_err *err);

#endif
