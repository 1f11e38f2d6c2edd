/* SPDX-License-Identifier: ISC */
/*
 * Text made harmless, tables, and the check of secrets: what a hostile name
 * could do to a terminal, and what a password must survive.
 */
#include "common/terminal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
assert_escaped(const char *text, const char *expected)
{
	char *escaped;

	escaped = terminal_escape(text);
	assert_string_equal(escaped, expected);
	free(escaped);
}

static void
test_plain_text_stays(void **state)
{
	(void)state;
	terminal_set_utf8(true);
	assert_escaped(NULL, "");
	assert_escaped("", "");
	assert_escaped("EXAMPLE\\alice ~!\"'", "EXAMPLE\\alice ~!\"'");
	assert_escaped("B\xc3\xbcro \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x94\x91",
	    "B\xc3\xbcro \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x94\x91");
}

static void
test_controls_are_escaped(void **state)
{
	(void)state;
	terminal_set_utf8(true);
	assert_escaped("\x1b[2J\a\b", "\\x1b[2J\\x07\\x08");
	assert_escaped("a\r\n\tb", "a\\r\\n\\tb");
	assert_escaped("\x7f", "\\x7f");
	/* U+0080 to U+009F: CSI and the like in one character. */
	assert_escaped("\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0", "\\u{80}\\u{9b}\\u{9f}\xc2\xa0");
}

static void
test_what_hides_or_turns_text_is_escaped(void **state)
{
	(void)state;
	terminal_set_utf8(true);
	assert_escaped("\xe2\x80\xae", "\\u{202e}");	  /* right to left override */
	assert_escaped("\xe2\x80\x8b", "\\u{200b}");	  /* zero width space */
	assert_escaped("\xe2\x80\xa8", "\\u{2028}");	  /* line separator */
	assert_escaped("\xe2\x81\xa6", "\\u{2066}");	  /* isolate */
	assert_escaped("\xef\xbb\xbf", "\\u{feff}");	  /* byte order mark */
	assert_escaped("\xf3\xa0\x81\x81", "\\u{e0041}"); /* tag character */
	assert_escaped("\xc2\xad", "\\u{ad}");		  /* soft hyphen */
	/* Their neighbours are writing. */
	assert_escaped("\xe2\x80\x8a\xe2\x80\x90\xe2\x80\xa7\xe2\x80\xaf",
	    "\xe2\x80\x8a\xe2\x80\x90\xe2\x80\xa7\xe2\x80\xaf");
}

