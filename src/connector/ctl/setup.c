/* SPDX-License-Identifier: ISC */
/*
 * adconnectorctl setup: the questions of the local page, asked at a terminal.  What is not
 * answered stays as it is; what is there already, or is proposed, stands in brackets.
 */
#include "adconnectorctl.h"

#include "common/ctl_client.h"
#include "common/message.h"
#include "common/prompt.h"
#include "common/terminal.h"

#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PASSWORD_KEY "directory.password"
#define BASE_KEY "directory.base"

/* In the order of the page; a certificate's answer is the name of a file. */
static const struct {
	const char *key;
	const char *question;
} questions[] = {
	{ "directory.server", "AD server address, or the domain" },
	{ BASE_KEY, "Base DN" },
	{ "directory.user", "Domain user" },
	{ "directory.tls.mode", "Encryption: ldaps, starttls or none" },
	{ "directory.tls.ca", "File with the CA of the directory" },
	{ "cloud.proxy", "Proxy, such as http://proxy.example.com:3128" },
};

static const json_t *
find(json_t *settings, const char *key)
{
	const char *name;
	json_t *setting;
	size_t at;

	json_array_foreach (settings, at, setting) {
		name = json_string_value(json_object_get(setting, "key"));
		if (name != NULL && strcmp(name, key) == 0)
			return setting;
	}
	return NULL;
}

/* "Base DN [DC=example,DC=com]: ", malloc'ed. */
static char *
question_text(const char *key, const char *question, const char *present, const json_t *setting)
{
	char *proposed = ctl_text(setting, "proposed"), *text;
	int result;

	if (strcmp(key, BASE_KEY) == 0 && present[0] == '\0' && proposed[0] != '\0')
		result = asprintf(
		    &text, "%s (now %s; Enter leaves it to the domain): ", question, proposed);
	else
		result =
		    asprintf(&text, present[0] == '\0' ? "%s%s: " : "%s [%s]: ", question, present);
	if (result == -1)
		err(1, "asprintf");
	free(proposed);
	return text;
}

/*
 * What Enter alone stands for: what was typed in the round before, or what is in force, or what
 * is proposed; not a base, which is that of the domain before the answers.
 */
static char *
present_value(const char *key, const json_t *setting, const json_t *typed)
{
	char *value = ctl_text(typed, key);

	if (value[0] != '\0')
		return value;
	free(value);
	value = ctl_text(setting, "value");
	if (value[0] == '\0' && strcmp(key, BASE_KEY) != 0) {
		free(value);
		value = ctl_text(setting, "proposed");
	}
	return value;
}

/* The answer becomes a member of changes, when it is one. */
static enum ctl_status
take_answer(struct ctl *ctl, json_t *changes, const char *key, const json_t *setting,
    const char *present, const char *line)
{
	enum ctl_status status = CTL_DONE;
	char *now = ctl_text(setting, "value"), *argument;

	if (line[0] == '\0')
		line = present;
	if (strcmp(line, now) != 0) {
		if (asprintf(&argument, "%s=%s", key, strcmp(line, "-") == 0 ? "" : line) == -1)
			err(1, "asprintf");
		status = add_setting(ctl, changes, argument);
		free(argument);
	}
	free(now);
	return status;
}

static enum ctl_status
ask_setting(struct ctl *ctl, json_t *changes, json_t *settings, json_t *typed, const char *key,
    const char *question)
{
	const json_t *setting = find(settings, key);
	char *present, *locked, *text, *line = NULL;
	enum ctl_status status = CTL_DONE;

	locked = ctl_text(setting, "locked");
	present = present_value(key, setting, typed);
	text = question_text(key, question, present, setting);
	if (locked[0] != '\0')
		ctl_note(ctl, "%s%s", text, locked);
	else if ((line = prompt_line(text)) == NULL)
		status = ctl_error(ctl, CTL_REFUSED, "cancelled", "nothing was changed");
	else {
		status = take_answer(ctl, changes, key, setting, present, line);
		if (status == CTL_DONE && line[0] != '\0')
			json_object_set_new(typed, key, json_string(line));
	}
	free(line);
	free(text);
	free(present);
	free(locked);
	return status;
}

/* Empty: the one typed before, or the saved one, stays, when there is one. */
static enum ctl_status
ask_password(struct ctl *ctl, json_t *changes, json_t *settings, json_t *typed)
{
	const json_t *setting = find(settings, PASSWORD_KEY);
	bool set = json_is_true(json_object_get(setting, "set"));
	json_t *before = json_object_get(typed, PASSWORD_KEY);
	const char *why;
	char *password;
	size_t len;

	if (json_object_get(setting, "locked") != NULL)
		return CTL_DONE;
	if (secret_input(before != NULL ? "Password [the one given before]: "
		    : set		? "Password [the saved one]: "
					: "Password: ",
		BIND_PASSWORD_MAX, &password, &len, &why) == -1)
		return ctl_error(ctl, CTL_REFUSED, "bad_request", "password: %s", why);
	if (len > 0)
		json_object_set_new(typed, PASSWORD_KEY, json_stringn(password, len));
	json_object_set(changes, PASSWORD_KEY, json_object_get(typed, PASSWORD_KEY));
	secret_input_free(password, len);
	return CTL_DONE;
}

/* One round of questions. typed: by key, what was answered in the rounds before. */
static enum ctl_status
ask_settings(struct ctl *ctl, json_t *typed)
{
	json_t *document, *settings, *changes = json_object();
	enum ctl_status status;
	size_t i;

	status = ctl_request(ctl, "GET", "/api/v1/settings", NULL, CTL_TIMEOUT, &document);
	settings = json_object_get(document, "settings");
	for (i = 0; status == CTL_DONE && i < sizeof(questions) / sizeof(questions[0]); i++) {
		status = ask_setting(
		    ctl, changes, settings, typed, questions[i].key, questions[i].question);
		if (status == CTL_DONE && strcmp(questions[i].key, "directory.user") == 0)
			status = ask_password(ctl, changes, settings, typed);
	}
	if (status == CTL_DONE && json_object_size(changes) > 0)
		status = post_and_tell(ctl, "/api/v1/settings", changes);
	json_decref(changes);
	json_decref(document);
	return status;
}

static enum ctl_status
ask_ticket(struct ctl *ctl)
{
	enum ctl_status status;
	bool joined;

	if ((status = enrolled(ctl, &joined)) != CTL_DONE || joined)
		return status;
	return enroll(ctl, "Provisioning ticket URL [later]: ", true);
}

static bool
again(enum ctl_status status)
{
	return status != CTL_DONE && prompt_yes("Try again? [y/N] ");
}

enum ctl_status
command_setup(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status;
	json_t *typed;

	if (ctl_getopt(ctl, argc, argv, NULL, &status) == CTL_GETOPT_STOP)
		return status;
	if (optind < argc)
		return ctl_usage(ctl, "%s: not expected", argv[optind]);
	if (ctl->json || !prompt_possible())
		return ctl_usage(ctl, "it asks at a terminal; scripts use set and enroll");
	ctl_note(ctl, "Enter takes what stands in brackets, - takes a saved value back");
	typed = json_object();
	do
		status = ask_settings(ctl, typed);
	while (again(status));
	json_decref(typed);
	if (status != CTL_DONE)
		return status;
	do
		status = ask_ticket(ctl);
	while (again(status));
	return status == CTL_DONE ? run_test(ctl) : status;
}
