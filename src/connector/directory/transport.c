/* SPDX-License-Identifier: ISC */
/*
 * Outgoing bytes may be passwords: the buffer is wiped as they leave.
 */
#include "build.h"

#include "transport.h"

#include "common/log.h"
#include "tls.h"
#include "common/wipe.h"

#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IN_SIZE 65536U
#define OUT_FIRST 2048U
/* Reads of one descriptor before others have their turn. */
#define READ_ROUNDS 16

enum phase { PHASE_CLEAR, PHASE_HANDSHAKE, PHASE_TLS, PHASE_STOPPED };

struct transport {
	int fd;
	enum phase phase;
	bool reading; /* within the readable callback */
	bool freed;   /* by its owner, while reading */
	bool over;    /* closed was called; nothing more comes of it */
	SSL *ssl;
	char name[TLS_NAME_SIZE];
	char server[TLS_NAME_SIZE];
	struct event *readable;
	struct event *writable;
	struct event *flush;
	const uint8_t *in; /* into the shared buffer, within the callback only */
	size_t in_len;
	uint8_t *out;
	size_t out_len;
	size_t out_size;
	struct transport_callbacks callbacks;
	void *arg;
};

static uint8_t in_buffer[IN_SIZE];

static void on_readable(evutil_socket_t, short, void *);
static void on_writable(evutil_socket_t, short, void *);
static void on_flush(evutil_socket_t, short, void *);

static size_t
copy_name(char *dst, const char *src)
{
	size_t len = strnlen(src, TLS_NAME_SIZE - 1);

	memcpy(dst, src, len);
	dst[len] = '\0';
	return len;
}

struct transport *
transport_new(struct event_base *base, int fd, const char *server,
    const struct transport_callbacks *callbacks, void *arg)
{
	struct transport *t;

	if ((t = calloc(1, sizeof(*t))) == NULL) {
		close(fd);
		return NULL;
	}
	t->fd = fd;
	t->callbacks = *callbacks;
	t->arg = arg;
	copy_name(t->server, server);
	t->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, t);
	t->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, t);
	t->flush = event_new(base, -1, 0, on_flush, t);
	if (t->readable == NULL || t->writable == NULL || t->flush == NULL ||
	    event_add(t->readable, NULL) == -1) {
		transport_free(t);
		return NULL;
	}
	return t;
}

static void
out_drop(struct transport *t, size_t n)
{
	if (n == 0)
		return;
	memmove(t->out, t->out + n, t->out_len - n);
	explicit_bzero(t->out + t->out_len - n, n);
	t->out_len -= n;
	if (t->out_len == 0 && t->out_size > 4 * OUT_FIRST) {
		wiping_free(t->out);
		t->out = NULL;
		t->out_size = 0;
	}
}

/* Bytes sent; 0 when it would block; -1 when the stream is broken. */
static ssize_t
out_send(struct transport *t)
{
	ssize_t n;

	if (t->phase != PHASE_TLS) {
		do
			n = send(t->fd, t->out, t->out_len, MSG_NOSIGNAL);
		while (n == -1 && errno == EINTR);
		return n == -1 && errno == EAGAIN ? 0 : n;
	}
	ERR_clear_error();
	n = SSL_write(t->ssl, t->out, t->out_len > INT32_MAX ? INT32_MAX : (int)t->out_len);
	if (n > 0)
		return n;
	switch (SSL_get_error(t->ssl, (int)n)) {
	case SSL_ERROR_WANT_WRITE:
	case SSL_ERROR_WANT_READ: /* tried again when something was read, at the latest */
		return 0;
	default:
		return -1;
	}
}

/* -1 when the stream is broken; reading then says so in order. */
static int
out_flush(struct transport *t)
{
	ssize_t n;

	while (t->out_len > 0) {
		if ((n = out_send(t)) == -1)
			return -1;
		if (n == 0)
			break;
		out_drop(t, (size_t)n);
	}
	if (t->out_len > 0)
		event_add(t->writable, NULL);
	else
		event_del(t->writable);
	return 0;
}

