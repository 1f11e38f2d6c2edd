/* SPDX-License-Identifier: ISC */
/*
 * Addresses: what each place takes, what it refuses, and that the refusal says
 * why without repeating a secret.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/endpoint.h"

#define SECRET43 "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE"
#define PIN43 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

typedef int (*parser)(const char *, struct endpoint *, char *, size_t);

struct good {
	const char *text;
	const char *formatted;
	const char *path;
	bool numeric;
	bool loopback;
};

struct bad {
	const char *text;
	const char *why; /* a part of it */
};

static void
check_good(parser parse, const struct good *g, size_t n)
{
	char why[ENDPOINT_ERROR_SIZE], text[ENDPOINT_ORIGIN_SIZE];
	struct endpoint e;
	size_t i;

	for (i = 0; i < n; i++) {
		memset(&e, 0xa5, sizeof(e));
		why[0] = '\0';
		if (parse(g[i].text, &e, why, sizeof(why)) != 0)
			fail_msg("\"%s\" refused: %s", g[i].text, why);
		assert_int_equal(endpoint_format(&e, text, sizeof(text)), 0);
		assert_string_equal(text, g[i].formatted);
		assert_string_equal(e.path, g[i].path);
		assert_int_equal(e.numeric, g[i].numeric);
		if (endpoint_is_loopback(&e) != g[i].loopback)
			fail_msg("\"%s\": loopback is %d", g[i].text, !g[i].loopback);
	}
}

static void
check_bad(parser parse, const struct bad *b, size_t n)
{
	static const struct endpoint zero;
	char why[ENDPOINT_ERROR_SIZE];
	struct endpoint e;
	size_t i;

	for (i = 0; i < n; i++) {
		memset(&e, 0xa5, sizeof(e));
		memset(why, 0, sizeof(why));
		if (parse(b[i].text, &e, why, sizeof(why)) != -1)
			fail_msg("\"%s\" taken", b[i].text);
		if (strstr(why, b[i].why) == NULL)
			fail_msg("\"%s\": \"%s\" does not say \"%s\"", b[i].text, why, b[i].why);
		assert_memory_equal(&e, &zero, sizeof(e));
	}
}

#define GOOD(parse, table) check_good(parse, table, sizeof(table) / sizeof(table[0]))
#define BAD(parse, table) check_bad(parse, table, sizeof(table) / sizeof(table[0]))

static void
directory_good(void **state)
{
	static const struct good table[] = {
		{ "ldaps://dc1.example.com", "ldaps://dc1.example.com:636", "", false, false },
		{ "LDAPS://DC1.Example.COM/", "ldaps://dc1.example.com:636", "", false, false },
		{ "ldap://dc1.example.com.", "ldap://dc1.example.com:389", "", false, false },
		{ "ldaps://dc1:3269", "ldaps://dc1:3269", "", false, false },
		{ "ldap://10.1.2.3:1", "ldap://10.1.2.3:1", "", true, false },
		{ "ldap://10.1.2.3:65535", "ldap://10.1.2.3:65535", "", true, false },
		{ "ldap://127.0.0.1", "ldap://127.0.0.1:389", "", true, true },
		{ "ldap://127.255.255.254", "ldap://127.255.255.254:389", "", true, true },
		{ "ldap://128.0.0.1", "ldap://128.0.0.1:389", "", true, false },
		{ "ldap://126.255.255.255", "ldap://126.255.255.255:389", "", true, false },
		{ "ldap://localhost", "ldap://localhost:389", "", false, true },
		{ "ldap://LocalHost:10389", "ldap://localhost:10389", "", false, true },
		{ "ldap://localhost.example.com", "ldap://localhost.example.com:389", "", false,
		    false },
		{ "ldaps://[::1]", "ldaps://[::1]:636", "", true, true },
		{ "ldaps://[0:0::0001]:7636", "ldaps://[::1]:7636", "", true, true },
		{ "ldaps://[2001:DB8::0:1]", "ldaps://[2001:db8::1]:636", "", true, false },
		/* Not loopback for us, though it may be for the kernel. */
		{ "ldap://[::ffff:127.0.0.1]", "ldap://[::ffff:127.0.0.1]:389", "", true, false },
		{ "example.com", "example.com", "", false, false },
		{ "AD.Example.com.", "ad.example.com", "", false, false },
		{ "ldaps://dc_1.example.com", "ldaps://dc_1.example.com:636", "", false, false },
	};

	(void)state;
	GOOD(endpoint_parse_directory, table);
}

