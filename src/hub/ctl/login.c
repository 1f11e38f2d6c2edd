/* SPDX-License-Identifier: ISC */
/*
 * adhubctl login: one try to log a person in, as a login page would.  The
 * password is sealed here, for the connectors of the connection; the hub gets
 * the sealed form only.
 *
 * Keys and time are asked for after the password was typed: a sealed text is
 * good for some minutes only.
 */
#include "adhubctl.h"

#include "common/ctl_client.h"
#include "common/jose_key.h"
#include "common/json.h"
#include "common/sealed.h"
#include "common/sealed_content.h"
#include "common/prompt.h"
#include "common/terminal.h"
#include "common/wipe.h"
#include "common/wire.h"

#include <bsd/string.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIME_MAX INT64_C(253402300799) /* the end of the year 9999 */

/* What the hub says that texts are to be sealed for. */
struct seal_keys {
	int64_t time; /* the hub's, seconds since 1970 */
	struct sealed_recipient recipients[SEALED_MAX_RECIPIENTS];
	size_t n;
};

/* A key whose name does not belong to it was mixed up or tampered with. */
static int
read_recipient(const json_t *entry, struct sealed_recipient *recipient)
{
	char thumbprint[JOSE_KEY_ID_SIZE];
	struct jose_key *key;
	const char *kid;
	int result;

	kid = json_get_string(entry, "kid", 1, JOSE_KEY_ID_SIZE - 1);
	if (kid == NULL || (key = jose_key_from_jwk(json_object_get(entry, "jwk"))) == NULL)
		return -1;
	result = jose_key_public(key, recipient->xy);
	jose_key_free(key);
	if (result == -1 || jose_key_thumbprint(recipient->xy, thumbprint) == -1 ||
	    strcmp(thumbprint, kid) != 0)
		return -1;
	return 0;
}

static int
read_keys(const json_t *document, const char *connection, struct seal_keys *keys)
{
	const char *name;
	json_t *list;

	memset(keys, 0, sizeof(*keys));
	name = json_get_string(document, "connection", 1, SEALED_MAX_CONNECTION);
	list = json_object_get(document, "recipients");
	if (name == NULL || strcmp(name, connection) != 0 || !json_is_array(list) ||
	    json_array_size(list) > SEALED_MAX_RECIPIENTS)
		return -1;
	/* Without a connector nobody told the time. */
	if (json_array_size(list) > 0 &&
	    json_get_integer(document, "time", 1, TIME_MAX, &keys->time) == -1)
		return -1;
	for (keys->n = 0; keys->n < json_array_size(list); keys->n++)
		if (read_recipient(json_array_get(list, keys->n), &keys->recipients[keys->n]) == -1)
			return -1;
	return 0;
}

static enum ctl_status
get_keys(struct ctl *ctl, const char *connection, struct seal_keys *keys)
{
	enum ctl_status status;
	json_t *document;
	char *path;
	int result;

	path = ctl_path("/api/v1/connections/", connection, "/seal-keys");
	status = ctl_request(ctl, "GET", path, NULL, CTL_TIMEOUT, &document);
	free(path);
	if (status != CTL_DONE)
		return status;
	result = read_keys(document, connection, keys);
	json_decref(document);
	if (result == -1)
		return ctl_error(ctl, CTL_UNAVAILABLE, "bad_answer",
		    "adhubd answered with sealing keys that are not valid; nothing was sent");
	if (keys->n == 0)
		return ctl_error(ctl, CTL_UNAVAILABLE, "connector_unavailable",
		    "%s: no approved connector is online; see: adhubctl connector list %s",
		    connection, connection);
	return CTL_DONE;
}

/* The JWE as JSON text, for free(3); NULL with *why. */
static char *
seal(const struct seal_keys *keys, const char *connection, const char *username,
    const char *password, size_t password_len, const char **why)
{
	struct sealed_content content;
	uint8_t *plain;
	char *jwe;
	size_t len;

	memset(&content, 0, sizeof(content));
	strlcpy(content.op, "authenticate", sizeof(content.op));
	strlcpy(content.connection, connection, sizeof(content.connection));
	strlcpy(content.username, username, sizeof(content.username));
	content.iat = keys->time;
	content.password_len = password_len;
	if ((content.password = wiping_malloc(password_len + 1)) == NULL) {
		*why = "out of memory";
		return NULL;
	}
	memcpy(content.password, password, password_len);
	content.password[password_len] = '\0';

	jwe = NULL;
	if ((plain = sealed_content_write(&content, &len, why)) != NULL) {
		if ((jwe = sealed_make(keys->recipients, keys->n, plain, len)) == NULL)
			*why = "the password could not be sealed";
		wiping_free(plain);
	}
	sealed_content_free(&content);
	wipe_stack();
	return jwe;
}

