/* SPDX-License-Identifier: ISC */
/*
 * The pump between a descriptor, OpenSSL and two buffers: see stream.h.
 *
 * Whatever event comes, everything that can go on is tried; so it does not
 * matter which direction TLS was waiting for.
 */
#include "stream.h"

#include <openssl/err.h>

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One TLS record; also what is read or written at once in clear. */
#define CHUNK 16384
/* Input taken before other descriptors get their turn. */
#define READ_BATCH (64U << 10)

struct stream {
	int fd;
	const char *name;
	struct stream_callbacks callbacks;
	void *arg;
	struct event *readable, *writable, *flush;
	struct evbuffer *input, *output;
	struct tls *tls;
	SSL *ssl; /* NULL: in clear */
	bool handshaking;
	bool want_write; /* TLS waits until the socket takes more */
	bool ended;
	unsigned int entered;
	bool freed;
};

static void on_event(evutil_socket_t, short, void *);

struct stream *
stream_new(struct event_base *base, int fd, const char *name,
    const struct stream_callbacks *callbacks, void *arg)
{
	struct stream *s;

	if ((s = calloc(1, sizeof(*s))) == NULL) {
		close(fd);
		return NULL;
	}
	s->fd = fd;
	s->name = name;
	s->callbacks = *callbacks;
	s->arg = arg;
	s->input = evbuffer_new();
	s->output = evbuffer_new();
	s->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_event, s);
	s->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_event, s);
	s->flush = event_new(base, -1, 0, on_event, s);
	if (s->input == NULL || s->output == NULL || s->readable == NULL || s->writable == NULL ||
	    s->flush == NULL || event_add(s->readable, NULL) == -1) {
		stream_free(s);
		return NULL;
	}
	return s;
}

void
stream_set_callbacks(struct stream *s, const struct stream_callbacks *callbacks, void *arg)
{
	s->callbacks = *callbacks;
	s->arg = arg;
}

void
stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	s->ended = true;
	if (s->entered > 0) {
		s->freed = true;
		return;
	}
	if (s->readable != NULL)
		event_free(s->readable);
	if (s->writable != NULL)
		event_free(s->writable);
	if (s->flush != NULL)
		event_free(s->flush);
	if (s->ssl != NULL) {
		if (!s->handshaking)
			SSL_shutdown(s->ssl);
		SSL_free(s->ssl);
		ERR_clear_error();
	}
	if (s->input != NULL)
		evbuffer_free(s->input);
	if (s->output != NULL)
		evbuffer_free(s->output);
	close(s->fd);
	free(s);
}

struct evbuffer *
stream_input(struct stream *s)
{
	return s->input;
}

size_t
stream_unsent(const struct stream *s)
{
	return evbuffer_get_length(s->output);
}

/* What is written goes out at the end of this turn of the loop, together. */
static void
schedule(struct stream *s, short what)
{
	if (!s->ended)
		event_active(s->flush, what, 0);
}

void
stream_write(struct stream *s, const void *data, size_t len)
{
	if (s->ended)
		return;
	evbuffer_add(s->output, data, len);
	schedule(s, EV_WRITE);
}

void
stream_write_secret(struct stream *s, const struct secret *secret)
{
	if (s->ended)
		return;
	evbuffer_add_reference(s->output, secret->data, secret->len, NULL, NULL);
	schedule(s, EV_WRITE);
}

int
stream_start_tls(struct stream *s, struct tls *tls)
{
	/* What came in clear must not be taken for something TLS has vouched for. */
	if (s->ended || s->ssl != NULL || evbuffer_get_length(s->input) > 0 ||
	    (s->ssl = tls_session(tls, s->fd)) == NULL)
		return -1;
	s->tls = tls;
	s->handshaking = true;
	schedule(s, EV_WRITE);
	return 0;
}

/* Tells the owner once. */
static void
end(struct stream *s, const struct failure *failure)
{
	if (s->ended)
		return;
	s->ended = true;
	event_del(s->readable);
	event_del(s->writable);
	s->callbacks.closed(s->arg, failure);
}

static void
end_of_file(struct stream *s)
{
	struct failure failure;

	failure_set(&failure, "closed", "%s: the other side closed the connection", s->name);
	end(s, &failure);
}

static void
broken(struct stream *s, const char *why)
{
	struct failure failure;

	failure_set(&failure, "unreachable", "%s: the connection broke: %s", s->name, why);
	end(s, &failure);
}

