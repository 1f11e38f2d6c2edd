/* SPDX-License-Identifier: ISC */
/*
 * Enrolment: a ticket and two public keys become a connector.  Who holds the
 * private keys was proved to the gate; here it is decided whether the ticket
 * is good, whether the keys are free, and whether a person has to approve.
 */
#include "store.h"

#include "common/log.h"

#include <stdio.h>
#include <string.h>

/* Who has the keys already. */
enum keys_state {
	KEYS_FREE,
	KEYS_KNOWN,   /* both of one live connector of this connection */
	KEYS_REFUSED, /* of another, of a revoked one, or mixed */
};

struct known {
	char connector[CONNECTOR_ID_SIZE];
	char ticket[TICKET_ID_SIZE];
	enum connector_state state;
};

/*
 * A key is used for one thing by one connector: else a verdict or a sealed text
 * could be taken for another's.
 */
static enum keys_state
keys_look_up(
    struct store *store, const struct enrolment *e, int64_t connection, struct known *known)
{
	struct query q;
	enum keys_state state = KEYS_FREE;

	memset(known, 0, sizeof(*known));
	if (memcmp(e->sign_key, e->seal_key, CONNECTOR_KEY_SIZE) == 0)
		return KEYS_REFUSED;
	query_open(&q, store->db,
	    "SELECT id, ticket, state, connection = ?1 AND sign_key = ?2 AND seal_key = ?3"
	    " FROM connector WHERE sign_key IN (?2, ?3) OR seal_key IN (?2, ?3)"
	    " OR seal_before IN (?2, ?3) LIMIT 2");
	query_integer(&q, connection);
	query_blob(&q, e->sign_key, sizeof(e->sign_key));
	query_blob(&q, e->seal_key, sizeof(e->seal_key));
	if (query_read(&q)) {
		text_clip(known->connector, sizeof(known->connector), query_get_text(&q, 0));
		text_clip(known->ticket, sizeof(known->ticket), query_get_text(&q, 1));
		known->state = (enum connector_state)query_get_integer(&q, 2);
		state = query_get_flag(&q, 3) && known->state != CONNECTOR_REVOKED ? KEYS_KNOWN
										   : KEYS_REFUSED;
		if (query_read(&q))
			state = KEYS_REFUSED;
	}
	query_close(&q);
	return state;
}

static int64_t
count_connectors(struct store *store, const char *sql, int64_t connection)
{
	struct query q;
	int64_t n;

	query_open(&q, store->db, sql);
	query_integer(&q, connection);
	n = query_read(&q) ? query_get_integer(&q, 0) : 0;
	query_close(&q);
	return n;
}

/*
 * The first connector of a connection can log people in at once.  One that
 * joins waits for a person, unless the ticket says otherwise.
 */
static enum connector_state
enrol_state(struct store *store, const struct ticket_view *ticket)
{
	int64_t approved = count_connectors(store,
	    "SELECT count(*) FROM connector WHERE connection = ? AND state = 2",
	    ticket->connection);

	if (approved == 0 || (ticket->auto_approve && approved < CONNECTORS_APPROVED_MAX))
		return CONNECTOR_APPROVED;
	return CONNECTOR_PENDING;
}

/* The oldest revoked connector makes room in a full table. 0, or -1. */
static int
enrol_make_room(struct store *store)
{
	struct query q;

	query_open(&q, store->db,
	    "DELETE FROM connector WHERE (SELECT count(*) FROM connector) >= ? AND id ="
	    " (SELECT id FROM connector WHERE state = 3 ORDER BY enrolled LIMIT 1)");
	query_integer(&q, CONNECTORS_MAX);
	return query_run(&q);
}

