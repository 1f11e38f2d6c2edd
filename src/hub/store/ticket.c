/* SPDX-License-Identifier: ISC */
/*
 * Provisioning tickets.  The secret is shown once, when a ticket is made; kept
 * is its SHA-256, which is enough to know it again and of no use to whoever
 * reads the file: the secret has 256 random bits.
 */
#include "admin.h"

#include "common/log.h"

#include <bsd/stdlib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static enum ticket_state
ticket_state_of(bool revoked, int64_t uses_left, int64_t expires, int64_t now)
{
	if (revoked)
		return TICKET_REVOKED;
	if (uses_left <= 0)
		return TICKET_USED_UP;
	if (now / 1000 >= expires)
		return TICKET_EXPIRED;
	return TICKET_OK;
}

void
ticket_find(struct store *store, const char *secret, int64_t now, struct ticket_view *view)
{
	uint8_t hash[DIGEST_SIZE];
	struct query q;

	memset(view, 0, sizeof(*view));
	view->state = TICKET_UNKNOWN;
	digest_sha256("", 0, secret, strlen(secret), hash);
	query_open(&q, store->db,
	    "SELECT t.id, t.connection, c.identifier, c.display_name, t.auto_approve,"
	    " t.revoked OR c.removed, t.uses_left, t.expires"
	    " FROM ticket t JOIN connection c ON c.id = t.connection WHERE t.secret_hash = ?");
	query_blob(&q, hash, sizeof(hash));
	if (query_read(&q)) {
		text_clip(view->id, sizeof(view->id), query_get_text(&q, 0));
		view->connection = query_get_integer(&q, 1);
		text_clip(view->identifier, sizeof(view->identifier), query_get_text(&q, 2));
		text_clip(view->display_name, sizeof(view->display_name), query_get_text(&q, 3));
		view->auto_approve = query_get_flag(&q, 4);
		view->state = ticket_state_of(
		    query_get_flag(&q, 5), query_get_integer(&q, 6), query_get_integer(&q, 7), now);
	}
	query_close(&q);
}

static const char *
ticket_state_word(enum ticket_state state)
{
	switch (state) {
	case TICKET_OK:
		return "open";
	case TICKET_USED_UP:
		return "used_up";
	case TICKET_EXPIRED:
		return "expired";
	default:
		return "revoked";
	}
}

#define TICKET_COLUMNS                                                                             \
	"SELECT t.id, c.identifier, t.revoked, t.uses_left, t.expires, t.auto_approve, t.created"  \
	" FROM ticket t JOIN connection c ON c.id = t.connection"

static json_t *
ticket_json(struct query *q, int64_t now)
{
	enum ticket_state state = ticket_state_of(
	    query_get_flag(q, 2), query_get_integer(q, 3), query_get_integer(q, 4), now);

	return json_pack("{s:s, s:s, s:s, s:I, s:o, s:b, s:o}", "id", query_get_text(q, 0),
	    "connection", query_get_text(q, 1), "state", ticket_state_word(state), "uses_left",
	    (json_int_t)query_get_integer(q, 3), "expires", admin_time(query_get_integer(q, 4)),
	    "auto_approve", query_get_flag(q, 5), "created", admin_time(query_get_integer(q, 6)));
}

static json_t *
ticket_json_of(struct store *store, const char *id, int64_t now)
{
	json_t *json = NULL;
	struct query q;

	query_open(&q, store->db, TICKET_COLUMNS " WHERE t.id = ?");
	query_text(&q, id);
	if (query_read(&q))
		json = ticket_json(&q, now);
	query_close(&q);
	return json;
}

json_t *
admin_tickets(struct store *store, int64_t row, int64_t now, unsigned int max, bool *more)
{
	json_t *array = json_array();
	struct query q;
	unsigned int n = 0;

	query_open(&q, store->db,
	    TICKET_COLUMNS " WHERE c.removed = 0 AND (?1 = 0 OR t.connection = ?1)"
			   " ORDER BY t.created DESC, t.id LIMIT ?2");
	query_integer(&q, row);
	query_integer(&q, (int64_t)max + 1);
	*more = false;
	while (!*more && query_read(&q)) {
		if (n++ == max)
			*more = true;
		else
			json_array_append_new(array, ticket_json(&q, now));
	}
	query_close(&q);
	return array;
}

void
admin_ticket_list(struct store *store, struct admin *admin)
{
	struct connection_view view = { 0 };
	json_t *array;
	bool more;

	if (admin->arguments[0][0] != '\0' &&
	    !admin_find_connection(store, admin, admin->arguments[0], &view))
		return;
	array = admin_tickets(store, view.row, admin->now, ADMIN_LIST_MAX, &more);
	admin->json = json_pack("{s:o, s:b}", "tickets", array, "more", more);
}

/* What a new ticket is asked to be. */
struct ticket_wish {
	struct connection_view connection;
	int64_t uses, hours;
	bool auto_approve;
};

