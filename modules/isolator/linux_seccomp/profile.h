/* profile.h - a seccomp profile in Docker's format becomes a BPF program. Pure: text
 * in, program out; nothing is installed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_ISOLATOR_PROFILE_H
#define MZ_ISOLATOR_PROFILE_H

#include <mezzo/types.h>

enum { PROFILE_MAX_BYTES = 1 << 20 };

/* `caps`: capabilities of the container, for the rules' includes and excludes. The
 * program (struct sock_filter[]) is allocated; the caller frees it. On failure the
 * message names the field and its value. */
int profile_compile(const char *text, size_t size, uint64_t caps, void **ret_program, size_t *ret_size,
		    struct mz_err *err);

#endif
