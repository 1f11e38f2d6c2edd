/* SPDX-License-Identifier: ISC */
/*
 * Connections: the AD identity sources that the hub knows.  The identifier
 * never changes; one that is removed takes its connectors and tickets with it for good.
 */
#include "admin.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum connection_found
connection_find(struct store *store, const char *identifier, struct connection_view *view)
{
	struct query q;
	enum connection_found found = CONNECTION_NONE;

	memset(view, 0, sizeof(*view));
	if (identifier[0] == '\0')
		query_open(&q, store->db,
		    "SELECT id, identifier, display_name, created FROM connection"
		    " WHERE removed = 0 LIMIT 2");
	else {
		query_open(&q, store->db,
		    "SELECT id, identifier, display_name, created FROM connection"
		    " WHERE removed = 0 AND identifier = ?");
		query_text(&q, identifier);
	}
	if (query_read(&q)) {
		found = CONNECTION_ONE;
		view->row = query_get_integer(&q, 0);
		text_clip(view->identifier, sizeof(view->identifier), query_get_text(&q, 1));
		text_clip(view->display_name, sizeof(view->display_name), query_get_text(&q, 2));
		view->created = query_get_integer(&q, 3);
		if (query_read(&q)) {
			memset(view, 0, sizeof(*view));
			found = CONNECTION_SEVERAL;
		}
	}
	query_close(&q);
	return found;
}

static int64_t
connection_count(struct store *store)
{
	struct query q;
	int64_t n;

	query_open(&q, store->db, "SELECT count(*) FROM connection WHERE removed = 0");
	n = query_read(&q) ? query_get_integer(&q, 0) : 0;
	query_close(&q);
	return n;
}

/* The checks of a new connection; false with the answer set. */
static bool
connection_acceptable(struct store *store, struct admin *admin, const char *name, const char *logo)
{
	const char *identifier = admin->arguments[0], *why;
	struct connection_view view;

	if (!identifier_valid(identifier))
		admin_refuse(admin, ADMIN_REFUSED,
		    "identifier: must be 1 to 63 of a-z, 0-9 and \"-\", and not begin with \"-\"");
	else if (strlen(name) >= DISPLAY_NAME_SIZE)
		admin_refuse(
		    admin, ADMIN_REFUSED, "name: is longer than %d bytes", DISPLAY_NAME_SIZE - 1);
	else if (!text_printable(name))
		admin_refuse(admin, ADMIN_REFUSED, "name: has characters that cannot be shown");
	else if (logo[0] != '\0' && (why = logo_refused(logo)) != NULL)
		admin_refuse(admin, ADMIN_REFUSED, "logo: %s", why);
	else if (connection_find(store, identifier, &view) == CONNECTION_ONE)
		admin_refuse(admin, ADMIN_EXISTS, "connection %s: is there already", identifier);
	else if (connection_count(store) >= CONNECTIONS_MAX)
		admin_refuse(admin, ADMIN_REFUSED,
		    "connection %s: there are %d already, and there can be no more; remove one "
		    "first",
		    identifier, CONNECTIONS_MAX);
	else
		return true;
	return false;
}

static json_t *
connection_json(struct query *q)
{
	return json_pack("{s:s, s:s, s:b, s:o, s:I, s:I, s:I}", "identifier", query_get_text(q, 0),
	    "display_name", query_get_text(q, 1), "has_logo", query_get_flag(q, 2), "created",
	    admin_time(query_get_integer(q, 3)), "approved", (json_int_t)query_get_integer(q, 4),
	    "pending", (json_int_t)query_get_integer(q, 5), "online",
	    (json_int_t)query_get_integer(q, 6));
}

#define CONNECTION_COLUMNS                                                                         \
	"SELECT c.identifier, c.display_name, c.logo <> '', c.created,"                            \
	" (SELECT count(*) FROM connector WHERE connection = c.id AND state = 2),"                 \
	" (SELECT count(*) FROM connector WHERE connection = c.id AND state = 1),"                 \
	" (SELECT count(*) FROM connector WHERE connection = c.id AND online = 1),"                \
	" c.logo FROM connection c WHERE c.removed = 0"

void
admin_connection_add(struct store *store, struct admin *admin)
{
	const char *identifier = admin->arguments[0], *logo = admin->arguments[2];
	const char *name = admin->arguments[1][0] == '\0' ? identifier : admin->arguments[1];
	char detail[DISPLAY_NAME_SIZE + 32];
	struct query q;

	if (!connection_acceptable(store, admin, name, logo))
		return;
	snprintf(detail, sizeof(detail), "display name %s", name);
	if (audit_begin(store->audit, admin->now) == -1) {
		admin_failed(admin);
		return;
	}
	query_open(&q, store->db,
	    "INSERT INTO connection (identifier, display_name, logo, created) VALUES (?, ?, ?, ?)");
	query_text(&q, identifier);
	query_text(&q, name);
	query_text(&q, logo);
	query_integer(&q, admin->now / 1000);
	if (query_run(&q) == -1 ||
	    admin_audit(store, admin, "connection_add", identifier, "", detail) == -1) {
		audit_abandon(store->audit);
		admin_failed(admin);
		return;
	}
	if (audit_commit(store->audit) == -1) {
		admin_failed(admin);
		return;
	}
	query_open(&q, store->db, CONNECTION_COLUMNS " AND c.identifier = ?");
	query_text(&q, identifier);
	if (query_read(&q))
		admin->json = connection_json(&q);
	query_close(&q);
}

