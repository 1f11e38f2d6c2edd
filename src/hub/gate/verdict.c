/* SPDX-License-Identifier: ISC */
/*
 * Judging results: see verdict.h.
 */
#include "verdict.h"

#include "common/base64url.h"
#include "common/json.h"
#include "common/jws.h"
#include "common/wipe.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define VERDICT_TYPE "adconnector-verdict+jws"
#define PAYLOAD_MAX (16 * 1024)
#define GUID_LENGTH 36
#define DIGEST_SIZE 32

/* What may be said without the directory, hence without a signature. */
static bool
needs_no_verdict(enum status status)
{
	switch (status) {
	case STATUS_NOT_ALLOWED:
	case STATUS_BAD_REQUEST:
	case STATUS_UNSUPPORTED:
	case STATUS_DIRECTORY_UNAVAILABLE:
	case STATUS_TIMEOUT:
	case STATUS_CONNECTOR_UNAVAILABLE:
	case STATUS_INTERNAL:
		return true;
	default:
		return false;
	}
}

/* Statuses that contradict "the password was right". */
static bool
excludes_proof(enum status status)
{
	return status == STATUS_INVALID_CREDENTIALS || status == STATUS_LOCKOUT_PROTECTED ||
	    status == STATUS_AMBIGUOUS_USER;
}

static bool
is_guid(const char *s)
{
	size_t i;

	for (i = 0; i < GUID_LENGTH; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s[i] != '-')
				return false;
		} else if (s[i] == '\0' || strchr("0123456789abcdef", s[i]) == NULL)
			return false;
	}
	return s[GUID_LENGTH] == '\0';
}

static bool
equals(const json_t *payload, const char *key, const char *wanted)
{
	size_t len = strlen(wanted);
	const char *value = json_get_string(payload, key, len, len);

	return value != NULL && memcmp(value, wanted, len) == 0;
}

/* NULL, or what is wrong with the profile. */
static const char *
read_profile(const json_t *result, const json_t *digest_member, struct verdict *verdict)
{
	const json_t *text = json_object_get(result, "profile");
	uint8_t digest[DIGEST_SIZE], wanted[DIGEST_SIZE];
	const char *profile;
	size_t len;
	json_t *object;

	if (!json_is_string(digest_member) ||
	    base64url_decode(wanted, sizeof(wanted), json_string_value(digest_member),
		json_string_length(digest_member)) != DIGEST_SIZE)
		return "the verdict's digest of the profile is malformed";
	if (!json_is_string(text))
		return "the profile of the verdict is missing";
	profile = json_string_value(text);
	len = json_string_length(text);
	if (EVP_Digest(profile, len, digest, NULL, EVP_sha256(), NULL) != 1 ||
	    memcmp(digest, wanted, DIGEST_SIZE) != 0)
		return "the profile is not that of the verdict";
	/* It is handed on as it is: what is no JSON object must not get that far. */
	object = json_read(profile, len, VERDICT_PROFILE_MAX, NULL);
	if (!json_is_object(object)) {
		json_decref(object);
		return "the profile is no JSON object, or is too large";
	}
	json_decref(object);
	verdict->profile = profile;
	verdict->profile_len = len;
	return NULL;
}

/* NULL, or what is wrong with a payload whose signature is right. */
static const char *
read_payload(const struct verdict_asked *asked, const json_t *result, struct verdict *verdict)
{
	const json_t *payload = verdict->payload, *proven, *digest;
	const char *word, *sub, *wrong;

	if (!equals(payload, "attempt", asked->attempt))
		return "the verdict is on another attempt";
	if (!equals(payload, "connection", asked->connection))
		return "the verdict is on another connection";
	if (!equals(payload, "username", asked->username))
		return "the verdict is on another username";
	word = json_get_string(payload, "status", 1, 64);
	if (word == NULL || (verdict->status = status_from_word(word)) == STATUS_COUNT)
		return "the verdict's status is unknown";
	if (!json_is_boolean(proven = json_object_get(payload, "proven")))
		return "the verdict does not say whether it is proven";
	if ((verdict->reason = json_get_string(payload, "reason", 0, VERDICT_REASON_MAX)) == NULL)
		return "the verdict's reason is missing or too long";
	sub = json_get_string(payload, "sub", GUID_LENGTH, GUID_LENGTH);
	if (json_object_get(payload, "sub") != NULL && (sub == NULL || !is_guid(sub)))
		return "the verdict's sub is no GUID";
	if (verdict->status == STATUS_OK && (!json_is_true(proven) || sub == NULL))
		return "the verdict says ok without a proof or a user";
	if (json_is_true(proven) && (excludes_proof(verdict->status) || sub == NULL))
		return "the verdict contradicts itself";
	if ((digest = json_object_get(payload, "profile")) != NULL &&
	    (wrong = read_profile(result, digest, verdict)) != NULL)
		return wrong;
	verdict->proven = json_is_true(proven);
	verdict->found = sub != NULL;
	verdict->bound = verdict->status == STATUS_INVALID_CREDENTIALS && sub != NULL;
	return NULL;
}

static const char *
judge(const struct jose_key *key, const struct verdict_asked *asked, const json_t *result,
    struct verdict *verdict)
{
	const json_t *jws = json_object_get(result, "verdict");
	const char *word, *reason;
	uint8_t *text;
	size_t len;

	if (jws == NULL) {
		word = json_get_string(result, "status", 1, 64);
		verdict->status = word == NULL ? STATUS_COUNT : status_from_word(word);
		if (!needs_no_verdict(verdict->status))
			return "a status that needs a verdict came without one";
		if ((reason = json_get_string(result, "reason", 0, VERDICT_REASON_MAX)) != NULL)
			verdict->reason = reason;
		return NULL;
	}
	if (!json_is_string(jws))
		return "the verdict is no string";
	if (jws_verify(key, VERDICT_TYPE, json_string_value(jws), json_string_length(jws),
		PAYLOAD_MAX, &text, &len) == -1)
		return "the verdict's signature is wrong";
	verdict->payload = json_read((const char *)text, len, PAYLOAD_MAX, NULL);
	free(text);
	if (!json_is_object(verdict->payload))
		return "the verdict is no JSON object";
	return read_payload(asked, result, verdict);
}

int
verdict_judge(const struct jose_key *key, const struct verdict_asked *asked, const json_t *result,
    struct verdict *verdict, const char **why)
{
	size_t refused = wiping_refused();

	memset(verdict, 0, sizeof(*verdict));
	verdict->reason = "";
	if ((*why = judge(key, asked, result, verdict)) == NULL)
		return 0;
	if ((errno = wiping_fault(refused)) == ENOMEM)
		*why = "out of memory";
	verdict_free(verdict);
	verdict->status = STATUS_INTERNAL;
	verdict->reason = *why;
	return -1;
}

void
verdict_free(struct verdict *verdict)
{
	json_decref(verdict->payload);
	memset(verdict, 0, sizeof(*verdict));
	verdict->reason = "";
}
