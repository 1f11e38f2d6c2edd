/* SPDX-License-Identifier: ISC */
/*
 * The content of a sealed text: limits of every member, padding, and that no copy of a password
 * stays in this process when it has been written, sealed, opened and read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/json.h"
#include "common/sealed.h"
#include "common/sealed_content.h"
#include "common/wipe.h"

#include "allocations.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JTI "AAAAAAAAAAAAAAAAAAAAAA"

static char *
heap_copy(const char *text, size_t len)
{
	char *copy;

	copy = wiping_malloc(len + 1);
	assert_non_null(copy);
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

static void
fill(struct sealed_content *content, const char *op, const char *username, const char *password,
    size_t password_len)
{
	memset(content, 0, sizeof(*content));
	memcpy(content->op, op, strlen(op) + 1);
	memcpy(content->connection, "corp", 5);
	memcpy(content->username, username, strlen(username) + 1);
	content->iat = 1700000000;
	content->password = heap_copy(password, password_len);
	content->password_len = password_len;
}

/* Pads the text with spaces and reads it; NULL or the reason. */
static const char *
why_not(const char *text, size_t len)
{
	struct sealed_content content;
	const char *why;
	char *padded;
	size_t size;

	size = (len + SEALED_PADDING - 1) / SEALED_PADDING * SEALED_PADDING;
	padded = malloc(size + 1);
	assert_non_null(padded);
	memset(padded, ' ', size);
	memcpy(padded, text, len);
	why = NULL;
	if (sealed_content_read(padded, size, &content, &why) == 0) {
		assert_null(why);
		sealed_content_free(&content);
	} else {
		assert_non_null(why);
		assert_null(content.password);
		assert_null(content.new_password);
		assert_int_equal(content.username[0], 0);
		assert_int_equal(sealed_content_read(padded, size, &content, NULL), -1);
	}
	free(padded);
	return why;
}

static const char *
why_not_text(const char *text)
{
	return why_not(text, strlen(text));
}

#define MEMBERS(op, more)                                                                          \
	"{\"v\":1,\"op\":\"" op "\",\"connection\":\"corp\",\"username\":\"anna\","                \
	"\"iat\":1700000000,\"jti\":\"" JTI "\",\"password\":\"p\"" more "}"

static void
there_and_back(void **state)
{
	static const char password[] = "p\"\\ \xc3\xa4 \xe4\xb8\xad \xf0\x9f\x98\x80 \x01\x7f ";
	struct sealed_content content, read;
	uint8_t *text;
	const char *why;
	size_t len;

	(void)state;
	fill(&content, "change_password", "CORP\\anna \xc3\xa4", password, strlen(password));
	content.new_password = heap_copy("", 0);
	text = sealed_content_write(&content, &len, &why);
	assert_non_null(text);
	assert_int_equal(len, 256);
	assert_int_equal(strlen(content.jti), SEALED_MIN_JTI);
	assert_int_equal(sealed_content_read(text, len, &read, &why), 0);
	assert_string_equal(read.op, "change_password");
	assert_string_equal(read.connection, "corp");
	assert_string_equal(read.username, "CORP\\anna \xc3\xa4");
	assert_true(read.iat == 1700000000);
	assert_string_equal(read.jti, content.jti);
	assert_int_equal(read.password_len, strlen(password));
	assert_string_equal(read.password, password);
	assert_int_equal(read.new_password_len, 0);
	assert_string_equal(read.new_password, "");
	sealed_content_free(&read);
	wiping_free(text);
	sealed_content_free(&content);
	assert_null(content.password);
}

