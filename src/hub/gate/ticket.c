/* SPDX-License-Identifier: ISC */
/*
 * Tickets and enrolment (docs/tunnel-protocol.md 3): GET and POST /t/<secret>.  Whether a
 * ticket is worth anything is the store's to say; here the proof is checked that the
 * sender has the keys it shows.
 */
#include "common/clock.h"
#include "enrolment.h"
#include "gate.h"
#include "common/log.h"
#include "common/wipe.h"

#include <bsd/string.h>
#include <stdlib.h>
#include <string.h>

/* Attempts at tickets that do not exist are counted as they fail: throttle_would_pass() here. */

struct ticket_ask {
	struct gate *gate;
	struct http_exchange *exchange;
	struct address address;
};

static const struct {
	int http_status;
	const char *code;
	const char *message;
} refusals[] = {
	[TICKET_UNKNOWN] = { 404, "ticket_unknown", "this hub knows no such ticket" },
	[TICKET_EXPIRED] = { 410, "ticket_expired", "this ticket has expired; ask for a new one" },
	[TICKET_USED_UP] = { 409, "ticket_used_up",
	    "this ticket has been used up; ask for a new one" },
	[TICKET_REVOKED] = { 410, "ticket_revoked", "this ticket was revoked" },
	[TICKET_KEYS_REFUSED] = { 403, "rejected",
	    "these keys belong to another or to a revoked connector; enrol with new ones" },
	[TICKET_FAILED] = { 503, "unavailable",
	    "the hub cannot take this connector now; its log says why" },
};

static void
on_gone(void *arg)
{
	struct ticket_ask *a = arg;

	a->exchange = NULL;
}

/* NULL after an answer. */
static struct ticket_ask *
ask_new(struct gate *gate, struct http_exchange *x, const char *secret)
{
	const struct address *address = &http_exchange_request(x)->address;
	struct ticket_ask *a;

	if (!throttle_would_pass(
		gate->unknown_tickets, address->key, sizeof(address->key), clock_ms())) {
		http_set_field(x, "Retry-After", "60");
		http_error(x, 429, "too_many", "too many unknown tickets from this address");
		return NULL;
	}
	if (!is_token(secret, TICKET_SECRET_MIN, TICKET_SECRET_MAX)) {
		throttle_take(
		    gate->unknown_tickets, address->key, sizeof(address->key), clock_ms());
		http_error(x, 404, refusals[TICKET_UNKNOWN].code, refusals[TICKET_UNKNOWN].message);
		return NULL;
	}
	if ((a = calloc(1, sizeof(*a))) == NULL) {
		http_error(x, 503, "unavailable", "out of memory");
		return NULL;
	}
	a->gate = gate;
	a->exchange = x;
	a->address = *address;
	http_on_gone(x, on_gone, a);
	return a;
}

/* True when the ticket is good; otherwise answered. */
static bool
ticket_good(struct ticket_ask *a, const struct message *reply, uint8_t state)
{
	size_t n = sizeof(refusals) / sizeof(refusals[0]);

	if (reply != NULL && state == TICKET_UNKNOWN)
		throttle_take(
		    a->gate->unknown_tickets, a->address.key, sizeof(a->address.key), clock_ms());
	if (a->exchange == NULL)
		return false;
	if (reply == NULL) {
		http_error(a->exchange, 503, "unavailable", "the hub cannot answer now, try later");
		return false;
	}
	if (state == TICKET_OK)
		return true;
	if (state >= n)
		state = TICKET_FAILED;
	http_error(a->exchange, refusals[state].http_status, refusals[state].code,
	    refusals[state].message);
	return false;
}

