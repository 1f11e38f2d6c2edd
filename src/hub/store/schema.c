/* SPDX-License-Identifier: ISC */
/*
 * The tables.  STRICT makes SQLite check types; the CHECKs repeat what the code
 * promises, so that a mistake there is refused here and not stored.
 *
 * A connection that was removed keeps its row, out of sight: its connectors and
 * tickets stay revoked for ever, whoever takes the identifier next.
 */
#include "schema.h"

#include "database.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const schema_steps[SCHEMA_VERSION] = {
	/* 0 -> 1 */
	"CREATE TABLE meta ("
	"  key TEXT PRIMARY KEY,"
	"  value ANY NOT NULL"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE connection ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  identifier TEXT NOT NULL CHECK (length(identifier) BETWEEN 1 AND 63),"
	"  display_name TEXT NOT NULL,"
	"  logo TEXT NOT NULL,"
	"  created INTEGER NOT NULL,"
	"  removed INTEGER NOT NULL DEFAULT 0 CHECK (removed IN (0, 1))"
	") STRICT;"
	"CREATE UNIQUE INDEX connection_identifier ON connection (identifier) WHERE removed = 0;"

	"CREATE TABLE ticket ("
	"  id TEXT PRIMARY KEY,"
	"  secret_hash BLOB NOT NULL UNIQUE CHECK (length(secret_hash) = 32),"
	"  connection INTEGER NOT NULL REFERENCES connection (id),"
	"  uses_left INTEGER NOT NULL CHECK (uses_left >= 0),"
	"  expires INTEGER NOT NULL,"
	"  auto_approve INTEGER NOT NULL CHECK (auto_approve IN (0, 1)),"
	"  revoked INTEGER NOT NULL DEFAULT 0 CHECK (revoked IN (0, 1)),"
	"  created INTEGER NOT NULL"
	") STRICT;"
	"CREATE INDEX ticket_connection ON ticket (connection);"
	"CREATE INDEX ticket_created ON ticket (created);"

	/* state: enum connector_state; ticket: no reference, for tickets are forgotten first */
	"CREATE TABLE connector ("
	"  id TEXT PRIMARY KEY,"
	"  connection INTEGER NOT NULL REFERENCES connection (id),"
	"  name TEXT NOT NULL,"
	"  version TEXT NOT NULL,"
	"  sign_key BLOB NOT NULL UNIQUE CHECK (length(sign_key) = 64),"
	"  seal_key BLOB NOT NULL UNIQUE CHECK (length(seal_key) = 64),"
	"  state INTEGER NOT NULL CHECK (state IN (1, 2, 3)),"
	"  ticket TEXT NOT NULL,"
	"  enrolled INTEGER NOT NULL,"
	"  last_seen INTEGER NOT NULL DEFAULT 0,"
	"  online INTEGER NOT NULL DEFAULT 0 CHECK (online IN (0, 1)),"
	"  host TEXT NOT NULL DEFAULT '',"
	"  address TEXT NOT NULL"
	") STRICT;"
	"CREATE INDEX connector_connection ON connector (connection, state);"
	"CREATE INDEX connector_enrolled ON connector (enrolled);"

	/* Rows are only appended at one end and forgotten at the other: audit.c. */
	"CREATE TABLE audit ("
	"  id INTEGER PRIMARY KEY,"
	"  time INTEGER NOT NULL,"
	"  event TEXT NOT NULL,"
	"  connection TEXT NOT NULL,"
	"  connector TEXT NOT NULL,"
	"  username TEXT NOT NULL,"
	"  attempt TEXT NOT NULL,"
	"  status INTEGER NOT NULL,"
	"  proven INTEGER NOT NULL CHECK (proven IN (0, 1)),"
	"  reason TEXT NOT NULL,"
	"  face TEXT NOT NULL,"
	"  address TEXT NOT NULL,"
	"  detail TEXT NOT NULL,"
	"  hash BLOB NOT NULL CHECK (length(hash) = 32)"
	") STRICT;",

	/* 1 -> 2: the seal key before the last change of keys (NULL: none), and when that was */
	"ALTER TABLE connector ADD COLUMN seal_before BLOB"
	"  CHECK (length(seal_before) = 64);"
	"ALTER TABLE connector ADD COLUMN rekeyed INTEGER NOT NULL DEFAULT 0;",
};

/* A PRAGMA's number; -1 when it cannot be read. */
static int64_t
pragma_integer(struct database *db, const char *sql)
{
	struct query q;
	int64_t value = -1;

	query_open(&q, db, sql);
	if (query_step(&q) == 1)
		value = query_get_integer(&q, 0);
	return query_close(&q) == -1 ? -1 : value;
}

/* An empty file is ours to take; any other must say that it is. */
static int
schema_owned(struct database *db, int64_t version, char *why, size_t size)
{
	int64_t application, objects;

	application = pragma_integer(db, "PRAGMA application_id");
	objects = pragma_integer(db, "SELECT count(*) FROM sqlite_schema");
	if (version == -1 || application == -1 || objects == -1) {
		snprintf(why, size, "cannot be read; restore a copy of it");
		return -1;
	}
	if (application != SCHEMA_APPLICATION_ID && (application != 0 || objects != 0)) {
		snprintf(why, size, "was made by another program; move it away");
		return -1;
	}
	if (version > SCHEMA_VERSION) {
		snprintf(why, size,
		    "was made by a newer version (its tables are number %" PRId64
		    ", this version knows %d); install that version",
		    version, SCHEMA_VERSION);
		return -1;
	}
	return 0;
}

int
schema_migrate(struct database *db, char *why, size_t size)
{
	char text[96];
	int64_t version;

	version = pragma_integer(db, "PRAGMA user_version");
	if (schema_owned(db, version, why, size) == -1)
		return -1;
	if (version == SCHEMA_VERSION)
		return 0;
	snprintf(text, sizeof(text), "PRAGMA application_id = %d; PRAGMA user_version = %d",
	    SCHEMA_APPLICATION_ID, SCHEMA_VERSION);
	if (database_begin(db) == -1)
		goto failed;
	for (; version < SCHEMA_VERSION; version++) {
		if (database_execute(db, schema_steps[version]) == -1)
			goto failed;
	}
	if (database_execute(db, text) == -1 || database_commit(db) == -1)
		goto failed;
	return 0;
failed:
	database_rollback(db);
	snprintf(why, size,
	    "its tables could not be made or brought up to date; see the line "
	    "before");
	return -1;
}
