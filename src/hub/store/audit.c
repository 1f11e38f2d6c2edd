/* SPDX-License-Identifier: ISC */
/*
 * The queue, the writing and the forgetting of audit rows.  The chain's end
 * moves in memory only when the transaction that wrote it stands.
 */
#include "audit.h"

#include "audit_chain.h"
#include "common/base64url.h"
#include "database.h"
#include "common/log.h"
#include "common/status.h"
#include "text.h"

#include <bsd/sys/queue.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW_TEXTS 9

/* A row in the queue; its texts stand behind it. */
struct waiting {
	STAILQ_ENTRY(waiting) entry;
	int64_t time;
	size_t size;
	struct audit_row row;
	char texts[];
};

struct chain_end {
	int64_t id;
	uint8_t hash[DIGEST_SIZE];
};

struct audit {
	struct database *db;
	int64_t rows_max;
	uint8_t name_key[DIGEST_SIZE];
	struct chain_end last, forgotten;	  /* as the file has them */
	struct chain_end new_last, new_forgotten; /* as the open transaction would leave them */
	STAILQ_HEAD(, waiting) queue;
	size_t rows, bytes;
	size_t written; /* of them, in the open transaction */
	uint64_t lost;	/* rows that found no room in the queue */
	int64_t anchored;
};

bool
audit_event_reserved(const char *event)
{
	static const char *const reserved[] = { AUDIT_EVENT_LOST, "connection_add",
		"connection_remove", "ticket_new", "ticket_revoke", "connector_enrol",
		"connector_enrol_refused", "connector_approve", "connector_revoke",
		"connector_rekey", "connector_rekey_refused", "tunnel_up", "tunnel_down" };
	size_t i;

	for (i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (strcmp(event, reserved[i]) == 0)
			return true;
	}
	return false;
}

int64_t
audit_last(const struct audit *a, uint8_t hash[DIGEST_SIZE])
{
	memcpy(hash, a->last.hash, DIGEST_SIZE);
	return a->last.id;
}

int64_t
audit_forgotten(const struct audit *a, uint8_t hash[DIGEST_SIZE])
{
	memcpy(hash, a->forgotten.hash, DIGEST_SIZE);
	return a->forgotten.id;
}

/* An outside copy of the chain's end, against a file that was rewritten as a whole. */
static void
audit_anchor(struct audit *a)
{
	char text[BASE64URL_SIZE(DIGEST_SIZE)];

	if (a->last.id == 0)
		return;
	base64url_encode(text, sizeof(text), a->last.hash, DIGEST_SIZE);
	log_info("audit: row %" PRId64 " has hash %s", a->last.id, text);
	a->anchored = a->last.id;
}

/* 1 found, 0 not there, -1 failed or not as long as it must be. */
static int
meta_get(struct database *db, const char *key, void *dst, size_t len)
{
	struct query q;
	int found;

	query_open(&q, db, "SELECT value FROM meta WHERE key = ?");
	query_text(&q, key);
	if ((found = query_step(&q)) == 1 && query_get_blob(&q, 0, dst, len) == -1)
		found = -1;
	query_close(&q);
	return found;
}

static int
meta_put(struct database *db, const char *key, const void *data, size_t len)
{
	struct query q;

	query_open(&q, db,
	    "INSERT INTO meta (key, value) VALUES (?, ?)"
	    " ON CONFLICT (key) DO UPDATE SET value = excluded.value");
	query_text(&q, key);
	query_blob(&q, data, len);
	return query_run(&q);
}

static int
chain_end_get(struct database *db, const char *key, struct chain_end *end)
{
	uint8_t data[8 + DIGEST_SIZE];
	int i, found;

	memset(end, 0, sizeof(*end));
	if ((found = meta_get(db, key, data, sizeof(data))) != 1)
		return found;
	for (i = 7; i >= 0; i--)
		end->id = end->id << 8 | data[i];
	memcpy(end->hash, data + 8, DIGEST_SIZE);
	return 1;
}

static int
chain_end_put(struct database *db, const char *key, const struct chain_end *end)
{
	uint8_t data[8 + DIGEST_SIZE];
	int i;

	for (i = 0; i < 8; i++)
		data[i] = (uint8_t)((uint64_t)end->id >> (8 * i));
	memcpy(data + 8, end->hash, DIGEST_SIZE);
	return meta_put(db, key, data, sizeof(data));
}

/* The key that hides names nobody has; made once. */
static int
name_key_load(struct audit *a)
{
	int found = meta_get(a->db, "audit_name_key", a->name_key, sizeof(a->name_key));

	if (found != 0)
		return found == 1 ? 0 : -1;
	arc4random_buf(a->name_key, sizeof(a->name_key));
	if (database_begin(a->db) == -1)
		return -1;
	if (meta_put(a->db, "audit_name_key", a->name_key, sizeof(a->name_key)) == -1) {
		database_rollback(a->db);
		return -1;
	}
	return database_commit(a->db);
}

