/* standalone.c - runs a libFuzzer target without clang: every file of a corpus,
 * as it is and with a few hundred seeded mutations each.
 * Arguments: files or folders; none: the corpus that the build names.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N_MUTATIONS = 300 };

static unsigned n_inputs;

/* A block of its exact size, so that a read too far is seen. */
static void run(const struct buf *b)
{
	uint8_t *exact = xmalloc(b->len + 1);
	memcpy(exact + 1, buf_str(b), b->len);
	LLVMFuzzerTestOneInput(exact + 1, b->len);
	free(exact);
	n_inputs++;
}

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* Flips a bit, changes a byte, cuts, leaves out or repeats a piece, or puts in a word. */
static void mutate(struct buf *b, uint32_t *seed)
{
	static const char *const words[] = {"\\ud83d\\ude00", "\\u0001", "\\n", "\\\"", "\xc3\xa9", "-", "1e999", "0.1", "4294967296",
					    "\r", "\r\n", "\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "\xff\xff\xff\xff\x0f"};
	static const char spice[] = "{}[]\",:\\u0-9e.\xff\x80\x00\x7f\x0a\x12";
	if (!b->len)
		return;
	size_t at = next(seed) % b->len, n = next(seed) % (b->len - at) + 1;
	switch (next(seed) % 6) {
	case 0:
		b->data[at] ^= (char)(1 << next(seed) % 8);
		break;
	case 1:
		b->data[at] = spice[next(seed) % (sizeof(spice) - 1)];
		break;
	case 2:
		b->len = at;
		break;
	case 3:
		memmove(b->data + at, b->data + at + n, b->len - at - n);
		b->len -= n;
		break;
	case 4: {
		mz_autobuf struct buf rest = {0};
		buf_add(&rest, b->data + at, b->len - at);
		b->len = at;
		buf_adds(b, words[next(seed) % MZ_N(words)]);
		buf_add(b, rest.data, rest.len);
		break;
	}
	default: {
		mz_autobuf struct buf copy = {0};
		buf_add(&copy, b->data + at, MZ_MIN(n, (size_t)64));
		buf_add(b, copy.data, copy.len);
	}
	}
}

static int run_file(const char *path)
{
	mz_autofile FILE *f = fopen(path, "rb");
	mz_autobuf struct buf seed_input = {0};
	char chunk[4096];
	uint32_t seed = 1;
	if (!f) {
		perror(path);
		return 1;
	}
	for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
		buf_add(&seed_input, chunk, n);
	run(&seed_input);
	for (int i = 0; i < N_MUTATIONS; i++) {
		mz_autobuf struct buf b = {0};
		buf_add(&b, buf_str(&seed_input), seed_input.len);
		for (uint32_t n = next(&seed) % 4 + 1; n; n--)
			mutate(&b, &seed);
		run(&b);
	}
	return 0;
}

static int run_path(const char *path)
{
	mz_autodir DIR *dir = opendir(path);
	int failed = 0;
	if (!dir)
		return run_file(path);
	for (struct dirent *e; (e = readdir(dir));) {
		mz_autofree char *file = xasprintf("%s/%s", path, e->d_name);
		struct stat st;
		if (!stat(file, &st) && S_ISREG(st.st_mode))
			failed |= run_file(file);
	}
	return failed;
}

int main(int argc, char **argv)
{
	int failed = 0;
	if (argc < 2)
		failed = run_path(FUZZ_CORPUS);
	for (int i = 1; i < argc; i++)
		failed |= run_path(argv[i]);
	if (!n_inputs) {
		fprintf(stderr, "No input was run\n");
		failed = 1;
	}
	printf("1..1\n%s 1 - %u inputs\n", failed ? "not ok" : "ok", n_inputs);
	return failed;
}
