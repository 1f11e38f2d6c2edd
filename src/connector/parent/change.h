/* SPDX-License-Identifier: ISC */
/*
 * A change under way, for the two files that make one: change.c for settings,
 * enrol.c for enrolments.  What others may do with it is in adconnectord.h.
 */
#ifndef ADC_CHANGE_H
#define ADC_CHANGE_H

#include "adconnectord.h"

#include <limits.h>

#define CHANGE_CERTIFICATES_MAX 4
#define CHANGE_GRACE_MS 60000 /* the longest deadline that a request may have */

struct change {
	struct child *asker; /* NULL: gone meanwhile */
	uint32_t id;
	struct deployment *next;
	struct child *dial;
	struct child *directory;
	struct child *cloud;
	bool try_directory;
	bool try_cloud;
	bool enrol;
	struct ticket ticket;
	bool save_password;
	char certificates[CHANGE_CERTIFICATES_MAX][PATH_MAX]; /* written for this change */
	size_t ncertificates;
	struct event *timer;
};

/* NULL when another is under way, or without memory; the asker was told. */
struct change *change_new(struct connector *, struct child *asker, uint32_t id);
/* Starts the first of its children, dial. */
void change_start(struct connector *);
/* Ends it: nothing is saved, and the asker is told why. */
void change_fail(struct connector *, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Frees what it holds, in either case. */
void change_release(struct change *);
/* The answer to SET and ENROL; an asker that is gone (NULL) is not told. */
void change_tell(struct child *asker, uint32_t id, bool done, const char *code, const char *text);

#endif
