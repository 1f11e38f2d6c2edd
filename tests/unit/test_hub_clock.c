/* SPDX-License-Identifier: ISC */
/*
 * The hub's clock at the connector: which time counts, whoever sets which clock, and what
 * people are told.
 * Linked with -Wl,--wrap=clock_gettime.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hub_clock.h"

#include "common/log.h"

#include <bsd/string.h>
#include <string.h>
#include <time.h>

#define WALL INT64_C(1700000000)
#define HUB "https://hub.test"

int __wrap_clock_gettime(clockid_t, struct timespec *);

static int64_t wall, steady;
static unsigned int lines;
static char last[LOG_LINE_MAX];

int
__wrap_clock_gettime(clockid_t id, struct timespec *now)
{
	now->tv_sec = (time_t)(id == CLOCK_REALTIME ? wall : steady);
	now->tv_nsec = 0;
	return 0;
}

static void
take_line(enum log_level level, const char *tag, const char *text)
{
	(void)level;
	(void)tag;
	lines++;
	strlcpy(last, text, sizeof(last));
}

static int
reset(void **state)
{
	(void)state;
	wall = WALL;
	steady = 5000;
	lines = 0;
	last[0] = '\0';
	log_set_sink(take_line);
	return 0;
}

static void
pass(int64_t seconds)
{
	wall += seconds;
	steady += seconds;
}

static void
unknown(void **state)
{
	struct hub_clock clock = { 0 };

	(void)state;
	assert_int_equal(hub_clock_off(&clock), 0);
	assert_int_equal(hub_clock_now(&clock), WALL);
	hub_clock_tell(&clock, HUB);
	assert_int_equal(lines, 0);
	/* What is no time is not taken for one. */
	hub_clock_set(&clock, 0);
	hub_clock_set(&clock, -1);
	hub_clock_set(&clock, INT64_MIN);
	hub_clock_set(&clock, INT64_MAX);
	assert_false(clock.known);
	assert_int_equal(hub_clock_now(&clock), WALL);
}

static void
hub_time_counts(void **state)
{
	struct hub_clock clock = { 0 };
	int64_t off[] = { 0, 1, -1, 600, -600, HUB_CLOCK_OFF_MAX, -HUB_CLOCK_OFF_MAX };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
		hub_clock_set(&clock, wall - off[i]);
		assert_int_equal(hub_clock_off(&clock), off[i]);
		assert_int_equal(hub_clock_now(&clock), wall - off[i]);
		pass(1000);
		assert_int_equal(hub_clock_off(&clock), off[i]);
		assert_int_equal(hub_clock_now(&clock), wall - off[i]);
	}
}

static void
own_clock_is_set(void **state)
{
	struct hub_clock clock = { 0 };

	(void)state;
	hub_clock_set(&clock, WALL);
	wall += 3600;
	assert_int_equal(hub_clock_off(&clock), 3600);
	assert_int_equal(hub_clock_now(&clock), WALL);
	wall -= 7200;
	assert_int_equal(hub_clock_off(&clock), -3600);
	assert_int_equal(hub_clock_now(&clock), WALL);
}

/* Too far: what came from outside is not believed. */
static void
limit(void **state)
{
	struct hub_clock clock = { 0 };

	(void)state;
	hub_clock_set(&clock, WALL + HUB_CLOCK_OFF_MAX + 1);
	assert_int_equal(hub_clock_now(&clock), WALL);
	hub_clock_set(&clock, WALL - HUB_CLOCK_OFF_MAX - 1);
	assert_int_equal(hub_clock_now(&clock), WALL);
	assert_int_equal(hub_clock_off(&clock), HUB_CLOCK_OFF_MAX + 1);
	hub_clock_tell(&clock, HUB);
	assert_non_null(strstr(last, "7501 seconds ahead of"));
	assert_non_null(strstr(last, "sealed_old"));
}

static void
told_once(void **state)
{
	struct hub_clock clock = { 0 };
	int i;

	(void)state;
	hub_clock_set(&clock, WALL + HUB_CLOCK_OFF_TOLD);
	hub_clock_tell(&clock, HUB);
	assert_int_equal(lines, 0);
	hub_clock_set(&clock, WALL + 600);
	for (i = 0; i < 10; i++) {
		pass(100);
		hub_clock_tell(&clock, HUB);
	}
	assert_int_equal(lines, 1);
	assert_non_null(strstr(last, "600 seconds behind that of " HUB));
	assert_null(strstr(last, "sealed_old"));
	/* Another wrong time is news, and so is the right one. */
	wall += 1200;
	hub_clock_tell(&clock, HUB);
	hub_clock_tell(&clock, HUB);
	assert_int_equal(lines, 2);
	assert_non_null(strstr(last, "600 seconds ahead of that of " HUB));
	wall -= 600;
	hub_clock_tell(&clock, HUB);
	hub_clock_tell(&clock, HUB);
	assert_int_equal(lines, 3);
	assert_non_null(strstr(last, "agrees"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(unknown, reset),
		cmocka_unit_test_setup(hub_time_counts, reset),
		cmocka_unit_test_setup(own_clock_is_set, reset),
		cmocka_unit_test_setup(limit, reset),
		cmocka_unit_test_setup(told_once, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
