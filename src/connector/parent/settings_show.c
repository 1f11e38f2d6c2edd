/* SPDX-License-Identifier: ISC */
/*
 * The settings for people to see: every key, its value in force, where that comes from and why
 * it cannot be changed, if so.  The bind password is a key here and has no value.
 */
#include "adconnectord.h"

#include "settings_rules.h"

#include <stdlib.h>
#include <string.h>

#define PASSWORD_KEY "directory.password"

static const char *
origin_word(enum settings_origin origin)
{
	switch (origin) {
	case SETTINGS_FILE:
		return "file";
	case SETTINGS_SAVED:
		return "saved";
	case SETTINGS_DEFAULT:
		break;
	}
	return "default";
}

static const char *
type_word(const struct config_rule *rule)
{
	if (settings_is_certificate(rule->path))
		return "certificates";
	switch (rule->type) {
	case CONFIG_INTEGER:
	case CONFIG_DURATION:
		return "integer";
	case CONFIG_BOOLEAN:
		return "boolean";
	case CONFIG_STRING_LIST:
		return "list";
	case CONFIG_STRING:
		break;
	}
	return "string";
}

/* Only where nothing is said yet: what somebody chose needs no second opinion. */
static const char *
proposed(const struct connector *connector, const char *key, const char *value)
{
	if (value != NULL)
		return "";
	if (strcmp(key, "directory.server") == 0)
		return connector->proposed_domain;
	if (strcmp(key, "directory.base") == 0)
		return connector->directory_report.base;
	return "";
}

static void
put_choices(struct wire_writer *w, const struct config_rule *rule)
{
	uint16_t n = 0, i;

	while (rule != NULL && rule->choices != NULL && rule->choices[n] != NULL)
		n++;
	wire_put_u16(w, n);
	for (i = 0; i < n; i++)
		wire_put_string(w, rule->choices[i]);
}

static void
put_locked(struct wire_writer *w, const struct settings *settings, const char *key)
{
	char *locked = settings_locked(settings, key);

	wire_put_string(w, locked == NULL ? "" : locked);
	free(locked);
}

static void
put_setting(
    struct wire_writer *w, const struct connector *connector, const struct config_rule *rule)
{
	const struct settings *settings = connector->current->settings;
	enum settings_origin origin;
	char *value = settings_text(settings, rule->path, &origin);

	wire_put_string(w, rule->path);
	wire_put_string(w, type_word(rule));
	wire_put_u8(w, value != NULL);
	wire_put_string(w, value == NULL ? "" : value);
	wire_put_u8(w, value != NULL);
	wire_put_string(w, origin_word(origin));
	put_locked(w, settings, rule->path);
	put_choices(w, rule);
	wire_put_string(w, proposed(connector, rule->path, value));
	free(value);
}

static void
put_password(struct wire_writer *w, const struct deployment *d)
{
	wire_put_string(w, PASSWORD_KEY);
	wire_put_string(w, "secret");
	wire_put_u8(w, 0);
	wire_put_string(w, "");
	wire_put_u8(w, d->bind_password != NULL);
	wire_put_string(w,
	    origin_word(d->settings->directory.password_file != NULL ? SETTINGS_FILE
		    : d->bind_password != NULL			     ? SETTINGS_SAVED
								     : SETTINGS_DEFAULT));
	put_locked(w, d->settings, PASSWORD_KEY);
	put_choices(w, NULL);
	wire_put_string(w, "");
}

void
settings_show(struct connector *connector, struct child *web, struct message *m)
{
	struct wire_writer w;
	size_t i;

	wire_writer_init(&w);
	wire_put_u8(&w, connector->previous != NULL);
	wire_put_u16(&w, (uint16_t)(settings_nrules + 1));
	for (i = 0; i < settings_nrules; i++) {
		put_setting(&w, connector, &settings_rules[i]);
		/* Beside the user that it belongs to. */
		if (strcmp(settings_rules[i].path, "directory.user") == 0)
			put_password(&w, connector->current);
	}
	child_send(web, MESSAGE_SETTINGS, m->id, &w, -1);
}
