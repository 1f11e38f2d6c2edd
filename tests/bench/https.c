/* SPDX-License-Identifier: ISC */
/* HTTPS connections kept open: see https.h. */
#include "https.h"

#include "common/base64url.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX 8192
#define ANSWER_MAX (1024 * 1024)
#define LINKS_PER_ADDRESS 32

enum link_state { LINK_HANDSHAKE, LINK_FREE, LINK_WRITING, LINK_READING };

struct https_link {
	struct https *https;
	enum link_state state;
	struct event *readable, *writable;
	SSL *ssl;
	int fd;
	void *data;
	const char *out;
	size_t out_len;
	char *in; /* in_size bytes, the last one for a NUL */
	size_t in_len, in_size;
};

struct https {
	struct event_base *base;
	const struct https_settings *settings;
	SSL_CTX *tls;
	struct addrinfo *address;
	struct https_link **links;
	size_t n;
};

static void fatal_tls(const char *what) __attribute__((noreturn));

static void
fatal_tls(const char *what)
{
	unsigned long code = ERR_get_error();

	errx(1, "%s: %s", what, code != 0 ? ERR_error_string(code, NULL) : "the hub closed it");
}

struct https *
https_new(struct event_base *base, const struct https_settings *settings)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM };
	struct https *https;
	int code;

	if ((https = calloc(1, sizeof(*https))) == NULL)
		err(1, "https");
	https->base = base;
	https->settings = settings;
	code = getaddrinfo(settings->host, settings->port, &hints, &https->address);
	if (code != 0)
		errx(1, "%s:%s: %s", settings->host, settings->port, gai_strerror(code));
	if ((https->tls = SSL_CTX_new(TLS_client_method())) == NULL)
		fatal_tls("tls");
	/* The pin is checked instead, see check_pin(). */
	SSL_CTX_set_verify(https->tls, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(https->tls, SSL_MODE_ENABLE_PARTIAL_WRITE);
	return https;
}

static void
link_free(struct https_link *link)
{
	event_free(link->readable);
	event_free(link->writable);
	SSL_free(link->ssl);
	close(link->fd);
	free(link->in);
	free(link);
}

void
https_free(struct https *https)
{
	size_t i;

	for (i = 0; i < https->n; i++)
		link_free(https->links[i]);
	free(https->links);
	SSL_CTX_free(https->tls);
	freeaddrinfo(https->address);
	free(https);
}

static void
check_pin(struct https_link *link)
{
	unsigned char digest[EVP_MAX_MD_SIZE], *der = NULL;
	char pin[BASE64URL_SIZE(EVP_MAX_MD_SIZE)];
	X509 *certificate;
	unsigned int len = 0;
	int der_len;

	if ((certificate = SSL_get1_peer_certificate(link->ssl)) == NULL)
		errx(1, "the hub showed no certificate");
	der_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
	if (der_len <= 0 || EVP_Digest(der, (size_t)der_len, digest, &len, EVP_sha256(), NULL) != 1)
		fatal_tls("certificate");
	base64url_encode(pin, sizeof(pin), digest, len);
	if (strcmp(pin, link->https->settings->pin) != 0)
		errx(1, "the hub's key has the pin %s, which is not the one given", pin);
	OPENSSL_free(der);
	X509_free(certificate);
}

static void
become_free(struct https_link *link)
{
	link->state = LINK_FREE;
	link->https->settings->ready(link->https->settings->arg, link);
}

