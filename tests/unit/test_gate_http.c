/* SPDX-License-Identifier: ISC */
/* The reading of HTTP heads, and what belongs to it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "hub/gate/address.h"
#include "hub/gate/http_limits.h"
#include "hub/gate/http_parse.h"
#include "hub/gate/identifier.h"
#include "hub/gate/websocket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The head in a block of its exact size, so that a sanitizer sees a step too far. */
static int
parse(const char *text, size_t len, struct http_head *head, char **block)
{
	*block = malloc(len);
	assert_non_null(*block);
	memcpy(*block, text, len);
	return http_parse_head(*block, len, head);
}

static int
status_of(const char *text)
{
	struct http_head head;
	char *block;
	int status;

	status = parse(text, strlen(text), &head, &block);
	free(block);
	return status;
}

static void
test_good_head(void **state)
{
	static const char text[] =
	    "POST /a/b?x=1&y=two HTTP/1.1\r\nHOST:h\r\nContent-Length: 12 \r\n"
	    "X-Empty:\r\nConnection: Keep-Alive\r\nExpect: 100-Continue\r\n\r\n";
	struct http_head head;
	char *block;

	(void)state;
	assert_int_equal(parse(text, sizeof(text) - 1, &head, &block), 0);
	assert_int_equal(head.method, HTTP_POST);
	assert_string_equal(head.path, "/a/b");
	assert_string_equal(head.query, "x=1&y=two");
	assert_int_equal(head.content_length, 12);
	assert_true(head.keep_alive);
	assert_true(head.expects_continue);
	assert_string_equal(http_head_get(&head, "host"), "h");
	assert_string_equal(http_head_get(&head, "x-empty"), "");
	assert_null(http_head_get(&head, "x-other"));
	free(block);
}

static void
test_every_truncation_is_refused(void **state)
{
	static const char text[] = "GET /healthz HTTP/1.1\r\nHost: example\r\nA: b\r\n\r\n";
	struct http_head head;
	char *block;
	size_t len;

	(void)state;
	for (len = 0; len < sizeof(text) - 1; len++) {
		assert_int_not_equal(parse(text, len, &head, &block), 0);
		free(block);
	}
	assert_int_equal(status_of(text), 0);
}

static void
test_every_changed_byte_is_survived(void **state)
{
	static const char text[] =
	    "GET /healthz?a=b HTTP/1.1\r\nHost: example\r\nContent-Length: 1\r\n\r\n";
	char changed[sizeof(text)];
	struct http_head head;
	char *block;
	size_t i;
	int c;

	(void)state;
	for (i = 0; i < sizeof(text) - 1; i++) {
		for (c = 0; c < 256; c++) {
			memcpy(changed, text, sizeof(text));
			changed[i] = (char)c;
			(void)parse(changed, sizeof(text) - 1, &head, &block);
			free(block);
		}
	}
}

