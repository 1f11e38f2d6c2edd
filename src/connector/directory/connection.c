/* SPDX-License-Identifier: ISC */
/*
 * The life of a connection: ask, take over, secure, serve, end.  Operations are
 * in operation.c.
 */
#include "build.h"

#include "connection_internal.h"

#include "ask.h"
#include "common/log.h"
#include "common/status.h"
#include "tls.h"

#include <bsd/string.h>
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The parent and dial keep the same deadline; what is left is for the answer to travel. */
#define ANSWER_MS 500

static int io_setup(Sockbuf_IO_Desc *, void *);
static int io_remove(Sockbuf_IO_Desc *);
static int io_control(Sockbuf_IO_Desc *, int, void *);
static ber_slen_t io_read(Sockbuf_IO_Desc *, void *, ber_len_t);
static ber_slen_t io_write(Sockbuf_IO_Desc *, void *, ber_len_t);
static int io_close(Sockbuf_IO_Desc *);

static Sockbuf_IO transport_io = { io_setup, io_remove, io_control, io_read, io_write, io_close };

/*
 * libldap looks up the host's own name when it starts; with a DNS that does not
 * answer it would block for seconds, and later there is no DNS here at all. Symbol
 * resolution makes this definition the one it calls.
 */
int
getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	(void)node;
	(void)service;
	(void)hints;
	*result = NULL;
	return EAI_FAIL;
}

int
connection_library_init(void)
{
	int version = LDAP_VERSION3;

	/* No ldap.conf, no ldaprc, and no SASL plug-ins: simple binds need none. */
	if (setenv("LDAPNOINIT", "1", 1) == -1 ||
	    setenv("SASL_PATH", ADC_LIBEXECDIR "/empty", 1) == -1)
		return -1;
	if (ldap_set_option(NULL, LDAP_OPT_PROTOCOL_VERSION, &version) != LDAP_OPT_SUCCESS ||
	    ldap_set_option(NULL, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) != LDAP_OPT_SUCCESS)
		return -1;
	return 0;
}

static int
io_setup(Sockbuf_IO_Desc *d, void *arg)
{
	d->sbiod_pvt = arg;
	return 0;
}

static int
io_remove(Sockbuf_IO_Desc *d)
{
	d->sbiod_pvt = NULL;
	return 0;
}

static int
io_control(Sockbuf_IO_Desc *d, int option, void *arg)
{
	(void)arg;
	if (option == LBER_SB_OPT_DATA_READY)
		return d->sbiod_pvt != NULL &&
		    transport_has_bytes(((struct connection *)d->sbiod_pvt)->transport);
	return 0;
}

static ber_slen_t
io_read(Sockbuf_IO_Desc *d, void *buffer, ber_len_t len)
{
	struct connection *c = d->sbiod_pvt;
	ssize_t n;

	n = transport_read(c->transport, buffer, len);
	if (n > 0 && frame_take(&c->frame, buffer, (size_t)n) == -1) {
		errno = EPROTO;
		return -1;
	}
	return n;
}

static ber_slen_t
io_write(Sockbuf_IO_Desc *d, void *buffer, ber_len_t len)
{
	return transport_write(((struct connection *)d->sbiod_pvt)->transport, buffer, len);
}

/* The descriptor is the transport's and is closed with it. */
static int
io_close(Sockbuf_IO_Desc *d)
{
	(void)d;
	return 0;
}

static void
destroy(struct connection *c)
{
	if (c->ld != NULL)
		ldap_unbind_ext(c->ld, NULL, NULL);
	transport_free(c->transport);
	free(c);
}

void
connection_enter(struct connection *c)
{
	c->entered++;
}

bool
connection_leave(struct connection *c)
{
	if (--c->entered > 0 || !c->freed)
		return !c->freed;
	destroy(c);
	return false;
}

void
connection_free(struct connection *c)
{
	if (c == NULL || c->freed)
		return;
	c->freed = true;
	c->open = false;
	ask_cancel(c->ask);
	c->ask = NULL;
	if (c->timer != NULL)
		event_free(c->timer);
	c->timer = NULL;
	operations_drop(c);
	if (c->entered == 0)
		destroy(c);
}

void
connection_end(struct connection *c)
{
	if (c == NULL || c->freed)
		return;
	connection_enter(c);
	if (!c->dead) {
		c->dead = true;
		c->open = false;
		operations_fail(c, LDAP_SERVER_DOWN);
	}
	connection_free(c);
	connection_leave(c);
}