static void
padding(void **state)
{
	struct sealed_content content;
	char password[600];
	uint8_t *text;
	size_t len, i, sizes;

	(void)state;
	memset(password, 'x', sizeof(password));
	sizes = 0;
	for (i = 0; i < sizeof(password); i++) {
		fill(&content, "authenticate", "anna", password, i);
		text = sealed_content_write(&content, &len, NULL);
		assert_non_null(text);
		assert_int_equal(len % SEALED_PADDING, 0);
		assert_in_range(len, i + 1, i + 512);
		if (text[len - 1] == '}')
			sizes++; /* nothing to pad: happens at every 256th length */
		wiping_free(text);
		sealed_content_free(&content);
	}
	assert_in_range(sizes, 2, 3);
	assert_string_equal(why_not("", 0), "not padded to a multiple of 256 bytes");
	text = malloc(SEALED_MAX_CIPHERTEXT + SEALED_PADDING);
	assert_non_null(text);
	memset(text, ' ', SEALED_MAX_CIPHERTEXT + SEALED_PADDING);
	memcpy(text, MEMBERS("authenticate", ""), strlen(MEMBERS("authenticate", "")));
	assert_int_equal(sealed_content_read(text, 256, &content, NULL), 0);
	sealed_content_free(&content);
	assert_int_equal(sealed_content_read(text, 255, &content, NULL), -1);
	assert_int_equal(sealed_content_read(text, 257, &content, NULL), -1);
	assert_int_equal(sealed_content_read(text, SEALED_MAX_CIPHERTEXT, &content, NULL), 0);
	sealed_content_free(&content);
	assert_int_equal(
	    sealed_content_read(text, SEALED_MAX_CIPHERTEXT + SEALED_PADDING, &content, NULL), -1);
	free(text);
}

static void
password_limits(void **state)
{
	struct sealed_content content;
	const char *why;
	char password[SEALED_MAX_PASSWORD + 2];
	char text[SEALED_MAX_PASSWORD + 512];
	uint8_t *written;
	size_t len;
	int n;

	(void)state;
	memset(password, 'x', sizeof(password));
	fill(&content, "authenticate", "anna", password, SEALED_MAX_PASSWORD);
	written = sealed_content_write(&content, &len, NULL);
	assert_non_null(written);
	sealed_content_free(&content);
	assert_int_equal(sealed_content_read(written, len, &content, NULL), 0);
	assert_int_equal(content.password_len, SEALED_MAX_PASSWORD);
	sealed_content_free(&content);
	wiping_free(written);
	fill(&content, "authenticate", "anna", password, SEALED_MAX_PASSWORD + 1);
	assert_null(sealed_content_write(&content, &len, &why));
	assert_string_equal(why, "password longer than 4096 bytes");
	sealed_content_free(&content);
	password[SEALED_MAX_PASSWORD + 1] = '\0';
	n = snprintf(text, sizeof(text),
	    "{\"v\":1,\"op\":\"authenticate\",\"connection\":\"corp\",\"username\":\"anna\","
	    "\"iat\":1,\"jti\":\"" JTI "\",\"password\":\"%s\"}",
	    password);
	assert_in_range(n, SEALED_MAX_PASSWORD, sizeof(text) - 1);
	assert_string_equal(why_not(text, (size_t)n), "password longer than 4096 bytes");
	password[SEALED_MAX_PASSWORD] = '\0';
	n = snprintf(text, sizeof(text),
	    "{\"v\":1,\"op\":\"reset_password\",\"connection\":\"corp\",\"username\":\"anna\","
	    "\"iat\":1,\"jti\":\"" JTI "\",\"password\":\"\",\"new_password\":\"%s\"}",
	    password);
	assert_null(why_not(text, (size_t)n));
	password[SEALED_MAX_PASSWORD] = 'x';
	n = snprintf(text, sizeof(text),
	    "{\"v\":1,\"op\":\"reset_password\",\"connection\":\"corp\",\"username\":\"anna\","
	    "\"iat\":1,\"jti\":\"" JTI "\",\"password\":\"\",\"new_password\":\"%s\"}",
	    password);
	assert_string_equal(why_not(text, (size_t)n), "new password longer than 4096 bytes");
	/* Within its own limit, but too long as JSON: refused, not cut. */
	memset(password, 1, SEALED_MAX_PASSWORD);
	fill(&content, "authenticate", "anna", password, SEALED_MAX_PASSWORD);
	assert_null(sealed_content_write(&content, &len, &why));
	assert_string_equal(why, "too long to be sealed, or out of memory");
	sealed_content_free(&content);
	fill(&content, "authenticate", "anna", "", 0);
	written = sealed_content_write(&content, &len, NULL);
	assert_non_null(written);
	sealed_content_free(&content);
	assert_int_equal(sealed_content_read(written, len, &content, NULL), 0);
	assert_int_equal(content.password_len, 0);
	assert_string_equal(content.password, "");
	sealed_content_free(&content);
	wiping_free(written);
}

