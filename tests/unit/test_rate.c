/* SPDX-License-Identifier: ISC */
/* What a peer may do how often: at once, on average, after a long rest, at the edges. */
#include "common/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void
some_at_once_then_one_an_interval(void **state)
{
	uint64_t until = 0, now = 5000;
	int i;

	(void)state;
	for (i = 0; i < 10; i++)
		assert_true(rate_allowed(&until, now, 1000, 10));
	assert_false(rate_allowed(&until, now, 1000, 10));
	assert_false(rate_allowed(&until, now + 999, 1000, 10));
	assert_true(rate_allowed(&until, now + 1000, 1000, 10));
	/* What was refused was not counted. */
	assert_false(rate_allowed(&until, now + 1000, 1000, 10));
	assert_true(rate_allowed(&until, now + 2000, 1000, 10));
}

static void
a_rest_saves_up_no_more_than_at_once(void **state)
{
	uint64_t until = 0;
	int i;

	(void)state;
	assert_true(rate_allowed(&until, 1, 500, 3));
	for (i = 0; i < 3; i++)
		assert_true(rate_allowed(&until, UINT64_MAX / 2, 500, 3));
	assert_false(rate_allowed(&until, UINT64_MAX / 2, 500, 3));
}

static void
one_at_once(void **state)
{
	uint64_t until = 0;

	(void)state;
	assert_true(rate_allowed(&until, 0, 10, 1));
	assert_false(rate_allowed(&until, 0, 10, 1));
	assert_false(rate_allowed(&until, 9, 10, 1));
	assert_true(rate_allowed(&until, 10, 10, 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(some_at_once_then_one_an_interval),
		cmocka_unit_test(a_rest_saves_up_no_more_than_at_once),
		cmocka_unit_test(one_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
