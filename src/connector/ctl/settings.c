/* SPDX-License-Identifier: ISC */
/*
 * adconnectorctl set.  The password is a secret: it comes from standard input or a
 * prompt and goes into a request body, nowhere else.
 */
#include "adconnectorctl.h"

#include "common/ctl_client.h"
#include "common/message.h"
#include "common/terminal.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PASSWORD_KEY "directory.password"
#define CERTIFICATES_MAX 49152 /* a request body has at most 64 KiB */
#define CERTIFICATE_BEGIN "-----BEGIN CERTIFICATE-----"

/* DONE or an error: a text for people, a document for programs. */
static void
print_done(const struct ctl *ctl, const json_t *answer)
{
	char *message;

	if (ctl->json) {
		ctl_print_json(answer);
		return;
	}
	message = ctl_text(answer, "message");
	terminal_puts(stdout, message[0] == '\0' ? "done" : message);
	putchar('\n');
	free(message);
}

enum ctl_status
post_and_tell(struct ctl *ctl, const char *path, const json_t *body)
{
	enum ctl_status status;
	json_t *answer;

	status = ctl_request(ctl, "POST", path, body, CTL_TIMEOUT_LONG, &answer);
	if (status == CTL_DONE)
		print_done(ctl, answer);
	json_decref(answer);
	return status;
}

/* directory.password alone: its value is asked for. */
static enum ctl_status
add_password(struct ctl *ctl, json_t *body)
{
	const char *why;
	char *password;
	size_t len;

	if (secret_input(
		"Password of the directory user: ", BIND_PASSWORD_MAX, &password, &len, &why) == -1)
		return ctl_error(ctl, CTL_REFUSED, "bad_request", "password: %s", why);
	if (len == 0) {
		secret_input_free(password, len);
		return ctl_error(ctl, CTL_REFUSED, "bad_request",
		    "password: nothing was given; to forget the saved one: %s set " PASSWORD_KEY
		    "=",
		    ctl->program->name);
	}
	json_object_set_new(body, PASSWORD_KEY, json_stringn(password, len));
	secret_input_free(password, len);
	return CTL_DONE;
}

/*
 * The daemon reads no file outside its state directory once it runs, so the
 * certificates themselves are sent. NULL after an error, which is told.
 */
static json_t *
certificates_read(struct ctl *ctl, const char *path)
{
	char text[CERTIFICATES_MAX + 1];
	FILE *file;
	json_t *value;
	size_t len;
	int failed;

	if ((file = fopen(path, "re")) == NULL) {
		ctl_error(ctl, CTL_REFUSED, "bad_request", "%s: %s", path, strerror(errno));
		return NULL;
	}
	len = fread(text, 1, sizeof(text), file);
	failed = ferror(file);
	fclose(file);
	if (failed || len > CERTIFICATES_MAX || memchr(text, '\0', len) != NULL ||
	    memmem(text, len, CERTIFICATE_BEGIN, strlen(CERTIFICATE_BEGIN)) == NULL ||
	    (value = json_stringn(text, len)) == NULL) {
		ctl_error(ctl, CTL_REFUSED, "bad_request",
		    "%s: not a file of certificates in PEM form of at most %d bytes", path,
		    CERTIFICATES_MAX);
		return NULL;
	}
	return value;
}

static bool
is_certificate_key(const char *key)
{
	return strcmp(key, "directory.tls.ca") == 0 || strcmp(key, "cloud.ca") == 0;
}

enum ctl_status
add_setting(struct ctl *ctl, json_t *body, const char *argument)
{
	const char *equals;
	char *key;
	json_t *value;
	size_t key_len;
	bool twice;
	int result;

	if ((equals = strchr(argument, '=')) == NULL) {
		if (strcmp(argument, PASSWORD_KEY) == 0) {
			if (json_object_get(body, PASSWORD_KEY) != NULL)
				return ctl_usage(ctl, PASSWORD_KEY ": given twice");
			return add_password(ctl, body);
		}
		return ctl_usage(ctl, "%s: not KEY=VALUE", argument);
	}
	key_len = (size_t)(equals - argument);
	if (key_len == 0)
		return ctl_usage(ctl, "%s: no key in front of the equals sign", argument);
	/* The key alone is named: what follows it is a password. */
	if (key_len == strlen(PASSWORD_KEY) && strncmp(argument, PASSWORD_KEY, key_len) == 0 &&
	    equals[1] != '\0')
		return ctl_usage(ctl,
		    PASSWORD_KEY ": the password is not taken as an argument, where every user of "
				 "this host can read it: give the key alone, and the value on "
				 "standard input or at the prompt");
	if ((key = strndup(argument, key_len)) == NULL)
		return ctl_error(ctl, CTL_REFUSED, "internal", "out of memory");
	twice = json_object_get(body, key) != NULL;
	if (is_certificate_key(key) && equals[1] != '\0') {
		value = certificates_read(ctl, equals + 1);
		if (value == NULL) {
			free(key);
			return CTL_REFUSED;
		}
	} else
		value = json_string(equals + 1);
	result = json_object_set_new(body, key, value);
	free(key);
	if (twice)
		return ctl_usage(ctl, "%s: key given twice", argument);
	if (result == -1)
		return ctl_usage(ctl, "%s: not UTF-8 text", argument);
	return CTL_DONE;
}

/* With the settings before the last change, the password may have to be given. */
static enum ctl_status
revert(struct ctl *ctl, json_t *body, int n, char **names)
{
	enum ctl_status status = CTL_DONE;

	if (n > 1 || (n == 1 && strcmp(names[0], PASSWORD_KEY) != 0))
		return ctl_usage(ctl, "with --revert only " PASSWORD_KEY " can be given");
	if (n == 1)
		status = add_password(ctl, body);
	return status == CTL_DONE ? post_and_tell(ctl, "/api/v1/settings/revert", body) : status;
}

static enum ctl_status
change(struct ctl *ctl, json_t *body, int n, char **settings)
{
	enum ctl_status status = CTL_DONE;
	int i;

	if (n == 0)
		return ctl_usage(ctl, "nothing to set");
	/* The password last: nobody types one only to learn of a mistake elsewhere. */
	for (i = 0; i < n && status == CTL_DONE; i++)
		if (strcmp(settings[i], PASSWORD_KEY) != 0)
			status = add_setting(ctl, body, settings[i]);
	for (i = 0; i < n && status == CTL_DONE; i++)
		if (strcmp(settings[i], PASSWORD_KEY) == 0)
			status = add_setting(ctl, body, settings[i]);
	return status == CTL_DONE ? post_and_tell(ctl, "/api/v1/settings", body) : status;
}

enum ctl_status
command_set(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "revert", no_argument, NULL, 256 },
		{ NULL, 0, NULL, 0 },
	};
	enum ctl_status status;
	bool back = false;
	json_t *body;
	int option;

	while ((option = ctl_getopt(ctl, argc, argv, options, &status)) != -1) {
		if (option != 256)
			return status;
		back = true;
	}
	body = json_object();
	status = back ? revert(ctl, body, argc - optind, argv + optind)
		      : change(ctl, body, argc - optind, argv + optind);
	json_decref(body);
	return status;
}
