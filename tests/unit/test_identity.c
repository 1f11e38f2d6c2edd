/* SPDX-License-Identifier: ISC */
/*
 * The file of keys: what is in it comes back, also in the middle of a change of keys, and a file
 * in which one thing is wrong is not used at all.
 */
#include "identity.h"

#include "common/json.h"
#include "common/rekey.h"
#include "common/wipe.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW INT64_C(1800000000)

static char folder[] = "/tmp/identity-XXXXXX";
static char path[sizeof(folder) + 32];

static int
setup(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/identity.json", folder);
	return 0;
}

static int
teardown(void **state)
{
	const char *why;

	(void)state;
	return identity_remove(folder, &why) == -1 || rmdir(folder) == -1 ? -1 : 0;
}

static struct identity *
enrolled(void)
{
	struct identity *identity;
	struct ticket ticket;
	char error[ENDPOINT_ERROR_SIZE];
	const char *why = NULL;

	assert_int_equal(identity_remove(folder, &why), 0);
	assert_int_equal(ticket_parse("https://hub.example:8855/t/AAAAAAAAAAAAAAAAAAAAAAAAAAAA",
			     &ticket, error, sizeof(error)),
	    0);
	assert_non_null(identity = identity_prepare(folder, &ticket, &why));
	snprintf(identity->connector_id, sizeof(identity->connector_id), "c1");
	snprintf(identity->connection, sizeof(identity->connection), "corp");
	snprintf(
	    identity->tunnel_url, sizeof(identity->tunnel_url), "wss://hub.example:8855/tunnel");
	snprintf(
	    identity->scim_url, sizeof(identity->scim_url), "https://hub.example:8855/scim/v2");
	assert_int_equal(identity_save(folder, identity, &why), 0);
	return identity;
}

static void
assert_same_key(struct jose_key *a, struct jose_key *b)
{
	uint8_t one[JOSE_KEY_PRIVATE_SIZE], other[JOSE_KEY_PRIVATE_SIZE];

	if (a == NULL || b == NULL) {
		assert_ptr_equal(a, b);
		return;
	}
	assert_int_equal(jose_key_private(a, one), 0);
	assert_int_equal(jose_key_private(b, other), 0);
	assert_memory_equal(one, other, sizeof(one));
}

static void
assert_same_keys(const struct identity_keys *a, const struct identity_keys *b)
{
	assert_same_key(a->sign, b->sign);
	assert_same_key(a->seal, b->seal);
	assert_string_equal(a->sign_kid, b->sign_kid);
	assert_string_equal(a->seal_kid, b->seal_kid);
}

