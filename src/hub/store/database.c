/* SPDX-License-Identifier: ISC */
/*
 * The file, its settings and its prepared statements.  Must not hold a
 * statement open between two turns of the event loop: the write-ahead log could
 * then not be cleared.
 */
#include "database.h"

#include "common/log.h"
#include "schema.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

struct database {
	sqlite3 *handle;
	bool in_transaction;
	size_t count;
	struct {
		const char *sql;
		sqlite3_stmt *statement;
	} cache[DATABASE_STATEMENTS_MAX];
};

/*
 * EXCLUSIVE before WAL keeps the log's index in our heap: no shared memory, no
 * second process.  FULL: a commit has reached the disk before it is answered.
 */
static const char database_settings[] = "PRAGMA locking_mode = EXCLUSIVE;"
					"PRAGMA journal_mode = WAL;"
					"PRAGMA synchronous = FULL;"
					"PRAGMA temp_store = MEMORY;"
					"PRAGMA foreign_keys = ON;"
					"PRAGMA trusted_schema = OFF;"
					"PRAGMA cell_size_check = ON;"
					"PRAGMA mmap_size = 0;"
					"PRAGMA secure_delete = OFF;"
					"PRAGMA cache_size = -8192;"
					"PRAGMA wal_autocheckpoint = 1000;"
					"PRAGMA journal_size_limit = 16777216";

static void
database_log(void *arg, int code, const char *text)
{
	(void)arg;
	/* A full disk and a failing one are told by who was writing. */
	if (code != SQLITE_NOTICE && (code & 0xff) != SQLITE_NOTICE)
		log_warnx("store.db: sqlite: %s (%d)", text, code);
}

/* As root SQLite gives new files the owner of the database: here there is one owner. */
static int
keep_owner(int fd, uid_t uid, gid_t gid)
{
	(void)fd;
	(void)uid;
	(void)gid;
	return 0;
}

void
database_warm_up(void)
{
	sqlite3_vfs *vfs;
	unsigned char byte;
	struct tm tm;
	time_t now = time(NULL);

	if (sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) != SQLITE_OK ||
	    sqlite3_config(SQLITE_CONFIG_LOG, database_log, NULL) != SQLITE_OK ||
	    sqlite3_initialize() != SQLITE_OK)
		fatalx("sqlite cannot be initialised");
	if ((vfs = sqlite3_vfs_find(NULL)) == NULL ||
	    vfs->xSetSystemCall(vfs, "fchown", (sqlite3_syscall_ptr)keep_owner) != SQLITE_OK)
		fatalx("sqlite has no unix VFS");
	sqlite3_randomness(sizeof(byte), &byte);
	tzset();
	gmtime_r(&now, &tm);
}

static int
database_error(struct database *db, const char *doing)
{
	log_errorx("store.db: %s: %s (%d)", doing, sqlite3_errmsg(db->handle),
	    sqlite3_extended_errcode(db->handle));
	return -1;
}

static int
check_overdue(void *arg)
{
	struct timespec now, *deadline = arg;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > deadline->tv_sec;
}

/*
 * Looks for damage before anything is built on it.  A file too large for the
 * time there is, is known to be sound up to where the check came.
 */
static int
database_check(struct database *db, char *why, size_t size)
{
	struct timespec deadline;
	sqlite3_stmt *st = NULL;
	int rc, result = -1;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += DATABASE_CHECK_SECONDS;
	sqlite3_progress_handler(db->handle, 10000, check_overdue, &deadline);
	rc = sqlite3_prepare_v2(db->handle, "PRAGMA quick_check(1)", -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(st, 0), "ok") == 0)
		result = 0;
	else if (rc == SQLITE_ROW)
		snprintf(why, size, "is damaged (%s); restore a copy of it",
		    (const char *)sqlite3_column_text(st, 0));
	else if (rc == SQLITE_INTERRUPT) {
		log_warnx("store.db: checked in part: it is too large to be checked in %d s",
		    DATABASE_CHECK_SECONDS);
		result = 0;
	} else
		snprintf(why, size, "cannot be read (%s); restore a copy of it",
		    sqlite3_errmsg(db->handle));
	sqlite3_finalize(st);
	sqlite3_progress_handler(db->handle, 0, NULL, NULL);
	return result;
}

bool
database_hindered(const struct database *db)
{
	switch (sqlite3_errcode(db->handle) & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_CANTOPEN:
	case SQLITE_FULL:
	case SQLITE_IOERR:
	case SQLITE_LOCKED:
	case SQLITE_NOMEM:
	case SQLITE_READONLY:
		return true;
	default:
		return false;
	}
}

