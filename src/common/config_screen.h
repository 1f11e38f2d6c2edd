/* SPDX-License-Identifier: ISC */
/*
 * Screens the text of a configuration file before libconfig sees it, because
 * libconfig 1.5 (measured) follows @include, drops "\x00" from strings, keeps the
 * backslash of escapes it does not know, wraps integers at 32 bits, ignores a
 * comment that is not closed, and gives the line after a group's.
 */
#ifndef ADC_CONFIG_SCREEN_H
#define ADC_CONFIG_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

struct config_key {
	char path[CONFIG_PATH_MAX];
	int line;
	bool bare;    /* a group written "name {" */
	size_t brace; /* where that { is, in bytes from the start of the text */
};

struct config_keys {
	struct config_key *keys; /* malloc'ed */
	size_t count;
	size_t size;
};

/*
 * libconfig wants "name = {", or ":"; people write "name {" as in most other
 * files.  The caller puts the "=" in, so that both are taken.
 *
 * text is NUL-terminated at text[len].  Returns 0 with the line of each key
 * outside lists, in the order of the text, or -1 with *error: "NAME:LINE: ...".  Free with
 * config_keys_free() in both cases; the caller sets *keys to zero before.
 */
int config_screen(
    const char *name, const char *text, size_t len, struct config_keys *keys, char **error);
void config_keys_free(struct config_keys *);

/* The line a key stands on, or 0. */
int config_keys_line(const struct config_keys *, const char *path);

#endif