static void
directory_bad(void **state)
{
	static const struct bad table[] = {
		{ "", "empty" },
		{ " ", "space" },
		{ "ldaps://dc1 ", "space or control character at place 12" },
		{ "ldaps://dc\x01", "control" },
		{ "ldaps://d\xc3\xa4", "ASCII form" },
		{ "ldaps://d\xff", "ASCII" },
		{ "ldaps://", "host is missing" },
		{ "ldaps:///", "host is missing" },
		{ "ldaps://:636", "host is missing" },
		{ "ldaps://dc1:", "port" },
		{ "ldaps://dc1:0", "port" },
		{ "ldaps://dc1:65536", "port" },
		{ "ldaps://dc1:4294967932", "port" },
		{ "ldaps://dc1:-1", "port" },
		{ "ldaps://dc1:+1", "port" },
		{ "ldaps://dc1:63a", "port" },
		{ "ldaps://::1", "brackets" },
		{ "ldaps://[::1", "[ without ]" },
		{ "ldaps://[::1]x", "after ]" },
		{ "ldaps://[::1]:", "port" },
		{ "ldaps://[]", "host is missing" },
		{ "ldaps://[10.0.0.1]", "not an IPv6" },
		{ "ldaps://[fe80::1%25eth0]", "zone" },
		{ "ldaps://[::g]", "not an IPv6" },
		{ "ldaps://127.1", "not an IPv4" },
		{ "ldaps://256.1.1.1", "not an IPv4" },
		{ "ldaps://0x7f000001", "not an IPv4" },
		{ "ldaps://2130706433", "not an IPv4" },
		{ "ldaps://-dc1", "neither a name nor" },
		{ "ldaps://dc1-.example.com", "neither a name nor" },
		{ "ldaps://dc1..example.com", "neither a name nor" },
		{ "ldaps://.", "neither a name nor" },
		{ "ldaps://*", "neither a name nor" },
		{ "ldaps://dc1/DC=example,DC=com", "directory.base" },
		{ "ldaps://dc1?cn", "directory.base" },
		{ "ldaps://dc1#x", "directory.base" },
		{ "ldaps://bind@dc1", "directory.user" },
		{ "ldaps://a@b@dc1", "more than one @" },
		{ "://dc1", "not known" },
		{ "averyverylongscheme://dc1", "not known" },
		{ "ldapi://%2frun%2fldapi", "ldapi:// is not taken" },
		{ "gc://dc1", "gc:// is not taken" },
		{ "https://hub.example.com",
		    "https://hub.example.com is a cloud address; the ticket goes to "
		    "'adconnectorctl enroll', here belongs ldaps://HOST" },
		{ "wss://hub.example.com/tunnel", "cloud address" },
		{ "dc1", "for one server write ldaps://HOST" },
		{ "10.0.0.1", "ldaps://HOST" },
		{ "dc1.", "for one server write ldaps://HOST" },
		{ "dc1..", "neither a name nor" },
		{ "10.0.0.1.", "ldaps://HOST" },
		{ "::1", "ldaps://HOST" },
		{ "dc1.example.com:636", "ldaps://HOST" },
		{ "example.com/", "ldaps://HOST" },
		{ "DC=example,DC=com", "directory.base" },
		{ "reader@example.com", "directory.user" },
	};

	(void)state;
	BAD(endpoint_parse_directory, table);
}

