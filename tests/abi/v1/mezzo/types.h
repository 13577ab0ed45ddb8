/* <mezzo/types.h> - the few types that every other public header uses.
 *
 * Plain C11 and C++; no Mezzo symbol is needed to link. Do not include it
 * directly from a module: include the header of the module's kind.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEZZO_TYPES_H
#define MEZZO_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An error: owned by the caller, written only on failure, needs no free.
 * `code` is a negative errno. `msg` starts with a capital and has no full
 * stop. 256 bytes, for ever. */
struct mz_err {
	int32_t code;
	char msg[252];
};

enum { MZ_LOG_DEBUG = 0, MZ_LOG_INFO = 1, MZ_LOG_WARNING = 2, MZ_LOG_ERROR = 3 };

/* Bytes that somebody else owns. */
struct mz_bytes {
	const void *data;
	size_t size;
};

#ifdef __cplusplus
}
#endif
#endif
