/* SPDX-License-Identifier: ISC */
/*
 * Three layers put together: the file, what was saved through ctl, the defaults.
 * The rules that bind one key are in settings_rules.c, those that bind several
 * are here.
 */
#include "settings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settings_rules.h"
#include "common/message.h"
#include "common/wire.h"

/* Server, base, user, credential and TLS: who sets one must be able to set all. */
static const char *const together[] = { "directory.server", "directory.base", "directory.user",
	"directory.password_file", "directory.tls.mode", "directory.tls.ca", "directory.tls.name",
	"directory.tls.allow_clear" };

#define NTOGETHER (sizeof(together) / sizeof(together[0]))

static bool
is_together(const char *key)
{
	size_t i;

	for (i = 0; i < NTOGETHER; i++)
		if (strcmp(together[i], key) == 0)
			return true;
	return settings_is_password(key);
}

/* The first of the keys that stand together and are in the file, or NULL. */
static const char *
fixed_together(const struct settings *s)
{
	size_t i;

	for (i = 0; i < NTOGETHER; i++)
		if (config_value_find(s->file, together[i]) != NULL)
			return together[i];
	return NULL;
}

bool
settings_saved_password_allowed(const struct settings *s)
{
	return fixed_together(s) == NULL;
}

const char *
settings_fixed(const struct settings *s, size_t *line)
{
	const char *key = fixed_together(s);

	if (key != NULL)
		*line = (size_t)config_value_find(s->file, key)->line;
	return key;
}

/* The value in force, or NULL. */
static const struct config_value *
find(const struct settings *s, const char *key, enum settings_origin *origin)
{
	const struct config_value *v;

	*origin = SETTINGS_FILE;
	if ((v = config_value_find(s->file, key)) != NULL)
		return v;
	*origin = SETTINGS_SAVED;
	if ((v = config_value_find(s->saved, key)) != NULL &&
	    (!is_together(key) || fixed_together(s) == NULL))
		return v;
	*origin = SETTINGS_DEFAULT;
	return config_value_find(s->defaults, key);
}

static const char *
find_string(const struct settings *s, const char *key)
{
	enum settings_origin origin;
	const struct config_value *v = find(s, key, &origin);

	return v == NULL ? NULL : v->items[0];
}

/* For keys that have a default or mean 0 without one. */
static int64_t
find_integer(const struct settings *s, const char *key)
{
	enum settings_origin origin;
	const struct config_value *v = find(s, key, &origin);

	return v == NULL ? 0 : v->integer;
}

static struct settings_list
find_list(const struct settings *s, const char *key)
{
	enum settings_origin origin;
	const struct config_value *v = find(s, key, &origin);
	struct settings_list list = { 0 };

	if (v != NULL) {
		list.items = v->items;
		list.count = v->count;
	}
	return list;
}

