/* SPDX-License-Identifier: ISC */
/*
 * JSON written straight into a buffer, for the few texts that every login needs: a tree of
 * values costs several times as much.
 *
 * Must not be used for what is rare; jansson writes that (json.h).
 */
#ifndef ADC_COMMON_JSON_TEXT_H
#define ADC_COMMON_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * To be set to zero. A member or element is written with its comma where one is due.
 * Once something failed nothing more is written, and json_text_end() tells.
 */
struct json_text {
	char *text;
	size_t len, size;
	bool comma;  /* one is due before the next member or element */
	bool failed; /* memory was short, or a string was no UTF-8 */
};

/* '{' or '['; key is NULL for what is no member. Keys are ours and need no escapes. */
void json_text_open(struct json_text *, const char *key, char bracket);
void json_text_close(struct json_text *, char bracket);
/* A string, or null for NULL. */
void json_text_string(struct json_text *, const char *key, const char *value);
void json_text_bytes(struct json_text *, const char *key, const void *value, size_t len);
void json_text_boolean(struct json_text *, const char *key, bool value);

/*
 * The text, NUL terminated, to be freed with wiping_free(), and its length where len is not
 * NULL; NULL when something failed. The writer is as at first afterwards.
 */
char *json_text_end(struct json_text *, size_t *len);

#endif