static void
stop(struct transport *t)
{
	if (t->phase == PHASE_STOPPED)
		return;
	if (t->out_len > 0 && t->phase != PHASE_HANDSHAKE && !t->over)
		out_flush(t);
	if (t->ssl != NULL) {
		if (t->phase == PHASE_TLS && !t->over) {
			ERR_clear_error();
			SSL_shutdown(t->ssl); /* our close_notify; theirs is not waited for */
		}
		SSL_free(t->ssl);
		t->ssl = NULL;
		ERR_clear_error();
	}
	t->phase = PHASE_STOPPED;
	t->in_len = 0;
	if (t->readable != NULL)
		event_free(t->readable);
	if (t->writable != NULL)
		event_free(t->writable);
	if (t->flush != NULL)
		event_free(t->flush);
	t->readable = t->writable = t->flush = NULL;
	close(t->fd);
	t->fd = -1;
	wiping_free(t->out);
	t->out = NULL;
	t->out_len = t->out_size = 0;
}

void
transport_free(struct transport *t)
{
	if (t == NULL)
		return;
	stop(t);
	if (t->reading)
		t->freed = true;
	else
		free(t);
}

static void
fail(struct transport *t, const struct failure *failure)
{
	/* No event of a broken stream may come again while its owner makes up its mind. */
	t->over = true;
	event_del(t->readable);
	event_del(t->writable);
	event_del(t->flush);
	t->callbacks.closed(t->arg, failure);
}

static void
fail_closed(struct transport *t, int error)
{
	struct failure failure;

	if (error == 0)
		failure_set(&failure, "closed", "%s closed the connection", t->server);
	else if (error == ETIMEDOUT) /* see common/tcp_peer.h */
		failure_set(&failure, "timeout", "%s is silent", t->server);
	else
		failure_set(&failure, "lost", "the connection to %s was lost: %s", t->server,
		    strerror(error));
	fail(t, &failure);
}

int
transport_start_tls(struct transport *t, struct tls_context *context, const char *name)
{
	copy_name(t->name, name);
	if ((t->ssl = tls_client(context, t->fd, name)) == NULL)
		return -1;
	t->phase = PHASE_HANDSHAKE;
	/* The first flight goes out from the loop, not from within the caller. */
	event_active(t->flush, EV_WRITE, 0);
	return 0;
}

static void
handshake(struct transport *t)
{
	struct failure failure;
	int n;

	ERR_clear_error();
	if ((n = SSL_connect(t->ssl)) == 1) {
		t->phase = PHASE_TLS;
		tls_agreed();
		event_del(t->writable);
		log_debug("%s: %s, %s%s", t->server, SSL_get_version(t->ssl),
		    SSL_get_cipher_name(t->ssl), SSL_session_reused(t->ssl) ? ", resumed" : "");
		t->callbacks.secured(t->arg);
		return;
	}
	switch (SSL_get_error(t->ssl, n)) {
	case SSL_ERROR_WANT_READ:
		event_del(t->writable);
		return;
	case SSL_ERROR_WANT_WRITE:
		event_add(t->writable, NULL);
		return;
	default:
		tls_explain(t->ssl, t->name, &failure);
		fail(t, &failure);
		return;
	}
}

