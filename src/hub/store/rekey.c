/* SPDX-License-Identifier: ISC */
/*
 * New keys for a connector.  Who may have them is decided here, by two signatures, and not by
 * the gate that passes them on: one that was taken over can neither give a connector keys of its
 * own nor bring back older ones.
 */
#include "store.h"

#include "common/rekey.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

uint32_t
connector_seal_before(
    struct store *store, const char *id, int64_t now, uint8_t seal[CONNECTOR_KEY_SIZE])
{
	int64_t passed, left = 0;
	struct query q;

	memset(seal, 0, CONNECTOR_KEY_SIZE);
	query_open(&q, store->db,
	    "SELECT rekeyed, seal_before FROM connector WHERE id = ? AND seal_before IS NOT NULL");
	query_text(&q, id);
	if (query_read(&q)) {
		/* A clock that was set back makes it no longer than it was at first. */
		passed = now / 1000 - query_get_integer(&q, 0);
		left = passed < 0 ? 0 : REKEY_OVERLAP_S - passed;
		if (left > 0 && query_get_blob(&q, 1, seal, CONNECTOR_KEY_SIZE) == -1)
			left = 0;
	}
	query_close(&q);
	return left > 0 ? (uint32_t)left : 0;
}

/* A key is used for one thing by one connector, also the one that is still opened with. */
static bool
keys_free(struct store *store, const struct rekey *r)
{
	struct query q;
	bool taken;

	query_open(&q, store->db,
	    "SELECT 1 FROM connector WHERE sign_key IN (?1, ?2) OR seal_key IN (?1, ?2)"
	    " OR seal_before IN (?1, ?2) LIMIT 1");
	query_blob(&q, r->sign_key, sizeof(r->sign_key));
	query_blob(&q, r->seal_key, sizeof(r->seal_key));
	taken = query_read(&q);
	query_close(&q);
	return !taken && memcmp(r->sign_key, r->seal_key, CONNECTOR_KEY_SIZE) != 0;
}

static void
row_for(struct audit_row *row, const struct rekey *r, const struct connector_view *view)
{
	memset(row, 0, sizeof(*row));
	row->connection = view->identifier;
	row->connector = r->connector;
	row->face = "tunnel";
	row->address = r->address;
}

/* The keys and the row, or nothing. */
static enum rekey_result
rekey_change(
    struct store *store, const struct rekey *r, const struct connector_view *view, int64_t now)
{
	char detail[AUDIT_TEXT_SIZE], kid[JOSE_KEY_ID_SIZE];
	struct audit_row row;
	struct query q;

	if (jose_key_thumbprint(r->sign_key, kid) == -1 || audit_begin(store->audit, now) == -1)
		return REKEY_UNAVAILABLE;
	query_open(&q, store->db,
	    "UPDATE connector SET sign_key = ?, seal_key = ?, seal_before = seal_key, rekeyed = ?"
	    " WHERE id = ? AND sign_key = ? AND state <> 3");
	query_blob(&q, r->sign_key, sizeof(r->sign_key));
	query_blob(&q, r->seal_key, sizeof(r->seal_key));
	query_integer(&q, now / 1000);
	query_text(&q, r->connector);
	query_blob(&q, view->sign_key, sizeof(view->sign_key));
	row_for(&row, r, view);
	snprintf(detail, sizeof(detail), "%s, sign key %s in place of %s", view->name, kid, r->old);
	row.event = "connector_rekey";
	row.detail = detail;
	if (query_run(&q) == -1 || database_changes(store->db) != 1 ||
	    audit_write(store->audit, &row, now) == -1) {
		audit_abandon(store->audit);
		return REKEY_UNAVAILABLE;
	}
	return audit_commit(store->audit) == -1 ? REKEY_UNAVAILABLE : REKEY_OK;
}

static enum rekey_result
refuse(struct store *store, const struct rekey *r, const struct connector_view *view,
    enum rekey_result result, const char *reason, int64_t now)
{
	struct audit_row row;

	row_for(&row, r, view);
	row.event = "connector_rekey_refused";
	row.reason = reason;
	row.detail = view->name;
	audit_queue(store->audit, &row, now);
	return result;
}

enum rekey_result
connector_rekey(struct store *store, const struct rekey *r, int64_t now)
{
	struct rekey_statement statement = { .connector_id = r->connector,
		.nonce = r->nonce,
		.tunnel_url = r->tunnel_url,
		.old = r->old };
	struct connector_view view;
	char kid[JOSE_KEY_ID_SIZE];
	uint8_t before[CONNECTOR_KEY_SIZE];

	connector_find(store, r->connector, &view);
	if (view.state == CONNECTOR_UNKNOWN)
		return REKEY_REJECTED;
	if (view.state == CONNECTOR_REVOKED)
		return refuse(store, r, &view, REKEY_REJECTED, "revoked", now);
	statement.connection = view.identifier;
	memcpy(statement.sign, r->sign_key, sizeof(statement.sign));
	memcpy(statement.seal, r->seal_key, sizeof(statement.seal));
	if (rekey_check(&statement, r->sign_key, REKEY_PROOF_TYPE, r->proof) == -1)
		return errno == ENOMEM ? REKEY_UNAVAILABLE
				       : refuse(store, r, &view, REKEY_REJECTED, "proof", now);
	/* They are recorded: the answer was lost.  Who has them is shown, and nothing changes. */
	if (memcmp(r->sign_key, view.sign_key, CONNECTOR_KEY_SIZE) == 0 &&
	    memcmp(r->seal_key, view.seal_key, CONNECTOR_KEY_SIZE) == 0)
		return REKEY_OK;
	errno = 0;
	if (jose_key_thumbprint(view.sign_key, kid) == -1)
		return REKEY_UNAVAILABLE;
	if (strcmp(kid, r->old) != 0 ||
	    rekey_check(&statement, view.sign_key, REKEY_TYPE, r->statement) == -1)
		return errno == ENOMEM ? REKEY_UNAVAILABLE
				       : refuse(store, r, &view, REKEY_REJECTED, "signature", now);
	if (connector_seal_before(store, r->connector, now, before) > 0)
		return refuse(store, r, &view, REKEY_TOO_MANY, "too_many", now);
	if (!keys_free(store, r))
		return refuse(store, r, &view, REKEY_REJECTED, "keys_refused", now);
	return rekey_change(store, r, &view, now);
}