/* The greatest names there are, and one more. */
static void
host_lengths(void **state)
{
	char name[512], text[600], why[ENDPOINT_ERROR_SIZE];
	struct endpoint e;

	(void)state;
	memset(name, 'a', sizeof(name));
	name[63] = '\0';
	assert_true(endpoint_host_name_valid(name));
	name[63] = 'a';
	name[64] = '\0';
	assert_false(endpoint_host_name_valid(name));

	memset(name, 'a', sizeof(name));
	name[63] = name[127] = name[191] = '.';
	name[253] = '\0';
	assert_true(endpoint_host_name_valid(name));
	snprintf(text, sizeof(text), "ldaps://%s", name);
	assert_int_equal(endpoint_parse_directory(text, &e, why, sizeof(why)), 0);
	assert_int_equal(strlen(e.host), 253);
	name[253] = 'a';
	name[254] = '\0';
	assert_false(endpoint_host_name_valid(name));
	snprintf(text, sizeof(text), "ldaps://%s", name);
	assert_int_equal(endpoint_parse_directory(text, &e, why, sizeof(why)), -1);
	name[254] = 'a';
	name[500] = '\0';
	snprintf(text, sizeof(text), "ldaps://%s", name);
	assert_int_equal(endpoint_parse_directory(text, &e, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "longer than 253"));
	assert_false(endpoint_host_name_valid(""));

	assert_int_equal(endpoint_check_host("dc1.example.com", why, sizeof(why)), 0);
	assert_int_equal(endpoint_check_host("10.0.0.1", why, sizeof(why)), 0);
	assert_int_equal(endpoint_check_host("2001:db8::1", why, sizeof(why)), 0);
	assert_int_equal(endpoint_check_host("[::1]", why, sizeof(why)), -1);
	assert_int_equal(endpoint_check_host("dc1:636", why, sizeof(why)), -1);
	assert_int_equal(endpoint_check_host("127.1", why, sizeof(why)), -1);
	assert_int_equal(endpoint_check_host("*.example.com", why, sizeof(why)), -1);
}

static void
text_lengths(void **state)
{
	static char text[ENDPOINT_TEXT_MAX + 64];
	char why[ENDPOINT_ERROR_SIZE];
	struct endpoint_login login;
	struct endpoint e;
	struct ticket t;
	size_t path;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "https://h/", 10);
	/* The longest path and one more. */
	path = ENDPOINT_PATH_SIZE - 1;
	text[9 + path] = '\0';
	assert_int_equal(endpoint_parse_cloud(text, &e, why, sizeof(why)), 0);
	assert_int_equal(strlen(e.path), path);
	assert_string_equal(e.path, text + 9);
	text[9 + path] = 'a';
	text[9 + path + 1] = '\0';
	assert_int_equal(endpoint_parse_cloud(text, &e, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "path is longer"));
	/* The longest text and one more, in each parser. */
	text[9 + path + 1] = 'a';
	text[ENDPOINT_TEXT_MAX] = '\0';
	assert_int_equal(endpoint_parse_directory(text, &e, why, sizeof(why)), -1);
	assert_null(strstr(why, "longer"));
	text[ENDPOINT_TEXT_MAX] = 'a';
	text[ENDPOINT_TEXT_MAX + 1] = '\0';
	assert_int_equal(endpoint_parse_directory(text, &e, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "longer than 2048 bytes"));
	assert_int_equal(endpoint_parse_proxy(text, &e, &login, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "longer than 2048 bytes"));
	assert_int_equal(endpoint_parse_listen(text, &e, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "longer than 2048 bytes"));
	assert_int_equal(endpoint_parse_public(text, &e, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "longer than 2048 bytes"));
	assert_int_equal(ticket_parse(text, &t, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "longer than 2048 bytes"));
	/* A small buffer for the reason is kept to. */
	memset(why, 'x', sizeof(why));
	assert_int_equal(ticket_parse("", &t, why, 4), -1);
	assert_string_equal(why, "emp");
	assert_int_equal(why[4], 'x');
}

static int
proxy(const char *text, struct endpoint *e, char *why, size_t size)
{
	struct endpoint_login login;

	return endpoint_parse_proxy(text, e, &login, why, size);
}

