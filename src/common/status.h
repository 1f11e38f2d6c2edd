/* SPDX-License-Identifier: ISC */
/*
 * The status values of docs/tunnel-protocol.md, made from status.def.
 */
#ifndef ADC_STATUS_H
#define ADC_STATUS_H

enum status {
#define STATUS(name, word) STATUS_##name,
#include "status.def"
#undef STATUS
	STATUS_COUNT
};

/* The word for a status; "internal" for a value that is none. */
const char *status_word(enum status);
/* The status for a word, STATUS_COUNT when there is none such. */
enum status status_from_word(const char *);

#endif
