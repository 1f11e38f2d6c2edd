/* SPDX-License-Identifier: ISC */
/* How many connections there are, in all and from one address. */
#ifndef GATE_HTTP_LIMITS_H
#define GATE_HTTP_LIMITS_H

#include "address.h"

#include <stddef.h>

struct http_limits;
struct http_place; /* one connection's place */

struct http_limits *http_limits_new(size_t total, size_t per_address);
void http_limits_free(struct http_limits *);
enum http_limit { HTTP_LIMIT_NONE, HTTP_LIMIT_TOTAL, HTTP_LIMIT_ADDRESS, HTTP_LIMIT_MEMORY };
/* HTTP_LIMIT_NONE and a place, or why there is none. */
enum http_limit http_place_new(struct http_limits *, const struct address *, struct http_place **);
void http_place_free(struct http_place *);
size_t http_limits_count(const struct http_limits *);

#endif