/* Goes on at the next event, or ends the program. */
static void
try_again(struct https_link *link, int result, const char *what)
{
	switch (SSL_get_error(link->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return;
	case SSL_ERROR_WANT_WRITE:
		event_add(link->writable, NULL);
		return;
	case SSL_ERROR_SYSCALL:
		if (errno != 0)
			err(1, "%s", what);
		break;
	default:
		break;
	}
	fatal_tls(what);
}

static void
shake_hands(struct https_link *link)
{
	int result;

	ERR_clear_error();
	errno = 0;
	if ((result = SSL_connect(link->ssl)) != 1) {
		try_again(link, result, "handshake");
		return;
	}
	check_pin(link);
	become_free(link);
}

static void
write_out(struct https_link *link)
{
	int result;

	ERR_clear_error();
	errno = 0;
	while (link->out_len > 0) {
		result = SSL_write(link->ssl, link->out, (int)link->out_len);
		if (result <= 0) {
			try_again(link, result, "request");
			return;
		}
		link->out += result;
		link->out_len -= (size_t)result;
	}
	link->state = LINK_READING;
}

/* The value of a field of the head as a number; the program ends without it. */
static size_t
content_length(const char *head, const char *end)
{
	static const char field[] = "\r\nContent-Length:";
	const char *at;

	for (at = head; at < end; at++) {
		if (strncasecmp(at, field, sizeof(field) - 1) == 0)
			return (size_t)strtoul(at + sizeof(field) - 1, NULL, 10);
	}
	errx(1, "an answer without Content-Length");
}

/* Whether a whole answer is there; it is then given away. */
static bool
take_answer(struct https_link *link)
{
	const struct https_settings *settings = link->https->settings;
	size_t body_len, head_len;
	char *end;
	int status;

	link->in[link->in_len] = '\0';
	if ((end = strstr(link->in, "\r\n\r\n")) == NULL) {
		if (link->in_len > HEAD_MAX)
			errx(1, "an answer with a head over %d bytes", HEAD_MAX);
		return false;
	}
	if (sscanf(link->in, "HTTP/1.1 %3d ", &status) != 1)
		errx(1, "an answer that is not HTTP/1.1: %.40s", link->in);
	head_len = (size_t)(end - link->in) + 4;
	body_len = content_length(link->in, end);
	if (body_len > ANSWER_MAX - HEAD_MAX)
		errx(1, "an answer of %zu bytes", body_len);
	if (link->in_len < head_len + body_len)
		return false;
	if (link->in_len > head_len + body_len)
		errx(1, "more than the answer to one request");
	link->in_len = 0;
	settings->answer(settings->arg, link, status, link->in + head_len, body_len);
	return true;
}

static void
read_in(struct https_link *link)
{
	int result;

	for (;;) {
		if (link->in_len + 1 >= link->in_size) {
			if (link->in_size >= ANSWER_MAX)
				errx(1, "an answer over %d bytes", ANSWER_MAX);
			link->in_size = link->in_size == 0 ? 8192 : 2 * link->in_size;
			if ((link->in = realloc(link->in, link->in_size)) == NULL)
				err(1, "answer");
		}
		ERR_clear_error();
		errno = 0;
		result = SSL_read(
		    link->ssl, link->in + link->in_len, (int)(link->in_size - link->in_len - 1));
		if (result <= 0) {
			try_again(link, result, "answer");
			return;
		}
		link->in_len += (size_t)result;
		/* A free link gets session tickets only, which SSL_read keeps to itself. */
		if (link->state != LINK_READING)
			errx(1, "an answer before the request");
		if (take_answer(link)) {
			become_free(link);
			return;
		}
	}
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct https_link *link = arg;

	(void)fd;
	(void)what;
	if (link->state == LINK_HANDSHAKE)
		shake_hands(link);
	else if (link->state == LINK_WRITING)
		write_out(link);
	else
		read_in(link);
}

/* A loopback address of its own for each LINKS_PER_ADDRESS links: 127.0.1.1, 127.0.1.2, ... */
static void
choose_source(const struct https *https, int fd, size_t number)
{
	const struct sockaddr_in *to = (const struct sockaddr_in *)(void *)https->address->ai_addr;
	struct sockaddr_in from = { .sin_family = AF_INET };
	int on = 1;

	if (to->sin_family != AF_INET || ntohl(to->sin_addr.s_addr) >> 24 != 127)
		return;
	from.sin_addr.s_addr = htonl(0x7f000101 + (uint32_t)(number / LINKS_PER_ADDRESS));
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) == -1 ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) == -1)
		err(1, "source address");
}

static void
open_one(struct https *https, size_t number)
{
	struct https_link *link;
	int on = 1;

	if ((link = calloc(1, sizeof(*link))) == NULL)
		err(1, "link");
	https->links[number] = link;
	link->https = https;
	link->fd = socket(https->address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (link->fd == -1)
		err(1, "socket");
	choose_source(https, link->fd, number);
	if (connect(link->fd, https->address->ai_addr, https->address->ai_addrlen) == -1)
		err(1, "%s:%s", https->settings->host, https->settings->port);
	if (evutil_make_socket_nonblocking(link->fd) == -1 ||
	    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == -1)
		err(1, "socket");
	if ((link->ssl = SSL_new(https->tls)) == NULL || SSL_set_fd(link->ssl, link->fd) != 1)
		fatal_tls("tls");
	link->readable = event_new(https->base, link->fd, EV_READ | EV_PERSIST, on_event, link);
	link->writable = event_new(https->base, link->fd, EV_WRITE, on_event, link);
	if (link->readable == NULL || link->writable == NULL ||
	    event_add(link->readable, NULL) == -1)
		errx(1, "event");
	/* From the loop, so that ready is never called before the caller waits for it. */
	event_active(link->readable, EV_READ, 0);
}

void
https_open(struct https *https, size_t n)
{
	if ((https->links = calloc(n, sizeof(*https->links))) == NULL)
		err(1, "links");
	for (https->n = 0; https->n < n; https->n++)
		open_one(https, https->n);
}

void
https_send(struct https_link *link, const char *text, size_t len)
{
	link->state = LINK_WRITING;
	link->out = text;
	link->out_len = len;
	write_out(link);
}

void
https_set_data(struct https_link *link, void *data)
{
	link->data = data;
}

void *
https_data(const struct https_link *link)
{
	return link->data;
}
