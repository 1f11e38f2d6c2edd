/* SPDX-License-Identifier: ISC */
/*
 * Addresses as people write them: directory servers, listeners, proxies, the
 * hub's own URL, provisioning tickets.  Each has one parser that knows what
 * belongs in that place, so that a cloud address typed where the AD server is
 * due is answered with what goes where.
 *
 * Nothing here resolves a name or opens a socket, and no error text ever holds
 * a ticket's secret or a proxy's password.
 */
#ifndef ADC_ENDPOINT_H
#define ADC_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENDPOINT_HOST_SIZE 256	 /* RFC 1035 2.3.4: a name has at most 253 characters */
#define ENDPOINT_PATH_SIZE 1024	 /* with the terminating NUL */
#define ENDPOINT_LOGIN_SIZE 256	 /* a proxy's user or password, after %-decoding */
#define ENDPOINT_TEXT_MAX 2048	 /* no address is longer, in bytes */
#define ENDPOINT_ERROR_SIZE 384	 /* room for any error text made here */
#define ENDPOINT_ORIGIN_SIZE 288 /* "scheme://[host]:port" */

/* A ticket's secret: base64url without padding, 128 bits at least. */
#define TICKET_SECRET_MIN 22
#define TICKET_SECRET_MAX 128
#define TICKET_PIN_SIZE 32 /* SHA-256 of the SubjectPublicKeyInfo */

enum endpoint_scheme {
	ENDPOINT_DOMAIN, /* a bare AD domain: servers are found by DNS SRV */
	ENDPOINT_LDAP,
	ENDPOINT_LDAPS,
	ENDPOINT_HTTP,
	ENDPOINT_HTTPS,
	ENDPOINT_WS,
	ENDPOINT_WSS
};

struct endpoint {
	enum endpoint_scheme scheme;
	char host[ENDPOINT_HOST_SIZE]; /* lower case; IPv6 without brackets; "*" for any */
	uint16_t port;		       /* 0 only for ENDPOINT_DOMAIN */
	bool numeric;		       /* host is an IPv4 or IPv6 address */
	bool any;		       /* host is "*": a listener on every address */
	char path[ENDPOINT_PATH_SIZE]; /* begins with "/" for http and ws, else empty */
};

struct endpoint_login {
	char user[ENDPOINT_LOGIN_SIZE];	    /* empty: none given */
	char password[ENDPOINT_LOGIN_SIZE]; /* empty: none given; the caller wipes it */
};

struct ticket {
	struct endpoint origin; /* scheme, host and port; path is "/" */
	char secret[TICKET_SECRET_MAX + 1];
	bool pinned;
	uint8_t pin[TICKET_PIN_SIZE]; /* valid when pinned */
};

/*
 * All parsers return 0, or -1 with a text in why (at most size bytes, NUL
 * included) that says what is wrong and what to do; it names neither file nor
 * key, which the caller puts in front.  Input is a C string of at most
 * ENDPOINT_TEXT_MAX bytes.  On failure the output holds nothing of the input.
 */

/* ldaps://HOST[:636], ldap://HOST[:389], or a bare domain name for discovery. */
int endpoint_parse_directory(const char *text, struct endpoint *, char *why, size_t size);

/*
 * http://[USER[:PASSWORD]@]HOST:PORT, user and password %-encoded
 * (RFC 3986 3.2.1).  Port 8080 when none is given.
 */
int endpoint_parse_proxy(
    const char *text, struct endpoint *, struct endpoint_login *, char *why, size_t size);

/* https://ADDRESS|*[:8855]; http:// on loopback only. Addresses, "*" and localhost, no names. */
int endpoint_parse_listen(const char *text, struct endpoint *, char *why, size_t size);

/* ADDRESS:PORT of a listener for this host alone: loopback, and a port that needs no right. */
int endpoint_parse_local(const char *text, struct endpoint *, char *why, size_t size);

/* https://HOST[:443]; http:// on loopback only; no path, query or fragment. */
int endpoint_parse_public(const char *text, struct endpoint *, char *why, size_t size);

/* https, wss, or on loopback http, ws; with path: what the hub names at enrolment. */
int endpoint_parse_cloud(const char *text, struct endpoint *, char *why, size_t size);

/*
 * https://HOST[:PORT]/t/SECRET[#pin=sha256:BASE64URL], http on loopback only.
 * White space at both ends is dropped, as it comes with copy and paste.  The
 * caller wipes the ticket with ticket_wipe().
 */
int ticket_parse(const char *text, struct ticket *, char *why, size_t size);
void ticket_wipe(struct ticket *);

/* Is this a numeric address in 127.0.0.0/8, ::1, or the name localhost? */
bool endpoint_is_loopback(const struct endpoint *);

/*
 * Same origin: host and port equal and both encrypted or both not; https and
 * wss (http and ws) count as one.
 */
bool endpoint_same_origin(const struct endpoint *, const struct endpoint *);

/* "ldaps", "https", ... ; "domain" for ENDPOINT_DOMAIN. */
const char *endpoint_scheme_name(enum endpoint_scheme);

/*
 * "scheme://host:port" with IPv6 in brackets, the port always shown; the bare
 * name for ENDPOINT_DOMAIN.  Returns -1 when size is too small.
 */
int endpoint_format(const struct endpoint *, char *text, size_t size);

/* A host name by RFC 1123 2.1 (underscores allowed), at most 253 characters. */
bool endpoint_host_name_valid(const char *);

/* A host name or a numeric address without brackets; for rules of config.h. 0, or -1 with why. */
int endpoint_check_host(const char *value, char *why, size_t size);

#endif
