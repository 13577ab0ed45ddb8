/* id_name.h - the name of a file or directory that stands for one container: its id, as long
 * as the file system takes that. The id of a container that is nested is those of all above it as
 * well, joined by dots; what is longer than a name can be is cut, and ends in a hash of the whole
 * id. No id looks like that: none has two dots in a row.
 *
 * Of such a name the id cannot be told; who has to know it looks among the ids that there are
 * (id_name_is), or has written it down in the file.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_MODULES_LIB_ID_NAME_H
#define MZ_MODULES_LIB_ID_NAME_H

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { ID_NAME_SIZE = NAME_MAX + 1, ID_NAME_HASH = 2 + 64 };

/* One block of SHA-256: whoever chooses ids must not find two with one name. */
static inline void id_name_block(uint32_t h[8], const unsigned char *p)
{
	static const uint32_t k[64] = {
		0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
		0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
		0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
		0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
		0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
		0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
		0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
		0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
#define ID_NAME_TURN(x, n) ((x) >> (n) | (x) << (32 - (n)))
	uint32_t w[64], v[8];
	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (int i = 16; i < 64; i++)
		w[i] = w[i - 16] + (ID_NAME_TURN(w[i - 15], 7) ^ ID_NAME_TURN(w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 7] +
		       (ID_NAME_TURN(w[i - 2], 17) ^ ID_NAME_TURN(w[i - 2], 19) ^ w[i - 2] >> 10);
	memcpy(v, h, sizeof(v));
	for (int i = 0; i < 64; i++) {
		uint32_t e = v[4], a = v[0];
		uint32_t one = v[7] + (ID_NAME_TURN(e, 6) ^ ID_NAME_TURN(e, 11) ^ ID_NAME_TURN(e, 25)) +
			       ((e & v[5]) ^ (~e & v[6])) + k[i] + w[i];
		uint32_t two = (ID_NAME_TURN(a, 2) ^ ID_NAME_TURN(a, 13) ^ ID_NAME_TURN(a, 22)) +
			       ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += one;
		v[0] = one + two;
	}
#undef ID_NAME_TURN
	for (int i = 0; i < 8; i++)
		h[i] += v[i];
}

static inline void id_name_hash(const char *text, size_t len, char out[65])
{
	uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
	unsigned char last[128] = {0};
	size_t at = len & ~(size_t)63, rest = len - at, n = rest < 56 ? 64 : 128;
	for (size_t i = 0; i < at; i += 64)
		id_name_block(h, (const unsigned char *)text + i);
	memcpy(last, text + at, rest);
	last[rest] = 0x80;
	for (size_t i = 0; i < 8; i++)
		last[n - 1 - i] = (unsigned char)((uint64_t)len * 8 >> 8 * i);
	for (size_t i = 0; i < n; i += 64)
		id_name_block(h, last + i);
	for (int i = 0; i < 8; i++)
		(void)snprintf(out + 8 * i, 9, "%08x", h[i]);
}

/* The id itself if it has no more than `max` bytes (above ID_NAME_HASH, up to NAME_MAX), else
 * `out`: for what is not a file. */
static inline const char *id_short(const char *id, size_t max, char out[ID_NAME_SIZE])
{
	size_t len = strlen(id), keep = max - ID_NAME_HASH;
	if (len <= max)
		return id;
	memcpy(out, id, keep);
	memcpy(out + keep, "..", 2);
	id_name_hash(id, len, out + keep + 2);
	return out;
}

static inline const char *id_name(const char *id, char out[ID_NAME_SIZE])
{
	return id_short(id, NAME_MAX, out);
}

/* Is it the name of the container with this id? */
static inline int id_name_is(const char *name, const char *id)
{
	char own[ID_NAME_SIZE];
	return strcmp(name, id_name(id, own)) == 0;
}

#endif
