/* SPDX-License-Identifier: ISC */
/*
 * Values and the rules they keep to.  Where they come from is not known here:
 * config_load.c reads files, config_change() takes what was typed.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_store.h"
#include "wire.h"

#define QUOTE_SIZE 72

char *
config_text(const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	return n == -1 ? NULL : text;
}

int
config_fail(char **error, const struct config_source *from, const char *key, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n == -1) {
		*error = NULL;
		return -1;
	}
	if (from->name != NULL)
		*error = config_text("%s:%d: %s: %s", from->name, from->line, key, text);
	else
		*error = config_text("%s: %s", key, text);
	free(text);
	return -1;
}

/* A value as it may stand in an error text: short, and on one line. */
static const char *
quote(char *out, const char *value)
{
	size_t i;

	for (i = 0; i < QUOTE_SIZE - 4 && value[i] != '\0'; i++)
		out[i] = (unsigned char)value[i] < 0x20 || value[i] == 0x7f ? '?' : value[i];
	if (value[i] != '\0') {
		/* Not in the middle of a character. */
		while (i > 0 && ((unsigned char)value[i] & 0xc0) == 0x80)
			i--;
		memcpy(out + i, "...", 3);
		i += 3;
	}
	out[i] = '\0';
	return out;
}

static void
value_clear(struct config_value *v)
{
	size_t i;

	for (i = 0; i < v->count; i++)
		free(v->items[i]);
	free(v->items);
	memset(v, 0, sizeof(*v));
}

static int
value_copy(struct config_value *to, const char *const *items, size_t count)
{
	size_t i;

	if ((to->items = calloc(count + 1, sizeof(*to->items))) == NULL)
		return -1;
	for (i = 0; i < count; i++, to->count++)
		if ((to->items[i] = strdup(items[i])) == NULL) {
			value_clear(to);
			return -1;
		}
	return 0;
}

/* One string against its rule. */
static int
check_string(
    const struct config_rule *r, const struct config_source *from, const char *s, char **error)
{
	const char *const *choice;
	char quoted[QUOTE_SIZE], why[CONFIG_WHY_SIZE], all[CONFIG_WHY_SIZE];
	size_t i, at, len = strlen(s);

	if (!utf8_valid(s, len))
		return config_fail(error, from, r->path, "not UTF-8");
	for (i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return config_fail(error, from, r->path,
			    "control character in a string (a backslash is written \\\\)");
	if (len == 0 && r->min > 0)
		return config_fail(error, from, r->path, "empty");
	if ((int64_t)len < r->min)
		return config_fail(error, from, r->path, "shorter than %" PRId64 " bytes", r->min);
	if ((int64_t)len > r->max)
		return config_fail(error, from, r->path, "longer than %" PRId64 " bytes", r->max);
	if (r->choices != NULL) {
		for (choice = r->choices, at = 0; *choice != NULL; choice++) {
			if (strcmp(*choice, s) == 0)
				break;
			if (at < sizeof(all))
				at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%s",
				    at == 0 ? "" : ", ", *choice);
		}
		if (*choice == NULL && (r->flags & CONFIG_SECRET) != 0)
			return config_fail(error, from, r->path, "not one of %s", all);
		if (*choice == NULL)
			return config_fail(
			    error, from, r->path, "\"%s\" is not one of %s", quote(quoted, s), all);
	}
	if (r->check != NULL && r->check(s, why, sizeof(why)) == -1)
		return config_fail(error, from, r->path, "%s", why);
	return 0;
}

