/* SPDX-License-Identifier: ISC */
/*
 * Reading the head of a request: see http_parse.h.
 *
 * Requests come from clients and perhaps through proxies.  A body's length
 * has one spelling only (Content-Length, once, decimal) and Transfer-Encoding is not
 * served, so that no proxy in front can see another end of a request than we do.
 */
#include "http_parse.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool
is_token_char(char c)
{
	return isalnum((unsigned char)c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* Cuts the next line off; NULL when there is no CRLF or the line holds CR, LF or NUL. */
static char *
next_line(char **at, char *end)
{
	char *line = *at, *cr;

	if ((cr = memchr(line, '\r', (size_t)(end - line))) == NULL || cr + 1 >= end ||
	    cr[1] != '\n' || memchr(line, '\n', (size_t)(cr - line)) != NULL ||
	    memchr(line, '\0', (size_t)(cr - line)) != NULL)
		return NULL;
	*cr = '\0';
	*at = cr + 2;
	return line;
}

/*
 * No path that is served has a percent sign in it.  One that is written properly
 * may pass, and is then not found; it is never decoded.
 */
static bool
path_is_plain(const char *path)
{
	const char *p;

	if (*path != '/')
		return false;
	for (p = path; *p != '\0'; p++) {
		if (*p <= ' ' || *p >= 0x7f || *p == '\\' || *p == '#' ||
		    (*p == '%' &&
			(!isxdigit((unsigned char)p[1]) || !isxdigit((unsigned char)p[2]))))
			return false;
		if (*p == '/' &&
		    (p[1] == '/' ||
			(p[1] == '.' &&
			    (p[2] == '/' || p[2] == '\0' ||
				(p[2] == '.' && (p[3] == '/' || p[3] == '\0'))))))
			return false;
	}
	return true;
}

static int
parse_request_line(char *line, struct http_head *head)
{
	char *target, *version, *p;

	if ((target = strchr(line, ' ')) == NULL)
		return 400;
	*target++ = '\0';
	if ((version = strchr(target, ' ')) == NULL)
		return 400;
	*version++ = '\0';
	for (p = line; *p != '\0'; p++) {
		if (!is_token_char(*p))
			return 400;
	}
	if (strncmp(version, "HTTP/", 5) != 0)
		return 400;
	if (strcmp(version, "HTTP/1.1") == 0)
		head->minor = 1;
	else if (strcmp(version, "HTTP/1.0") != 0)
		return 505;
	head->keep_alive = head->minor == 1;
	if (strcmp(line, "GET") == 0)
		head->method = HTTP_GET;
	else if (strcmp(line, "HEAD") == 0)
		head->method = HTTP_HEAD;
	else if (strcmp(line, "POST") == 0)
		head->method = HTTP_POST;
	else if (strcmp(line, "DELETE") == 0)
		head->method = HTTP_DELETE;
	else
		return *line == '\0' ? 400 : 405;
	if ((head->query = strchr(target, '?')) != NULL)
		*head->query++ = '\0';
	else
		head->query = target + strlen(target);
	for (p = head->query; *p != '\0'; p++) {
		if (*p <= ' ' || *p >= 0x7f || *p == '#')
			return 400;
	}
	head->path = target;
	return path_is_plain(target) ? 0 : 400;
}

static int
parse_field(char *line, struct http_head *head)
{
	char *value, *end, *p;

	if (head->nfields == HTTP_FIELDS_MAX)
		return 431;
	if ((value = strchr(line, ':')) == NULL || value == line)
		return 400;
	*value++ = '\0';
	for (p = line; *p != '\0'; p++) {
		if (!is_token_char(*p))
			return 400;
		*p = (char)tolower((unsigned char)*p);
	}
	while (*value == ' ' || *value == '\t')
		value++;
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	for (p = value; *p != '\0'; p++) {
		if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
			return 400;
	}
	head->field[head->nfields].name = line;
	head->field[head->nfields].value = value;
	head->nfields++;
	return 0;
}

static int
parse_length(const char *value, size_t *length)
{
	size_t n = 0;

	if (*value == '\0')
		return 400;
	for (; *value != '\0'; value++) {
		if (!isdigit((unsigned char)*value))
			return 400;
		if (n <= HTTP_BODY_MAX)
			n = n * 10 + (size_t)(*value - '0');
	}
	*length = n;
	return n > HTTP_BODY_MAX ? 413 : 0;
}

/* What the fields say about the message itself. */
static int
interpret(struct http_head *head)
{
	size_t i, hosts = 0, lengths = 0;
	const char *name, *value;
	int refused;

	for (i = 0; i < head->nfields; i++) {
		name = head->field[i].name;
		value = head->field[i].value;
		if (strcmp(name, "host") == 0) {
			if (hosts++ > 0)
				return 400;
		} else if (strcmp(name, "transfer-encoding") == 0)
			return 501;
		else if (strcmp(name, "content-length") == 0) {
			if (lengths++ > 0)
				return 400;
			if ((refused = parse_length(value, &head->content_length)) != 0)
				return refused;
		} else if (strcmp(name, "connection") == 0) {
			if (http_list_has(value, "close"))
				head->keep_alive = false;
		} else if (strcmp(name, "expect") == 0) {
			if (strcasecmp(value, "100-continue") != 0)
				return 417;
			head->expects_continue = true;
		} else if (strcmp(name, "content-encoding") == 0)
			return 415;
	}
	if (hosts == 0)
		return 400;
	if (lengths == 0 && head->method == HTTP_POST)
		return 411;
	return 0;
}

int
http_parse_head(char *text, size_t len, struct http_head *head)
{
	char *at = text, *end = text + len, *line;
	int refused;

	memset(head, 0, sizeof(*head));
	if (len > HTTP_HEAD_MAX)
		return 431;
	if ((line = next_line(&at, end)) == NULL)
		return 400;
	if ((refused = parse_request_line(line, head)) != 0)
		return refused;
	for (;;) {
		if ((line = next_line(&at, end)) == NULL)
			return 400;
		if (*line == '\0')
			break;
		if ((refused = parse_field(line, head)) != 0)
			return refused;
	}
	if (at != end)
		return 400;
	return interpret(head);
}

const char *
http_head_get(const struct http_head *head, const char *name)
{
	size_t i;

	for (i = 0; i < head->nfields; i++) {
		if (strcmp(head->field[i].name, name) == 0)
			return head->field[i].value;
	}
	return NULL;
}

bool
http_list_has(const char *list, const char *token)
{
	size_t len = strlen(token), n;

	while (list != NULL && *list != '\0') {
		list += strspn(list, " \t,");
		n = strcspn(list, " \t,");
		if (n == len && strncasecmp(list, token, len) == 0)
			return true;
		list += n;
	}
	return false;
}

int
http_query_get(const char *query, const char *name, char *dst, size_t size)
{
	size_t len = strlen(name), n, i;
	const char *value;
	bool found = false;

	*dst = '\0';
	while (*query != '\0') {
		n = strcspn(query, "&");
		if (n > len && strncmp(query, name, len) == 0 && query[len] == '=') {
			value = query + len + 1;
			n -= len + 1;
			if (found || n >= size)
				return -1;
			for (i = 0; i < n; i++) {
				if (!isalnum((unsigned char)value[i]) &&
				    strchr("-._~", value[i]) == NULL)
					return -1;
			}
			memcpy(dst, value, n);
			dst[n] = '\0';
			found = true;
			query = value + n;
		} else
			query += n;
		if (*query == '&')
			query++;
	}
	return found ? 0 : 1;
}