struct database *
database_open(const char *path, bool *hindered, char *why, size_t size)
{
	struct database *db;

	*hindered = true;
	if ((db = calloc(1, sizeof(*db))) == NULL) {
		snprintf(why, size, "out of memory");
		return NULL;
	}
	if (sqlite3_open_v2(path, &db->handle,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE,
		NULL) != SQLITE_OK) {
		snprintf(why, size, "cannot be opened: %s",
		    db->handle == NULL ? "out of memory" : sqlite3_errmsg(db->handle));
		goto failed;
	}
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_limit(db->handle, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(db->handle, SQLITE_LIMIT_LENGTH, 1 << 20);
	if (sqlite3_exec(db->handle, database_settings, NULL, NULL, NULL) != SQLITE_OK) {
		snprintf(why, size, "cannot be used: %s", sqlite3_errmsg(db->handle));
		goto failed;
	}
	if (database_check(db, why, size) == -1 || schema_migrate(db, why, size) == -1)
		goto failed;
	return db;
failed:
	*hindered = database_hindered(db);
	database_close(db);
	return NULL;
}

void
database_close(struct database *db)
{
	size_t i;

	if (db == NULL)
		return;
	for (i = 0; i < db->count; i++)
		sqlite3_finalize(db->cache[i].statement);
	if (sqlite3_close(db->handle) != SQLITE_OK)
		log_warnx("store.db: not closed: %s", sqlite3_errmsg(db->handle));
	free(db);
}

int
database_execute(struct database *db, const char *sql)
{
	if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
		return database_error(db, "cannot write");
	return 0;
}

/* IMMEDIATE: there is no moment at which a second writer could come between. */
int
database_begin(struct database *db)
{
	if (db->in_transaction)
		fatalx("store.db: a change within a change");
	if (database_execute(db, "BEGIN IMMEDIATE") == -1)
		return -1;
	db->in_transaction = true;
	return 0;
}

int
database_commit(struct database *db)
{
	if (database_execute(db, "COMMIT") == -1) {
		database_rollback(db);
		return -1;
	}
	db->in_transaction = false;
	return 0;
}

/* SQLite has taken some changes back by itself already, after a full disk for one. */
void
database_rollback(struct database *db)
{
	if (!sqlite3_get_autocommit(db->handle) && database_execute(db, "ROLLBACK") == -1)
		fatalx("store.db: a change can be neither finished nor taken back");
	db->in_transaction = false;
}

int64_t
database_changes(struct database *db)
{
	return sqlite3_changes64(db->handle);
}

static sqlite3_stmt *
cache_find(struct database *db, const char *sql)
{
	sqlite3_stmt *st = NULL;
	size_t i;

	for (i = 0; i < db->count; i++) {
		if (db->cache[i].sql == sql)
			return db->cache[i].statement;
	}
	if (db->count == DATABASE_STATEMENTS_MAX)
		fatalx("store.db: more statements than DATABASE_STATEMENTS_MAX");
	if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL) !=
	    SQLITE_OK) {
		database_error(db, "cannot prepare a statement");
		return NULL;
	}
	db->cache[db->count].sql = sql;
	db->cache[db->count++].statement = st;
	return st;
}

void
query_open(struct query *q, struct database *db, const char *sql)
{
	q->database = db;
	q->bound = 0;
	q->statement = cache_find(db, sql);
	q->failed = q->statement == NULL;
	if (!q->failed && sqlite3_stmt_busy(q->statement))
		fatalx("store.db: a statement is used twice at a time");
}

static void
query_bound(struct query *q, int rc)
{
	if (rc != SQLITE_OK) {
		database_error(q->database, "cannot bind a value");
		q->failed = true;
	}
}

void
query_text(struct query *q, const char *text)
{
	if (!q->failed)
		query_bound(
		    q, sqlite3_bind_text(q->statement, ++q->bound, text, -1, SQLITE_TRANSIENT));
}

void
query_integer(struct query *q, int64_t value)
{
	if (!q->failed)
		query_bound(q, sqlite3_bind_int64(q->statement, ++q->bound, value));
}

void
query_blob(struct query *q, const void *data, size_t len)
{
	if (!q->failed)
		query_bound(
		    q, sqlite3_bind_blob64(q->statement, ++q->bound, data, len, SQLITE_TRANSIENT));
}

int
query_step(struct query *q)
{
	if (q->failed)
		return -1;
	switch (sqlite3_step(q->statement)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		return 0;
	default:
		q->failed = true;
		return database_error(q->database, "a statement failed");
	}
}

bool
query_read(struct query *q)
{
	int result = query_step(q);

	if (result == -1)
		fatalx("store.db: cannot be read");
	return result == 1;
}

int
query_close(struct query *q)
{
	if (q->statement != NULL) {
		sqlite3_reset(q->statement);
		sqlite3_clear_bindings(q->statement);
		q->statement = NULL;
	}
	return q->failed ? -1 : 0;
}

int
query_run(struct query *q)
{
	while (query_step(q) == 1)
		continue;
	return query_close(q);
}

/* What was not read for want of memory is not "none": nothing may be decided by it. */
static void
require_memory(const struct query *q)
{
	if (sqlite3_errcode(sqlite3_db_handle(q->statement)) == SQLITE_NOMEM)
		fatalx("database: no memory");
}

const char *
query_get_text(struct query *q, int column)
{
	const unsigned char *text = sqlite3_column_text(q->statement, column);

	if (text == NULL)
		require_memory(q);
	return text == NULL ? "" : (const char *)text;
}

int64_t
query_get_integer(struct query *q, int column)
{
	return sqlite3_column_int64(q->statement, column);
}

bool
query_get_flag(struct query *q, int column)
{
	return query_get_integer(q, column) != 0;
}

int
query_get_blob(struct query *q, int column, void *dst, size_t len)
{
	const void *data = sqlite3_column_blob(q->statement, column);

	if (data == NULL)
		require_memory(q);
	if (data == NULL || sqlite3_column_bytes(q->statement, column) != (int)len) {
		memset(dst, 0, len);
		return -1;
	}
	memcpy(dst, data, len);
	return 0;
}
