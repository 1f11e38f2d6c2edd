/* SPDX-License-Identifier: ISC */
/*
 * The pure parts of the ctl programs' client: paths and lines.
 */
#include "common/ctl_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
assert_path(const char *segment, const char *expected)
{
	char *path;

	path = ctl_path("/a/", segment, "/b");
	assert_string_equal(path, expected);
	free(path);
}

static void
test_paths(void **state)
{
	(void)state;
	assert_path("head-office_2", "/a/head-office_2/b");
	assert_path("", "/a//b");
	assert_path("..", "/a/%2E%2E/b");
	assert_path("../x?y#z", "/a/%2E%2E%2Fx%3Fy%23z/b");
	assert_path("%41 \r\n", "/a/%2541%20%0D%0A/b");
	assert_path("\xc3\xbc\xff", "/a/%C3%BC%FF/b");
}

struct lines {
	char text[256];
	size_t n;
	size_t longest;
	size_t stop_at; /* 0: never */
};

static int
take(void *arg, const char *text, size_t len)
{
	struct lines *lines = arg;

	if (len > lines->longest)
		lines->longest = len;
	if (len < 16) {
		strncat(lines->text, text, len);
		strcat(lines->text, "|");
	}
	return ++lines->n == lines->stop_at ? -1 : 0;
}

static void
test_lines_in_any_pieces(void **state)
{
	static const char text[] = "one\ntwo\n\nfour\nfi";
	size_t at, piece;

	(void)state;
	for (piece = 1; piece <= sizeof(text); piece++) {
		struct line_splitter splitter = { 0 };
		struct lines lines = { 0 };

		for (at = 0; at < strlen(text); at += piece)
			assert_int_equal(line_splitter_add(&splitter, text + at,
					     strlen(text) - at < piece ? strlen(text) - at : piece,
					     take, &lines),
			    0);
		assert_string_equal(lines.text, "one|two||four|");
		assert_int_equal(splitter.len, 2);
		free(splitter.data);
	}
}

static void
test_the_longest_line(void **state)
{
	struct line_splitter splitter = { 0 };
	struct lines lines = { 0 };
	char *text;

	(void)state;
	assert_non_null(text = malloc(CTL_LINE_MAX + 2));
	memset(text, 'x', CTL_LINE_MAX + 2);
	text[CTL_LINE_MAX] = '\n';
	assert_int_equal(line_splitter_add(&splitter, text, CTL_LINE_MAX + 1, take, &lines), 0);
	assert_int_equal(lines.longest, CTL_LINE_MAX);
	/* One more, whole and in pieces. */
	text[CTL_LINE_MAX] = 'x';
	assert_int_equal(line_splitter_add(&splitter, text, CTL_LINE_MAX + 1, take, &lines), -1);
	splitter.len = 0;
	assert_int_equal(line_splitter_add(&splitter, text, CTL_LINE_MAX, take, &lines), 0);
	assert_int_equal(line_splitter_add(&splitter, "\n", 1, take, &lines), 0);
	assert_int_equal(line_splitter_add(&splitter, text, CTL_LINE_MAX, take, &lines), 0);
	assert_int_equal(line_splitter_add(&splitter, "x", 1, take, &lines), -1);
	free(splitter.data);
	free(text);
}

static void
test_the_taker_may_stop(void **state)
{
	struct line_splitter splitter = { 0 };
	struct lines lines = { .stop_at = 2 };

	(void)state;
	assert_int_equal(line_splitter_add(&splitter, "a\nb\nc\n", 6, take, &lines), -1);
	assert_string_equal(lines.text, "a|b|");
	free(splitter.data);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_lines_in_any_pieces),
		cmocka_unit_test(test_the_longest_line),
		cmocka_unit_test(test_the_taker_may_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
