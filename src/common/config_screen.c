/* SPDX-License-Identifier: ISC */
/*
 * A lexer with the states of libconfig's own (text, string, comment) and next
 * to no grammar: whether the text makes sense is for libconfig to say.  It
 * refuses what libconfig would take and should not, and, as that knows only
 * "syntax error", the mistakes that people make most, with what to write.
 */
#include "config_screen.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "wire.h"

struct screen {
	const char *name;
	const char *text;
	const char *at;
	const char *end;
	int line;
	struct config_keys *keys;
	char **error;

	char prefix[CONFIG_PATH_MAX];	 /* of the group we are in: "directory.tls." */
	size_t starts[CONFIG_DEPTH_MAX]; /* length of prefix outside each open group */
	char open[CONFIG_DEPTH_MAX];	 /* the brackets that are open */
	size_t depth;
	size_t lists; /* how many of them are ( or [ */
	bool value;   /* after "=", before the value */
	int assigned; /* the line of the last "=" */
	bool named;   /* the token before was a key */
};

static int screen_fail(struct screen *, const char *, ...) __attribute__((format(printf, 2, 3)));

static const char *
last_key(const struct screen *s)
{
	return s->keys->count == 0 ? NULL : s->keys->keys[s->keys->count - 1].path;
}

static int
screen_fail(struct screen *s, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n == -1) {
		*s->error = NULL;
		return -1;
	}
	if (last_key(s) != NULL && (s->value || s->lists > 0))
		*s->error = config_text("%s:%d: %s: %s", s->name, s->line, last_key(s), text);
	else
		*s->error = config_text("%s:%d: %s", s->name, s->line, text);
	free(text);
	return -1;
}

static int
key_add(struct screen *s, const char *name, size_t len)
{
	struct config_keys *k = s->keys;
	struct config_key *grown, key;
	size_t i, size, before = strlen(s->prefix);

	if (k->count == CONFIG_KEYS_MAX)
		return screen_fail(s, "more than %d keys in one file", CONFIG_KEYS_MAX);
	if (before + len >= sizeof(key.path)) {
		*s->error = config_text("%s:%d: %.32s...: unknown key", s->name, s->line, name);
		return -1;
	}
	memcpy(key.path, s->prefix, before);
	memcpy(key.path + before, name, len);
	key.path[before + len] = '\0';
	key.line = s->line;
	key.bare = false;
	key.brace = 0;
	for (i = 0; i < k->count; i++) {
		if (strcmp(k->keys[i].path, key.path) != 0)
			continue;
		*s->error = config_text("%s:%d: %s: given twice, first on line %d", s->name,
		    s->line, key.path, k->keys[i].line);
		return -1;
	}
	if (k->count == k->size) {
		size = k->size == 0 ? 32 : k->size * 2;
		if ((grown = reallocarray(k->keys, size, sizeof(*grown))) == NULL)
			return screen_fail(s, "%s", strerror(errno));
		k->keys = grown;
		k->size = size;
	}
	k->keys[k->count++] = key;
	return 0;
}

static int
bracket_open(struct screen *s, char bracket)
{
	const char *path;

	if (s->depth == CONFIG_DEPTH_MAX)
		return screen_fail(
		    s, "groups and lists nested more than %d deep", CONFIG_DEPTH_MAX);
	s->starts[s->depth] = strlen(s->prefix);
	s->open[s->depth++] = bracket;
	if (bracket != '{')
		s->lists++;
	else if (s->lists == 0 && (path = last_key(s)) != NULL) {
		/* A key's path is the prefix and its name: so is the new prefix. */
		if (strlen(path) + 2 > sizeof(s->prefix))
			return screen_fail(s, "unknown key");
		snprintf(s->prefix, sizeof(s->prefix), "%s.", path);
		if (s->named) {
			s->keys->keys[s->keys->count - 1].bare = true;
			s->keys->keys[s->keys->count - 1].brace = (size_t)(s->at - s->text);
		}
	}
	s->value = false;
	return 0;
}

