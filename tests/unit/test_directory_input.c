/* SPDX-License-Identifier: ISC */
/*
 * What the parent says to directory: configuration and requests; and the sealed
 * content held against the frame.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "directory_settings.h"
#include "failure.h"
#include "common/json.h"
#include "request.h"

#include "allocations.h"
#include "common/wipe.h"
#include <bsd/string.h>
#include <stdio.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct directory_settings settings;

static void
forget_settings(void)
{
	policy_groups_free(&settings.policy.allow);
	policy_groups_free(&settings.policy.deny);
	free(settings.ca);
	free(settings.base);
	free(settings.user);
}

static int
item(const char *key, const void *value, size_t len)
{
	return directory_settings_item(&settings, key, value, len, -1);
}

static int
server(unsigned int index, unsigned int scheme, const char *host, size_t cut, size_t more)
{
	struct wire_writer w;
	int result;

	wire_writer_init(&w);
	wire_put_u16(&w, (uint16_t)index);
	wire_put_u8(&w, (uint8_t)scheme);
	wire_put_string(&w, host);
	wire_put_u16(&w, 636);
	if (more > 0)
		wire_put_u8(&w, 0);
	result = item("server", w.data, w.len - cut);
	wire_writer_free(&w);
	return result;
}

static void
settings_servers(void **state)
{
	char host[SETTINGS_NAME_SIZE + 1];
	size_t cut;
	int i;

	(void)state;
	directory_settings_init(&settings);
	for (cut = 1; cut < 10; cut++)
		assert_int_equal(server(0, 1, "dc", cut, 0), -1);
	assert_int_equal(server(0, 1, "dc", 0, 1), -1);
	assert_int_equal(server(0, 3, "dc", 0, 0), -1);
	assert_int_equal(server(0, 1, "\xff", 0, 0), -1);
	memset(host, 'a', sizeof(host));
	host[SETTINGS_NAME_SIZE] = '\0';
	assert_int_equal(server(0, 1, host, 0, 0), -1);
	host[SETTINGS_NAME_SIZE - 1] = '\0';
	assert_int_equal(server(0, 1, host, 0, 0), 0);
	assert_int_equal(server(65535, 2, "", 0, 0), 0);
	assert_int_equal(settings.servers[1].index, 65535);
	assert_int_equal(settings.servers[1].scheme, SERVER_DISCOVERY);
	for (i = 2; i < SETTINGS_SERVERS_MAX; i++)
		assert_int_equal(server(0, 0, "dc", 0, 0), 0);
	assert_int_equal(server(0, 0, "dc", 0, 0), -1);
}

static void
settings_items(void **state)
{
	static char text[8192];

	(void)state;
	directory_settings_init(&settings);
	memset(text, 'a', sizeof(text));
	assert_int_equal(item("tls_mode", "\2", 1), 0);
	assert_int_equal(settings.tls_mode, TLS_MODE_NONE);
	assert_int_equal(item("tls_mode", "\3", 1), -1);
	assert_int_equal(item("tls_mode", "", 0), -1);
	assert_int_equal(item("tls_mode", "\0\0", 2), -1);
	assert_int_equal(item("deny_privileged", "\2", 1), -1);
	assert_int_equal(item("deny_privileged", "\0", 1), 0);
	assert_false(settings.policy.deny_privileged);
	assert_int_equal(item("lockout_margin", "\xff", 1), 0);
	assert_int_equal(settings.lockout.margin, 255);
	assert_int_equal(item("lockout_threshold_unknown", "\xff\xff", 2), 0);
	assert_int_equal(settings.lockout.unknown_threshold, 65535);
	assert_int_equal(item("lockout_threshold_unknown", "\1", 1), -1);
	assert_int_equal(item("min_connections", "\1\0", 2), 0);
	assert_int_equal(item("max_connections", "\0\1", 2), 0);
	assert_int_equal(settings.connections_max, 256);
	assert_int_equal(item("tls_name", "a\0b", 3), -1);
	assert_int_equal(item("tls_name", text, SETTINGS_NAME_SIZE), -1);
	assert_int_equal(item("tls_name", text, SETTINGS_NAME_SIZE - 1), 0);
	assert_int_equal(item("connection", text, 65), -1);
	assert_int_equal(item("connection", text, 64), 0);
	assert_int_equal(item("base", text, 1024), -1);
	assert_int_equal(item("base", text, 1023), 0);
	assert_int_equal(item("base", "\xc3", 1), -1);
	assert_int_equal(item("user", "svc", 3), 0);
	assert_int_equal(item("password", "x", 1), -1);
	assert_int_equal(item("", "x", 1), -1);
	/* u16 n, n times s. */
	assert_int_equal(item("allow_groups", "\0\0", 2), 0);
	assert_int_equal(item("allow_groups", "\1\0\1\0\0\0a", 7), 0);
	assert_int_equal(settings.policy.allow.count, 1);
	assert_int_equal(item("allow_groups", "\2\0\1\0\0\0a", 7), -1);
	assert_int_equal(item("deny_groups", "\1\0\0\0\0\0", 6), -1);
	assert_int_equal(item("deny_groups", "\0\0x", 3), -1);
	assert_int_equal(item("deny_groups", "\377\377", 2), -1);
	forget_settings();
}

