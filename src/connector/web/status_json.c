/* SPDX-License-Identifier: ISC */
/*
 * The status document: see status_json.h.  Pure: no message, no connection.
 */
#include "status_json.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define KEY_ALPHABET "abcdefghijklmnopqrstuvwxyz0123456789_"
#define INTEGER_DIGITS_MAX 15 /* exact in every JSON reader: below 2^53 */

static const char *
value_of(const struct status_pair *pairs, size_t n, const char *key)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(pairs[i].key, key) == 0)
			return pairs[i].value;
	return "";
}

static bool
one_of(const char *word, const char *const words[])
{
	for (; *words != NULL; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

/* {"status", "code", "text"}; reason is the finer code of what went wrong. */
static json_t *
state(bool healthy, const char *word, const char *reason, const char *text)
{
	json_t *object;

	if (*word == '\0')
		word = "unknown";
	object = json_pack("{s:s,s:s}", "status",
	    healthy		? STATUS_HEALTHY
		: *text == '\0' ? word
				: text,
	    "code", healthy ? "connected" : word);
	if (object != NULL && !healthy && *reason != '\0' && strcmp(reason, word) != 0)
		json_object_set_new(object, "reason", json_string(reason));
	return object;
}

static json_t *
links(const struct status_pair *pairs, size_t n)
{
	static const char *const online[] = { "online", "connected", "ok", NULL };
	const char *reason, *text, *word;
	bool up;

	word = value_of(pairs, n, "tunnel.state");
	reason = value_of(pairs, n, "tunnel.code");
	text = value_of(pairs, n, "tunnel.text");
	up = one_of(word, online);
	/* Connected but not approved: the link stands, logins do not come. */
	return json_pack("{s:o,s:o}", "upstream",
	    state(up || strcmp(word, "pending") == 0, word, reason, text), "auth",
	    state(up, word, reason, text));
}

static json_t *
directory(const struct status_pair *pairs, size_t n)
{
	static const char *const fine[] = { "ok", "connected", "online", NULL };
	const char *word;

	word = value_of(pairs, n, "directory.state");
	return state(one_of(word, fine), word, value_of(pairs, n, "directory.code"),
	    value_of(pairs, n, "directory.text"));
}

/* Counters are numbers for whoever draws them; all else, identifiers too, is text. */
static json_t *
value_json(const char *key, const char *value)
{
	static const char *const prefixes[] = { "logins.", "uptime", "connections.", "clock.",
		"tunnel.since", "directory.since", NULL };
	const char *digits = value[0] == '-' && value[1] != '0' ? value + 1 : value;
	size_t i, len;

	len = strlen(digits);
	if (len > 0 && len <= INTEGER_DIGITS_MAX && strspn(digits, "0123456789") == len &&
	    (len == 1 || digits[0] != '0'))
		for (i = 0; prefixes[i] != NULL; i++)
			if (strncmp(key, prefixes[i], strlen(prefixes[i])) == 0)
				return json_integer(strtoll(value, NULL, 10));
	return json_string(value);
}

static void
put(json_t *data, const char *key, const char *value)
{
	char name[STATUS_KEY_SIZE];
	const char *dot, *rest;
	json_t *at, *next;
	size_t len;
	int depth;

	at = data;
	rest = key;
	for (depth = 0;; depth++) {
		dot = strchr(rest, '.');
		len = dot == NULL ? strlen(rest) : (size_t)(dot - rest);
		if (len == 0 || len >= sizeof(name) || strspn(rest, KEY_ALPHABET) < len ||
		    depth >= STATUS_DEPTH_MAX)
			return;
		memcpy(name, rest, len);
		name[len] = '\0';
		next = json_object_get(at, name);
		if (dot == NULL)
			break;
		if (next == NULL) {
			if (json_object_set_new(at, name, json_object()) == -1)
				return;
			next = json_object_get(at, name);
		}
		if (!json_is_object(next))
			return;
		at = next;
		rest = dot + 1;
	}
	if (next == NULL)
		json_object_set_new(at, name, value_json(key, value));
}

json_t *
status_document(const struct status_pair *pairs, size_t n)
{
	json_t *data;
	size_t i;

	/* First, so that no key of the parent's can take these places. */
	data = json_pack("{s:o,s:o}", "ws", links(pairs, n), "ad", directory(pairs, n));
	if (data == NULL)
		return NULL;
	for (i = 0; i < n; i++)
		if (strncmp(pairs[i].key, "ws.", 3) != 0 && strncmp(pairs[i].key, "ad.", 3) != 0)
			put(data, pairs[i].key, pairs[i].value);
	return json_pack("{s:i,s:s,s:o}", "code", 200, "message", "ok", "data", data);
}

json_t *
status_document_open(const struct status_pair *pairs, size_t n)
{
	static const char *const keys[] = { "tunnel.state", "tunnel.code", "directory.state",
		"directory.code" };
	struct status_pair open[sizeof(keys) / sizeof(keys[0])];
	size_t i, count = sizeof(keys) / sizeof(keys[0]);

	/* Texts for people name servers. */
	for (i = 0; i < count; i++) {
		open[i].key = keys[i];
		open[i].value = value_of(pairs, n, keys[i]);
	}
	return json_pack("{s:i,s:s,s:{s:o,s:o}}", "code", 200, "message", "ok", "data", "ws",
	    links(open, count), "ad", directory(open, count));
}
