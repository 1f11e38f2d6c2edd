/* SPDX-License-Identifier: ISC */
/*
 * The table of administrative operations and what they have in common.
 */
#include "admin.h"

#include "common/log.h"
#include "common/wipe.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	unsigned int arguments;
	void (*run)(struct store *, struct admin *);
} admin_operations[ADMIN_OPERATION_COUNT] = {
	[ADMIN_CONNECTION_ADD] = { "connection add", 3, admin_connection_add },
	[ADMIN_CONNECTION_LIST] = { "connection list", 0, admin_connection_list },
	[ADMIN_CONNECTION_SHOW] = { "connection show", 1, admin_connection_show },
	[ADMIN_CONNECTION_REMOVE] = { "connection remove", 1, admin_connection_remove },
	[ADMIN_TICKET_NEW] = { "ticket new", 4, admin_ticket_new },
	[ADMIN_TICKET_LIST] = { "ticket list", 1, admin_ticket_list },
	[ADMIN_TICKET_REVOKE] = { "ticket revoke", 1, admin_ticket_revoke },
	[ADMIN_CONNECTOR_LIST] = { "connector list", 1, admin_connector_list },
	[ADMIN_CONNECTOR_APPROVE] = { "connector approve", 1, admin_connector_approve },
	[ADMIN_CONNECTOR_REVOKE] = { "connector revoke", 1, admin_connector_revoke },
	[ADMIN_AUDIT_LIST] = { "audit list", 2, admin_audit_list },
	[ADMIN_AUDIT_VERIFY] = { "audit verify", 0, NULL },
};

void
admin_refuse(struct admin *admin, enum admin_result result, const char *format, ...)
{
	va_list ap;

	admin->result = result;
	va_start(ap, format);
	vsnprintf(admin->error, sizeof(admin->error), format, ap);
	va_end(ap);
	text_clean(admin->error, sizeof(admin->error), admin->error);
}

void
admin_failed(struct admin *admin)
{
	admin_refuse(admin, ADMIN_FAILED,
	    "%s: the hub could not write its database and changed nothing; "
	    "see its log, and the room on its disk",
	    admin_operations[admin->operation].name);
}

int
admin_audit(struct store *store, const struct admin *admin, const char *event,
    const char *connection, const char *connector, const char *detail)
{
	char text[AUDIT_DETAIL_SIZE];
	struct audit_row row;

	memset(&row, 0, sizeof(row));
	snprintf(
	    text, sizeof(text), "uid %u%s%s", admin->uid, detail[0] == '\0' ? "" : ", ", detail);
	row.event = event;
	row.connection = connection;
	row.connector = connector;
	row.face = "control";
	row.detail = text;
	return audit_write(store->audit, &row, admin->now);
}

json_t *
admin_time(int64_t seconds)
{
	char text[TEXT_TIME_SIZE];

	if (seconds == 0)
		return json_null();
	text_time(text, seconds * 1000, true);
	return json_string(text);
}

bool
admin_find_connection(
    struct store *store, struct admin *admin, const char *identifier, struct connection_view *view)
{
	if (!identifier_valid(identifier)) {
		admin_refuse(admin, ADMIN_REFUSED,
		    "identifier: must be 1 to 63 of a-z, 0-9 and \"-\", and not begin with \"-\"");
		return false;
	}
	if (connection_find(store, identifier, view) == CONNECTION_ONE)
		return true;
	admin_refuse(admin, ADMIN_NOT_FOUND,
	    "connection %s: there is none; \"adhubctl connection list\" shows what there is",
	    identifier);
	return false;
}

bool
admin_accept(struct admin *admin)
{
	admin->result = ADMIN_OK;
	admin->error[0] = '\0';
	admin->json = NULL;
	if ((unsigned int)admin->operation >= ADMIN_OPERATION_COUNT) {
		admin_refuse(admin, ADMIN_REFUSED, "operation %u: there is none",
		    (unsigned int)admin->operation);
		return false;
	}
	if (admin->count != admin_operations[admin->operation].arguments) {
		admin_refuse(admin, ADMIN_REFUSED, "%s: takes %u arguments, not %u",
		    admin_operations[admin->operation].name,
		    admin_operations[admin->operation].arguments, admin->count);
		return false;
	}
	return true;
}

void
admin_run(struct store *store, struct admin *admin)
{
	size_t refused = wiping_refused();

	if (!admin_accept(admin) || admin_operations[admin->operation].run == NULL)
		return;
	admin_operations[admin->operation].run(store, admin);
	/* An answer from which something is missing, for want of memory, says something else. */
	if (admin->result != ADMIN_OK || wiping_refused() != refused) {
		json_decref(admin->json);
		admin->json = NULL;
	}
	if (admin->result == ADMIN_OK && admin->json == NULL) {
		log_errorx(
		    "%s: out of memory for the answer", admin_operations[admin->operation].name);
		admin_refuse(admin, ADMIN_FAILED, "%s: done, but there was no memory to tell of it",
		    admin_operations[admin->operation].name);
	}
}
