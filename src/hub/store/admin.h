/* SPDX-License-Identifier: ISC */
/*
 * What adhubctl and the console ask for: operations with texts as arguments and
 * JSON as answer.  Who may ask is the business of the message table and of the
 * control gate's socket; here each change is written to the audit with the
 * caller's uid.
 *
 * Answers (times are RFC 3339 in UTC, null when there is none):
 *
 *  ADMIN_CONNECTION_ADD     a connection
 *  ADMIN_CONNECTION_LIST    {"connections": [a connection …], "more": false}
 *  ADMIN_CONNECTION_SHOW    a connection with "logo", "connectors": […], "tickets": […], "more"
 *  ADMIN_CONNECTION_REMOVE  {"identifier", "connectors_revoked", "tickets_revoked"}
 *  ADMIN_TICKET_NEW         a ticket with "secret"
 *  ADMIN_TICKET_LIST        {"tickets": [a ticket …], "more": false}
 *  ADMIN_TICKET_REVOKE      a ticket
 *  ADMIN_CONNECTOR_LIST     {"connectors": [a connector …], "more": false}
 *  ADMIN_CONNECTOR_APPROVE  a connector      ADMIN_CONNECTOR_REVOKE  a connector
 *  ADMIN_AUDIT_LIST         {"rows": [a row …], "next": number}
 *  ADMIN_AUDIT_VERIFY       {"ok": true, "first", "last", "hash"} or
 *                           {"ok": false, "first", "last", "row", "why"}
 *
 *  connection  {"identifier", "display_name", "has_logo", "created",
 *               "approved", "pending", "online"}                       the last three count
 * connectors ticket      {"id", "connection", "state": "open"|"used_up"|"expired"|"revoked",
 * "uses_left", "expires", "auto_approve", "created"}                  never its secret connector
 * {"id", "connection", "name", "version", "state": "pending"|"approved"|"revoked", "online",
 * "enrolled", "last_seen", "host", "address", "sign_kid", "seal_kid"} row         {"id", "time",
 * "event", "connection", "connector", "username", "attempt", "status", "proven", "reason", "face",
 * "address", "detail", "hash"}
 *
 * "more": true when there were more than ADMIN_LIST_MAX; the newest are shown.
 * "next" is what to ask the audit for after; it is the number asked for when nothing was new.
 */
#ifndef ADC_STORE_ADMIN_H
#define ADC_STORE_ADMIN_H

#include <jansson.h>

#include "store.h"

#define ADMIN_ARGUMENTS_MAX 4
#define ADMIN_LIST_MAX 1000
/* In the answer to ADMIN_CONNECTION_SHOW, for there are two lists and a logo. */
#define ADMIN_SHOW_MAX 300
#define AUDIT_LIST_MAX 500
/* Bytes of JSON in one answer; the message has room for a little more. */
#define ADMIN_ANSWER_MAX ((1U << 20) - 4096)
#define ADMIN_ERROR_SIZE 512

struct admin {
	enum admin_operation operation;
	uint32_t uid; /* of the caller, for the audit */
	const char *arguments[ADMIN_ARGUMENTS_MAX];
	unsigned int count;
	int64_t now; /* milliseconds since 1970 */

	/* The answer. ADMIN_FAILED when json stays NULL though the result is ADMIN_OK. */
	enum admin_result result;
	char error[ADMIN_ERROR_SIZE];
	json_t *json; /* owned by the caller afterwards */
};

/*
 * Carries out one operation; all but ADMIN_AUDIT_VERIFY, which takes its time
 * and belongs to the event loop (admin_audit_verified() makes its answer).
 */
void admin_run(struct store *, struct admin *);
/* True when operation and number of arguments are right; else the answer says what is not. */
bool admin_accept(struct admin *);

void admin_refuse(struct admin *, enum admin_result, const char *, ...)
    __attribute__((format(printf, 3, 4)));
/* The change could not be written. */
void admin_failed(struct admin *);
/* audit_write() of an administrator's change, with the uid in front of the detail. */
int admin_audit(struct store *, const struct admin *, const char *event, const char *connection,
    const char *connector, const char *detail);
/* A time of the tables as JSON; null for 0. */
json_t *admin_time(int64_t seconds);

void admin_connection_add(struct store *, struct admin *);
void admin_connection_list(struct store *, struct admin *);
void admin_connection_show(struct store *, struct admin *);
void admin_connection_remove(struct store *, struct admin *);
void admin_ticket_new(struct store *, struct admin *);
void admin_ticket_list(struct store *, struct admin *);
void admin_ticket_revoke(struct store *, struct admin *);
void admin_connector_list(struct store *, struct admin *);
void admin_connector_approve(struct store *, struct admin *);
void admin_connector_revoke(struct store *, struct admin *);
void admin_audit_list(struct store *, struct admin *);

struct audit_check;
/* The answer to ADMIN_AUDIT_VERIFY once the walk is done. */
void admin_audit_verified(struct admin *, const struct audit_check *);

/* Finds a live connection by its identifier; false with the answer set when there is none. */
bool admin_find_connection(
    struct store *, struct admin *, const char *identifier, struct connection_view *);
/*
 * Arrays of tickets and connectors, newest first: of one connection, or of all live ones when
 * row is 0.  *more tells that there were more than max.
 */
json_t *admin_tickets(struct store *, int64_t row, int64_t now, unsigned int max, bool *more);
json_t *admin_connectors(struct store *, int64_t row, unsigned int max, bool *more);

#endif