static void
proxy_good(void **state)
{
	static const struct good table[] = {
		{ "http://proxy.example.com:3128", "http://proxy.example.com:3128", "/", false,
		    false },
		{ "http://proxy.example.com", "http://proxy.example.com:8080", "/", false, false },
		{ "http://10.0.0.1:1/", "http://10.0.0.1:1", "/", true, false },
		{ "http://[2001:db8::1]:3128", "http://[2001:db8::1]:3128", "/", true, false },
		{ "http://user:pass@proxy:3128", "http://proxy:3128", "/", false, false },
	};
	char why[ENDPOINT_ERROR_SIZE], text[1024];
	struct endpoint_login login;
	struct endpoint e;

	(void)state;
	GOOD(proxy, table);
	assert_int_equal(endpoint_parse_proxy("http://al%40ice:p%3a%2F%20%C3%a4:w@p:1", &e, &login,
			     why, sizeof(why)),
	    0);
	assert_string_equal(login.user, "al@ice");
	assert_string_equal(login.password, "p:/ \xc3\xa4:w");
	assert_int_equal(endpoint_parse_proxy("http://alice@p:1", &e, &login, why, sizeof(why)), 0);
	assert_string_equal(login.user, "alice");
	assert_string_equal(login.password, "");
	assert_int_equal(
	    endpoint_parse_proxy("http://alice:@p:1", &e, &login, why, sizeof(why)), 0);
	assert_string_equal(login.password, "");
	/* The longest, and one more. */
	snprintf(text, sizeof(text), "http://u:%0255d@p:1", 0);
	assert_int_equal(endpoint_parse_proxy(text, &e, &login, why, sizeof(why)), 0);
	assert_int_equal(strlen(login.password), 255);
	snprintf(text, sizeof(text), "http://u:%0256d@p:1", 0);
	assert_int_equal(endpoint_parse_proxy(text, &e, &login, why, sizeof(why)), -1);
	assert_int_equal(login.password[0], 0);
	snprintf(text, sizeof(text), "http://%0256d:x@p:1", 0);
	assert_int_equal(endpoint_parse_proxy(text, &e, &login, why, sizeof(why)), -1);
}

static void
proxy_bad(void **state)
{
	static const struct bad table[] = {
		{ "", "empty" },
		{ "proxy:3128", "http://HOST:PORT" },
		{ "https://proxy:3128", "https:// proxies are not supported" },
		{ "socks5://proxy:1080", "socks5:// proxies are not supported" },
		{ "http://proxy:3128/x", "nothing may follow" },
		{ "http://u:hunter2/x@proxy:3128", "%2F" },
		{ "http://u:hunter2#x@proxy:3128", "%23" },
		{ "http://u@d:hunter2@proxy:3128", "%40" },
		{ "http://:hunter2@proxy:3128", "user is empty" },
		{ "http://@proxy:3128", "user is empty" },
		{ "http://u%3a:hunter2@proxy:3128", "colon" },
		{ "http://u:hunter2%@proxy:3128", "password is not %-encoded" },
		{ "http://u:hunter2%4@proxy:3128", "password is not %-encoded" },
		{ "http://u:hunter2%4g@proxy:3128", "password is not %-encoded" },
		{ "http://u:hunter2%00@proxy:3128", "password is not %-encoded" },
		{ "http://u:hunter2%0a@proxy:3128", "password is not %-encoded" },
		{ "http://u%00:hunter2@proxy:3128", "user is not %-encoded" },
		{ "http://u:hunter2@proxy:hunter2", "port" },
		{ "http://u:hunter2@", "host is missing" },
		{ "http://u:hunter2@*:1", "neither a name" },
	};
	char why[ENDPOINT_ERROR_SIZE];
	struct endpoint_login login, zero;
	struct endpoint e;
	size_t i;

	(void)state;
	BAD(proxy, table);
	memset(&zero, 0, sizeof(zero));
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		memset(&login, 0xa5, sizeof(login));
		assert_int_equal(
		    endpoint_parse_proxy(table[i].text, &e, &login, why, sizeof(why)), -1);
		assert_null(strstr(why, "hunter2"));
		assert_memory_equal(&login, &zero, sizeof(login));
	}
}

