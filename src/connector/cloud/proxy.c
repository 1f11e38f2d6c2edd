/* SPDX-License-Identifier: ISC */
/*
 * See proxy.h.  Nothing here may put user or password anywhere but into the
 * secret that is returned; the scratch they pass through is wiped.
 */
#include "proxy.h"

#include <openssl/evp.h>

#include <stdio.h>
#include <string.h>

#define AUTHORITY_SIZE HTTP_HOST_SIZE
#define LOGIN_SIZE (2 * PROXY_LOGIN_MAX + 2)
#define ENCODED_SIZE ((LOGIN_SIZE + 2) / 3 * 4 + 1)
#define REQUEST_SIZE (2 * AUTHORITY_SIZE + ENCODED_SIZE + 128)

static bool
has_control(const void *data, size_t len)
{
	const unsigned char *p = data;
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] < 0x20 || p[i] == 0x7f)
			return true;
	return false;
}

/* Base64 of "user:password" as a NUL-terminated string. */
static int
encode_login(
    const char *user, const void *password, size_t password_len, char *encoded, const char **why)
{
	unsigned char login[LOGIN_SIZE];
	size_t user_len = strlen(user);

	*why = "the proxy's user name or password is too long";
	if (user_len > PROXY_LOGIN_MAX || password_len > PROXY_LOGIN_MAX)
		return -1;
	*why = "the proxy's user name or password holds a colon or a control character, which "
	       "a proxy login cannot carry";
	if (strchr(user, ':') != NULL || has_control(user, user_len) ||
	    has_control(password, password_len))
		return -1;
	memcpy(login, user, user_len);
	login[user_len] = ':';
	if (password_len > 0)
		memcpy(login + user_len + 1, password, password_len);
	EVP_EncodeBlock((unsigned char *)encoded, login, (int)(user_len + 1 + password_len));
	explicit_bzero(login, sizeof(login));
	return 0;
}

struct secret *
proxy_request(const char *host, uint16_t port, const char *user, const void *password,
    size_t password_len, const char **why)
{
	char authority[AUTHORITY_SIZE], encoded[ENCODED_SIZE] = "", text[REQUEST_SIZE];
	struct secret *request = NULL;
	bool login = user != NULL && user[0] != '\0';
	int n;

	/* With CONNECT the port is always written (RFC 9110 9.3.6). */
	*why = "the hub's name is too long";
	if (http_host(host, port, 0, authority, sizeof(authority)) == -1)
		return NULL;
	if (login && encode_login(user, password, password_len, encoded, why) == -1)
		return NULL;
	n = snprintf(text, sizeof(text), "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", authority,
	    authority, login ? "Proxy-Authorization: Basic " : "", encoded, login ? "\r\n" : "");
	if (n > 0 && (size_t)n < sizeof(text)) {
		*why = "out of memory";
		request = secret_copy(text, (size_t)n);
	}
	explicit_bzero(text, sizeof(text));
	explicit_bzero(encoded, sizeof(encoded));
	return request;
}

int
proxy_answer(const struct http_head *head, const char *name, const char *target, bool login,
    struct failure *failure)
{
	if (head->status >= 200 && head->status <= 299)
		return 0;
	if (head->status == 407 && !login)
		failure_set(failure, "proxy_refused",
		    "%s: the proxy wants a user name and password%s; write them into cloud.proxy",
		    name,
		    head->basic ? "" : " in a way this program does not know (only Basic is)");
	else if (head->status == 407)
		failure_set(failure, "proxy_refused",
		    "%s: the proxy wants a (different) user name and password%s", name,
		    head->basic ? "" : ", in a way this program does not know (only Basic is)");
	else if (head->status == 502 || head->status == 503 || head->status == 504)
		failure_set(failure, "unreachable", "%s: the proxy cannot reach %s (HTTP %u)", name,
		    target, head->status);
	else
		failure_set(failure, "proxy_refused",
		    "%s: the proxy refuses to connect to %s (HTTP %u): have it allow CONNECT to "
		    "that "
		    "host and port",
		    name, target, head->status);
	return -1;
}
