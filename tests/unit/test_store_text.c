/* SPDX-License-Identifier: ISC */
/*
 * Names, logos, times and hidden names, at their edges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/hub/store/audit.h"
#include "../../src/hub/store/text.h"
#include "common/wire.h"

static void
identifiers(void **state)
{
	static const char *const good[] = { "a", "0", "a-", "0-9", "acme-ad-1" };
	static const char *const bad[] = { "", "-", "-a", "A", "a b", "a.b", "a_b", "a/b",
		"\xc3\xa4", "a\n", "a'" };
	char longest[66];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(identifier_valid(good[i]));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(identifier_valid(bad[i]));
	memset(longest, 'a', sizeof(longest));
	longest[63] = '\0';
	assert_true(identifier_valid(longest));
	longest[63] = 'a';
	longest[64] = '\0';
	assert_false(identifier_valid(longest));
}

static void
printable(void **state)
{
	static const char *const good[] = { "", "Acme", "Z\xc3\xbcrich", "\xe5\x8c\x97\xe4\xba\xac",
		"\xf0\x9f\x98\x80",
		"a\xe2\x80\x8c"
		"b",
		"a\xc2\xa0"
		"b" };
	static const char *const bad[] = { "\n", "\x7f", "\xc2\x80", "\xc2\x9f", "\xc2\xad",
		"\xe2\x80\x8b", "\xe2\x80\x8e", "\xe2\x80\xa8", "\xe2\x80\xae", "\xe2\x81\xa6",
		"\xef\xbb\xbf", "\xef\xbf\xbe", "\xf3\xa0\x80\x81", "cut\xe2\x80", "\x80", "\xff",
		"\xc1\xa1", "\xed\xa0\x80" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(text_printable(good[i]));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(text_printable(bad[i]));
}

/* Whatever goes in, and wherever it is cut, what comes out is UTF-8 and fits. */
static void
cut_anywhere(void **state)
{
	static const char *const texts[] = { "plain", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 end",
		"\x1b[31m\xe2\x80\xae", "\xe2\x80", "\xf0\x9f", "\xff\xfe\x80:\xc3",
		"\xf0:::", "\x80\x8b\xa6", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"\xf8\x88\x80\x80\x80", "" };
	char dst[64];
	size_t i, size;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (size = 1; size < sizeof(dst); size++) {
			memset(dst, 'x', sizeof(dst));
			text_clip(dst, size, texts[i]);
			assert_true(strlen(dst) < size);
			assert_true(utf8_valid(dst, strlen(dst)));
			assert_int_equal(dst[size], 'x');
			memset(dst, 'x', sizeof(dst));
			text_clean(dst, size, texts[i]);
			assert_true(strlen(dst) < size);
			assert_true(utf8_valid(dst, strlen(dst)) && text_printable(dst));
			assert_int_equal(dst[size], 'x');
		}
	}
	text_clip(dst, 4, "a\xe2\x82\xac");
	assert_string_equal(dst, "a");
	text_clip(dst, 5, "a\xe2\x82\xac");
	assert_string_equal(dst, "a\xe2\x82\xac");
	text_clean(dst, sizeof(dst),
	    "a\x1b\xe2\x80\xae"
	    "b\n");
	assert_string_equal(dst, "a??b?");
	/* In place. */
	snprintf(dst, sizeof(dst), "%s", "x\xe2\x80\xaey\xc3");
	text_clean(dst, sizeof(dst), dst);
	assert_string_equal(dst, "x?y?");
}

