/* layout.c - sizes and offsets of every public struct of ABI 1, as they were
 * released (64-bit). Members may be added at ends, by which sizes grow; nothing
 * else may change. `tools/abi-layout` writes the table.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/allocator.h>
#include <mezzo/authenticator.h>
#include <mezzo/authorizer.h>
#include <mezzo/containerizer.h>
#include <mezzo/elector.h>
#include <mezzo/executor.h>
#include <mezzo/isolator.h>
#include <mezzo/logger.h>
#include <mezzo/secret.h>
#include <mezzo/store.h>

#if defined(__LP64__)
#define SIZE(type, size) _Static_assert(sizeof(struct type) >= (size), #type " has shrunk");
#define FIELD(type, member, at) _Static_assert(offsetof(struct type, member) == (at), #type "." #member " has moved");
#include "layout.def"
#endif

/* These are for ever. */
_Static_assert(sizeof(struct mz_err) == 256, "mz_err has 256 bytes");
_Static_assert(MZ_MODULE_MAGIC == 0x6d7a6d64u, "the magic");
