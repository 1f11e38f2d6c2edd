/* SPDX-License-Identifier: ISC */
/*
 * A byte stream on a connected descriptor, in clear or inside TLS, without one
 * blocking call.  It knows nothing of LDAP.
 *
 * What is written is collected and sent when the current callbacks are done;
 * what is read lies in one buffer for all transports and must be taken within
 * the readable callback.
 */
#ifndef ADC_DIRECTORY_TRANSPORT_H
#define ADC_DIRECTORY_TRANSPORT_H

#include "failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct event_base;
struct tls_context;
struct transport;

/* Bytes waiting to be sent; more breaks the connection. */
#define TRANSPORT_OUT_MAX (4U << 20)

struct transport_callbacks {
	/* Bytes are there: take them all with transport_read(). */
	void (*readable)(void *arg);
	/* The TLS handshake is done. */
	void (*secured)(void *arg);
	/* The stream is over. code "closed" is an orderly end by the server. */
	void (*closed)(void *arg, const struct failure *);
};

/* Takes fd. server: a name for texts. NULL: no memory, and fd is closed. */
struct transport *transport_new(
    struct event_base *, int fd, const char *server, const struct transport_callbacks *, void *arg);
/*
 * No more callbacks. What was written is tried to be sent once, then the
 * descriptor is closed. Safe in any callback. NULL is fine.
 */
void transport_free(struct transport *);
/* 0, or -1: no memory. The end comes as secured or closed. */
int transport_start_tls(struct transport *, struct tls_context *, const char *name);
/* Bytes read, or -1 with EWOULDBLOCK. */
ssize_t transport_read(struct transport *, void *dst, size_t len);
bool transport_has_bytes(const struct transport *);
/* len, or -1 when the stream is over or too much waits. */
ssize_t transport_write(struct transport *, const void *src, size_t len);
/* For an idle stream: false when the server has ended it or said something unasked. */
bool transport_alive(struct transport *);

#endif
