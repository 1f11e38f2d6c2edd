/* SPDX-License-Identifier: ISC */
/*
 * JSON as this project reads it: into jansson's values, with limits.
 *
 * Everything that arrives as JSON comes through json_read, so that size, nesting,
 * duplicate members, NUL and bad UTF-8 are refused in one place. Must not
 * interpret what it reads, and must not log it: it may be a password.
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include <jansson.h>

#include <stddef.h>
#include <stdint.h>

/* Deepest nesting of arrays and objects that json_read accepts. */
#define JSON_MAX_DEPTH 16
/* Most values in one text, member names counted too: each costs about a hundred bytes. */
#define JSON_MAX_VALUES 65536

/*
 * Makes jansson allocate with wipe.h's functions, as json_read does by itself. To be called
 * before the first other use of jansson in the process. What jansson returns as char *
 * (json_dumps) is then to be freed with wiping_free.
 */
void json_use_wiping_allocator(void);

/*
 * Reads a text of len bytes (RFC 8259) whose outermost value is an object or an
 * array. White space may surround it, nothing else. The text need not end in NUL.
 *
 * Returns a new reference, or NULL; *why (if why is not NULL) then tells the reason
 * in static words fit for a log ("longer than allowed", "nested too deeply", ...);
 * they never contain any part of the text. errno is EBADMSG, or ENOMEM when memory was short and
 * nothing is known about the text.
 */
json_t *json_read(const char *text, size_t len, size_t max_len, const char **why)
    __attribute__((warn_unused_result));

/*
 * The string member key of obj if it exists, is a string and has min..max bytes;
 * otherwise NULL. Owned by obj. It contains no NUL when obj came from json_read.
 */
const char *json_get_string(const json_t *obj, const char *key, size_t min, size_t max);

/*
 * The integer member key of obj, if it exists, is an integer (1.0 is not) and
 * lies in min..max: 0 and *out is set; otherwise -1 and *out is untouched.
 */
int json_get_integer(const json_t *obj, const char *key, int64_t min, int64_t max, int64_t *out);

/* 0 if obj is an object without other members than the n named; otherwise -1. */
int json_only_keys(const json_t *obj, const char *const keys[], size_t n);

#endif
