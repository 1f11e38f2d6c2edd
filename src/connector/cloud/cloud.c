/* SPDX-License-Identifier: ISC */
/*
 * adc-cloud: everything that the connector says to the hub.
 *
 * It exists so that what parses the internet's TLS, HTTP, WebSocket and JSON
 * runs alone: it opens no socket and no file, holds no key, and what it passes
 * on of a login is ciphertext in one direction and a verdict signed by the parent in
 * the other.  A user's password or the bind password never enters this process.
 *
 * Two lives, chosen by the configuration: "tunnel", for ever; "enrol", once,
 * with the ticket.
 *
 *	CONFIG   mode, hub_host, hub_port, hub_tls, pin, proxy_*; tunnel_*, connection,
 *	         seal_kid, seal_kid_other; ticket_path, enrol_body        CONFIG_FD  ca
 *	asks     CONNECT, TUNNEL_PROOF, AUTHENTICATE, TEST
 *	tells    TUNNEL_STATE, ENROLLED
 *	DIRECTORY_ANSWERS  tell the hub, now and on every tunnel that is welcomed
 *	REKEY_STATEMENT  send it on the tunnel, and tell what the hub answers
 *	DRAIN    finish what is in flight, close the tunnel, end
 */
#include "cloud.h"

#include "asks.h"
#include "enrol.h"
#include "common/json.h"
#include "keeper.h"
#include "common/log.h"
#include "proxy.h"
#include "websocket.h"
#include "common/wipe.h"

#include <bsd/string.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What is configured and needed only until the sandbox closes. */
struct setup {
	bool has_mode;
	bool has_pin;
	uint8_t pin[TLS_PIN_SIZE];
	char *ca;
	size_t ca_len;
	char proxy_host[ENDPOINT_HOST_SIZE];
	uint16_t proxy_port;
	char proxy_user[PROXY_LOGIN_MAX + 1];
	struct secret *proxy_password;
};

static struct cloud cloud;
static struct setup setup;

/* Items whose value is a string, and where it goes. */
struct text_item {
	const char *key;
	char *value;
	size_t size;
};

static const struct text_item text_items[] = {
	{ "hub_host", cloud.hub.host, sizeof(cloud.hub.host) },
	{ "proxy_host", setup.proxy_host, sizeof(setup.proxy_host) },
	{ "proxy_user", setup.proxy_user, sizeof(setup.proxy_user) },
	{ "tunnel_path", cloud.tunnel_path, sizeof(cloud.tunnel_path) },
	{ "connection", cloud.connection, sizeof(cloud.connection) },
	{ "seal_kid", cloud.seal_kid, sizeof(cloud.seal_kid) },
	{ "seal_kid_other", cloud.seal_kid_other, sizeof(cloud.seal_kid_other) },
};

static int
take_text(char *dst, size_t size, const void *value, size_t len)
{
	if (value == NULL || len == 0 || len >= size || memchr(value, '\0', len) != NULL ||
	    !utf8_valid(value, len))
		return -1;
	memcpy(dst, value, len);
	dst[len] = '\0';
	return 0;
}

static int
take_u8(const void *value, size_t len, uint8_t *n)
{
	struct wire_reader r;

	wire_reader_init(&r, value, len);
	*n = wire_get_u8(&r);
	return wire_end(&r);
}

static int
take_port(const void *value, size_t len, uint16_t *port)
{
	struct wire_reader r;

	wire_reader_init(&r, value, len);
	*port = wire_get_u16(&r);
	return wire_end(&r) == -1 || *port == 0 ? -1 : 0;
}

static int
take_mode(const void *value, size_t len)
{
	char mode[8];

	if (setup.has_mode || take_text(mode, sizeof(mode), value, len) == -1)
		return -1;
	setup.has_mode = true;
	cloud.enrol = strcmp(mode, "enrol") == 0;
	return cloud.enrol || strcmp(mode, "tunnel") == 0 ? 0 : -1;
}

static int
take_secret(struct secret **secret, const void *value, size_t len, size_t max)
{
	if (*secret != NULL || len > max || (len > 0 && value == NULL))
		return -1;
	*secret = secret_copy(value == NULL ? "" : value, len);
	return *secret == NULL ? -1 : 0;
}

