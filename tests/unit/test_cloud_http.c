/* SPDX-License-Identifier: ISC */
/*
 * The reader of HTTP heads: what it takes, and that everything doubtful is refused.
 */
#include "http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The text in a block of its own size, so that a read beyond it is seen by the sanitizer. */
static ssize_t
read_exact(const char *text, size_t len, struct http_head *head)
{
	const char *why = NULL;
	char *copy = malloc(len == 0 ? 1 : len);
	ssize_t result;

	assert_non_null(copy);
	memcpy(copy, text, len);
	result = http_read_head(copy, len, head, &why);
	if (result == -1)
		assert_non_null(why);
	free(copy);
	return result;
}

static ssize_t
read_text(const char *text, struct http_head *head)
{
	return read_exact(text, strlen(text), head);
}

#define OK "HTTP/1.1 200 OK\r\n"

static void
test_good(void **state)
{
	static const char text[] = OK "Content-Type: application/json; charset=utf-8\r\n"
				      "content-length:  12 \r\nX: y\r\n\r\n{";
	struct http_head head;

	(void)state;
	assert_int_equal(read_text(text, &head), (int)strlen(text) - 1);
	assert_int_equal(head.status, 200);
	assert_true(head.has_length);
	assert_int_equal(head.length, 12);
	assert_true(head.json);
	assert_false(head.transfer_encoding);
	assert_null(http_body_refused(&head));
}

static void
test_every_prefix_is_incomplete(void **state)
{
	static const char text[] = OK "Content-Length: 0\r\nServer: x\r\n\r\n";
	struct http_head head;
	size_t i;

	(void)state;
	for (i = 0; i < strlen(text); i++)
		assert_int_equal(read_exact(text, i, &head), 0);
	assert_int_equal(read_exact(text, i, &head), (int)i);
}