/*
 * Rows must end where the chain's end says.  If they do not, somebody wrote to
 * the file; new rows go behind all that is there, and a check will find the place.
 */
static int
rows_compare(struct audit *a)
{
	struct query q;
	int64_t id = 0;
	int found;

	query_open(&q, a->db, "SELECT id FROM audit ORDER BY id DESC LIMIT 1");
	if ((found = query_step(&q)) == 1)
		id = query_get_integer(&q, 0);
	query_close(&q);
	if (found == -1)
		return -1;
	if (found == 0)
		id = a->forgotten.id;
	if (id != a->last.id) {
		log_errorx("audit: the last row is %" PRId64 " and should be %" PRId64
			   ": store.db was changed from outside",
		    id, a->last.id);
		if (id > a->last.id)
			a->last.id = id;
	}
	return 0;
}

struct audit *
audit_open(struct database *db, int64_t rows_max, char *why, size_t size)
{
	struct audit *a;

	if ((a = calloc(1, sizeof(*a))) == NULL) {
		snprintf(why, size, "out of memory");
		return NULL;
	}
	a->db = db;
	a->rows_max = rows_max;
	STAILQ_INIT(&a->queue);
	if (name_key_load(a) == -1 || chain_end_get(db, "audit_last", &a->last) == -1 ||
	    chain_end_get(db, "audit_forgotten", &a->forgotten) == -1 || rows_compare(a) == -1) {
		snprintf(why, size, "its audit cannot be read; restore a copy of it");
		audit_free(a);
		return NULL;
	}
	audit_anchor(a);
	return a;
}

static void
queue_drop_first(struct audit *a)
{
	struct waiting *w = STAILQ_FIRST(&a->queue);

	STAILQ_REMOVE_HEAD(&a->queue, entry);
	a->rows--;
	a->bytes -= w->size;
	explicit_bzero(w, w->size);
	free(w);
}

void
audit_free(struct audit *a)
{
	if (a == NULL)
		return;
	while (!STAILQ_EMPTY(&a->queue))
		queue_drop_first(a);
	explicit_bzero(a, sizeof(*a));
	free(a);
}

/* All texts of a row, for what is done to each of them. */
static void
row_texts(struct audit_row *row, const char **texts[ROW_TEXTS])
{
	texts[0] = &row->event;
	texts[1] = &row->connection;
	texts[2] = &row->connector;
	texts[3] = &row->username;
	texts[4] = &row->attempt;
	texts[5] = &row->reason;
	texts[6] = &row->face;
	texts[7] = &row->address;
	texts[8] = &row->detail;
}

static size_t
text_limit(size_t index)
{
	return index == ROW_TEXTS - 1 ? AUDIT_DETAIL_SIZE : AUDIT_TEXT_SIZE;
}

/* A copy with every text cut to its limit, and a name not known to be one made unreadable. */
static struct waiting *
waiting_new(struct audit *a, const struct audit_row *row, int64_t now)
{
	char masked[AUDIT_MASKED_SIZE];
	const char **texts[ROW_TEXTS];
	struct audit_row copy = *row;
	struct waiting *w;
	size_t i, room, size = sizeof(*w);
	char *at;

	row_texts(&copy, texts);
	for (i = 0; i < ROW_TEXTS; i++) {
		if (*texts[i] == NULL)
			*texts[i] = "";
	}
	/* Only who was found is named: anything else typed there may be a password. */
	if (!copy.found && copy.username[0] != '\0') {
		audit_mask_name(a->name_key, copy.username, masked);
		copy.username = masked;
	}
	for (i = 0; i < ROW_TEXTS; i++) {
		room = strlen(*texts[i]) + 1;
		size += room < text_limit(i) ? room : text_limit(i);
	}
	if ((w = malloc(size)) == NULL)
		return NULL;
	at = w->texts;
	for (i = 0; i < ROW_TEXTS; i++) {
		room = strlen(*texts[i]) + 1;
		if (room > text_limit(i))
			room = text_limit(i);
		text_clip(at, room, *texts[i]);
		*texts[i] = at;
		at += room;
	}
	w->row = copy;
	w->time = now;
	w->size = size;
	return w;
}

void
audit_queue(struct audit *a, const struct audit_row *row, int64_t now)
{
	struct waiting *w = NULL;

	if (a->rows < AUDIT_QUEUE_ROWS_MAX)
		w = waiting_new(a, row, now);
	if (w == NULL || a->bytes + w->size > AUDIT_QUEUE_BYTES_MAX) {
		if (a->lost++ == 0)
			log_errorx("audit: rows are being lost: they cannot be written");
		if (w != NULL) {
			explicit_bzero(w, w->size);
			free(w);
		}
		return;
	}
	STAILQ_INSERT_TAIL(&a->queue, w, entry);
	a->rows++;
	a->bytes += w->size;
}

