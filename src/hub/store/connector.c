/* SPDX-License-Identifier: ISC */
/*
 * Connectors after their enrolment: what the gate asks about them, their
 * tunnels, and what an administrator decides.
 */
#include "admin.h"

#include "common/jose_key.h"
#include "common/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void
connector_find(struct store *store, const char *id, struct connector_view *view)
{
	struct query q;

	memset(view, 0, sizeof(*view));
	query_open(&q, store->db,
	    "SELECT n.state, c.identifier, n.name, n.sign_key, n.seal_key"
	    " FROM connector n JOIN connection c ON c.id = n.connection WHERE n.id = ?");
	query_text(&q, id);
	if (query_read(&q)) {
		view->state = (enum connector_state)query_get_integer(&q, 0);
		text_clip(view->identifier, sizeof(view->identifier), query_get_text(&q, 1));
		text_clip(view->name, sizeof(view->name), query_get_text(&q, 2));
		if (query_get_blob(&q, 3, view->sign_key, sizeof(view->sign_key)) == -1 ||
		    query_get_blob(&q, 4, view->seal_key, sizeof(view->seal_key)) == -1)
			fatalx("store.db: connector %s: its keys cannot be read", id);
	}
	query_close(&q);
}

/* -1 failed, 0 there is no such connector, 1 noted. */
static int
tunnel_update(struct store *store, const struct tunnel_event *event, int64_t now)
{
	char host[CONNECTOR_HOST_SIZE], version[CONNECTOR_VERSION_SIZE];
	char address[CONNECTOR_ADDRESS_SIZE];
	struct query q;

	if (event->up) {
		text_clean(host, sizeof(host), event->host);
		text_clean(version, sizeof(version), event->version);
		text_clean(address, sizeof(address), event->address);
		query_open(&q, store->db,
		    "UPDATE connector SET online = 1, last_seen = ?, host = ?, version = ?,"
		    " address = ? WHERE id = ? AND state <> 3");
		query_integer(&q, now / 1000);
		query_text(&q, host);
		query_text(&q, version);
		query_text(&q, address);
	} else {
		query_open(
		    &q, store->db, "UPDATE connector SET online = 0, last_seen = ? WHERE id = ?");
		query_integer(&q, now / 1000);
	}
	query_text(&q, event->connector);
	if (query_run(&q) == -1)
		return -1;
	return database_changes(store->db) > 0;
}

void
connector_tunnel(struct store *store, const struct tunnel_event *event, int64_t now)
{
	char detail[AUDIT_TEXT_SIZE];
	struct connector_view view;
	struct audit_row row;
	int noted;

	connector_find(store, event->connector, &view);
	/* A notice of an earlier change is lost when this process ends: the state once more. */
	if (event->up && view.state != CONNECTOR_UNKNOWN)
		store->connector_changed(store->arg, event->connector, view.state);
	if (view.state == CONNECTOR_UNKNOWN) {
		log_warnx(
		    "tunnel of connector %.64s: there is no such connector", event->connector);
		return;
	}
	memset(&row, 0, sizeof(row));
	snprintf(detail, sizeof(detail), "%s%s%.200s%s%.200s", view.name,
	    event->host[0] == '\0' ? "" : ", host ", event->host, event->why[0] == '\0' ? "" : ", ",
	    event->why);
	row.event = event->up ? "tunnel_up" : "tunnel_down";
	row.connection = view.identifier;
	row.connector = event->connector;
	row.face = "tunnel";
	row.address = event->address;
	row.detail = detail;
	if (audit_begin(store->audit, now) == -1)
		return;
	noted = tunnel_update(store, event, now);
	if (noted == -1 || (noted == 1 && audit_write(store->audit, &row, now) == -1))
		audit_abandon(store->audit);
	else
		audit_commit(store->audit);
}

int
connector_all_offline(struct store *store)
{
	if (database_begin(store->db) == -1)
		return -1;
	if (database_execute(store->db, "UPDATE connector SET online = 0 WHERE online = 1") == -1) {
		database_rollback(store->db);
		return -1;
	}
	return database_commit(store->db);
}

#define CONNECTOR_COLUMNS                                                                          \
	"SELECT n.id, c.identifier, n.name, n.version, n.state, n.online, n.enrolled,"             \
	" n.last_seen, n.host, n.address, n.sign_key, n.seal_key"                                  \
	" FROM connector n JOIN connection c ON c.id = n.connection"

