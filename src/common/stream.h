/* SPDX-License-Identifier: ISC */
/*
 * Bytes to and from a connected descriptor, in clear at first and through TLS
 * after stream_start_tls().  Non-blocking, with bounded buffers.
 *
 * Must not know what the bytes mean, nor where the descriptor leads, nor whom TLS
 * has to trust: the session it is given decides that.
 */
#ifndef ADC_STREAM_H
#define ADC_STREAM_H

#include "secret.h"

#include <openssl/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct evbuffer;
struct stream;

/* Unread input at which no more is read, until stream_set_input_max() says otherwise. */
#define STREAM_INPUT_MAX (256U << 10)

/* How a stream ended. */
struct stream_end {
	bool handshaking; /* TLS was not agreed on: session and error tell more */
	SSL *session;	  /* NULL in clear */
	int error;	  /* SSL_get_error(); what OpenSSL's queue holds belongs to it */
	int saved;	  /* errno, 0: none; ENOMEM: memory was short, and something got lost */
	const char *why;  /* words for people, NULL: the other side closed the connection */
};

/* Any of them may free the stream. */
struct stream_callbacks {
	void (*ready)(void *arg); /* the TLS handshake is done; NULL is fine */
	void (*input)(void *arg); /* there is new input in stream_input() */
	/* Some output was sent, and stream_unsent() is smaller now. NULL is fine. */
	void (*sent)(void *arg);
	/* Nothing comes after it, and nothing is sent any more. */
	void (*closed)(void *arg, const struct stream_end *);
};

/* Takes the descriptor. NULL when memory is short: fd is closed. */
struct stream *stream_new(struct event_base *, int fd, const struct stream_callbacks *, void *arg);
/* Still the stream's, for options of the socket. */
int stream_fd(const struct stream *);
/* Hands the stream to another owner, who is told of input that is there already. */
void stream_set_callbacks(struct stream *, const struct stream_callbacks *, void *arg);
/* Unread input at which reading stops until its reader has taken some. */
void stream_set_input_max(struct stream *, size_t max);
/*
 * TLS keeps its two buffers of 17 kB from one record to the next, instead of wiping and giving them
 * back each time: for a stream that is busy for long, and on which no secret passes in clear text.
 * OpenSSL from 3.2 on may go on giving them back.
 */
void stream_keep_buffers(struct stream *);
/* Closes at once, what is unsent is lost. NULL is fine. */
void stream_free(struct stream *);

/*
 * From here on everything is TLS: the session takes its part, client or server, as it was
 * set, on this stream's descriptor.  Takes the session, also when it fails.  -1: input
 * is there already, or memory is short.
 */
int stream_start_tls(struct stream *, SSL *);
/* Says that nothing more will be sent (close_notify, and the end of the file); reads on. */
void stream_finish(struct stream *);
/* Owned by the stream; its reader drains what it has read. */
struct evbuffer *stream_input(struct stream *);
/*
 * The first len bytes of the input, which has them, in one piece and still in it.  NULL when memory
 * is short for that: the stream ends, soon after.
 */
const char *stream_peek(struct stream *, size_t len);
/*
 * Copies and sends as the peer takes it; the caller bounds it by stream_unsent().  When memory is
 * short for it the stream ends, soon after, and nothing more is sent.
 */
void stream_write(struct stream *, const void *, size_t len);
/* Sends a secret without a copy; it must outlive the stream. */
void stream_write_secret(struct stream *, const struct secret *);
size_t stream_unsent(const struct stream *);
/* Bytes that were given to the socket since the stream was made. */
uint64_t stream_sent(const struct stream *);

#endif
