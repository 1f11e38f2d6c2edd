/* SPDX-License-Identifier: ISC */
/*
 * The grammar of addresses: RFC 3986 held to what we use.  What may stand where
 * is for endpoint.c to say.
 */
#include "endpoint_url.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PORT_LDAP 389
#define PORT_LDAPS 636
#define PORT_HTTP 80
#define PORT_HTTPS 443

static const struct {
	const char *name;
	enum endpoint_scheme scheme;
	uint16_t port;
} schemes[] = {
	{ "ldap", ENDPOINT_LDAP, PORT_LDAP },
	{ "ldaps", ENDPOINT_LDAPS, PORT_LDAPS },
	{ "http", ENDPOINT_HTTP, PORT_HTTP },
	{ "https", ENDPOINT_HTTPS, PORT_HTTPS },
	{ "ws", ENDPOINT_WS, PORT_HTTP },
	{ "wss", ENDPOINT_WSS, PORT_HTTPS },
};

int
endpoint_refuse(char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return -1;
}

const char *
endpoint_scheme_name(enum endpoint_scheme scheme)
{
	size_t i;

	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (schemes[i].scheme == scheme)
			return schemes[i].name;
	return "domain";
}

int
url_check_text(const char *text, char *why, size_t size)
{
	size_t i;

	if (text[0] == '\0')
		return endpoint_refuse(why, size, "empty");
	if (strnlen(text, ENDPOINT_TEXT_MAX + 1) > ENDPOINT_TEXT_MAX)
		return endpoint_refuse(why, size, "longer than %d bytes", ENDPOINT_TEXT_MAX);
	for (i = 0; text[i] != '\0'; i++) {
		if ((unsigned char)text[i] >= 0x80)
			return endpoint_refuse(why, size,
			    "character %zu is not ASCII; write the name in its ASCII form "
			    "(xn--...)",
			    i + 1);
		if (!isgraph((unsigned char)text[i]))
			return endpoint_refuse(
			    why, size, "space or control character at place %zu", i + 1);
	}
	return 0;
}

int
url_split(const char *text, struct url *u, char *why, size_t size)
{
	const char *mark, *at;
	size_t i, len;

	memset(u, 0, sizeof(*u));
	if ((mark = strstr(text, "://")) != NULL && strcspn(text, "/?#@") > (size_t)(mark - text)) {
		if (mark == text || (size_t)(mark - text) >= sizeof(u->scheme))
			return endpoint_refuse(why, size, "what stands before :// is not known");
		for (i = 0; text + i < mark; i++)
			u->scheme[i] = (char)tolower((unsigned char)text[i]);
		text = mark + 3;
	}
	len = strcspn(text, "/?#");
	u->host = text;
	u->host_len = len;
	u->rest = text + len;
	if ((at = memchr(text, '@', len)) != NULL) {
		u->user = text;
		u->user_len = (size_t)(at - text);
		u->host = at + 1;
		u->host_len = len - u->user_len - 1;
		if (memchr(u->host, '@', u->host_len) != NULL)
			return endpoint_refuse(
			    why, size, "more than one @; inside a name write it as %%40");
	}
	return 0;
}

bool
endpoint_host_name_valid(const char *name)
{
	size_t i, label = 0, len = strlen(name);

	if (len == 0 || len > 253)
		return false;
	for (i = 0; i <= len; i++) {
		if (name[i] == '.' || name[i] == '\0') {
			if (label == 0 || label > 63 || name[i - 1] == '-' ||
			    name[i - label] == '-')
				return false;
			label = 0;
		} else if (isalnum((unsigned char)name[i]) || name[i] == '-' || name[i] == '_')
			label++;
		else
			return false;
	}
	return true;
}

bool
url_ends_in_number(const char *name)
{
	const char *last = strrchr(name, '.');

	last = last == NULL ? name : last + 1;
	if (last[0] == '0' && (last[1] == 'x' || last[1] == 'X'))
		return last[2 + strspn(last + 2, "0123456789abcdefABCDEF")] == '\0';
	return last[0] != '\0' && last[strspn(last, "0123456789")] == '\0';
}

