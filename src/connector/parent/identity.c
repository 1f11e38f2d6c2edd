/* SPDX-License-Identifier: ISC */
/*
 * Load, make and save the connector's identity.  Files change by rename, so
 * that a crash leaves the old one or the new one.
 */
#include "build.h"

#include "identity.h"

#include "saved.h"

#include "common/base64url.h"
#include "common/json.h"
#include "common/jws.h"
#include "common/rekey.h"
#include "common/secret.h"
#include "common/wipe.h"

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX 16384
#define NAME "identity.json"
#define PREPARED "identity.prepared.json"

static struct jose_key *
key_from_json(const json_t *object, const char *name, char kid[JOSE_KEY_ID_SIZE])
{
	uint8_t d[JOSE_KEY_PRIVATE_SIZE], xy[JOSE_KEY_PUBLIC_SIZE];
	const json_t *member = json_object_get(object, name);
	const char *text;
	struct jose_key *key = NULL;

	if (member == NULL || (text = json_get_string(member, "d", 43, 43)) == NULL)
		return NULL;
	if (base64url_decode(d, sizeof(d), text, strlen(text)) == sizeof(d) &&
	    jose_key_read_coordinates(json_object_get(member, "public"), xy) == 0 &&
	    jose_key_thumbprint(xy, kid) == 0)
		key = jose_key_from_private(d, xy);
	explicit_bzero(d, sizeof(d));
	return key;
}

static json_t *
key_to_json(const struct jose_key *key)
{
	uint8_t d[JOSE_KEY_PRIVATE_SIZE];
	char text[BASE64URL_SIZE(JOSE_KEY_PRIVATE_SIZE)];
	json_t *object = NULL;

	if (jose_key_private(key, d) == 0 &&
	    base64url_encode(text, sizeof(text), d, sizeof(d)) != 0)
		object = json_pack("{s:s, s:o}", "d", text, "public", jose_key_jwk(key));
	explicit_bzero(d, sizeof(d));
	explicit_bzero(text, sizeof(text));
	return object;
}

static int
pair_from_json(const json_t *object, struct identity_keys *keys)
{
	keys->sign = key_from_json(object, "sign", keys->sign_kid);
	keys->seal = key_from_json(object, "seal", keys->seal_kid);
	return keys->sign == NULL || keys->seal == NULL ? -1 : 0;
}

/* A pair that need not be there. */
static int
other_pair_from_json(const json_t *object, const char *name, struct identity_keys *keys)
{
	const json_t *pair = json_object_get(object, name);

	return pair == NULL ? 0 : pair_from_json(pair, keys);
}

/* 0 also when there is no such pair. */
static int
other_pair_to_json(json_t *object, const char *name, const struct identity_keys *keys)
{
	if (keys->sign == NULL)
		return 0;
	return json_object_set_new(object, name,
	    json_pack(
		"{s:o, s:o}", "sign", key_to_json(keys->sign), "seal", key_to_json(keys->seal)));
}

static int
copy_string(const json_t *object, const char *key, char *dst, size_t size)
{
	const char *value;

	if ((value = json_get_string(object, key, 0, size - 1)) == NULL)
		return -1;
	strlcpy(dst, value, size);
	return 0;
}

static struct identity *
from_json(const json_t *object)
{
	struct identity *identity;
	const char *text;
	int64_t port;
	char scheme[8];

	if ((identity = calloc(1, sizeof(*identity))) == NULL)
		return NULL;
	if (pair_from_json(object, &identity->keys) == -1 ||
	    other_pair_from_json(object, "next", &identity->next) == -1 ||
	    other_pair_from_json(object, "before", &identity->before) == -1)
		goto fail;
	if (identity->before.sign != NULL &&
	    json_get_integer(object, "rekeyed", 0, INT64_MAX, &identity->rekeyed) == -1)
		goto fail;
	if ((text = json_get_string(object, "ticket", 43, 43)) == NULL ||
	    base64url_decode(identity->ticket, sizeof(identity->ticket), text, strlen(text)) !=
		sizeof(identity->ticket))
		goto fail;
	if (copy_string(object, "scheme", scheme, sizeof(scheme)) == -1 ||
	    copy_string(object, "host", identity->origin.host, sizeof(identity->origin.host)) ==
		-1 ||
	    json_get_integer(object, "port", 1, 65535, &port) == -1)
		goto fail;
	identity->origin.scheme = strcmp(scheme, "http") == 0 ? ENDPOINT_HTTP : ENDPOINT_HTTPS;
	identity->origin.port = (uint16_t)port;
	identity->origin.numeric = json_is_true(json_object_get(object, "numeric"));
	strlcpy(identity->origin.path, "/", sizeof(identity->origin.path));
	if ((text = json_get_string(object, "pin", 43, 43)) != NULL) {
		if (base64url_decode(identity->pin, sizeof(identity->pin), text, strlen(text)) !=
		    sizeof(identity->pin))
			goto fail;
		identity->pinned = true;
	} else if (json_object_get(object, "pin") != NULL)
		goto fail; /* a broken pin is not "no pin" */
	if (copy_string(object, "connector_id", identity->connector_id,
		sizeof(identity->connector_id)) == -1 ||
	    copy_string(object, "connection", identity->connection, sizeof(identity->connection)) ==
		-1 ||
	    copy_string(object, "tunnel_url", identity->tunnel_url, sizeof(identity->tunnel_url)) ==
		-1 ||
	    copy_string(object, "scim_url", identity->scim_url, sizeof(identity->scim_url)) == -1)
		goto fail;
	return identity;
fail:
	identity_free(identity);
	return NULL;
}

