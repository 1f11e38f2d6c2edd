/* SPDX-License-Identifier: ISC */
/*
 * json_read's limits, the strict getters, and what is written without a tree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/json.h"
#include "common/json_text.h"
#include "common/wipe.h"

#include "allocations.h"
#include "random.h"

#include <errno.h>
#include <stdio.h>
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
	refused_text("{\"a\":1,\"b\":{},\"a\":{\"a\":1}}", "contains a member twice");
	refused_text("{\"a\":null,\"a\":null}", "contains a member twice");
	accepted_text("{\"a\":1,\"A\":1}");
	accepted_text("{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1}}");
}

/* Names wait while what they name is read: at every depth, of every length, with no byte over. */
static void
names_of_names(void **state)
{
	static const struct {
		const char *text, *wrong; /* NULL: read */
	} leaves[] = {
		{ "{}", NULL },
		{ "[]", NULL },
		{ "\"\"", NULL },
		{ "\"leaf\"", NULL },
		{ "0", NULL },
		{ "-1.5e10", NULL },
		{ "true", NULL },
		{ "[{\"a\":[\"x\",{\"\":\"y\"}]},\"z\",1]", NULL },
		{ "{\"\\u0061\\\"\":\"\\ud83d\\ude00\",\"b\":\"\"}", NULL },
		{ "{\"a\":1,\"b\":2,\"a\":3}", "contains a member twice" },
		{ "1e999", "contains a number that is too large" },
	};
	const size_t max = (size_t)JSON_MAX_DEPTH * 64;
	char name[40], *text, *exact;
	const json_t *inner;
	json_t *object;
	const char *why;
	size_t depth, length, leaf, at, i;

	(void)state;
	assert_non_null(text = malloc(max));
	for (depth = 1; depth <= JSON_MAX_DEPTH - 4; depth++)
		for (length = 0; length < sizeof(name); length += 1 + length / 4)
			for (leaf = 0; leaf < sizeof(leaves) / sizeof(leaves[0]); leaf++) {
				for (at = i = 0; i < depth; i++) {
					memset(name, 'a' + (int)i, length);
					at += (size_t)snprintf(
					    text + at, max - at, "{\"%.*s\":", (int)length, name);
				}
				at +=
				    (size_t)snprintf(text + at, max - at, "%s", leaves[leaf].text);
				memset(text + at, '}', depth);
				at += depth;
				assert_true(at < max);
				/* Nothing behind the text that may be read. */
				assert_non_null(exact = malloc(at));
				memcpy(exact, text, at);
				why = NULL;
				object = json_read(exact, at, at, &why);
				free(exact);
				if (leaves[leaf].wrong != NULL) {
					assert_null(object);
					assert_string_equal(why, leaves[leaf].wrong);
					continue;
				}
				for (inner = object, i = 0; i < depth; i++) {
					assert_int_equal(json_object_size(inner), 1);
					memset(name, 'a' + (int)i, length);
					inner = json_object_getn(inner, name, length);
				}
				assert_non_null(inner);
				json_decref(object);
			}
	free(text);
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

/* An array of n empty objects, behind which a value more stands if asked for. */
static char *
empty_objects(size_t n, const char *more, size_t *len)
{
	char *text;
	size_t i;

	*len = n * 3 + strlen(more) + 1;
	text = malloc(*len);
	assert_non_null(text);
	text[0] = '[';
	for (i = 0; i < n; i++)
		memcpy(text + 1 + 3 * i, "{},", 3);
	memcpy(text + 3 * n, more, strlen(more));
	text[*len - 1] = ']';
	return text;
}

static void
values(void **state)
{
	json_t *value;
	char *text;
	size_t len;

	(void)state;
	/* Counted are one, the array, each object and each comma. */
	text = empty_objects(JSON_MAX_VALUES / 2 - 1, ",1", &len);
	value = json_read(text, len, len, NULL);
	assert_int_equal(json_array_size(value), JSON_MAX_VALUES / 2);
	json_decref(value);
	free(text);
	text = empty_objects(JSON_MAX_VALUES / 2 - 1, ",[]", &len);
	refused(text, len, len, "made of too many values");
	free(text);
	/* In a string they are none. */
	text = malloc(len = 2 * JSON_MAX_VALUES);
	assert_non_null(text);
	memset(text, ',', len);
	memcpy(text, "[\"", 2);
	memcpy(text + len - 2, "\"]", 2);
	value = json_read(text, len, len, NULL);
	assert_non_null(value);
	json_decref(value);
	free(text);
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

/* Written without a tree it must be what jansson writes, byte for byte. */
static void
written_as_by_jansson(void **state)
{
	static const char umlaut[] = "\xc3\xa4/\xf0\x9f\x94\x91";
	struct json_text t = { 0 };
	char all[127], *text, *expected;
	json_t *tree;
	size_t i, len = 0;

	(void)state;
	for (i = 0; i < sizeof(all); i++)
		all[i] = (char)(i + 1);
	tree = json_pack("{s:s%, s:s, s:n, s:b, s:b, s:[s%, {}, []], s:{s:s}, s:s}", "all", all,
	    sizeof(all), "umlaut", umlaut, "none", "yes", 1, "no", 0, "list", "a", (size_t)1,
	    "object", "quote", "\"\\", "last", "");
	assert_non_null(tree);
	assert_non_null(expected = json_dumps(tree, JSON_COMPACT));
	json_decref(tree);

	json_text_open(&t, NULL, '{');
	json_text_bytes(&t, "all", all, sizeof(all));
	json_text_string(&t, "umlaut", umlaut);
	json_text_string(&t, "none", NULL);
	json_text_boolean(&t, "yes", true);
	json_text_boolean(&t, "no", false);
	json_text_open(&t, "list", '[');
	json_text_string(&t, NULL, "a");
	json_text_open(&t, NULL, '{');
	json_text_close(&t, '}');
	json_text_open(&t, NULL, '[');
	json_text_close(&t, ']');
	json_text_close(&t, ']');
	json_text_open(&t, "object", '{');
	json_text_string(&t, "quote", "\"\\");
	json_text_close(&t, '}');
	json_text_string(&t, "last", "");
	json_text_close(&t, '}');
	assert_non_null(text = json_text_end(&t, &len));
	assert_string_equal(text, expected);
	assert_int_equal(len, strlen(expected));
	wiping_free(text);
	wiping_free(expected);
}

static void
written_long(void **state)
{
	struct json_text t = { 0 };
	char line[777], *text;
	json_t *list;
	size_t i, len = 0;

	(void)state;
	memset(line, '\n', sizeof(line));
	json_text_open(&t, NULL, '[');
	for (i = 0; i < 100; i++)
		json_text_bytes(&t, NULL, line, i * 7);
	json_text_close(&t, ']');
	assert_non_null(text = json_text_end(&t, &len));
	assert_non_null(list = json_read(text, len, len, NULL));
	assert_int_equal(json_array_size(list), 100);
	for (i = 0; i < 100; i++)
		assert_int_equal(json_string_length(json_array_get(list, i)), i * 7);
	json_decref(list);
	wiping_free(text);
}

static void
not_written(void **state)
{
	struct json_text t = { 0 };

	(void)state;
	json_text_open(&t, NULL, '[');
	json_text_bytes(&t, NULL, "a\xff", 2);
	json_text_string(&t, NULL, "b");
	json_text_close(&t, ']');
	assert_null(json_text_end(&t, NULL));
	/* As at first. */
	json_text_string(&t, NULL, "c");
	assert_non_null(t.text);
	wiping_free(json_text_end(&t, NULL));
}

/* Texts with faults made by chance are taken and refused as by jansson's own reader. */
static void
read_as_by_jansson(void **state)
{
	static const char *const seeds[] = {
		"{\"a\":[1,-2,0,-0,3.5e+10,1E-400,0.25],\"b\":{\"\\u00e4\\ud83d\\ude00\":null,"
		"\"c\":true}}",
		"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u007F\\u07ff\\uFFFF\",false,[[],{}]] \r\n\t",
		"[9223372036854775807,-9223372036854775808,1.7976931348623157e308,"
		"\"\xc3\xa4\xf0\x9f\x98\x80\"]",
	};
	static const char pieces[] =
	    "{}[]:,\"\\/u0123456789abcdefABCDEF+-.eEtrnls \t\n\x7f\x80\xc3\xff";
	char text[160];
	json_t *ours, *theirs;
	size_t len, at;
	int round, faults;

	(void)state;
	random_start();
	for (round = 0; round < 60000; round++) {
		len = strlen(seeds[round % 3]);
		memcpy(text, seeds[round % 3], len);
		for (faults = round % 4; faults > 0; faults--) {
			at = random_below((uint32_t)len);
			if (random_below(3) == 0)
				memmove(text + at, text + at + 1, --len - at);
			else
				text[at] = pieces[random_below(sizeof(pieces) - 1)];
		}
		ours = json_read(text, len, len, NULL);
		theirs = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
		if (!(ours == NULL && theirs == NULL) && !json_equal(ours, theirs))
			fail_msg("seed %u: %.*s", random_seed(), (int)len, text);
		json_decref(ours);
		json_decref(theirs);
	}
}

/*
 * Names, strings and numbers over the sizes at which jansson's buffer for a piece of text grows,
 * with their last byte on each of them: it goes on reading when that could not be kept.
 */
static bool
read_without_memory(void *arg)
{
	const char *text = arg, *why = NULL;
	json_t *value;

	errno = 0;
	value = json_read(text, strlen(text), 4096, &why);
	if (value == NULL) {
		assert_int_equal(errno, ENOMEM);
		assert_string_equal(why, "out of memory");
		return false;
	}
	/* What was read is what is there. */
	assert_int_equal(json_integer_value(json_array_get(value, 0)), 123456789012345678);
	assert_int_equal(
	    json_string_length(json_array_get(value, 1)), strchr(text + 21, '"') - text - 21);
	json_decref(value);
	return true;
}

static void
want_of_memory(void **state)
{
	static const size_t lengths[] = { 0, 1, 13, 14, 15, 29, 30, 31, 62, 126, 127 };
	char text[512], name[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(name, 'x', lengths[i]);
		name[lengths[i]] = '\0';
		snprintf(text, sizeof(text),
		    "[123456789012345678,\"%s\",{\"%s\":[true,null,12345678.90123456789],"
		    "\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8}]",
		    name, name);
		allocations_fail_each(read_without_memory, text, 0);
	}
}

/* What is wrong with a text is told only when it was read to where it is wrong. */
static bool
refused_without_memory(void *arg)
{
	const char *why = NULL;

	errno = 0;
	assert_null(json_read(arg, strlen(arg), 4096, &why));
	if (errno == ENOMEM) {
		assert_true(allocations_failed());
		assert_string_equal(why, "out of memory");
		return false;
	}
	assert_int_equal(errno, EBADMSG);
	return true;
}

static void
want_of_memory_in_a_wrong_text(void **state)
{
	static char texts[][64] = { "[\"0123456789abcdef0123456789abcdef\\uD800\"]",
		"[\"0123456789abcdef\",]", "{\"0123456789abcdef\":1,\"0123456789abcdef\":2}",
		"[truefalsetruefalsetruefalse]", "[1234567890123456789012345678901234567890]",
		"[\"0123456789abcde" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		allocations_fail_each(refused_without_memory, texts[i], 0);
}

static bool
written_without_memory(void *arg)
{
	struct json_text t = { 0 };
	size_t len = 7;
	char *text;
	int i;

	(void)arg;
	json_text_open(&t, NULL, '[');
	for (i = 0; i < 400; i++)
		json_text_string(&t, NULL, "a\"string\x01");
	json_text_close(&t, ']');
	text = json_text_end(&t, &len);
	/* As at first, whether it failed or not. */
	assert_null(t.text);
	assert_false(t.failed);
	if (text == NULL) {
		assert_int_equal(len, 7);
		return false;
	}
	assert_int_equal(len, strlen(text));
	wiping_free(text);
	return true;
}

static void
want_of_memory_for_writing(void **state)
{
	(void)state;
	allocations_fail_each(written_without_memory, NULL, 0);
}

static void
numbers(void **state)
{
	static const char text[] = "[0,-0,-1,10,0.5,-1.25E+2,1e-2,1e-999]";
	static const char *const wrong[] = { "[+1]", "[.5]", "[1.]", "[1.e1]", "[1e]", "[1e+]",
		"[-]", "[- 1]", "[0x1]", "[1_000]", "[00]", "[-01]", "[NaN]", "[Infinity]", "[1 2]",
		"[1,,2]" };
	json_t *list;
	size_t i;

	(void)state;
	list = json_read(text, strlen(text), 100, NULL);
	assert_int_equal(json_array_size(list), 8);
	assert_int_equal(json_integer_value(json_array_get(list, 2)), -1);
	assert_int_equal(json_integer_value(json_array_get(list, 3)), 10);
	assert_true(json_real_value(json_array_get(list, 4)) == 0.5);
	assert_true(json_real_value(json_array_get(list, 5)) == -125.0);
	assert_true(json_real_value(json_array_get(list, 6)) == 0.01);
	assert_true(json_real_value(json_array_get(list, 7)) == 0.0);
	json_decref(list);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		refused_text(wrong[i], "not valid JSON");
	refused_text("[1", "ends too early");
	refused_text("[-", "ends too early");
}

static void
escapes(void **state)
{
	static const char text[] =
	    "{\"\\\"\\\\\\/\\b\\f\\n\\r\\t\":\"\\u0041\\u00e4\\u4e2d\\uD83D\\uDe00\\u007f"
	    "\\uffff end\"}";
	static const char *const wrong[] = { "[\"\\a\"]", "[\"\\U0041\"]", "[\"\\u004\"]",
		"[\"\\u00g0\"]", "[\"\\u 041\"]", "[\"\\ud83d\\u0041\"]", "[\"\\ud83d\\n\"]",
		"[\"\\ud83dx\"]", "[\"\\ud83d\\ud83d\"]", "[\"\\'\"]", "[\"\\\n\"]" };
	json_t *object;
	const char *value;
	size_t i;

	(void)state;
	object = json_read(text, strlen(text), 200, NULL);
	value = json_get_string(object, "\"\\/\b\f\n\r\t", 1, 100);
	assert_non_null(value);
	assert_string_equal(value, "A\xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80\x7f\xef\xbf\xbf end");
	json_decref(object);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		refused_text(wrong[i], "not valid JSON");
	refused_text("[\"\\\"]", "ends too early");
	refused_text("[\"\\", "ends too early");
	refused_text("[\"", "ends too early");
	refused_text("{\"a", "ends too early");
	refused_text("{\"a\"", "ends too early");
	refused_text("{\"a\":", "ends too early");
	refused_text("{\"a\" 1}", "not valid JSON");
	refused_text("[tru]", "not valid JSON");
	refused_text("[nul", "ends too early");
	refused_text("[True]", "not valid JSON");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(only_objects_and_arrays),
		cmocka_unit_test(duplicates),
		cmocka_unit_test(names_of_names),
		cmocka_unit_test(nul),
		cmocka_unit_test(utf8),
		cmocka_unit_test(depth),
		cmocka_unit_test(values),
		cmocka_unit_test(strings),
		cmocka_unit_test(integers),
		cmocka_unit_test(only_keys),
		cmocka_unit_test(allocator),
		cmocka_unit_test(written_as_by_jansson),
		cmocka_unit_test(written_long),
		cmocka_unit_test(not_written),
		cmocka_unit_test(read_as_by_jansson),
		cmocka_unit_test(want_of_memory),
		cmocka_unit_test(want_of_memory_in_a_wrong_text),
		cmocka_unit_test(want_of_memory_for_writing),
		cmocka_unit_test(numbers),
		cmocka_unit_test(escapes),
	};

	json_use_wiping_allocator();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
