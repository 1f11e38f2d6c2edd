/* SPDX-License-Identifier: ISC */
/*
 * The tables, and how older files become newer ones.  Steps only go forward and
 * are never edited once released: a new step is appended.
 */
#ifndef ADC_STORE_SCHEMA_H
#define ADC_STORE_SCHEMA_H

#include <stddef.h>

struct database;

/* "AHUB": tells our file from another program's (PRAGMA application_id). */
#define SCHEMA_APPLICATION_ID 0x41485542
/* PRAGMA user_version of a file that this build writes. */
#define SCHEMA_VERSION 2

/*
 * Brings a file to SCHEMA_VERSION, all steps in one transaction. 0, or -1 with
 * a text in why when it is another program's, a newer version's, or a step failed.
 */
int schema_migrate(struct database *, char *why, size_t size);

#endif
