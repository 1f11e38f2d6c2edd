/* SPDX-License-Identifier: ISC */
/* Throttles and the pace of refusals, with time and chance given by the test. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "hub/gate/pace.h"
#include "hub/gate/throttle.h"

#include <stdio.h>
#include <string.h>

#define START 1000000U

static bool
take(struct throttle *t, const char *key, uint64_t now)
{
	return throttle_take(t, key, strlen(key), now);
}

static void
test_zero_is_off(void **state)
{
	struct throttle *t = throttle_new(0);
	int i;

	(void)state;
	for (i = 0; i < 1000; i++)
		assert_true(take(t, "a", START));
	assert_true(throttle_would_pass(t, "a", 1, START));
	throttle_free(t);
}

static void
test_a_minutes_worth(void **state)
{
	struct throttle *t = throttle_new(3);
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_true(take(t, "a", START));
	assert_false(take(t, "a", START));
	assert_true(take(t, "b", START));
	/* One more every 20 s, and not a millisecond before. */
	assert_false(take(t, "a", START + 19999));
	assert_true(take(t, "a", START + 20000));
	assert_false(take(t, "a", START + 20000));
	/* Refused attempts cost nothing. */
	for (i = 0; i < 100; i++)
		assert_false(take(t, "a", START + 30000));
	assert_true(take(t, "a", START + 40000));
	/* However long it waits, it never has more than a minute's worth. */
	for (i = 0; i < 3; i++)
		assert_true(take(t, "a", START + 100000000));
	assert_false(take(t, "a", START + 100000000));
	assert_int_equal(throttle_retry_after(t), 20);
	throttle_free(t);
}

static void
test_looking_takes_nothing(void **state)
{
	struct throttle *t = throttle_new(1);
	int i;

	(void)state;
	for (i = 0; i < 10; i++)
		assert_true(throttle_would_pass(t, "a", 1, START));
	assert_true(take(t, "a", START));
	assert_false(throttle_would_pass(t, "a", 1, START + 59999));
	assert_true(throttle_would_pass(t, "a", 1, START + 60000));
	throttle_free(t);
}

static void
test_a_clock_that_stands_still_or_goes_back(void **state)
{
	struct throttle *t = throttle_new(1);

	(void)state;
	assert_true(take(t, "a", START));
	assert_false(take(t, "a", START - 60000));
	assert_false(take(t, "a", 0));
	throttle_free(t);
}

static void
test_keys_are_told_apart_by_every_byte(void **state)
{
	struct throttle *t = throttle_new(1);
	char key[40];
	size_t len;

	(void)state;
	memset(key, 'x', sizeof(key));
	for (len = 0; len <= sizeof(key); len++) {
		assert_true(throttle_take(t, key, len, START));
		assert_false(throttle_take(t, key, len, START));
	}
	for (len = 0; len < sizeof(key); len++) {
		key[len] = 'y';
		assert_true(throttle_take(t, key, sizeof(key), START));
		key[len] = 'x';
	}
	throttle_free(t);
}

/* A flood of other keys makes room among those that have attempts left, not among the spent. */
static void
test_a_flood_does_not_free_the_refused(void **state)
{
	struct throttle *t = throttle_new(2);
	unsigned int i;
	char key[16];

	(void)state;
	assert_true(take(t, "refused", START));
	assert_true(take(t, "refused", START));
	for (i = 0; i < 20 * THROTTLE_SETS * THROTTLE_WAYS; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		assert_true(take(t, key, START));
	}
	assert_false(take(t, "refused", START));
	throttle_free(t);
}

static void
test_the_largest_rate(void **state)
{
	struct throttle *t = throttle_new(UINT32_MAX);
	int i;

	(void)state;
	for (i = 0; i < 1000; i++)
		assert_true(take(t, "a", START));
	assert_int_equal(throttle_retry_after(t), 1);
	throttle_free(t);
}

static void
test_pace_before_anything_is_known(void **state)
{
	struct pace p = { { 0 }, 0, 0 };
	uint32_t target;
	unsigned int i;

	(void)state;
	for (i = 0; i < PACE_ENOUGH; i++) {
		target = pace_target_us(&p, i % 2 == 0, 500, 0x12345678U * i);
		assert_in_range(
		    target, PACE_UNKNOWN_US, PACE_UNKNOWN_US + PACE_UNKNOWN_US / 8 + PACE_GRID_US);
		assert_int_equal(target % PACE_GRID_US, 0);
		if (i + 1 < PACE_ENOUGH)
			pace_learn(&p, 3000);
	}
	pace_learn(&p, 3000);
	assert_in_range(pace_target_us(&p, false, 500, 7), 3000, 6000);
	assert_in_range(pace_target_us(&p, true, 3000, 7), 3000, 6000);
}

static void
test_pace_draws_from_what_was_seen(void **state)
{
	struct pace p = { { 0 }, 0, 0 };
	unsigned int i, slow = 0;
	uint32_t target;

	(void)state;
	for (i = 0; i < PACE_WINDOW; i++)
		pace_learn(&p, i % 4 == 0 ? 40000 : 10000);
	for (i = 0; i < 4096; i++) {
		target = pace_target_us(&p, false, 100, i * 2654435761U);
		assert_int_equal(target % PACE_GRID_US, 0);
		if (target >= 40000)
			slow++;
		else
			assert_in_range(target, 10000, 14000);
	}
	/* A quarter of them, as it was with the binds. */
	assert_in_range(slow, 4096 / 4 - 100, 4096 / 4 + 100);
}

static void
test_pace_forgets(void **state)
{
	struct pace p = { { 0 }, 0, 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < PACE_WINDOW; i++)
		pace_learn(&p, 900000);
	for (i = 0; i < PACE_WINDOW; i++)
		pace_learn(&p, 2000);
	for (i = 0; i < 1000; i++)
		assert_in_range(pace_target_us(&p, false, 0, i), 2000, 4000);
}

static void
test_pace_has_a_limit(void **state)
{
	struct pace p = { { 0 }, 0, 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < PACE_WINDOW; i++)
		pace_learn(&p, UINT64_MAX);
	assert_int_equal(pace_target_us(&p, false, 0, UINT32_MAX), PACE_MAX_US);
	assert_int_equal(pace_target_us(&p, true, UINT64_MAX, UINT32_MAX), PACE_MAX_US);
	/* Never before it is known. */
	memset(&p, 0, sizeof(p));
	for (i = 0; i < PACE_WINDOW; i++)
		pace_learn(&p, 0);
	assert_true(pace_target_us(&p, false, 12345, 0) >= 12345);
	assert_int_equal(pace_target_us(&p, false, 0, UINT32_MAX), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zero_is_off),
		cmocka_unit_test(test_a_minutes_worth),
		cmocka_unit_test(test_looking_takes_nothing),
		cmocka_unit_test(test_a_clock_that_stands_still_or_goes_back),
		cmocka_unit_test(test_keys_are_told_apart_by_every_byte),
		cmocka_unit_test(test_a_flood_does_not_free_the_refused),
		cmocka_unit_test(test_the_largest_rate),
		cmocka_unit_test(test_pace_before_anything_is_known),
		cmocka_unit_test(test_pace_draws_from_what_was_seen),
		cmocka_unit_test(test_pace_forgets),
		cmocka_unit_test(test_pace_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
