/* SPDX-License-Identifier: ISC */
/*
 * The audit: who tried to log in, which tunnels came and went, what was
 * administered.  Rows form a chain: each carries
 *
 *	hash = SHA-256(hash of the row before || canonical encoding of the row)
 *
 * so that a row that was changed, taken out or put in shows.  Whoever can write
 * the file can also make the chain anew; therefore the hash of the last row
 * goes to the log from time to time, where it can be held against the file.
 *
 * Rows of logins wait in memory and are written in groups, at most
 * AUDIT_DELAY_MS behind; every other change is written together with its row
 * before it is answered.  All writing to the database goes through
 * audit_begin() and audit_commit(), so rows keep the order in which things happened.
 */
#ifndef ADC_STORE_AUDIT_H
#define ADC_STORE_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "digest.h"

struct audit;
struct database;

/* With what a gate gathers first (AUDIT_GATHER_MS) a row is at most 50 ms behind. */
#define AUDIT_DELAY_MS 40
/* Rows kept; the oldest are forgotten first, and the chain then begins behind them. */
#define AUDIT_ROWS_MAX 10000000
/* Rows that are forgotten with one commit beyond twice those it adds, so that none takes long. */
#define AUDIT_PRUNE_BATCH 500
/* Rows and bytes that wait while the disk is full; what comes on top is counted, not kept. */
#define AUDIT_QUEUE_ROWS_MAX 10000
#define AUDIT_QUEUE_BYTES_MAX (8U << 20)
/* Rows between two lines in the log that tell the chain's last hash. */
#define AUDIT_ANCHOR_ROWS 10000
/* Bytes of each text that are kept; detail may be longer. */
#define AUDIT_TEXT_SIZE 513
#define AUDIT_DETAIL_SIZE 4097

/* Texts may be NULL, which stands for "". */
struct audit_row {
	const char *event; /* a word; AUDIT_EVENT_* or a gate's own */
	const char *connection;
	const char *connector;
	const char *username;
	const char *attempt;
	uint8_t status; /* enum status */
	bool proven;
	const char *reason;
	const char *face;
	const char *address;
	const char *detail;
	bool found; /* username is somebody's; not kept, decides how the name is */
};

/* Events that only this process writes. */
#define AUDIT_EVENT_LOST "audit_lost"

/* NULL with a text in why when the database cannot be read. The database is borrowed. */
struct audit *audit_open(struct database *, int64_t rows_max, char *why, size_t size);
void audit_free(struct audit *);

/* Takes a row for the next group; now in milliseconds since 1970. */
void audit_queue(struct audit *, const struct audit_row *, int64_t now);
/* Rows that wait. */
size_t audit_waiting(const struct audit *);
/* Writes what waits. 0, or -1 when it could not be written: it waits on. */
int audit_flush(struct audit *, int64_t now);

/*
 * A change: begin (which writes what waits), statements, audit_write() for the
 * change's own row, commit.  After -1 from any of them audit_abandon(); commit
 * has then done that already.
 */
int audit_begin(struct audit *, int64_t now);
int audit_write(struct audit *, const struct audit_row *, int64_t now);
int audit_commit(struct audit *);
void audit_abandon(struct audit *);

/* Is this an event that only the store itself may write? */
bool audit_event_reserved(const char *event);

/* The last row's number (0: none yet) and hash. */
int64_t audit_last(const struct audit *, uint8_t hash[DIGEST_SIZE]);
/* The last row that was forgotten (0: none) and its hash. */
int64_t audit_forgotten(const struct audit *, uint8_t hash[DIGEST_SIZE]);

/*
 * The name as the audit keeps it when nobody is known to have it: people type passwords
 * there.  Up to two letters that it begins with, "…", and 16 characters of
 * HMAC-SHA-256(key, name) in base64url, so that equal names can be told.
 */
#define AUDIT_MASKED_SIZE (2 * 4 + 3 + 16 + 1)
void
audit_mask_name(const uint8_t key[DIGEST_SIZE], const char *name, char masked[AUDIT_MASKED_SIZE]);

#endif
