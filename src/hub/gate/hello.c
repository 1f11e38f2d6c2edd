/* SPDX-License-Identifier: ISC */
/*
 * Reading and checking a hello: see hello.h.
 */
#include "hello.h"

#include "common/base64url.h"
#include "common/json.h"
#include "common/jws.h"
#include "common/wipe.h"

#include <bsd/string.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HELLO_MAX 4096
#define CAPABILITIES_MAX 32

/* The payload of a compact JWS, not yet believed. */
static json_t *
payload_unchecked(const char *jws)
{
	const char *begin, *end;
	uint8_t bytes[BASE64URL_DECODED_SIZE(HELLO_MAX)];
	ssize_t len;

	if ((begin = strchr(jws, '.')) == NULL || (end = strchr(begin + 1, '.')) == NULL)
		return NULL;
	begin++;
	len = base64url_decode(bytes, sizeof(bytes), begin, (size_t)(end - begin));
	if (len <= 0)
		return NULL;
	return json_read((const char *)bytes, (size_t)len, sizeof(bytes), NULL);
}

int
hello_read(const char *text, size_t len, char connector_id[CONNECTOR_ID_SIZE], char **proof,
    const char **why)
{
	json_t *frame, *payload = NULL;
	const char *type, *jws, *id;
	size_t refused = wiping_refused();
	int result = -1;

	*proof = NULL;
	if ((frame = json_read(text, len, HELLO_MAX, why)) == NULL)
		return -1;
	type = json_get_string(frame, "type", 1, 32);
	jws = json_get_string(frame, "proof", 1, HELLO_MAX);
	if (type == NULL || strcmp(type, "hello") != 0 || jws == NULL) {
		*why = "no hello";
		goto out;
	}
	payload = payload_unchecked(jws);
	id = json_get_string(payload, "connector_id", 1, CONNECTOR_ID_SIZE - 1);
	if (id == NULL || !is_token(id, 1, CONNECTOR_ID_SIZE - 1)) {
		*why = "its proof names no connector";
		goto out;
	}
	if ((*proof = wiping_malloc(strlen(jws) + 1)) == NULL)
		goto out;
	strlcpy(*proof, jws, strlen(jws) + 1);
	strlcpy(connector_id, id, CONNECTOR_ID_SIZE);
	result = 0;
out:
	if (result == -1 && (errno = wiping_fault(refused)) == ENOMEM)
		*why = "out of memory";
	json_decref(payload);
	json_decref(frame);
	return result;
}

static bool
equals(const json_t *payload, const char *key, const char *wanted)
{
	const char *value = json_get_string(payload, key, 1, URL_SIZE - 1);

	return value != NULL && strcmp(value, wanted) == 0;
}

/* NULL or what is wrong with what the connector says about itself. */
static const char *
read_particulars(const json_t *payload, struct hello *hello)
{
	const json_t *capabilities = json_object_get(payload, "capabilities");
	const char *version = json_get_string(payload, "version", 1, sizeof(hello->version) - 1);
	const char *host = json_get_string(payload, "host", 0, sizeof(hello->host) - 1);
	const char *domain = json_get_string(payload, "domain", 0, sizeof(hello->domain) - 1);

	const char *previous =
	    json_get_string(payload, "previous", NONCE_SIZE - 1, sizeof(hello->previous) - 1);

	if (version == NULL || host == NULL || domain == NULL)
		return "version, host or domain is missing or too long";
	if (!json_is_array(capabilities) || json_array_size(capabilities) > CAPABILITIES_MAX)
		return "capabilities are missing or too many";
	strlcpy(hello->version, version, sizeof(hello->version));
	strlcpy(hello->host, host, sizeof(hello->host));
	strlcpy(hello->domain, domain, sizeof(hello->domain));
	hello->previous[0] = '\0';
	if (previous != NULL)
		strlcpy(hello->previous, previous, sizeof(hello->previous));
	return NULL;
}

int
hello_check(const struct jose_key *key, const char *proof, const char *nonce,
    const char *tunnel_url, const char *connector_id, struct hello *hello, const char **why)
{
	uint8_t *text;
	size_t len;
	json_t *payload;

	*why = NULL;
	if (jws_verify(
		key, "adconnector-hello+jws", proof, strlen(proof), HELLO_MAX, &text, &len) == -1) {
		*why = errno == ENOMEM ? "out of memory" : "the signature of its proof is wrong";
		return -1;
	}
	payload = json_read((const char *)text, len, HELLO_MAX, why);
	free(text);
	if (payload == NULL)
		return -1;
	if (!equals(payload, "nonce", nonce))
		*why = "its proof is over another nonce";
	else if (!equals(payload, "tunnel_url", tunnel_url))
		*why = "its proof is for another tunnel URL than this hub's";
	else if (!equals(payload, "connector_id", connector_id))
		*why = "its proof names another connector";
	else
		*why = read_particulars(payload, hello);
	json_decref(payload);
	if (*why == NULL)
		return 0;
	errno = EBADMSG;
	return -1;
}
