/* SPDX-License-Identifier: ISC */
/*
 * The pump between a descriptor, OpenSSL and two buffers: see stream.h.
 *
 * Whatever event comes, everything that can go on is tried; so it does not
 * matter which direction TLS was waiting for.  The socket is only asked to say
 * when it takes more once it has refused some.
 */
#include "stream.h"

#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One TLS record; also what is read or written at once in clear. */
#define CHUNK 16384
/* Input taken before other descriptors get their turn. */
#define READ_BATCH (64U << 10)

struct stream {
	int fd;
	struct stream_callbacks callbacks;
	void *arg;
	struct event *readable, *writable, *turn;
	struct evbuffer *input, *output;
	size_t input_max;
	uint64_t sent;
	SSL *ssl; /* NULL: in clear */
	bool handshaking;
	bool want_write; /* TLS, or the socket in clear, waits until the socket takes more */
	bool full;	 /* input_max is reached: not reading */
	bool handed_on;	 /* a new owner has to be told what is there */
	bool starved;	 /* memory was short, and something got lost: it ends at the next turn */
	bool ended;
	unsigned int entered;
	bool freed;
};

static void on_event(evutil_socket_t, short, void *);

/* Nothing that comes after a loss may be sent or read, as if nothing had got lost. */
static void
starve(struct stream *s)
{
	s->starved = true;
	if (!s->ended)
		event_active(s->turn, EV_WRITE, 0);
}

/* What is written goes out at the end of this turn of the loop, together. */
static void
schedule(struct stream *s, short what)
{
	if (!s->ended)
		event_active(s->turn, what, 0);
}

/* The reader has taken some: there is room again. */
static void
on_input_taken(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
	struct stream *s = arg;

	(void)info;
	if (!s->full || s->ended || evbuffer_get_length(input) >= s->input_max)
		return;
	s->full = false;
	if (event_add(s->readable, NULL) == -1)
		starve(s);
	schedule(s, EV_READ);
}

struct stream *
stream_new(struct event_base *base, int fd, const struct stream_callbacks *callbacks, void *arg)
{
	struct stream *s;

	if ((s = calloc(1, sizeof(*s))) == NULL) {
		close(fd);
		return NULL;
	}
	s->fd = fd;
	s->callbacks = *callbacks;
	s->arg = arg;
	s->input_max = STREAM_INPUT_MAX;
	s->input = evbuffer_new();
	s->output = evbuffer_new();
	s->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_event, s);
	s->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_event, s);
	s->turn = event_new(base, -1, 0, on_event, s);
	if (s->input == NULL || s->output == NULL || s->readable == NULL || s->writable == NULL ||
	    s->turn == NULL || evbuffer_add_cb(s->input, on_input_taken, s) == NULL ||
	    event_add(s->readable, NULL) == -1) {
		stream_free(s);
		return NULL;
	}
	return s;
}

int
stream_fd(const struct stream *s)
{
	return s->fd;
}

void
stream_set_callbacks(struct stream *s, const struct stream_callbacks *callbacks, void *arg)
{
	s->callbacks = *callbacks;
	s->arg = arg;
	if (evbuffer_get_length(s->input) > 0) {
		s->handed_on = true;
		schedule(s, EV_READ);
	}
}

void
stream_set_input_max(struct stream *s, size_t max)
{
	s->input_max = max;
}

void
stream_keep_buffers(struct stream *s)
{
	if (s->ssl != NULL)
		SSL_clear_mode(s->ssl, SSL_MODE_RELEASE_BUFFERS);
}

