/* SPDX-License-Identifier: ISC */
/*
 * See enrol_answer.h.  A hub must not send a connector to another host: URLs
 * that leave the ticket's origin are refused, whatever else the answer says.
 */
#include "enrol_answer.h"

#include "common/json.h"

#include <string.h>

#define CONNECTION_MAX 64
#define CONNECTOR_ID_MAX 64
#define DISPLAY_NAME_MAX 256
#define URL_MAX 1024
#define MESSAGE_MAX 512

struct error_text {
	const char *code;
	const char *text;
};

static const struct error_text ticket_errors[] = {
	{ "ticket_unknown",
	    "the hub does not know this ticket: copy it again in full, or have a new one made" },
	{ "ticket_used_up",
	    "this ticket has been used up by another connector: have a new one made" },
	{ "ticket_expired", "this ticket has expired: have a new one made" },
	{ "ticket_revoked", "this ticket has been revoked: have a new one made" },
};

/* The hub's own words, shortened; "" when there are none. */
static const char *
error_message(const json_t *error)
{
	const char *message = json_get_string(error, "message", 1, MESSAGE_MAX);

	return message == NULL ? "" : message;
}

static void
read_error(unsigned int status, const json_t *answer, const char *name, struct failure *failure)
{
	const json_t *error = json_object_get(answer, "error");
	const char *code = json_get_string(error, "code", 1, 64);
	const char *message = error_message(error);
	size_t i;

	if (code == NULL) {
		failure_set(failure, "not_a_ticket",
		    "%s: that page is not a provisioning ticket of a hub (HTTP %u): copy the "
		    "ticket "
		    "again",
		    name, status);
		return;
	}
	for (i = 0; i < sizeof(ticket_errors) / sizeof(ticket_errors[0]); i++) {
		if (strcmp(code, ticket_errors[i].code) == 0) {
			failure_set(
			    failure, ticket_errors[i].code, "%s: %s", name, ticket_errors[i].text);
			return;
		}
	}
	if (strcmp(code, "too_many") == 0 || strcmp(code, "unavailable") == 0)
		failure_set(failure, "unreachable",
		    "%s: the hub cannot answer now: try again later%s%s", name,
		    message[0] == '\0' ? "" : ": ", message);
	else
		failure_set(failure, "rejected", "%s: the hub refuses this connector (%s)%s%s",
		    name, code, message[0] == '\0' ? "" : ": ", message);
}

/* Is this a URL of the hub that the ticket came from? */
static bool
url_allowed(const char *url, const struct endpoint *hub, bool websocket)
{
	struct endpoint e;
	char why[ENDPOINT_ERROR_SIZE];
	bool is_websocket;

	if (url == NULL || endpoint_parse_cloud(url, &e, why, sizeof(why)) == -1)
		return false;
	is_websocket = e.scheme == ENDPOINT_WSS || e.scheme == ENDPOINT_WS;
	return is_websocket == websocket && endpoint_same_origin(&e, hub);
}

static int
urls_read(const json_t *answer, const struct endpoint *hub, const char *name,
    const char **tunnel_url, const char **scim_url, struct failure *failure)
{
	*tunnel_url = json_get_string(answer, "tunnel_url", 1, URL_MAX);
	*scim_url = json_get_string(answer, "scim_url", 1, URL_MAX);
	if (url_allowed(*tunnel_url, hub, true) && url_allowed(*scim_url, hub, false))
		return 0;
	failure_set(failure, "rejected",
	    "%s: the hub names addresses that are not its own, as if it were known by another name "
	    "(its public_url): the ticket must begin with that name",
	    name);
	return -1;
}

int
enrol_read_ticket(unsigned int status, const json_t *answer, const struct endpoint *hub,
    const char *name, struct ticket_page *page, struct failure *failure)
{
	const char *type = json_get_string(answer, "type", 1, 64), *tunnel_url, *scim_url;
	int64_t protocol;

	if (status != 200) {
		read_error(status, answer, name, failure);
		return -1;
	}
	page->connection = json_get_string(answer, "connection", 1, CONNECTION_MAX);
	page->display_name = json_get_string(answer, "display_name", 1, DISPLAY_NAME_MAX);
	if (type == NULL || strcmp(type, "adconnector-ticket") != 0) {
		failure_set(failure, "not_a_ticket",
		    "%s: that page is not a provisioning ticket of a hub: copy the ticket again",
		    name);
		return -1;
	}
	if (json_get_integer(answer, "protocol", 1, 1, &protocol) == -1) {
		failure_set(failure, "rejected",
		    "%s: the hub speaks a protocol that this version does not know: update the "
		    "connector",
		    name);
		return -1;
	}
	if (page->connection == NULL || page->display_name == NULL) {
		failure_set(failure, "rejected",
		    "%s: the hub's answer about the ticket is incomplete", name);
		return -1;
	}
	return urls_read(answer, hub, name, &tunnel_url, &scim_url, failure);
}

/* A-Z a-z 0-9 - and _ only, for it travels in texts and logs. */
static bool
id_valid(const char *id)
{
	return id != NULL &&
	    strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
	    strlen(id);
}

int
enrol_read_result(unsigned int status, const json_t *answer, const struct endpoint *hub,
    const char *name, struct enrolment *enrolment, struct failure *failure)
{
	const char *state = json_get_string(answer, "state", 1, 32);

	if (status != 201) {
		read_error(status, answer, name, failure);
		return -1;
	}
	enrolment->connector_id = json_get_string(answer, "connector_id", 1, CONNECTOR_ID_MAX);
	enrolment->connection = json_get_string(answer, "connection", 1, CONNECTION_MAX);
	if (!id_valid(enrolment->connector_id) || enrolment->connection == NULL || state == NULL ||
	    (strcmp(state, "approved") != 0 && strcmp(state, "pending") != 0)) {
		failure_set(failure, "rejected",
		    "%s: the hub's answer to the enrolment is incomplete", name);
		return -1;
	}
	enrolment->approved = strcmp(state, "approved") == 0;
	return urls_read(answer, hub, name, &enrolment->tunnel_url, &enrolment->scim_url, failure);
}