/* Bytes now in the shared buffer; 0: none for now; -1: the stream is over (*error 0: in order). */
static ssize_t
fill(struct transport *t, int *error)
{
	ssize_t n;

	*error = 0;
	if (t->phase != PHASE_TLS) {
		do
			n = recv(t->fd, in_buffer, sizeof(in_buffer), 0);
		while (n == -1 && errno == EINTR);
		if (n > 0)
			return n;
		if (n == -1 && errno == EAGAIN)
			return 0;
		*error = n == 0 ? 0 : errno;
		return -1;
	}
	ERR_clear_error();
	errno = 0;
	n = SSL_read(t->ssl, in_buffer, (int)sizeof(in_buffer));
	if (n > 0)
		return n;
	switch (SSL_get_error(t->ssl, (int)n)) {
	case SSL_ERROR_WANT_READ:
		return 0;
	case SSL_ERROR_WANT_WRITE:
		event_add(t->writable, NULL);
		return 0;
	case SSL_ERROR_SYSCALL:
		*error = errno;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return -1;
	default:
		/* OpenSSL 3 reports an end without close_notify here (RFC 8446 6.1). */
		*error = ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING
		    ? 0
		    : EPROTO;
		return -1;
	}
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct transport *t = arg;
	ssize_t n;
	int error, rounds;

	(void)fd;
	(void)what;
	if (t->phase == PHASE_HANDSHAKE) {
		handshake(t);
		return;
	}
	for (rounds = 0; rounds < READ_ROUNDS; rounds++) {
		if ((n = fill(t, &error)) == -1) {
			fail_closed(t, error);
			return;
		}
		if (n == 0)
			goto written;
		t->in = in_buffer;
		t->in_len = (size_t)n;
		t->reading = true;
		t->callbacks.readable(t->arg);
		t->reading = false;
		t->in_len = 0;
		if (t->freed) {
			free(t);
			return;
		}
		if (t->over || t->phase == PHASE_HANDSHAKE)
			return;
		if (t->phase == PHASE_CLEAR && (size_t)n < IN_SIZE)
			goto written; /* another read would only say that there is no more */
		if (t->phase == PHASE_TLS && !SSL_has_pending(t->ssl))
			goto written;
	}
	/* Others have their turn now. What OpenSSL holds already wakes no descriptor. */
	if (t->phase == PHASE_TLS)
		event_active(t->readable, EV_READ, 0);
written:
	if (t->out_len > 0 && out_flush(t) == -1)
		fail_closed(t, EPIPE);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct transport *t = arg;

	(void)fd;
	(void)what;
	if (t->phase == PHASE_HANDSHAKE)
		handshake(t);
	else if (out_flush(t) == -1)
		fail_closed(t, EPIPE);
}

static void
on_flush(evutil_socket_t fd, short what, void *arg)
{
	on_writable(fd, what, arg);
}

ssize_t
transport_read(struct transport *t, void *dst, size_t len)
{
	if (t->in_len == 0) {
		errno = EWOULDBLOCK;
		return -1;
	}
	if (len > t->in_len)
		len = t->in_len;
	memcpy(dst, t->in, len);
	t->in += len;
	t->in_len -= len;
	return (ssize_t)len;
}

bool
transport_has_bytes(const struct transport *t)
{
	return t->in_len > 0;
}

ssize_t
transport_write(struct transport *t, const void *src, size_t len)
{
	uint8_t *grown;
	size_t size;

	if (t->phase == PHASE_STOPPED || t->phase == PHASE_HANDSHAKE || t->over ||
	    len > TRANSPORT_OUT_MAX - t->out_len) {
		errno = EPIPE;
		return -1;
	}
	if (t->out_len + len > t->out_size) {
		size = t->out_size == 0 ? OUT_FIRST : t->out_size;
		while (size < t->out_len + len)
			size *= 2;
		if ((grown = wiping_realloc(t->out, size)) == NULL) {
			errno = ENOMEM;
			return -1;
		}
		t->out = grown;
		t->out_size = size;
	}
	if (t->out_len == 0)
		event_active(t->flush, EV_WRITE, 0);
	memcpy(t->out + t->out_len, src, len);
	t->out_len += len;
	return (ssize_t)len;
}

bool
transport_alive(struct transport *t)
{
	uint8_t byte;
	int n;

	/* More came with what was just read. */
	if (t->in_len > 0)
		return false;
	if (t->phase == PHASE_TLS && !t->over) {
		ERR_clear_error();
		n = SSL_peek(t->ssl, &byte, 1);
		return n <= 0 && SSL_get_error(t->ssl, n) == SSL_ERROR_WANT_READ;
	}
	if (t->phase != PHASE_CLEAR || t->over)
		return false;
	return recv(t->fd, &byte, 1, MSG_PEEK) == -1 && errno == EAGAIN;
}
