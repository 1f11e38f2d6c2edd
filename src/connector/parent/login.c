/* SPDX-License-Identifier: ISC */
/*
 * One login, as the parent sees it: the sealed parts come from cloud, the ECDH
 * value is added here (the key never leaves this process), directory opens and
 * checks, and what directory found is signed.  The password itself is never
 * here: without the value the parts are opaque, and the value alone opens
 * nothing the parent has kept.
 *
 * A verdict is signed only for an attempt that is open and that directory
 * answered, so that a cloud process in other hands cannot make one.
 */
#include "build.h"

#include "adconnectord.h"

#include "common/base64url.h"
#include "common/clock.h"
#include "common/json_text.h"
#include "common/jws.h"
#include "common/log.h"
#include "common/replay.h"
#include "common/sealed.h"
#include "common/wipe.h"

#include <bsd/string.h>
#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ATTEMPT_SIZE 65
#define USERNAME_SIZE 1025
#define PROFILE_MAX (512U << 10)
/* docs/tunnel-protocol.md 5. */
#define LOGIN_DEADLINE_MAX_MS 60000U

struct attempt {
	char sign_kid[JOSE_KEY_ID_SIZE]; /* of the key that proved the tunnel it came by */
	char id[ATTEMPT_SIZE];
	char username[USERNAME_SIZE];
	char connection[IDENTITY_CONNECTION_SIZE];
};

void
login_release(void *data)
{
	free(data);
}

static void
answer(struct child *cloud, uint32_t id, enum status status, const char *jws, const char *reason,
    const void *profile, size_t len)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)status);
	wire_put_string(&w, jws);
	wire_put_string(&w, reason);
	wire_put_bytes(&w, profile, len);
	child_send(cloud, MESSAGE_VERDICT, id, &w, -1);
}

static void
refuse(struct connector *connector, struct child *cloud, uint32_t id, enum status status,
    const char *reason)
{
	connector->logins[status]++;
	answer(cloud, id, status, "", reason, "", 0);
}

bool
login_allowed(const struct connector *connector)
{
	return (connector->current->settings->policy.allow & SETTINGS_ALLOW_AUTHENTICATE) != 0;
}

void
login_request(struct connector *connector, struct child *cloud, struct message *m)
{
	const struct deployment *d = connector->current;
	uint8_t epk[JOSE_KEY_PUBLIC_SIZE], z[JOSE_KEY_SECRET_SIZE];
	const struct identity_keys *keys;
	char seal_kid[JOSE_KEY_ID_SIZE];
	struct attempt *attempt;
	struct child *directory;
	struct pending *p;
	enum replay_verdict seen;
	struct wire_writer w;
	uint8_t wrapped_key[JWA_WRAPPED_SIZE], iv[JWA_IV_SIZE], tag[JWA_TAG_SIZE];
	char mark[BASE64URL_SIZE(JWA_TAG_SIZE)];
	uint32_t deadline_ms;
	size_t len, at;

	if ((attempt = calloc(1, sizeof(*attempt))) == NULL) {
		refuse(connector, cloud, m->id, STATUS_INTERNAL, "no_memory");
		return;
	}
	wire_get_string(&m->body, seal_kid, sizeof(seal_kid), 1);
	at = m->body.at;
	wire_get_string(&m->body, attempt->id, sizeof(attempt->id), 1);
	deadline_ms = wire_get_u32(&m->body);
	wire_get_string(&m->body, attempt->username, sizeof(attempt->username), 1);
	wire_get_fixed(&m->body, epk, sizeof(epk));
	wire_get_fixed(&m->body, wrapped_key, sizeof(wrapped_key));
	wire_get_fixed(&m->body, iv, sizeof(iv));
	wire_get_fixed(&m->body, tag, sizeof(tag));
	wire_get_bytes(&m->body, 1, SEALED_MAX_CIPHERTEXT, &len);
	if (wire_end(&m->body) == -1 || deadline_ms == 0 || deadline_ms > LOGIN_DEADLINE_MAX_MS) {
		free(attempt);
		child_breach(cloud, "bad AUTHENTICATE");
		return;
	}
	/* One that trades a ticket, or is only being tried, speaks for nobody yet. */
	if (child_is_trial(cloud)) {
		free(attempt);
		child_breach(cloud, "AUTHENTICATE before its time");
		return;
	}
	if (d->identity == NULL || !login_allowed(connector)) {
		free(attempt);
		refuse(connector, cloud, m->id, STATUS_NOT_ALLOWED, "policy");
		return;
	}
	strlcpy(attempt->connection, d->identity->connection, sizeof(attempt->connection));
	if ((directory = service_current(connector->directory)) == NULL) {
		free(attempt);
		refuse(
		    connector, cloud, m->id, STATUS_DIRECTORY_UNAVAILABLE, "directory_not_running");
		return;
	}
	strlcpy(attempt->sign_kid, rekey_of_tunnel(connector, cloud)->sign_kid,
	    sizeof(attempt->sign_kid));
	if ((keys = rekey_find(d->identity, NULL, seal_kid)) == NULL) {
		free(attempt);
		refuse(connector, cloud, m->id, STATUS_BAD_REQUEST, "sealed_for_old_key");
		return;
	}
	/* Directory knows what it opened, until it is started anew; cloud may wait for that. */
	base64url_encode(mark, sizeof(mark), tag, sizeof(tag));
	if ((seen = replay_check(connector->replay, mark, 0, clock_s())) != REPLAY_NEW) {
		free(attempt);
		if (seen == REPLAY_SEEN)
			refuse(connector, cloud, m->id, STATUS_BAD_REQUEST, "sealed_used");
		else
			refuse(connector, cloud, m->id, STATUS_INTERNAL, "replay_table_full");
		return;
	}
	if (sealed_shared_secret(keys->seal, epk, z) == -1) {
		if (errno == ENOMEM)
			refuse(connector, cloud, m->id, STATUS_INTERNAL, "no_memory");
		else
			refuse(connector, cloud, m->id, STATUS_BAD_REQUEST, "sealed_broken");
		free(attempt);
		return;
	}
	p = pending_add(connector->pending, cloud, m->id, directory, MESSAGE_AUTHENTICATE, attempt);
	if (p == NULL) {
		explicit_bzero(z, sizeof(z));
		free(attempt);
		refuse(connector, cloud, m->id, STATUS_CONNECTOR_UNAVAILABLE, "too_many");
		return;
	}
	wire_writer_init(&w);
	report_clock(connector);
	wire_put_fixed(&w, z, sizeof(z));
	wire_put_u64(&w, (uint64_t)hub_clock_now(&connector->hub_clock));
	wire_put_fixed(&w, m->body.data + at, m->body.len - at);
	explicit_bzero(z, sizeof(z));
	child_send(directory, MESSAGE_CHECK_PASSWORD, p->id, &w, -1);
}

