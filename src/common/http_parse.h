/* SPDX-License-Identifier: ISC */
/*
 * The head of an HTTP/1.1 request (RFC 9112), read strictly: what two readers
 * could understand differently is refused.  No input or output here.
 */
#ifndef ADC_HTTP_PARSE_H
#define ADC_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_HEAD_MAX 8192
#define HTTP_BODY_MAX 65536
#define HTTP_FIELDS_MAX 64

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_DELETE };

struct http_head {
	enum http_method method;
	char *path;  /* begins with '/'; as it came, without "//" and "." segments */
	char *query; /* without the '?'; "" when there is none */
	struct {
		char *name; /* lower case */
		char *value;
	} field[HTTP_FIELDS_MAX];
	size_t nfields;
	size_t content_length;
	unsigned int minor; /* 1 or 0: HTTP/1.1 or HTTP/1.0 */
	bool keep_alive;
	bool expects_continue;
};

/*
 * Reads the head in text, len bytes up to and with the empty line; all
 * pointers of *head point into it, and it is changed.  0, or the HTTP status
 * to refuse it with (400, 405, 411, 413, 415, 417, 431, 501, 505).
 */
int http_parse_head(char *text, size_t len, struct http_head *);
/* The value of a field (name in lower case), NULL when absent; the first when there are several. */
const char *http_head_get(const struct http_head *, const char *name);
/* Whether a comma-separated list holds token, case-insensitively; NULL holds none. */
bool http_list_has(const char *list, const char *token);
/*
 * The value of name in a query "a=b&c=d" as a NUL-terminated copy in dst: 0; 1 when it
 * is not there (dst is ""); -1 when it is there twice or does not fit.  Values
 * are letters, digits and -._~ only (no percent sign), otherwise -1.
 */
int http_query_get(const char *query, const char *name, char *dst, size_t size);

#endif
