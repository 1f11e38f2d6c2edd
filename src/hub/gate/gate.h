/* SPDX-License-Identifier: ISC */
/*
 * What the parts of a gate share.  One binary is two roles: "public" faces the
 * network, "control" the administrators on this host; a process is one of them for life.
 */
#ifndef GATE_GATE_H
#define GATE_GATE_H

#include "ask.h"
#include "connections.h"
#include "http.h"
#include "identifier.h"
#include "login.h"
#include "common/proc.h"
#include "common/secret.h"
#include "throttle.h"
#include "tunnel.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

#define GATE_LISTENERS_MAX 16
#define GATE_ADMINS_MAX 16

struct gate {
	struct proc *proc;
	enum role role;
	struct asks *asks;
	struct http_server *http;
	char public_url[URL_SIZE]; /* origin, without a slash at the end */

	/* public */
	struct connections *connections;
	struct tunnels *tunnels;
	struct logins *logins;
	char tunnel_url[URL_SIZE];
	char scim_url[URL_SIZE];
	struct throttle *by_address, *by_name, *by_connection;
	struct throttle *unknown_tickets; /* by address */
	uint64_t throttle_audited_at;	  /* ms */
	SSL_CTX *tls;

	/* control */
	char pin[128]; /* "sha256:…" or "" */
	uint32_t admin_uid[GATE_ADMINS_MAX];
	uint32_t nadmins;

	/* until the configuration is complete */
	struct {
		int fd;
		enum http_transport transport;
	} listener[GATE_LISTENERS_MAX];
	size_t nlisteners;
	struct secret *certificate, *key; /* PEM */
	uint32_t per_address, per_name, per_connection;
	struct event *drain_timer;
	uint64_t draining_since; /* ms; 0: not draining */
};

/* gate_config.c: items of configuration; what follows from them. */
int gate_config(void *gate, const char *key, const void *value, size_t len, int fd);
void gate_config_check(struct gate *);
/* tls.c: a server context from PEM, both wiped by the caller. NULL after an error that was logged.
 */
SSL_CTX *tls_server_new(const struct secret *certificate, const struct secret *key);
/* One handshake in memory, so that OpenSSL has fetched all it needs before the sandbox closes. */
int tls_warm_up(SSL_CTX *);
/* sandbox_gate.c */
void sandbox_gate(const struct gate *);

/* routes_public.c, routes_control.c */
void routes_public(void *gate, struct http_exchange *, struct http_request *);
void routes_control(void *gate, struct http_exchange *, struct http_request *);
/* control_messages.c: what the control instance asks the public one. */
void serve_seal_keys(struct gate *, struct message *);
void serve_login(struct gate *, struct message *);

/* ticket.c: GET and POST /t/<secret> */
void ticket_show(struct gate *, struct http_exchange *, const char *secret);
void ticket_enrol(struct gate *, struct http_exchange *, const char *secret);
/* verify_user.c: POST /api/v2/ad/verify-user */
void verify_user(struct gate *, struct http_exchange *);
/* login_routes.c: GET /login/keys/<identifier>, POST /login/verify */
void login_keys(struct gate *, struct http_exchange *, const char *identifier);
void login_verify(struct gate *, struct http_exchange *);
/* admin_routes.c: all of the control API that the store answers */
void admin_routes(struct gate *, struct http_exchange *, struct http_request *);
/* control_login.c: seal keys and logins for administrators, answered by the public instance */
void control_seal_keys(struct gate *, struct http_exchange *, const char *identifier);
void control_login(struct gate *, struct http_exchange *);

#endif
