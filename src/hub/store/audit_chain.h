/* SPDX-License-Identifier: ISC */
/*
 * The chain itself: how a row becomes bytes, how bytes become a hash, and the
 * walk that checks them all, in pieces that fit between other work.
 */
#ifndef ADC_STORE_AUDIT_CHAIN_H
#define ADC_STORE_AUDIT_CHAIN_H

#include "audit.h"

/* Rows that one step of the walk reads: a few milliseconds. */
#define AUDIT_CHECK_STEP 2000

/*
 * Hash of a row from the hash before it.  Encoding (wire.h): u64 id, u64 time,
 * strings event, connection, connector, username, attempt, u8 status, u8 proven,
 * strings reason, face, address, detail.  -1 when memory is short or a text too long.
 */
int audit_chain_hash(const uint8_t before[DIGEST_SIZE], int64_t id, int64_t time,
    const struct audit_row *, uint8_t hash[DIGEST_SIZE]);

struct audit_check {
	int64_t next; /* the row that must come now */
	int64_t last; /* where the walk ends: the last row when it began */
	uint8_t last_hash[DIGEST_SIZE];
	uint8_t hash[DIGEST_SIZE]; /* of the row before next */
	int64_t first;		   /* where it began */
	int64_t broken;		   /* the first row that is wrong; 0: none so far */
	const char *why;	   /* what is wrong with it, for people */
};

void audit_check_start(struct audit_check *, const struct audit *);
/* true: more to do; false: done. Ends the process when the database cannot be read. */
bool audit_check_step(struct audit_check *, const struct audit *, struct database *);

#endif
