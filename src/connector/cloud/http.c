/* SPDX-License-Identifier: ISC */
/*
 * The reader of answers' heads: see http.h.
 *
 * Refused: bare LF, folded lines, white space before a colon, control bytes, a
 * field that decides about framing or the upgrade twice (RFC 9112 2.2, 5.1, 5.2, 6.3).
 */
#include "http.h"

#include <bsd/string.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FIELDS_MAX 64

/* A piece of the head, not terminated. */
struct piece {
	const char *at;
	size_t len;
};

/* Fields that may come at most once. */
enum field {
	FIELD_LENGTH = 1,
	FIELD_TYPE = 2,
	FIELD_ACCEPT = 4,
	FIELD_PROTOCOL = 8,
	FIELD_UPGRADE = 16,
	FIELD_ENCODING = 32
};

static bool
is_token_char(unsigned char c)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c != '\0' && strchr(others, c) != NULL);
}

static bool
is_value_char(unsigned char c)
{
	return c == '\t' || (c >= ' ' && c != 0x7f);
}

static bool
piece_is(struct piece p, const char *word)
{
	return p.len == strlen(word) && strncasecmp(p.at, word, p.len) == 0;
}

static void
piece_trim(struct piece *p)
{
	while (p->len > 0 && (p->at[0] == ' ' || p->at[0] == '\t')) {
		p->at++;
		p->len--;
	}
	while (p->len > 0 && (p->at[p->len - 1] == ' ' || p->at[p->len - 1] == '\t'))
		p->len--;
}

/* Is word among the members of a comma-separated list, each up to a ";" or blank? */
static bool
list_has(struct piece list, const char *word)
{
	struct piece member;
	const char *end;
	size_t i;

	while (list.len > 0) {
		end = memchr(list.at, ',', list.len);
		member.at = list.at;
		member.len = end == NULL ? list.len : (size_t)(end - list.at);
		list.at += end == NULL ? list.len : member.len + 1;
		list.len -= end == NULL ? list.len : member.len + 1;
		piece_trim(&member);
		for (i = 0; i < member.len; i++)
			if (member.at[i] == ';' || member.at[i] == ' ' || member.at[i] == '\t')
				break;
		member.len = i;
		if (piece_is(member, word))
			return true;
	}
	return false;
}

/* Decimal digits only: no sign, no blank, at most what a size_t of any machine holds. */
static int
read_length(struct piece p, size_t *length)
{
	size_t i, n = 0;

	if (p.len == 0 || p.len > 9)
		return -1;
	for (i = 0; i < p.len; i++) {
		if (p.at[i] < '0' || p.at[i] > '9')
			return -1;
		n = n * 10 + (size_t)(p.at[i] - '0');
	}
	*length = n;
	return 0;
}

static void
copy(struct piece p, char *dst, size_t size)
{
	if (p.len < size) {
		memcpy(dst, p.at, p.len);
		dst[p.len] = '\0';
	}
}

/* -1 when a field comes a second time that must not. */
static int
once(unsigned int *seen, enum field field)
{
	if ((*seen & field) != 0)
		return -1;
	*seen |= field;
	return 0;
}

static const char *
take_field(struct http_head *head, struct piece name, struct piece value, unsigned int *seen)
{
	int result = 0;

	if (piece_is(name, "content-length")) {
		head->has_length = true;
		if (read_length(value, &head->length) == -1)
			return "its Content-Length is no number";
		result = once(seen, FIELD_LENGTH);
	} else if (piece_is(name, "transfer-encoding")) {
		head->transfer_encoding = true;
	} else if (piece_is(name, "content-encoding")) {
		result = once(seen, FIELD_ENCODING);
		head->content_encoding = !piece_is(value, "identity");
	} else if (piece_is(name, "content-type")) {
		result = once(seen, FIELD_TYPE);
		head->json = list_has(value, "application/json");
	} else if (piece_is(name, "proxy-authenticate")) {
		head->basic = head->basic ||
		    (value.len >= 5 && strncasecmp(value.at, "basic", 5) == 0) ||
		    list_has(value, "basic");
	} else if (piece_is(name, "upgrade")) {
		result = once(seen, FIELD_UPGRADE);
		head->upgrade_websocket = piece_is(value, "websocket");
	} else if (piece_is(name, "connection")) {
		head->connection_upgrade = head->connection_upgrade || list_has(value, "upgrade");
	} else if (piece_is(name, "sec-websocket-accept")) {
		result = once(seen, FIELD_ACCEPT);
		copy(value, head->accept, sizeof(head->accept));
	} else if (piece_is(name, "sec-websocket-protocol")) {
		result = once(seen, FIELD_PROTOCOL);
		copy(value, head->protocol, sizeof(head->protocol));
	} else if (piece_is(name, "sec-websocket-extensions")) {
		head->extensions = true;
	}
	return result == 0 ? NULL : "it says the same thing twice";
}

