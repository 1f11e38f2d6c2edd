/* SPDX-License-Identifier: ISC */
/*
 * Marks, tables and escaped text: see terminal.h.  Prints, and must not read
 * anything: secrets are asked for in secret_input.c.
 */
#include "terminal.h"

#include "wire.h"

#include <err.h>
#include <langinfo.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#define COLUMN_GAP 2

struct table_row {
	char *cells[TERMINAL_COLUMNS_MAX];
};

struct terminal_table {
	size_t columns;
	const char *const *headings;
	struct table_row *rows;
	size_t nrows;
	size_t size;
};

static bool utf8_output;

void
terminal_init(void)
{
	if (setlocale(LC_CTYPE, "") == NULL)
		return;
	utf8_output = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

bool
terminal_utf8(void)
{
	return utf8_output;
}

void
terminal_set_utf8(bool utf8)
{
	utf8_output = utf8;
}

const char *
terminal_mark(bool good)
{
	if (utf8_output)
		return good ? "\xe2\x9c\x93" : "\xe2\x9c\x97";
	return good ? "ok" : "FAILED";
}

/* Bytes of the well-formed UTF-8 character at p, 0 when there is none. */
static size_t
decode(const unsigned char *p, uint32_t *code)
{
	size_t i, len;

	if (p[0] < 0x80) {
		*code = p[0];
		return 1;
	}
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		len = 2;
		*code = p[0] & 0x1fU;
	} else if ((p[0] & 0xf0) == 0xe0) {
		len = 3;
		*code = p[0] & 0x0fU;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		len = 4;
		*code = p[0] & 0x07U;
	} else
		return 0;
	/* A NUL is no continuation byte, so this never reads past the end. */
	for (i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (p[i] & 0x3fU);
	}
	return utf8_valid(p, len) ? len : 0;
}

/* Characters that act on the terminal or hide instead of being seen. */
static bool
harmless(uint32_t code)
{
	if (code < 0x20 || (code >= 0x7f && code <= 0x9f))
		return false;
	if (code < 0x7f)
		return true;
	if (!utf8_output)
		return false;
	return code != 0xad && code != 0x61c && code != 0x180e &&
	    !(code >= 0x200b && code <= 0x200f) && !(code >= 0x2028 && code <= 0x202e) &&
	    !(code >= 0x2060 && code <= 0x206f) && code != 0xfeff &&
	    !(code >= 0xfff9 && code <= 0xfffb) && !(code >= 0xe0000 && code <= 0xe0fff);
}

char *
terminal_escape(const char *text)
{
	const unsigned char *p;
	char *escaped;
	uint32_t code;
	size_t at, len, room;

	if (text == NULL)
		text = "";
	/* A byte becomes at most 4 characters ("\xNN"), a character of 2 bytes 8 ("\u{NNN}"). */
	room = strlen(text) * 6 + 1;
	if ((escaped = malloc(room)) == NULL)
		err(1, "malloc");
	at = 0;
	for (p = (const unsigned char *)text; *p != '\0'; p += len) {
		if ((len = decode(p, &code)) == 0) {
			len = 1;
			at += (size_t)snprintf(escaped + at, room - at, "\\x%02x", *p);
		} else if (harmless(code)) {
			memcpy(escaped + at, p, len);
			at += len;
		} else if (code == '\n' || code == '\r' || code == '\t') {
			escaped[at++] = '\\';
			escaped[at++] = code == '\n' ? 'n' : code == '\r' ? 'r' : 't';
		} else if (code < 0x80)
			at += (size_t)snprintf(escaped + at, room - at, "\\x%02x", code);
		else
			at += (size_t)snprintf(escaped + at, room - at, "\\u{%x}", code);
	}
	escaped[at] = '\0';
	return escaped;
}

void
terminal_puts(FILE *out, const char *text)
{
	char *escaped;

	escaped = terminal_escape(text);
	fputs(escaped, out);
	free(escaped);
}

size_t
terminal_width(const char *text)
{
	const unsigned char *p;
	uint32_t code;
	size_t len, width;
	int columns;

	width = 0;
	for (p = (const unsigned char *)text; *p != '\0'; p += len) {
		if ((len = decode(p, &code)) == 0) {
			len = 1;
			continue;
		}
		columns = code < 0x80 ? 1 : wcwidth((wchar_t)code);
		width += columns < 0 ? 1 : (size_t)columns;
	}
	return width;
}

struct terminal_table *
terminal_table_new(size_t columns, const char *const headings[])
{
	struct terminal_table *table;

	if (columns == 0 || columns > TERMINAL_COLUMNS_MAX)
		errx(1, "table of %zu columns", columns);
	if ((table = calloc(1, sizeof(*table))) == NULL)
		err(1, "calloc");
	table->columns = columns;
	table->headings = headings;
	return table;
}

void
terminal_table_row(struct terminal_table *table, const char *const cells[])
{
	struct table_row *grown;
	size_t i;

	if (table->nrows == table->size) {
		table->size = table->size == 0 ? 16 : table->size * 2;
		if ((grown = reallocarray(table->rows, table->size, sizeof(*grown))) == NULL)
			err(1, "reallocarray");
		table->rows = grown;
	}
	for (i = 0; i < table->columns; i++)
		table->rows[table->nrows].cells[i] =
		    terminal_escape(cells[i] == NULL || cells[i][0] == '\0' ? "-" : cells[i]);
	table->nrows++;
}

/* No padding behind the last column: long texts there need no wide terminal. */
static void
print_cell(FILE *out, const char *text, size_t width, bool last)
{
	size_t shown;

	fputs(text, out);
	if (last) {
		fputc('\n', out);
		return;
	}
	for (shown = terminal_width(text); shown < width + COLUMN_GAP; shown++)
		fputc(' ', out);
}

static void
print_table(const struct terminal_table *table, FILE *out, bool with_headings)
{
	size_t widths[TERMINAL_COLUMNS_MAX];
	size_t column, row, width;

	for (column = 0; column < table->columns; column++) {
		widths[column] = with_headings ? terminal_width(table->headings[column]) : 0;
		for (row = 0; row < table->nrows; row++) {
			width = terminal_width(table->rows[row].cells[column]);
			if (width > widths[column])
				widths[column] = width;
		}
	}
	for (column = 0; with_headings && column < table->columns; column++)
		print_cell(
		    out, table->headings[column], widths[column], column + 1 == table->columns);
	for (row = 0; row < table->nrows; row++)
		for (column = 0; column < table->columns; column++)
			print_cell(out, table->rows[row].cells[column], widths[column],
			    column + 1 == table->columns);
}

void
terminal_table_print(const struct terminal_table *table, FILE *out)
{
	print_table(table, out, true);
}

void
terminal_table_print_rows(const struct terminal_table *table, FILE *out)
{
	print_table(table, out, false);
}

void
terminal_table_free(struct terminal_table *table)
{
	size_t column, row;

	if (table == NULL)
		return;
	for (row = 0; row < table->nrows; row++)
		for (column = 0; column < table->columns; column++)
			free(table->rows[row].cells[column]);
	free(table->rows);
	free(table);
}