static void
writing_refuses(void **state)
{
	static const struct {
		const char *op, *username, *password;
		size_t password_len;
		const char *why;
	} all[] = {
		{ "login", "anna", "p", 1, "operation unknown" },
		{ "", "anna", "p", 1, "operation unknown" },
		{ "authenticate", "", "p", 1, "username missing or too long" },
		{ "authenticate", "anna\xff", "p", 1, "not valid UTF-8, or out of memory" },
		{ "authenticate", "anna", "p\xc3", 2, "not valid UTF-8, or out of memory" },
		{ "authenticate", "anna", "p\0q", 3, "password contains NUL" },
		{ "authenticate", "anna", "\0", 1, "password contains NUL" },
		{ "change_password", "anna", "p", 1, "new password missing" },
		{ "reset_password", "anna", "p", 1, "new password missing" },
	};
	struct sealed_content content;
	const char *why;
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		fill(&content, all[i].op, all[i].username, all[i].password, all[i].password_len);
		why = NULL;
		assert_null(sealed_content_write(&content, &len, &why));
		assert_string_equal(why, all[i].why);
		assert_null(sealed_content_write(&content, &len, NULL));
		sealed_content_free(&content);
	}
	fill(&content, "authenticate", "anna", "p", 1);
	content.new_password = heap_copy("n", 1);
	content.new_password_len = 1;
	assert_null(sealed_content_write(&content, &len, &why));
	assert_string_equal(why, "new password with an operation that has none");
	memcpy(content.op, "change_password", 16);
	content.iat = -1;
	assert_null(sealed_content_write(&content, &len, &why));
	assert_string_equal(why, "time missing or out of range");
	content.iat = 1;
	content.new_password[0] = '\0';
	assert_null(sealed_content_write(&content, &len, &why));
	assert_string_equal(why, "new password contains NUL");
	sealed_content_free(&content);
}

static void
reading_refuses(void **state)
{
	static const struct {
		const char *text, *why;
	} all[] = {
		{ MEMBERS("login", ""), "operation unknown" },
		{ MEMBERS("", ""), "operation unknown" },
		{ MEMBERS("authenticateX", ""), "operation unknown" },
		{ MEMBERS("change_password_", ""), "operation unknown" },
		{ MEMBERS("authenticate", ",\"pad\":\"\""),
		    "content has a member that is not allowed" },
		{ MEMBERS("authenticate", ",\"password\":\"q\""), "contains a member twice" },
		{ MEMBERS("authenticate", ",\"new_password\":\"q\""),
		    "new password with an operation that has none" },
		{ MEMBERS("authenticate", ",\"new_password\":null"), "new password malformed" },
		{ MEMBERS("change_password", ""), "new password missing" },
		{ MEMBERS("reset_password", ""), "new password missing" },
		{ MEMBERS("reset_password", ",\"new_password\":5"), "new password malformed" },
		{ MEMBERS("reset_password", ",\"new_password\":\"a\\u0000b\""), "contains NUL" },
		{ MEMBERS("reset_password", ",\"new_password\":\"a\xff\""), "not valid UTF-8" },
		{ MEMBERS("authenticate", "") "x", "followed by something else" },
		{ "[]", "content has a member that is not allowed" },
		{ "{}", "content of an unknown version" },
		{ "{", "ends too early" },
		{ "\"p\"", "not valid JSON" },
	};
	size_t i;

	(void)state;
	assert_null(why_not_text(MEMBERS("authenticate", "")));
	assert_null(why_not_text(MEMBERS("change_password", ",\"new_password\":\"q\"")));
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_string_equal(why_not_text(all[i].text), all[i].why);
	assert_string_equal(
	    why_not(MEMBERS("authenticate", "") "\0", strlen(MEMBERS("authenticate", "")) + 1),
	    "contains NUL");
}

