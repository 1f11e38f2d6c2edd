/* SPDX-License-Identifier: ISC */
/*
 * The CONNECT request to a proxy and what its answers mean to a person.
 */
#include "proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
test_without_login(void **state)
{
	struct secret *r;
	const char *why;

	(void)state;
	r = proxy_request("hub.example", 443, "", "", 0, &why);
	assert_non_null(r);
	assert_string_equal((const char *)r->data,
	    "CONNECT hub.example:443 HTTP/1.1\r\nHost: hub.example:443\r\n\r\n");
	assert_int_equal(r->len, strlen((const char *)r->data));
	secret_free(r);
	r = proxy_request("2001:db8::1", 8855, NULL, NULL, 0, &why);
	assert_non_null(r);
	assert_memory_equal(r->data, "CONNECT [2001:db8::1]:8855 ", 27);
	secret_free(r);
}

/* RFC 7617 2 and 2.1: the examples of the RFC. */
static void
test_rfc7617(void **state)
{
	struct secret *r;
	const char *why;

	(void)state;
	r = proxy_request("h", 1, "Aladdin", "open sesame", 11, &why);
	assert_non_null(r);
	assert_non_null(strstr((const char *)r->data,
	    "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"));
	secret_free(r);
	r = proxy_request("h", 1, "test", "123\xc2\xa3", 5, &why);
	assert_non_null(r);
	assert_non_null(strstr((const char *)r->data, "Basic dGVzdDoxMjPCow==\r\n"));
	secret_free(r);
}

static void
test_limits(void **state)
{
	char user[PROXY_LOGIN_MAX + 2], password[PROXY_LOGIN_MAX + 1];
	struct secret *r;
	const char *why;

	(void)state;
	memset(user, 'u', sizeof(user));
	memset(password, 'p', sizeof(password));
	user[PROXY_LOGIN_MAX] = '\0';
	r = proxy_request("h", 1, user, password, PROXY_LOGIN_MAX, &why);
	assert_non_null(r);
	secret_free(r);
	assert_null(proxy_request("h", 1, user, password, PROXY_LOGIN_MAX + 1, &why));
	user[PROXY_LOGIN_MAX] = 'u';
	user[PROXY_LOGIN_MAX + 1] = '\0';
	assert_null(proxy_request("h", 1, user, "p", 1, &why));
	assert_non_null(why);
	/* An empty password is one; a colon in it is fine. */
	r = proxy_request("h", 1, "u", "", 0, &why);
	assert_non_null(r);
	secret_free(r);
	r = proxy_request("h", 1, "u", "a:b", 3, &why);
	assert_non_null(r);
	secret_free(r);
}

static void
test_what_basic_cannot_carry(void **state)
{
	const char *why;

	(void)state;
	assert_null(proxy_request("h", 1, "a:b", "p", 1, &why));
	assert_null(proxy_request("h", 1, "a\r\nX: y", "p", 1, &why));
	assert_null(proxy_request("h", 1, "a", "p\n", 2, &why));
	assert_null(proxy_request("h", 1, "a", "p\0q", 3, &why));
	assert_null(proxy_request("h", 1, "a", "\177", 1, &why));
}

static void
check(unsigned int status, bool basic, bool login, const char *code, const char *words)
{
	struct http_head head;
	struct failure f;

	memset(&head, 0, sizeof(head));
	head.status = status;
	head.basic = basic;
	assert_int_equal(proxy_answer(&head, "proxy:3128", "hub:443", login, &f), -1);
	assert_string_equal(f.code, code);
	if (strstr(f.text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", f.text, words);
}

static void
test_answers(void **state)
{
	struct http_head head;
	struct failure f;

	(void)state;
	memset(&head, 0, sizeof(head));
	head.status = 200;
	assert_int_equal(proxy_answer(&head, "p", "h", false, &f), 0);
	head.status = 299;
	assert_int_equal(proxy_answer(&head, "p", "h", false, &f), 0);
	check(407, true, true, "proxy_refused", "wants a (different) user name and password");
	check(407, true, false, "proxy_refused", "wants a user name and password");
	check(407, false, true, "proxy_refused", "only Basic");
	check(403, false, true, "proxy_refused", "allow CONNECT");
	check(502, false, true, "unreachable", "cannot reach hub:443");
	check(504, false, true, "unreachable", "cannot reach hub:443");
	check(301, false, true, "proxy_refused", "301");
	check(101, false, true, "proxy_refused", "101");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_login),
		cmocka_unit_test(test_rfc7617),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_what_basic_cannot_carry),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
