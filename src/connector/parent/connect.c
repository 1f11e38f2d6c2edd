/* SPDX-License-Identifier: ISC */
/*
 * Connections.  A child asks for one by its place in a list; the list is the
 * configuration, so neither the cloud nor a taken-over child chooses where the
 * connector connects to.
 */
#include "adconnectord.h"

#include "common/log.h"

#include <string.h>
#include <strings.h>

#define DEADLINE_MAX_MS 30000

static void
refuse(struct child *child, uint32_t id, enum status status, const char *text)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)status);
	wire_put_string(&w, "");
	wire_put_string(&w, "");
	wire_put_string(&w, text);
	child_send(child, MESSAGE_CONNECTED, id, &w, -1);
}

/* Its places in the list are those of settings that are gone. */
static bool
is_draining(const struct child *child)
{
	return !child_is_trial(child) && !child_is_current(child);
}

void
connect_request(struct connector *connector, struct child *child, struct message *m)
{
	struct child *dial;
	struct pending *p;
	struct wire_writer w;
	uint32_t deadline;
	uint16_t index;
	uint8_t kind;

	kind = wire_get_u8(&m->body);
	index = wire_get_u16(&m->body);
	deadline = wire_get_u32(&m->body);
	if (wire_end(&m->body) == -1 || deadline == 0 || deadline > DEADLINE_MAX_MS ||
	    kind != (child_role(child) == ROLE_DIRECTORY ? ENDPOINT_DIRECTORY : ENDPOINT_HUB)) {
		child_breach(child, "bad CONNECT");
		return;
	}
	if (is_draining(child)) {
		refuse(child, m->id, STATUS_INTERNAL, "the settings have changed");
		return;
	}
	dial = child_is_trial(child) ? change_dial(connector) : service_current(connector->dial);
	if (dial == NULL ||
	    (p = pending_add(connector->pending, child, m->id, dial, MESSAGE_CONNECT, NULL)) ==
		NULL) {
		refuse(child, m->id, STATUS_INTERNAL,
		    "the process that makes connections is not running");
		return;
	}
	wire_writer_init(&w);
	wire_put_u8(&w, kind);
	wire_put_u16(&w, index);
	wire_put_u32(&w, deadline);
	child_send(dial, MESSAGE_DIAL, p->id, &w, -1);
}

/* A name found by discovery counts only inside the domain that was configured. */
static bool
name_is_ours(const struct settings *settings, const char *name)
{
	const struct endpoint *server = &settings->directory.servers[0];
	size_t name_len, domain_len;

	if (settings->directory.nservers != 1 || server->scheme != ENDPOINT_DOMAIN)
		return true; /* names come from the configuration, not from dial */
	name_len = strlen(name);
	domain_len = strlen(server->host);
	return name_len > domain_len && name[name_len - domain_len - 1] == '.' &&
	    strcasecmp(name + name_len - domain_len, server->host) == 0;
}

void
connect_result(struct connector *connector, struct child *dial, struct message *m)
{
	char name[256], address[128], error[512];
	struct pending *p;
	struct wire_writer w;
	uint8_t status;
	int fd;

	status = wire_get_u8(&m->body);
	wire_get_string(&m->body, name, sizeof(name), 0);
	wire_get_string(&m->body, address, sizeof(address), 0);
	wire_get_string(&m->body, error, sizeof(error), 0);
	if (wire_end(&m->body) == -1 || (status == STATUS_OK) != (m->fd != -1)) {
		child_breach(dial, "bad DIALED");
		return;
	}
	if ((p = pending_find(connector->pending, dial, m->id)) == NULL ||
	    p->asked != MESSAGE_CONNECT)
		return; /* too late */
	if (p->from != NULL && is_draining(p->from))
		refuse(p->from, p->from_id, STATUS_INTERNAL, "the settings have changed");
	else if (p->from != NULL) {
		if (status == STATUS_OK && child_role(p->from) == ROLE_DIRECTORY &&
		    !name_is_ours(deployment_of(connector, p->from)->settings, name)) {
			child_breach(dial, "a server outside the configured domain");
			return;
		}
		wire_writer_init(&w);
		wire_put_u8(&w, status);
		wire_put_string(&w, name);
		wire_put_string(&w, address);
		wire_put_string(&w, error);
		fd = m->fd;
		m->fd = -1;
		child_send(p->from, MESSAGE_CONNECTED, p->from_id, &w, fd);
	}
	pending_done(connector->pending, p);
}

void
connect_lost(struct connector *connector, struct pending *p)
{
	(void)connector;
	if (p->from != NULL)
		refuse(p->from, p->from_id, STATUS_INTERNAL,
		    "the process that makes connections has ended");
}