static void
guid_format(const uint8_t guid[16], char text[37])
{
	/* The first three fields are little-endian (MS-DTYP 2.3.4.2). */
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	static const char hex[] = "0123456789abcdef";
	size_t i, at = 0;

	for (i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			text[at++] = '-';
		text[at++] = hex[guid[order[i]] >> 4];
		text[at++] = hex[guid[order[i]] & 15];
	}
	text[at] = '\0';
}

/* docs/tunnel-protocol.md 7.1. NULL when memory is short, or the key is gone. */
static char *
verdict_sign(const struct deployment *d, const struct attempt *attempt, enum status status,
    bool proven, const char *reason, const char *guid, const void *profile, size_t len)
{
	const struct identity_keys *keys =
	    d->identity == NULL ? NULL : rekey_find(d->identity, attempt->sign_kid, NULL);
	uint8_t digest[SHA256_DIGEST_LENGTH];
	char hash[BASE64URL_SIZE(SHA256_DIGEST_LENGTH)], *text, *jws;
	struct json_text t = { 0 };
	size_t text_len;

	/* Enrolled anew, or left, since it came: what is signed now nobody would believe. */
	if (keys == NULL)
		return NULL;
	json_text_open(&t, NULL, '{');
	json_text_string(&t, "attempt", attempt->id);
	json_text_string(&t, "connection", attempt->connection);
	json_text_string(&t, "username", attempt->username);
	json_text_string(&t, "status", status_word(status));
	json_text_boolean(&t, "proven", proven);
	json_text_string(&t, "reason", reason);
	if (guid != NULL)
		json_text_string(&t, "sub", guid);
	if (len > 0) {
		SHA256(profile, len, digest);
		base64url_encode(hash, sizeof(hash), digest, sizeof(digest));
		json_text_string(&t, "profile", hash);
	}
	json_text_close(&t, '}');
	if ((text = json_text_end(&t, &text_len)) == NULL)
		return NULL;
	jws = jws_sign(keys->sign, "adconnector-verdict+jws", text, text_len);
	wiping_free(text);
	return jws;
}