static json_t *
to_json(const struct identity *identity)
{
	char ticket[BASE64URL_SIZE(32)], pin[BASE64URL_SIZE(32)];
	json_t *object;

	base64url_encode(ticket, sizeof(ticket), identity->ticket, sizeof(identity->ticket));
	object = json_pack("{s:o, s:o, s:s, s:s, s:s, s:i, s:b, s:s, s:s, s:s, s:s}", "sign",
	    key_to_json(identity->keys.sign), "seal", key_to_json(identity->keys.seal), "ticket",
	    ticket, "scheme", identity->origin.scheme == ENDPOINT_HTTP ? "http" : "https", "host",
	    identity->origin.host, "port", (int)identity->origin.port, "numeric",
	    (int)identity->origin.numeric, "connector_id", identity->connector_id, "connection",
	    identity->connection, "tunnel_url", identity->tunnel_url, "scim_url",
	    identity->scim_url);
	base64url_encode(pin, sizeof(pin), identity->pin, sizeof(identity->pin));
	if (object != NULL &&
	    ((identity->pinned && json_object_set_new(object, "pin", json_string(pin)) == -1) ||
		other_pair_to_json(object, "next", &identity->next) == -1 ||
		other_pair_to_json(object, "before", &identity->before) == -1 ||
		(identity->before.sign != NULL &&
		    json_object_set_new(
			object, "rekeyed", json_integer((json_int_t)identity->rekeyed)) == -1))) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static struct identity *
load_file(const char *state_dir, const char *name, const char **why)
{
	struct identity *identity = NULL;
	size_t refused = wiping_refused();
	struct secret *text;
	json_t *object;
	char path[PATH_MAX];
	int fd;

	*why = NULL;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", state_dir, name) >= sizeof(path)) {
		*why = "state_dir is too long";
		return NULL;
	}
	if ((fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)) == -1) {
		if (errno != ENOENT)
			*why = strerror(errno);
		return NULL;
	}
	text = secret_read_fd(fd, FILE_MAX);
	close(fd);
	if (text == NULL) {
		*why = "it cannot be read";
		return NULL;
	}
	if ((object = json_read((const char *)text->data, text->len, FILE_MAX, why)) != NULL) {
		if ((identity = from_json(object)) == NULL)
			*why = wiping_fault(refused) == ENOMEM ? "out of memory" : "it is damaged";
		json_decref(object);
	}
	secret_free(text);
	return identity;
}

static int
save_file(
    const char *state_dir, const char *name, const struct identity *identity, const char **why)
{
	json_t *object;
	char *text = NULL;
	int result;

	if ((object = to_json(identity)) == NULL ||
	    (text = json_dumps(object, JSON_COMPACT)) == NULL) {
		*why = "no memory";
		json_decref(object);
		return -1;
	}
	if ((result = saved_write(state_dir, name, text, strlen(text))) == -1)
		*why = strerror(errno);
	wiping_free(text);
	json_decref(object);
	return result;
}

struct identity *
identity_load(const char *state_dir, const char **why)
{
	struct identity *identity;

	if ((identity = load_file(state_dir, NAME, why)) != NULL &&
	    identity->connector_id[0] == '\0') {
		*why = "it is incomplete";
		identity_free(identity);
		return NULL;
	}
	return identity;
}

static int
pair_make(struct identity_keys *keys)
{
	uint8_t xy[JOSE_KEY_PUBLIC_SIZE];

	keys->sign = jose_key_generate();
	keys->seal = jose_key_generate();
	if (keys->sign != NULL && keys->seal != NULL && jose_key_public(keys->sign, xy) == 0 &&
	    jose_key_thumbprint(xy, keys->sign_kid) == 0 && jose_key_public(keys->seal, xy) == 0 &&
	    jose_key_thumbprint(xy, keys->seal_kid) == 0)
		return 0;
	identity_forget(keys);
	return -1;
}

static bool
same_place(const struct identity *identity, const struct ticket *ticket, const uint8_t digest[32])
{
	return secret_equal(identity->ticket, digest, 32) &&
	    endpoint_same_origin(&identity->origin, &ticket->origin);
}