/* A name or address without port and brackets, put into e. */
int
url_set_host(struct endpoint *e, const char *s, size_t len, bool ipv6, char *why, size_t size)
{
	unsigned char address[16];
	char host[ENDPOINT_HOST_SIZE];
	size_t i;

	if (len == 0)
		return endpoint_refuse(why, size, "the host is missing");
	if (len >= sizeof(host))
		return endpoint_refuse(why, size, "the host name is longer than 253 characters");
	for (i = 0; i < len; i++)
		host[i] = (char)tolower((unsigned char)s[i]);
	host[len] = '\0';
	if (ipv6) {
		if (strchr(host, '%') != NULL)
			return endpoint_refuse(
			    why, size, "an address with a zone (%%) is not taken");
		if (inet_pton(AF_INET6, host, address) != 1)
			return endpoint_refuse(
			    why, size, "what stands in brackets is not an IPv6 address");
		/* One spelling for each address, so that origins can be compared. */
		if (inet_ntop(AF_INET6, address, e->host, sizeof(e->host)) == NULL)
			return endpoint_refuse(why, size, "not an IPv6 address");
		e->numeric = true;
		return 0;
	}
	if (len > 1 && host[len - 1] == '.')
		host[--len] = '\0';
	if (inet_pton(AF_INET, host, address) == 1)
		e->numeric = true;
	else if (url_ends_in_number(host))
		return endpoint_refuse(why, size, "\"%.64s\" is not an IPv4 address", host);
	else if (!endpoint_host_name_valid(host))
		return endpoint_refuse(why, size, "the host is neither a name nor an address");
	memcpy(e->host, host, len + 1);
	return 0;
}

int
url_set_port(struct endpoint *e, const char *s, size_t len, char *why, size_t size)
{
	unsigned int port = 0;
	size_t i;

	for (i = 0; i < len && i < 6 && isdigit((unsigned char)s[i]); i++)
		port = port * 10 + (unsigned int)(s[i] - '0');
	if (len == 0 || i != len || port == 0 || port > 65535)
		return endpoint_refuse(why, size, "the port is not a number from 1 to 65535");
	e->port = (uint16_t)port;
	return 0;
}

/* "host", "host:port", "[address]", "[address]:port"; e->port holds the default. */
static int
url_set_authority(struct endpoint *e, const char *s, size_t len, char *why, size_t size)
{
	const char *colon, *close;

	if (len > 0 && s[0] == '[') {
		if ((close = memchr(s, ']', len)) == NULL)
			return endpoint_refuse(why, size, "[ without ]");
		if (url_set_host(e, s + 1, (size_t)(close - s) - 1, true, why, size) == -1)
			return -1;
		close++;
		if (close == s + len)
			return 0;
		if (*close != ':')
			return endpoint_refuse(
			    why, size, "after ] only a colon and the port may follow");
		return url_set_port(e, close + 1, len - (size_t)(close + 1 - s), why, size);
	}
	if ((colon = memchr(s, ':', len)) == NULL)
		return url_set_host(e, s, len, false, why, size);
	if (memchr(colon + 1, ':', len - (size_t)(colon + 1 - s)) != NULL)
		return endpoint_refuse(
		    why, size, "an IPv6 address stands in brackets: [2001:db8::1]");
	if (url_set_port(e, colon + 1, len - (size_t)(colon + 1 - s), why, size) == -1)
		return -1;
	return url_set_host(e, s, (size_t)(colon - s), false, why, size);
}

/* Scheme and authority of a URL whose scheme was looked at before. */
int
url_set(struct endpoint *e, const struct url *u, uint16_t port, char *why, size_t size)
{
	size_t i;

	memset(e, 0, sizeof(*e));
	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strcmp(schemes[i].name, u->scheme) == 0) {
			e->scheme = schemes[i].scheme;
			e->port = port != 0 ? port : schemes[i].port;
		}
	if (e->scheme != ENDPOINT_LDAP && e->scheme != ENDPOINT_LDAPS)
		e->path[0] = '/';
	return url_set_authority(e, u->host, u->host_len, why, size);
}