static int
enrol_insert(struct store *store, const struct enrolment *e, const struct ticket_view *ticket,
    const struct enrolled *out, int64_t now)
{
	char name[CONNECTOR_NAME_SIZE], version[CONNECTOR_VERSION_SIZE];
	char address[CONNECTOR_ADDRESS_SIZE];
	struct query q;

	text_clean(name, sizeof(name), e->name);
	text_clean(version, sizeof(version), e->version);
	text_clean(address, sizeof(address), e->address);
	if (enrol_make_room(store) == -1)
		return -1;
	query_open(&q, store->db,
	    "INSERT INTO connector (id, connection, name, version, sign_key, seal_key, state,"
	    " ticket, enrolled, address) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
	query_text(&q, out->connector);
	query_integer(&q, ticket->connection);
	query_text(&q, name);
	query_text(&q, version);
	query_blob(&q, e->sign_key, sizeof(e->sign_key));
	query_blob(&q, e->seal_key, sizeof(e->seal_key));
	query_integer(&q, out->state);
	query_text(&q, ticket->id);
	query_integer(&q, now / 1000);
	query_text(&q, address);
	return query_run(&q);
}

/* A connector that is here already and comes with a new ticket. */
static int
enrol_renew(struct store *store, const struct enrolment *e, const struct ticket_view *ticket,
    const struct enrolled *out)
{
	char name[CONNECTOR_NAME_SIZE], version[CONNECTOR_VERSION_SIZE];
	struct query q;

	text_clean(name, sizeof(name), e->name);
	text_clean(version, sizeof(version), e->version);
	query_open(&q, store->db,
	    "UPDATE connector SET name = ?, version = ?, ticket = ?, state = ? WHERE id = ?");
	query_text(&q, name);
	query_text(&q, version);
	query_text(&q, ticket->id);
	query_integer(&q, out->state);
	query_text(&q, out->connector);
	return query_run(&q);
}

static int
enrol_audit(struct store *store, const struct enrolment *e, const struct ticket_view *ticket,
    const struct enrolled *out, int64_t now)
{
	char detail[AUDIT_TEXT_SIZE];
	struct audit_row row;

	memset(&row, 0, sizeof(row));
	snprintf(detail, sizeof(detail), "ticket %s, %s, name %.200s", ticket->id,
	    out->state == CONNECTOR_APPROVED ? "approved" : "pending", e->name);
	row.event = "connector_enrol";
	row.connection = ticket->identifier;
	row.connector = out->connector;
	row.face = "ticket";
	row.address = e->address;
	row.detail = detail;
	return audit_write(store->audit, &row, now);
}

/* Everything that a good ticket changes, or nothing. */
static int
enrol_change(struct store *store, const struct enrolment *e, const struct ticket_view *ticket,
    bool known, const struct enrolled *out, int64_t now)
{
	struct query q;

	if (audit_begin(store->audit, now) == -1)
		return -1;
	query_open(&q, store->db,
	    "UPDATE ticket SET uses_left = uses_left - 1 WHERE id = ? AND uses_left > 0");
	query_text(&q, ticket->id);
	if (query_run(&q) == -1 || database_changes(store->db) != 1 ||
	    (known ? enrol_renew(store, e, ticket, out)
		   : enrol_insert(store, e, ticket, out, now)) == -1 ||
	    enrol_audit(store, e, ticket, out, now) == -1) {
		audit_abandon(store->audit);
		return -1;
	}
	return audit_commit(store->audit);
}

/* The try is worth a row when the ticket is one of ours; strangers are the gate's to throttle. */
static void
enrol_refuse(struct store *store, const struct enrolment *e, const struct ticket_view *ticket,
    enum ticket_state state, int64_t now, struct enrolled *out)
{
	static const char *const reasons[] = { "", "unknown", "expired", "used_up", "revoked",
		"keys_refused", "failed" };
	char detail[AUDIT_TEXT_SIZE];
	struct audit_row row;

	memset(out, 0, sizeof(*out));
	out->ticket = state;
	if (state == TICKET_UNKNOWN)
		return;
	memset(&row, 0, sizeof(row));
	snprintf(detail, sizeof(detail), "ticket %s, name %.200s", ticket->id, e->name);
	row.event = "connector_enrol_refused";
	row.connection = ticket->identifier;
	row.reason = reasons[state];
	row.face = "ticket";
	row.address = e->address;
	row.detail = detail;
	audit_queue(store->audit, &row, now);
}

void
connector_enrol(struct store *store, const struct enrolment *e, int64_t now, struct enrolled *out)
{
	struct ticket_view ticket;
	struct known known;
	enum keys_state keys;
	bool full;

	memset(out, 0, sizeof(*out));
	ticket_find(store, e->secret, now, &ticket);
	if (ticket.state == TICKET_UNKNOWN || ticket.state == TICKET_REVOKED) {
		enrol_refuse(store, e, &ticket, ticket.state, now, out);
		return;
	}
	keys = keys_look_up(store, e, ticket.connection, &known);
	text_clip(out->identifier, sizeof(out->identifier), ticket.identifier);
	out->ticket = TICKET_OK;
	if (keys == KEYS_KNOWN) {
		text_clip(out->connector, sizeof(out->connector), known.connector);
		out->state = known.state;
		if (strcmp(known.ticket, ticket.id) == 0)
			return;
	}
	if (ticket.state != TICKET_OK || keys == KEYS_REFUSED) {
		enrol_refuse(store, e, &ticket,
		    ticket.state != TICKET_OK ? ticket.state : TICKET_KEYS_REFUSED, now, out);
		return;
	}
	full = keys == KEYS_FREE &&
	    count_connectors(store,
		"SELECT count(*) FROM connector WHERE connection = ? AND state <> 3",
		ticket.connection) >= CONNECTORS_PER_CONNECTION_MAX;
	if (full)
		log_warnx("connection %s: has %d connectors, and can have no more; revoke one",
		    ticket.identifier, CONNECTORS_PER_CONNECTION_MAX);
	if (keys == KEYS_FREE)
		digest_connector_id(out->connector);
	if (out->state != CONNECTOR_APPROVED)
		out->state = enrol_state(store, &ticket);
	if (full || enrol_change(store, e, &ticket, keys == KEYS_KNOWN, out, now) == -1) {
		enrol_refuse(store, e, &ticket, TICKET_FAILED, now, out);
		return;
	}
	if (keys == KEYS_KNOWN && known.state != out->state)
		store->connector_changed(store->arg, out->connector, out->state);
}
