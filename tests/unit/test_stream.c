/* SPDX-License-Identifier: ISC */
/*
 * The pump between a descriptor, TLS and its owner.  Two streams, or a stream and a
 * bare socket, on a pair of sockets and one event loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/stream.h"

#include "allocations.h"

#include <sys/socket.h>

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BIG (3U << 20)
#define TURNS_MAX 20000

static struct event_base *base;
static SSL_CTX *server_context, *client_context;

/* One end and what its owner saw. */
struct end {
	struct stream *stream;
	unsigned int ready, inputs, sent, closed;
	bool leave; /* take nothing out of the input */
	bool free_in_input, free_in_closed;
	size_t taken;
	uint8_t *data; /* what was taken, up to BIG bytes */
	struct stream_end how;
	char why[128];
};

static struct end a, b;
static int far; /* the other socket, where it is not b's */

static void
on_ready(void *arg)
{
	((struct end *)arg)->ready++;
}

static void
on_input(void *arg)
{
	struct end *e = arg;
	struct evbuffer *input = stream_input(e->stream);
	size_t len = evbuffer_get_length(input);

	e->inputs++;
	if (e->free_in_input) {
		stream_free(e->stream);
		e->stream = NULL;
		return;
	}
	if (e->leave)
		return;
	assert_true(e->taken + len <= BIG);
	evbuffer_remove(input, e->data + e->taken, len);
	e->taken += len;
}

static void
on_sent(void *arg)
{
	((struct end *)arg)->sent++;
}

static void
on_closed(void *arg, const struct stream_end *how)
{
	struct end *e = arg;

	e->closed++;
	e->how = *how;
	strncpy(e->why, how->why == NULL ? "" : how->why, sizeof(e->why) - 1);
	if (e->free_in_closed) {
		stream_free(e->stream);
		e->stream = NULL;
	}
}

static const struct stream_callbacks callbacks = { on_ready, on_input, on_sent, on_closed };