int
config_store_strings(struct config *c, const struct config_rule *r,
    const struct config_source *from, const char *const *items, size_t count, char **error)
{
	struct config_value *v = &c->values[r - c->rules], fresh = { 0 };
	size_t i, j;

	if (r->type == CONFIG_STRING_LIST) {
		if (count < r->items_min)
			return config_fail(error, from, r->path,
			    "list of %zu; at least %zu are needed", count, r->items_min);
		if (count > r->items_max)
			return config_fail(error, from, r->path,
			    "list of %zu; no more than %zu are taken", count, r->items_max);
	}
	for (i = 0; i < count; i++) {
		if (check_string(r, from, items[i], error) == -1)
			return -1;
		for (j = 0; j < i; j++)
			if (strcmp(items[i], items[j]) == 0)
				return config_fail(error, from, r->path,
				    "item %zu of the list is the same as item %zu", i + 1, j + 1);
	}
	if (value_copy(&fresh, items, count) == -1)
		return config_fail(error, from, r->path, "%s", strerror(errno));
	value_clear(v);
	*v = fresh;
	v->set = true;
	v->line = from->line;
	return 0;
}

int
config_store_integer(struct config *c, const struct config_rule *r,
    const struct config_source *from, int64_t n, char **error)
{
	struct config_value *v = &c->values[r - c->rules];

	if (r->type != CONFIG_BOOLEAN && (n < r->min || n > r->max))
		return config_fail(error, from, r->path,
		    "%" PRId64 "%s is out of range (%" PRId64 " to %" PRId64 "%s)", n,
		    r->type == CONFIG_DURATION ? " s" : "", r->min, r->max,
		    r->type == CONFIG_DURATION ? " s" : "");
	value_clear(v);
	v->set = true;
	v->line = from->line;
	v->integer = n;
	return 0;
}

/* Decimal digits only, at most INT64_MAX. */
static int
parse_digits(const char *s, const char **rest, int64_t *n)
{
	int digit;

	if (*s < '0' || *s > '9')
		return -1;
	for (*n = 0; *s >= '0' && *s <= '9'; s++) {
		digit = *s - '0';
		if (*n > (INT64_MAX - digit) / 10)
			return -1;
		*n = *n * 10 + digit;
	}
	*rest = s;
	return 0;
}

int
config_store_duration(struct config *c, const struct config_rule *r,
    const struct config_source *from, const char *s, char **error)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	char quoted[QUOTE_SIZE];
	const char *rest;
	int64_t n;
	size_t i;

	if (parse_digits(s, &rest, &n) == 0 && rest[0] != '\0' && rest[1] == '\0')
		for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (units[i].letter == rest[0] && n <= INT64_MAX / units[i].seconds)
				return config_store_integer(
				    c, r, from, n * units[i].seconds, error);
	return config_fail(error, from, r->path,
	    "\"%s\" is not a duration such as \"30s\", \"5m\", \"24h\" or \"7d\"",
	    quote(quoted, s));
}

const char *
config_type_wanted(enum config_type type)
{
	switch (type) {
	case CONFIG_STRING:
		return "a string in double quotes";
	case CONFIG_INTEGER:
		return "a whole number";
	case CONFIG_BOOLEAN:
		return "true or false";
	case CONFIG_DURATION:
		return "a duration in double quotes, such as \"30s\" or \"5m\"";
	case CONFIG_STRING_LIST:
		return "a list of strings, [ \"...\", \"...\" ]";
	}
	return "?";
}

struct config *
config_new(const struct config_rule *rules, size_t nrules, const char *name)
{
	struct config *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->rules = rules;
	c->nrules = nrules;
	if ((c->name = strdup(name)) == NULL ||
	    (c->values = calloc(nrules, sizeof(*c->values))) == NULL) {
		config_free(c);
		return NULL;
	}
	return c;
}

void
config_free(struct config *c)
{
	size_t i;

	if (c == NULL)
		return;
	for (i = 0; c->values != NULL && i < c->nrules; i++)
		value_clear(&c->values[i]);
	free(c->values);
	free(c->name);
	free(c);
}

struct config *
config_copy(const struct config *c)
{
	struct config *copy;
	size_t i;

	if ((copy = config_new(c->rules, c->nrules, c->name)) == NULL)
		return NULL;
	for (i = 0; i < c->nrules; i++) {
		const struct config_value *v = &c->values[i];

		if (v->items != NULL &&
		    value_copy(&copy->values[i], (const char *const *)v->items, v->count) == -1) {
			config_free(copy);
			return NULL;
		}
		copy->values[i].set = v->set;
		copy->values[i].line = v->line;
		copy->values[i].integer = v->integer;
	}
	return copy;
}