static void
bracket_close(struct screen *s)
{
	/* One too many is libconfig's to refuse. */
	if (s->depth == 0)
		return;
	s->depth--;
	if (s->open[s->depth] != '{')
		s->lists--;
	s->prefix[s->starts[s->depth]] = '\0';
	s->value = false;
}

static int
screen_escape(struct screen *s)
{
	const char *p = s->at + 1; /* after the backslash */

	if (p < s->end && strchr("nrtf\\\"", *p) != NULL && *p != '\0') {
		s->at += 2;
		return 0;
	}
	if (s->end - p >= 3 && (*p == 'x' || *p == 'X') && isxdigit((unsigned char)p[1]) &&
	    isxdigit((unsigned char)p[2])) {
		if (p[1] == '0' && p[2] == '0')
			return screen_fail(s, "\\x00 in a string");
		s->at += 4;
		return 0;
	}
	return screen_fail(
	    s, "backslash without a meaning in a string; a backslash itself is written \\\\");
}

/* No setting may have the end of a line in it: the quote is missing on this one. */
static int
screen_string(struct screen *s)
{
	s->at++;
	while (s->at < s->end && *s->at != '"' && *s->at != '\n') {
		if (*s->at != '\\')
			s->at++;
		else if (screen_escape(s) == -1)
			return -1;
	}
	if (s->at == s->end || *s->at == '\n')
		return screen_fail(s, "string without its closing quote");
	s->at++;
	s->value = false;
	return 0;
}

/* Skips white space and comments; -1 for a comment that is never closed. */
static int
screen_space(struct screen *s)
{
	int first;

	for (;;) {
		if (s->at == s->end)
			return 0;
		if (strchr(" \t\r\f\n", *s->at) != NULL) {
			if (*s->at == '\n')
				s->line++;
			s->at++;
		} else if (*s->at == '#' || (s->at[0] == '/' && s->at[1] == '/')) {
			while (s->at < s->end && *s->at != '\n')
				s->at++;
		} else if (s->at[0] == '/' && s->at[1] == '*') {
			first = s->line;
			for (s->at += 2; s->at < s->end; s->at++) {
				if (s->at[0] == '*' && s->at[1] == '/')
					break;
				if (*s->at == '\n')
					s->line++;
			}
			if (s->at == s->end) {
				s->line = first;
				return screen_fail(s, "comment without its closing */");
			}
			s->at += 2;
		} else
			return 0;
	}
}

static int
screen_number(struct screen *s)
{
	const char *start = s->at, *digits;
	long long n;
	char *rest;

	if (*s->at == '-' || *s->at == '+')
		s->at++;
	digits = s->at;
	while (isdigit((unsigned char)*s->at))
		s->at++;
	if (*s->at == '.' || *s->at == 'e' || *s->at == 'E') {
		/* A fraction: no rule takes one, and libconfig tells its type. */
		while (isalnum((unsigned char)*s->at) || *s->at == '.' ||
		    ((*s->at == '-' || *s->at == '+') && tolower((unsigned char)s->at[-1]) == 'e'))
			s->at++;
		s->value = false;
		return 0;
	}
	if (s->at == digits)
		return 0; /* a sign alone: libconfig refuses it */
	if (*s->at == 'x' || *s->at == 'X')
		return screen_fail(s, "write the number in decimal");
	if (*digits == '0' && s->at - digits > 1)
		return screen_fail(s, "number with leading zeros; write it without");
	errno = 0;
	n = strtoll(start, &rest, 10);
	if (errno == ERANGE)
		return screen_fail(s, "number out of range");
	if (*s->at == 'L') {
		s->at += s->at[1] == 'L' ? 2 : 1;
	} else if (n < INT32_MIN || n > INT32_MAX)
		return screen_fail(
		    s, "number out of range (above 32 bits it needs an L at its end)");
	s->value = false;
	return 0;
}

static bool
is_boolean(const char *text, size_t len)
{
	return (len == 4 && strncasecmp(text, "true", 4) == 0) ||
	    (len == 5 && strncasecmp(text, "false", 5) == 0);
}

