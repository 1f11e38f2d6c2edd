/* SPDX-License-Identifier: ISC */
/*
 * What the parts of this process share, and what the gate's messages ask of
 * them.  Times are milliseconds since 1970 where they come in, seconds in the
 * tables (but for the audit's).
 *
 * Reading ends the process when the database cannot be read: whoever asked then
 * hears at once that there is no answer.  Writing is all or nothing, and says so.
 */
#ifndef ADC_STORE_STORE_H
#define ADC_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit.h"
#include "database.h"
#include "digest.h"
#include "common/message.h"
#include "text.h"

#define CONNECTIONS_MAX 1000
/* Tickets kept at a time, of all connections; what is used up or over makes room first. */
#define TICKETS_MAX 2000
#define TICKET_USES_MAX 64
#define TICKET_HOURS_DEFAULT 24
#define TICKET_HOURS_MAX 8760
/* Connectors of one connection that are not revoked. */
#define CONNECTORS_PER_CONNECTION_MAX 64
/* A password is sealed for at most 8 (docs/tunnel-protocol.md), so no more can be approved. */
#define CONNECTORS_APPROVED_MAX 8
/* Connectors ever enrolled that are remembered; of the revoked the oldest are forgotten. */
#define CONNECTORS_MAX 10000
#define CONNECTOR_NAME_SIZE 101
#define CONNECTOR_VERSION_SIZE 33
#define CONNECTOR_HOST_SIZE 254
#define CONNECTOR_ADDRESS_SIZE 65
#define CONNECTOR_KEY_SIZE 64

struct store {
	struct database *db;
	struct audit *audit;
	/* Called after the change was committed. */
	void (*connector_changed)(void *arg, const char *id, enum connector_state);
	void *arg;
};

/* What a ticket is worth now. Texts are empty for TICKET_UNKNOWN. */
struct ticket_view {
	enum ticket_state state;
	char id[TICKET_ID_SIZE];
	int64_t connection; /* row */
	char identifier[IDENTIFIER_SIZE];
	char display_name[DISPLAY_NAME_SIZE];
	bool auto_approve;
};

/*
 * A ticket that is revoked says so first, then one that is used up, then one
 * that is over.  Uses nothing up.
 */
void ticket_find(struct store *, const char *secret, int64_t now, struct ticket_view *);

struct enrolment {
	const char *secret;
	const char *name;
	const char *version;
	const char *address;
	uint8_t sign_key[CONNECTOR_KEY_SIZE];
	uint8_t seal_key[CONNECTOR_KEY_SIZE];
};

struct enrolled {
	enum ticket_state ticket; /* the rest is empty unless TICKET_OK */
	char connector[CONNECTOR_ID_SIZE];
	char identifier[IDENTIFIER_SIZE];
	enum connector_state state;
};

/*
 * Enrols a connector, once its proof was checked (docs/tunnel-protocol.md).
 * The same ticket with the same keys gives the same answer again and counts
 * nothing, also after the ticket was used up or is over, so that an answer that was lost can be had
 * again; not after the ticket or the connector was revoked.
 */
void connector_enrol(struct store *, const struct enrolment *, int64_t now, struct enrolled *);

struct connector_view {
	enum connector_state state; /* the rest is empty when CONNECTOR_UNKNOWN */
	char identifier[IDENTIFIER_SIZE];
	char name[CONNECTOR_NAME_SIZE];
	uint8_t sign_key[CONNECTOR_KEY_SIZE];
	uint8_t seal_key[CONNECTOR_KEY_SIZE];
};

void connector_find(struct store *, const char *id, struct connector_view *);

/*
 * For how many seconds yet texts that are sealed for the key before are to be taken, 0 when there
 * is none; then seal is zero.
 */
uint32_t connector_seal_before(
    struct store *, const char *id, int64_t now, uint8_t seal[CONNECTOR_KEY_SIZE]);

struct rekey {
	const char *connector;
	const char *tunnel_url;
	const char *nonce;
	const char *old; /* kid of the sign key so far */
	const char *statement;
	const char *proof;
	const char *address;
	uint8_t sign_key[CONNECTOR_KEY_SIZE];
	uint8_t seal_key[CONNECTOR_KEY_SIZE];
};

/*
 * A connector's new keys (docs/tunnel-protocol.md 5.4), when the key that is recorded has
 * signed for them and the new one as well.  Nothing but the keys changes: who was approved
 * stays so.  The same once more, when its answer was lost, is answered as before.
 */
enum rekey_result connector_rekey(struct store *, const struct rekey *, int64_t now);

struct tunnel_event {
	bool up;
	const char *connector;
	const char *host;
	const char *version;
	const char *address;
	const char *why;
};

/* A tunnel opened or closed: noted with the connector and in the audit. */
void connector_tunnel(struct store *, const struct tunnel_event *, int64_t now);
/* At start no tunnel is up. 0, or -1 when it could not be written. */
int connector_all_offline(struct store *);

enum connection_found { CONNECTION_NONE, CONNECTION_ONE, CONNECTION_SEVERAL };

struct connection_view {
	int64_t row;
	char identifier[IDENTIFIER_SIZE];
	char display_name[DISPLAY_NAME_SIZE];
	int64_t created;
};

/* "" asks for the only connection there is. */
enum connection_found
connection_find(struct store *, const char *identifier, struct connection_view *);

#endif
