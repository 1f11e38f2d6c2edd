/* SPDX-License-Identifier: ISC */
/*
 * An attempt that explains itself: it goes the way of a login, through the same decisions, tells
 * each of them and ends where a login would bind.  It holds no password, makes no bind and counts
 * nothing.
 */
#ifndef ADC_DIRECTORY_EXPLAIN_H
#define ADC_DIRECTORY_EXPLAIN_H

#include "lockout.h"
#include "common/message.h"
#include "common/status.h"

#include <bsd/sys/queue.h>
#include <time.h>

/* Explanations under way. */
#define EXPLANATIONS_MAX 8
#define EXPLANATION_DEADLINE_MAX 60000U

struct attempt;

struct explanation {
	TAILQ_ENTRY(explanation) entry;
	struct attempt *attempt;
	enum explain_step step; /* under way */
	struct timespec started;
	size_t hits;	     /* people whom the last search found */
	enum status account; /* what AD would say of the account */
};

/* What the attempt has come to know; each is called where a login decides by it. */
void explanation_person(struct attempt *);
void explanation_groups(struct attempt *);
void explanation_policy(struct attempt *);
void explanation_lockout(struct attempt *, const struct lockout_standing *, enum lockout_verdict);
/* The last step and the end: what a login would be answered, STATUS_OK: it would bind. */
void explanation_end(struct attempt *, enum status, const char *reason);
/* Nothing happens to a login. */
void explanation_free(struct attempt *);

#endif