static json_t *
connector_json(struct query *q)
{
	static const char *const words[] = { "unknown", "pending", "approved", "revoked" };
	char sign_kid[JOSE_KEY_ID_SIZE] = "", seal_kid[JOSE_KEY_ID_SIZE] = "";
	uint8_t sign[CONNECTOR_KEY_SIZE], seal[CONNECTOR_KEY_SIZE];

	if (query_get_blob(q, 10, sign, sizeof(sign)) == -1 ||
	    query_get_blob(q, 11, seal, sizeof(seal)) == -1 ||
	    jose_key_thumbprint(sign, sign_kid) == -1 || jose_key_thumbprint(seal, seal_kid) == -1)
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:s, s:s, s:s, s:s}", "id",
	    query_get_text(q, 0), "connection", query_get_text(q, 1), "name", query_get_text(q, 2),
	    "version", query_get_text(q, 3), "state", words[query_get_integer(q, 4) & 3], "online",
	    query_get_flag(q, 5), "enrolled", admin_time(query_get_integer(q, 6)), "last_seen",
	    admin_time(query_get_integer(q, 7)), "host", query_get_text(q, 8), "address",
	    query_get_text(q, 9), "sign_kid", sign_kid, "seal_kid", seal_kid);
}

json_t *
admin_connectors(struct store *store, int64_t row, unsigned int max, bool *more)
{
	json_t *array = json_array();
	struct query q;
	unsigned int n = 0;

	/* The revoked ones last: they are the ones that may be left out. */
	query_open(&q, store->db,
	    CONNECTOR_COLUMNS " WHERE c.removed = 0 AND (?1 = 0 OR n.connection = ?1)"
			      " ORDER BY n.state = 3, n.enrolled DESC, n.id LIMIT ?2");
	query_integer(&q, row);
	query_integer(&q, (int64_t)max + 1);
	*more = false;
	while (!*more && query_read(&q)) {
		if (n++ == max)
			*more = true;
		else
			json_array_append_new(array, connector_json(&q));
	}
	query_close(&q);
	return array;
}

void
admin_connector_list(struct store *store, struct admin *admin)
{
	struct connection_view view = { 0 };
	json_t *array;
	bool more;

	if (admin->arguments[0][0] != '\0' &&
	    !admin_find_connection(store, admin, admin->arguments[0], &view))
		return;
	array = admin_connectors(store, view.row, ADMIN_LIST_MAX, &more);
	admin->json = json_pack("{s:o, s:b}", "connectors", array, "more", more);
}

/* Connectors of the same connection that are approved. */
static int64_t
approved_beside(struct store *store, const char *id)
{
	struct query q;
	int64_t n;

	query_open(&q, store->db,
	    "SELECT count(*) FROM connector WHERE state = 2 AND connection ="
	    " (SELECT connection FROM connector WHERE id = ?)");
	query_text(&q, id);
	n = query_read(&q) ? query_get_integer(&q, 0) : 0;
	query_close(&q);
	return n;
}

/* The new state, its audit row and the notice; nothing when it is in that state. */
static void
connector_set_state(struct store *store, struct admin *admin, const struct connector_view *view,
    enum connector_state state, const char *event)
{
	const char *id = admin->arguments[0];
	struct query q;

	if (view->state != state) {
		if (audit_begin(store->audit, admin->now) == -1) {
			admin_failed(admin);
			return;
		}
		query_open(&q, store->db, "UPDATE connector SET state = ? WHERE id = ?");
		query_integer(&q, state);
		query_text(&q, id);
		if (query_run(&q) == -1 ||
		    admin_audit(store, admin, event, view->identifier, id, view->name) == -1) {
			audit_abandon(store->audit);
			admin_failed(admin);
			return;
		}
		if (audit_commit(store->audit) == -1) {
			admin_failed(admin);
			return;
		}
		store->connector_changed(store->arg, id, state);
	}
	query_open(&q, store->db, CONNECTOR_COLUMNS " WHERE n.id = ?");
	query_text(&q, id);
	if (query_read(&q))
		admin->json = connector_json(&q);
	query_close(&q);
}

static bool
connector_find_for(struct store *store, struct admin *admin, struct connector_view *view)
{
	connector_find(store, admin->arguments[0], view);
	if (view->state != CONNECTOR_UNKNOWN)
		return true;
	admin_refuse(admin, ADMIN_NOT_FOUND,
	    "connector %.64s: there is none; \"adhubctl connector list\" shows what there is",
	    admin->arguments[0]);
	return false;
}

void
admin_connector_approve(struct store *store, struct admin *admin)
{
	struct connector_view view;

	if (!connector_find_for(store, admin, &view))
		return;
	if (view.state == CONNECTOR_REVOKED)
		admin_refuse(admin, ADMIN_REFUSED,
		    "connector %s: is revoked for good; enrol it again with a new ticket",
		    admin->arguments[0]);
	else if (view.state == CONNECTOR_PENDING &&
	    approved_beside(store, admin->arguments[0]) >= CONNECTORS_APPROVED_MAX)
		admin_refuse(admin, ADMIN_REFUSED,
		    "connector %s: connection %s has %d approved connectors, the most that a "
		    "password can be sealed for; revoke one first",
		    admin->arguments[0], view.identifier, CONNECTORS_APPROVED_MAX);
	else
		connector_set_state(store, admin, &view, CONNECTOR_APPROVED, "connector_approve");
}

void
admin_connector_revoke(struct store *store, struct admin *admin)
{
	struct connector_view view;

	if (connector_find_for(store, admin, &view))
		connector_set_state(store, admin, &view, CONNECTOR_REVOKED, "connector_revoke");
}
