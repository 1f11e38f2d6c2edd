/* SPDX-License-Identifier: ISC */
/*
 * The keys of adhub.conf(5), what each may hold, the defaults, and the rules that
 * bind several.  A key stands here only when the hub does what it says.
 */
#include "settings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef ADC_STATEDIR
#define ADC_STATEDIR "/var/lib"
#endif
#ifndef ADC_RUNSTATEDIR
#define ADC_RUNSTATEDIR "/run"
#endif

#define ATTEMPTS_MAX 1000000 /* a minute; more is no limit */

static const char *const log_levels[] = { "error", "warning", "info", "debug", NULL };
static const char *const log_formats[] = { "text", "json", NULL };

static int check_listen(const char *, char *, size_t);
static int check_public(const char *, char *, size_t);
static int refuse(const struct hub_settings *, const char *key, char **error, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

const struct config_rule hub_settings_rules[] = {
	{ .path = "state_dir",
	    .type = CONFIG_STRING,
	    .min = 2,
	    .max = 1024,
	    .check = config_check_path },
	/* A socket's path has 108 bytes (unix(7)), and "/control.sock" needs 14 of them. */
	{ .path = "runtime_dir",
	    .type = CONFIG_STRING,
	    .min = 2,
	    .max = 94,
	    .check = config_check_path },
	/* Not root, and room above for one id a process. */
	{ .path = "uid_base", .type = CONFIG_INTEGER, .min = 1, .max = 2147483000 },
	{ .path = "log.level", .type = CONFIG_STRING, .min = 1, .max = 32, .choices = log_levels },
	{ .path = "log.format",
	    .type = CONFIG_STRING,
	    .min = 1,
	    .max = 32,
	    .choices = log_formats },
	{ .path = "listen",
	    .type = CONFIG_STRING_LIST,
	    .min = 1,
	    .max = 128,
	    .items_min = 1,
	    .items_max = HUB_LISTEN_MAX,
	    .check = check_listen },
	{ .path = "public_url",
	    .type = CONFIG_STRING,
	    .min = 1,
	    .max = 512,
	    .check = check_public },
	{ .path = "tls.certificate",
	    .type = CONFIG_STRING,
	    .min = 2,
	    .max = 1024,
	    .check = config_check_path },
	{ .path = "tls.key",
	    .type = CONFIG_STRING,
	    .min = 2,
	    .max = 1024,
	    .check = config_check_path },
	{ .path = "throttle.per_address", .type = CONFIG_INTEGER, .min = 0, .max = ATTEMPTS_MAX },
	{ .path = "throttle.per_name", .type = CONFIG_INTEGER, .min = 0, .max = ATTEMPTS_MAX },
	{ .path = "throttle.per_connection",
	    .type = CONFIG_INTEGER,
	    .min = 0,
	    .max = ATTEMPTS_MAX },
};
const size_t hub_settings_nrules = sizeof(hub_settings_rules) / sizeof(hub_settings_rules[0]);

static int
check_listen(const char *value, char *why, size_t size)
{
	struct endpoint e;

	return endpoint_parse_listen(value, &e, why, size);
}

static int
check_public(const char *value, char *why, size_t size)
{
	struct endpoint e;

	return endpoint_parse_public(value, &e, why, size);
}

/* "FILE:LINE: KEY: text"; always -1. */
static int
refuse(const struct hub_settings *s, const char *key, char **error, const char *fmt, ...)
{
	const struct config_value *v = config_value_find(s->file, key);
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
	if (v != NULL)
		*error = config_text("%s:%d: %s: %s", s->file->name, v->line, key, text);
	else
		*error = config_text("%s: %s", key, text);
	free(text);
	return -1;
}

static const char *
string_or(const struct hub_settings *s, const char *key, const char *otherwise)
{
	const char *value = config_value_string(s->file, key);

	return value != NULL ? value : otherwise;
}

static unsigned int
integer_or(const struct hub_settings *s, const char *key, unsigned int otherwise)
{
	const struct config_value *v = config_value_find(s->file, key);

	return v != NULL ? (unsigned int)v->integer : otherwise;
}

/* Is this a listener on every address of the host? */
static bool
is_any(const struct endpoint *e)
{
	return e->any || strcmp(e->host, "0.0.0.0") == 0 || strcmp(e->host, "::") == 0;
}

static int
fill_listen(struct hub_settings *s, char **error)
{
	static char otherwise[] = "https://*:8855";
	char *fallback[] = { otherwise };
	const struct config_value *v = config_value_find(s->file, "listen");
	char *const *items = v != NULL ? v->items : fallback;
	size_t i, j, count = v != NULL ? v->count : 1;
	const struct endpoint *a, *b;
	char why[CONFIG_WHY_SIZE];

	for (i = 0; i < count; i++) {
		if (endpoint_parse_listen(items[i], &s->listen[i], why, sizeof(why)) == -1)
			return refuse(s, "listen", error, "%s", why);
		a = &s->listen[i];
		for (j = 0; j < i; j++) {
			b = &s->listen[j];
			if (a->port == b->port &&
			    (a->any || b->any || strcmp(a->host, b->host) == 0))
				return refuse(s, "listen", error,
				    "items %zu and %zu of the list both take port %u", j + 1, i + 1,
				    (unsigned int)a->port);
		}
	}
	s->nlisten = count;
	return 0;
}

/* The host's own name, for a listener that has no address of its own. */
static int
fill_host_name(struct hub_settings *s, const char *given, char **error)
{
	char name[ENDPOINT_HOST_SIZE], why[CONFIG_WHY_SIZE];

	if (given == NULL) {
		if (gethostname(name, sizeof(name)) == -1)
			return refuse(s, "public_url", error,
			    "not given, and the host's name cannot be had: %s", strerror(errno));
		name[sizeof(name) - 1] = '\0';
		given = name;
	}
	if (endpoint_check_host(given, why, sizeof(why)) == -1)
		return refuse(s, "public_url", error,
		    "not given, and the host's name cannot stand in a URL; write "
		    "public_url = \"https://HOST:%d\"",
		    HUB_DEFAULT_PORT);
	if ((s->host_name = strdup(given)) == NULL)
		return refuse(s, "public_url", error, "%s", strerror(errno));
	return 0;
}

static int
fill_public(struct hub_settings *s, const char *host_name, char **error)
{
	const char *given = config_value_string(s->file, "public_url");
	const struct endpoint *first = &s->listen[0];
	char text[ENDPOINT_ORIGIN_SIZE], why[CONFIG_WHY_SIZE];
	const char *host = first->host;
	size_t i;
	bool six;

	if (given == NULL) {
		if (is_any(first)) {
			if (fill_host_name(s, host_name, error) == -1)
				return -1;
			host = s->host_name;
		}
		six = strchr(host, ':') != NULL;
		snprintf(text, sizeof(text), "%s://%s%s%s:%u", endpoint_scheme_name(first->scheme),
		    six ? "[" : "", host, six ? "]" : "", (unsigned int)first->port);
		given = text;
	}
	if (endpoint_parse_public(given, &s->public_url, why, sizeof(why)) == -1)
		return refuse(s, "public_url", error, "%s", why);
	if (s->public_url.scheme == ENDPOINT_HTTPS)
		return 0;
	for (i = 0; i < s->nlisten; i++)
		if (s->listen[i].scheme == ENDPOINT_HTTP)
			return 0;
	return refuse(s, "public_url", error, "http://, but every listener is https://");
}

static int
fill(struct hub_settings *s, const char *host_name, char **error)
{
	s->state_dir = string_or(s, "state_dir", ADC_STATEDIR "/adhub");
	s->runtime_dir = string_or(s, "runtime_dir", ADC_RUNSTATEDIR "/adhub");
	s->uid_base = integer_or(s, "uid_base", 0);
	s->log.level = (enum log_level)log_level_from_word(string_or(s, "log.level", "info"));
	s->log.json = strcmp(string_or(s, "log.format", "text"), "json") == 0;
	if (fill_listen(s, error) == -1 || fill_public(s, host_name, error) == -1)
		return -1;
	s->tls.certificate = string_or(s, "tls.certificate", NULL);
	s->tls.key = string_or(s, "tls.key", NULL);
	if (s->tls.certificate != NULL && s->tls.key == NULL)
		return refuse(s, "tls.certificate", error, "needs tls.key beside it");
	if (s->tls.certificate == NULL && s->tls.key != NULL)
		return refuse(s, "tls.key", error, "needs tls.certificate beside it");
	s->throttle.per_address = integer_or(s, "throttle.per_address", 60);
	s->throttle.per_name = integer_or(s, "throttle.per_name", 20);
	s->throttle.per_connection = integer_or(s, "throttle.per_connection", 6000);
	return 0;
}

struct hub_settings *
hub_settings_load(const char *file, const char *host_name, char **error)
{
	struct hub_settings *s;

	*error = NULL;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	if (file != NULL)
		s->file = config_load(hub_settings_rules, hub_settings_nrules, file, error);
	else
		s->file = config_new(hub_settings_rules, hub_settings_nrules, "");
	if (s->file == NULL || fill(s, host_name, error) == -1) {
		hub_settings_free(s);
		return NULL;
	}
	return s;
}

void
hub_settings_free(struct hub_settings *s)
{
	if (s == NULL)
		return;
	config_free(s->file);
	free(s->host_name);
	free(s);
}