/* Each member of a right content replaced by each of these, in JSON. */
static void
member_limits(void **state)
{
	static const struct {
		const char *key, *value;
		int right;
	} all[] = {
		{ "v", "1", 1 },
		{ "v", "0", 0 },
		{ "v", "2", 0 },
		{ "v", "\"1\"", 0 },
		{ "v", "1.0", 0 },
		{ "v", "null", 0 },
		{ "op", "null", 0 },
		{ "op", "[]", 0 },
		{ "connection", "\"\"", 0 },
		{ "connection", "1", 0 },
		{ "username", "\"\"", 0 },
		{ "username", "{}", 0 },
		{ "username", "\"a\\u0000\"", 0 },
		{ "iat", "0", 1 },
		{ "iat", "253402300799", 1 },
		{ "iat", "253402300800", 0 },
		{ "iat", "-1", 0 },
		{ "iat", "1.5", 0 },
		{ "iat", "\"1\"", 0 },
		{ "iat", "9223372036854775807", 0 },
		{ "iat", "9223372036854775808", 0 },
		{ "jti", "\"\"", 0 },
		{ "jti", "\"AAAAAAAAAAAAAAAAAAAAA\"", 0 },
		{ "jti", "\"" JTI "\"", 1 },
		{ "jti", "\"" JTI JTI "\"", 0 },
		{ "jti", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-\"", 1 },
		{ "jti", "\"AAAAAAAAAAAAAAAAAAAAAAAA+\"", 0 },
		{ "jti", "\"AAAAAAAAAAAAAAAAAAAAAAAA \"", 0 },
		{ "password", "null", 0 },
		{ "password", "1", 0 },
		{ "password", "[\"p\"]", 0 },
		{ "password", "\"\"", 1 },
		{ "password", "\"\\ud800\"", 0 },
		{ "password", "\"\xed\xa0\x80\"", 0 },
	};
	static const char *const keys[] = { "v", "op", "connection", "username", "iat", "jti",
		"password" };
	json_t *content, *value;
	char *text;
	char document[256];
	size_t i;
	int n;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		n = snprintf(document, sizeof(document), "[%s]", all[i].value);
		value = json_read(document, (size_t)n, sizeof(document), NULL);
		if (value == NULL) {
			assert_int_equal(all[i].right, 0); /* refused by the reader already */
			continue;
		}
		content = json_loads(MEMBERS("authenticate", ""), 0, NULL);
		assert_non_null(content);
		json_object_set(content, all[i].key, json_array_get(value, 0));
		text = json_dumps(content, JSON_COMPACT);
		assert_non_null(text);
		assert_int_equal(why_not_text(text) == NULL, all[i].right);
		wiping_free(text);
		json_decref(content);
		json_decref(value);
	}
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		content = json_loads(MEMBERS("authenticate", ""), 0, NULL);
		json_object_del(content, keys[i]);
		text = json_dumps(content, JSON_COMPACT);
		assert_non_null(why_not_text(text));
		wiping_free(text);
		json_decref(content);
	}
}

static void
longest_names(void **state)
{
	static const struct {
		const char *key;
		size_t max;
	} all[] = { { "connection", SEALED_MAX_CONNECTION }, { "username", SEALED_MAX_USERNAME } };
	json_t *content;
	char name[SEALED_MAX_USERNAME + 2];
	char *text;
	size_t i, len;

	(void)state;
	memset(name, 'n', sizeof(name));
	for (i = 0; i < 2; i++) {
		for (len = all[i].max; len <= all[i].max + 1; len++) {
			content = json_loads(MEMBERS("authenticate", ""), 0, NULL);
			json_object_set_new(content, all[i].key, json_stringn(name, len));
			text = json_dumps(content, JSON_COMPACT);
			assert_int_equal(why_not_text(text) == NULL, len == all[i].max);
			wiping_free(text);
			json_decref(content);
		}
	}
}

/*
 * Counts a mark in this process's writable memory. The mark is never there in clear but as the
 * code under test puts it there: it is kept as its bitwise complement.
 */
#define MARK_SIZE 16
#define MARKS 30 /* in one password: free(3) itself overwrites the start of a block */
static const uint8_t mark_complement[MARK_SIZE] = { 0xb2, 0x9e, 0x8d, 0x94, 0xd2, 0xcd, 0xc9, 0xd2,
	0x90, 0x99, 0xd2, 0x9e, 0xd2, 0x8c, 0x9a, 0x9c };
