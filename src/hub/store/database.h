/* SPDX-License-Identifier: ISC */
/*
 * SQLite as this process uses it: one file, one writer, every statement
 * prepared once.  Nothing here knows what the tables mean but schema.c.
 *
 * An error is logged where it is seen.  What reads has no answer to give
 * without the database, so query_read() ends the process; what writes is told,
 * and the change it belongs to is taken back as a whole.
 */
#ifndef ADC_STORE_DATABASE_H
#define ADC_STORE_DATABASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct database;
struct sqlite3_stmt;

/* Different statements one process may use; each is prepared at its first use and kept. */
#define DATABASE_STATEMENTS_MAX 96
/* Time that the check at start may take, in seconds; a large file is then only checked in part. */
#define DATABASE_CHECK_SECONDS 5

/*
 * To be called before the sandbox closes: SQLite takes random bytes from a
 * device, and the C library reads the time zone.
 */
void database_warm_up(void);

/*
 * Opens or makes the file, checks it and brings its tables up to date.
 * NULL with a text for people in why when it cannot be used; it is then left as it was, and
 * hindered tells whether the reason may soon be over.
 */
struct database *database_open(const char *path, bool *hindered, char *why, size_t size);
/* Did the last call fail for another program's lock, a full disk, want of memory and the like? */
bool database_hindered(const struct database *);
void database_close(struct database *);

/* One transaction at a time. All return 0, or -1 (logged); after -1 from commit nothing was
 * changed. */
int database_begin(struct database *);
int database_commit(struct database *);
/* Ends the process if even this fails. Nothing to do outside a transaction. */
void database_rollback(struct database *);
/* Rows that the last INSERT, UPDATE or DELETE touched. */
int64_t database_changes(struct database *);
/* Runs statements without parameters and results. 0, or -1 (logged). */
int database_execute(struct database *, const char *sql);

/*
 * A statement in use.  Errors are sticky: parameters are bound in order, and
 * query_step() or query_run() tell of any failure before.
 */
struct query {
	struct database *database;
	struct sqlite3_stmt *statement;
	int bound;
	bool failed;
};

/* sql must be a string literal or live as long as the database. */
void query_open(struct query *, struct database *, const char *sql);
void query_text(struct query *, const char *);
void query_integer(struct query *, int64_t);
void query_blob(struct query *, const void *, size_t);
/* 1: a row can be read; 0: no more; -1: failed (logged). */
int query_step(struct query *);
/* query_step() for reading outside a change: a failure ends the process. */
bool query_read(struct query *);
/* Makes the statement free again. 0, or -1 when it failed at any time. */
int query_close(struct query *);
/* Steps to the end and closes: for INSERT, UPDATE, DELETE. 0 or -1. */
int query_run(struct query *);

/* Columns of the row, counted from 0. Text is never NULL and lives until the next step or close. */
const char *query_get_text(struct query *, int column);
int64_t query_get_integer(struct query *, int column);
bool query_get_flag(struct query *, int column);
/* Copies exactly len bytes; a value of another size is an error (-1). */
int query_get_blob(struct query *, int column, void *dst, size_t len);

#endif
