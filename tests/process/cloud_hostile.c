/* SPDX-License-Identifier: ISC */
/*
 * Two hostile minds for adc-cloud.  The liar says "ok" to everything by itself,
 * each time with another kind of evidence.  The replayer lets the first login
 * through and shows its verdict for every later one.  The hub must refuse them all.
 */
#include "cloud_hostile.h"

#include "common/base64url.h"
#include "common/jws.h"
#include "common/log.h"

#include <openssl/evp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUID "11111111-2222-3333-4444-555555555555"
#define PROFILE "{\"id\":\"" GUID "\",\"userName\":\"admin@example.com\",\"groups\":[]}"

#ifdef ADC_TEST_LIAR

/* What a true verdict would say, for this attempt. */
static char *
payload(const struct cloud *cloud, const struct frame *frame)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char encoded[BASE64URL_SIZE(32)];
	json_t *json;
	char *text;

	EVP_Digest(PROFILE, strlen(PROFILE), digest, NULL, EVP_sha256(), NULL);
	base64url_encode(encoded, sizeof(encoded), digest, 32);
	json = json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:s}", "attempt", frame->attempt,
	    "connection", cloud->connection, "username", frame->username, "status", "ok", "proven",
	    1, "reason", "", "sub", GUID, "profile", encoded);
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	return text;
}

/* The same with "alg":"none", which some readers of JWS have believed. */
static char *
unsigned_verdict(const char *text)
{
	static const char header[] = "{\"alg\":\"none\",\"typ\":\"adconnector-verdict+jws\"}";
	size_t size = BASE64URL_SIZE(sizeof(header)) + BASE64URL_SIZE(strlen(text)) + 2, at;
	char *jws;

	if ((jws = malloc(size)) == NULL)
		return NULL;
	at = base64url_encode(jws, size, header, strlen(header));
	jws[at++] = '.';
	at += base64url_encode(jws + at, size - at, text, strlen(text));
	snprintf(jws + at, size - at, ".");
	return jws;
}

char *
hostile_result(const struct cloud *cloud, const struct frame *frame, size_t *len)
{
	static unsigned int lies;
	struct jose_key *key;
	char *text, *verdict = NULL, *result;

	text = payload(cloud, frame);
	switch (lies++ % 4) {
	case 0: /* no evidence at all */
		break;
	case 1: /* signed with a key of its own */
		key = jose_key_generate();
		verdict = jws_sign(key, "adconnector-verdict+jws", text, strlen(text));
		jose_key_free(key);
		break;
	case 2:
		verdict = unsigned_verdict(text);
		break;
	default:
		verdict = strdup("eyJhbGciOiJFUzI1NiJ9.e30.AAAA");
		break;
	}
	log_warnx("test program: lying about %s (%u)", frame->attempt, lies);
	result = frame_result(frame->id, STATUS_OK, verdict, "", PROFILE, strlen(PROFILE), len);
	free(verdict);
	free(text);
	return result;
}

void
hostile_record(enum status status, const char *verdict, const void *profile, size_t profile_len)
{
	(void)status;
	(void)verdict;
	(void)profile;
	(void)profile_len;
}

#else

static char *recorded_verdict, *recorded_profile;
static size_t recorded_len;

char *
hostile_result(const struct cloud *cloud, const struct frame *frame, size_t *len)
{
	(void)cloud;
	if (recorded_verdict == NULL)
		return NULL;
	log_warnx("test program: replaying for %s", frame->attempt);
	return frame_result(
	    frame->id, STATUS_OK, recorded_verdict, "", recorded_profile, recorded_len, len);
}

void
hostile_record(enum status status, const char *verdict, const void *profile, size_t profile_len)
{
	if (recorded_verdict != NULL || status != STATUS_OK || verdict[0] == '\0')
		return;
	recorded_verdict = strdup(verdict);
	recorded_profile = malloc(profile_len + 1);
	if (recorded_verdict == NULL || recorded_profile == NULL)
		fatalx("out of memory");
	if (profile_len > 0)
		memcpy(recorded_profile, profile, profile_len);
	recorded_len = profile_len;
}

#endif