static void
listen_good(void **state)
{
	static const struct good table[] = {
		{ "https://*:8855", "https://*:8855", "/", false, false },
		{ "https://*", "https://*:8855", "/", false, false },
		{ "https://127.0.0.1:443/", "https://127.0.0.1:443", "/", true, true },
		{ "https://[::]:8855", "https://[::]:8855", "/", true, false },
		{ "http://127.0.0.1:80", "http://127.0.0.1:80", "/", true, true },
		{ "http://[::1]:8855", "http://[::1]:8855", "/", true, true },
		{ "http://localhost:8855", "http://127.0.0.1:8855", "/", true, true },
	};
	char why[ENDPOINT_ERROR_SIZE];
	struct endpoint e;

	(void)state;
	GOOD(endpoint_parse_listen, table);
	assert_int_equal(endpoint_parse_listen("https://*:1", &e, why, sizeof(why)), 0);
	assert_true(e.any);
	assert_int_equal(endpoint_parse_listen("https://[::]", &e, why, sizeof(why)), 0);
	assert_false(e.any);
}

static void
listen_bad(void **state)
{
	static const struct bad table[] = {
		{ "", "empty" },
		{ "8855", "a listener is written" },
		{ "*:8855", "a listener is written" },
		{ "wss://*:8855", "a listener is written" },
		{ "ldaps://*:636", "a listener is written" },
		{ "https://*:0", "port" },
		{ "https://*:65536", "port" },
		{ "https://*:", "port" },
		{ "https://**", "neither a name" },
		{ "https://*x:1", "neither a name" },
		{ "https://hub.example.com:8855", "an address, not a name" },
		{ "https://*:8855/x", "only address and port" },
		{ "https://u@*:8855", "only address and port" },
		{ "http://*:8855", "loopback only" },
		{ "http://10.0.0.1:8855", "loopback only" },
		{ "http://0.0.0.0:8855", "loopback only" },
		{ "http://[::]:8855", "loopback only" },
	};

	(void)state;
	BAD(endpoint_parse_listen, table);
}

static void
local(void **state)
{
	static const struct good good[] = {
		{ "127.0.0.1:9743", "http://127.0.0.1:9743", "/", true, true },
		{ "127.8.9.1:1024", "http://127.8.9.1:1024", "/", true, true },
		{ "[::1]:65535", "http://[::1]:65535", "/", true, true },
		{ "[0:0::0:1]:9743", "http://[::1]:9743", "/", true, true },
		{ "localhost:9743", "http://127.0.0.1:9743", "/", true, true },
	};
	static const struct bad bad[] = {
		{ "", "written ADDRESS:PORT" },
		{ "9743", "written ADDRESS:PORT" },
		{ "127.0.0.1", "written ADDRESS:PORT" },
		{ "[::1]", "written ADDRESS:PORT" },
		{ "http://127.0.0.1:9743", "written ADDRESS:PORT" },
		{ "127.0.0.1:9743/", "written ADDRESS:PORT" },
		{ "::1:9743", "stands in brackets" },
		{ "u@127.0.0.1:9743", "only address and port" },
		{ "127.0.0.1:9743#x", "only address and port" },
		{ "127.0.0.1:", "port" },
		{ "127.0.0.1:0", "port" },
		{ "127.0.0.1:65536", "port" },
		{ "127.0.0.1:1023", "less than 1024" },
		{ "*:9743", "not an address of this host alone" },
		{ "0.0.0.0:9743", "not an address of this host alone" },
		{ "[::]:9743", "not an address of this host alone" },
		{ "[::ffff:127.0.0.1]:9743", "not an address of this host alone" },
		{ "192.0.2.1:9743", "not an address of this host alone" },
		{ "dc1.example.com:9743", "not a name" },
	};

	(void)state;
	GOOD(endpoint_parse_local, good);
	BAD(endpoint_parse_local, bad);
}

