/* SPDX-License-Identifier: ISC */
/*
 * The domain that a host's own files name.
 */
#include "proposal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *
domain(const char *host, const char *hosts, const char *resolv)
{
	static char text[64];

	memset(text, 'x', sizeof(text));
	proposal_domain(text, sizeof(text), host, hosts, resolv);
	return text;
}

static void
test_the_host_name_first(void **state)
{
	(void)state;
	assert_string_equal(domain("c1.Example.COM", "", "search other.test\n"), "example.com");
	assert_string_equal(domain("c1.example.com.", "", ""), "example.com");
	assert_string_equal(domain("c1", "", ""), "");
	assert_string_equal(domain("", "1.2.3.4 .example.com", ""), "");
	/* One label is nobody's domain, and an address is none. */
	assert_string_equal(domain("c1.localdomain", "", ""), "");
	assert_string_equal(domain("10.0.0.1", "", ""), "");
}

static void
test_hosts(void **state)
{
	(void)state;
	assert_string_equal(
	    domain("c1", "127.0.0.1 localhost\n127.0.1.1\tc1.example.com c1\n", "search b.test"),
	    "example.com");
	assert_string_equal(domain("c1", "127.0.1.1 c1 C1.example.com", ""), "example.com");
	assert_string_equal(domain("c1", "127.0.1.1 c11.example.com c1", ""), "");
	assert_string_equal(domain("c1", "# 127.0.1.1 c1.example.com\n", ""), "");
	assert_string_equal(domain("c1", "c1.example.com", ""), "");
}

static void
test_resolv(void **state)
{
	char text[4096];

	(void)state;
	assert_string_equal(
	    domain("c1", "", "nameserver 10.0.0.1\nsearch corp.example.com example.com\n"),
	    "corp.example.com");
	assert_string_equal(domain("c1", "", "search a.test\ndomain b.test"), "b.test");
	assert_string_equal(domain("c1", "", "domain b.test\r\n"), "b.test");
	assert_string_equal(domain("c1", "", "search .\n"), "");
	assert_string_equal(domain("c1", "", "search a.test\nsearch\n"), "");
	assert_string_equal(domain("c1", "", "; search a.test\n#domain b.test"), "");
	assert_string_equal(domain("c1", "", "research a.test\nsearch: b.test"), "");
	/* A line longer than any that is looked at, and a name longer than any there is. */
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "search ", 7);
	text[300] = '.';
	text[sizeof(text) - 1] = '\0';
	assert_string_equal(domain("c1", text, text), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_host_name_first),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_resolv),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
