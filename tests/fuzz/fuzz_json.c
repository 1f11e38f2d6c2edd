/* SPDX-License-Identifier: ISC */
/*
 * JSON in and out, and base64url: json_read() takes what jansson takes, as the same value, but for
 * its limits; jansson and json_text write that back as the same value; of each base64url value
 * there is one spelling.
 */
#include "common/base64url.h"
#include "common/json.h"
#include "common/json_text.h"
#include "common/wipe.h"
#include "common/wire.h"
#include "fuzz.h"

#define TEXT_MAX 4096

static unsigned int
depth(const json_t *value)
{
	unsigned int deepest = 0, below;
	const char *key;
	json_t *member;
	size_t i;

	if (json_is_object(value)) {
		json_object_foreach ((json_t *)(uintptr_t)value, key, member) {
			below = depth(member);
			deepest = below > deepest ? below : deepest;
		}
	} else if (json_is_array(value)) {
		json_array_foreach (value, i, member) {
			below = depth(member);
			deepest = below > deepest ? below : deepest;
		}
	} else
		return 0;
	return deepest + 1;
}

static void
read_text(const char *text, size_t len)
{
	const char *why = NULL;
	json_t *value, *again;
	char *dump;

	value = json_read(text, len, TEXT_MAX, &why);
	fuzz_check((value == NULL) == (why != NULL));
	if (value == NULL) {
		if (strncmp(why, "not valid", 9) == 0 || strcmp(why, "ends too early") == 0)
			fuzz_check(json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL) == NULL);
		return;
	}
	fuzz_check((again = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL)) != NULL);
	fuzz_check(json_equal(value, again));
	json_decref(again);
	fuzz_check(len <= TEXT_MAX && memchr(text, '\0', len) == NULL && utf8_valid(text, len));
	fuzz_check(depth(value) <= JSON_MAX_DEPTH);
	fuzz_check((dump = json_dumps(value, JSON_COMPACT)) != NULL);
	/* A real number may be written longer than it came. */
	fuzz_check((again = json_read(dump, strlen(dump), 32 * TEXT_MAX, &why)) != NULL);
	fuzz_check(json_equal(value, again));
	json_decref(again);
	json_decref(value);
	free(dump);
}

/* Pieces up to each NUL, as strings of an array and as members of an object in it. */
static void
write_text(struct fuzz_input in)
{
	struct json_text t = { 0 };
	struct fuzz_input piece, all = in;
	const char *why;
	json_t *value, *member;
	bool valid = true;
	char *text;
	size_t len, i;

	json_text_open(&t, NULL, '[');
	while (in.len > 0) {
		piece = fuzz_until(&in, '\0');
		valid = valid && utf8_valid(piece.data, piece.len);
		json_text_open(&t, NULL, '{');
		json_text_bytes(&t, "k", piece.data, piece.len);
		json_text_boolean(&t, "b", piece.len > 0);
		json_text_close(&t, '}');
	}
	json_text_close(&t, ']');
	text = json_text_end(&t, &len);
	fuzz_check((text != NULL) == valid);
	if (text == NULL)
		return;
	fuzz_check(strlen(text) == len);
	fuzz_check((value = json_read(text, len, len, &why)) != NULL);
	json_array_foreach (value, i, member) {
		piece = fuzz_until(&all, '\0');
		member = json_object_get(member, "k");
		fuzz_check(json_string_length(member) == piece.len);
		fuzz_check(memcmp(json_string_value(member), piece.data, piece.len) == 0);
	}
	fuzz_check(all.len == 0);
	json_decref(value);
	wiping_free(text);
}

static void
decode(const char *text, size_t len)
{
	uint8_t *bytes = malloc(BASE64URL_DECODED_SIZE(len) + 1);
	char *again = malloc(len + 1);
	ssize_t n;

	fuzz_check(bytes != NULL && again != NULL);
	n = base64url_decode(bytes, BASE64URL_DECODED_SIZE(len), text, len);
	if (n != -1) {
		fuzz_check((size_t)n == BASE64URL_DECODED_SIZE(len));
		fuzz_check(BASE64URL_LENGTH((size_t)n) == len);
		fuzz_check(base64url_encode(again, len + 1, bytes, (size_t)n) == len);
		fuzz_check(memcmp(again, text, len) == 0);
		fuzz_check(n == 0 || base64url_decode(bytes, (size_t)n - 1, text, len) == -1);
	}
	free(bytes);
	free(again);
}

static void
encode(const uint8_t *data, size_t len)
{
	char *text = malloc(BASE64URL_SIZE(len));
	uint8_t *again = malloc(len + 1);

	fuzz_check(text != NULL && again != NULL);
	fuzz_check(base64url_encode(text, BASE64URL_SIZE(len), data, len) == strlen(text));
	fuzz_check(base64url_decode(again, len, text, strlen(text)) == (ssize_t)len);
	fuzz_check(memcmp(again, data, len) == 0);
	free(text);
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = { data, len };

	switch (fuzz_byte(&in)) {
	case 'w':
		write_text(in);
		break;
	case 'd':
		decode((const char *)in.data, in.len);
		break;
	case 'e':
		encode(in.data, in.len);
		break;
	default:
		/* Without its selector where it has none of its own, so that any JSON is a seed. */
		read_text((const char *)data, len);
	}
	return 0;
}
