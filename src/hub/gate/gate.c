/* SPDX-License-Identifier: ISC */
/*
 * adhub-gate: the hub's door.
 *
 * It exists so that whatever parses what comes from outside (TLS, HTTP, WebSocket, JSON) runs
 * alone: without a file, a database or a token key.  It holds the TLS key; a password is
 * in clear here only when an API call brought it so, and is sealed at once.  It must not
 * decide who exists (the store does), and cannot make a verdict (connectors sign
 * them).
 *
 * Two instances: "public" listens on the network and keeps the tunnels, "control" listens on
 * a unix socket for administrators of this host.
 */
#include "gate.h"

#include "audit.h"
#include "common/clock.h"
#include "common/jose.h"
#include "common/json.h"
#include "common/log.h"
#include "common/wipe.h"

#include <event2/event.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Unknown tickets that one address may try in a minute. */
#define UNKNOWN_TICKETS_PER_MINUTE 10
/* While draining: how often it is looked whether all is done, and after how long it ends anyway. */
#define DRAIN_LOOK_MS 100
#define DRAIN_TUNNELS_MS 1000
#define DRAIN_MAX_MS 15000

static struct gate gate;

static void
on_drain_look(evutil_socket_t fd, short what, void *arg)
{
	struct gate *g = arg;
	uint64_t passed = clock_ms() - g->draining_since;
	bool busy = http_server_busy(g->http) > 0;

	(void)fd;
	(void)what;
	if (g->role == ROLE_GATE_PUBLIC) {
		busy = busy || logins_count(g->logins) > 0;
		/* Connectors that have found their way to the next gate have closed theirs. */
		if (tunnels_count(g->tunnels) > 0 && passed < DRAIN_TUNNELS_MS)
			busy = true;
	}
	if (busy && passed < DRAIN_MAX_MS)
		return;
	if (g->role == ROLE_GATE_PUBLIC && tunnels_count(g->tunnels) > 0) {
		/* Their close frames go out before the next look. */
		tunnels_close_all(g->tunnels);
		return;
	}
	audit_send();
	proc_exit(g->proc);
}

static void
drain(struct gate *g)
{
	static const struct timeval look = { 0, DRAIN_LOOK_MS * 1000 };

	g->draining_since = clock_ms();
	http_server_drain(g->http);
	if (g->role == ROLE_GATE_PUBLIC)
		tunnels_drain(g->tunnels);
	g->drain_timer = event_new(proc_base(g->proc), -1, EV_PERSIST, on_drain_look, g);
	if (g->drain_timer == NULL || event_add(g->drain_timer, &look) == -1)
		_exit(0);
}

static void
connector_changed(struct gate *g, struct message *m)
{
	char id[CONNECTOR_ID_SIZE];
	uint8_t state;

	wire_get_string(&m->body, id, sizeof(id), 1);
	state = wire_get_u8(&m->body);
	if (wire_end(&m->body) == -1 || state > CONNECTOR_REVOKED)
		proc_bad_message(m);
	tunnels_changed(g->tunnels, id, (enum connector_state)state);
}

/* What each instance is told and asked; the message table lets nothing else through. */
static void
on_message(void *arg, struct message *m)
{
	struct gate *g = arg;

	switch (m->type) {
	case MESSAGE_DRAIN:
		drain(g);
		break;
	case MESSAGE_TICKET:
	case MESSAGE_CONNECTOR_ENROLLED:
	case MESSAGE_CONNECTOR:
	case MESSAGE_CONNECTOR_REKEYED:
	case MESSAGE_CONNECTION:
	case MESSAGE_ADMIN_DONE:
	case MESSAGE_SEAL_KEYS:
	case MESSAGE_LOGIN_DONE:
	case MESSAGE_UNANSWERED:
		asks_reply(g->asks, m);
		break;
	case MESSAGE_CONNECTOR_CHANGED:
		connector_changed(g, m);
		break;
	case MESSAGE_TUNNEL_REPORT:
		tunnels_report(g->tunnels);
		break;
	case MESSAGE_SEAL_KEYS_GET:
		serve_seal_keys(g, m);
		break;
	case MESSAGE_LOGIN:
		serve_login(g, m);
		break;
	default:
		proc_bad_message(m);
	}
}

static void
set_up_public(struct gate *g)
{
	bool tls = strncmp(g->public_url, "https", 5) == 0;
	const char *rest = strchr(g->public_url, ':');

	/* gate_config_check() has seen to it that both fit. */
	if (snprintf(g->tunnel_url, sizeof(g->tunnel_url), "%s%s/tunnel", tls ? "wss" : "ws",
		rest) >= (int)sizeof(g->tunnel_url) ||
	    snprintf(g->scim_url, sizeof(g->scim_url), "%s/scim/v2", g->public_url) >=
		(int)sizeof(g->scim_url))
		fatalx("configuration: public_url is too long");
	if (g->certificate != NULL && g->key != NULL &&
	    ((g->tls = tls_server_new(g->certificate, g->key)) == NULL ||
		tls_warm_up(g->tls) == -1))
		fatalx("TLS: certificate and key cannot be used");
	secret_free(g->certificate);
	secret_free(g->key);
	g->certificate = g->key = NULL;
	g->by_address = throttle_new(g->per_address);
	g->by_name = throttle_new(g->per_name);
	g->by_connection = throttle_new(g->per_connection);
	g->unknown_tickets = throttle_new(UNKNOWN_TICKETS_PER_MINUTE);
	if (g->by_address == NULL || g->by_name == NULL || g->by_connection == NULL ||
	    g->unknown_tickets == NULL)
		fatal("throttles");
	g->connections = connections_new(g->asks);
	g->tunnels = tunnels_new(g->proc, g->asks, g->tunnel_url);
	g->logins = logins_new(g->proc, g->tunnels);
	tunnels_set_logins(g->tunnels, g->logins);
}

static void
set_up(struct gate *g)
{
	size_t i;

	gate_config_check(g);
	g->asks = asks_new(g->proc);
	audit_init(g->proc);
	if (g->role == ROLE_GATE_PUBLIC)
		set_up_public(g);
	g->http = http_server_new(
	    proc_base(g->proc), g->role == ROLE_GATE_PUBLIC ? routes_public : routes_control, g);
	for (i = 0; i < g->nlisteners; i++)
		http_server_listen(g->http, g->listener[i].fd, g->listener[i].transport, g->tls);
}

static enum role
role_from(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "public") == 0)
		return ROLE_GATE_PUBLIC;
	if (argc == 2 && strcmp(argv[1], "control") == 0)
		return ROLE_GATE_CONTROL;
	fprintf(stderr, "adhub-gate: started by adhubd only, as \"public\" or \"control\"\n");
	exit(64);
}

int
main(int argc, char **argv)
{
	gate.role = role_from(argc, argv);
	/* First of all: whatever these libraries free may have held a password. */
	event_set_mem_functions(wiping_malloc, wiping_realloc, wiping_free);
	json_use_wiping_allocator();
	if (wipe_use_in_openssl() == -1)
		fatalx("OpenSSL: its memory cannot be wiped");
	gate.proc = proc_open(gate.role);
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1 || jose_warm_up() == -1)
		fatalx("OpenSSL: cannot be used");
	proc_configure(gate.proc, gate_config, &gate);
	set_up(&gate);
	sandbox_gate(&gate);
	proc_run(gate.proc, on_message, &gate);
}