/* A close_notify, as far as the socket takes it at once. */
static void
say_goodbye(struct stream *s)
{
	if (s->ssl != NULL && SSL_is_init_finished(s->ssl)) {
		SSL_shutdown(s->ssl);
		ERR_clear_error();
	}
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
	if (s->turn != NULL)
		event_free(s->turn);
	say_goodbye(s);
	SSL_free(s->ssl);
	ERR_clear_error();
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

const char *
stream_peek(struct stream *s, size_t len)
{
	const unsigned char *bytes;

	if (len == 0)
		return "";
	if ((bytes = evbuffer_pullup(s->input, (ssize_t)len)) == NULL)
		starve(s);
	return (const char *)bytes;
}

size_t
stream_unsent(const struct stream *s)
{
	return evbuffer_get_length(s->output);
}

uint64_t
stream_sent(const struct stream *s)
{
	return s->sent;
}

void
stream_write(struct stream *s, const void *data, size_t len)
{
	if (s->ended || s->starved)
		return;
	if (evbuffer_add(s->output, data, len) == -1)
		starve(s);
	schedule(s, EV_WRITE);
}

void
stream_write_secret(struct stream *s, const struct secret *secret)
{
	if (s->ended || s->starved)
		return;
	if (evbuffer_add_reference(s->output, secret->data, secret->len, NULL, NULL) == -1)
		starve(s);
	schedule(s, EV_WRITE);
}

int
stream_start_tls(struct stream *s, SSL *ssl)
{
	/* What came in clear must not be taken for something TLS has vouched for. */
	if (s->ended || s->ssl != NULL || evbuffer_get_length(s->input) > 0 ||
	    SSL_set_fd(ssl, s->fd) != 1) {
		SSL_free(ssl);
		ERR_clear_error();
		return -1;
	}
	s->ssl = ssl;
	s->handshaking = true;
	schedule(s, EV_WRITE);
	return 0;
}

void
stream_finish(struct stream *s)
{
	if (s->ended)
		return;
	say_goodbye(s);
	shutdown(s->fd, SHUT_WR);
}

/* Tells the owner once. */
static void
end(struct stream *s, int error, int saved, const char *why)
{
	struct stream_end how = { s->handshaking, s->ssl, error, saved, why };

	if (s->ended)
		return;
	s->ended = true;
	event_del(s->readable);
	event_del(s->writable);
	s->callbacks.closed(s->arg, &how);
}

/* A TLS call did not succeed. 0: it wants to be repeated later; -1: the stream has ended. */
static int
tls_wants(struct stream *s, int result, int saved)
{
	int error = SSL_get_error(s->ssl, result);
	unsigned long reason;
	const char *words;

	switch (error) {
	case SSL_ERROR_WANT_READ:
		return 0;
	case SSL_ERROR_WANT_WRITE:
		s->want_write = true;
		return 0;
	case SSL_ERROR_SYSCALL:
		end(s, error, saved, saved == 0 ? NULL : strerror(saved));
		break;
	case SSL_ERROR_SSL:
		reason = ERR_peek_error();
		words = ERR_reason_error_string(reason);
		/* Both protocols on top tell where a message ends: nothing is cut off unseen. */
		if (ERR_GET_REASON(reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
			words = NULL;
		else if (words == NULL)
			words = "TLS error";
		end(s, error, saved, words);
		break;
	default:
		end(s, error, saved, NULL);
		break;
	}
	ERR_clear_error();
	return -1;
}

static int
handshake(struct stream *s)
{
	int result;

	ERR_clear_error();
	errno = 0;
	if ((result = SSL_do_handshake(s->ssl)) != 1)
		return tls_wants(s, result, errno);
	s->handshaking = false;
	if (s->callbacks.ready != NULL)
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
		end(s, 0, errno, strerror(errno));
	return n;
}

static void
send_output(struct stream *s)
{
	unsigned char *piece;
	size_t len;
	ssize_t n = 1;
	bool some = false;

	while (!s->ended && n > 0 && (len = evbuffer_get_length(s->output)) > 0) {
		if (len > CHUNK)
			len = CHUNK;
		/* In one piece, so that what was written together is one record. */
		if ((piece = evbuffer_pullup(s->output, (ssize_t)len)) == NULL) {
			starve(s);
			break;
		}
		n = send_chunk(s, piece, len);
		if (n > 0) {
			evbuffer_drain(s->output, (size_t)n);
			s->sent += (uint64_t)n;
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
		end(s, 0, 0, NULL);
	else if (n == -1 && errno == EAGAIN)
		return 0;
	else if (n == -1)
		end(s, 0, errno, strerror(errno));
	return n == 0 ? -1 : n;
}

/* Whether the socket, which says so by itself, is all that could give more. */
static bool
drained(const struct stream *s, ssize_t n, size_t wanted)
{
	return s->ssl != NULL ? SSL_has_pending(s->ssl) == 0 : (size_t)n < wanted;
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
	ssize_t n;

	while (!s->ended && taken < READ_BATCH) {
		if (evbuffer_get_length(s->input) >= s->input_max) {
			s->full = true;
			event_del(s->readable);
			return;
		}
		if ((n = receive_chunk(s, chunk, sizeof(chunk))) <= 0)
			return;
		if (evbuffer_add(s->input, chunk, (size_t)n) == -1)
			starve(s);
		explicit_bzero(chunk, (size_t)n);
		if (s->starved)
			return;
		taken += (size_t)n;
		s->callbacks.input(s->arg);
		if (s->ended || drained(s, n, sizeof(chunk)))
			return;
	}
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
	if (s->starved)
		end(s, 0, ENOMEM, "out of memory");
	else if (s->handshaking) {
		handshake(s);
		what |= EV_READ; /* data may have come with the end of the handshake */
	}
	if (s->handed_on && !s->ended) {
		s->handed_on = false;
		s->callbacks.input(s->arg);
	}
	if (!s->ended && !s->handshaking) {
		if ((what & EV_READ) != 0)
			receive_input(s);
		if (!s->ended)
			send_output(s);
	}
	if (!s->ended && s->want_write) {
		if (event_add(s->writable, NULL) == -1)
			starve(s);
	} else if (!s->ended)
		event_del(s->writable);
	s->entered--;
	if (s->freed && s->entered == 0)
		stream_free(s);
}
