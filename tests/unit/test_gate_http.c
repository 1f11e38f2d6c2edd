/* SPDX-License-Identifier: ISC */
/* What a gate adds to reading HTTP: addresses, limits, forms, the upgrade's key. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "allocations.h"
#include "common/log.h"
#include "hub/gate/address.h"
#include "hub/gate/http.h"
#include "hub/gate/http_limits.h"
#include "hub/gate/identifier.h"
#include "hub/gate/websocket.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

/* --- without memory --- */

#define TURNS_MAX 200

static struct sockaddr_un listening = { .sun_family = AF_UNIX };
static unsigned int lines, other_lines;

static void
count_lines(enum log_level level, const char *tag, const char *text)
{
	(void)level;
	(void)tag;
	if (strstr(text, "connection from local") != NULL && strstr(text, "out of memory") != NULL)
		lines++;
	else
		other_lines++;
}

static void
quiet(int severity, const char *text)
{
	(void)severity;
	(void)text;
}

static void
answer(void *arg, struct http_exchange *x, struct http_request *request)
{
	(void)arg;
	(void)request;
	http_error(x, 404, "not_found", "there is nothing here");
}

/* A whole answer, or the end of the connection; the gate goes on in any case. */
static bool
served_without_memory(void *arg)
{
	static const char request[] = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n"
				      "Connection: close\r\n\r\nbody";
	char got[2048];
	struct pollfd pfd = { .events = POLLIN };
	size_t len = 0;
	ssize_t n = -1;
	int turns;

	pfd.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_not_equal(pfd.fd, -1);
	assert_int_equal(
	    connect(pfd.fd, (const struct sockaddr *)&listening, sizeof(listening)), 0);
	assert_int_equal(write(pfd.fd, request, sizeof(request) - 1), sizeof(request) - 1);
	for (turns = 0; turns < TURNS_MAX && n != 0; turns++) {
		assert_int_not_equal(event_base_loop(arg, EVLOOP_NONBLOCK), -1);
		if (poll(&pfd, 1, 0) == 1) {
			n = read(pfd.fd, got + len, sizeof(got) - len);
			if (n == -1) /* reset: there was unread data */
				n = 0;
			len += (size_t)n;
		}
	}
	assert_int_equal(n, 0);
	close(pfd.fd);
	allocations_relent();
	/* Ends what lingers. */
	for (turns = 0; turns < 4; turns++)
		assert_int_not_equal(event_base_loop(arg, EVLOOP_NONBLOCK), -1);
	return len > 12 && memcmp(got, "HTTP/1.1 404", 12) == 0;
}

static void
test_want_of_memory(void **state)
{
	/* A gate's server lives as long as its process. */
	static struct event_base *base;
	static struct http_server *server;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)state;
	snprintf(listening.sun_path + 1, sizeof(listening.sun_path) - 1, "test_gate_http.%ld",
	    (long)getpid());
	assert_non_null(base = event_base_new());
	assert_non_null(server = http_server_new(base, answer, NULL));
	assert_int_equal(bind(fd, (const struct sockaddr *)&listening, sizeof(listening)), 0);
	assert_int_equal(listen(fd, 16), 0);
	log_set_sink(count_lines);
	event_set_log_callback(quiet);
	http_server_listen(server, fd, HTTP_UNIX, NULL);
	allocations_fail_each(served_without_memory, base, ALLOCATIONS_KEPT);
	/* It says so, and does not fill the log with it. */
	assert_in_range(lines, 1, 5);
	assert_int_equal(other_lines, 0);
	http_server_drain(server);
	assert_int_equal(http_server_busy(server), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_accept_key),
		cmocka_unit_test(test_want_of_memory),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
