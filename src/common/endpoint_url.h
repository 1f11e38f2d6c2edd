/* SPDX-License-Identifier: ISC */
/*
 * Dividing a URL, and reading host and port.  Only for endpoint.c; all others
 * use a parser of endpoint.h that knows the place.
 */
#ifndef ADC_ENDPOINT_URL_H
#define ADC_ENDPOINT_URL_H

#include "endpoint.h"

/* The parts of a URL, borrowed from the text. */
struct url {
	char scheme[12];  /* lower case; empty: there is no "://" */
	const char *user; /* "user:password"; NULL: none */
	size_t user_len;
	const char *host; /* with port */
	size_t host_len;
	const char *rest; /* from "/", "?" or "#" on; may be empty */
};

/* Puts the text into why; always -1. */
int
endpoint_refuse(char *why, size_t size, const char *, ...) __attribute__((format(printf, 3, 4)));

/* All: 0, or -1 with why. */

/* Length and characters; every parser's first step. */
int url_check_text(const char *text, char *why, size_t size);

/* Divides a checked text. Refuses a second "@" and a scheme that is empty or too long. */
int url_split(const char *text, struct url *, char *why, size_t size);

/* Fills e from scheme, host and port; the scheme is one of endpoint.h's. port 0: the scheme's. */
int url_set(struct endpoint *e, const struct url *, uint16_t port, char *why, size_t size);
int url_set_host(struct endpoint *e, const char *, size_t len, bool ipv6, char *why, size_t size);
int url_set_port(struct endpoint *e, const char *, size_t len, char *why, size_t size);

/*
 * Does the last label look like a number?  Such a name never is one, but what
 * inet_aton(3) makes of "127.1" or "0x7f000001" is an address that no check of
 * ours has seen.
 */
bool url_ends_in_number(const char *name);

#endif