static void
test_refusals(void **state)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		{ "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", 0 },
		{ "GET / HTTP/1.0\r\nHost: h\r\n\r\n", 0 },
		{ "GET / HTTP/1.1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400 },
		{ "GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505 },
		{ "GET / http/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET /\r\nHost: h\r\n\r\n", 400 },
		{ "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ " GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "get / HTTP/1.1\r\nHost: h\r\n\r\n", 405 },
		{ "PUT / HTTP/1.1\r\nHost: h\r\n\r\n", 405 },
		{ "G(T / HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET // HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET /. HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET /.. HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET /a/../b HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET /.a HTTP/1.1\r\nHost: h\r\n\r\n", 0 },
		{ "GET /..a HTTP/1.1\r\nHost: h\r\n\r\n", 0 },
		{ "GET /%2e HTTP/1.1\r\nHost: h\r\n\r\n", 0 },
		{ "GET /%2 HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET /\x80 HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET /#a HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET /?\t HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nA\t: x\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nA: x\ry\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nA: x\ny\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nA: x\x7f\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nA: x\ty\r\n\r\n", 0 },
		{ "GET / HTTP/1.1\r\nHost: h\r\n\r\nX", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\n\r\n", 411 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 65536\r\n\r\n", 0 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 65537\r\n\r\n", 413 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551617\r\n\r\n",
		    413 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1,1\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x1\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		    400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n", 501 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\nContent-Length: "
		  "1\r\n\r\n",
		    415 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nExpect: more\r\nContent-Length: 1\r\n\r\n", 417 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (status_of(cases[i].text) != cases[i].status)
			fail_msg("%s: %d, not %d", cases[i].text, status_of(cases[i].text),
			    cases[i].status);
	}
}

static void
test_sizes(void **state)
{
	char text[HTTP_HEAD_MAX + 2];
	struct http_head head;
	char *block;
	size_t len, i;

	(void)state;
	/* Exactly the limit, and one byte more. */
	for (len = HTTP_HEAD_MAX; len <= HTTP_HEAD_MAX + 1; len++) {
		snprintf(
		    text, sizeof(text), "GET / HTTP/1.1\r\nHost: h\r\nA: %0*d", (int)(len - 32), 0);
		memcpy(text + len - 4, "\r\n\r\n", 4);
		assert_int_equal(parse(text, len, &head, &block), len > HTTP_HEAD_MAX ? 431 : 0);
		free(block);
	}
	/* As many fields as there may be, and one more. */
	len = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: h\r\n");
	for (i = 1; i < HTTP_FIELDS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "A: b\r\n");
	len += (size_t)snprintf(text + len, sizeof(text) - len, "\r\n");
	assert_int_equal(parse(text, len, &head, &block), 0);
	assert_int_equal(head.nfields, HTTP_FIELDS_MAX);
	free(block);
	len -= 2;
	len += (size_t)snprintf(text + len, sizeof(text) - len, "A: b\r\n\r\n");
	assert_int_equal(parse(text, len, &head, &block), 431);
	free(block);
}

static void
test_connection_field(void **state)
{
	struct http_head head;
	char *block;
	static const char closing[] =
	    "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade, CLOSE\r\n\r\n";

	(void)state;
	assert_int_equal(parse(closing, sizeof(closing) - 1, &head, &block), 0);
	assert_false(head.keep_alive);
	free(block);
	assert_true(http_list_has("a, b ,c", "B"));
	assert_true(http_list_has("\tb", "b"));
	assert_false(http_list_has("ab", "b"));
	assert_false(http_list_has("bb", "b"));
	assert_false(http_list_has("", "b"));
	assert_false(http_list_has(NULL, "b"));
	assert_false(http_list_has(",,, ,", "b"));
}

static void
test_query(void **state)
{
	char value[5];

	(void)state;
	assert_int_equal(http_query_get("a=1&bb=2", "a", value, sizeof(value)), 0);
	assert_string_equal(value, "1");
	assert_int_equal(http_query_get("a=1&bb=-2.~", "bb", value, sizeof(value)), 0);
	assert_string_equal(value, "-2.~");
	assert_int_equal(http_query_get("a=", "a", value, sizeof(value)), 0);
	assert_string_equal(value, "");
	assert_int_equal(http_query_get("aa=1&b", "a", value, sizeof(value)), 1);
	assert_int_equal(http_query_get("", "a", value, sizeof(value)), 1);
	assert_int_equal(http_query_get("&&&", "a", value, sizeof(value)), 1);
	assert_int_equal(http_query_get("a=12345", "a", value, sizeof(value)), -1);
	assert_int_equal(http_query_get("a=1&a=1", "a", value, sizeof(value)), -1);
	assert_int_equal(http_query_get("a=%31", "a", value, sizeof(value)), -1);
	assert_int_equal(http_query_get("a=1+1", "a", value, sizeof(value)), -1);
}

static void
address_of(struct address *a, const char *text)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		address_from(a, (struct sockaddr *)&in, sizeof(in));
	else {
		assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
		address_from(a, (struct sockaddr *)&in6, sizeof(in6));
	}
}

