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
	bool try_cloud; /* for settings: unless it is untried */
	bool enrol;
	bool rekey;
	bool reconnect;	  /* the tunnel alone */
	bool settings;	  /* they are others: saved when all is well */
	char which[1024]; /* of them, in words */
	bool forget;	  /* the bind password, on request */
	bool untried;	  /* cloud's settings: there was no tunnel before either */
	/* What those on trial said last; it is the connector's own only when they take over. */
	struct directory_report directory_report;
	struct tunnel_report tunnel_report;
	struct ticket ticket;
	char certificates[CHANGE_CERTIFICATES_MAX][PATH_MAX]; /* written for this change */
	size_t ncertificates;
	struct event *timer;
};

/* Otherwise the asker was told. */
bool change_is_enrolled(const struct connector *, struct child *asker, uint32_t id);
/* Another is under way: the asker was told. */
bool change_busy(const struct connector *, struct child *asker, uint32_t id);
/* NULL when another is under way, or without memory; the asker was told. */
struct change *change_new(struct connector *, struct child *asker, uint32_t id);
/* Starts the first of its children, dial. */
void change_start(struct connector *);
/* The same for settings: opens what they name, and refuses what cannot run. */
void change_settings(struct connector *);
/* A child that is still starting may have the old configuration: it is not waited for. */
void change_start_anew(struct service *);
/* Ends it: nothing is saved, and the asker is told why. */
void change_fail(struct connector *, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for what cloud says, with what to do about it. */
void change_fail_cloud(struct connector *, const char *code, const char *text);
/* Its settings and passwords, and those in force as the ones before. -1: *error, malloc'ed, or
 * NULL. */
int change_save(struct connector *, char **error);
/* The answer to a change that is in force now; in text, or a constant. */
const char *
change_taken_text(const struct connector *, const struct change *, char *text, size_t size);
/* Files that the forgotten settings name, and neither those in force nor those before do. */
void change_remove_certificates(const struct connector *, const struct settings *forgotten);
/* At the start: those of changes that were being tried when the daemon ended. */
void change_tidy_certificates(const struct connector *);
/* Frees what it holds, in either case. */
void change_release(struct change *);
/* The answer to SET, ENROL and the like; an asker that is gone (NULL) is not told. */
void change_tell(struct child *asker, uint32_t id, bool done, const char *code, const char *text);

#endif