struct identity *
identity_prepare(const char *state_dir, const struct ticket *ticket, const char **why)
{
	static const char *const names[] = { PREPARED, NAME };
	struct identity *identity = NULL;
	uint8_t digest[32];
	size_t i;

	SHA256((const unsigned char *)ticket->secret, strlen(ticket->secret), digest);
	/* Made for this ticket before, or in force since: the hub gives the same answer again. */
	for (i = 0; identity == NULL && i < sizeof(names) / sizeof(names[0]); i++) {
		if ((identity = load_file(state_dir, names[i], why)) == NULL && *why != NULL)
			return NULL;
		if (identity != NULL && !same_place(identity, ticket, digest)) {
			identity_free(identity);
			identity = NULL;
		}
	}
	if (identity == NULL && (identity = calloc(1, sizeof(*identity))) == NULL) {
		*why = "no memory";
		return NULL;
	}
	if (identity->keys.sign == NULL) {
		memcpy(identity->ticket, digest, sizeof(digest));
		if (pair_make(&identity->keys) == -1) {
			*why = "keys could not be made";
			identity_free(identity);
			return NULL;
		}
	}
	identity->origin = ticket->origin;
	identity->pinned = ticket->pinned;
	memcpy(identity->pin, ticket->pin, sizeof(identity->pin));
	identity->connector_id[0] = identity->connection[0] = '\0';
	identity->tunnel_url[0] = identity->scim_url[0] = '\0';
	if (save_file(state_dir, PREPARED, identity, why) == -1) {
		identity_free(identity);
		return NULL;
	}
	return identity;
}

int
identity_save(const char *state_dir, const struct identity *identity, const char **why)
{
	char path[PATH_MAX];

	if (save_file(state_dir, NAME, identity, why) == -1)
		return -1;
	/* Nothing depends on its end: the next preparation writes it anew. */
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", state_dir, PREPARED) < sizeof(path))
		unlink(path);
	return 0;
}

int
identity_update(const char *state_dir, const struct identity *identity, const char **why)
{
	return save_file(state_dir, NAME, identity, why);
}

int
identity_renew(struct identity *identity)
{
	return identity->next.sign != NULL ? 0 : pair_make(&identity->next);
}

void
identity_advance(struct identity *identity, int64_t now)
{
	identity_forget(&identity->before);
	identity->before = identity->keys;
	identity->keys = identity->next;
	memset(&identity->next, 0, sizeof(identity->next));
	identity->rekeyed = now;
}

void
identity_forget(struct identity_keys *keys)
{
	jose_key_free(keys->sign);
	jose_key_free(keys->seal);
	memset(keys, 0, sizeof(*keys));
}

unsigned int
identity_before_left(const struct identity *identity, int64_t now)
{
	int64_t passed = now - identity->rekeyed;

	if (identity->before.sign == NULL)
		return 0;
	/* A clock that was set back makes it no longer than it was at first. */
	if (passed < 0)
		passed = 0;
	return passed >= REKEY_OVERLAP_S ? 0 : (unsigned int)(REKEY_OVERLAP_S - passed);
}

/* What was only prepared goes first: when the identity is gone, all is. */
int
identity_remove(const char *state_dir, const char **why)
{
	static const char *const files[] = { PREPARED ".new", NAME ".new", PREPARED, NAME };
	char path[PATH_MAX];
	int directory, result = -1;
	size_t i;

	if ((directory = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
		*why = strerror(errno);
		return -1;
	}
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", state_dir, files[i]) >=
			sizeof(path) ||
		    (unlink(path) == -1 && errno != ENOENT))
			break;
	if (i == sizeof(files) / sizeof(files[0]) && fsync(directory) == 0)
		result = 0;
	else
		*why = strerror(errno);
	close(directory);
	return result;
}

struct identity *
identity_copy(const struct identity *identity)
{
	struct identity *copy;
	json_t *object;

	if (identity == NULL || (object = to_json(identity)) == NULL)
		return NULL;
	copy = from_json(object);
	json_decref(object);
	return copy;
}

void
identity_free(struct identity *identity)
{
	if (identity == NULL)
		return;
	identity_forget(&identity->keys);
	identity_forget(&identity->next);
	identity_forget(&identity->before);
	free(identity);
}

char *
identity_enrol_body(const struct identity *identity, const char *host)
{
	char ticket[BASE64URL_SIZE(32)], *payload = NULL, *proof = NULL, *body = NULL;
	json_t *object;

	base64url_encode(ticket, sizeof(ticket), identity->ticket, sizeof(identity->ticket));
	object = json_pack(
	    "{s:s, s:s, s:s}", "ticket", ticket, "name", host, "seal", identity->keys.seal_kid);
	if (object != NULL)
		payload = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (payload == NULL)
		return NULL;
	proof = jws_sign(identity->keys.sign, "adconnector-enrol+jws", payload, strlen(payload));
	wiping_free(payload);
	if (proof == NULL)
		return NULL;
	object = json_pack("{s:s, s:s, s:{s:o, s:o}, s:s}", "name", host, "version",
	    PACKAGE_VERSION, "keys", "sign", jose_key_jwk(identity->keys.sign), "seal",
	    jose_key_jwk(identity->keys.seal), "proof", proof);
	free(proof);
	if (object != NULL)
		body = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	return body;
}