void
connection_fail(struct connection *c, const struct failure *failure)
{
	if (c->freed || c->dead)
		return;
	connection_enter(c);
	c->dead = true;
	c->open = false;
	ask_cancel(c->ask);
	c->ask = NULL;
	event_del(c->timer);
	operations_fail(c, LDAP_SERVER_DOWN);
	if (!c->freed)
		c->callbacks.closed(c->arg, failure);
	connection_leave(c);
}

static void
fail_memory(struct connection *c)
{
	struct failure failure;

	failure_set(&failure, "internal", "no memory for a connection to %s", c->host);
	connection_fail(c, &failure);
}

static void
ready(struct connection *c)
{
	c->open = true;
	event_del(c->timer);
	c->callbacks.opened(c->arg);
}

static void
on_secured(void *arg)
{
	struct connection *c = arg;

	connection_enter(c);
	ready(c);
	connection_leave(c);
}

static void
on_closed(void *arg, const struct failure *failure)
{
	struct connection *c = arg;
	struct failure own = *failure;

	/* A word more for who looks at an address where nothing speaks LDAP. */
	if (!c->open && own.hint[0] == '\0')
		failure_hint(
		    &own, "does directory.server name the LDAP port of a domain controller?");
	connection_fail(c, &own);
}

static void
on_readable(void *arg)
{
	struct connection *c = arg;

	connection_enter(c);
	operations_read(c);
	connection_leave(c);
}

/* What the certificate must be for. */
static const char *
name_to_check(const struct connection *c)
{
	const struct directory_settings *s = c->environment->settings;

	return s->tls_name[0] != '\0' ? s->tls_name : c->host;
}

static void
secure(struct connection *c)
{
	struct failure failure;

	if (c->environment->tls == NULL || name_to_check(c)[0] == '\0' ||
	    transport_start_tls(c->transport, c->environment->tls, name_to_check(c)) == -1) {
		failure_set(&failure, "tls_failed", "TLS with %s could not be started", c->host);
		connection_fail(c, &failure);
	}
}

static void
on_starttls(void *arg, const struct outcome *outcome)
{
	struct connection *c = arg;
	struct failure failure;

	if (outcome->code == LDAP_SERVER_DOWN)
		return; /* closed says why */
	if (outcome->code != LDAP_SUCCESS) {
		failure_set(&failure, "starttls_refused", "%s refuses StartTLS: %s", c->host,
		    ldap_err2string(outcome->code));
		failure_hint(&failure,
		    "a domain controller without a certificate can do neither value of "
		    "directory.tls.mode: give it one");
		connection_fail(c, &failure);
	} else if (transport_has_bytes(c->transport)) {
		/* Sent before the handshake, so by anybody; RFC 4511 4.14.1 allows nothing there.
		 */
		failure_set(
		    &failure, "tls_failed", "%s sent data in clear after StartTLS", c->host);
		connection_fail(c, &failure);
	} else
		secure(c);
}

static int
attach(struct connection *c, int fd)
{
	static const struct transport_callbacks callbacks = { on_readable, on_secured, on_closed };
	ber_len_t max = c->message_max;
	Sockbuf *sockbuf;

	c->transport = transport_new(c->environment->base, fd, c->host, &callbacks, c);
	frame_init(&c->frame, c->message_max);
	if (c->transport == NULL || ldap_init_fd(fd, LDAP_PROTO_EXT, NULL, &c->ld) != LDAP_SUCCESS)
		return -1;
	/* Without it libldap could not even give up the connection: it would write to nowhere. */
	if (ldap_get_option(c->ld, LDAP_OPT_SOCKBUF, &sockbuf) != LDAP_OPT_SUCCESS ||
	    ber_sockbuf_add_io(sockbuf, &transport_io, LBER_SBIOD_LEVEL_PROVIDER, c) != 0)
		fatalx("no memory for a connection to %s", c->host);
	if (ber_sockbuf_ctrl(sockbuf, LBER_SB_OPT_SET_MAX_INCOMING, &max) != 1)
		return -1;
	return 0;
}

static void
connected(struct connection *c, int fd)
{
	const struct directory_settings *s = c->environment->settings;

	if (attach(c, fd) == -1) {
		fail_memory(c);
		return;
	}
	if (s->tls_mode == TLS_MODE_STARTTLS) {
		if (operation_starttls(c, on_starttls, c) == NULL)
			fail_memory(c);
	} else if (s->tls_mode == TLS_MODE_LDAPS || c->server->scheme == SERVER_LDAPS)
		secure(c);
	else
		ready(c);
}

