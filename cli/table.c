/* table.c - tables that fit the terminal: the widest columns are cut first.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "cli/cli.h"

enum { GAP = 2, MIN_COLUMN = 4 };

/* Columns on the screen: code points, near enough for ids and names. */
static size_t columns_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* Where code point number n begins. */
static const char *skip(const char *s, size_t n)
{
	while (*s && n) {
		s++;
		while (((unsigned char)*s & 0xc0) == 0x80)
			s++;
		n--;
	}
	return s;
}

void cli_add_clean(struct buf *b, const char *s)
{
	bool utf8 = str_is_utf8(s, strlen(s));

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		/* 0xc2 0x80-0x9f are control characters as well. */
		bool c1 = c == 0xc2 && (unsigned char)s[1] >= 0x80 && (unsigned char)s[1] < 0xa0;
		buf_addc(b, c < 0x20 || c == 0x7f || c1 || (c >= 0x80 && !utf8) ? '?' : (char)c);
		if (c1)
			s++;
	}
}

void table_column(struct table *t, const char *title, int align)
{
	must(t->n_columns < TABLE_MAX_COLUMNS);
	t->columns[t->n_columns].title = title;
	t->columns[t->n_columns++].align = align;
}

void table_cell(struct table *t, const char *text)
{
	struct buf b = {0};

	cli_add_clean(&b, str_empty(text) ? "-" : text);
	vec_push(&t->cells, buf_take(&b));
}

void table_cellf(struct table *t, const char *fmt, ...)
{
	mz_autofree char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	table_cell(t, text);
}

static void fit(const struct table *t, size_t width, size_t *w)
{
	size_t total = 0;

	for (size_t c = 0; c < t->n_columns; c++) {
		w[c] = columns_of(t->columns[c].title);
		for (size_t i = c; i < t->cells.n; i += t->n_columns)
			w[c] = MZ_MAX(w[c], columns_of(t->cells.v[i]));
		total += w[c] + (c ? GAP : 0);
	}
	while (width != TABLE_UNLIMITED && total > width) {
		size_t widest = 0;
		for (size_t c = 1; c < t->n_columns; c++)
			if (w[c] > w[widest])
				widest = c;
		if (w[widest] <= MIN_COLUMN)
			return;
		w[widest]--;
		total--;
	}
}

static void print_cell(const char *s, size_t width, int align, bool last, FILE *out)
{
	size_t n = columns_of(s), pad;

	if (n > width && align == COL_ID) {
		fprintf(out, "\xe2\x80\xa6%s", skip(s, n - width + 1));
		n = width;
	} else if (n > width) {
		fwrite(s, 1, (size_t)(skip(s, width - 1) - s), out);
		fputs("\xe2\x80\xa6", out);
		n = width;
	} else {
		pad = width - n;
		while (align == COL_RIGHT && pad--)
			fputc(' ', out);
		fputs(s, out);
		if (align == COL_RIGHT)
			n = width;
	}
	for (; !last && n < width; n++)
		fputc(' ', out);
}

static void print_row(const struct table *t, char *const *cells, const size_t *w, FILE *out)
{
	for (size_t c = 0; c < t->n_columns; c++) {
		if (c)
			fputs("  ", out);
		print_cell(cells ? cells[c] : t->columns[c].title, w[c],
			   cells || t->columns[c].align == COL_RIGHT ? t->columns[c].align : COL_LEFT,
			   c + 1 == t->n_columns, out);
	}
	fputc('\n', out);
}

void table_print(const struct table *t, size_t width, FILE *out)
{
	size_t w[TABLE_MAX_COLUMNS] = {0};

	must(t->n_columns && t->cells.n % t->n_columns == 0);
	fit(t, width, w);
	print_row(t, NULL, w, out);
	for (size_t i = 0; i < t->cells.n; i += t->n_columns)
		print_row(t, t->cells.v + i, w, out);
}

void table_done(struct table *t)
{
	for (size_t i = 0; i < t->cells.n; i++)
		free(t->cells.v[i]);
	vec_done(&t->cells);
}

size_t cli_width(const struct cli *c)
{
	struct winsize ws;
	int64_t columns;

	if (cli_flag(c, "wide") || !isatty(STDOUT_FILENO))
		return TABLE_UNLIMITED;
	if (getenv("COLUMNS") && str_to_i64(getenv("COLUMNS"), &columns) == 0 && columns > 0)
		return (size_t)columns;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0)
		return ws.ws_col;
	return 80;
}
