/* SPDX-License-Identifier: ISC */
/*
 * The waits between two tries: their bounds, for every draw.
 */
#include "backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const uint32_t upper[] = { 250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000 };

static void
test_bounds(void **state)
{
	static const uint32_t draws[] = { 0, 1, 124, 125, 126, 15000, 0x7fffffff, 0xffffffff };
	struct backoff b;
	uint32_t wait;
	size_t i, j;

	(void)state;
	for (j = 0; j < sizeof(draws) / sizeof(draws[0]); j++) {
		b.tries = 0;
		for (i = 0; i < sizeof(upper) / sizeof(upper[0]); i++) {
			wait = backoff_next(&b, draws[j]);
			assert_in_range(wait, upper[i] / 2, upper[i]);
		}
	}
}

static void
test_both_ends_are_reached(void **state)
{
	struct backoff b = { 0 };

	(void)state;
	assert_int_equal(backoff_next(&b, 0), 250);
	b.tries = 0;
	assert_int_equal(backoff_next(&b, 125), 125);
	b.tries = 0;
	assert_int_equal(backoff_next(&b, 126), 250);
}

static void
test_never_overflows(void **state)
{
	struct backoff b = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < 100000; i++)
		assert_in_range(backoff_next(&b, i), 125, BACKOFF_LONGEST_MS);
}

static void
test_reset_and_raise(void **state)
{
	struct backoff b = { 0 };

	(void)state;
	backoff_raise(&b);
	assert_int_equal(backoff_next(&b, 0), BACKOFF_LONGEST_MS);
	backoff_reset(&b);
	assert_int_equal(backoff_next(&b, 0), BACKOFF_FIRST_MS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_both_ends_are_reached),
		cmocka_unit_test(test_never_overflows),
		cmocka_unit_test(test_reset_and_raise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