static uint8_t window[1 << 16];

static size_t
marks_in(size_t len)
{
	const uint8_t *at, *end;
	size_t i, found;

	found = 0;
	end = window + len;
	for (at = window; (at = memchr(at, mark_complement[0] ^ 0xff, (size_t)(end - at))) != NULL;
	     at++) {
		if (end - at < MARK_SIZE)
			break;
		for (i = 1; i < MARK_SIZE; i++) {
			if (at[i] + mark_complement[i] != 0xff)
				break;
		}
		found += i == MARK_SIZE;
	}
	return found;
}

static size_t
marks_between(int memory, unsigned long long from, unsigned long long to)
{
	unsigned long long own;
	size_t found;
	ssize_t len;

	own = (unsigned long long)(uintptr_t)window;
	found = 0;
	while (from < to) {
		if (from >= own && from < own + sizeof(window)) {
			from = own + sizeof(window);
			continue;
		}
		len = pread(memory, window,
		    to - from < sizeof(window) ? (size_t)(to - from) : sizeof(window), (off_t)from);
		if (len <= 0)
			break;
		if (from < own && from + (size_t)len > own)
			len = (ssize_t)(own - from);
		found += marks_in((size_t)len);
		/* Overlap, so that no mark hides on the seam; the end has none to look for. */
		from += len <= MARK_SIZE || from + (size_t)len >= to ? (size_t)len
								     : (size_t)len - MARK_SIZE + 1;
	}
	return found;
}

static size_t
marks_in_memory(void)
{
	FILE *maps;
	char line[512];
	unsigned long long from, to;
	size_t found;
	char access;
	int memory;

	found = 0;
	memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	assert_int_not_equal(memory, -1);
	maps = fopen("/proc/self/maps", "re");
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%llx-%llx r%c", &from, &to, &access) == 3 && access == 'w' &&
		    to - from <= 256ULL << 20) /* larger ones are a sanitizer's own */
			found += marks_between(memory, from, to);
	}
	fclose(maps);
	close(memory);
	explicit_bzero(window, sizeof(window));
	return found;
}

static void
put_marks(char *dst, size_t n)
{
	size_t i;

	for (i = 0; i < n * MARK_SIZE; i++)
		dst[i] = (char)(mark_complement[i % MARK_SIZE] ^ 0xff);
}

/* A whole life of a password; at its height the mark must be seen, or the search sees nothing. */
static void
no_copy_stays(void **state)
{
	struct sealed_content content;
	struct sealed_recipient recipient;
	struct sealed_parts parts;
	struct jose_key *key;
	uint8_t z[JOSE_KEY_SECRET_SIZE];
	uint8_t *text, *plain;
	char kid[JOSE_KEY_ID_SIZE];
	char *sealed;
	json_t *jwe;
	size_t len;
	int i;

	(void)state;
	assert_int_equal(marks_in_memory(), 0);
	key = jose_key_generate();
	assert_non_null(key);
	jose_key_public(key, recipient.xy);
	assert_int_equal(jose_key_thumbprint(recipient.xy, kid), 0);
	for (i = 0; i < 20; i++) {
		fill(&content, "reset_password", "anna", "", 0);
		content.new_password = wiping_calloc(1, MARKS * MARK_SIZE + 1);
		put_marks(content.new_password, MARKS);
		content.new_password_len = MARKS * MARK_SIZE;
		text = sealed_content_write(&content, &len, NULL);
		assert_non_null(text);
		sealed_content_free(&content);
		sealed = sealed_make(&recipient, 1, text, len);
		assert_non_null(sealed);
		wiping_free(text);
		assert_int_equal(marks_in_memory(), 0);
		jwe = json_read(sealed, strlen(sealed), SEALED_MAX_JSON, NULL);
		free(sealed);
		assert_non_null(jwe);
		assert_int_equal(sealed_parse(jwe, kid, &parts, NULL), 0);
		json_decref(jwe);
		assert_int_equal(sealed_shared_secret(key, parts.epk, z), 0);
		plain = wiping_malloc(parts.ciphertext_len);
		assert_int_equal(sealed_open(&parts, z, plain, &len), 0);
		assert_int_equal(sealed_content_read(plain, len, &content, NULL), 0);
		assert_int_equal(marks_in_memory(), 2 * MARKS); /* plain and content */
		sealed_content_free(&content);
		/* What cannot be read leaves nothing either: broken just behind the mark. */
		assert_non_null(memmem(plain, len, "\"}", 2));
		*(char *)memmem(plain, len, "\"}", 2) = (char)(i % 2 == 0 ? 0xff : '\n');
		assert_int_equal(sealed_content_read(plain, len, &content, NULL), -1);
		wiping_free(plain);
		sealed_parts_free(&parts);
		assert_int_equal(marks_in_memory(), 0);
	}
	jose_key_free(key);
}

