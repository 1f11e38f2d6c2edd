/* SPDX-License-Identifier: ISC */
/*
 * What the ctl programs show to people and ask of them: marks, tables, text
 * made harmless, secrets typed without echo.
 *
 * Names and error texts come from the network and from Active Directory.  All
 * of them pass terminal_escape() before they reach a terminal, or a name could
 * move the cursor, rewrite lines or answer prompts.  Only for programs that
 * people run; these functions end the program when memory is short.
 */
#ifndef ADC_TERMINAL_H
#define ADC_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Takes the locale of the environment. To be called first. */
void terminal_init(void);
/* Whether the locale's character set is UTF-8; else only ASCII is printed. */
bool terminal_utf8(void);
/* For tests: as if the locale's character set were UTF-8 or not. */
void terminal_set_utf8(bool);

/* "✓" or "✗"; "ok" or "FAILED" where only ASCII can be shown. */
const char *terminal_mark(bool good);

/*
 * The text with everything that is not plain writing as \xNN (bytes that are
 * not UTF-8), \n, \r, \t or \u{NNNN}: C0 and C1 control characters, DEL,
 * line and paragraph separators, marks that turn the direction of writing,
 * invisible format characters and, where the locale is not UTF-8, whatever is not
 * ASCII.  The backslash itself stays single, so that DOMAIN\user stays readable.
 * malloc'ed, never NULL; NULL gives "".
 */
char *terminal_escape(const char *);
/* Prints one text escaped. */
void terminal_puts(FILE *, const char *);

/* Columns that a text takes on the terminal, for text from terminal_escape(). */
size_t terminal_width(const char *);

#define TERMINAL_COLUMNS_MAX 12

struct terminal_table;

/* headings: columns strings in plain ASCII, borrowed for the table's life. */
struct terminal_table *terminal_table_new(size_t columns, const char *const headings[]);
/* Cells are escaped and copied; NULL or "" shows as "-". */
void terminal_table_row(struct terminal_table *, const char *const cells[]);
void terminal_table_print(const struct terminal_table *, FILE *);
/* The same without the line of headings. */
void terminal_table_print_rows(const struct terminal_table *, FILE *);
void terminal_table_free(struct terminal_table *);

/*
 * Reads a secret of at most max bytes: the whole of standard input without one final line
 * feed, or, when standard input is a terminal, a line typed without echo after
 * the prompt.  *secret is for secret_input_free().  Returns 0, or -1 with *why in
 * static words.  Spaces at both ends, quotes and backslashes belong to the secret.
 */
int secret_input(const char *prompt, size_t max, char **secret, size_t *len, const char **why);
/* Wipes and frees. */
void secret_input_free(char *secret, size_t len);
/*
 * The check of secret_input(), in place: cuts one final line feed, refuses more than max
 * bytes, NUL and what is not UTF-8.  bytes[*len] must be writable.
 */
int secret_input_check(char *bytes, size_t *len, size_t max, const char **why);

#endif