static void
assert_comes_back(const struct identity *identity)
{
	const char *why = NULL;
	struct identity *other;
	struct stat st;
	int i;

	for (i = 0; i < 2; i++) {
		other = i == 0 ? identity_load(folder, &why) : identity_copy(identity);
		assert_non_null(other);
		assert_null(why);
		assert_same_keys(&identity->keys, &other->keys);
		assert_same_keys(&identity->next, &other->next);
		assert_same_keys(&identity->before, &other->before);
		assert_int_equal(
		    other->rekeyed, identity->before.sign == NULL ? 0 : identity->rekeyed);
		assert_string_equal(other->connector_id, "c1");
		identity_free(other);
	}
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void
test_life_of_keys(void **state)
{
	struct identity *identity = enrolled();
	char first[JOSE_KEY_ID_SIZE], second[JOSE_KEY_ID_SIZE];
	const char *why = NULL;

	(void)state;
	assert_comes_back(identity);
	snprintf(first, sizeof(first), "%s", identity->keys.seal_kid);
	assert_int_equal(identity_renew(identity), 0);
	snprintf(second, sizeof(second), "%s", identity->next.seal_kid);
	assert_string_not_equal(first, second);
	assert_string_not_equal(identity->next.sign_kid, identity->next.seal_kid);
	/* No third pair while there is a second. */
	assert_int_equal(identity_renew(identity), 0);
	assert_string_equal(identity->next.seal_kid, second);
	assert_int_equal(identity_update(folder, identity, &why), 0);
	assert_comes_back(identity);
	identity_advance(identity, NOW);
	assert_string_equal(identity->keys.seal_kid, second);
	assert_string_equal(identity->before.seal_kid, first);
	assert_null(identity->next.sign);
	assert_int_equal(identity_update(folder, identity, &why), 0);
	assert_comes_back(identity);
	/* Once more, with a pair before: that one is gone for good. */
	assert_int_equal(identity_renew(identity), 0);
	assert_int_equal(identity_update(folder, identity, &why), 0);
	assert_comes_back(identity);
	identity_advance(identity, NOW + 1);
	assert_string_equal(identity->before.seal_kid, second);
	identity_forget(&identity->before);
	assert_int_equal(identity_update(folder, identity, &why), 0);
	assert_comes_back(identity);
	identity_free(identity);
}

static void
test_how_long_before(void **state)
{
	struct identity *identity = enrolled();

	(void)state;
	assert_int_equal(identity_before_left(identity, NOW), 0);
	assert_int_equal(identity_renew(identity), 0);
	assert_int_equal(identity_before_left(identity, NOW), 0);
	identity_advance(identity, NOW);
	assert_int_equal(identity_before_left(identity, NOW), REKEY_OVERLAP_S);
	assert_int_equal(identity_before_left(identity, NOW + 1), REKEY_OVERLAP_S - 1);
	assert_int_equal(identity_before_left(identity, NOW + REKEY_OVERLAP_S - 1), 1);
	assert_int_equal(identity_before_left(identity, NOW + REKEY_OVERLAP_S), 0);
	assert_int_equal(identity_before_left(identity, INT64_MAX), 0);
	/* The clock was set back. */
	assert_int_equal(identity_before_left(identity, NOW - 1), REKEY_OVERLAP_S);
	assert_int_equal(identity_before_left(identity, 0), REKEY_OVERLAP_S);
	identity_free(identity);
}

static json_t *
read_file(void)
{
	json_t *json = json_load_file(path, 0, NULL);

	assert_non_null(json);
	return json;
}

static void
write_text(const void *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
}

/* Takes the JSON. */
static void
expect_damaged(json_t *json, const char *what)
{
	char *text = json_dumps(json, JSON_COMPACT);
	struct identity *identity;
	const char *why = NULL;

	assert_non_null(text);
	write_text(text, strlen(text));
	wiping_free(text);
	json_decref(json);
	if ((identity = identity_load(folder, &why)) != NULL)
		fail_msg("%s: it is used", what);
	assert_non_null(why);
}

static void
test_damaged(void **state)
{
	static const char *const pairs[] = { "next", "before" }, *const keys[] = { "sign", "seal" };
	static const char *const bad_d[] = { "", "A", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA!" };
	static const char *const bad_time[] = { "-1", "1.5", "\"1\"", "null", "[]" };
	struct identity *identity = enrolled();
	const char *why = NULL;
	json_t *whole, *json;
	size_t i, j, k;

	(void)state;
	assert_int_equal(identity_renew(identity), 0);
	identity_advance(identity, NOW);
	assert_int_equal(identity_renew(identity), 0);
	assert_int_equal(identity_update(folder, identity, &why), 0);
	assert_comes_back(identity);
	whole = read_file();
	for (i = 0; i < 2; i++) {
		json = json_deep_copy(whole);
		json_object_set_new(json, pairs[i], json_null());
		expect_damaged(json, pairs[i]);
		json = json_deep_copy(whole);
		json_object_set_new(json, pairs[i], json_object());
		expect_damaged(json, pairs[i]);
		for (j = 0; j < 2; j++) {
			json = json_deep_copy(whole);
			json_object_del(json_object_get(json, pairs[i]), keys[j]);
			expect_damaged(json, keys[j]);
			for (k = 0; k < sizeof(bad_d) / sizeof(bad_d[0]); k++) {
				json = json_deep_copy(whole);
				json_object_set_new(
				    json_object_get(json_object_get(json, pairs[i]), keys[j]), "d",
				    json_string(bad_d[k]));
				expect_damaged(json, bad_d[k]);
			}
		}
	}
	for (i = 0; i < sizeof(bad_time) / sizeof(bad_time[0]); i++) {
		json = json_deep_copy(whole);
		json_object_set_new(
		    json, "rekeyed", json_loads(bad_time[i], JSON_DECODE_ANY, NULL));
		expect_damaged(json, bad_time[i]);
	}
	json = json_deep_copy(whole);
	json_object_del(json, "rekeyed");
	expect_damaged(json, "no time");
	json_decref(whole);
	identity_free(identity);
}

static void
test_cut_short(void **state)
{
	struct identity *identity = enrolled(), *read;
	const char *why = NULL;
	char *text;
	json_t *json;
	size_t len, n;

	(void)state;
	assert_int_equal(identity_renew(identity), 0);
	assert_int_equal(identity_update(folder, identity, &why), 0);
	json = read_file();
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	assert_non_null(text);
	len = strlen(text);
	for (n = 0; n < len; n++) {
		write_text(text, n);
		assert_null(read = identity_load(folder, &why));
		assert_non_null(why);
	}
	/* A NUL in it, and one behind it. */
	write_text(text, len + 1);
	assert_null(identity_load(folder, &why));
	text[len / 2] = '\0';
	write_text(text, len);
	assert_null(identity_load(folder, &why));
	wiping_free(text);
	identity_free(identity);
}

/* A change that could not be saved is none: what was there is there, whole. */
static void
test_not_saved(void **state)
{
	struct identity *identity = enrolled(), *read;
	char blocked[sizeof(path) + 8];
	const char *why = NULL;

	(void)state;
	snprintf(blocked, sizeof(blocked), "%s.new", path);
	assert_int_equal(mkdir(blocked, 0700), 0);
	assert_int_equal(identity_renew(identity), 0);
	assert_int_equal(identity_update(folder, identity, &why), -1);
	assert_non_null(why);
	assert_int_equal(rmdir(blocked), 0);
	assert_non_null(read = identity_load(folder, &why));
	assert_null(read->next.sign);
	assert_same_keys(&read->keys, &identity->keys);
	identity_free(read);
	identity_free(identity);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life_of_keys),
		cmocka_unit_test(test_how_long_before),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_not_saved),
	};

	json_use_wiping_allocator();
	return cmocka_run_group_tests(tests, setup, teardown);
}
