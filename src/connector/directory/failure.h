/* SPDX-License-Identifier: ISC */
/*
 * Why something with the directory server did not work, for a person: a stable
 * code, what happened to what, and what to do.
 */
#ifndef ADC_DIRECTORY_FAILURE_H
#define ADC_DIRECTORY_FAILURE_H

#define FAILURE_CODE_SIZE 32
#define FAILURE_TEXT_SIZE 512

struct failure {
	char code[FAILURE_CODE_SIZE]; /* "" : no failure */
	char text[FAILURE_TEXT_SIZE];
	char hint[FAILURE_TEXT_SIZE];
};

/* Sets code and text and clears the hint. */
void failure_set(struct failure *, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void failure_hint(struct failure *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void failure_clear(struct failure *);

#endif