void
admin_connection_list(struct store *store, struct admin *admin)
{
	json_t *array = json_array();
	struct query q;

	/* There are never more than CONNECTIONS_MAX, which is what a list can hold. */
	query_open(&q, store->db, CONNECTION_COLUMNS " ORDER BY c.identifier");
	while (query_read(&q))
		json_array_append_new(array, connection_json(&q));
	query_close(&q);
	admin->json = json_pack("{s:o, s:b}", "connections", array, "more", 0);
}

void
admin_connection_show(struct store *store, struct admin *admin)
{
	struct connection_view view;
	struct query q;
	bool more_connectors, more_tickets;

	if (!admin_find_connection(store, admin, admin->arguments[0], &view))
		return;
	query_open(&q, store->db, CONNECTION_COLUMNS " AND c.identifier = ?");
	query_text(&q, view.identifier);
	if (query_read(&q) && (admin->json = connection_json(&q)) != NULL)
		json_object_set_new(admin->json, "logo", json_string(query_get_text(&q, 7)));
	query_close(&q);
	json_object_set_new(admin->json, "connectors",
	    admin_connectors(store, view.row, ADMIN_SHOW_MAX, &more_connectors));
	json_object_set_new(admin->json, "tickets",
	    admin_tickets(store, view.row, admin->now, ADMIN_SHOW_MAX, &more_tickets));
	json_object_set_new(admin->json, "more", json_boolean(more_connectors || more_tickets));
}

/* The connectors that a removal revokes, for the notices after it. */
struct revoked {
	char ids[CONNECTORS_PER_CONNECTION_MAX][CONNECTOR_ID_SIZE];
	size_t count;
};

static void
connection_live_connectors(struct store *store, int64_t row, struct revoked *revoked)
{
	struct query q;

	revoked->count = 0;
	query_open(&q, store->db, "SELECT id FROM connector WHERE connection = ? AND state <> 3");
	query_integer(&q, row);
	while (revoked->count < CONNECTORS_PER_CONNECTION_MAX && query_read(&q))
		text_clip(revoked->ids[revoked->count++], CONNECTOR_ID_SIZE, query_get_text(&q, 0));
	query_close(&q);
}

/* The statements of a removal, in an open change. -1 when one of them failed. */
static int
connection_remove(struct store *store, struct admin *admin, const struct connection_view *view,
    size_t connectors, int64_t *tickets)
{
	char detail[96];
	struct query q;

	query_open(&q, store->db, "UPDATE connection SET removed = 1, logo = '' WHERE id = ?");
	query_integer(&q, view->row);
	if (query_run(&q) == -1)
		return -1;
	query_open(&q, store->db,
	    "UPDATE connector SET state = 3, online = 0 WHERE connection = ? AND state <> 3");
	query_integer(&q, view->row);
	if (query_run(&q) == -1)
		return -1;
	query_open(
	    &q, store->db, "UPDATE ticket SET revoked = 1 WHERE connection = ? AND revoked = 0");
	query_integer(&q, view->row);
	if (query_run(&q) == -1)
		return -1;
	*tickets = database_changes(store->db);
	snprintf(detail, sizeof(detail), "%zu connectors and %" PRId64 " tickets revoked with it",
	    connectors, *tickets);
	return admin_audit(store, admin, "connection_remove", view->identifier, "", detail);
}

void
admin_connection_remove(struct store *store, struct admin *admin)
{
	struct connection_view view;
	struct revoked revoked;
	int64_t tickets = 0;
	size_t i;

	if (!admin_find_connection(store, admin, admin->arguments[0], &view))
		return;
	connection_live_connectors(store, view.row, &revoked);
	if (audit_begin(store->audit, admin->now) == -1) {
		admin_failed(admin);
		return;
	}
	if (connection_remove(store, admin, &view, revoked.count, &tickets) == -1) {
		audit_abandon(store->audit);
		admin_failed(admin);
		return;
	}
	if (audit_commit(store->audit) == -1) {
		admin_failed(admin);
		return;
	}
	for (i = 0; i < revoked.count; i++)
		store->connector_changed(store->arg, revoked.ids[i], CONNECTOR_REVOKED);
	admin->json =
	    json_pack("{s:s, s:I, s:I}", "identifier", view.identifier, "connectors_revoked",
		(json_int_t)revoked.count, "tickets_revoked", (json_int_t)tickets);
}