static void
public_and_cloud(void **state)
{
	static const struct good public[] = {
		{ "https://hub.example.com", "https://hub.example.com:443", "/", false, false },
		{ "https://Hub:8855/", "https://hub:8855", "/", false, false },
		{ "http://127.0.0.1:8855", "http://127.0.0.1:8855", "/", true, true },
		{ "http://localhost", "http://localhost:80", "/", false, true },
	};
	static const struct bad public_bad[] = {
		{ "", "empty" },
		{ "hub.example.com", "begins with https://" },
		{ "wss://hub.example.com", "begins with https://" },
		{ "https://*:8855", "neither a name" },
		{ "https://u@hub", "user" },
		{ "https://hub/login", "nothing may follow" },
		{ "https://hub?x", "nothing may follow" },
		{ "http://hub.example.com", "loopback only" },
		{ "http://10.0.0.1", "loopback only" },
	};
	static const struct good cloud[] = {
		{ "wss://hub.example.com/tunnel", "wss://hub.example.com:443", "/tunnel", false,
		    false },
		{ "https://hub.example.com:8855/scim/v2", "https://hub.example.com:8855",
		    "/scim/v2", false, false },
		{ "ws://127.0.0.1:8855/tunnel", "ws://127.0.0.1:8855", "/tunnel", true, true },
		{ "https://hub", "https://hub:443", "/", false, false },
	};
	static const struct bad cloud_bad[] = {
		{ "", "empty" },
		{ "ldaps://hub/tunnel", "https:// or wss://" },
		{ "ws://hub.example.com/tunnel", "write wss://" },
		{ "http://hub.example.com/scim", "write https://" },
		{ "wss://hub/tunnel?x=1", "neither ? nor #" },
		{ "wss://hub/tunnel#x", "neither ? nor #" },
		{ "wss://u:p@hub/tunnel", "user" },
		{ "wss:///tunnel", "host is missing" },
	};

	(void)state;
	GOOD(endpoint_parse_public, public);
	BAD(endpoint_parse_public, public_bad);
	GOOD(endpoint_parse_cloud, cloud);
	BAD(endpoint_parse_cloud, cloud_bad);
}

static int
ticket(const char *text, struct endpoint *e, char *why, size_t size)
{
	struct ticket t, zero;
	int result;

	memset(&t, 0xa5, sizeof(t));
	memset(&zero, 0, sizeof(zero));
	result = ticket_parse(text, &t, why, size);
	if (result == -1)
		assert_memory_equal(&t, &zero, sizeof(t));
	*e = t.origin;
	return result;
}

static void
ticket_good(void **state)
{
	static const struct good table[] = {
		{ "https://hub.example.com/t/" SECRET43, "https://hub.example.com:443", "/", false,
		    false },
		{ " \r\n\thttps://Hub:8855/t/" SECRET43 "#pin=sha256:" PIN43 "\n",
		    "https://hub:8855", "/", false, false },
		{ "http://127.0.0.1:8855/t/" SECRET43, "http://127.0.0.1:8855", "/", true, true },
		{ "http://[::1]/t/" SECRET43, "http://[::1]:80", "/", true, true },
		{ "https://hub/t/aaaaaaaaaaaaaaaaaaaaaa", "https://hub:443", "/", false, false },
	};
	char why[ENDPOINT_ERROR_SIZE], text[512], secret[TICKET_SECRET_MAX + 2];
	struct ticket t, zero;
	uint8_t i;

	(void)state;
	GOOD(ticket, table);
	assert_int_equal(
	    ticket_parse("https://hub/t/" SECRET43 "#pin=sha256:" PIN43, &t, why, sizeof(why)), 0);
	assert_string_equal(t.secret, SECRET43);
	assert_true(t.pinned);
	for (i = 0; i < TICKET_PIN_SIZE; i++)
		assert_int_equal(t.pin[i], i);
	assert_int_equal(ticket_parse("https://hub/t/" SECRET43, &t, why, sizeof(why)), 0);
	assert_false(t.pinned);
	ticket_wipe(&t);
	memset(&zero, 0, sizeof(zero));
	assert_memory_equal(&t, &zero, sizeof(t));

	memset(secret, 'S', sizeof(secret));
	secret[TICKET_SECRET_MAX] = '\0';
	snprintf(text, sizeof(text), "https://hub/t/%s", secret);
	assert_int_equal(ticket_parse(text, &t, why, sizeof(why)), 0);
	assert_string_equal(t.secret, secret);
	secret[TICKET_SECRET_MAX] = 'S';
	secret[TICKET_SECRET_MAX + 1] = '\0';
	snprintf(text, sizeof(text), "https://hub/t/%s", secret);
	assert_int_equal(ticket_parse(text, &t, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "too long (129 characters, at most 128)"));
}

