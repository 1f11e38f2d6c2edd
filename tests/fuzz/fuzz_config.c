/* SPDX-License-Identifier: ISC */
/*
 * Configuration files and what was saved, with the rules of both houses.  What is taken and
 * written again reads the same; a refusal names the place.
 */
#include "common/config.h"
#include "common/wire.h"
#include "connector/parent/settings.h"
#include "fuzz.h"
#include "hub/parent/settings.h"

#include <fcntl.h>
#include <unistd.h>

/* In the folder of the run. */
#define FILE_NAME "fuzz_config.conf"
#define SAVED_NAME "fuzz_config_saved.conf"

/* libconfig 1.5 keeps a few bytes for good each time it finds a syntax error. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig.so";
}

static void
check_error(char *error)
{
	fuzz_check(error != NULL && error[0] != '\0');
	free(error);
}

/* Each value by itself, as ctl shows and takes it. */
static void
check_values(const struct config *first)
{
	struct config *again = config_new(first->rules, first->nrules, "again");
	char *error = NULL, *text;
	size_t i;

	fuzz_check(again != NULL);
	for (i = 0; i < first->nrules; i++) {
		if (!first->values[i].set)
			continue;
		fuzz_check((text = config_value_text(first, first->rules[i].path)) != NULL);
		/* Items of a list may hold what divides them there. */
		if (config_change(again, first->rules[i].path, text, &error) == -1) {
			check_error(error);
			fuzz_check(first->rules[i].type == CONFIG_STRING_LIST);
		}
		free(text);
	}
	config_free(again);
}

static void
parse(const struct config_rule *rules, size_t nrules, struct fuzz_input in)
{
	struct config *first, *second, *copy;
	char *text = fuzz_text(in), *error = NULL, *written;

	if ((first = config_parse(rules, nrules, "conf", text, in.len, &error)) == NULL) {
		fuzz_check(strncmp(error, "conf:", 5) == 0);
		check_error(error);
		free(text);
		return;
	}
	fuzz_check(error == NULL && (written = config_format(first)) != NULL);
	second = config_parse(rules, nrules, "conf", written, strlen(written), &error);
	fuzz_check(second != NULL && config_equal(first, second));
	fuzz_check((copy = config_copy(first)) != NULL && config_equal(first, copy));
	check_values(first);
	config_free(first);
	config_free(second);
	config_free(copy);
	free(written);
	free(text);
}

static void
put(const char *name, struct fuzz_input in)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	fuzz_check(fd != -1 && write(fd, in.data, in.len) == (ssize_t)in.len);
	close(fd);
}

/* The file up to a NUL, then what was saved. */
static void
load_connector(struct fuzz_input in)
{
	struct settings *s, *copy;
	enum settings_origin origin;
	char *error = NULL, *text;
	size_t i;

	put(FILE_NAME, fuzz_until(&in, '\0'));
	put(SAVED_NAME, in);
	if ((s = settings_load(FILE_NAME, SAVED_NAME, &error)) == NULL) {
		check_error(error);
		return;
	}
	fuzz_check(s->directory.nservers <= SETTINGS_SERVERS_MAX);
	fuzz_check(settings_check(s, &error) == 0 && (copy = settings_copy(s)) != NULL);
	for (i = 0; i < settings_nrules; i++) {
		text = settings_text(s, settings_rules[i].path, &origin);
		/* What the file says cannot be set elsewhere. */
		if (text != NULL && origin == SETTINGS_FILE) {
			fuzz_check(settings_set(copy, settings_rules[i].path, text, &error) == -1);
			check_error(error);
			error = NULL;
		}
		free(text);
	}
	settings_free(copy);
	settings_free(s);
}

static void
load_hub(struct fuzz_input in)
{
	struct hub_settings *s;
	char *error = NULL;

	put(FILE_NAME, in);
	if ((s = hub_settings_load(FILE_NAME, "hub.example", &error)) == NULL) {
		check_error(error);
		return;
	}
	fuzz_check(s->nlisten >= 1 && s->nlisten <= HUB_LISTEN_MAX);
	hub_settings_free(s);
}

/* Keys and values, divided by NUL, as ctl sets them one by one. */
static void
set(struct fuzz_input in)
{
	static const struct fuzz_input nothing = { (const uint8_t *)"", 0 };
	static struct settings *defaults;
	struct settings *s;
	char *error = NULL, *key, *value;
	int i;

	if (defaults == NULL) {
		put(FILE_NAME, nothing);
		put(SAVED_NAME, nothing);
		defaults = settings_load(FILE_NAME, SAVED_NAME, &error);
	}
	fuzz_check(defaults != NULL && (s = settings_copy(defaults)) != NULL);
	for (i = 0; i < 8 && in.len > 0; i++) {
		key = fuzz_text(fuzz_until(&in, '\0'));
		value = fuzz_text(fuzz_until(&in, '\0'));
		if (settings_set(s, key, value, &error) == -1) {
			check_error(error);
			error = NULL;
		} else
			fuzz_check(!(s->password_changed && s->forget_password));
		fuzz_check(settings_check(s, &error) == 0);
		free(key);
		free(value);
	}
	settings_free(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = { data, len };

	switch (fuzz_byte(&in)) {
	case 'h':
		parse(hub_settings_rules, hub_settings_nrules, in);
		break;
	case 'L':
		load_connector(in);
		break;
	case 'H':
		load_hub(in);
		break;
	case 's':
		set(in);
		break;
	default:
		parse(settings_rules, settings_nrules, in);
	}
	return 0;
}
