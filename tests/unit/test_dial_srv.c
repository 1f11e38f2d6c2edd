/* SPDX-License-Identifier: ISC */
/*
 * SRV order and targets: that RFC 2782 is followed to the letter where letters
 * count, and in proportion where chance does.
 */
#include "srv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint32_t draws[64];
static size_t ndraws;
static uint32_t asked[64];

/* Answers with the draws of the test, and remembers the upper bounds. */
static uint32_t
scripted(uint32_t max)
{
	assert_true(ndraws < 64);
	asked[ndraws] = max;
	assert_true(draws[ndraws] <= max);
	return draws[ndraws++];
}

static uint32_t seed = 1;

static uint32_t
pseudo(uint32_t max)
{
	seed = seed * 1664525U + 1013904223U;
	return (uint32_t)(((uint64_t)seed * ((uint64_t)max + 1)) >> 32);
}

static struct srv_record
record(const char *target, uint16_t priority, uint16_t weight)
{
	struct srv_record r = { priority, weight, 389, "" };

	snprintf(r.target, sizeof(r.target), "%s", target);
	return r;
}

static void
test_priorities(void **state)
{
	struct srv_record r[] = { record("c", 65535, 0), record("b", 10, 0), record("a", 0, 0) };

	(void)state;
	srv_order(r, 3, pseudo);
	assert_string_equal(r[0].target, "a");
	assert_string_equal(r[1].target, "b");
	assert_string_equal(r[2].target, "c");
}

static void
test_empty_and_one(void **state)
{
	struct srv_record r[] = { record("a", 1, 5) };

	(void)state;
	srv_order(r, 0, pseudo);
	srv_order(r, 1, pseudo);
	assert_string_equal(r[0].target, "a");
}

static void
test_running_sum(void **state)
{
	struct srv_record r[] = { record("a", 0, 10), record("b", 0, 20), record("zero", 0, 0),
		record("c", 0, 30) };

	(void)state;
	/* Sorted: zero, then a b c in some order; 0 draws the first, the sum draws the last. */
	memset(draws, 0, sizeof(draws));
	ndraws = 0;
	srv_order(r, 4, scripted);
	assert_int_equal(asked[0], 60);
	assert_string_equal(r[0].target, "zero");
	assert_int_equal(asked[1], 60);
	assert_int_equal(ndraws, 3);
}

static void
test_greatest_draw(void **state)
{
	struct srv_record r[] = { record("a", 0, 1), record("b", 0, 65535) };

	(void)state;
	draws[0] = 65536;
	ndraws = 0;
	srv_order(r, 2, scripted);
	assert_int_equal(asked[0], 65536);
	/* The draw is the whole sum: whoever is last in the running sum. */
	assert_true(strcmp(r[0].target, r[1].target) != 0);
}

static void
test_proportion(void **state)
{
	struct srv_record r[3];
	unsigned int first[3] = { 0, 0, 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		r[0] = record("0", 0, 10);
		r[1] = record("1", 0, 30);
		r[2] = record("2", 0, 60);
		srv_order(r, 3, pseudo);
		first[r[0].target[0] - '0']++;
	}
	/* 10, 30 and 60 of 100, within 2 of 100. */
	assert_in_range(first[0], 1600, 2400);
	assert_in_range(first[1], 5600, 6400);
	assert_in_range(first[2], 11600, 12400);
}

static void
test_order_keeps_all(void **state)
{
	struct srv_record r[SRV_RECORDS_MAX];
	unsigned int i, round;
	uint64_t seen;

	(void)state;
	for (round = 0; round < 200; round++) {
		for (i = 0; i < SRV_RECORDS_MAX; i++) {
			r[i] = record("x", (uint16_t)pseudo(3), (uint16_t)pseudo(65535));
			r[i].port = (uint16_t)i;
		}
		srv_order(r, SRV_RECORDS_MAX, pseudo);
		seen = 0;
		for (i = 0; i < SRV_RECORDS_MAX; i++) {
			seen |= 1ULL << r[i].port;
			if (i > 0)
				assert_true(r[i - 1].priority <= r[i].priority);
		}
		assert_true(seen == UINT64_MAX);
	}
}

static void
test_targets(void **state)
{
	(void)state;
	assert_true(srv_target_allowed("example.com", "dc1.example.com"));
	assert_true(srv_target_allowed("example.com", "DC1.Site.EXAMPLE.com"));
	assert_false(srv_target_allowed("example.com", "example.com"));
	assert_false(srv_target_allowed("example.com", ".example.com"));
	assert_false(srv_target_allowed("example.com", "xexample.com"));
	assert_false(srv_target_allowed("example.com", "dc1.example.com.evil.test"));
	assert_false(srv_target_allowed("example.com", "dc1.example.org"));
	assert_false(srv_target_allowed("example.com", "com"));
	assert_false(srv_target_allowed("example.com", ""));
	assert_false(srv_target_allowed("", "dc1.example.com"));
}

static void
test_name(void **state)
{
	char name[64], exact[sizeof("_ldap._tcp.dc._msdcs.a.b")];

	(void)state;
	assert_int_equal(srv_name("example.com", name, sizeof(name)), 0);
	assert_string_equal(name, "_ldap._tcp.dc._msdcs.example.com");
	assert_int_equal(srv_name("a.b", exact, sizeof(exact)), 0);
	assert_int_equal(srv_name("a.bc", exact, sizeof(exact)), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_priorities),
		cmocka_unit_test(test_empty_and_one),
		cmocka_unit_test(test_running_sum),
		cmocka_unit_test(test_greatest_draw),
		cmocka_unit_test(test_proportion),
		cmocka_unit_test(test_order_keeps_all),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
