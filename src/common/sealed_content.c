/* SPDX-License-Identifier: ISC */
/*
 * The inside of a sealed text, written and read: see sealed_content.h.
 *
 * Holds passwords: every buffer here is wiped, and no reason quotes the text.
 */
#include "sealed_content.h"

#include "base64url.h"
#include "json.h"
#include "sealed.h"
#include "wipe.h"

#include <openssl/err.h>
#include <openssl/rand.h>

#include <errno.h>
#include <string.h>

#define VERSION 1
#define LATEST_IAT INT64_C(253402300799) /* the end of the year 9999 */
#define JTI_RANDOM 16			 /* bytes */
#define JTI_ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

static int op_is_known(const char *op, int *has_new_password);
static const char *check(const struct sealed_content *content);
static json_t *to_json(const struct sealed_content *content);
static uint8_t *dump_padded(const json_t *object, size_t *len);
static const char *from_json(const json_t *object, struct sealed_content *content);
static const char *
read_password(const json_t *object, const char *key, char **password, size_t *len);
static int copy_string(const json_t *object, const char *key, char *dst, size_t dstsize);

uint8_t *
sealed_content_write(struct sealed_content *content, size_t *len, const char **why)
{
	uint8_t random[JTI_RANDOM];
	uint8_t *text;
	json_t *object;
	const char *wrong;

	text = NULL;
	if (content->jti[0] == '\0') {
		if (RAND_bytes(random, sizeof(random)) != 1) {
			ERR_clear_error();
			wrong = "no random numbers";
			goto out;
		}
		base64url_encode(content->jti, sizeof(content->jti), random, sizeof(random));
	}
	if ((wrong = check(content)) != NULL)
		goto out;
	if ((object = to_json(content)) == NULL) {
		wrong = "not valid UTF-8, or out of memory";
		goto out;
	}
	text = dump_padded(object, len);
	json_decref(object);
	if (text == NULL)
		wrong = "too long to be sealed, or out of memory";

out:
	wipe_stack();
	if (text == NULL && why != NULL)
		*why = wrong;
	return text;
}

int
sealed_content_read(const void *plain, size_t len, struct sealed_content *content, const char **why)
{
	json_t *object;
	const char *wrong;
	size_t refused = wiping_refused();

	memset(content, 0, sizeof(*content));
	if (len == 0 || len % SEALED_PADDING != 0)
		wrong = "not padded to a multiple of 256 bytes";
	else if ((object = json_read(plain, len, SEALED_MAX_CIPHERTEXT, &wrong)) != NULL) {
		wrong = from_json(object, content);
		json_decref(object);
	}
	if (wrong != NULL) {
		sealed_content_free(content);
		if (why != NULL)
			*why = wrong;
	}
	wipe_stack();
	if (wrong == NULL)
		return 0;
	errno = wiping_fault(refused);
	return -1;
}

void
sealed_content_free(struct sealed_content *content)
{
	wiping_free(content->password);
	wiping_free(content->new_password);
	explicit_bzero(content, sizeof(*content));
}

static int
op_is_known(const char *op, int *has_new_password)
{
	*has_new_password = strcmp(op, "change_password") == 0 || strcmp(op, "reset_password") == 0;
	return *has_new_password || strcmp(op, "authenticate") == 0;
}

/* What holds for every content, written or read. NULL or what is wrong. */
static const char *
check(const struct sealed_content *content)
{
	size_t len;
	int has_new_password;

	if (!op_is_known(content->op, &has_new_password))
		return "operation unknown";
	if (content->connection[0] == '\0')
		return "connection missing or too long";
	if (content->username[0] == '\0')
		return "username missing or too long";
	if (content->iat < 0 || content->iat > LATEST_IAT)
		return "time missing or out of range";
	len = strlen(content->jti);
	if (len < SEALED_MIN_JTI || strspn(content->jti, JTI_ALPHABET) != len)
		return "jti missing or malformed";
	if (content->password == NULL)
		return "password missing";
	if (content->password_len > SEALED_MAX_PASSWORD)
		return "password longer than 4096 bytes";
	if (memchr(content->password, '\0', content->password_len) != NULL)
		return "password contains NUL";
	if (has_new_password && content->new_password == NULL)
		return "new password missing";
	if (!has_new_password && content->new_password != NULL)
		return "new password with an operation that has none";
	if (!has_new_password)
		return NULL;
	if (content->new_password_len > SEALED_MAX_PASSWORD)
		return "new password longer than 4096 bytes";
	if (memchr(content->new_password, '\0', content->new_password_len) != NULL)
		return "new password contains NUL";
	return NULL;
}