/* jansson quotes short tokens in its error texts, which it puts together on the stack. */
static void
no_copy_stays_in_error_texts(void **state)
{
	static const char start[] = "{\"password\" \"";
	struct sealed_content content;
	char *text;

	(void)state;
	text = wiping_malloc(SEALED_PADDING);
	assert_non_null(text);
	memset(text, ' ', SEALED_PADDING);
	memcpy(text, start, strlen(start));
	put_marks(text + strlen(start), 1);
	memcpy(text + strlen(start) + MARK_SIZE, "\"}", 2);
	assert_int_equal(marks_in_memory(), 1);
	assert_int_equal(sealed_content_read(text, SEALED_PADDING, &content, NULL), -1);
	assert_int_equal(marks_in_memory(), 1);
	wiping_free(text);
	assert_int_equal(marks_in_memory(), 0);
}

static __attribute__((noinline)) void
leave_marks_on_the_stack(void)
{
	char volatile *kept;
	char deep[12 * 1024];

	put_marks(deep, sizeof(deep) / MARK_SIZE);
	kept = deep; /* so that the compiler does not leave the writing out */
	(void)kept[0];
}

static void
stack(void **state)
{
	(void)state;
	leave_marks_on_the_stack();
	assert_int_not_equal(marks_in_memory(), 0);
	leave_marks_on_the_stack();
	wipe_stack();
	assert_int_equal(marks_in_memory(), 0);
}

static bool
read_without_memory(void *arg)
{
	struct sealed_content content;
	const char *why = NULL;

	if (sealed_content_read(arg, SEALED_PADDING, &content, &why) == 0) {
		assert_string_equal(content.password, "p");
		assert_string_equal(content.new_password, "q");
		sealed_content_free(&content);
		return true;
	}
	assert_int_equal(errno, ENOMEM);
	assert_string_equal(why, "out of memory");
	assert_null(content.password);
	assert_null(content.new_password);
	return false;
}

static bool
written_without_memory(void *arg)
{
	struct sealed_content content;
	uint8_t *text;
	size_t len;

	(void)arg;
	memset(&content, 0, sizeof(content));
	memcpy(content.op, "reset_password", 15);
	memcpy(content.connection, "corp", 5);
	memcpy(content.username, "anna", 5);
	content.password = content.new_password = (char *)(uintptr_t) "p\n";
	content.password_len = content.new_password_len = 2;
	text = sealed_content_write(&content, &len, NULL);
	wiping_free(text);
	return text != NULL;
}

static void
want_of_memory(void **state)
{
	static const char text[] = MEMBERS("change_password", ",\"new_password\":\"q\"");
	char padded[SEALED_PADDING];

	(void)state;
	memset(padded, ' ', sizeof(padded));
	memcpy(padded, text, sizeof(text) - 1);
	allocations_fail_each(read_without_memory, padded, 0);
	allocations_fail_each(written_without_memory, NULL, ALLOCATIONS_KEPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(padding),
		cmocka_unit_test(password_limits),
		cmocka_unit_test(writing_refuses),
		cmocka_unit_test(reading_refuses),
		cmocka_unit_test(member_limits),
		cmocka_unit_test(longest_names),
		cmocka_unit_test(stack),
		cmocka_unit_test(no_copy_stays),
		cmocka_unit_test(no_copy_stays_in_error_texts),
		cmocka_unit_test(want_of_memory),
	};

	if (wipe_use_in_openssl() == -1)
		return 1;
	json_use_wiping_allocator();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