static void
on_ticket(void *arg, struct message *reply)
{
	struct ticket_ask *a = arg;
	struct gate *gate = a->gate;
	char identifier[CONNECTION_SIZE], name[DISPLAY_NAME_MAX + 1];
	uint8_t state = TICKET_FAILED;

	if (reply != NULL) {
		state = wire_get_u8(&reply->body);
		wire_get_string(&reply->body, identifier, sizeof(identifier), 0);
		wire_get_string(&reply->body, name, sizeof(name), 0);
		if (wire_end(&reply->body) == -1)
			proc_bad_message(reply);
	}
	if (ticket_good(a, reply, state))
		http_answer_json(a->exchange, 200,
		    json_pack("{s:s, s:i, s:s, s:s, s:s, s:s}", "type", "adconnector-ticket",
			"protocol", 1, "connection", identifier, "display_name", name, "tunnel_url",
			gate->tunnel_url, "scim_url", gate->scim_url));
	free(a);
}

void
ticket_show(struct gate *gate, struct http_exchange *x, const char *secret)
{
	struct ticket_ask *a;
	struct wire_writer w;

	if ((a = ask_new(gate, x, secret)) == NULL)
		return;
	wire_writer_init(&w);
	wire_put_string(&w, secret);
	ask_send(gate->asks, MESSAGE_TICKET_GET, &w, MESSAGE_TICKET, on_ticket, a);
}

static void
on_enrolled(void *arg, struct message *reply)
{
	struct ticket_ask *a = arg;
	struct gate *gate = a->gate;
	char id[CONNECTOR_ID_SIZE], identifier[CONNECTION_SIZE];
	uint8_t state = TICKET_FAILED, connector = CONNECTOR_UNKNOWN;

	if (reply != NULL) {
		state = wire_get_u8(&reply->body);
		wire_get_string(&reply->body, id, sizeof(id), 0);
		wire_get_string(&reply->body, identifier, sizeof(identifier), 0);
		connector = wire_get_u8(&reply->body);
		if (wire_end(&reply->body) == -1)
			proc_bad_message(reply);
	}
	if (!ticket_good(a, reply, state))
		;
	else if (connector != CONNECTOR_APPROVED && connector != CONNECTOR_PENDING)
		http_error(a->exchange, 403, "rejected", "this connector was revoked");
	else {
		log_info("connector %s enrolled from %s for connection %s: %s", id, a->address.text,
		    identifier, connector == CONNECTOR_APPROVED ? "approved" : "pending");
		http_answer_json(a->exchange, 201,
		    json_pack("{s:s, s:s, s:s, s:s, s:s}", "connector_id", id, "connection",
			identifier, "tunnel_url", gate->tunnel_url, "scim_url", gate->scim_url,
			"state", connector == CONNECTOR_APPROVED ? "approved" : "pending"));
	}
	free(a);
}

void
ticket_enrol(struct gate *gate, struct http_exchange *x, const char *secret)
{
	struct http_request *request = http_exchange_request(x);
	struct enrolment enrolment;
	size_t refused = wiping_refused();
	struct ticket_ask *a;
	struct wire_writer w;
	const char *why;

	if ((a = ask_new(gate, x, secret)) == NULL)
		return;
	if (enrolment_read(request->body, request->body_len, secret, &enrolment, &why) == -1) {
		log_warnx("enrolment from %s refused: %s", a->address.text, why);
		if (request->body_len > ENROLMENT_MAX)
			http_error(x, 413, "bad_request", why);
		else
			http_bad_body(x, refused, why);
		free(a);
		return;
	}
	wire_writer_init(&w);
	wire_put_string(&w, secret);
	wire_put_string(&w, enrolment.name);
	wire_put_string(&w, enrolment.version);
	wire_put_fixed(&w, enrolment.sign, sizeof(enrolment.sign));
	wire_put_fixed(&w, enrolment.seal, sizeof(enrolment.seal));
	wire_put_string(&w, a->address.text);
	ask_send(
	    gate->asks, MESSAGE_CONNECTOR_ENROL, &w, MESSAGE_CONNECTOR_ENROLLED, on_enrolled, a);
}
