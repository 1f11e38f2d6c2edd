/* SPDX-License-Identifier: ISC */
/*
 * Hashes of rows and the walk over them.  Must stay what it is for ever: files
 * written by older versions have to check with newer ones.
 */
#include "audit_chain.h"

#include "database.h"
#include "common/wire.h"

#include <string.h>

int
audit_chain_hash(const uint8_t before[DIGEST_SIZE], int64_t id, int64_t time,
    const struct audit_row *row, uint8_t hash[DIGEST_SIZE])
{
	struct wire_writer w;
	int result = -1;

	wire_writer_init(&w);
	wire_put_u64(&w, (uint64_t)id);
	wire_put_u64(&w, (uint64_t)time);
	wire_put_string(&w, row->event);
	wire_put_string(&w, row->connection);
	wire_put_string(&w, row->connector);
	wire_put_string(&w, row->username);
	wire_put_string(&w, row->attempt);
	wire_put_u8(&w, row->status);
	wire_put_u8(&w, row->proven);
	wire_put_string(&w, row->reason);
	wire_put_string(&w, row->face);
	wire_put_string(&w, row->address);
	wire_put_string(&w, row->detail);
	if (!w.failed) {
		digest_sha256(before, DIGEST_SIZE, w.data, w.len, hash);
		result = 0;
	}
	wire_writer_free(&w);
	return result;
}

void
audit_check_start(struct audit_check *c, const struct audit *audit)
{
	memset(c, 0, sizeof(*c));
	c->first = c->next = audit_forgotten(audit, c->hash) + 1;
	c->last = audit_last(audit, c->last_hash);
}

static bool
check_broken(struct audit_check *c, int64_t row, const char *why)
{
	c->broken = row;
	c->why = why;
	return false;
}

/* true while the row is right. */
static bool
check_row(struct audit_check *c, struct query *q)
{
	struct audit_row row;
	uint8_t computed[DIGEST_SIZE], stored[DIGEST_SIZE];
	int64_t status;

	if (query_get_integer(q, 0) != c->next)
		return check_broken(c, c->next, "is missing");
	row.event = query_get_text(q, 2);
	row.connection = query_get_text(q, 3);
	row.connector = query_get_text(q, 4);
	row.username = query_get_text(q, 5);
	row.attempt = query_get_text(q, 6);
	status = query_get_integer(q, 7);
	row.status = (uint8_t)status;
	row.proven = query_get_flag(q, 8);
	row.reason = query_get_text(q, 9);
	row.face = query_get_text(q, 10);
	row.address = query_get_text(q, 11);
	row.detail = query_get_text(q, 12);
	if (status != row.status || query_get_blob(q, 13, stored, sizeof(stored)) == -1 ||
	    audit_chain_hash(c->hash, c->next, query_get_integer(q, 1), &row, computed) == -1 ||
	    memcmp(computed, stored, sizeof(stored)) != 0)
		return check_broken(c, c->next, "does not fit its hash and the row before");
	memcpy(c->hash, stored, sizeof(c->hash));
	c->next++;
	return true;
}

bool
audit_check_step(struct audit_check *c, const struct audit *audit, struct database *db)
{
	struct query q;
	uint8_t hash[DIGEST_SIZE];
	int64_t forgotten, before = c->next;
	bool right = true;

	/* What was to come may have been forgotten meanwhile. */
	forgotten = audit_forgotten(audit, hash);
	if (c->next <= forgotten) {
		before = c->next = forgotten + 1;
		memcpy(c->hash, hash, sizeof(c->hash));
	}
	query_open(&q, db,
	    "SELECT id, time, event, connection, connector, username, attempt, status, proven,"
	    " reason, face, address, detail, hash FROM audit WHERE id >= ? AND id <= ?"
	    " ORDER BY id LIMIT ?");
	query_integer(&q, c->next);
	query_integer(&q, c->last);
	query_integer(&q, AUDIT_CHECK_STEP);
	while (right && query_read(&q))
		right = check_row(c, &q);
	query_close(&q);
	if (!right)
		return false;
	if (c->next <= c->last) {
		if (c->next == before)
			return check_broken(c, c->next, "is missing");
		return true;
	}
	if (c->next == c->last + 1 && memcmp(c->hash, c->last_hash, sizeof(c->hash)) != 0)
		return check_broken(c, c->last, "is not the row that was written");
	return false;
}