static void
test_addresses(void **state)
{
	struct sockaddr local = { .sa_family = AF_UNIX };
	struct address a, b;

	(void)state;
	address_of(&a, "192.0.2.1");
	assert_string_equal(a.text, "192.0.2.1");
	address_of(&b, "::ffff:192.0.2.1");
	assert_string_equal(b.text, "192.0.2.1");
	assert_memory_equal(a.key, b.key, sizeof(a.key));
	address_of(&b, "192.0.2.2");
	assert_memory_not_equal(a.key, b.key, sizeof(a.key));
	address_of(&a, "2001:db8::1");
	address_of(&b, "2001:db8::ffff:ffff:ffff:ffff");
	assert_string_equal(a.text, "2001:db8::1");
	assert_memory_equal(a.key, b.key, sizeof(a.key));
	address_of(&b, "2001:db8:0:1::1");
	assert_memory_not_equal(a.key, b.key, sizeof(a.key));
	/* An IPv6 network whose first half looks like nothing is not an IPv4 address. */
	address_of(&a, "::ffff:0:0");
	address_of(&b, "::1");
	assert_memory_not_equal(a.key, b.key, sizeof(a.key));
	address_from(&a, &local, sizeof(local));
	assert_string_equal(a.text, "local");
}

static void
test_limits(void **state)
{
	struct http_limits *limits = http_limits_new(4, 2);
	struct http_place *place[5];
	struct address a, b, c;

	(void)state;
	address_of(&a, "192.0.2.1");
	address_of(&b, "192.0.2.2");
	address_of(&c, "192.0.2.3");
	assert_int_equal(http_place_new(limits, &a, &place[0]), HTTP_LIMIT_NONE);
	assert_int_equal(http_place_new(limits, &a, &place[1]), HTTP_LIMIT_NONE);
	assert_int_equal(http_place_new(limits, &a, &place[2]), HTTP_LIMIT_ADDRESS);
	assert_null(place[2]);
	assert_int_equal(http_place_new(limits, &b, &place[2]), HTTP_LIMIT_NONE);
	assert_int_equal(http_place_new(limits, &b, &place[3]), HTTP_LIMIT_NONE);
	assert_int_equal(http_place_new(limits, &c, &place[4]), HTTP_LIMIT_TOTAL);
	assert_int_equal(http_limits_count(limits), 4);
	http_place_free(place[1]);
	assert_int_equal(http_place_new(limits, &b, &place[4]), HTTP_LIMIT_ADDRESS);
	assert_int_equal(http_place_new(limits, &a, &place[1]), HTTP_LIMIT_NONE);
	http_place_free(NULL);
	http_place_free(place[0]);
	http_place_free(place[1]);
	http_place_free(place[2]);
	http_place_free(place[3]);
	assert_int_equal(http_limits_count(limits), 0);
	http_limits_free(limits);
}

static void
test_forms(void **state)
{
	char longest[66];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[64] = '\0';
	assert_true(is_connection_identifier("corp-1"));
	assert_true(is_connection_identifier(longest));
	assert_false(is_connection_identifier(""));
	assert_false(is_connection_identifier("Corp"));
	assert_false(is_connection_identifier("a_b"));
	assert_false(is_connection_identifier("a/b"));
	longest[64] = 'a';
	longest[65] = '\0';
	assert_false(is_connection_identifier(longest));
	assert_true(is_token("aZ09_-", 1, 6));
	assert_false(is_token("aZ09_-", 1, 5));
	assert_false(is_token("aZ09_-", 7, 9));
	assert_false(is_token("a b", 1, 6));
	assert_false(is_token("a.b", 1, 6));
}

static void
test_accept_key(void **state)
{
	char accept[WEBSOCKET_ACCEPT_SIZE];

	(void)state;
	/* RFC 6455 1.3 */
	assert_int_equal(websocket_accept_key("dGhlIHNhbXBsZSBub25jZQ==", accept), 0);
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	assert_int_equal(websocket_accept_key("", accept), -1);
	assert_int_equal(websocket_accept_key("dGhlIHNhbXBsZSBub25jZQ=", accept), -1);
	assert_int_equal(websocket_accept_key("dGhlIHNhbXBsZSBub25jZQAA", accept), -1);
	assert_int_equal(websocket_accept_key("dGhlIHNhbXBsZSBub25jZ===", accept), -1);
	assert_int_equal(websocket_accept_key("dGhlIHNhbXBsZSBub25j ===", accept), -1);
	assert_int_equal(websocket_accept_key("dGhlIHNhbX\nsZSBub25jZQ==", accept), -1);
	assert_int_equal(websocket_accept_key("dGhlIHNhbX!sZSBub25jZQ==", accept), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_head),
		cmocka_unit_test(test_every_truncation_is_refused),
		cmocka_unit_test(test_every_changed_byte_is_survived),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_connection_field),
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_accept_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
