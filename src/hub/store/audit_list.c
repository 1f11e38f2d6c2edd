/* SPDX-License-Identifier: ISC */
/*
 * The audit as administrators see it.
 */
#include "admin.h"

#include "audit_chain.h"
#include "common/base64url.h"
#include "common/status.h"

#include <bsd/stdlib.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

static json_t *
row_json(struct query *q)
{
	char time[TEXT_TIME_SIZE], text[BASE64URL_SIZE(DIGEST_SIZE)];
	uint8_t hash[DIGEST_SIZE];

	text_time(time, query_get_integer(q, 1), false);
	/* A value of another size is a change from outside; the walk names it. */
	if (query_get_blob(q, 13, hash, sizeof(hash)) == -1)
		memset(hash, 0, sizeof(hash));
	base64url_encode(text, sizeof(text), hash, sizeof(hash));
	return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:s, s:s}",
	    "id", (json_int_t)query_get_integer(q, 0), "time", time, "event", query_get_text(q, 2),
	    "connection", query_get_text(q, 3), "connector", query_get_text(q, 4), "username",
	    query_get_text(q, 5), "attempt", query_get_text(q, 6), "status",
	    status_word((enum status)query_get_integer(q, 7)), "proven", query_get_flag(q, 8),
	    "reason", query_get_text(q, 9), "face", query_get_text(q, 10), "address",
	    query_get_text(q, 11), "detail", query_get_text(q, 12), "hash", text);
}

/* What a row takes in the answer, at the most: every byte of text may be escaped as \u00XX. */
static size_t
row_size(struct query *q)
{
	size_t size = 400;
	int column;

	for (column = 2; column <= 12; column++) {
		if (column != 7 && column != 8)
			size += 6 * strlen(query_get_text(q, column));
	}
	return size;
}

/* "-N" asks for the last N rows. */
static int64_t
list_after(struct store *store, int64_t asked)
{
	uint8_t hash[DIGEST_SIZE];
	int64_t last, first;

	if (asked >= 0)
		return asked;
	last = audit_last(store->audit, hash);
	first = audit_forgotten(store->audit, hash);
	return last + asked > first ? last + asked : first;
}

void
admin_audit_list(struct store *store, struct admin *admin)
{
	const char *error = NULL;
	json_t *rows, *row;
	struct query q;
	int64_t after, max;
	size_t size = 0;

	after = strtonum(admin->arguments[0], -AUDIT_LIST_MAX, LLONG_MAX, &error);
	if (error != NULL) {
		admin_refuse(admin, ADMIN_REFUSED,
		    "after: must be a row's number, or -1 to -%d for the last rows",
		    AUDIT_LIST_MAX);
		return;
	}
	max = strtonum(admin->arguments[1], 1, AUDIT_LIST_MAX, &error);
	if (error != NULL) {
		admin_refuse(
		    admin, ADMIN_REFUSED, "limit: must be a number from 1 to %d", AUDIT_LIST_MAX);
		return;
	}
	/* Whoever looks wants to see what just happened; on a full disk what is there must do. */
	audit_flush(store->audit, admin->now);
	after = list_after(store, after);
	rows = json_array();
	query_open(&q, store->db,
	    "SELECT id, time, event, connection, connector, username, attempt, status, proven,"
	    " reason, face, address, detail, hash FROM audit WHERE id > ? ORDER BY id LIMIT ?");
	query_integer(&q, after);
	query_integer(&q, max);
	while (query_read(&q)) {
		size += row_size(&q);
		if (size > ADMIN_ANSWER_MAX && json_array_size(rows) > 0)
			break;
		/* Without memory for a row the whole answer fails, so that none is skipped. */
		if ((row = row_json(&q)) == NULL || json_array_append_new(rows, row) == -1) {
			json_decref(rows);
			rows = NULL;
			break;
		}
		after = query_get_integer(&q, 0);
	}
	query_close(&q);
	admin->json = json_pack("{s:o, s:I}", "rows", rows, "next", (json_int_t)after);
}

void
admin_audit_verified(struct admin *admin, const struct audit_check *check)
{
	char hash[BASE64URL_SIZE(DIGEST_SIZE)];

	base64url_encode(hash, sizeof(hash), check->last_hash, DIGEST_SIZE);
	if (check->broken == 0)
		admin->json = json_pack("{s:b, s:I, s:I, s:s}", "ok", 1, "first",
		    (json_int_t)check->first, "last", (json_int_t)check->last, "hash", hash);
	else
		admin->json = json_pack("{s:b, s:I, s:I, s:I, s:s}", "ok", 0, "first",
		    (json_int_t)check->first, "last", (json_int_t)check->last, "row",
		    (json_int_t)check->broken, "why", check->why);
	if (admin->json == NULL)
		admin_refuse(admin, ADMIN_FAILED, "audit verify: out of memory");
}