static int
ca_of(size_t len)
{
	FILE *file = tmpfile();
	char block[4096];
	size_t n;
	int fd;

	assert_non_null(file);
	memset(block, 'x', sizeof(block));
	for (; len > 0; len -= n) {
		n = len < sizeof(block) ? len : sizeof(block);
		assert_int_equal(fwrite(block, 1, n, file), n);
	}
	assert_int_equal(fflush(file), 0);
	assert_int_not_equal(fd = dup(fileno(file)), -1);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(fclose(file), 0);
	return directory_settings_item(&settings, "ca", NULL, 0, fd);
}

static void
settings_ca(void **state)
{
	(void)state;
	directory_settings_init(&settings);
	assert_int_equal(ca_of(0), 0);
	assert_int_equal(settings.ca_len, 0);
	assert_int_equal(ca_of(SETTINGS_CA_MAX), 0);
	assert_int_equal(settings.ca_len, SETTINGS_CA_MAX);
	assert_int_equal(ca_of(SETTINGS_CA_MAX + 1), -1);
	assert_int_equal(directory_settings_item(&settings, "other", NULL, 0, dup(0)), -1);
	forget_settings();
}

static void
settings_together(void **state)
{
	(void)state;
	directory_settings_init(&settings);
	assert_string_equal(directory_settings_check(&settings), "no server");
	assert_int_equal(server(0, 1, "dc", 0, 0), 0);
	assert_string_equal(directory_settings_check(&settings), "no user");
	assert_int_equal(item("user", "", 0), 0);
	assert_string_equal(directory_settings_check(&settings), "no user");
	assert_int_equal(item("user", "svc", 3), 0);
	assert_string_equal(directory_settings_check(&settings), "no base");
	assert_int_equal(item("base", "", 0), 0);
	assert_string_equal(directory_settings_check(&settings), "no ca");
	assert_int_equal(item("tls_mode", "\2", 1), 0);
	assert_null(directory_settings_check(&settings));
	assert_int_equal(item("max_connections", "\3\0", 2), 0); /* below the minimum of 4 */
	assert_non_null(directory_settings_check(&settings));
	forget_settings();
}

static size_t
write_request(struct wire_writer *w, uint64_t hub_time, const char *attempt, uint32_t deadline,
    const char *username, size_t ciphertext)
{
	static uint8_t bytes[SEALED_MAX_CIPHERTEXT + 1];

	wire_writer_init(w);
	wire_put_fixed(w, bytes, JOSE_KEY_SECRET_SIZE);
	wire_put_u64(w, hub_time);
	wire_put_string(w, attempt);
	wire_put_u32(w, deadline);
	wire_put_string(w, username);
	wire_put_fixed(
	    w, bytes, JOSE_KEY_PUBLIC_SIZE + JWA_WRAPPED_SIZE + JWA_IV_SIZE + JWA_TAG_SIZE);
	wire_put_bytes(w, bytes, ciphertext);
	return w->len;
}

static int
try_request(const char *attempt, uint32_t deadline, const char *username, size_t ciphertext)
{
	struct wire_reader r;
	struct wire_writer w;
	struct request request;
	int result;

	write_request(&w, 1700000000, attempt, deadline, username, ciphertext);
	wire_reader_init(&r, w.data, w.len);
	result = request_read(&request, &r);
	request_wipe(&request);
	wire_writer_free(&w);
	return result;
}