static void
logos(void **state)
{
	static const char *const good[] = { "data:image/png;base64,iVBORw0KGgoA",
		"data:image/png;base64,iVBORw0KGgoAAA==", "data:image/jpeg;base64,/9j/AAA=" };
	static const char *const bad[] = { "", "data:", "data:image/png;base64,",
		"data:image/png;base64,iVBORw0KGgo", "data:image/png;base64,iVBORw0KGgo=A",
		"data:image/png;base64,iVBORw0KGgoA\n",
		"data:image/png;base64,iVBORw0KGg===", "data:image/png;base64,/9j/AAAA",
		"data:image/jpeg;base64,iVBORw0KGgoA", "data:image/svg+xml;base64,AAAA",
		"data:image/svg+xml,<svg/>", "data:image/gif;base64,AAAA",
		"https://example.com/a.png", "javascript:alert(1)",
		"DATA:image/png;base64,iVBORw0KGgoA",
		"data:image/png;base64,iVBORw0KGgoA\"onload=" };
	static const char prefix[] = "data:image/png;base64,iVBORw0KGgoA";
	char *large;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_null(logo_refused(good[i]));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(logo_refused(bad[i]));
	large = malloc(LOGO_MAX + 8);
	assert_non_null(large);
	memset(large, 'A', LOGO_MAX + 8);
	memcpy(large, prefix, sizeof(prefix) - 1);
	/* The base64 part begins at 22, so that LOGO_MAX - 2 bytes are whole groups. */
	large[LOGO_MAX - 2] = '\0';
	assert_null(logo_refused(large));
	large[LOGO_MAX - 2] = 'A';
	large[LOGO_MAX + 2] = '\0';
	assert_non_null(strstr(logo_refused(large), "64 KiB"));
	free(large);
}

static void
times(void **state)
{
	char text[TEXT_TIME_SIZE];

	(void)state;
	text_time(text, 0, false);
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
	text_time(text, 1767225600007LL, false);
	assert_string_equal(text, "2026-01-01T00:00:00.007Z");
	text_time(text, 1767225600999LL, true);
	assert_string_equal(text, "2026-01-01T00:00:00Z");
	text_time(text, 253402300799999LL, false);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
	text_time(text, 253402300800000LL, false);
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
	text_time(text, INT64_MIN, false);
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
	text_time(text, INT64_MAX, true);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
}

static void
hidden_names(void **state)
{
	static const struct {
		const char *name, *begin;
	} names[] = { { "", "" }, { "a", "a" }, { "ab", "ab" }, { "abc", "ab" },
		{ "Tr0ub4dor", "Tr" }, { "1abc", "" }, { "a1bc", "a" }, { " ab", "" },
		{ "\xc3\xa4\xc3\xb6x", "\xc3\xa4\xc3\xb6" },
		{ "\xe5\xaf\x86\xe7\xa0\x81\xe5\xaf\x86", "\xe5\xaf\x86\xe7\xa0\x81" },
		{ "\xe2\x80\xae"
		  "ab",
		    "" },
		{ "\xf0\x9f\x98\x80", "" }, { "\xc2\xa0", "" } };
	uint8_t key[DIGEST_SIZE] = { 1 }, other[DIGEST_SIZE] = { 2 };
	char masked[AUDIT_MASKED_SIZE], again[AUDIT_MASKED_SIZE];
	size_t i, len;

	(void)state;
	digest_warm_up();
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		audit_mask_name(key, names[i].name, masked);
		len = strlen(names[i].begin);
		assert_memory_equal(masked, names[i].begin, len);
		assert_memory_equal(masked + len, "\xe2\x80\xa6", 3);
		assert_int_equal(strlen(masked), len + 3 + 16);
		assert_true(utf8_valid(masked, strlen(masked)));
		audit_mask_name(key, names[i].name, again);
		assert_string_equal(masked, again);
		audit_mask_name(other, names[i].name, again);
		assert_string_not_equal(masked, again);
	}
	/* HMAC-SHA-256 by another hand: key 01 and 31 zero bytes, "abc", first 12 bytes. */
	audit_mask_name(key, "abc", masked);
	assert_string_equal(masked,
	    "ab\xe2\x80\xa6"
	    "31WZj5_DPXismdHY");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identifiers),
		cmocka_unit_test(printable),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(logos),
		cmocka_unit_test(times),
		cmocka_unit_test(hidden_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
