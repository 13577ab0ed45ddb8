/* run_output.c - what `mezzo run` and `mezzo logs` write: bytes as they come, lines
 * with a prefix when there are several tasks, or JSON lines.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/run_output.h"

#include <string.h>

#include "base/str.h"
#include "cli/cli.h"
#include "wire/json.h"

enum { LINE_MAX_BYTES = 65536 };

static FILE *file_of(int stream)
{
	return stream == TAIL_STDERR ? stderr : stdout;
}

static void write_json(const struct output *o, int stream, const void *data, size_t size)
{
	mz_autobuf struct buf b = {0};
	mz_autofree char *text = xstrndup(data, size);

	buf_adds(&b, "{\"task_id\":");
	json_add_string(&b, o->task_id);
	buf_addf(&b, ",\"stream\":\"%s\",\"data\":", stream == TAIL_STDERR ? "stderr" : "stdout");
	json_add_string(&b, text);
	buf_adds(&b, "}\n");
	fwrite(b.data, 1, b.len, stdout);
	fflush(stdout);
}

static void write_line(const struct output *o, int stream, const char *line, size_t len)
{
	fprintf(file_of(stream), "[%d] %.*s\n", o->index, (int)len, line);
}

void output_write(struct output *o, int stream, const void *data, size_t size)
{
	struct buf *b = &o->partial[stream];
	const char *nl;

	if (o->json) {
		write_json(o, stream, data, size);
		return;
	}
	if (o->index < 0) {
		fwrite(data, 1, size, file_of(stream));
		fflush(file_of(stream));
		return;
	}
	buf_add(b, data, size);
	while (b->len && ((nl = memchr(b->data, '\n', b->len)) || b->len > LINE_MAX_BYTES)) {
		size_t len = nl ? (size_t)(nl - b->data) : LINE_MAX_BYTES;
		write_line(o, stream, b->data, len);
		buf_drop(b, nl ? len + 1 : len);
	}
	fflush(file_of(stream));
}

void output_end(struct output *o)
{
	for (int i = 0; i < TAIL_STREAMS; i++) {
		if (o->partial[i].len)
			write_line(o, i, o->partial[i].data, o->partial[i].len);
		buf_done(&o->partial[i]);
		fflush(file_of(i));
	}
}