static void
requests(void **state)
{
	struct wire_reader r;
	struct wire_writer w;
	struct request request;
	char name[NAME_SIZE + 1];
	size_t n, len;

	(void)state;
	assert_int_equal(try_request("a", 1, "alice", 1), 0);
	assert_int_equal(try_request("a", REQUEST_DEADLINE_MAX, "alice", SEALED_MAX_CIPHERTEXT), 0);
	assert_int_equal(try_request("a", REQUEST_DEADLINE_MAX + 1, "alice", 1), -1);
	assert_int_equal(try_request("a", 0, "alice", 1), -1);
	assert_int_equal(try_request("", 1, "alice", 1), -1);
	assert_int_equal(try_request("a", 1, "", 1), -1);
	assert_int_equal(try_request("a", 1, "\xff", 1), -1);
	assert_int_equal(try_request("a", 1, "alice", 0), -1);
	assert_int_equal(try_request("a", 1, "alice", SEALED_MAX_CIPHERTEXT + 1), -1);
	memset(name, 'a', sizeof(name));
	name[NAME_SIZE] = '\0';
	assert_int_equal(try_request("a", 1, name, 1), -1);
	name[NAME_SIZE - 1] = '\0';
	assert_int_equal(try_request("a", 1, name, 1), 0);
	name[ATTEMPT_SIZE] = '\0';
	assert_int_equal(try_request(name, 1, "alice", 1), -1);
	name[ATTEMPT_SIZE - 1] = '\0';
	assert_int_equal(try_request(name, 1, "alice", 1), 0);
	/* Cut at every byte, and one too many. */
	len = write_request(&w, 0, "a", 5, "alice", 16);
	for (n = 0; n < len; n++) {
		wire_reader_init(&r, w.data, n);
		assert_int_equal(request_read(&request, &r), -1);
	}
	wire_put_u8(&w, 0);
	wire_reader_init(&r, w.data, w.len);
	assert_int_equal(request_read(&request, &r), -1);
	wire_writer_free(&w);
	/* A time with which nothing can be reckoned. */
	write_request(&w, (uint64_t)INT64_MAX, "a", 5, "alice", 16);
	wire_reader_init(&r, w.data, w.len);
	assert_int_equal(request_read(&request, &r), -1);
	wire_writer_free(&w);
	write_request(&w, UINT64_MAX, "a", 5, "alice", 16);
	wire_reader_init(&r, w.data, w.len);
	assert_int_equal(request_read(&request, &r), -1);
	wire_writer_free(&w);
}

static void
sealed_against_frame(void **state)
{
	struct sealed_content content;

	(void)state;
	memset(&content, 0, sizeof(content));
	strlcpy(content.op, "authenticate", sizeof(content.op));
	strlcpy(content.connection, "corp", sizeof(content.connection));
	strlcpy(content.username, "alice", sizeof(content.username));
	content.iat = 1000;
	assert_null(request_compare(&content, "corp", "alice", 1000));
	assert_null(request_compare(&content, "corp", "alice", 1000 + SEALED_AGE_MAX));
	assert_null(request_compare(&content, "corp", "alice", 1000 - SEALED_AGE_MAX));
	assert_string_equal(
	    request_compare(&content, "corp", "alice", 1001 + SEALED_AGE_MAX), "sealed_old");
	assert_string_equal(
	    request_compare(&content, "corp", "alice", 999 - SEALED_AGE_MAX), "sealed_old");
	/* Byte for byte: even what would mean the same person. */
	assert_string_equal(request_compare(&content, "corp", "Alice", 1000), "sealed_other_user");
	assert_string_equal(request_compare(&content, "corp", "alice ", 1000), "sealed_other_user");
	assert_string_equal(
	    request_compare(&content, "Corp", "alice", 1000), "sealed_other_connection");
	strlcpy(content.op, "change_password", sizeof(content.op));
	assert_string_equal(
	    request_compare(&content, "corp", "alice", 1000), "sealed_other_operation");
}

static void
sealed_that_does_not_open(void **state)
{
	struct replay *replay = replay_new(16, 16);
	struct sealed_content content;
	struct request request;
	uint8_t ciphertext[256] = { 0 };
	const char *reason = NULL;

	(void)state;
	memset(&request, 0, sizeof(request));
	request.parts.ciphertext = ciphertext;
	request.parts.ciphertext_len = sizeof(ciphertext);
	assert_int_equal(
	    request_open(&request, "corp", replay, 0, &content, &reason), STATUS_BAD_REQUEST);
	assert_string_equal(reason, "sealed_broken");
	assert_null(content.password);
	assert_int_equal(request_open(&request, "", replay, 0, &content, &reason), STATUS_INTERNAL);
	assert_string_equal(reason, "not_enrolled");
	replay_free(replay);
}

static void
failure_texts(void **state)
{
	static char big[2 * FAILURE_TEXT_SIZE];
	struct failure f;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	failure_set(&f, "code", "%s", big);
	assert_int_equal(strlen(f.text), FAILURE_TEXT_SIZE - 1);
	/* A character that is cut in two, and words in another encoding, stay UTF-8. */
	big[FAILURE_TEXT_SIZE - 2] = '\xc3';
	big[FAILURE_TEXT_SIZE - 1] = '\xa4';
	failure_set(&f, "code", "%s", big);
	assert_true(utf8_valid(f.text, strlen(f.text)));
	failure_hint(&f, "caf%c", 0xe9);
	assert_string_equal(f.hint, "caf?");
	failure_set(&f, "other", "text");
	assert_string_equal(f.hint, "");
	failure_clear(&f);
	assert_string_equal(f.code, "");
}

