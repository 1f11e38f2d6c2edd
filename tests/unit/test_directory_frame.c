/* SPDX-License-Identifier: ISC */
/* The head of an LDAP message, whole and cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "frame.h"

#include <string.h>

#define MAX 1000U

static int
take(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	struct frame whole, cut;
	int result, byte_by_byte = 0;
	size_t i;

	frame_init(&whole, MAX);
	frame_init(&cut, MAX);
	result = frame_take(&whole, bytes, len);
	for (i = 0; i < len && byte_by_byte == 0; i++)
		byte_by_byte = frame_take(&cut, p + i, 1);
	assert_int_equal(result, byte_by_byte);
	if (result == -1) {
		/* Once broken, nothing mends it. */
		assert_int_equal(frame_take(&whole, "\x30\x05\x02\x01\x01\x61\x00", 7), -1);
	} else {
		assert_int_equal(whole.state, cut.state);
		assert_int_equal(whole.left, cut.left);
	}
	return result;
}

#define TAKE(text) take(text, sizeof(text) - 1)

static void
good(void **state)
{
	static const uint8_t kinds[] = { 0x61, 0x64, 0x65, 0x73, 0x78, 0x79 };
	uint8_t data[] = { 0x30, 5, 2, 1, 1, 0, 0 };
	size_t i;

	(void)state;
	assert_int_equal(take("", 0), 0);
	for (i = 0; i < sizeof(kinds); i++) {
		data[5] = kinds[i];
		assert_int_equal(take(data, sizeof(data)), 0);
	}
	/* Every size of a length, AD's own and padded ones. */
	assert_int_equal(TAKE("\x30\x81\x05\x02\x01\x01\x61\x00"), 0);
	assert_int_equal(TAKE("\x30\x82\x00\x05\x02\x01\x01\x61\x00"), 0);
	assert_int_equal(TAKE("\x30\x84\x00\x00\x00\x05\x02\x01\x01\x61\x00"), 0);
	/* Every size of an id, up to the greatest. */
	assert_int_equal(TAKE("\x30\x06\x02\x02\x00\x80\x61\x00"), 0);
	assert_int_equal(TAKE("\x30\x07\x02\x03\x00\x80\x00\x61\x00"), 0);
	assert_int_equal(TAKE("\x30\x08\x02\x04\x7f\xff\xff\xff\x61\x00"), 0);
	/* Unasked. */
	assert_int_equal(TAKE("\x30\x05\x02\x01\x00\x78\x00"), 0);
	/* Several, and the beginning of one more. */
	assert_int_equal(TAKE("\x30\x05\x02\x01\x01\x61\x00"
			      "\x30\x07\x02\x01\x02\x65\x02zz"
			      "\x30\x84\x00"),
	    0);
}

static void
bad(void **state)
{
	uint8_t data[] = { 0x30, 5, 2, 1, 1, 0, 0 };
	unsigned int tag;

	(void)state;
	for (tag = 0; tag < 256; tag++) {
		data[5] = 0x61;
		data[0] = (uint8_t)tag;
		assert_int_equal(take(data, sizeof(data)), tag == 0x30 ? 0 : -1);
		data[0] = 0x30;
		data[5] = (uint8_t)tag;
		assert_int_equal(take(data, sizeof(data)),
		    tag == 0x61 || tag == 0x64 || tag == 0x65 || tag == 0x73 || tag == 0x78 ||
			    tag == 0x79
			? 0
			: -1);
		data[5] = 0x61;
		data[2] = (uint8_t)tag;
		assert_int_equal(take(data, sizeof(data)), tag == 0x02 ? 0 : -1);
		data[2] = 0x02;
	}
	/* Lengths: indefinite, none, too short for a message, too large to read. */
	assert_int_equal(TAKE("\x30\x80"), -1);
	assert_int_equal(TAKE("\x30\x85"), -1);
	assert_int_equal(TAKE("\x30\xff"), -1);
	assert_int_equal(TAKE("\x30\x00"), -1);
	assert_int_equal(TAKE("\x30\x04"), -1);
	assert_int_equal(TAKE("\x30\x84\xff\xff\xff\xff"), -1);
	assert_int_equal(TAKE("\x30\x84\x80\x00\x00\x00"), -1);
	/* Ids: none, negative, of more than 31 bits, with no room behind them. */
	assert_int_equal(TAKE("\x30\x05\x02\x00"), -1);
	assert_int_equal(TAKE("\x30\x05\x02\x01\xff"), -1);
	assert_int_equal(TAKE("\x30\x08\x02\x04\x80"), -1);
	assert_int_equal(TAKE("\x30\x09\x02\x05"), -1);
	assert_int_equal(TAKE("\x30\x05\x02\x81"), -1);
	assert_int_equal(TAKE("\x30\x05\x02\x02"), -1);
	/* Unasked may come a notification, and nothing else. */
	assert_int_equal(TAKE("\x30\x05\x02\x01\x00\x61"), -1);
	assert_int_equal(TAKE("\x30\x08\x02\x04\x00\x00\x00\x00\x65"), -1);
}

static void
limit(void **state)
{
	uint8_t data[MAX + 4 + 7];
	struct frame f;

	(void)state;
	memset(data, 0x61, sizeof(data));
	memcpy(data, "\x30\x82\x03\xe8\x02\x01\x01", 7);
	memcpy(data + MAX + 4, "\x30\x05\x02\x01\x01\x61\x00", 7);
	assert_int_equal(take(data, sizeof(data)), 0);
	data[3]++;
	assert_int_equal(take(data, 4), -1);
	/* At the end of a message the next one begins. */
	frame_init(&f, MAX);
	data[3]--;
	assert_int_equal(frame_take(&f, data, MAX + 4), 0);
	assert_int_equal(frame_take(&f, "x", 1), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
		cmocka_unit_test(limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