static void
test_bad_utf8_is_escaped_byte_by_byte(void **state)
{
	(void)state;
	terminal_set_utf8(true);
	assert_escaped("\xff", "\\xff");
	assert_escaped("a\x80z", "a\\x80z");
	assert_escaped("\xc3", "\\xc3");	  /* cut off */
	assert_escaped("\xe6\x97", "\\xe6\\x97"); /* cut off */
	assert_escaped("\xf0\x9f\x94", "\\xf0\\x9f\\x94");
	assert_escaped("\xc0\x9b", "\\xc0\\x9b"); /* ESC in two bytes */
	assert_escaped("\xe0\x80\x9b", "\\xe0\\x80\\x9b");
	assert_escaped("\xed\xa0\x80", "\\xed\\xa0\\x80");	    /* surrogate */
	assert_escaped("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* over U+10FFFF */
	assert_escaped("\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80");
	assert_escaped("\xc3\xbc\xff\xc3\xbc", "\xc3\xbc\\xff\xc3\xbc");
}

static void
test_without_utf8_all_is_ascii(void **state)
{
	(void)state;
	terminal_set_utf8(false);
	assert_escaped("B\xc3\xbcro", "B\\u{fc}ro");
	assert_escaped("\xf4\x8f\xbf\xbf", "\\u{10ffff}");
	assert_escaped("\xf0\x9f\x94\x91", "\\u{1f511}");
	assert_string_equal(terminal_mark(true), "ok");
	assert_string_equal(terminal_mark(false), "FAILED");
	terminal_set_utf8(true);
	assert_string_equal(terminal_mark(true), "\xe2\x9c\x93");
}

/* The longest escape for each length of character fits the room that was taken. */
static void
test_long_text_of_the_worst_kind(void **state)
{
	static const char *const worst[] = { "\x01", "\xff", "\xdf\xbf", "\xef\xbf\xbf",
		"\xf4\x8f\xbf\xbf" };
	char text[4 * 1000 + 1];
	char *escaped;
	size_t i, n;

	(void)state;
	terminal_set_utf8(false);
	for (i = 0; i < sizeof(worst) / sizeof(worst[0]); i++) {
		text[0] = '\0';
		for (n = 0; n < 1000; n++)
			memcpy(text + n * strlen(worst[i]), worst[i], strlen(worst[i]) + 1);
		escaped = terminal_escape(text);
		for (n = 0; escaped[n] != '\0'; n++)
			assert_in_range(escaped[n], 0x20, 0x7e);
		free(escaped);
	}
}

static void
test_table(void **state)
{
	static const char *const headings[] = { "NAME", "STATE" };
	static const char *const rows[][2] = { { "alice", "ok" }, { NULL, "" },
		{ "\x1b[1m", "x\ny" } };
	struct terminal_table *table;
	char *text;
	size_t i, len;
	FILE *out;

	(void)state;
	terminal_set_utf8(true);
	table = terminal_table_new(2, headings);
	for (i = 0; i < 3; i++)
		terminal_table_row(table, rows[i]);
	assert_non_null(out = open_memstream(&text, &len));
	terminal_table_print(table, out);
	fputs("--\n", out);
	terminal_table_print_rows(table, out);
	fclose(out);
	assert_string_equal(text,
	    "NAME     STATE\nalice    ok\n-        -\n\\x1b[1m  x\\ny\n"
	    "--\nalice    ok\n-        -\n\\x1b[1m  x\\ny\n");
	free(text);
	terminal_table_free(table);
	terminal_table_free(NULL);
}

static void
test_table_of_many_rows(void **state)
{
	static const char *const headings[] = { "N" };
	const char *cell = "x";
	struct terminal_table *table;
	char *text;
	size_t i, len;
	FILE *out;

	(void)state;
	table = terminal_table_new(1, headings);
	for (i = 0; i < 1000; i++)
		terminal_table_row(table, &cell);
	assert_non_null(out = open_memstream(&text, &len));
	terminal_table_print(table, out);
	fclose(out);
	assert_int_equal(len, 2 * 1001);
	free(text);
	terminal_table_free(table);
}

/* Runs the check on a copy with exactly the room that it may use. */
static int
check(const char *bytes, size_t len, size_t max, char **out, size_t *out_len)
{
	const char *why = NULL;
	int result;

	assert_non_null(*out = malloc(len + 1));
	memcpy(*out, bytes, len);
	(*out)[len] = 'X';
	*out_len = len;
	result = secret_input_check(*out, out_len, max, &why);
	assert_true((result == 0) == (why == NULL));
	return result;
}

static void
assert_secret(const char *bytes, size_t len, size_t max, const char *expected)
{
	char *out;
	size_t out_len;

	assert_int_equal(check(bytes, len, max, &out, &out_len), 0);
	assert_int_equal(out_len, strlen(expected));
	assert_string_equal(out, expected);
	free(out);
}

static void
assert_no_secret(const char *bytes, size_t len, size_t max)
{
	char *out;
	size_t out_len;

	assert_int_equal(check(bytes, len, max, &out, &out_len), -1);
	free(out);
}

static void
test_secrets_are_kept_as_they_are(void **state)
{
	(void)state;
	assert_secret("", 0, 8, "");
	assert_secret("\n", 1, 8, "");
	assert_secret("x", 1, 8, "x");
	assert_secret(" x \n", 4, 8, " x ");
	assert_secret("x\n\n", 3, 8, "x\n");
	assert_secret("x\r\n", 3, 8, "x\r");
	assert_secret("\xc3\xbc\"\\'", 5, 8, "\xc3\xbc\"\\'");
	assert_secret("12345678", 8, 8, "12345678");
	assert_secret("12345678\n", 9, 8, "12345678");
}

static void
test_secrets_that_are_refused(void **state)
{
	(void)state;
	assert_no_secret("123456789", 9, 8);
	assert_no_secret("12345678\n\n", 10, 8);
	assert_no_secret("a\0b", 3, 8);
	assert_no_secret("\0", 1, 8);
	assert_no_secret("a\0\n", 3, 8);
	assert_no_secret("\xff", 1, 8);
	assert_no_secret("\xc3\n", 2, 8);
	assert_no_secret("\xed\xa0\x80", 3, 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_text_stays),
		cmocka_unit_test(test_controls_are_escaped),
		cmocka_unit_test(test_what_hides_or_turns_text_is_escaped),
		cmocka_unit_test(test_bad_utf8_is_escaped_byte_by_byte),
		cmocka_unit_test(test_without_utf8_all_is_ascii),
		cmocka_unit_test(test_long_text_of_the_worst_kind),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_of_many_rows),
		cmocka_unit_test(test_secrets_are_kept_as_they_are),
		cmocka_unit_test(test_secrets_that_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