static void
test_status_lines(void **state)
{
	static const char *const good[] = { "HTTP/1.0 200 Connection established\r\n\r\n",
		"HTTP/1.1 101 \r\n\r\n", "HTTP/1.1 599\r\n\r\n", "HTTP/1.1 100 x\r\n\r\n" };
	static const char *const bad[] = { "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.2 200 OK\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000\r\n\r\n",
		"HTTP/1.1 099 x\r\n\r\n", "HTTP/1.1 600 x\r\n\r\n", "HTTP/1.1 2x0 x\r\n\r\n",
		"HTTP/1.1 200 a\001\r\n\r\n", "http/1.1 200 OK\r\n\r\n", "ICY 200 OK\r\n\r\n",
		"\r\nHTTP/1.1 200 OK\r\n\r\n", "<html>", " " };
	struct http_head head;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(read_text(good[i], &head) > 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(read_text(bad[i], &head), -1);
}

static void
test_bad_fields(void **state)
{
	static const char *const bad[] = {
		OK "Content-Length : 1\r\n\r\n", /* blank before the colon */
		OK " X: y\r\n\r\n",		 /* folded */
		OK "X: y\r\n z\r\n\r\n",
		OK ": y\r\n\r\n",
		OK "X\r\n\r\n",
		OK "X: y\n\r\n", /* bare LF */
		"HTTP/1.1 200 OK\n\r\n",
		OK "X: a\rb\r\n\r\n", /* bare CR inside */
		OK "X: a\177\r\n\r\n",
		OK "X(y): a\r\n\r\n",
		OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
		OK "Content-Length: +1\r\n\r\n",
		OK "Content-Length: -1\r\n\r\n",
		OK "Content-Length: 1,1\r\n\r\n",
		OK "Content-Length: 0x1\r\n\r\n",
		OK "Content-Length: \r\n\r\n",
		OK "Content-Length: 1000000000\r\n\r\n",
		OK "Content-Length: 18446744073709551617\r\n\r\n",
		OK "Content-Type: application/json\r\nContent-Type: text/html\r\n\r\n",
		OK "Upgrade: websocket\r\nUpgrade: websocket\r\n\r\n",
		OK "Sec-WebSocket-Accept: a\r\nSec-WebSocket-Accept: b\r\n\r\n",
		OK "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n\r\n",
	};
	struct http_head head;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(read_text(bad[i], &head), -1);
}

static void
test_nul_in_head(void **state)
{
	static const char text[] = OK "X: a\0b\r\n\r\n";
	struct http_head head;

	(void)state;
	assert_int_equal(read_exact(text, sizeof(text) - 1, &head), -1);
}

/* A head of exactly len bytes. */
static char *
head_of(size_t len)
{
	static const char begin[] = OK "X: ", end[] = "\r\n\r\n";
	char *text = malloc(len);

	assert_non_null(text);
	memset(text, 'a', len);
	memcpy(text, begin, strlen(begin));
	memcpy(text + len - strlen(end), end, strlen(end));
	return text;
}

static void
test_length_limit(void **state)
{
	struct http_head head;
	char *text;

	(void)state;
	text = head_of(HTTP_HEAD_MAX);
	assert_int_equal(read_exact(text, HTTP_HEAD_MAX, &head), HTTP_HEAD_MAX);
	assert_int_equal(read_exact(text, HTTP_HEAD_MAX - 1, &head), 0);
	free(text);
	text = head_of(HTTP_HEAD_MAX + 1);
	assert_int_equal(read_exact(text, HTTP_HEAD_MAX + 1, &head), -1);
	assert_int_equal(read_exact(text, HTTP_HEAD_MAX, &head), -1);
	free(text);
}

static void
test_field_limit(void **state)
{
	char text[8192];
	struct http_head head;
	size_t len, i;

	(void)state;
	len = (size_t)snprintf(text, sizeof(text), OK);
	for (i = 0; i < 64; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "X: y\r\n");
	snprintf(text + len, sizeof(text) - len, "\r\n");
	assert_int_equal(read_text(text, &head), (int)len + 2);
	snprintf(text + len, sizeof(text) - len, "X: y\r\n\r\n");
	assert_int_equal(read_text(text, &head), -1);
}

static void
test_bodies(void **state)
{
	struct http_head head;

	(void)state;
	assert_true(read_text(OK "Content-Length: 65536\r\n\r\n", &head) > 0);
	assert_null(http_body_refused(&head));
	assert_true(read_text(OK "Content-Length: 65537\r\n\r\n", &head) > 0);
	assert_non_null(http_body_refused(&head));
	assert_true(read_text(OK "Content-Length: 999999999\r\n\r\n", &head) > 0);
	assert_non_null(http_body_refused(&head));
	assert_true(read_text(OK "X: y\r\n\r\n", &head) > 0);
	assert_non_null(http_body_refused(&head));
	assert_true(
	    read_text(OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", &head) > 0);
	assert_non_null(http_body_refused(&head));
	assert_true(read_text(OK "Content-Length: 1\r\nContent-Encoding: gzip\r\n\r\n", &head) > 0);
	assert_non_null(http_body_refused(&head));
	assert_true(
	    read_text(OK "Content-Length: 1\r\nContent-Encoding: identity\r\n\r\n", &head) > 0);
	assert_null(http_body_refused(&head));
}

static void
test_content_types(void **state)
{
	struct http_head head;

	(void)state;
	assert_true(read_text(OK "Content-Type: APPLICATION/JSON\r\n\r\n", &head) > 0);
	assert_true(head.json);
	assert_true(
	    read_text(OK "Content-Type: application/json;charset=utf-8\r\n\r\n", &head) > 0);
	assert_true(head.json);
	assert_true(read_text(OK "Content-Type: application/jsonp\r\n\r\n", &head) > 0);
	assert_false(head.json);
	assert_true(read_text(OK "Content-Type: text/html\r\n\r\n", &head) > 0);
	assert_false(head.json);
	assert_true(read_text(OK "Content-Type:\r\n\r\n", &head) > 0);
	assert_false(head.json);
}

static void
test_upgrade_fields(void **state)
{
	char text[512], value[HTTP_VALUE_SIZE + 1];
	struct http_head head;

	(void)state;
	assert_true(
	    read_text("HTTP/1.1 101 x\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
		      "Sec-WebSocket-Accept: abc=\r\nSec-WebSocket-Protocol: p.v1\r\n\r\n",
		&head) > 0);
	assert_true(head.upgrade_websocket && head.connection_upgrade && !head.extensions);
	assert_string_equal(head.accept, "abc=");
	assert_string_equal(head.protocol, "p.v1");
	assert_true(read_text("HTTP/1.1 101 x\r\nSec-WebSocket-Extensions:\r\n\r\n", &head) > 0);
	assert_true(head.extensions);
	/* One byte less than the room, and one more: the latter reads as absent. */
	memset(value, 'v', sizeof(value));
	value[HTTP_VALUE_SIZE - 1] = '\0';
	snprintf(text, sizeof(text), "HTTP/1.1 101 x\r\nSec-WebSocket-Accept: %s\r\n\r\n", value);
	assert_true(read_text(text, &head) > 0);
	assert_string_equal(head.accept, value);
	value[HTTP_VALUE_SIZE - 1] = 'v';
	value[HTTP_VALUE_SIZE] = '\0';
	snprintf(text, sizeof(text), "HTTP/1.1 101 x\r\nSec-WebSocket-Accept: %s\r\n\r\n", value);
	assert_true(read_text(text, &head) > 0);
	assert_string_equal(head.accept, "");
}

static void
test_proxy_authenticate(void **state)
{
	struct http_head head;

	(void)state;
	assert_true(read_text("HTTP/1.1 407 x\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n",
			&head) > 0);
	assert_true(head.basic);
	assert_true(read_text("HTTP/1.1 407 x\r\nProxy-Authenticate: Negotiate\r\n"
			      "Proxy-Authenticate: BASIC\r\n\r\n",
			&head) > 0);
	assert_true(head.basic);
	assert_true(read_text("HTTP/1.1 407 x\r\nProxy-Authenticate: NTLM\r\n\r\n", &head) > 0);
	assert_false(head.basic);
}

static void
test_host(void **state)
{
	char text[32], exact[sizeof("a.example:8855")];

	(void)state;
	assert_int_equal(http_host("a.example", 443, 443, text, sizeof(text)), 0);
	assert_string_equal(text, "a.example");
	assert_int_equal(http_host("2001:db8::1", 443, 443, text, sizeof(text)), 0);
	assert_string_equal(text, "[2001:db8::1]");
	assert_int_equal(http_host("2001:db8::1", 8855, 443, text, sizeof(text)), 0);
	assert_string_equal(text, "[2001:db8::1]:8855");
	assert_int_equal(http_host("a.example", 8855, 443, exact, sizeof(exact)), 0);
	assert_int_equal(http_host("a.examplex", 8855, 443, exact, sizeof(exact)), -1);
}

/* Every single byte of a good head changed to every value: no crash, and never more bytes used. */
static void
test_mutations(void **state)
{
	static const char text[] = OK "Content-Length: 5\r\nContent-Type: application/json\r\n\r\n";
	char copy[sizeof(text)];
	struct http_head head;
	unsigned int value;
	size_t i;

	(void)state;
	for (i = 0; i < strlen(text); i++) {
		for (value = 0; value < 256; value++) {
			memcpy(copy, text, sizeof(text));
			copy[i] = (char)value;
			assert_true(read_exact(copy, strlen(text), &head) <= (ssize_t)strlen(text));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_every_prefix_is_incomplete),
		cmocka_unit_test(test_status_lines),
		cmocka_unit_test(test_bad_fields),
		cmocka_unit_test(test_nul_in_head),
		cmocka_unit_test(test_length_limit),
		cmocka_unit_test(test_field_limit),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_content_types),
		cmocka_unit_test(test_upgrade_fields),
		cmocka_unit_test(test_proxy_authenticate),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