static void
print_result(json_t *document)
{
	char *proven, *reason, *status;
	json_t *profile;

	status = ctl_text(document, "status");
	proven = ctl_text(document, "proven");
	reason = ctl_text(document, "reason");
	fputs("status   ", stdout);
	terminal_puts(stdout, status);
	printf("\nproven   %s\n", proven);
	if (*reason != '\0') {
		fputs("reason   ", stdout);
		terminal_puts(stdout, reason);
		putchar('\n');
	}
	free(status);
	free(proven);
	free(reason);
	profile = json_object_get(document, "user");
	if (json_object_size(profile) > 0) {
		printf("\n");
		ctl_print_members(profile);
	}
}

/* 0 only for a password that was right and may log in. */
static enum ctl_status
status_of(const json_t *document)
{
	static const char *const unavailable[] = { "directory_unavailable", "timeout",
		"connector_unavailable", "internal" };
	const char *word;
	size_t i;

	word = json_string_value(json_object_get(document, "status"));
	if (word == NULL)
		return CTL_UNAVAILABLE;
	if (strcmp(word, "ok") == 0)
		return CTL_DONE;
	for (i = 0; i < sizeof(unavailable) / sizeof(unavailable[0]); i++)
		if (strcmp(word, unavailable[i]) == 0)
			return CTL_UNAVAILABLE;
	return CTL_REFUSED;
}

static enum ctl_status
log_in(struct ctl *ctl, const char *connection, const char *username, const char *password,
    size_t password_len)
{
	struct seal_keys keys;
	const char *why;
	enum ctl_status status;
	json_t *body, *document;
	char *jwe;

	if ((status = get_keys(ctl, connection, &keys)) != CTL_DONE)
		return status;
	jwe = seal(&keys, connection, username, password, password_len, &why);
	if (jwe == NULL)
		return ctl_error(ctl, CTL_REFUSED, "bad_request", "password: %s", why);
	body = json_pack("{s:s,s:s,s:o}", "connection", connection, "username", username, "jwe",
	    json_loads(jwe, 0, NULL));
	free(jwe);
	if (body == NULL)
		return ctl_error(ctl, CTL_REFUSED, "internal", "out of memory");
	status = ctl_request(ctl, "POST", "/api/v1/login", body, CTL_TIMEOUT, &document);
	json_decref(body);
	if (status != CTL_DONE)
		return status;
	if (ctl->json)
		ctl_print_json(document);
	else
		print_result(document);
	status = status_of(document);
	json_decref(document);
	return status;
}

enum ctl_status
command_login(struct ctl *ctl, int argc, char **argv)
{
	const char *connection, *username, *why;
	enum ctl_status status;
	char *password;
	size_t len;

	if (ctl_getopt(ctl, argc, argv, NULL, &status) == CTL_GETOPT_STOP)
		return status;
	if (argc - optind > 2)
		return ctl_usage(ctl,
		    "too many arguments; a password is not taken here, where every user of this "
		    "host can read it: give it on standard input or at the prompt");
	if (argc - optind < 2)
		return ctl_usage(ctl, "an identifier and a user name are needed");
	connection = argv[optind];
	username = argv[optind + 1];
	if (*connection == '\0' || strlen(connection) > SEALED_MAX_CONNECTION)
		return ctl_usage(ctl, "the identifier has 1 to %d bytes", SEALED_MAX_CONNECTION);
	if (*username == '\0' || strlen(username) > SEALED_MAX_USERNAME)
		return ctl_usage(ctl, "the user name has 1 to %d bytes", SEALED_MAX_USERNAME);
	if (!utf8_valid(connection, strlen(connection)) || !utf8_valid(username, strlen(username)))
		return ctl_usage(ctl, "identifier or user name is not UTF-8 text");
	if (secret_input("Password: ", SEALED_MAX_PASSWORD, &password, &len, &why) == -1)
		return ctl_error(ctl, CTL_REFUSED, "bad_request", "password: %s", why);
	/*
	 * At a prompt that is Ctrl-D or a slip, and an attempt counts against the account. From a
	 * pipe an empty password goes on its way: refusing it is the connector's business.
	 */
	if (len == 0 && prompt_possible()) {
		secret_input_free(password, len);
		return ctl_error(ctl, CTL_REFUSED, "cancelled",
		    "password: nothing was typed; no login was tried");
	}
	status = log_in(ctl, connection, username, password, len);
	secret_input_free(password, len);
	return status;
}