/* The whole file, before the sandbox closes; takes the descriptor. */
static int
take_ca(int fd)
{
	size_t size = 0;
	ssize_t n = -1;
	char *grown;

	while (setup.ca_len < TLS_CA_MAX) {
		if (setup.ca_len == size) {
			size = size == 0 ? 256U << 10 : 2 * size;
			if ((grown = realloc(setup.ca, size)) == NULL)
				break;
			setup.ca = grown;
		}
		n = read(fd, setup.ca + setup.ca_len, size - setup.ca_len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		setup.ca_len += (size_t)n;
	}
	close(fd);
	return n == 0 ? 0 : -1;
}

static int
on_config(void *arg, const char *key, const void *value, size_t len, int fd)
{
	uint8_t tls;
	size_t i;

	(void)arg;
	if (strcmp(key, "ca") == 0)
		return fd == -1 || setup.ca != NULL ? -1 : take_ca(fd);
	if (fd != -1) {
		close(fd);
		return -1;
	}
	for (i = 0; i < sizeof(text_items) / sizeof(text_items[0]); i++)
		if (strcmp(key, text_items[i].key) == 0)
			return take_text(text_items[i].value, text_items[i].size, value, len);
	if (strcmp(key, "mode") == 0)
		return take_mode(value, len);
	if (strcmp(key, "hub_port") == 0)
		return take_port(value, len, &cloud.hub.port);
	if (strcmp(key, "proxy_port") == 0)
		return take_port(value, len, &setup.proxy_port);
	if (strcmp(key, "hub_tls") == 0) {
		if (take_u8(value, len, &tls) == -1 || tls > 1)
			return -1;
		cloud.hub.scheme = tls ? ENDPOINT_HTTPS : ENDPOINT_HTTP;
		return 0;
	}
	if (strcmp(key, "pin") == 0) {
		if (value == NULL || len != TLS_PIN_SIZE)
			return -1;
		memcpy(setup.pin, value, len);
		setup.has_pin = true;
		return 0;
	}
	if (strcmp(key, "proxy_password") == 0)
		return take_secret(&setup.proxy_password, value, len, PROXY_LOGIN_MAX);
	if (strcmp(key, "ticket_path") == 0)
		return take_secret(&cloud.ticket_path, value, len, CLOUD_URL_MAX);
	if (strcmp(key, "enrol_body") == 0 && cloud.enrol_body == NULL && value != NULL) {
		cloud.enrol_body = strndup(value, len);
		return cloud.enrol_body == NULL ? -1 : 0;
	}
	return -1;
}

/* Bytes that may stand in a request line: nothing that could end it. */
static bool
path_valid(const void *path, size_t len)
{
	const unsigned char *p = path;
	size_t i;

	if (len == 0 || p[0] != '/')
		return false;
	for (i = 0; i < len; i++)
		if (p[i] <= 0x20 || p[i] >= 0x7f)
			return false;
	return true;
}

static void
finish_hub(void)
{
	char why[ENDPOINT_ERROR_SIZE];
	const char *words;

	if (endpoint_check_host(cloud.hub.host, why, sizeof(why)) == -1)
		fatalx("configuration: hub_host: %s", why);
	cloud.hub.numeric = cloud.hub.host[strspn(cloud.hub.host, "0123456789.")] == '\0' ||
	    strchr(cloud.hub.host, ':') != NULL;
	if (cloud.hub.port == 0 ||
	    (cloud.hub.scheme != ENDPOINT_HTTPS && cloud.hub.scheme != ENDPOINT_HTTP))
		fatalx("configuration: hub_port or hub_tls is missing");
	if (http_host(cloud.hub.host, cloud.hub.port, 0, cloud.hub_name, sizeof(cloud.hub_name)) ==
		-1 ||
	    http_host(cloud.hub.host, cloud.hub.port, cloud.hub.scheme == ENDPOINT_HTTPS ? 443 : 80,
		cloud.host_header, sizeof(cloud.host_header)) == -1)
		fatalx("configuration: hub_host is too long");
	if (cloud.hub.scheme == ENDPOINT_HTTP) {
		if (!endpoint_is_loopback(&cloud.hub))
			fatalx("%s: without TLS a hub is allowed on loopback only", cloud.hub_name);
		return;
	}
	cloud.tls = tls_new(
	    cloud.hub.host, setup.has_pin ? setup.pin : NULL, setup.ca, setup.ca_len, &words);
	if (cloud.tls == NULL)
		fatalx("%s: %s", cloud.hub_name, words);
}

static void
finish_proxy(void)
{
	static const char nothing[1];
	const char *why;

	if (setup.proxy_host[0] == '\0')
		return;
	if (setup.proxy_port == 0 ||
	    http_host(setup.proxy_host, setup.proxy_port, 0, cloud.proxy_name,
		sizeof(cloud.proxy_name)) == -1)
		fatalx("configuration: proxy_port is missing");
	cloud.proxy_login = setup.proxy_user[0] != '\0';
	cloud.proxy_request = proxy_request(cloud.hub.host, cloud.hub.port, setup.proxy_user,
	    setup.proxy_password == NULL ? (const void *)nothing : setup.proxy_password->data,
	    setup.proxy_password == NULL ? 0 : setup.proxy_password->len, &why);
	if (cloud.proxy_request == NULL)
		fatalx("%s: %s", cloud.proxy_name, why);
	secret_free(setup.proxy_password);
	setup.proxy_password = NULL;
}

/* All items are there: checks them together, and makes what cannot be made later. */
static void
finish_configuration(void)
{
	char accept[WEBSOCKET_ACCEPT_SIZE];

	finish_hub();
	finish_proxy();
	free(setup.ca);
	setup.ca = NULL;
	if (!setup.has_mode)
		fatalx("configuration: mode is missing");
	if (cloud.enrol &&
	    (cloud.ticket_path == NULL || cloud.enrol_body == NULL ||
		!path_valid(cloud.ticket_path->data, cloud.ticket_path->len)))
		fatalx("configuration: ticket_path or enrol_body is missing or wrong");
	if (!cloud.enrol &&
	    (cloud.connection[0] == '\0' || cloud.seal_kid[0] == '\0' ||
		!path_valid(cloud.tunnel_path, strlen(cloud.tunnel_path))))
		fatalx("configuration: connection, seal_kid or tunnel_path is missing or wrong");
	/* First uses of what a library would otherwise look up in a file later. */
	websocket_accept("", accept);
	tzset();
}

void
cloud_report(const struct cloud *c, enum tunnel_state state, const char *code, const char *text,
    int64_t time)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)state);
	wire_put_string(&w, code);
	wire_put_string(&w, text);
	wire_put_u64(&w, (uint64_t)time);
	proc_send(c->proc, MESSAGE_TUNNEL_STATE, 0, &w, -1);
}

