/* SPDX-License-Identifier: ISC */
/*
 * What an error means for people: its step, its setting, what to do.
 */
#include "advice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
keys(void **state)
{
	(void)state;
	/* What a text is about goes before what it names. */
	assert_string_equal(
	    advice_key("directory.server: a DN goes to directory.base"), "directory.server");
	assert_string_equal(
	    advice_key("/a/cloud.ca:3: directory.base: not a DN"), "directory.base");
	/* The first of several. */
	assert_string_equal(
	    advice_key("wrong; set directory.user and directory.password again"), "directory.user");
	assert_string_equal(advice_key("is the ticket's address right, or cloud.proxy?"), "ticket");
	assert_string_equal(advice_key("name its CA in cloud.ca, or use a ticket"), "cloud.ca");
	assert_string_equal(advice_key("no password: directory.password"), "directory.password");
	/* Whole names only. */
	assert_string_equal(
	    advice_key("the file of directory.password_file"), "directory.password_file");
	assert_string_equal(advice_key("the file /var/cloud.proxy.pem"), "");
	assert_string_equal(advice_key("tickets, xticket, ticket_used_up"), "");
	assert_string_equal(advice_key("see cloud.proxy."), "cloud.proxy");
	assert_string_equal(advice_key("directory.serve"), "");
	assert_string_equal(advice_key("directory.server2"), "");
	assert_string_equal(advice_key(""), "");
}

static void
step(void **state)
{
	(void)state;
	assert_int_equal(advice_step("unreachable", false), TEST_REACH);
	assert_int_equal(advice_step("unreachable", true), TEST_TUNNEL);
	assert_int_equal(advice_step("bind_refused", false), TEST_SIGN_IN);
	assert_int_equal(advice_step("base_not_found", false), TEST_READ);
	assert_int_equal(advice_step("not_saved", true), TEST_STEP_COUNT);
	assert_int_equal(advice_step("bad_request", false), TEST_STEP_COUNT);
	assert_int_equal(advice_step("something_new", false), TEST_STEP_COUNT);
	assert_int_equal(advice_step("something_new", true), TEST_TUNNEL);
	assert_int_equal(advice_step("", false), TEST_STEP_COUNT);
}

static void
cloud(void **state)
{
	(void)state;
	assert_string_equal(advice_key(advice_cloud("proxy_refused", true)), "cloud.proxy");
	assert_string_equal(advice_key(advice_cloud("unreachable", true)), "cloud.proxy");
	assert_string_equal(advice_key(advice_cloud("unreachable", false)), "ticket");
	assert_string_equal(advice_cloud("pin_mismatch", false), "");
	assert_string_equal(advice_cloud("", false), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),
		cmocka_unit_test(step),
		cmocka_unit_test(cloud),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
