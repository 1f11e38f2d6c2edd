/* SPDX-License-Identifier: ISC */
/*
 * Tunnels: one connector each, proved by its signature, kept until either end goes.  The
 * protocol is docs/tunnel-protocol.md.
 */
#ifndef GATE_TUNNEL_H
#define GATE_TUNNEL_H

#include "address.h"
#include "ask.h"
#include "hello.h"
#include "identifier.h"
#include "common/message.h"
#include "pace.h"
#include "common/sealed.h"
#include "websocket.h"

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TUNNEL_SUBPROTOCOL "adconnector.v1"
#define TUNNELS_MAX 2048
#define TUNNELS_PER_CONNECTION_MAX 64
#define TUNNEL_FRAME_MAX 65536 /* bytes, hub to connector */
#define TUNNEL_IN_FLIGHT_MAX 1024
#define TUNNEL_PROOF_S 5
#define TUNNEL_REPLACED_S 10 /* longest time a replaced tunnel is given for what is in flight */
#define TUNNEL_HELD_OUT_MS 60000
/* A tunnel that the keys before proved ends at the latest after this; by then there is another. */
#define TUNNEL_REKEYED_S 60
#define TUNNEL_CONFLICTS 3 /* tunnels of one connector, each opened while another was there… */
#define TUNNEL_CONFLICT_MS 60000 /* …within this time */
/* Each welcome is a row of the audit: one in half a second on average, some at once. */
#define TUNNEL_OPENING_MS 500
#define TUNNEL_OPENINGS_AT_ONCE 20

struct attempt;
struct logins;
struct rekey_ask;
struct stream;
struct tunnels;

enum tunnel_phase {
	TUNNEL_CHALLENGED, /* the hello is awaited */
	TUNNEL_ASKED,	   /* the store is asked for the connector's key */
	TUNNEL_OPEN,
	TUNNEL_REPLACED /* gets nothing new; ends when nothing is in flight */
};

TAILQ_HEAD(attempt_list, attempt);
TAILQ_HEAD(tunnel_list, tunnel);

/* A connection as far as tunnels go. */
struct tunnel_connection {
	RB_ENTRY(tunnel_connection) entry;
	char identifier[CONNECTION_SIZE];
	struct tunnel_list tunnels; /* open ones, pending ones included; longest open first */
	size_t count;
	struct pace pace;
};

/* A connector that has, or lately had, tunnels. */
struct tunnel_connector {
	RB_ENTRY(tunnel_connector) entry;
	char id[CONNECTOR_ID_SIZE];
	struct tunnel *open;
	size_t replaced;		     /* older tunnels that still finish something */
	uint64_t conflict[TUNNEL_CONFLICTS]; /* when, ms; 0: none */
	uint64_t openings_until;	     /* see common/rate.h */
	uint64_t held_out_until;
};

struct tunnel_lookup;

struct tunnel {
	TAILQ_ENTRY(tunnel) all;
	TAILQ_ENTRY(tunnel) of_connection; /* while open */
	struct tunnels *tunnels;
	struct websocket *ws;
	struct event *timer;
	enum tunnel_phase phase;
	struct tunnel_lookup *lookup;
	char nonce[NONCE_SIZE];
	char *proof;
	char connector_id[CONNECTOR_ID_SIZE];
	struct address address;
	/* From here on set when it is open. */
	struct tunnel_connector *connector;
	struct tunnel_connection *connection;
	enum connector_state state;
	struct jose_key *sign_key;
	struct sealed_recipient seal;
	char kid[JOSE_KEY_ID_SIZE];
	/* Of the seal key before, whose texts it still opens for a while; "": none. */
	char kid_before[JOSE_KEY_ID_SIZE];
	uint64_t kid_before_until;
	struct rekey_ask *rekey; /* under way; rekey.c's */
	uint64_t rekeys_until;	 /* see common/rate.h */
	struct hello hello;
	uint64_t opened_at;
	bool draining;
	bool directory_unavailable;   /* as it says itself; until it says anything it is not */
	uint64_t changes_until;	      /* see common/rate.h: of what it says of it, for the log */
	struct attempt_list attempts; /* in flight; login.c's */
	size_t in_flight;
	uint64_t strays; /* results nobody waited for */
};

struct tunnels *tunnels_new(struct proc *, struct asks *, const char *tunnel_url);
void tunnels_set_logins(struct tunnels *, struct logins *);
/* A socket that has been upgraded: challenges it. Takes stream and place. */
void tunnels_accept(struct tunnels *, struct stream *, struct http_place *, const struct address *);
/* A connector was approved, revoked or removed. */
void tunnels_changed(struct tunnels *, const char *connector_id, enum connector_state);
/* Tells the store of every open tunnel. */
void tunnels_report(struct tunnels *);
/* Asks all connectors to open new tunnels elsewhere. */
void tunnels_drain(struct tunnels *);
void tunnels_close_all(struct tunnels *);
size_t tunnels_count(const struct tunnels *);

/*
 * The keys to seal for: connectors that are approved and online, at most SEALED_MAX_RECIPIENTS;
 * those whose directory answers first.
 */
size_t tunnels_recipients(
    struct tunnels *, const char *connection, struct sealed_recipient[SEALED_MAX_RECIPIENTS]);
/*
 * The least loaded approved tunnel of the connection whose seal key is among kids, of those
 * whose directory answers if there is any; NULL when there is none.
 */
struct tunnel *
tunnels_pick(struct tunnels *, const char *connection, char kids[][JOSE_KEY_ID_SIZE], size_t nkids);
/* Whether any approved connector is online. */
bool tunnels_online(struct tunnels *, const char *connection);
/* Pace of refusals at a connection; NULL while it has no tunnel. */
struct pace *tunnels_pace(struct tunnels *, const char *connection);

/* Sends a request frame; as websocket_send(). */
int tunnel_send(struct tunnel *, const char *text, size_t len, uint64_t *start);
/* The connector has other keys now than those that proved this tunnel. */
void tunnel_rekeyed(struct tunnel *);
/* The caller has just taken one off tunnel->attempts: a replaced tunnel may now end. */
void tunnel_attempt_ended(struct tunnel *);

#endif
