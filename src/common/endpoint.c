/* SPDX-License-Identifier: ISC */
/*
 * One function for each place an address may stand.  Error texts repeat a host
 * at most: what else stands in a URL may be a secret.
 */
#include "endpoint.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base64url.h"
#include "endpoint_url.h"

#define PORT_PROXY 8080
#define PORT_HUB 8855
#define LOCAL_PORT_MIN 1024 /* below, a right is needed that is gone after the start */

#define SECRET_ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
#define PIN_PREFIX "pin=sha256:"

static bool
is_ldap(const char *scheme)
{
	return strncmp(scheme, "ldap", 4) == 0;
}

static bool
is_web(const char *scheme)
{
	return strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0 ||
	    strcmp(scheme, "ws") == 0 || strcmp(scheme, "wss") == 0;
}

static bool
rest_empty(const struct url *u)
{
	return u->rest[0] == '\0' || strcmp(u->rest, "/") == 0;
}

bool
endpoint_is_loopback(const struct endpoint *e)
{
	struct in6_addr six;
	struct in_addr four;

	if (!e->numeric)
		return !e->any && strcmp(e->host, "localhost") == 0;
	if (inet_pton(AF_INET, e->host, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, e->host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static bool
is_encrypted(const struct endpoint *e)
{
	return e->scheme == ENDPOINT_LDAPS || e->scheme == ENDPOINT_HTTPS ||
	    e->scheme == ENDPOINT_WSS;
}

bool
endpoint_same_origin(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && is_encrypted(a) == is_encrypted(b) &&
	    strcmp(a->host, b->host) == 0;
}

int
endpoint_format(const struct endpoint *e, char *text, size_t size)
{
	bool six = e->numeric && strchr(e->host, ':') != NULL;
	int n;

	if (e->scheme == ENDPOINT_DOMAIN)
		n = snprintf(text, size, "%s", e->host);
	else
		n = snprintf(text, size, "%s://%s%s%s:%u", endpoint_scheme_name(e->scheme),
		    six ? "[" : "", e->host, six ? "]" : "", (unsigned int)e->port);
	return n < 0 || (size_t)n >= size ? -1 : 0;
}

int
endpoint_check_host(const char *value, char *why, size_t size)
{
	unsigned char address[16];

	if (inet_pton(AF_INET, value, address) == 1 || inet_pton(AF_INET6, value, address) == 1 ||
	    (endpoint_host_name_valid(value) && !url_ends_in_number(value)))
		return 0;
	return endpoint_refuse(why, size, "neither a host name nor an address");
}

/* Text without "://" in the place of a directory server. */
static int
parse_domain(const char *text, struct endpoint *e, char *why, size_t size)
{
	char name[ENDPOINT_TEXT_MAX + 1];
	size_t len = strlen(text);

	if (strchr(text, '=') != NULL)
		return endpoint_refuse(
		    why, size, "a DN goes to directory.base; here belongs ldaps://HOST");
	if (strchr(text, '@') != NULL)
		return endpoint_refuse(
		    why, size, "a user goes to directory.user; here belongs ldaps://HOST");
	/* A dot at the end is no part of the name: "dc1." has no dot, "10.0.0.1." is none. */
	memcpy(name, text, len + 1);
	if (len > 1 && name[len - 1] == '.')
		name[len - 1] = '\0';
	if (strpbrk(name, ":/[]?#") != NULL || url_ends_in_number(name) ||
	    strchr(name, '.') == NULL)
		return endpoint_refuse(why, size,
		    "\"%.64s\" is not the name of a domain; for one server write ldaps://HOST",
		    text);
	memset(e, 0, sizeof(*e));
	e->scheme = ENDPOINT_DOMAIN;
	return url_set_host(e, text, len, false, why, size);
}

static int
parse_directory(const char *text, struct endpoint *e, char *why, size_t size)
{
	struct url u;

	if (url_check_text(text, why, size) == -1 || url_split(text, &u, why, size) == -1)
		return -1;
	if (u.scheme[0] == '\0')
		return parse_domain(text, e, why, size);
	if (is_web(u.scheme)) {
		/* Not the rest: it may be a ticket. */
		return endpoint_refuse(why, size,
		    "%s://%.*s is a cloud address; the ticket goes to 'adconnectorctl enroll', "
		    "here belongs ldaps://HOST",
		    u.scheme, (int)(u.host_len > 64 ? 64 : u.host_len), u.host);
	}
	if (strcmp(u.scheme, "ldap") != 0 && strcmp(u.scheme, "ldaps") != 0)
		return endpoint_refuse(
		    why, size, "%s:// is not taken; write ldaps://HOST or ldap://HOST", u.scheme);
	if (u.user != NULL)
		return endpoint_refuse(
		    why, size, "a user does not belong into the URL; use directory.user");
	if (!rest_empty(&u))
		return endpoint_refuse(
		    why, size, "nothing may follow the host; a base DN goes to directory.base");
	return url_set(e, &u, 0, why, size);
}

/* %-decodes into out; -1 for a bad escape, a control character or too much text. */
static int
decode_login(const char *s, size_t len, char out[ENDPOINT_LOGIN_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	const char *high, *low;
	unsigned char c;
	size_t i, n = 0;

	for (i = 0; i < len; i++) {
		c = (unsigned char)s[i];
		if (c == '%') {
			if (len - i < 3 || !isxdigit((unsigned char)s[i + 1]) ||
			    !isxdigit((unsigned char)s[i + 2]))
				return -1;
			high = strchr(digits, tolower((unsigned char)s[i + 1]));
			low = strchr(digits, tolower((unsigned char)s[i + 2]));
			c = (unsigned char)((high - digits) << 4 | (low - digits));
			i += 2;
		}
		if (c < 0x20 || c == 0x7f || n == ENDPOINT_LOGIN_SIZE - 1)
			return -1;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return 0;
}

static int
parse_login(const struct url *u, struct endpoint_login *login, char *why, size_t size)
{
	const char *colon = memchr(u->user, ':', u->user_len);
	size_t len = colon == NULL ? u->user_len : (size_t)(colon - u->user);

	if (len == 0)
		return endpoint_refuse(why, size, "the proxy's user is empty");
	if (decode_login(u->user, len, login->user) == -1)
		return endpoint_refuse(why, size,
		    "the proxy's user is not %%-encoded text of at most %d bytes",
		    ENDPOINT_LOGIN_SIZE - 1);
	/* RFC 7617 2: the colon ends the user. */
	if (strchr(login->user, ':') != NULL)
		return endpoint_refuse(why, size, "the proxy's user may not hold a colon");
	if (colon != NULL && decode_login(colon + 1, u->user_len - len - 1, login->password) == -1)
		return endpoint_refuse(why, size,
		    "the proxy's password is not %%-encoded text of at most %d bytes",
		    ENDPOINT_LOGIN_SIZE - 1);
	return 0;
}

static int
parse_proxy(
    const char *text, struct endpoint *e, struct endpoint_login *login, char *why, size_t size)
{
	struct url u;

	if (url_check_text(text, why, size) == -1 || url_split(text, &u, why, size) == -1)
		return -1;
	if (u.scheme[0] == '\0')
		return endpoint_refuse(why, size, "a proxy is written http://HOST:PORT");
	if (strcmp(u.scheme, "http") != 0)
		return endpoint_refuse(
		    why, size, "%s:// proxies are not supported; write http://HOST:PORT", u.scheme);
	if (!rest_empty(&u))
		return endpoint_refuse(why, size,
		    "nothing may follow the port (in a user or password write / ? # as %%2F %%3F "
		    "%%23)");
	if (u.user != NULL && parse_login(&u, login, why, size) == -1)
		return -1;
	return url_set(e, &u, PORT_PROXY, why, size);
}

static int
parse_listen(const char *text, struct endpoint *e, char *why, size_t size)
{
	struct url u;
	size_t name;

	if (url_check_text(text, why, size) == -1 || url_split(text, &u, why, size) == -1)
		return -1;
	if (strcmp(u.scheme, "https") != 0 && strcmp(u.scheme, "http") != 0)
		return endpoint_refuse(why, size,
		    "a listener is written https://*:%d or https://ADDRESS:%d", PORT_HUB, PORT_HUB);
	if (u.user != NULL || !rest_empty(&u))
		return endpoint_refuse(why, size, "only address and port belong here");
	name = u.host_len > 0 && u.host[0] == '*' ? 1 : 0;
	if (name == 1 && (u.host_len == 1 || u.host[1] == ':')) {
		memset(e, 0, sizeof(*e));
		e->scheme = strcmp(u.scheme, "https") == 0 ? ENDPOINT_HTTPS : ENDPOINT_HTTP;
		e->any = true;
		memcpy(e->host, "*", 2);
		e->path[0] = '/';
		e->port = PORT_HUB;
		if (u.host_len > 1 && url_set_port(e, u.host + 2, u.host_len - 2, why, size) == -1)
			return -1;
	} else if (url_set(e, &u, PORT_HUB, why, size) == -1)
		return -1;
	/* A listener needs no resolver. */
	if (!e->numeric && strcmp(e->host, "localhost") == 0) {
		memcpy(e->host, "127.0.0.1", sizeof("127.0.0.1"));
		e->numeric = true;
	}
	if (!e->numeric && !e->any)
		return endpoint_refuse(
		    why, size, "a listener has an address, not a name; for all write *");
	if (e->scheme == ENDPOINT_HTTP && !endpoint_is_loopback(e))
		return endpoint_refuse(
		    why, size, "http:// is taken on loopback only; write https://");
	return 0;
}

static int
parse_local(const char *text, struct endpoint *e, char *why, size_t size)
{
	const char *form = "written ADDRESS:PORT, such as 127.0.0.1:9743 or [::1]:9743";
	char url[ENDPOINT_ORIGIN_SIZE];
	size_t len = strlen(text);

	if (len == 0 || strchr(text, ':') == NULL || text[len - 1] == ']' ||
	    strchr(text, '/') != NULL ||
	    (size_t)snprintf(url, sizeof(url), "https://%s", text) >= sizeof(url))
		return endpoint_refuse(why, size, "%s", form);
	if (parse_listen(url, e, why, size) == -1)
		return -1;
	e->scheme = ENDPOINT_HTTP;
	if (!endpoint_is_loopback(e))
		return endpoint_refuse(
		    why, size, "not an address of this host alone; it is %s", form);
	if (e->port < LOCAL_PORT_MIN)
		return endpoint_refuse(why, size, "the port is less than %d", LOCAL_PORT_MIN);
	return 0;
}

/* public: without a path; else what the hub names at enrolment. */
static int
parse_web(const char *text, bool public, struct endpoint *e, char *why, size_t size)
{
	struct url u;

	if (url_check_text(text, why, size) == -1 || url_split(text, &u, why, size) == -1)
		return -1;
	if (!is_web(u.scheme) || (public && u.scheme[0] != 'h'))
		return endpoint_refuse(
		    why, size, "not a URL that begins with https://%s", public ? "" : " or wss://");
	if (u.user != NULL)
		return endpoint_refuse(why, size, "a user does not belong into this URL");
	if (public && !rest_empty(&u))
		return endpoint_refuse(why, size, "nothing may follow the host and port");
	if (strpbrk(u.rest, "?#") != NULL)
		return endpoint_refuse(why, size, "neither ? nor # belongs into this URL");
	if (strlen(u.rest) >= sizeof(e->path))
		return endpoint_refuse(
		    why, size, "the path is longer than %d bytes", ENDPOINT_PATH_SIZE - 1);
	if (url_set(e, &u, 0, why, size) == -1)
		return -1;
	if (u.rest[0] != '\0')
		memcpy(e->path, u.rest, strlen(u.rest) + 1);
	if (!is_encrypted(e) && !endpoint_is_loopback(e))
		return endpoint_refuse(why, size, "%s:// is taken for loopback only; write %ss://",
		    u.scheme, u.scheme);
	return 0;
}

static int
parse_pin(const char *fragment, struct ticket *t, char *why, size_t size)
{
	const char *pin = fragment + sizeof(PIN_PREFIX) - 1;
	size_t len, want = BASE64URL_LENGTH(TICKET_PIN_SIZE);

	if (strncmp(fragment, PIN_PREFIX, sizeof(PIN_PREFIX) - 1) != 0)
		return endpoint_refuse(why, size,
		    "what follows # in the ticket is not pin=sha256:...; copy the whole ticket");
	if ((len = strlen(pin)) != want)
		return endpoint_refuse(why, size,
		    "the ticket's pin has %zu characters, not %zu; copy it again", len, want);
	if (base64url_decode(t->pin, sizeof(t->pin), pin, len) != TICKET_PIN_SIZE)
		return endpoint_refuse(why, size, "the ticket's pin is mistyped; copy it again");
	t->pinned = true;
	return 0;
}

static int
parse_secret(const char *secret, size_t len, struct ticket *t, char *why, size_t size)
{
	size_t good = strspn(secret, SECRET_ALPHABET);

	if (good < len)
		return endpoint_refuse(why, size,
		    "character %zu of the ticket's secret is none of A-Z a-z 0-9 - _; copy it "
		    "again",
		    good + 1);
	if (len < TICKET_SECRET_MIN)
		return endpoint_refuse(why, size,
		    "the ticket's secret is too short (%zu characters, at least %d); copy it again",
		    len, TICKET_SECRET_MIN);
	if (len > TICKET_SECRET_MAX)
		return endpoint_refuse(why, size,
		    "the ticket's secret is too long (%zu characters, at most %d); copy it again",
		    len, TICKET_SECRET_MAX);
	memcpy(t->secret, secret, len);
	t->secret[len] = '\0';
	return 0;
}

static int
parse_ticket(const char *text, struct ticket *t, char *why, size_t size)
{
	struct url u;

	if (url_check_text(text, why, size) == -1 || url_split(text, &u, why, size) == -1)
		return -1;
	if (is_ldap(u.scheme))
		return endpoint_refuse(why, size,
		    "%s:// is a directory server and goes to directory.server; a ticket is the "
		    "https:// URL from 'adhubctl ticket new'",
		    u.scheme);
	if (strcmp(u.scheme, "https") != 0 && strcmp(u.scheme, "http") != 0)
		return endpoint_refuse(why, size,
		    "a ticket begins with https://; it is printed by 'adhubctl ticket new'");
	if (u.user != NULL)
		return endpoint_refuse(why, size, "a user does not belong into a ticket");
	if (strncmp(u.rest, "/t/", 3) != 0)
		return endpoint_refuse(why, size,
		    "this URL is not a ticket, which is https://HUB/t/SECRET; see 'adhubctl ticket "
		    "new'");
	if (url_set(&t->origin, &u, 0, why, size) == -1)
		return -1;
	if (t->origin.scheme == ENDPOINT_HTTP && !endpoint_is_loopback(&t->origin))
		return endpoint_refuse(why, size,
		    "http ticket to a non-loopback host is refused: the password tunnel must be "
		    "https");
	if (parse_secret(u.rest + 3, strcspn(u.rest + 3, "#"), t, why, size) == -1)
		return -1;
	if (strchr(u.rest, '#') != NULL)
		return parse_pin(strchr(u.rest, '#') + 1, t, why, size);
	return 0;
}

int
endpoint_parse_directory(const char *text, struct endpoint *e, char *why, size_t size)
{
	int result = parse_directory(text, e, why, size);

	if (result == -1)
		memset(e, 0, sizeof(*e));
	return result;
}

int
endpoint_parse_proxy(
    const char *text, struct endpoint *e, struct endpoint_login *login, char *why, size_t size)
{
	int result;

	memset(login, 0, sizeof(*login));
	if ((result = parse_proxy(text, e, login, why, size)) == -1) {
		memset(e, 0, sizeof(*e));
		explicit_bzero(login, sizeof(*login));
	}
	return result;
}

int
endpoint_parse_listen(const char *text, struct endpoint *e, char *why, size_t size)
{
	int result = parse_listen(text, e, why, size);

	if (result == -1)
		memset(e, 0, sizeof(*e));
	return result;
}

int
endpoint_parse_local(const char *text, struct endpoint *e, char *why, size_t size)
{
	int result = parse_local(text, e, why, size);

	if (result == -1)
		memset(e, 0, sizeof(*e));
	return result;
}

int
endpoint_parse_public(const char *text, struct endpoint *e, char *why, size_t size)
{
	int result = parse_web(text, true, e, why, size);

	if (result == -1)
		memset(e, 0, sizeof(*e));
	return result;
}

int
endpoint_parse_cloud(const char *text, struct endpoint *e, char *why, size_t size)
{
	int result = parse_web(text, false, e, why, size);

	if (result == -1)
		memset(e, 0, sizeof(*e));
	return result;
}

int
ticket_parse(const char *text, struct ticket *t, char *why, size_t size)
{
	char copy[ENDPOINT_TEXT_MAX + 1];
	size_t len;
	int result;

	memset(t, 0, sizeof(*t));
	text += strspn(text, " \t\r\n");
	if ((len = strnlen(text, sizeof(copy))) == sizeof(copy))
		return endpoint_refuse(why, size, "longer than %d bytes", ENDPOINT_TEXT_MAX);
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
		len--;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if ((result = parse_ticket(copy, t, why, size)) == -1)
		ticket_wipe(t);
	explicit_bzero(copy, sizeof(copy));
	return result;
}

void
ticket_wipe(struct ticket *t)
{
	explicit_bzero(t, sizeof(*t));
}
