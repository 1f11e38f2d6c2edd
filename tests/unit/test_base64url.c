/* SPDX-License-Identifier: ISC */
/*
 * base64url: vectors, every length, and that there is one spelling of each value only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base64url.h"

#include <string.h>

static void
vectors(void **state)
{
	/* RFC 4648 section 10 without padding; RFC 7515 appendix C. */
	static const struct {
		const char *plain;
		size_t len;
		const char *text;
	} all[] = {
		{ "", 0, "" },
		{ "f", 1, "Zg" },
		{ "fo", 2, "Zm8" },
		{ "foo", 3, "Zm9v" },
		{ "foob", 4, "Zm9vYg" },
		{ "fooba", 5, "Zm9vYmE" },
		{ "foobar", 6, "Zm9vYmFy" },
		{ "\x03\xec\xff\xe0\xc1", 5, "A-z_4ME" },
	};
	char text[16];
	uint8_t plain[8];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_int_equal(base64url_encode(text, sizeof(text), all[i].plain, all[i].len),
		    strlen(all[i].text));
		assert_string_equal(text, all[i].text);
		assert_int_equal(
		    base64url_decode(plain, sizeof(plain), all[i].text, strlen(all[i].text)),
		    (ssize_t)all[i].len);
		assert_memory_equal(plain, all[i].plain, all[i].len);
	}
}

static void
every_length_comes_back(void **state)
{
	uint8_t plain[300], back[300];
	char text[BASE64URL_SIZE(sizeof(plain))];
	size_t len, i;

	(void)state;
	for (i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i * 151 + i / 7);
	for (len = 0; len <= sizeof(plain); len++) {
		assert_int_equal(
		    base64url_encode(text, BASE64URL_SIZE(len), plain, len), BASE64URL_LENGTH(len));
		assert_int_equal(strlen(text), BASE64URL_LENGTH(len));
		assert_int_equal(BASE64URL_DECODED_SIZE(strlen(text)), len);
		assert_int_equal(base64url_decode(back, len, text, strlen(text)), (ssize_t)len);
		assert_memory_equal(back, plain, len);
	}
}

static void
buffer_sizes(void **state)
{
	char text[8];
	uint8_t plain[4];

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(base64url_encode(text, 0, "foo", 3), 0);
	assert_int_equal(text[0], 'x');
	assert_int_equal(base64url_encode(text, 4, "foo", 3), 0);
	assert_string_equal(text, "");
	assert_int_equal(text[1], 'x');
	assert_int_equal(base64url_encode(text, 5, "foo", 3), 4);
	assert_int_equal(base64url_encode(text, sizeof(text), "foo", SIZE_MAX / 2), 0);
	assert_int_equal(base64url_decode(plain, 2, "Zm9v", 4), -1);
	assert_int_equal(base64url_decode(plain, 3, "Zm9v", 4), 3);
	assert_int_equal(base64url_decode(plain, 0, "", 0), 0);
	assert_int_equal(base64url_decode(plain, 0, "Zg", 2), -1);
}

static void
other_spellings_are_refused(void **state)
{
	static const char *const bad[] = {
		"Z",
		"Zm9vZ", /* a length that no bytes have */
		"Zg==",
		"Zm8=",
		"Zg=",
		"=", /* padding */
		"Zh",
		"Zv",
		"Zm9",
		"Zm-", /* trailing bits that are not zero */
		" Zg",
		"Zg ",
		"Z g",
		"Zm9v\n", /* white space */
		"A+z/4ME",
		"Zm9v.Zg",
		"Zm9v\xc3\xa4",
		"Zm,v",
		"Zm@v",
		"Zm[v",
		"Zm`v",
		"Zm{v",
		"Zm:v",
		"Zm/v",
		"Zm^v",
	};
	uint8_t plain[16];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
		    base64url_decode(plain, sizeof(plain), bad[i], strlen(bad[i])), -1);
	assert_int_equal(base64url_decode(plain, sizeof(plain), "Zm\0v", 4), -1);
	assert_int_equal(base64url_decode(plain, sizeof(plain), "\0\0", 2), -1);
}

static void
only_64_characters_decode(void **state)
{
	char text[4];
	uint8_t plain[3];
	int c, accepted;

	(void)state;
	accepted = 0;
	for (c = 0; c < 256; c++) {
		memset(text, 'A', sizeof(text));
		text[2] = (char)c;
		if (base64url_decode(plain, sizeof(plain), text, sizeof(text)) == 3)
			accepted++;
	}
	assert_int_equal(accepted, 64);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(every_length_comes_back),
		cmocka_unit_test(buffer_sizes),
		cmocka_unit_test(other_spellings_are_refused),
		cmocka_unit_test(only_64_characters_decode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
