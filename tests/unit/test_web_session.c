/* SPDX-License-Identifier: ISC */
/*
 * Signing in to the page: what a secret is good for, how long a session lives, and that there
 * are never more than there may be.  The clock is the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/sha.h>

#include "session.h"

#define NOW 5000000U
#define GOOD_MS 300000U

struct secret_text {
	char text[SESSION_TEXT_SIZE];
};

/* The n-th secret, which may be traded until then. */
static struct secret_text
allow(struct sessions *s, uint8_t n, uint64_t until)
{
	uint8_t secret[SESSION_SECRET_SIZE], hash[SESSION_HASH_SIZE];
	struct secret_text made;

	memset(secret, n, sizeof(secret));
	SHA256(secret, sizeof(secret), hash);
	base64url_encode(made.text, sizeof(made.text), secret, sizeof(secret));
	sessions_allow(s, hash, until);
	return made;
}

static uint64_t
sign_in(struct sessions *s, const char *secret, uint64_t now, char token[SESSION_TEXT_SIZE])
{
	uint64_t ended, number;

	number = sessions_sign_in(s, secret, now, token, &ended);
	assert_int_equal(ended, 0);
	return number;
}

static void
once(void **state)
{
	struct sessions *s = sessions_new();
	char token[SESSION_TEXT_SIZE], other[SESSION_TEXT_SIZE];
	struct secret_text secret = allow(s, 1, NOW + GOOD_MS);
	uint64_t number;

	(void)state;
	assert_true((number = sign_in(s, secret.text, NOW, token)) != 0);
	assert_int_equal(strlen(token), SESSION_TEXT_SIZE - 1);
	assert_int_equal(sign_in(s, secret.text, NOW, other), 0);
	assert_int_equal(sessions_use(s, token, NOW), number);
	/* The secret is no token, and the other way round. */
	assert_int_equal(sessions_use(s, secret.text, NOW), 0);
	assert_int_equal(sign_in(s, token, NOW, other), 0);
	/* Every bit counts. */
	token[0] = token[0] == 'A' ? 'B' : 'A';
	assert_int_equal(sessions_use(s, token, NOW), 0);
	free(s);
}

static void
too_late(void **state)
{
	struct sessions *s = sessions_new();
	char token[SESSION_TEXT_SIZE];
	struct secret_text secret = allow(s, 1, NOW + GOOD_MS);

	(void)state;
	assert_int_equal(sign_in(s, secret.text, NOW + GOOD_MS, token), 0);
	assert_true(sign_in(s, secret.text, NOW + GOOD_MS - 1, token) != 0);
	free(s);
}

static void
nothing_is_a_secret(void **state)
{
	static const char *const texts[] = { "", "A", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };
	struct sessions *s = sessions_new();
	char token[SESSION_TEXT_SIZE];
	size_t i;

	(void)state;
	/* Places that are free hold a hash of zeros and no time. */
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(sign_in(s, texts[i], 0, token), 0);
		assert_int_equal(sessions_use(s, texts[i], 0), 0);
	}
	assert_int_equal(sessions_expire(s, UINT64_MAX), 0);
	assert_int_equal(sessions_next(s), 0);
	free(s);
}

static void
eight_secrets(void **state)
{
	struct secret_text secrets[SESSION_SECRETS_MAX + 1];
	struct sessions *s = sessions_new();
	char token[SESSION_TEXT_SIZE];
	uint8_t i;

	(void)state;
	for (i = 0; i <= SESSION_SECRETS_MAX; i++)
		secrets[i] = allow(s, (uint8_t)(i + 1), NOW + i + 1);
	assert_int_equal(sign_in(s, secrets[0].text, NOW, token), 0);
	for (i = 1; i <= SESSION_SECRETS_MAX; i++)
		assert_true(sign_in(s, secrets[i].text, NOW, token) != 0);
	free(s);
}

static void
idle_and_old(void **state)
{
	struct sessions *s = sessions_new();
	char token[SESSION_TEXT_SIZE], idle[SESSION_TEXT_SIZE];
	uint64_t number, other, now;

	(void)state;
	number = sign_in(s, allow(s, 1, NOW + GOOD_MS).text, NOW, token);
	other = sign_in(s, allow(s, 2, NOW + GOOD_MS).text, NOW, idle);
	assert_int_equal(sessions_next(s), NOW + SESSION_IDLE_MS);
	/* Used again and again, it lives on, but not for ever. */
	for (now = NOW; now < NOW + SESSION_LONGEST_MS; now += SESSION_IDLE_MS - 1)
		assert_int_equal(sessions_use(s, token, now), number);
	assert_int_equal(sessions_use(s, token, NOW + SESSION_LONGEST_MS), 0);
	/* To look is no use. */
	assert_int_equal(sessions_find(s, idle, NOW + SESSION_IDLE_MS - 1), other);
	assert_int_equal(sessions_find(s, idle, NOW + SESSION_IDLE_MS), 0);
	/* Also before anybody has cleared it away. */
	assert_int_equal(sessions_use(s, idle, NOW + SESSION_IDLE_MS), 0);
	assert_int_equal(sessions_expire(s, NOW + SESSION_IDLE_MS - 1), 0);
	assert_int_equal(sessions_expire(s, NOW + SESSION_IDLE_MS), other);
	assert_int_equal(sessions_expire(s, NOW + SESSION_IDLE_MS), 0);
	assert_int_equal(sessions_next(s), NOW + SESSION_LONGEST_MS);
	assert_int_equal(sessions_expire(s, NOW + SESSION_LONGEST_MS), number);
	assert_int_equal(sessions_next(s), 0);
	free(s);
}

static void
ended(void **state)
{
	struct sessions *s = sessions_new();
	char token[SESSION_TEXT_SIZE], other[SESSION_TEXT_SIZE];
	uint64_t number, stays;

	(void)state;
	number = sign_in(s, allow(s, 1, NOW + GOOD_MS).text, NOW, token);
	stays = sign_in(s, allow(s, 2, NOW + GOOD_MS).text, NOW, other);
	sessions_end(s, number);
	sessions_end(s, 0);
	assert_int_equal(sessions_use(s, token, NOW), 0);
	assert_int_equal(sessions_use(s, other, NOW), stays);
	free(s);
}

static void
sixteen_sessions(void **state)
{
	struct sessions *s = sessions_new();
	char tokens[SESSION_MAX + 1][SESSION_TEXT_SIZE];
	uint64_t numbers[SESSION_MAX + 1], gone;
	size_t i;

	(void)state;
	for (i = 0; i < SESSION_MAX; i++)
		numbers[i] =
		    sign_in(s, allow(s, (uint8_t)(i + 1), NOW + GOOD_MS).text, NOW + i, tokens[i]);
	/* The first is used again: it is the second that was left alone for longest. */
	assert_int_equal(sessions_use(s, tokens[0], NOW + 100), numbers[0]);
	numbers[i] = sessions_sign_in(
	    s, allow(s, (uint8_t)(i + 1), NOW + GOOD_MS).text, NOW + 200, tokens[i], &gone);
	assert_int_equal(gone, numbers[1]);
	for (i = 0; i <= SESSION_MAX; i++)
		assert_int_equal(sessions_use(s, tokens[i], NOW + 300), i == 1 ? 0 : numbers[i]);
	free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(once),
		cmocka_unit_test(too_late),
		cmocka_unit_test(nothing_is_a_secret),
		cmocka_unit_test(eight_secrets),
		cmocka_unit_test(idle_and_old),
		cmocka_unit_test(ended),
		cmocka_unit_test(sixteen_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