static void
ticket_bad(void **state)
{
#define T "https://hub.example.com/t/" SECRET43
	static const struct bad table[] = {
		{ "", "empty" },
		{ " \n", "empty" },
		{ SECRET43, "begins with https://" },
		{ "hub.example.com/t/" SECRET43, "begins with https://" },
		{ "wss://hub.example.com/t/" SECRET43, "begins with https://" },
		{ "ldaps://dc1.example.com", "directory.server" },
		{ "ldap://dc1.example.com/t/" SECRET43, "directory.server" },
		{ "https://hub.example.com", "is not a ticket" },
		{ "https://hub.example.com/", "is not a ticket" },
		{ "https://hub.example.com/t" SECRET43, "is not a ticket" },
		{ "https://hub.example.com/T/" SECRET43, "is not a ticket" },
		{ "https://hub.example.com/x/t/" SECRET43, "is not a ticket" },
		{ "https://hub.example.com/t/", "too short (0 characters" },
		{ "https://hub.example.com/t/aaaaaaaaaaaaaaaaaaaaa", "too short (21 characters" },
		{ "https://hub.example.com/t/#pin=sha256:" PIN43, "too short (0 characters" },
		{ T "/", "character 44 of the ticket's secret" },
		{ T "?x=1", "character 44 of the ticket's secret" },
		{ "https://hub.example.com/t/+" SECRET43, "character 1 of the ticket's secret" },
		{ "https://hub.example.com/t/" SECRET43 "%20", "character 44" },
		{ "https://hub.example.com/t/Ab " SECRET43, "space" },
		{ "https://hub.example.com/t/\xc3\xa4" SECRET43, "not ASCII" },
		{ "http://hub.example.com/t/" SECRET43,
		    "http ticket to a non-loopback host is refused: the password tunnel must be "
		    "https" },
		{ "http://10.0.0.1/t/" SECRET43, "must be https" },
		{ "http://127.0.0.1.example.com/t/" SECRET43, "must be https" },
		{ "https://u:p@hub.example.com/t/" SECRET43, "user" },
		{ "https://hub.example.com:0/t/" SECRET43, "port" },
		{ "https:///t/" SECRET43, "host is missing" },
		{ T "#", "what follows #" },
		{ T "#pin", "what follows #" },
		{ T "#pin=sha1:" PIN43, "what follows #" },
		{ T "#Pin=sha256:" PIN43, "what follows #" },
		{ T "#pin=sha256:", "pin has 0 characters, not 43" },
		{ T "#pin=sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh",
		    "pin has 42 characters, not 43" },
		{ T "#pin=sha256:" PIN43 "A", "pin has 44 characters" },
		{ T "#pin=sha256:" PIN43 "#", "pin has 44 characters" },
		/* The last character carries two bits that must be zero. */
		{ T "#pin=sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9", "mistyped" },
		{ T "#pin=sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh=", "mistyped" },
		{ T "#pin=sha256:+AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "mistyped" },
	};
	char why[ENDPOINT_ERROR_SIZE];
	struct endpoint e;
	size_t i;

	(void)state;
	BAD(ticket, table);
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(ticket(table[i].text, &e, why, sizeof(why)), -1);
		assert_null(strstr(why, "AbCd"));
		assert_null(strstr(why, "aaaa"));
		assert_null(strstr(why, "AAEC"));
	}
	/* A ticket in the directory's place: neither does that one tell it. */
	assert_int_equal(endpoint_parse_directory(T, &e, why, sizeof(why)), -1);
	assert_null(strstr(why, "AbCd"));
	assert_non_null(strstr(why, "'adconnectorctl enroll'"));
#undef T
}