static bool
ticket_wish_read(struct store *store, struct admin *admin, struct ticket_wish *wish)
{
	const char *uses = admin->arguments[1], *hours = admin->arguments[2];
	const char *approve = admin->arguments[3], *error = NULL;

	if (!admin_find_connection(store, admin, admin->arguments[0], &wish->connection))
		return false;
	wish->uses = uses[0] == '\0' ? 1 : strtonum(uses, 1, TICKET_USES_MAX, &error);
	if (error != NULL) {
		admin_refuse(
		    admin, ADMIN_REFUSED, "uses: must be a number from 1 to %d", TICKET_USES_MAX);
		return false;
	}
	wish->hours =
	    hours[0] == '\0' ? TICKET_HOURS_DEFAULT : strtonum(hours, 1, TICKET_HOURS_MAX, &error);
	if (error != NULL) {
		admin_refuse(
		    admin, ADMIN_REFUSED, "hours: must be a number from 1 to %d", TICKET_HOURS_MAX);
		return false;
	}
	wish->auto_approve = strcmp(approve, "auto-approve") == 0;
	if (!wish->auto_approve && approve[0] != '\0') {
		admin_refuse(
		    admin, ADMIN_REFUSED, "fourth argument: must be \"auto-approve\" or empty");
		return false;
	}
	return true;
}

/*
 * Room for one more: the oldest ticket that is of no use any more goes.
 * 1 there is room, 0 all are open, -1 failed.
 */
static int
ticket_make_room(struct store *store, int64_t now)
{
	struct query q;
	int64_t n = 0;
	int result;

	query_open(&q, store->db, "SELECT count(*) FROM ticket");
	if ((result = query_step(&q)) == 1)
		n = query_get_integer(&q, 0);
	if (query_close(&q) == -1 || result != 1)
		return -1;
	if (n < TICKETS_MAX)
		return 1;
	query_open(&q, store->db,
	    "DELETE FROM ticket WHERE id = (SELECT id FROM ticket"
	    " WHERE revoked = 1 OR uses_left = 0 OR expires <= ? ORDER BY created LIMIT 1)");
	query_integer(&q, now / 1000);
	if (query_run(&q) == -1)
		return -1;
	return database_changes(store->db) > 0;
}

static int
ticket_insert(struct store *store, struct admin *admin, const struct ticket_wish *wish,
    const char *id, const char *secret)
{
	char detail[160];
	uint8_t hash[DIGEST_SIZE];
	struct query q;

	digest_sha256("", 0, secret, strlen(secret), hash);
	query_open(&q, store->db,
	    "INSERT INTO ticket (id, secret_hash, connection, uses_left, expires, auto_approve,"
	    " created) VALUES (?, ?, ?, ?, ?, ?, ?)");
	query_text(&q, id);
	query_blob(&q, hash, sizeof(hash));
	query_integer(&q, wish->connection.row);
	query_integer(&q, wish->uses);
	query_integer(&q, admin->now / 1000 + wish->hours * 3600);
	query_integer(&q, wish->auto_approve);
	query_integer(&q, admin->now / 1000);
	if (query_run(&q) == -1)
		return -1;
	snprintf(detail, sizeof(detail), "ticket %s, uses %" PRId64 ", hours %" PRId64 "%s", id,
	    wish->uses, wish->hours, wish->auto_approve ? ", auto-approve" : "");
	return admin_audit(store, admin, "ticket_new", wish->connection.identifier, "", detail);
}

void
admin_ticket_new(struct store *store, struct admin *admin)
{
	char id[TICKET_ID_SIZE], secret[TICKET_SECRET_SIZE];
	struct ticket_wish wish;
	int room;

	if (!ticket_wish_read(store, admin, &wish))
		return;
	if (audit_begin(store->audit, admin->now) == -1) {
		admin_failed(admin);
		return;
	}
	digest_ticket_id(id);
	digest_ticket_secret(secret);
	if ((room = ticket_make_room(store, admin->now)) != 1 ||
	    ticket_insert(store, admin, &wish, id, secret) == -1) {
		audit_abandon(store->audit);
		if (room == 0)
			admin_refuse(admin, ADMIN_REFUSED,
			    "ticket: there are %d open ones already; revoke some first",
			    TICKETS_MAX);
		else
			admin_failed(admin);
	} else if (audit_commit(store->audit) == -1)
		admin_failed(admin);
	else {
		admin->json = ticket_json_of(store, id, admin->now);
		json_object_set_new(admin->json, "secret", json_string(secret));
	}
	explicit_bzero(secret, sizeof(secret));
}

void
admin_ticket_revoke(struct store *store, struct admin *admin)
{
	const char *id = admin->arguments[0];
	char identifier[IDENTIFIER_SIZE], detail[64];
	struct query q;
	bool found, revoked = false;

	query_open(&q, store->db,
	    "SELECT c.identifier, t.revoked FROM ticket t JOIN connection c ON c.id = t.connection"
	    " WHERE t.id = ? AND c.removed = 0");
	query_text(&q, id);
	if ((found = query_read(&q))) {
		text_clip(identifier, sizeof(identifier), query_get_text(&q, 0));
		revoked = query_get_flag(&q, 1);
	}
	query_close(&q);
	if (!found) {
		admin_refuse(admin, ADMIN_NOT_FOUND,
		    "ticket %.32s: there is none; \"adhubctl ticket list\" shows what there is",
		    id);
		return;
	}
	if (!revoked) {
		if (audit_begin(store->audit, admin->now) == -1) {
			admin_failed(admin);
			return;
		}
		snprintf(detail, sizeof(detail), "ticket %.32s", id);
		query_open(&q, store->db, "UPDATE ticket SET revoked = 1 WHERE id = ?");
		query_text(&q, id);
		if (query_run(&q) == -1 ||
		    admin_audit(store, admin, "ticket_revoke", identifier, "", detail) == -1) {
			audit_abandon(store->audit);
			admin_failed(admin);
			return;
		}
		if (audit_commit(store->audit) == -1) {
			admin_failed(admin);
			return;
		}
	}
	admin->json = ticket_json_of(store, id, admin->now);
}