size_t
audit_waiting(const struct audit *a)
{
	return a->rows;
}

/* One row at the chain's end, in the open transaction. */
static int
row_insert(struct audit *a, const struct audit_row *row, int64_t time)
{
	struct chain_end end;
	struct query q;

	end.id = a->new_last.id + 1;
	if (audit_chain_hash(a->new_last.hash, end.id, time, row, end.hash) == -1)
		return -1;
	query_open(&q, a->db,
	    "INSERT INTO audit (id, time, event, connection, connector, username, attempt, status,"
	    " proven, reason, face, address, detail, hash)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
	query_integer(&q, end.id);
	query_integer(&q, time);
	query_text(&q, row->event);
	query_text(&q, row->connection);
	query_text(&q, row->connector);
	query_text(&q, row->username);
	query_text(&q, row->attempt);
	query_integer(&q, row->status);
	query_integer(&q, row->proven);
	query_text(&q, row->reason);
	query_text(&q, row->face);
	query_text(&q, row->address);
	query_text(&q, row->detail);
	query_blob(&q, end.hash, sizeof(end.hash));
	if (query_run(&q) == -1)
		return -1;
	a->new_last = end;
	return 0;
}

int
audit_write(struct audit *a, const struct audit_row *row, int64_t now)
{
	struct waiting *w;
	int result;

	if ((w = waiting_new(a, row, now)) == NULL)
		return -1;
	result = row_insert(a, &w->row, now);
	explicit_bzero(w, w->size);
	free(w);
	return result;
}

int
audit_begin(struct audit *a, int64_t now)
{
	struct audit_row lost;
	struct waiting *w;
	char detail[64];

	a->new_last = a->last;
	a->new_forgotten = a->forgotten;
	a->written = 0;
	if (database_begin(a->db) == -1)
		return -1;
	STAILQ_FOREACH (w, &a->queue, entry) {
		if (row_insert(a, &w->row, w->time) == -1)
			goto failed;
		a->written++;
	}
	if (a->lost > 0) {
		memset(&lost, 0, sizeof(lost));
		lost.event = AUDIT_EVENT_LOST;
		lost.status = STATUS_INTERNAL;
		snprintf(detail, sizeof(detail), "%" PRIu64 " rows could not be kept", a->lost);
		lost.detail = detail;
		if (audit_write(a, &lost, now) == -1)
			goto failed;
	}
	return 0;
failed:
	audit_abandon(a);
	return -1;
}

/* Rows above the limit, oldest first. The chain then begins behind the last of them. */
static int
rows_forget(struct audit *a)
{
	struct query q;
	int64_t over = a->new_last.id - a->forgotten.id - a->rows_max;
	int64_t batch = AUDIT_PRUNE_BATCH + 2 * (a->new_last.id - a->last.id);
	int found;

	if (over <= 0)
		return 0;
	a->new_forgotten.id += over < batch ? over : batch;
	query_open(&q, a->db, "SELECT hash FROM audit WHERE id <= ? ORDER BY id DESC LIMIT 1");
	query_integer(&q, a->new_forgotten.id);
	if ((found = query_step(&q)) == 1 &&
	    query_get_blob(&q, 0, a->new_forgotten.hash, DIGEST_SIZE) == -1)
		found = -1;
	if (query_close(&q) == -1 || found == -1)
		return -1;
	query_open(&q, a->db, "DELETE FROM audit WHERE id <= ?");
	query_integer(&q, a->new_forgotten.id);
	if (query_run(&q) == -1)
		return -1;
	return chain_end_put(a->db, "audit_forgotten", &a->new_forgotten);
}

int
audit_commit(struct audit *a)
{
	if ((a->new_last.id != a->last.id &&
		(rows_forget(a) == -1 || chain_end_put(a->db, "audit_last", &a->new_last) == -1)) ||
	    database_commit(a->db) == -1) {
		audit_abandon(a);
		return -1;
	}
	a->last = a->new_last;
	a->forgotten = a->new_forgotten;
	a->lost = 0;
	for (; a->written > 0; a->written--)
		queue_drop_first(a);
	if (a->last.id - a->anchored >= AUDIT_ANCHOR_ROWS)
		audit_anchor(a);
	return 0;
}

void
audit_abandon(struct audit *a)
{
	database_rollback(a->db);
}

int
audit_flush(struct audit *a, int64_t now)
{
	if (a->rows == 0 && a->lost == 0)
		return 0;
	if (audit_begin(a, now) == -1)
		return -1;
	return audit_commit(a);
}
