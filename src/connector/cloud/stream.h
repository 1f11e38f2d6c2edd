/* SPDX-License-Identifier: ISC */
/*
 * Bytes to and from a connected descriptor, in clear at first and through TLS
 * after stream_start_tls().  Non-blocking, with bounded buffers.
 *
 * Must not know what the bytes mean, nor where the descriptor leads.
 */
#ifndef ADC_CLOUD_STREAM_H
#define ADC_CLOUD_STREAM_H

#include "failure.h"
#include "common/secret.h"
#include "tls.h"

#include <stddef.h>

struct event_base;
struct evbuffer;
struct stream;

/* Unread input that ends the stream: whoever reads must take what comes. */
#define STREAM_INPUT_MAX (256U << 10)

/* Any of them may free the stream. */
struct stream_callbacks {
	void (*ready)(void *arg); /* the TLS handshake is done */
	void (*input)(void *arg); /* there is new input in stream_input() */
	/* Some output was sent, and stream_unsent() is smaller now. NULL is fine. */
	void (*sent)(void *arg);
	/* End of file (code "closed") or an error; nothing comes after it. */
	void (*closed)(void *arg, const struct failure *);
};

/* Takes the descriptor. name is for texts and is borrowed. NULL when memory is short: fd is closed.
 */
struct stream *stream_new(
    struct event_base *, int fd, const char *name, const struct stream_callbacks *, void *arg);
/* Hands the stream to another owner. */
void stream_set_callbacks(struct stream *, const struct stream_callbacks *, void *arg);
/* Closes at once, what is unsent is lost. NULL is fine. */
void stream_free(struct stream *);

/* From here on everything is TLS. -1: input is there already, or memory is short. */
int stream_start_tls(struct stream *, struct tls *);
/* Owned by the stream; its reader drains what it has read. */
struct evbuffer *stream_input(struct stream *);
/* Copies and sends as the peer takes it; the caller bounds it by stream_unsent(). */
void stream_write(struct stream *, const void *, size_t len);
/* Sends a secret without a copy; it must outlive the stream. */
void stream_write_secret(struct stream *, const struct secret *);
size_t stream_unsent(const struct stream *);

#endif
