/* SPDX-License-Identifier: ISC */
/*
 * The lock-out budget: a try is refused here before it could make Active
 * Directory lock the account.
 *
 * AD counts wrong passwords per DC (badPwdCount) and locks at a threshold.  The
 * count was read a moment ago, so failures of our own since then are added.
 * Where the count cannot be read, our own failures are all there is: they
 * are kept for the observation window, and when their table is full, a try is
 * refused rather than another account's failures forgotten.
 *
 * Everything is counted by objectGUID, never by what was typed.  Pure: no clock and
 * no connection.
 */
#ifndef ADC_DIRECTORY_LOCKOUT_H
#define ADC_DIRECTORY_LOCKOUT_H

#include "account.h"

/* The policy that holds for one account: the domain's, or that of its PSO. */
struct lockout_policy {
	bool threshold_known;
	int64_t threshold; /* wrong passwords that lock; 0: never */
	int64_t window;	   /* FILETIME units for which a count is kept; 0: unknown */
	int64_t duration;  /* FILETIME units of a lock; 0: until an administrator ends it */
};

/* MS-ADTS: the default of lockOutObservationWindow, taken where it is unknown. */
#define LOCKOUT_WINDOW_DEFAULT (30 * 60 * FILETIME_SECOND)
/* Accounts with failures of our own that are remembered at the same time. */
#define LOCKOUT_ACCOUNTS_MAX 16384

struct lockout_limits {
	int64_t margin;		   /* tries that are left to others */
	int64_t unknown_threshold; /* assumed where it cannot be read; 0: do not protect */
};

struct lockout;

enum lockout_verdict {
	LOCKOUT_FREE,	   /* one more try does no harm */
	LOCKOUT_PROTECTED, /* it could lock the account */
	LOCKOUT_UNCERTAIN, /* likewise, should binds that were never answered have counted */
	LOCKOUT_LOCKED,	   /* it is locked already */
	LOCKOUT_FULL	   /* refused for want of room to count in */
};

/* What a verdict rests on. */
struct lockout_standing {
	int64_t threshold;   /* wrong passwords that lock; 0: none do, or it is not known */
	int64_t budget;	     /* of these, how many are made here; 0: all */
	int64_t count;	     /* wrong passwords that count now, lost binds included */
	int64_t lost;	     /* of these, binds that were never answered */
	bool from_directory; /* the count is AD's, with our own since; false: our own only */
};

struct lockout *lockout_new(size_t accounts_max);
void lockout_free(struct lockout *);
/*
 * now: FILETIME by the directory's clock.  asked_at: the same when the search that read the
 * account was sent; own failures since then are not yet in its count.  Finer than a second: what
 * failed before a search was sent is in the count that it reads.  Counts nothing.
 */
enum lockout_verdict
lockout_judge(struct lockout *, const struct account *, const struct lockout_policy *,
    const struct lockout_limits *, int64_t asked_at, int64_t now, struct lockout_standing *);
/* lost: the bind was not answered, so that nobody knows whether it counted. */
void lockout_failed(
    struct lockout *, const uint8_t guid[GUID_SIZE], int64_t window, int64_t now, bool lost);
/* A success: AD's count is back at zero. */
void lockout_succeeded(struct lockout *, const uint8_t guid[GUID_SIZE]);

#endif
