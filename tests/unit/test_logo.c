/* SPDX-License-Identifier: ISC */
/*
 * Logos as data: URLs.
 */
#include "logo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PNG "\x89PNG\r\n\x1a\n"

static void
assert_url(const char *bytes, size_t len, const char *expected)
{
	const char *why;
	char *url;

	assert_non_null(url = logo_url((const unsigned char *)bytes, len, &why));
	assert_string_equal(url, expected);
	free(url);
}

static void
test_kinds(void **state)
{
	(void)state;
	assert_url(PNG "a", 9, "data:image/png;base64,iVBORw0KGgph");
	assert_url(PNG "ab", 10, "data:image/png;base64,iVBORw0KGgphYg==");
	assert_url(PNG "abc", 11, "data:image/png;base64,iVBORw0KGgphYmM=");
	assert_url("\xff\xd8\xff\xe0", 4, "data:image/jpeg;base64,/9j/4A==");
}

static void
test_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = { { "", 0 }, { PNG, 8 }, { PNG, 7 }, { "\xff\xd8\xff", 3 }, { "GIF89a12", 8 },
		{ "<svg xmlns=''/>", 15 }, { "x" PNG "abc", 12 } };
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		why = NULL;
		assert_null(logo_url((const unsigned char *)cases[i].bytes, cases[i].len, &why));
		assert_non_null(why);
	}
}

static void
test_size(void **state)
{
	unsigned char *bytes;
	const char *why;
	char *url;

	(void)state;
	assert_non_null(bytes = calloc(1, LOGO_BYTES_MAX + 1));
	memcpy(bytes, PNG, 8);
	assert_non_null(url = logo_url(bytes, LOGO_BYTES_MAX, &why));
	/* The hub takes 60,000 bytes. */
	assert_in_range(strlen(url), LOGO_BYTES_MAX / 3 * 4, 60000);
	free(url);
	assert_null(logo_url(bytes, LOGO_BYTES_MAX + 1, &why));
	free(bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
