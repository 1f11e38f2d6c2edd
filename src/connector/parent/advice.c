/* SPDX-License-Identifier: ISC */
/*
 * See advice.h.  The codes are those of src/connector/directory and src/connector/cloud.
 */
#include "advice.h"

#include "settings.h"

#include <ctype.h>
#include <string.h>

static const struct {
	const char *code;
	enum test_step step;
} steps[] = {
	{ "unreachable", TEST_REACH },
	{ "closed", TEST_REACH },
	{ "lost", TEST_REACH },
	{ "protocol", TEST_REACH },
	{ "starttls_refused", TEST_REACH },
	{ "tls_ca", TEST_REACH },
	{ "tls_certificate", TEST_REACH },
	{ "tls_expired", TEST_REACH },
	{ "tls_failed", TEST_REACH },
	{ "tls_name", TEST_REACH },
	{ "tls_not_yet_valid", TEST_REACH },
	{ "tls_untrusted", TEST_REACH },
	{ "bind_failed", TEST_SIGN_IN },
	{ "bind_refused", TEST_SIGN_IN },
	{ "no_password", TEST_SIGN_IN },
	{ "tls_required", TEST_SIGN_IN },
	{ "account_unreadable", TEST_READ },
	{ "base_not_found", TEST_READ },
	{ "base_unknown", TEST_READ },
	{ "groups_unreadable", TEST_READ },
	{ "no_user", TEST_READ },
	{ "read_failed", TEST_READ },
};

/* Nothing that the hub or the way to it said. */
static const char *const own[] = { "bad_request", "busy", "incomplete", "internal", "not_saved" };

enum test_step
advice_step(const char *code, bool cloud)
{
	size_t i;

	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strcmp(own[i], code) == 0)
			return TEST_STEP_COUNT;
	if (cloud)
		return TEST_TUNNEL;
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (strcmp(steps[i].code, code) == 0)
			return steps[i].step;
	return TEST_STEP_COUNT;
}

static bool
in_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.';
}

/* Where the text names the key as a whole: not as a part of a longer one, nor of a path. */
static const char *
find_name(const char *text, const char *key)
{
	size_t len = strlen(key);
	const char *at;

	for (at = text; (at = strstr(at, key)) != NULL; at++) {
		if (at != text && (in_name(at[-1]) || at[-1] == '/'))
			continue;
		if (in_name(at[len]) && !(at[len] == '.' && !in_name(at[len + 1])))
			continue;
		return at;
	}
	return NULL;
}

const char *
advice_key(const char *text)
{
	const char *found, *first = NULL, *key = settings_named(text);
	size_t i;

	if (*key != '\0')
		return key;
	for (i = 0; i <= settings_nrules; i++) {
		const char *name =
		    i < settings_nrules ? settings_rules[i].path : "directory.password";

		found = find_name(text, name);
		if (found != NULL && (first == NULL || found < first)) {
			first = found;
			key = name;
		}
	}
	found = find_name(text, "ticket");
	return found != NULL && (first == NULL || found < first) ? "ticket" : key;
}

const char advice_enrol[] = "make a ticket at the hub (adhubctl ticket new) and give it to "
			    "adconnectorctl enroll";

const char *
advice_cloud(const char *code, bool proxied)
{
	if (strcmp(code, "proxy_refused") == 0)
		return "correct cloud.proxy, and the file of cloud.proxy_password_file";
	if (strcmp(code, "unreachable") != 0 && strcmp(code, "closed") != 0)
		return "";
	return proxied ? "is cloud.proxy right, and does the hub of the ticket run?"
		       : "is the ticket's address right, does the hub run, and may this host reach "
			 "it, or only through cloud.proxy?";
}