const struct config_rule *
config_rule_find(const struct config_rule *rules, size_t nrules, const char *path)
{
	size_t i;

	for (i = 0; i < nrules; i++)
		if (strcmp(rules[i].path, path) == 0)
			return &rules[i];
	return NULL;
}

const struct config_value *
config_value_find(const struct config *c, const char *path)
{
	const struct config_rule *r = config_rule_find(c->rules, c->nrules, path);
	const struct config_value *v;

	if (r == NULL)
		return NULL;
	v = &c->values[r - c->rules];
	return v->set ? v : NULL;
}

const char *
config_value_string(const struct config *c, const char *path)
{
	const struct config_value *v = config_value_find(c, path);

	return v != NULL && v->count > 0 ? v->items[0] : NULL;
}

void
config_unset(struct config *c, const char *path)
{
	const struct config_rule *r = config_rule_find(c->rules, c->nrules, path);

	if (r != NULL)
		value_clear(&c->values[r - c->rules]);
}

static int
change_list(struct config *c, const struct config_rule *r, const struct config_source *from,
    const char *text, char **error)
{
	const char **items = NULL;
	char *copy, *rest, *item;
	size_t n = 0;
	int result = -1;

	if ((copy = strdup(text)) == NULL ||
	    (items = calloc(r->items_max + 1, sizeof(*items))) == NULL) {
		config_fail(error, from, r->path, "%s", strerror(errno));
		goto out;
	}
	rest = copy;
	while ((item = strsep(&rest, ", \t\r\n")) != NULL) {
		if (*item == '\0')
			continue;
		if (n == r->items_max) {
			config_fail(
			    error, from, r->path, "no more than %zu are taken", r->items_max);
			goto out;
		}
		items[n++] = item;
	}
	result = config_store_strings(c, r, from, items, n, error);
out:
	free(items);
	free(copy);
	return result;
}

int
config_change(struct config *c, const char *path, const char *text, char **error)
{
	const struct config_rule *r = config_rule_find(c->rules, c->nrules, path);
	struct config_source from = { 0 };
	char quoted[QUOTE_SIZE];
	const char *rest;
	int64_t n;

	*error = NULL;
	if (r == NULL)
		return config_fail(error, &from, quote(quoted, path), "unknown key");
	switch (r->type) {
	case CONFIG_STRING:
		return config_store_strings(c, r, &from, &text, 1, error);
	case CONFIG_STRING_LIST:
		return change_list(c, r, &from, text, error);
	case CONFIG_DURATION:
		return config_store_duration(c, r, &from, text, error);
	case CONFIG_BOOLEAN:
		if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
			return config_store_integer(c, r, &from, text[0] == 't', error);
		break;
	case CONFIG_INTEGER:
		if (parse_digits(text + (text[0] == '-'), &rest, &n) == 0 && *rest == '\0')
			return config_store_integer(c, r, &from, text[0] == '-' ? -n : n, error);
		break;
	}
	return config_fail(error, &from, r->path, "\"%s\" is not %s", quote(quoted, text),
	    config_type_wanted(r->type));
}

int
config_check_path(const char *value, char *why, size_t size)
{
	const char *part, *end;

	if (value[0] != '/') {
		snprintf(why, size, "not an absolute path; it begins with /");
		return -1;
	}
	for (part = value + 1;; part = end + 1) {
		end = strchrnul(part, '/');
		if (end == part || (end - part == 1 && part[0] == '.') ||
		    (end - part == 2 && part[0] == '.' && part[1] == '.')) {
			snprintf(why, size, "path with an empty part, \".\" or \"..\"");
			return -1;
		}
		if (*end == '\0')
			return 0;
	}
}