/* "HTTP/1.x NNN words" (RFC 9112 4); the words may be missing. */
static int
read_status_line(struct piece line, unsigned int *status)
{
	size_t i;

	if (line.len < 12 || memcmp(line.at, "HTTP/1.", 7) != 0 ||
	    (line.at[7] != '0' && line.at[7] != '1') || line.at[8] != ' ' ||
	    (line.len > 12 && line.at[12] != ' '))
		return -1;
	*status = 0;
	for (i = 9; i < 12; i++) {
		if (line.at[i] < '0' || line.at[i] > '9')
			return -1;
		*status = *status * 10 + (unsigned int)(line.at[i] - '0');
	}
	for (i = 12; i < line.len; i++)
		if (!is_value_char((unsigned char)line.at[i]))
			return -1;
	return *status >= 100 && *status <= 599 ? 0 : -1;
}

static const char *
read_field(struct http_head *head, struct piece line, unsigned int *seen)
{
	struct piece name, value;
	size_t i;

	for (i = 0; i < line.len && is_token_char((unsigned char)line.at[i]); i++)
		continue;
	if (i == 0 || i == line.len || line.at[i] != ':')
		return "a line of its head is no header field";
	name.at = line.at;
	name.len = i;
	value.at = line.at + i + 1;
	value.len = line.len - i - 1;
	for (i = 0; i < value.len; i++)
		if (!is_value_char((unsigned char)value.at[i]))
			return "its head holds control characters";
	piece_trim(&value);
	return take_field(head, name, value, seen);
}

/* The next line without its CRLF. 1, 0 when it is not all there, -1 when it ends otherwise. */
static int
next_line(const char *data, size_t len, size_t *at, struct piece *line)
{
	const char *end;

	if ((end = memchr(data + *at, '\n', len - *at)) == NULL)
		return 0;
	line->at = data + *at;
	line->len = (size_t)(end - line->at);
	if (line->len == 0 || line->at[line->len - 1] != '\r')
		return -1;
	line->len--;
	*at += line->len + 2;
	return 1;
}

ssize_t
http_read_head(const char *data, size_t len, struct http_head *head, const char **why)
{
	struct piece line;
	unsigned int seen = 0, fields;
	size_t at = 0, all = len;
	int got;

	memset(head, 0, sizeof(*head));
	if (len > HTTP_HEAD_MAX)
		len = HTTP_HEAD_MAX;
	*why = "it does not begin as HTTP does";
	if (memcmp(data, "HTTP/1.", len < 7 ? len : 7) != 0)
		return -1;
	if ((got = next_line(data, len, &at, &line)) == 1 &&
	    read_status_line(line, &head->status) == -1)
		return -1;
	for (fields = 0; got == 1; fields++) {
		if ((got = next_line(data, len, &at, &line)) != 1)
			break;
		if (line.len == 0)
			return (ssize_t)at;
		*why = "its head has too many fields";
		if (fields == FIELDS_MAX || (*why = read_field(head, line, &seen)) != NULL)
			return -1;
	}
	if (got == 0 && all < HTTP_HEAD_MAX)
		return 0;
	*why = got == 0 ? "its head is too long" : "a line of its head ends without CRLF";
	return -1;
}

const char *
http_body_refused(const struct http_head *head)
{
	if (head->transfer_encoding)
		return "its answer comes without a length (Transfer-Encoding)";
	if (head->content_encoding)
		return "its answer is encoded";
	if (!head->has_length)
		return "its answer comes without a length";
	if (head->length > HTTP_BODY_MAX)
		return "its answer is too long";
	return NULL;
}

int
http_host(const char *host, unsigned int port, unsigned int default_port, char *text, size_t size)
{
	bool six = strchr(host, ':') != NULL;
	int n;

	if (port == default_port)
		n = snprintf(text, size, six ? "[%s]" : "%s", host);
	else
		n = snprintf(text, size, six ? "[%s]:%u" : "%s:%u", host, port);
	return n < 0 || (size_t)n >= size ? -1 : 0;
}