/* A sealed text that is right, as the parent hands it over. */
static void
seal_request(struct request *request)
{
	struct sealed_recipient recipient;
	struct sealed_content content;
	struct jose_key *key = jose_key_generate();
	char kid[JOSE_KEY_ID_SIZE], *text;
	uint8_t *plain;
	json_t *jwe;
	size_t len;

	memset(&content, 0, sizeof(content));
	memset(request, 0, sizeof(*request));
	strlcpy(content.op, "authenticate", sizeof(content.op));
	strlcpy(content.connection, "corp", sizeof(content.connection));
	strlcpy(content.username, "alice", sizeof(content.username));
	strlcpy(request->username, "alice", sizeof(request->username));
	content.iat = request->hub_time = 1000;
	content.password = strdup("password");
	content.password_len = 8;
	assert_non_null(key);
	jose_key_public(key, recipient.xy);
	assert_int_equal(jose_key_thumbprint(recipient.xy, kid), 0);
	assert_non_null(plain = sealed_content_write(&content, &len, NULL));
	assert_non_null(text = sealed_make(&recipient, 1, plain, len));
	assert_non_null(jwe = json_read(text, strlen(text), SEALED_MAX_JSON, NULL));
	assert_int_equal(sealed_parse(jwe, kid, &request->parts, NULL), 0);
	assert_int_equal(sealed_shared_secret(key, request->parts.epk, request->z), 0);
	json_decref(jwe);
	free(text);
	wiping_free(plain);
	sealed_content_free(&content);
	jose_key_free(key);
}

/* The user is not told that what he sent was broken, and may send it again. */
static bool
opened_without_memory(void *arg)
{
	struct replay *replay = replay_new(16, 16);
	struct sealed_content content;
	const char *reason = NULL;
	enum status status;

	if (replay == NULL)
		return false;
	status = request_open(arg, "corp", replay, 0, &content, &reason);
	if (status != STATUS_OK) {
		assert_int_equal(status, STATUS_INTERNAL);
		assert_true(
		    strcmp(reason, "no_memory") == 0 || strcmp(reason, "replay_table_full") == 0);
		assert_null(content.password);
		allocations_relent();
		assert_int_equal(
		    request_open(arg, "corp", replay, 0, &content, &reason), STATUS_OK);
	}
	assert_string_equal(content.password, "password");
	sealed_content_free(&content);
	replay_free(replay);
	return status == STATUS_OK;
}

static bool
set_without_memory(void *arg)
{
	bool set;

	(void)arg;
	directory_settings_init(&settings);
	set = item("base", "DC=corp", 7) == 0 && item("user", "svc", 3) == 0;
	forget_settings();
	return set;
}

/* A text that could not be remembered is not taken for new, and one that was is seen again. */
static bool
remembered_without_memory(void *arg)
{
	struct replay *replay = replay_new(2000, 16);
	enum replay_verdict verdict = REPLAY_FULL;
	char word[16];
	int i;

	(void)arg;
	if (replay == NULL)
		return false;
	for (i = 0; i < 1000; i++) {
		snprintf(word, sizeof(word), "word%d", i);
		verdict = replay_check(replay, word, 100, 0);
		if (verdict != REPLAY_NEW)
			break;
		assert_int_equal(replay_check(replay, word, 100, 0), REPLAY_SEEN);
	}
	if (verdict != REPLAY_NEW) {
		assert_int_equal(verdict, REPLAY_FULL);
		allocations_relent();
		assert_int_equal(replay_check(replay, word, 100, 0), REPLAY_NEW);
	}
	replay_free(replay);
	return verdict == REPLAY_NEW;
}

static void
want_of_memory(void **state)
{
	struct request request;

	(void)state;
	seal_request(&request);
	allocations_fail_each(opened_without_memory, &request, ALLOCATIONS_KEPT);
	sealed_parts_free(&request.parts);
	allocations_fail_each(set_without_memory, NULL, 0);
	allocations_fail_each(remembered_without_memory, NULL, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_servers),
		cmocka_unit_test(settings_items),
		cmocka_unit_test(settings_ca),
		cmocka_unit_test(settings_together),
		cmocka_unit_test(requests),
		cmocka_unit_test(sealed_against_frame),
		cmocka_unit_test(sealed_that_does_not_open),
		cmocka_unit_test(failure_texts),
		cmocka_unit_test(want_of_memory),
	};

	json_use_wiping_allocator();
	if (wipe_use_in_openssl() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