static void
pair(int fd[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
}

static void
end_new(struct end *e, int fd)
{
	assert_non_null(e->data = malloc(BIG));
	assert_non_null(e->stream = stream_new(base, fd, &callbacks, e));
}

/* a is a stream and far its peer. */
static void
one_end(void)
{
	int fd[2];

	pair(fd);
	end_new(&a, fd[0]);
	far = fd[1];
}

static void
two_ends(void)
{
	one_end();
	end_new(&b, far);
	far = -1;
}

static SSL *
session(SSL_CTX *context)
{
	SSL *ssl = SSL_new(context);

	assert_non_null(ssl);
	if (context == server_context)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	return ssl;
}

static void
two_tls_ends(void)
{
	two_ends();
	assert_int_equal(stream_start_tls(a.stream, session(client_context)), 0);
	assert_int_equal(stream_start_tls(b.stream, session(server_context)), 0);
}

static void
turn(void)
{
	assert_int_not_equal(event_base_loop(base, EVLOOP_NONBLOCK), -1);
}

/* Turns the loop until the condition holds; loopback needs no waiting. */
#define UNTIL(condition)                                                                           \
	do {                                                                                       \
		unsigned int turns_ = 0;                                                           \
                                                                                                   \
		while (!(condition)) {                                                             \
			assert_true(turns_++ < TURNS_MAX);                                         \
			turn();                                                                    \
		}                                                                                  \
	} while (0)

static void
rest(void)
{
	int i;

	for (i = 0; i < 20; i++)
		turn();
}

static uint8_t *
pattern(size_t len)
{
	uint8_t *p = malloc(len);
	size_t i;

	assert_non_null(p);
	for (i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 31 + i / 251);
	return p;
}

static int
setup(void **state)
{
	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	far = -1;
	base = event_base_new();
	return base == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	stream_free(a.stream);
	stream_free(b.stream);
	free(a.data);
	free(b.data);
	if (far != -1)
		close(far);
	event_base_free(base);
	return ERR_peek_error() == 0 ? 0 : -1;
}

/* --- in clear ---------------------------------------------------------------- */

static void
test_bytes_both_ways(void **state)
{
	char got[8];

	(void)state;
	one_end();
	assert_int_equal(write(far, "hello", 5), 5);
	UNTIL(a.taken == 5);
	assert_memory_equal(a.data, "hello", 5);
	stream_write(a.stream, "ab", 2);
	stream_write(a.stream, "c", 1);
	assert_int_equal(stream_unsent(a.stream), 3);
	assert_int_equal(stream_sent(a.stream), 0);
	assert_int_equal(read(far, got, sizeof(got)), -1);
	UNTIL(a.sent == 1);
	assert_int_equal(read(far, got, sizeof(got)), 3);
	assert_memory_equal(got, "abc", 3);
	assert_int_equal(stream_unsent(a.stream), 0);
	assert_int_equal(stream_sent(a.stream), 3);
	assert_int_equal(a.closed, 0);
}

static void
test_last_words_come_before_the_end(void **state)
{
	(void)state;
	one_end();
	assert_int_equal(write(far, "bye", 3), 3);
	close(far);
	far = -1;
	UNTIL(a.closed == 1);
	assert_int_equal(a.taken, 3);
	assert_null(a.how.why);
	assert_false(a.how.handshaking);
	stream_write(a.stream, "x", 1);
	rest();
	assert_int_equal(a.closed, 1);
	assert_int_equal(a.sent, 0);
}

static void
test_a_broken_connection_says_why(void **state)
{
	uint8_t *big = pattern(BIG);

	(void)state;
	one_end();
	/* The peer goes and leaves unread what was sent: the next write breaks. */
	stream_write(a.stream, big, BIG);
	UNTIL(a.sent > 0);
	close(far);
	far = -1;
	UNTIL(a.closed == 1);
	assert_true(a.how.why != NULL || a.how.saved == 0);
	free(big);
}

static void
test_a_slow_reader_gets_all(void **state)
{
	uint8_t *big = pattern(BIG), *got = malloc(BIG);
	size_t len = 0;
	ssize_t n;

	(void)state;
	assert_non_null(got);
	one_end();
	stream_write(a.stream, big, BIG);
	rest();
	assert_true(stream_unsent(a.stream) > 0);
	while (len < BIG) {
		turn();
		if ((n = read(far, got + len, 4096)) > 0)
			len += (size_t)n;
	}
	assert_memory_equal(got, big, BIG);
	assert_int_equal(stream_sent(a.stream), BIG);
	free(big);
	free(got);
}

/* What its reader does not take stops the stream, and taking it lets it go on. */
static void
test_no_more_is_read_than_is_taken(void **state)
{
	uint8_t *big = pattern(BIG);
	size_t before, len;

	(void)state;
	two_ends();
	b.leave = true;
	stream_set_input_max(b.stream, 10000);
	stream_write(a.stream, big, BIG);
	rest();
	len = evbuffer_get_length(stream_input(b.stream));
	assert_true(len >= 10000 && len < 10000 + 16384);
	before = stream_unsent(a.stream);
	assert_true(before > 0);
	rest();
	assert_int_equal(evbuffer_get_length(stream_input(b.stream)), len);
	assert_int_equal(stream_unsent(a.stream), before);
	b.leave = false;
	on_input(&b);
	UNTIL(b.taken == BIG);
	assert_memory_equal(b.data, big, BIG);
	free(big);
}

static void
test_a_new_owner_hears_of_what_is_there(void **state)
{
	(void)state;
	one_end();
	a.leave = true;
	assert_int_equal(write(far, "early", 5), 5);
	UNTIL(a.inputs == 1);
	a.leave = false;
	stream_set_callbacks(a.stream, &callbacks, &a);
	UNTIL(a.taken == 5);
	assert_int_equal(a.inputs, 2);
}

static void
test_freed_by_its_owner(void **state)
{
	(void)state;
	one_end();
	a.free_in_input = true;
	assert_int_equal(write(far, "x", 1), 1);
	UNTIL(a.stream == NULL);
	close(far);
	free(a.data);
	one_end();
	a.free_in_input = false;
	a.free_in_closed = true;
	close(far);
	far = -1;
	UNTIL(a.stream == NULL);
	stream_free(NULL);
}

static void
test_finish_says_so_and_reads_on(void **state)
{
	char got[4];

	(void)state;
	one_end();
	stream_finish(a.stream);
	assert_int_equal(read(far, got, sizeof(got)), 0);
	assert_int_equal(write(far, "late", 4), 4);
	UNTIL(a.taken == 4);
	assert_int_equal(a.closed, 0);
}

static void
test_a_secret_is_sent_as_it_is(void **state)
{
	struct secret *secret = secret_copy("geheim", 6);
	char got[16];

	(void)state;
	assert_non_null(secret);
	one_end();
	stream_write(a.stream, "<", 1);
	stream_write_secret(a.stream, secret);
	stream_write(a.stream, ">", 1);
	UNTIL(stream_unsent(a.stream) == 0);
	assert_int_equal(read(far, got, sizeof(got)), 8);
	assert_memory_equal(got, "<geheim>", 8);
	secret_free(secret);
}

/* --- TLS --------------------------------------------------------------------- */

static void
test_tls_both_ways(void **state)
{
	uint8_t *big = pattern(BIG);

	(void)state;
	two_tls_ends();
	/* Before the handshake is done already. */
	stream_write(a.stream, big, BIG);
	stream_write(b.stream, "answer", 6);
	UNTIL(b.taken == BIG && a.taken == 6);
	assert_int_equal(a.ready, 1);
	assert_int_equal(b.ready, 1);
	assert_memory_equal(b.data, big, BIG);
	assert_memory_equal(a.data, "answer", 6);
	assert_int_equal(stream_sent(a.stream), BIG);
	free(big);
}

/* TLS's buffers stay: what comes and goes is the same, records of every size behind each other. */
static void
test_tls_with_kept_buffers(void **state)
{
	SSL *ssl = session(client_context);
	uint8_t *big = pattern(BIG);
	size_t len;

	(void)state;
	two_ends();
	stream_keep_buffers(a.stream); /* in clear there are none */
	SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
	assert_int_equal(stream_start_tls(a.stream, ssl), 0);
	assert_int_equal(stream_start_tls(b.stream, session(server_context)), 0);
	UNTIL(a.ready == 1 && b.ready == 1);
	stream_keep_buffers(a.stream);
	assert_int_equal(SSL_get_mode(ssl) & SSL_MODE_RELEASE_BUFFERS, 0);
	for (len = 1; len <= BIG; len *= 4) {
		a.taken = b.taken = 0;
		stream_write(a.stream, big, len);
		stream_write(b.stream, big + BIG - len, len);
		UNTIL(b.taken == len && a.taken == len);
		assert_memory_equal(b.data, big, len);
		assert_memory_equal(a.data, big + BIG - len, len);
	}
	free(big);
}

static void
test_tls_no_more_is_read_than_is_taken(void **state)
{
	uint8_t *big = pattern(BIG);

	(void)state;
	two_tls_ends();
	UNTIL(a.ready == 1 && b.ready == 1);
	b.leave = true;
	stream_set_input_max(b.stream, 10000);
	stream_write(a.stream, big, BIG);
	rest();
	assert_true(evbuffer_get_length(stream_input(b.stream)) < 10000 + 16384);
	b.leave = false;
	on_input(&b);
	/* Also what OpenSSL holds already, which the socket does not announce. */
	UNTIL(b.taken == BIG);
	assert_memory_equal(b.data, big, BIG);
	free(big);
}

/* What is written in one turn of the loop is one record. */
static void
test_tls_gathers_what_is_written(void **state)
{
	uint8_t raw[4096];
	ssize_t n;
	SSL *ssl;
	int i;

	(void)state;
	one_end();
	assert_int_equal(stream_start_tls(a.stream, session(client_context)), 0);
	ssl = session(server_context);
	assert_int_equal(SSL_set_fd(ssl, far), 1);
	UNTIL(SSL_do_handshake(ssl) == 1);
	UNTIL(a.ready == 1);
	rest();
	ERR_clear_error();
	for (i = 0; i < 100; i++)
		stream_write(a.stream, "0123456789", 10);
	UNTIL(a.sent == 1);
	n = read(far, raw, sizeof(raw));
	assert_true(n > 1000);
	assert_int_equal(raw[0], 23); /* application data (RFC 8446 5.1) */
	assert_int_equal(5 + raw[3] * 256 + raw[4], n);
	SSL_free(ssl);
}

static void
test_tls_that_is_none(void **state)
{
	(void)state;
	one_end();
	assert_int_equal(stream_start_tls(a.stream, session(client_context)), 0);
	assert_int_equal(write(far, "HTTP/1.1 400 Bad Request\r\n\r\n", 28), 28);
	UNTIL(a.closed == 1);
	assert_true(a.how.handshaking);
	assert_non_null(a.how.session);
	assert_int_equal(a.how.error, SSL_ERROR_SSL);
	assert_string_not_equal(a.why, "");
	assert_int_equal(a.ready, 0);
	assert_int_equal(a.taken, 0);
}

static void
test_tls_end_in_the_handshake(void **state)
{
	(void)state;
	one_end();
	assert_int_equal(stream_start_tls(a.stream, session(client_context)), 0);
	rest();
	close(far);
	far = -1;
	UNTIL(a.closed == 1);
	assert_true(a.how.handshaking);
}

static void
test_tls_goodbye(void **state)
{
	(void)state;
	two_tls_ends();
	UNTIL(a.ready == 1 && b.ready == 1);
	stream_finish(b.stream);
	UNTIL(a.closed == 1);
	assert_false(a.how.handshaking);
	assert_null(a.how.why);
}

/* Without a close_notify an end is an end as well. */
static void
test_tls_cut_off(void **state)
{
	SSL *ssl;

	(void)state;
	one_end();
	assert_int_equal(stream_start_tls(a.stream, session(client_context)), 0);
	ssl = session(server_context);
	assert_int_equal(SSL_set_fd(ssl, far), 1);
	UNTIL(SSL_do_handshake(ssl) == 1);
	assert_int_equal(SSL_write(ssl, "last", 4), 4);
	SSL_free(ssl);
	close(far);
	far = -1;
	UNTIL(a.closed == 1);
	assert_int_equal(a.taken, 4);
	assert_null(a.how.why);
	assert_false(a.how.handshaking);
}

static void
test_tls_does_not_vouch_for_what_came_in_clear(void **state)
{
	(void)state;
	one_end();
	a.leave = true;
	assert_int_equal(write(far, "injected", 8), 8);
	UNTIL(a.inputs == 1);
	assert_int_equal(stream_start_tls(a.stream, session(client_context)), -1);
}

/* A certificate of its own for the server. */
/* libevent's own words on want of memory. */
static void
quiet(int severity, const char *text)
{
	(void)severity;
	(void)text;
}

static void
make_contexts(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();

	assert_non_null(key);
	assert_non_null(certificate);
	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	server_context = SSL_CTX_new(TLS_server_method());
	client_context = SSL_CTX_new(TLS_client_method());
	assert_int_equal(SSL_CTX_use_certificate(server_context, certificate), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(server_context, key), 1);
	SSL_CTX_set_mode(
	    server_context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_mode(
	    client_context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(server_context, 1);
	SSL_CTX_set_read_ahead(client_context, 1);
	X509_free(certificate);
	EVP_PKEY_free(key);
	ERR_clear_error();
}

/* --- without memory ---------------------------------------------------------- */

#define SENT (200U << 10)

/* Until all arrived or an end says that it ended. */
static void
carry(const uint8_t *data)
{
	unsigned int turns = 0;
	size_t at;

	for (at = 0; at < SENT; at += SENT / 8)
		stream_write(a.stream, data + at, SENT / 8);
	while (b.taken < SENT && a.closed == 0 && b.closed == 0) {
		assert_true(turns++ < TURNS_MAX);
		turn();
	}
}

static bool
sent_without_memory(void *arg)
{
	static uint8_t taken[2][BIG];
	const uint8_t *data = *(uint8_t **)arg;
	bool tls = ((void **)arg)[1] != NULL;
	SSL *client = NULL, *server = NULL;
	int fd[2];

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	a.data = taken[0];
	b.data = taken[1];
	pair(fd);
	a.stream = stream_new(base, fd[0], &callbacks, &a);
	b.stream = stream_new(base, fd[1], &callbacks, &b);
	if (tls && a.stream != NULL && b.stream != NULL) {
		client = SSL_new(client_context);
		server = SSL_new(server_context);
		if (client != NULL)
			SSL_set_connect_state(client);
		if (server != NULL)
			SSL_set_accept_state(server);
		if (client == NULL || server == NULL) {
			SSL_free(client);
			SSL_free(server);
			ERR_clear_error();
			tls = false;
			client = server = NULL;
		} else if (stream_start_tls(a.stream, client) == -1) {
			SSL_free(server);
			stream_free(a.stream);
			a.stream = NULL;
		} else if (stream_start_tls(b.stream, server) == -1) {
			stream_free(b.stream);
			b.stream = NULL;
		}
	}
	if (a.stream != NULL && b.stream != NULL)
		carry(data);
	allocations_relent();
	/* Nothing is left out in the middle: what came is how it began. */
	assert_memory_equal(b.data, data, b.taken);
	if (b.taken < SENT && a.stream != NULL && b.stream != NULL) {
		assert_true(a.closed + b.closed > 0);
		if (!tls)
			assert_int_equal(a.closed > 0 ? a.how.saved : b.how.saved, ENOMEM);
	}
	stream_free(a.stream);
	stream_free(b.stream);
	a.stream = b.stream = NULL;
	a.data = b.data = NULL;
	assert_int_equal(ERR_peek_error(), 0);
	return b.taken == SENT;
}

/* Input in several pieces, wanted in one. */
static bool
peeked_without_memory(void *arg)
{
	const uint8_t *data = *(uint8_t **)arg;
	const char *text = NULL;
	int fd[2];

	memset(&a, 0, sizeof(a));
	a.leave = true;
	pair(fd);
	a.stream = stream_new(base, fd[0], &callbacks, &a);
	if (a.stream != NULL) {
		assert_int_equal(write(fd[1], data, 60000), 60000);
		rest();
		if (a.closed == 0) {
			assert_int_equal(evbuffer_get_length(stream_input(a.stream)), 60000);
			assert_string_equal(stream_peek(a.stream, 0), "");
			text = stream_peek(a.stream, 60000);
			if (text != NULL)
				assert_memory_equal(text, data, 60000);
			rest();
		}
		assert_int_equal(a.closed, text == NULL ? 1 : 0);
		if (text == NULL)
			assert_int_equal(a.how.saved, ENOMEM);
	}
	stream_free(a.stream);
	a.stream = NULL;
	close(fd[1]);
	return text != NULL;
}

static void
test_want_of_memory(void **state)
{
	void *arg[2] = { pattern(SENT), NULL };

	(void)state;
	allocations_fail_each(sent_without_memory, arg, ALLOCATIONS_KEPT);
	allocations_fail_each(peeked_without_memory, arg, ALLOCATIONS_KEPT);
	arg[1] = arg;
	allocations_fail_each(sent_without_memory, arg, ALLOCATIONS_KEPT | ALLOCATIONS_SAMPLED);
	free(arg[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_bytes_both_ways),
		TEST(test_last_words_come_before_the_end),
		TEST(test_a_broken_connection_says_why),
		TEST(test_a_slow_reader_gets_all),
		TEST(test_no_more_is_read_than_is_taken),
		TEST(test_a_new_owner_hears_of_what_is_there),
		TEST(test_freed_by_its_owner),
		TEST(test_finish_says_so_and_reads_on),
		TEST(test_a_secret_is_sent_as_it_is),
		TEST(test_tls_both_ways),
		TEST(test_tls_with_kept_buffers),
		TEST(test_tls_no_more_is_read_than_is_taken),
		TEST(test_tls_gathers_what_is_written),
		TEST(test_tls_that_is_none),
		TEST(test_tls_end_in_the_handshake),
		TEST(test_tls_goodbye),
		TEST(test_tls_cut_off),
		TEST(test_tls_does_not_vouch_for_what_came_in_clear),
		TEST(test_want_of_memory),
#undef TEST
	};
	int failed;

	signal(SIGPIPE, SIG_IGN);
	event_set_log_callback(quiet);
	make_contexts();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	SSL_CTX_free(server_context);
	SSL_CTX_free(client_context);
	return failed;
}
