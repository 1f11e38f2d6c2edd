/* SPDX-License-Identifier: ISC */
/*
 * HTTPS connections that are kept open, one request at a time on each, none of which
 * ever waits: as many as a measurement asks for, on one event loop.
 *
 * Knows as much of HTTP/1.1 as a hub's answers need. Connections that fail end the program:
 * a measurement with fewer of them than asked for would be another one.
 */
#ifndef BENCH_HTTPS_H
#define BENCH_HTTPS_H

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct https;
struct https_link;

/* The link has shaken hands, or the answer to its request is there and it is free again. */
typedef void (*https_ready)(void *arg, struct https_link *);
/* http is the status code; the body is borrowed. Followed by ready. */
typedef void (*https_answer)(
    void *arg, struct https_link *, int http, const char *body, size_t len);

struct https_settings {
	const char *host; /* numeric address */
	const char *port;
	const char *pin; /* base64url SHA-256 of the public key, as in a ticket */
	https_ready ready;
	https_answer answer;
	void *arg;
};

/* settings is borrowed until https_free. */
struct https *https_new(struct event_base *base, const struct https_settings *settings);
void https_free(struct https *https);
/* Begins to connect n links; a hub takes a limited number from one address, so on loopback
 * they come from several. */
void https_open(struct https *https, size_t n);
/* Sends a request, which stays the caller's until it is answered. The link is free. */
void https_send(struct https_link *link, const char *text, size_t len);
/* For the caller's own use. */
void https_set_data(struct https_link *link, void *data);
void *https_data(const struct https_link *link);

#endif
