/* SPDX-License-Identifier: ISC */
/*
 * adconnectorctl settings: every setting, its value, where it comes from and what locks it.
 */
#include "adconnectorctl.h"

#include "common/ctl_client.h"
#include "common/terminal.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Is it the setting that was asked for, or one of the group ("directory", "directory.tls")? */
static bool
meant(const json_t *setting, const char *name)
{
	const char *key = json_string_value(json_object_get(setting, "key"));
	size_t len = strlen(name);

	return key != NULL && strncmp(key, name, len) == 0 && (key[len] == '\0' || key[len] == '.');
}

static bool
wanted(const json_t *setting, char **names, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (meant(setting, names[i]))
			return true;
	return n == 0;
}

/* What nothing in the list is named like, or NULL. */
static const char *
unknown(json_t *list, char **names, int n)
{
	json_t *setting;
	size_t at;
	int i;

	for (i = 0; i < n; i++) {
		json_array_foreach (list, at, setting)
			if (meant(setting, names[i]))
				break;
		if (at == json_array_size(list))
			return names[i];
	}
	return NULL;
}

static const char *
shown_value(const json_t *setting, const char *value)
{
	const json_t *set = json_object_get(setting, "set");

	if (value[0] != '\0' || set == NULL)
		return value;
	return json_is_true(set) ? "(set)" : "";
}

static void
print_settings(json_t *list)
{
	static const char *const headings[] = { "KEY", "VALUE", "FROM", "" };
	struct terminal_table *table = terminal_table_new(4, headings);
	char *key, *value, *origin, *locked, *proposed, *note;
	const char *cells[4];
	json_t *setting;
	size_t at;

	json_array_foreach (list, at, setting) {
		key = ctl_text(setting, "key");
		value = ctl_text(setting, "value");
		origin = ctl_text(setting, "origin");
		locked = ctl_text(setting, "locked");
		proposed = ctl_text(setting, "proposed");
		note = NULL;
		if (proposed[0] != '\0' && asprintf(&note, "proposed: %s", proposed) == -1)
			note = NULL;
		cells[0] = key;
		cells[1] = shown_value(setting, value);
		cells[2] = origin;
		cells[3] = note == NULL ? locked : note;
		terminal_table_row(table, cells);
		free(key);
		free(value);
		free(origin);
		free(locked);
		free(proposed);
		free(note);
	}
	terminal_table_print(table, stdout);
	terminal_table_free(table);
}

enum ctl_status
command_settings(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status;
	json_t *document, *list, *chosen, *setting;
	const char *name;
	size_t at;

	if (ctl_getopt(ctl, argc, argv, NULL, &status) == CTL_GETOPT_STOP)
		return status;
	status = ctl_request(ctl, "GET", "/api/v1/settings", NULL, CTL_TIMEOUT, &document);
	if (status != CTL_DONE)
		return status;
	list = json_object_get(document, "settings");
	if ((name = unknown(list, argv + optind, argc - optind)) != NULL) {
		status = ctl_error(ctl, CTL_REFUSED, "bad_request", "%s: no such setting", name);
		json_decref(document);
		return status;
	}
	chosen = json_array();
	json_array_foreach (list, at, setting)
		if (wanted(setting, argv + optind, argc - optind))
			json_array_append(chosen, setting);
	json_object_set_new(document, "settings", chosen);
	if (ctl->json)
		ctl_print_json(document);
	else
		print_settings(chosen);
	json_decref(document);
	return CTL_DONE;
}
