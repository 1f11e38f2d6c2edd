/* SPDX-License-Identifier: ISC */
/*
 * json_read's limits and the strict getters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/json.h"
#include "common/wipe.h"

#include <stdlib.h>
#include <string.h>

static void
refused(const char *text, size_t len, size_t max_len, const char *reason)
{
	const char *why;

	why = NULL;
	assert_null(json_read(text, len, max_len, &why));
	assert_string_equal(why, reason);
	assert_null(json_read(text, len, max_len, NULL));
}

static void
refused_text(const char *text, const char *reason)
{
	refused(text, strlen(text), 4096, reason);
}

static void
accepted_text(const char *text)
{
	json_t *value;

	value = json_read(text, strlen(text), 4096, NULL);
	assert_non_null(value);
	json_decref(value);
}

static void
sizes(void **state)
{
	json_t *value;

	(void)state;
	refused("", 0, 0, "empty");
	refused("", 0, 10, "empty");
	refused("[]", 2, 1, "longer than allowed");
	value = json_read("[]", 2, 2, NULL);
	assert_non_null(value);
	json_decref(value);
	/* The text ends where its length says. */
	value = json_read("[]garbage", 2, 2, NULL);
	assert_non_null(value);
	json_decref(value);
	refused("{\"a\":1}", 6, 100, "ends too early");
	refused("{\"a\":1}}", 8, 100, "followed by something else");
}

static void
only_objects_and_arrays(void **state)
{
	(void)state;
	accepted_text("{}");
	accepted_text(" [1, \"x\", null, true, 1.5, {}] \r\n\t");
	refused_text("1", "not valid JSON");
	refused_text("\"x\"", "not valid JSON");
	refused_text("null", "not valid JSON");
	refused_text("   ", "ends too early");
	refused_text("{\"a\":1,}", "not valid JSON");
	refused_text("{'a':1}", "not valid JSON");
	refused_text("{} {}", "followed by something else");
	refused_text("{} // comment", "followed by something else");
	refused_text("\xef\xbb\xbf{}", "not valid JSON");
	refused_text("{\"a\":\"line\nbreak\"}", "not valid JSON");
}

static void
duplicates(void **state)
{
	(void)state;
	refused_text("{\"a\":1,\"a\":1}", "contains a member twice");
	refused_text("{\"x\":{\"a\":1,\"\\u0061\":2}}", "contains a member twice");
	accepted_text("{\"a\":1,\"A\":1}");
}

static void
nul(void **state)
{
	(void)state;
	refused("{\"a\":\"\0\"}", 9, 100, "contains NUL");
	refused("{}\0", 3, 100, "contains NUL");
	refused("\0{}", 3, 100, "contains NUL");
	refused_text("{\"a\":\"\\u0000\"}", "contains NUL");
	refused_text("{\"a\\u0000b\":1}", "contains NUL");
}

static void
utf8(void **state)
{
	(void)state;
	accepted_text("[\"\xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80\", \"\\ud83d\\ude00\"]");
	refused_text("[\"\xff\"]", "not valid UTF-8");
	refused_text("[\"\xc3\"]", "not valid UTF-8");
	refused_text("[\"\xc0\xaf\"]", "not valid UTF-8");	   /* overlong */
	refused_text("[\"\xed\xa0\x80\"]", "not valid UTF-8");	   /* surrogate */
	refused_text("[\"\xf4\x90\x80\x80\"]", "not valid UTF-8"); /* beyond U+10FFFF */
	refused_text("[\"\x80\"]", "not valid UTF-8");
	refused_text("[\"\\ud83d\"]", "not valid JSON"); /* half a pair */
	refused_text("[\"\\ude00\"]", "not valid JSON");
}