static void
on_message(void *arg, struct message *m)
{
	(void)arg;
	switch (m->type) {
	case MESSAGE_CONNECTED:
	case MESSAGE_TUNNEL_PROVED:
	case MESSAGE_VERDICT:
	case MESSAGE_TEST_RESULT:
	case MESSAGE_TEST_END:
	case MESSAGE_UNANSWERED:
		ask_answer(m);
		break;
	case MESSAGE_REKEY_STATEMENT:
		if (cloud.enrol)
			proc_bad_message(m);
		keeper_rekey(m);
		break;
	case MESSAGE_DIRECTORY_ANSWERS:
		if (cloud.enrol)
			proc_bad_message(m);
		keeper_directory(m);
		break;
	case MESSAGE_DRAIN:
		if (!cloud.enrol)
			keeper_drain();
		else if (enrol_is_over())
			_exit(0);
		break;
	default:
		proc_bad_message(m);
	}
}

/* In the loop, after READY: before it there is nothing to say to the parent. */
static void
on_start(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	if (cloud.enrol)
		enrol_start(&cloud);
	else
		keeper_start(&cloud);
}

int
main(void)
{
	struct timeval now = { 0, 0 };

	/* Before the first use of each library: what they free is overwritten. */
	event_set_mem_functions(wiping_malloc, wiping_realloc, wiping_free);
	json_use_wiping_allocator();
	if (wipe_use_in_openssl() == -1 || OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		fatalx("OpenSSL cannot be used");
	cloud.proc = proc_open(ROLE_CLOUD);
	cloud.base = proc_base(cloud.proc);
	proc_configure(cloud.proc, on_config, NULL);
	finish_configuration();
	if (event_base_once(cloud.base, -1, EV_TIMEOUT, on_start, NULL, &now) == -1)
		fatalx("out of memory");
	sandbox_cloud();
	proc_run(cloud.proc, on_message, NULL);
}
