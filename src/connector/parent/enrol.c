/* SPDX-License-Identifier: ISC */
/*
 * An enrolment is a change (change.c) whose cloud trades a ticket instead of
 * holding a tunnel: new keys are saved before it starts, and the identity that
 * the hub gives them when it is done.
 */
#include "change.h"

#include "common/log.h"

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
change_enrol(struct connector *connector, struct child *asker, struct message *m)
{
	struct change *change;
	struct ticket ticket;
	const char *why;
	/* As a setting would be named. */
	char error[sizeof("ticket: ") + ENDPOINT_ERROR_SIZE] = "ticket: ", *text;
	char *why_not = error + strlen(error);

	text = wire_get_string_dup(&m->body, 0, ENDPOINT_TEXT_MAX);
	if (wire_end(&m->body) == -1) {
		free(text);
		child_breach(asker, "bad ENROL");
		return;
	}
	if (ticket_parse(text, &ticket, why_not, ENDPOINT_ERROR_SIZE) == -1) {
		change_tell(asker, m->id, false, "bad_ticket", error);
	} else if ((change = change_new(connector, asker, m->id)) != NULL) {
		change->enrol = true;
		change->ticket = ticket;
		change->try_cloud = true;
		identity_free(change->next->identity);
		change->next->identity =
		    identity_prepare(change->next->settings->state_dir, &ticket, &why);
		if (change->next->identity == NULL)
			change_fail(connector, "not_saved", "the new keys cannot be saved: %s",
			    why == NULL ? "no memory" : why);
		else
			change_start(connector);
	}
	ticket_wipe(&ticket);
	explicit_bzero(text, strlen(text));
	free(text);
}

/* Endpoints must have the ticket's origin, whatever the hub, or cloud, says. */
static bool
same_origin(const struct endpoint *origin, const char *url)
{
	struct endpoint endpoint;
	char error[ENDPOINT_ERROR_SIZE];

	return endpoint_parse_cloud(url, &endpoint, error, sizeof(error)) == 0 &&
	    endpoint_same_origin(&endpoint, origin);
}

/* The enrolment is kept; cloud and directory start anew with the new identity. */
static void
enrol_take(struct connector *connector, bool pending)
{
	struct change *change = connector->change;
	struct deployment *old = connector->current;
	struct identity *identity = change->next->identity;
	const char *why = NULL;
	char text[640], before[320] = "", approve[192] = "";

	if (identity_save(change->next->settings->state_dir, identity, &why) == -1) {
		change_fail(connector, "not_saved",
		    "the hub has enrolled this connector, but the answer cannot be saved: %s "
		    "(enrol again with the same ticket once that is mended)",
		    why == NULL ? "no memory" : why);
		return;
	}
	if (old->identity != NULL && old->identity->connector_id[0] != '\0' &&
	    strcmp(old->identity->connector_id, identity->connector_id) != 0 &&
	    strcmp(connector->tunnel.code, "revoked") != 0)
		snprintf(before, sizeof(before),
		    "; as %s of connection %s it is still known at that hub: adhubctl connector "
		    "revoke %s",
		    old->identity->connector_id, old->identity->connection,
		    old->identity->connector_id);
	if (pending)
		snprintf(approve, sizeof(approve),
		    "; it gets no logins until it is approved there: adhubctl connector approve %s",
		    identity->connector_id);
	connector->change = NULL;
	connector->current = change->next;
	change->next = NULL;
	deployment_free(old);
	rekey_begin(connector);
	child_discard(change->cloud);
	child_promote(change->dial, CHANGE_GRACE_MS);
	service_start(connector->dial);
	memset(&connector->tunnel, 0, sizeof(connector->tunnel));
	connector->tunnel.state = TUNNEL_CONNECTING;
	if (deployment_directory_ready(connector->current))
		change_start_anew(connector->directory);
	/* One that speaks to the hub before this one must not speak with the new keys. */
	service_stop(connector->cloud);
	open_tunnel(connector);
	snprintf(text, sizeof(text), "enrolled with connection %s as connector %s%s%s",
	    identity->connection, identity->connector_id, approve, before);
	log_info("%s", text);
	change_tell(change->asker, change->id, true, pending ? "pending" : "ok", text);
	change_release(change);
}

void
change_enrolled(struct connector *connector, struct child *child, struct message *m)
{
	struct change *change = connector->change;
	struct identity *identity;
	char code[64], text[1024];
	uint8_t result;
	char id[65], connection[IDENTITY_CONNECTION_SIZE];
	char tunnel_url[IDENTITY_TEXT_SIZE], scim_url[IDENTITY_TEXT_SIZE];

	result = wire_get_u8(&m->body);
	wire_get_string(&m->body, code, sizeof(code), 0);
	wire_get_string(&m->body, text, sizeof(text), 0);
	wire_get_string(&m->body, id, sizeof(id), 0);
	wire_get_string(&m->body, connection, sizeof(connection), 0);
	wire_get_string(&m->body, tunnel_url, sizeof(tunnel_url), 0);
	wire_get_string(&m->body, scim_url, sizeof(scim_url), 0);
	if (wire_end(&m->body) == -1 || result > ENROL_FAILED || change == NULL || !change->enrol ||
	    child != change->cloud) {
		child_breach(child, "bad ENROLLED");
		return;
	}
	if (result == ENROL_FAILED) {
		change_fail_cloud(connector, code, text);
		return;
	}
	if (id[0] == '\0' || connection[0] == '\0' ||
	    !same_origin(&change->ticket.origin, tunnel_url) ||
	    !same_origin(&change->ticket.origin, scim_url)) {
		change_fail(connector, "rejected",
		    "the hub named an address outside the ticket's origin: it was not believed");
		return;
	}
	identity = change->next->identity;
	strlcpy(identity->connector_id, id, sizeof(identity->connector_id));
	strlcpy(identity->connection, connection, sizeof(identity->connection));
	strlcpy(identity->tunnel_url, tunnel_url, sizeof(identity->tunnel_url));
	strlcpy(identity->scim_url, scim_url, sizeof(identity->scim_url));
	enrol_take(connector, result == ENROL_PENDING);
}