static void
depth(void **state)
{
	char text[2 * JSON_MAX_DEPTH + 3];
	char *deep;
	size_t n;

	(void)state;
	n = JSON_MAX_DEPTH;
	memset(text, '[', n);
	memset(text + n, ']', n);
	text[2 * n] = '\0';
	accepted_text(text);
	memset(text, '[', n + 1);
	memset(text + n + 1, ']', n + 1);
	refused(text, 2 * (n + 1), 4096, "nested too deeply");
	/* Brackets in strings do not count, also behind an escaped quote. */
	accepted_text("[\"[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[[[[[[[[[[[[[[\\\\\"]");
	refused_text("[\"\\\\\",[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "nested too deeply");
	accepted_text("[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]");
	n = 1000000;
	deep = malloc(n);
	assert_non_null(deep);
	memset(deep, '{', n);
	refused(deep, n, n, "nested too deeply");
	memset(deep, ']', n);
	refused(deep, n, n, "not valid JSON");
	free(deep);
}

static void
strings(void **state)
{
	static const char text[] = "{\"s\":\"abc\",\"e\":\"\",\"n\":5,\"u\":\"\xc3\xa4\"}";
	json_t *obj, *array;

	(void)state;
	obj = json_read(text, strlen(text), 100, NULL);
	assert_non_null(obj);
	assert_string_equal(json_get_string(obj, "s", 3, 3), "abc");
	assert_string_equal(json_get_string(obj, "s", 0, 100), "abc");
	assert_null(json_get_string(obj, "s", 4, 100));
	assert_null(json_get_string(obj, "s", 0, 2));
	assert_string_equal(json_get_string(obj, "e", 0, 0), "");
	assert_null(json_get_string(obj, "e", 1, 5));
	assert_null(json_get_string(obj, "n", 0, 5));
	assert_null(json_get_string(obj, "absent", 0, 5));
	assert_null(json_get_string(obj, "u", 1, 1)); /* bytes, not characters */
	assert_non_null(json_get_string(obj, "u", 2, 2));
	array = json_array();
	assert_null(json_get_string(array, "s", 0, 5));
	assert_null(json_get_string(NULL, "s", 0, 5));
	json_decref(array);
	json_decref(obj);
}

static void
integers(void **state)
{
	static const char text[] = "{\"max\":9223372036854775807,\"min\":-9223372036854775808,"
				   "\"zero\":0,\"real\":1.0,\"exp\":1e2,\"s\":\"1\",\"t\":true}";
	json_t *obj;
	int64_t out;

	(void)state;
	obj = json_read(text, strlen(text), 1000, NULL);
	assert_non_null(obj);
	assert_int_equal(json_get_integer(obj, "max", INT64_MIN, INT64_MAX, &out), 0);
	assert_true(out == INT64_MAX);
	assert_int_equal(json_get_integer(obj, "min", INT64_MIN, INT64_MAX, &out), 0);
	assert_true(out == INT64_MIN);
	out = 77;
	assert_int_equal(json_get_integer(obj, "max", 0, INT64_MAX - 1, &out), -1);
	assert_int_equal(json_get_integer(obj, "min", INT64_MIN + 1, 0, &out), -1);
	assert_int_equal(json_get_integer(obj, "zero", 1, 5, &out), -1);
	assert_int_equal(json_get_integer(obj, "zero", -5, -1, &out), -1);
	assert_int_equal(json_get_integer(obj, "real", 0, 5, &out), -1);
	assert_int_equal(json_get_integer(obj, "exp", 0, 500, &out), -1);
	assert_int_equal(json_get_integer(obj, "s", 0, 5, &out), -1);
	assert_int_equal(json_get_integer(obj, "t", 0, 5, &out), -1);
	assert_int_equal(json_get_integer(obj, "absent", 0, 5, &out), -1);
	assert_true(out == 77);
	assert_int_equal(json_get_integer(obj, "zero", 0, 0, &out), 0);
	assert_true(out == 0);
	json_decref(obj);
	refused_text("[9223372036854775808]", "contains a number that is too large");
	refused_text("[-9223372036854775809]", "contains a number that is too large");
	refused_text("[1e400]", "contains a number that is too large");
	refused_text("[01]", "not valid JSON");
}

static void
only_keys(void **state)
{
	static const char *const keys[] = { "a", "b" };
	json_t *obj, *array;

	(void)state;
	obj = json_object();
	array = json_array();
	assert_int_equal(json_only_keys(obj, keys, 2), 0);
	assert_int_equal(json_only_keys(obj, NULL, 0), 0);
	json_object_set_new(obj, "b", json_null());
	assert_int_equal(json_only_keys(obj, keys, 2), 0);
	assert_int_equal(json_only_keys(obj, keys, 1), -1);
	json_object_set_new(obj, "a", json_null());
	assert_int_equal(json_only_keys(obj, keys, 2), 0);
	json_object_set_new(obj, "c", json_null());
	assert_int_equal(json_only_keys(obj, keys, 2), -1);
	assert_int_equal(json_only_keys(array, keys, 2), -1);
	assert_int_equal(json_only_keys(NULL, keys, 2), -1);
	json_decref(array);
	json_decref(obj);
}

static void
allocator(void **state)
{
	uint8_t *block;
	size_t i;

	(void)state;
	block = wiping_realloc(NULL, 10);
	assert_non_null(block);
	memset(block, 7, 10);
	block = wiping_realloc(block, 100000);
	assert_non_null(block);
	for (i = 0; i < 10; i++)
		assert_int_equal(block[i], 7);
	memset(block, 8, 100000);
	block = wiping_realloc(block, 5);
	assert_non_null(block);
	for (i = 0; i < 5; i++)
		assert_int_equal(block[i], 8);
	assert_null(wiping_realloc(block, 0));
	wiping_free(NULL);
	block = wiping_calloc(4, 4);
	assert_non_null(block);
	for (i = 0; i < 16; i++)
		assert_int_equal(block[i], 0);
	wiping_free(block);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(only_objects_and_arrays),
		cmocka_unit_test(duplicates),
		cmocka_unit_test(nul),
		cmocka_unit_test(utf8),
		cmocka_unit_test(depth),
		cmocka_unit_test(strings),
		cmocka_unit_test(integers),
		cmocka_unit_test(only_keys),
		cmocka_unit_test(allocator),
	};

	json_use_wiping_allocator();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
