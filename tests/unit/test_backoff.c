/* SPDX-License-Identifier: ISC */
/*
 * The waits between two tries: their bounds, for every draw.
 */
#include "common/backoff.h"

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
		b.refusals = 0;
		for (i = 0; i < sizeof(upper) / sizeof(upper[0]); i++) {
			wait = backoff_refused(&b, draws[j]);
			assert_in_range(wait, upper[i] / 2, upper[i]);
		}
	}
}

static void
test_both_ends_are_reached(void **state)
{
	struct backoff b = { 0 };

	(void)state;
	assert_int_equal(backoff_refused(&b, 0), 250);
	b.refusals = 0;
	assert_int_equal(backoff_refused(&b, 125), 125);
	b.refusals = 0;
	assert_int_equal(backoff_refused(&b, 126), 250);
}

static void
test_never_overflows(void **state)
{
	struct backoff b = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < 100000; i++)
		assert_in_range(backoff_refused(&b, i), 125, BACKOFF_LONGEST_MS);
}

static void
test_reset_and_raise(void **state)
{
	struct backoff b = { 0 };

	(void)state;
	backoff_raise(&b);
	assert_int_equal(backoff_refused(&b, 0), BACKOFF_LONGEST_MS);
	backoff_reset(&b);
	assert_int_equal(backoff_refused(&b, 0), BACKOFF_FIRST_MS);
	backoff_silent(&b, 0, 0);
	backoff_reset(&b);
	assert_int_equal(backoff_silent(&b, 0, 0), BACKOFF_FIRST_MS);
}

/* However long it lasts: never more than a second, or a part of the time that is lost anyway. */
static void
test_silence(void **state)
{
	static const struct {
		uint64_t away_ms;
		uint32_t most;
	} cases[] = {
		{ 0, 1000 },
		{ 20000, 1000 },
		{ 119999, 1000 },
		{ 120000, 1000 },
		{ 240000, 2000 },
		{ 3600000, 30000 },
		{ UINT64_MAX, 30000 },
	};
	struct backoff b = { 0 };
	size_t i;

	(void)state;
	assert_in_range(backoff_silent(&b, UINT64_MAX, 0), 250, 250);
	assert_in_range(backoff_silent(&b, UINT64_MAX, 0), 500, 500);
	for (i = 0; i < 10; i++)
		backoff_silent(&b, 0, 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(backoff_silent(&b, cases[i].away_ms, 0), cases[i].most);
		assert_int_equal(backoff_silent(&b, cases[i].away_ms, cases[i].most / 2),
		    cases[i].most - cases[i].most / 2);
	}
}

/* A hub that was silent for long and then refuses once has not refused often. */
static void
test_kinds_are_counted_apart(void **state)
{
	struct backoff b = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < 100; i++)
		backoff_silent(&b, 1000, i);
	assert_int_equal(backoff_refused(&b, 0), BACKOFF_FIRST_MS);
	backoff_raise(&b);
	assert_int_equal(backoff_silent(&b, 1000, 0), BACKOFF_SILENCE_MS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_both_ends_are_reached),
		cmocka_unit_test(test_never_overflows),
		cmocka_unit_test(test_reset_and_raise),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_kinds_are_counted_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