/* What comes next, the end too, stands where a value must and cannot begin one. */
static int
screen_no_value(struct screen *s)
{
	/* Nothing need end a line, so that what is on a later one is the next key. */
	if (s->at == s->end || s->line != s->assigned || strchr(";,})]", *s->at) != NULL) {
		s->line = s->assigned;
		return screen_fail(s, "its value is missing");
	}
	return screen_fail(
	    s, "this is no string, number, true or false; a string stands in \"quotes\"");
}

static int
screen_token(struct screen *s)
{
	const char *start = s->at;

	if (isalpha((unsigned char)*start) || *start == '*') {
		while (isalnum((unsigned char)*s->at) || *s->at == '*' || *s->at == '-' ||
		    *s->at == '_')
			s->at++;
		if (s->value || s->lists > 0) {
			if (s->value && !is_boolean(start, (size_t)(s->at - start))) {
				s->at = start;
				return screen_no_value(s);
			}
			s->value = false;
			return 0;
		}
		if (key_add(s, start, (size_t)(s->at - start)) == -1)
			return -1;
		s->named = true;
		return 0;
	}
	if (isdigit((unsigned char)*start) ||
	    ((*start == '-' || *start == '+') &&
		(isdigit((unsigned char)start[1]) || start[1] == '.')))
		return screen_number(s);
	switch (*start) {
	case '"':
		return screen_string(s);
	case '@':
		return screen_fail(s,
		    strncmp(start, "@include", 8) == 0
			? "@include is not taken; write all settings into this one file"
			: "stray @");
	case '=':
	case ':':
		if (s->value)
			return screen_no_value(s);
		s->value = true;
		s->assigned = s->line;
		break;
	case '.':
		if (s->named)
			return screen_fail(s,
			    "%s.: what is in a group is written in it: %s { ... }", last_key(s),
			    last_key(s) + strlen(s->prefix));
		break;
	case '{':
	case '[':
	case '(':
		if (bracket_open(s, *start) == -1)
			return -1;
		break;
	case '}':
	case ']':
	case ')':
		if (s->value)
			return screen_no_value(s);
		bracket_close(s);
		break;
	default:
		if (s->value)
			return screen_no_value(s);
		break;
	}
	s->at++;
	return 0;
}

/* NUL bytes and bad UTF-8, with the line they are on. */
static int
screen_bytes(struct screen *s)
{
	const char *line = s->at, *next;
	size_t len;

	if (s->end - s->at >= 3 && memcmp(s->at, "\xef\xbb\xbf", 3) == 0)
		return screen_fail(s, "begins with a byte order mark; save it without");
	for (s->line = 1; line < s->end; line = next, s->line++) {
		next = memchr(line, '\n', (size_t)(s->end - line));
		next = next == NULL ? s->end : next + 1;
		len = (size_t)(next - line);
		if (memchr(line, '\0', len) != NULL)
			return screen_fail(s, "NUL byte in the file");
		if (!utf8_valid(line, len))
			return screen_fail(s, "text is not UTF-8");
	}
	s->line = 1;
	return 0;
}

int
config_screen(
    const char *name, const char *text, size_t len, struct config_keys *keys, char **error)
{
	struct screen s = {
		.name = name,
		.text = text,
		.at = text,
		.end = text + len,
		.line = 1,
		.keys = keys,
		.error = error,
	};
	bool was_named;

	if (screen_bytes(&s) == -1)
		return -1;
	for (;;) {
		if (screen_space(&s) == -1)
			return -1;
		if (s.at == s.end)
			return s.value ? screen_no_value(&s) : 0;
		was_named = s.named;
		if (screen_token(&s) == -1)
			return -1;
		if (was_named)
			s.named = false;
	}
}

void
config_keys_free(struct config_keys *keys)
{
	free(keys->keys);
	memset(keys, 0, sizeof(*keys));
}

int
config_keys_line(const struct config_keys *keys, const char *path)
{
	size_t i;

	for (i = 0; i < keys->count; i++)
		if (strcmp(keys->keys[i].path, path) == 0)
			return keys->keys[i].line;
	return 0;
}
