/* SPDX-License-Identifier: ISC */
/* The strict reading of HTTP heads, by the hub's gates and the connector's control socket. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "common/http_parse.h"
#include "common/http_status.h"

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
	assert_int_equal(head.minor, 1);
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
		{ "GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nA: x\r\n y\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\n\tA: x\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\nHost: h\n\n", 400 },
		{ "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", 405 },
		{ "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
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
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\ncontent-length: 2\r\n\r\n",
		    400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1 1\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 1\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: "
		  "chunked\r\n\r\n",
		    501 },
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

/* Whatever the reader refuses with has words for people, and no other status has. */
static void
test_every_refusal_has_words(void **state)
{
	static const int refusals[] = { 400, 405, 411, 413, 415, 417, 431, 501, 505 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		assert_int_equal(http_status_get(refusals[i])->status, refusals[i]);
		assert_non_null(http_status_get(refusals[i])->code);
		assert_non_null(http_status_get(refusals[i])->message);
	}
	assert_string_equal(http_status_get(200)->phrase, "OK");
	assert_null(http_status_get(200)->code);
	assert_int_equal(http_status_get(299)->status, 500);
	assert_non_null(http_status_get(299)->message);
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
		cmocka_unit_test(test_every_refusal_has_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