void
login_result(struct connector *connector, struct child *directory, struct message *m)
{
	const uint8_t *profile;
	struct attempt *attempt;
	struct pending *p;
	uint8_t status, proven, found, guid[16];
	uint32_t microseconds;
	char reason[64], guid_text[37], *jws;
	size_t len;

	status = wire_get_u8(&m->body);
	proven = wire_get_u8(&m->body);
	wire_get_string(&m->body, reason, sizeof(reason), 0);
	found = wire_get_u8(&m->body);
	wire_get_fixed(&m->body, guid, sizeof(guid));
	profile = wire_get_bytes(&m->body, 0, PROFILE_MAX, &len);
	microseconds = wire_get_u32(&m->body);
	if (wire_end(&m->body) == -1 || status >= STATUS_COUNT || proven > 1 || found > 1 ||
	    (status == STATUS_OK && (!proven || !found)) || (len > 0 && !proven) ||
	    !utf8_valid(profile, len)) {
		child_breach(directory, "bad CHECKED");
		return;
	}
	if ((p = pending_find(connector->pending, directory, m->id)) == NULL ||
	    p->asked != MESSAGE_AUTHENTICATE)
		return; /* too late */
	connector->logins[status]++;
	connector->login_microseconds += microseconds;
	attempt = p->data;
	log_debug("login %s: %s %s", attempt->id, status_word((enum status)status), reason);
	if (p->from != NULL) {
		guid_format(guid, guid_text);
		jws = verdict_sign(connector->current, attempt, (enum status)status, proven != 0,
		    reason, found ? guid_text : NULL, profile, len);
		if (jws == NULL)
			answer(p->from, p->from_id, STATUS_INTERNAL, "", "not_signed", "", 0);
		else
			answer(p->from, p->from_id, (enum status)status, jws, reason, profile, len);
		free(jws);
	}
	pending_done(connector->pending, p);
}

/* A bind may have counted, so it is never repeated by itself. */
void
login_lost(struct connector *connector, struct pending *p)
{
	if (p->from != NULL)
		refuse(connector, p->from, p->from_id, STATUS_DIRECTORY_UNAVAILABLE,
		    "directory_ended");
}

void
login_tunnel_proof(struct connector *connector, struct child *cloud, struct message *m)
{
	const struct identity *identity = deployment_of(connector, cloud)->identity;
	const struct directory_report *directory = child_is_trial(cloud)
	    ? change_directory_report(connector)
	    : &connector->directory_report;
	struct proved *proved = &connector->proved[child_is_trial(cloud)];
	const struct identity_keys *keys;
	struct wire_writer w;
	json_t *payload;
	char nonce[NONCE_SIZE], *text = NULL, *jws = NULL;

	wire_get_string(&m->body, nonce, sizeof(nonce), 16);
	/* An enrolment has no name to prove yet: the hub that it speaks to may be another one. */
	if (wire_end(&m->body) == -1 || identity == NULL || identity->connector_id[0] == '\0') {
		child_breach(cloud, "bad TUNNEL_PROOF");
		return;
	}
	payload = json_pack("{s:s, s:s, s:s, s:s, s:s, s:[s, s, s], s:s}", "nonce", nonce,
	    "tunnel_url", identity->tunnel_url, "connector_id", identity->connector_id, "version",
	    PACKAGE_VERSION, "host", connector->host, "capabilities", "authenticate", "test",
	    "drain", "domain", directory->domain);
	/* Kept in memory only: a copy of this machine's files does not know it. */
	if (payload != NULL && connector->nonce_welcomed[0] != '\0' &&
	    json_object_set_new(payload, "previous", json_string(connector->nonce_welcomed)) ==
		-1) {
		json_decref(payload); /* without it the hub would see a copy of this machine */
		payload = NULL;
	}
	keys = rekey_prover(connector, identity);
	strlcpy(proved->nonce, nonce, sizeof(proved->nonce));
	strlcpy(proved->kid, keys->sign_kid, sizeof(proved->kid));
	if (payload != NULL && (text = json_dumps(payload, JSON_COMPACT)) != NULL)
		jws = jws_sign(keys->sign, "adconnector-hello+jws", text, strlen(text));
	json_decref(payload);
	free(text);
	if (jws == NULL) {
		log_errorx("the hub's challenge could not be signed");
		child_unanswered(cloud, m->id, STATUS_INTERNAL);
		return;
	}
	wire_writer_init(&w);
	wire_put_string(&w, jws);
	free(jws);
	child_send(cloud, MESSAGE_TUNNEL_PROVED, m->id, &w, -1);
}

/* Directory holds the bind password only while it binds. */
void
login_service_password(struct connector *connector, struct child *directory, struct message *m)
{
	const struct secret *password = deployment_of(connector, directory)->bind_password;
	struct wire_writer w;

	/* One that only finishes what it has was bound with the password before this one. */
	if (!child_is_trial(directory) && directory != service_current(connector->directory))
		password = NULL;
	wire_writer_init(&w);
	if (password != NULL)
		wire_put_bytes(&w, password->data, password->len);
	else
		wire_put_bytes(&w, "", 0);
	child_send(directory, MESSAGE_SERVICE_PASSWORD, m->id, &w, -1);
}