/* A TLS call did not succeed. 0: it wants to be repeated later; -1: the stream has ended. */
static int
tls_wants(struct stream *s, int result, int saved)
{
	struct failure failure;
	unsigned long reason;

	switch (SSL_get_error(s->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return 0;
	case SSL_ERROR_WANT_WRITE:
		s->want_write = true;
		return 0;
	default:
		break;
	}
	reason = ERR_peek_error();
	if (s->handshaking) {
		tls_failure(
		    s->tls, s->ssl, SSL_get_error(s->ssl, result), saved, s->name, &failure);
		end(s, &failure);
	} else if (SSL_get_error(s->ssl, result) == SSL_ERROR_SYSCALL && saved != 0)
		broken(s, strerror(saved));
	else if (SSL_get_error(s->ssl, result) == SSL_ERROR_SSL &&
	    ERR_GET_REASON(reason) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
		broken(s,
		    ERR_reason_error_string(reason) == NULL ? "TLS error"
							    : ERR_reason_error_string(reason));
	else
		end_of_file(s);
	ERR_clear_error();
	return -1;
}

static int
handshake(struct stream *s)
{
	int result;

	ERR_clear_error();
	errno = 0;
	if ((result = SSL_connect(s->ssl)) != 1)
		return tls_wants(s, result, errno);
	s->handshaking = false;
	s->callbacks.ready(s->arg);
	return 0;
}

/* One chunk out. Bytes sent, 0 when it must wait, -1 when the stream has ended. */
static ssize_t
send_chunk(struct stream *s, const void *data, size_t len)
{
	ssize_t n;
	int result;

	if (s->ssl != NULL) {
		ERR_clear_error();
		errno = 0;
		result = SSL_write(s->ssl, data, (int)len);
		return result > 0 ? result : tls_wants(s, result, errno);
	}
	do
		n = write(s->fd, data, len);
	while (n == -1 && errno == EINTR);
	if (n == -1 && errno == EAGAIN) {
		s->want_write = true;
		return 0;
	}
	if (n == -1)
		broken(s, strerror(errno));
	return n;
}

static void
send_output(struct stream *s)
{
	struct evbuffer_iovec vec;
	ssize_t n = 1;
	bool some = false;

	while (!s->ended && n > 0 && evbuffer_peek(s->output, CHUNK, NULL, &vec, 1) > 0) {
		n = send_chunk(s, vec.iov_base, vec.iov_len > CHUNK ? CHUNK : vec.iov_len);
		if (n > 0) {
			evbuffer_drain(s->output, (size_t)n);
			some = true;
		}
	}
	if (some && !s->ended && s->callbacks.sent != NULL)
		s->callbacks.sent(s->arg);
}

static ssize_t
receive_chunk(struct stream *s, void *data, size_t len)
{
	ssize_t n;
	int result;

	if (s->ssl != NULL) {
		ERR_clear_error();
		errno = 0;
		result = SSL_read(s->ssl, data, (int)len);
		return result > 0 ? result : tls_wants(s, result, errno);
	}
	do
		n = read(s->fd, data, len);
	while (n == -1 && errno == EINTR);
	if (n == 0)
		end_of_file(s);
	else if (n == -1 && errno == EAGAIN)
		return 0;
	else if (n == -1)
		broken(s, strerror(errno));
	return n == 0 ? -1 : n;
}

/*
 * Reads a batch and lets the owner see it.  An end that comes with the batch is
 * told after it: a close frame and the end of file mostly arrive together.
 */
static void
receive_input(struct stream *s)
{
	static unsigned char chunk[CHUNK];
	size_t taken = 0;
	ssize_t n = 0;

	while (!s->ended && taken < READ_BATCH) {
		n = receive_chunk(s, chunk, sizeof(chunk));
		if (n <= 0)
			break;
		evbuffer_add(s->input, chunk, (size_t)n);
		explicit_bzero(chunk, (size_t)n);
		taken += (size_t)n;
		s->callbacks.input(s->arg);
		if (!s->ended && evbuffer_get_length(s->input) > STREAM_INPUT_MAX)
			broken(s, "more came than was asked for");
	}
	/* TLS may hold more that the socket no longer announces. */
	if (!s->ended && n > 0 && s->ssl != NULL && SSL_pending(s->ssl) > 0)
		schedule(s, EV_READ);
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd;
	if (s->ended)
		return;
	s->entered++;
	s->want_write = false;
	if (s->handshaking) {
		handshake(s);
		what |= EV_READ; /* data may have come with the end of the handshake */
	}
	if (!s->ended && !s->handshaking) {
		if ((what & EV_READ) != 0)
			receive_input(s);
		if (!s->ended)
			send_output(s);
	}
	if (!s->ended && s->want_write)
		event_add(s->writable, NULL);
	else if (!s->ended)
		event_del(s->writable);
	s->entered--;
	if (s->freed && s->entered == 0)
		stream_free(s);
}