/* A URL cut anywhere is taken whole or refused; it never reads past its end. */
static void
cut_anywhere(void **state)
{
	static const char whole[] = "https://hub.example.com:8855/t/" SECRET43 "#pin=sha256:" PIN43;
	char why[ENDPOINT_ERROR_SIZE], cut[sizeof(whole)];
	struct endpoint_login login;
	struct endpoint e;
	struct ticket t;
	size_t i, taken = 0;

	(void)state;
	for (i = 0; i < sizeof(whole); i++) {
		memset(cut, 'Z', sizeof(cut));
		memcpy(cut, whole, i);
		cut[i] = '\0';
		if (ticket_parse(cut, &t, why, sizeof(why)) == 0) {
			taken++;
			assert_int_equal(strncmp(t.secret, SECRET43, strlen(t.secret)), 0);
		}
		endpoint_parse_directory(cut, &e, why, sizeof(why));
		endpoint_parse_proxy(cut, &e, &login, why, sizeof(why));
		endpoint_parse_listen(cut, &e, why, sizeof(why));
		endpoint_parse_local(cut, &e, why, sizeof(why));
		endpoint_parse_public(cut, &e, why, sizeof(why));
		endpoint_parse_cloud(cut, &e, why, sizeof(why));
	}
	/* Secrets of 22 to 43 characters, and the whole. */
	assert_int_equal(taken, 22 + 1);
}

static void
origins(void **state)
{
	char why[ENDPOINT_ERROR_SIZE], text[ENDPOINT_ORIGIN_SIZE];
	struct endpoint a, b;

	(void)state;
#define SAME(x, y)                                                                                 \
	(endpoint_parse_cloud(x, &a, why, sizeof(why)) == 0 &&                                     \
	    endpoint_parse_cloud(y, &b, why, sizeof(why)) == 0 && endpoint_same_origin(&a, &b))
	assert_true(SAME("https://hub/", "wss://HUB:443/tunnel"));
	assert_true(SAME("http://127.0.0.1:80", "ws://127.0.0.1/x"));
	assert_true(SAME("https://[2001:db8:0::1]", "wss://[2001:DB8::1]"));
	assert_false(SAME("https://hub/", "https://hub:8855/"));
	assert_false(SAME("https://hub/", "https://hub.example.com/"));
	assert_false(SAME("https://127.0.0.1:8855/", "http://127.0.0.1:8855/"));
#undef SAME
	assert_int_equal(
	    endpoint_parse_public("https://[2001:db8::1]:8855", &a, why, sizeof(why)), 0);
	assert_int_equal(endpoint_format(&a, text, 26), -1);
	assert_int_equal(endpoint_format(&a, text, 27), 0);
	assert_string_equal(text, "https://[2001:db8::1]:8855");
	assert_string_equal(endpoint_scheme_name(ENDPOINT_DOMAIN), "domain");
	assert_string_equal(endpoint_scheme_name(ENDPOINT_WSS), "wss");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(directory_good),
		cmocka_unit_test(directory_bad),
		cmocka_unit_test(host_lengths),
		cmocka_unit_test(text_lengths),
		cmocka_unit_test(proxy_good),
		cmocka_unit_test(proxy_bad),
		cmocka_unit_test(listen_good),
		cmocka_unit_test(listen_bad),
		cmocka_unit_test(local),
		cmocka_unit_test(public_and_cloud),
		cmocka_unit_test(ticket_good),
		cmocka_unit_test(ticket_bad),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(origins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