static json_t *
to_json(const struct sealed_content *content)
{
	json_t *object, *new_password;

	object = json_pack("{s:i, s:s, s:s, s:s, s:I, s:s, s:o}", "v", VERSION, "op", content->op,
	    "connection", content->connection, "username", content->username, "iat",
	    (json_int_t)content->iat, "jti", content->jti, "password",
	    json_stringn(content->password, content->password_len));
	if (object != NULL && content->new_password != NULL) {
		new_password = json_stringn(content->new_password, content->new_password_len);
		if (json_object_set_new(object, "new_password", new_password) == -1) {
			json_decref(object);
			object = NULL;
		}
	}
	return object;
}

static uint8_t *
dump_padded(const json_t *object, size_t *len)
{
	uint8_t *text;
	size_t needed, padded;

	needed = json_dumpb(object, NULL, 0, JSON_COMPACT);
	padded = (needed + SEALED_PADDING - 1) / SEALED_PADDING * SEALED_PADDING;
	if (needed == 0 || padded > SEALED_MAX_CIPHERTEXT)
		return NULL;
	if ((text = wiping_malloc(padded)) == NULL)
		return NULL;
	if (json_dumpb(object, (char *)text, padded, JSON_COMPACT) != needed) {
		wiping_free(text);
		return NULL;
	}
	memset(text + needed, ' ', padded - needed);
	*len = padded;
	return text;
}

static const char *
from_json(const json_t *object, struct sealed_content *content)
{
	static const char *const members[] = { "v", "op", "connection", "username", "iat", "jti",
		"password", "new_password" };
	const char *wrong;
	int64_t version;

	if (json_only_keys(object, members, sizeof(members) / sizeof(members[0])) == -1)
		return "content has a member that is not allowed";
	if (json_get_integer(object, "v", VERSION, VERSION, &version) == -1)
		return "content of an unknown version";
	if (copy_string(object, "op", content->op, sizeof(content->op)) == -1)
		return "operation unknown";
	if (copy_string(object, "connection", content->connection, sizeof(content->connection)) ==
	    -1)
		return "connection missing or too long";
	if (copy_string(object, "username", content->username, sizeof(content->username)) == -1)
		return "username missing or too long";
	if (json_get_integer(object, "iat", 0, LATEST_IAT, &content->iat) == -1)
		return "time missing or out of range";
	if (copy_string(object, "jti", content->jti, sizeof(content->jti)) == -1)
		return "jti missing or malformed";
	wrong = read_password(object, "password", &content->password, &content->password_len);
	if (wrong == NULL && json_object_get(object, "new_password") != NULL)
		wrong = read_password(
		    object, "new_password", &content->new_password, &content->new_password_len);
	return wrong != NULL ? wrong : check(content);
}

static const char *
read_password(const json_t *object, const char *key, char **password, size_t *len)
{
	const json_t *value;

	value = json_object_get(object, key);
	if (!json_is_string(value))
		return key[0] == 'n' ? "new password malformed" : "password missing";
	*len = json_string_length(value);
	if (*len > SEALED_MAX_PASSWORD)
		return key[0] == 'n' ? "new password longer than 4096 bytes"
				     : "password longer than 4096 bytes";
	if ((*password = wiping_malloc(*len + 1)) == NULL)
		return "out of memory";
	memcpy(*password, json_string_value(value), *len + 1);
	return NULL;
}

/* A string of 1 to dstsize - 1 bytes. */
static int
copy_string(const json_t *object, const char *key, char *dst, size_t dstsize)
{
	const char *value;

	if ((value = json_get_string(object, key, 1, dstsize - 1)) == NULL)
		return -1;
	memcpy(dst, value, strlen(value) + 1);
	return 0;
}
