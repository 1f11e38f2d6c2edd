/* SPDX-License-Identifier: ISC */
/*
 * As much of HTTP/1.1 (RFC 9110, RFC 9112) as enrolment, a proxy's CONNECT and the
 * WebSocket upgrade need, and nothing more: heads of answers are read strictly,
 * whatever could be understood in two ways is refused.
 *
 * Pure functions on bytes.  Must not keep state or follow anything.
 */
#ifndef ADC_CLOUD_HTTP_H
#define ADC_CLOUD_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define HTTP_HEAD_MAX 8192
#define HTTP_BODY_MAX 65536
#define HTTP_HOST_SIZE 288
#define HTTP_VALUE_SIZE 64

/* What the head of an answer says, of what matters here. */
struct http_head {
	unsigned int status; /* 100..599 */
	bool has_length;
	size_t length; /* of the body, any value that fits */
	bool transfer_encoding;
	bool content_encoding; /* other than identity */
	bool json;	       /* Content-Type: application/json */
	bool basic;	       /* Proxy-Authenticate offers Basic */
	/* WebSocket. */
	bool upgrade_websocket;
	bool connection_upgrade;
	bool extensions;
	char accept[HTTP_VALUE_SIZE]; /* empty when absent or longer */
	char protocol[HTTP_VALUE_SIZE];
};

/*
 * Reads a status line and header fields.  Returns the bytes used up to and
 * with the empty line; 0 when it is not all there yet; -1 when it is malformed
 * or longer than HTTP_HEAD_MAX, with *why in static words.
 */
ssize_t http_read_head(const char *data, size_t len, struct http_head *, const char **why);

/*
 * Can the body be read as this program reads bodies: a length of at most
 * HTTP_BODY_MAX and no encoding?  NULL, or why not in static words.
 */
const char *http_body_refused(const struct http_head *);

/* "host", "host:port" or "[v6]:port" for the Host field; -1 when it does not fit. */
int
http_host(const char *host, unsigned int port, unsigned int default_port, char *text, size_t size);

#endif