static void
on_connected(void *arg, struct message *m)
{
	struct connection *c = arg;
	struct failure failure;
	char host[SETTINGS_NAME_SIZE], error[512];
	uint8_t status;
	int fd;

	c->ask = NULL;
	if (m == NULL) {
		failure_set(&failure, "unreachable", "%s was not reached in time", c->host);
		failure_hint(&failure, "is directory.server right, and may this host reach it?");
		connection_fail(c, &failure);
		return;
	}
	status = wire_get_u8(&m->body);
	wire_get_string(&m->body, host, sizeof(host), 0);
	wire_get_string(&m->body, c->address, sizeof(c->address), 0);
	wire_get_string(&m->body, error, sizeof(error), 0);
	if (wire_end(&m->body) == -1 || (status == STATUS_OK) != (m->fd != -1))
		proc_bad_message(m);
	/* With discovery the name comes from the SRV record; else it is the configured one. */
	if (c->server->host[0] == '\0' && host[0] != '\0')
		strlcpy(c->host, host, sizeof(c->host));
	if (status != STATUS_OK) {
		failure_set(
		    &failure, "unreachable", "%s", error[0] != '\0' ? error : "not reachable");
		failure_hint(&failure,
		    "is directory.server right, does the server run, and may this host "
		    "reach it?");
		connection_fail(c, &failure);
		return;
	}
	fd = m->fd;
	m->fd = -1;
	connection_enter(c);
	connected(c, fd);
	connection_leave(c);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct connection *c = arg;
	struct failure failure;

	(void)fd;
	(void)what;
	if (c->open) {
		/* By connection_note_abandoned(); not from within whoever gave up. */
		failure_set(&failure, "closed",
		    "the connection to %s is renewed after %u requests "
		    "that were given up",
		    c->host, c->abandoned);
		connection_fail(c, &failure);
		return;
	}
	if (c->transport == NULL)
		failure_set(&failure, "unreachable", "%s was not reached in time", c->host);
	else
		failure_set(&failure, "timeout",
		    "%s accepted the connection but did not finish %s in time", c->host,
		    c->environment->settings->tls_mode == TLS_MODE_NONE ? "it" : "TLS");
	failure_hint(&failure, "is the server of directory.server overloaded or stopped?");
	connection_fail(c, &failure);
}

struct connection *
connection_open(const struct environment *environment, const struct server_setting *server,
    unsigned int deadline_ms, size_t message_max, const struct connection_callbacks *callbacks,
    void *arg)
{
	struct timeval tv = { deadline_ms / 1000, (deadline_ms % 1000) * 1000 };
	struct connection *c;
	struct wire_writer w;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	operations_init(c);
	c->environment = environment;
	c->server = server;
	c->message_max = message_max;
	c->callbacks = *callbacks;
	c->arg = arg;
	strlcpy(c->host, server->host, sizeof(c->host));
	if ((c->timer = evtimer_new(environment->base, on_deadline, c)) == NULL ||
	    evtimer_add(c->timer, &tv) == -1)
		goto fail;
	wire_writer_init(&w);
	wire_put_u8(&w, ENDPOINT_DIRECTORY);
	wire_put_u16(&w, server->index);
	wire_put_u32(&w, deadline_ms);
	c->ask = ask_send(MESSAGE_CONNECT, &w, deadline_ms + ANSWER_MS, on_connected, c);
	if (c->ask == NULL)
		goto fail;
	return c;
fail:
	connection_free(c);
	return NULL;
}

void
connection_note_abandoned(struct connection *c)
{
	if (++c->abandoned == ABANDONED_MAX)
		event_active(c->timer, EV_TIMEOUT, 0);
}

void
connection_hand_over(struct connection *c, const struct connection_callbacks *callbacks, void *arg)
{
	c->callbacks = *callbacks;
	c->arg = arg;
}

bool
connection_usable(const struct connection *c)
{
	return c != NULL && c->open && !c->dead && !c->freed;
}

bool
connection_alive(struct connection *c)
{
	return connection_usable(c) && transport_alive(c->transport);
}

const char *
connection_address(const struct connection *c)
{
	return c->address;
}

size_t
connection_under_way(const struct connection *c)
{
	return c->operation_count;
}

const char *
connection_host(const struct connection *c)
{
	return c->host;
}