/* "FILE:LINE: KEY: text", or "KEY: text" when the value is not the file's. Always -1. */
static int refuse(const struct settings *, const char *key, char **error, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static int
refuse(const struct settings *s, const char *key, char **error, const char *fmt, ...)
{
	enum settings_origin origin;
	const struct config_value *v = find(s, key, &origin);
	const struct config *from = origin == SETTINGS_FILE ? s->file : s->saved;
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
	if (v != NULL && origin != SETTINGS_DEFAULT && v->line > 0)
		*error = config_text("%s:%d: %s: %s", from->name, v->line, key, text);
	else
		*error = config_text("%s: %s", key, text);
	free(text);
	return -1;
}

static enum settings_tls_mode
tls_mode(const struct settings *s)
{
	const char *mode = find_string(s, "directory.tls.mode");

	if (mode != NULL)
		return strcmp(mode, "ldaps") == 0   ? SETTINGS_TLS_LDAPS
		    : strcmp(mode, "starttls") == 0 ? SETTINGS_TLS_STARTTLS
						    : SETTINGS_TLS_NONE;
	/* Not said: what the scheme asks for, and never less than TLS. */
	if (s->directory.nservers > 0 && s->directory.servers[0].scheme == ENDPOINT_LDAP)
		return SETTINGS_TLS_STARTTLS;
	return SETTINGS_TLS_LDAPS;
}

/*
 * The typed values from the layers.  Each was checked against its rule, so what
 * can fail here is a rule that says less than its parser.
 */
static int
fill(struct settings *s, char **error)
{
	struct endpoint_login login;
	struct settings_list list;
	char why[CONFIG_WHY_SIZE];
	const char *proxy, *page;
	size_t i;

	s->state_dir = find_string(s, "state_dir");
	s->runtime_dir = find_string(s, "runtime_dir");
	s->uid_base = (uint32_t)find_integer(s, "uid_base");
	s->log.level = (enum log_level)log_level_from_word(find_string(s, "log.level"));
	s->log.json = strcmp(find_string(s, "log.format"), "json") == 0;

	list = find_list(s, "directory.server");
	s->directory.nservers = list.count;
	for (i = 0; i < list.count; i++)
		if (endpoint_parse_directory(
			list.items[i], &s->directory.servers[i], why, sizeof(why)) == -1)
			return refuse(s, "directory.server", error, "%s", why);
	s->directory.base = find_string(s, "directory.base");
	s->directory.user = find_string(s, "directory.user");
	s->directory.password_file = find_string(s, "directory.password_file");
	s->directory.tls_mode = tls_mode(s);
	s->directory.tls_ca = find_string(s, "directory.tls.ca");
	s->directory.tls_name = find_string(s, "directory.tls.name");
	s->directory.allow_clear = find_integer(s, "directory.tls.allow_clear") != 0;
	s->directory.connections_min = (unsigned int)find_integer(s, "directory.connections.min");
	s->directory.connections_max = (unsigned int)find_integer(s, "directory.connections.max");

	memset(&s->cloud, 0, sizeof(s->cloud));
	if ((proxy = find_string(s, "cloud.proxy")) != NULL) {
		if (endpoint_parse_proxy(proxy, &s->cloud.proxy, &login, why, sizeof(why)) == -1)
			return refuse(s, "cloud.proxy", error, "%s", why);
		s->cloud.has_proxy = true;
		memcpy(s->cloud.proxy_user, login.user, sizeof(login.user));
		explicit_bzero(&login, sizeof(login));
	}
	s->cloud.proxy_password_file = find_string(s, "cloud.proxy_password_file");
	s->cloud.ca = find_string(s, "cloud.ca");

	s->policy.allow = 0;
	list = find_list(s, "policy.allow");
	for (i = 0; i < list.count; i++)
		s->policy.allow |= settings_allow_bit(list.items[i]);
	s->policy.deny_privileged = find_integer(s, "policy.deny_privileged") != 0;
	s->policy.allow_groups = find_list(s, "policy.allow_groups");
	s->policy.deny_groups = find_list(s, "policy.deny_groups");
	s->policy.lockout_margin = (unsigned int)find_integer(s, "policy.lockout_margin");
	s->policy.lockout_threshold_unknown =
	    (unsigned int)find_integer(s, "policy.lockout_threshold_unknown");

	page = find_string(s, "web.listen");
	s->web.on = !settings_page_off(page);
	if (s->web.on && endpoint_parse_local(page, &s->web.listen, why, sizeof(why)) == -1)
		return refuse(s, "web.listen", error, "%s", why);
	return 0;
}

static int
check_servers(const struct settings *s, char **error)
{
	const struct endpoint *first = &s->directory.servers[0];
	size_t i;

	for (i = 1; i < s->directory.nservers; i++) {
		if (first->scheme == ENDPOINT_DOMAIN ||
		    s->directory.servers[i].scheme == ENDPOINT_DOMAIN)
			return refuse(s, "directory.server", error,
			    "a domain name stands alone; it finds all servers by itself");
		if (s->directory.servers[i].scheme != first->scheme)
			return refuse(s, "directory.server", error,
			    "ldap:// and ldaps:// in one list; one tls.mode holds for all servers");
	}
	if (s->directory.nservers == 0 || first->scheme == ENDPOINT_DOMAIN)
		return 0;
	if (first->scheme == ENDPOINT_LDAPS && s->directory.tls_mode != SETTINGS_TLS_LDAPS)
		return refuse(s, "directory.tls.mode", error,
		    "\"%s\" does not go with ldaps:// in directory.server; "
		    "write ldap:// there, or mode \"ldaps\"",
		    settings_tls_mode_name(s->directory.tls_mode));
	if (first->scheme == ENDPOINT_LDAP && s->directory.tls_mode == SETTINGS_TLS_LDAPS)
		return refuse(s, "directory.tls.mode", error,
		    "\"ldaps\" does not go with ldap:// in directory.server; "
		    "write ldaps:// there, or mode \"starttls\"");
	return 0;
}

/* Without TLS every password crosses the wire as it is. */
static int
check_clear(const struct settings *s, char **error)
{
	size_t i;

	if (s->directory.tls_mode != SETTINGS_TLS_NONE || s->directory.allow_clear)
		return 0;
	for (i = 0; i < s->directory.nservers; i++)
		if (!endpoint_is_loopback(&s->directory.servers[i]))
			return refuse(s, "directory.tls.mode", error,
			    "\"none\" would send passwords in clear to %.64s; use \"ldaps\" or "
			    "\"starttls\", or allow it by directory.tls.allow_clear = true",
			    s->directory.servers[i].host);
	return 0;
}

int
settings_check(const struct settings *s, char **error)
{
	enum settings_origin origin;

	*error = NULL;
	if (check_servers(s, error) == -1 || check_clear(s, error) == -1)
		return -1;
	if (s->directory.connections_min > s->directory.connections_max) {
		/* The one that somebody gave is the one to name. */
		find(s, "directory.connections.max", &origin);
		if (origin != SETTINGS_DEFAULT)
			return refuse(s, "directory.connections.max", error,
			    "%u is less than directory.connections.min, %u",
			    s->directory.connections_max, s->directory.connections_min);
		return refuse(s, "directory.connections.min", error,
		    "%u is more than directory.connections.max, %u", s->directory.connections_min,
		    s->directory.connections_max);
	}
	if (s->cloud.proxy_password_file != NULL && s->cloud.proxy_user[0] == '\0')
		return refuse(s, "cloud.proxy_password_file", error,
		    "a password without a user; write cloud.proxy = \"http://USER@HOST:PORT\"");
	return 0;
}

static int
fill_and_check(struct settings *s, char **error)
{
	return fill(s, error) == -1 || settings_check(s, error) == -1 ? -1 : 0;
}

/* The saved file holds settable keys only, whoever wrote it. */
static int
check_saved(const struct config *saved, char **error)
{
	size_t i;

	for (i = 0; i < saved->nrules; i++)
		if (saved->values[i].set && (saved->rules[i].flags & CONFIG_SETTABLE) == 0) {
			*error = config_text("%s:%d: %s: not a key for the saved file", saved->name,
			    saved->values[i].line, saved->rules[i].path);
			return -1;
		}
	return 0;
}

static int
load_saved(struct settings *s, const char *path, char **error)
{
	const char *directory;
	char *made = NULL;
	int result = -1;

	if (path == NULL) {
		if ((directory = config_value_string(s->file, "state_dir")) == NULL)
			directory = config_value_string(s->defaults, "state_dir");
		if ((made = config_text("%s/%s", directory, SETTINGS_SAVED_NAME)) == NULL)
			return -1;
		path = made;
	}
	s->saved = config_load(settings_rules, settings_nrules, path, error);
	if (s->saved == NULL && errno == ENOENT) {
		free(*error);
		*error = NULL;
		s->saved = config_new(settings_rules, settings_nrules, path);
	}
	if (s->saved != NULL)
		result = check_saved(s->saved, error);
	free(made);
	return result;
}

struct settings *
settings_load(const char *file, const char *saved, char **error)
{
	struct settings *s;

	*error = NULL;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	if ((s->defaults = settings_defaults(error)) == NULL)
		goto fail;
	if (file != NULL)
		s->file = config_load(settings_rules, settings_nrules, file, error);
	else
		s->file = config_new(settings_rules, settings_nrules, "");
	if (s->file == NULL || load_saved(s, saved, error) == -1 || fill_and_check(s, error) == -1)
		goto fail;
	return s;
fail:
	settings_free(s);
	return NULL;
}

/* The same file, with these saved values; NULL without memory, or with *error. */
static struct settings *
with_saved(const struct settings *s, struct config *saved, char **error)
{
	struct settings *copy;

	*error = NULL;
	if ((copy = calloc(1, sizeof(*copy))) == NULL) {
		config_free(saved);
		return NULL;
	}
	copy->file = config_copy(s->file);
	copy->saved = saved;
	copy->defaults = config_copy(s->defaults);
	if (copy->file != NULL && saved != NULL && copy->defaults != NULL &&
	    fill_and_check(copy, error) == 0)
		return copy;
	settings_free(copy);
	return NULL;
}

struct settings *
settings_copy(const struct settings *s)
{
	struct settings *copy;
	char *error;

	if ((copy = with_saved(s, config_copy(s->saved), &error)) == NULL) {
		free(error);
		return NULL;
	}
	copy->password_changed = s->password_changed;
	copy->forget_password = s->forget_password;
	return copy;
}

struct settings *
settings_with_saved(const struct settings *s, const char *path, char **error)
{
	struct config *saved;

	*error = NULL;
	if ((saved = config_load(settings_rules, settings_nrules, path, error)) == NULL)
		return NULL;
	if (check_saved(saved, error) == -1) {
		config_free(saved);
		return NULL;
	}
	return with_saved(s, saved, error);
}

void
settings_free(struct settings *s)
{
	if (s == NULL)
		return;
	config_free(s->file);
	config_free(s->saved);
	config_free(s->defaults);
	free(s);
}

bool
settings_is_password(const char *key)
{
	return strcmp(key, "directory.password") == 0;
}

bool
settings_is_certificate(const char *key)
{
	return strcmp(key, "directory.tls.ca") == 0 || strcmp(key, "cloud.ca") == 0;
}

char *
settings_locked(const struct settings *s, const char *key)
{
	const struct config_rule *r = config_rule_find(settings_rules, settings_nrules, key);
	const char *by = NULL;

	if (config_value_find(s->file, key) != NULL)
		by = key;
	else if (is_together(key))
		by = fixed_together(s);
	if (by == NULL) {
		if (r != NULL && (r->flags & CONFIG_SETTABLE) == 0)
			return config_text("only the configuration file can give it");
		return NULL;
	}
	if (strcmp(by, key) == 0)
		return config_text(
		    "locked by %s:%d", s->file->name, config_value_find(s->file, by)->line);
	return config_text("locked by %s:%d, which gives %s: server, base, user, password and TLS "
			   "stand together",
	    s->file->name, config_value_find(s->file, by)->line, by);
}

static int
change_password(const char *value, struct settings *next, char **error)
{
	if (strlen(value) > BIND_PASSWORD_MAX) {
		*error = config_text("directory.password: longer than %d bytes", BIND_PASSWORD_MAX);
		return -1;
	}
	if (!utf8_valid(value, strlen(value))) {
		*error = config_text("directory.password: not UTF-8");
		return -1;
	}
	next->password_changed = value[0] != '\0';
	next->forget_password = value[0] == '\0';
	return 0;
}

static int
change(struct settings *next, const struct settings_change *c, char **error)
{
	const struct config_rule *r = config_rule_find(settings_rules, settings_nrules, c->key);
	char *locked;

	/* Before the rule: an unknown key is config_change()'s to name. */
	if ((locked = settings_locked(next, c->key)) != NULL) {
		*error = config_text("%s: %s", c->key, locked);
		free(locked);
		return -1;
	}
	if (settings_is_password(c->key))
		return change_password(c->value, next, error);
	if (r != NULL && c->value[0] == '\0') {
		config_unset(next->saved, c->key);
		return 0;
	}
	return config_change(next->saved, c->key, c->value, error);
}

int
settings_set_all(
    struct settings *s, const struct settings_change *changes, size_t count, char **error)
{
	struct settings next = *s;
	size_t i, j;

	*error = NULL;
	if (count > SETTINGS_CHANGES_MAX) {
		*error = config_text("more than %d changes at once", SETTINGS_CHANGES_MAX);
		return -1;
	}
	next.password_changed = next.forget_password = false;
	if ((next.saved = config_copy(s->saved)) == NULL)
		return -1;
	for (i = 0; i < count; i++) {
		for (j = 0; j < i; j++)
			if (strcmp(changes[i].key, changes[j].key) == 0) {
				*error = config_text("%s: given twice", changes[i].key);
				goto fail;
			}
		if (change(&next, &changes[i], error) == -1)
			goto fail;
	}
	if (fill_and_check(&next, error) == -1)
		goto fail;
	if (next.password_changed && next.directory.nservers == 0) {
		*error = config_text("directory.password: it goes to one server: give "
				     "directory.server as well");
		goto fail;
	}
	if (!next.password_changed && !settings_same_place(s, &next))
		next.forget_password = true;
	config_free(s->saved);
	*s = next;
	return 0;
fail:
	config_free(next.saved);
	return -1;
}

int
settings_set(struct settings *s, const char *key, const char *value, char **error)
{
	struct settings_change one = { .key = key, .value = value };

	return settings_set_all(s, &one, 1, error);
}

int
settings_save(const struct settings *s, const char *path, char **error)
{
	return config_save(s->saved, path, error);
}

bool
settings_directory_ready(const struct settings *s)
{
	return s->directory.nservers > 0 && s->directory.user != NULL;
}

char *
settings_text(const struct settings *s, const char *key, enum settings_origin *origin)
{
	const struct config *from;

	if (find(s, key, origin) == NULL) {
		if (strcmp(key, "directory.tls.mode") == 0)
			return strdup(settings_tls_mode_name(s->directory.tls_mode));
		return NULL;
	}
	from = *origin == SETTINGS_FILE ? s->file
	    : *origin == SETTINGS_SAVED ? s->saved
					: s->defaults;
	return config_value_text(from, key);
}

char *
settings_saved_text(const struct settings *s, const char *key)
{
	return config_value_find(s->saved, key) == NULL ? NULL : config_value_text(s->saved, key);
}
