/* SPDX-License-Identifier: ISC */
/*
 * Sign-in secrets and sessions: see session.h.  A hash is compared in a time that does not
 * depend on where it differs, and with each that there is.
 */
#include "session.h"

#include "common/log.h"
#include "common/secret.h"

#include <bsd/stdlib.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct allowed {
	uint8_t hash[SESSION_HASH_SIZE];
	uint64_t until; /* 0: the place is free */
};

struct session {
	uint8_t hash[SESSION_HASH_SIZE];
	uint64_t number; /* 0: the place is free */
	uint64_t idle_until, until;
};

struct sessions {
	struct allowed allowed[SESSION_SECRETS_MAX];
	struct session session[SESSION_MAX];
	uint64_t last_number;
};

static void
hash_of(const uint8_t secret[SESSION_SECRET_SIZE], uint8_t hash[SESSION_HASH_SIZE])
{
	if (EVP_Digest(secret, SESSION_SECRET_SIZE, hash, NULL, EVP_sha256(), NULL) != 1)
		fatalx("openssl: no SHA-256");
}

/* False: it is not the text of 32 bytes. */
static bool
hash_of_text(const char *text, uint8_t hash[SESSION_HASH_SIZE])
{
	uint8_t secret[SESSION_SECRET_SIZE];
	bool good;

	good = strnlen(text, SESSION_TEXT_SIZE) == SESSION_TEXT_SIZE - 1 &&
	    base64url_decode(secret, sizeof(secret), text, SESSION_TEXT_SIZE - 1) ==
		(ssize_t)sizeof(secret);
	if (good)
		hash_of(secret, hash);
	explicit_bzero(secret, sizeof(secret));
	return good;
}

struct sessions *
sessions_new(void)
{
	static const uint8_t nothing[SESSION_SECRET_SIZE];
	uint8_t hash[SESSION_HASH_SIZE];

	/* Without a configuration file: the sandbox has none. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		fatalx("openssl does not work");
	hash_of(nothing, hash);
	return calloc(1, sizeof(struct sessions));
}

void
sessions_allow(struct sessions *s, const uint8_t hash[SESSION_HASH_SIZE], uint64_t until_ms)
{
	struct allowed *place = &s->allowed[0];
	size_t i;

	for (i = 1; i < SESSION_SECRETS_MAX; i++)
		if (s->allowed[i].until < place->until)
			place = &s->allowed[i];
	memcpy(place->hash, hash, sizeof(place->hash));
	place->until = until_ms;
}

static bool
take_allowed(struct sessions *s, const uint8_t hash[SESSION_HASH_SIZE], uint64_t now)
{
	struct allowed *found = NULL;
	size_t i;

	for (i = 0; i < SESSION_SECRETS_MAX; i++)
		if (secret_equal(s->allowed[i].hash, hash, SESSION_HASH_SIZE) &&
		    s->allowed[i].until > now)
			found = &s->allowed[i];
	if (found == NULL)
		return false;
	explicit_bzero(found, sizeof(*found));
	return true;
}

static bool
is_over(const struct session *session, uint64_t now)
{
	return session->number != 0 && (session->idle_until <= now || session->until <= now);
}

/* A free place, or that of the one that was not used for longest. */
static struct session *
place_for_one(struct sessions *s)
{
	struct session *place = &s->session[0];
	size_t i;

	for (i = 0; i < SESSION_MAX; i++) {
		if (s->session[i].number == 0)
			return &s->session[i];
		if (s->session[i].idle_until < place->idle_until)
			place = &s->session[i];
	}
	return place;
}

uint64_t
sessions_sign_in(struct sessions *s, const char *secret, uint64_t now,
    char token[SESSION_TEXT_SIZE], uint64_t *ended)
{
	uint8_t hash[SESSION_HASH_SIZE], random[SESSION_SECRET_SIZE];
	struct session *session;

	*ended = 0;
	if (!hash_of_text(secret, hash) || !take_allowed(s, hash, now))
		return 0;
	session = place_for_one(s);
	*ended = session->number;
	arc4random_buf(random, sizeof(random));
	base64url_encode(token, SESSION_TEXT_SIZE, random, sizeof(random));
	hash_of(random, session->hash);
	explicit_bzero(random, sizeof(random));
	session->number = ++s->last_number;
	session->idle_until = now + SESSION_IDLE_MS;
	session->until = now + SESSION_LONGEST_MS;
	return session->number;
}

static const struct session *
find(const struct sessions *s, const char *token, uint64_t now)
{
	uint8_t hash[SESSION_HASH_SIZE];
	const struct session *found = NULL;
	size_t i;

	if (!hash_of_text(token, hash))
		return NULL;
	for (i = 0; i < SESSION_MAX; i++)
		if (secret_equal(s->session[i].hash, hash, SESSION_HASH_SIZE) &&
		    s->session[i].number != 0 && !is_over(&s->session[i], now))
			found = &s->session[i];
	return found;
}

uint64_t
sessions_find(const struct sessions *s, const char *token, uint64_t now)
{
	const struct session *found = find(s, token, now);

	return found == NULL ? 0 : found->number;
}

uint64_t
sessions_use(struct sessions *s, const char *token, uint64_t now)
{
	const struct session *found = find(s, token, now);

	if (found == NULL)
		return 0;
	s->session[found - s->session].idle_until = now + SESSION_IDLE_MS;
	return found->number;
}

void
sessions_end(struct sessions *s, uint64_t number)
{
	size_t i;

	for (i = 0; number != 0 && i < SESSION_MAX; i++)
		if (s->session[i].number == number)
			explicit_bzero(&s->session[i], sizeof(s->session[i]));
}

uint64_t
sessions_expire(struct sessions *s, uint64_t now)
{
	uint64_t number;
	size_t i;

	for (i = 0; i < SESSION_MAX; i++)
		if (is_over(&s->session[i], now)) {
			number = s->session[i].number;
			sessions_end(s, number);
			return number;
		}
	return 0;
}

uint64_t
sessions_next(const struct sessions *s)
{
	uint64_t next = 0, over;
	size_t i;

	for (i = 0; i < SESSION_MAX; i++) {
		if (s->session[i].number == 0)
			continue;
		over = s->session[i].idle_until < s->session[i].until ? s->session[i].idle_until
								      : s->session[i].until;
		if (next == 0 || over < next)
			next = over;
	}
	return next;
}
