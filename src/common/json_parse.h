/* SPDX-License-Identifier: ISC */
/*
 * The grammar of JSON (RFC 8259), for json_read() alone, which has made sure of the limits.
 * Nothing else may include this.
 */
#ifndef COMMON_JSON_PARSE_H
#define COMMON_JSON_PARSE_H

#include <jansson.h>

#include <stddef.h>

/*
 * The value of a text of len bytes without NUL whose brackets are at most JSON_MAX_DEPTH deep.
 * NULL with *wrong, in static words: json_no_memory, by its address, when memory was short.
 */
json_t *
json_parse(const char *text, size_t len, const char **wrong) __attribute__((warn_unused_result));

extern const char json_no_memory[];

#endif
