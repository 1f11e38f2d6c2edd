/* SPDX-License-Identifier: ISC */
/*
 * The JOSE functions from the shell, so that other implementations can be held against them.
 *
 * For tests only: it writes private keys and passwords to standard output. A key file holds one
 * JWK, with the member d when the key is private. Input comes from standard input. Exit status: 0
 * done, 1 refused, 64 usage.
 */
#include "common/base64url.h"
#include "common/jose.h"
#include "common/json.h"
#include "common/jws.h"
#include "common/sealed.h"
#include "common/sealed_content.h"
#include "common/wipe.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_INPUT (256 * 1024)
#define EX_USAGE 64

struct command {
	const char *name;
	int min_args;
	int (*run)(int argc, char **argv);
	const char *usage;
};

static size_t read_all(FILE *file, char *buffer);
static struct jose_key *load_key(const char *path);
static int generate(int argc, char **argv);
static int thumbprint(int argc, char **argv);
static int sign(int argc, char **argv);
static int verify(int argc, char **argv);
static int seal(int argc, char **argv);
static int unseal(int argc, char **argv);
static int write_content(int argc, char **argv);
static int read_content(int argc, char **argv);
static int bench(int argc, char **argv);

static const struct command commands[] = {
	{ "generate", 0, generate, "generate" },
	{ "thumbprint", 1, thumbprint, "thumbprint KEY" },
	{ "sign", 2, sign, "sign KEY TYPE < PAYLOAD" },
	{ "verify", 2, verify, "verify KEY TYPE < JWS" },
	{ "seal", 1, seal, "seal KEY... < TEXT" },
	{ "open", 1, unseal, "open KEY < JWE" },
	{ "write-content", 3, write_content, "write-content OP CONNECTION USERNAME < PASSWORD" },
	{ "read-content", 0, read_content, "read-content < CONTENT" },
	{ "bench", 0, bench, "bench" },
};

static char input[MAX_INPUT + 1];

int
main(int argc, char **argv)
{
	size_t i;

	if (wipe_use_in_openssl() == -1)
		errx(1, "openssl: allocated before its allocator was set");
	json_use_wiping_allocator();
	for (i = 0; argc >= 2 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) == 0 && argc - 2 >= commands[i].min_args)
			return commands[i].run(argc - 2, argv + 2);
	}
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(stderr, "usage: jose_tool %s\n", commands[i].usage);
	return EX_USAGE;
}

static size_t
read_all(FILE *file, char *buffer)
{
	size_t len;

	len = fread(buffer, 1, MAX_INPUT + 1, file);
	if (ferror(file) || len > MAX_INPUT)
		errx(1, "input cannot be read or is longer than %d bytes", MAX_INPUT);
	buffer[len] = '\0';
	return len;
}

static struct jose_key *
load_key(const char *path)
{
	uint8_t xy[JOSE_KEY_PUBLIC_SIZE], d[JOSE_KEY_PRIVATE_SIZE];
	struct jose_key *key;
	const char *why, *private_number;
	char *text;
	json_t *jwk;
	FILE *file;
	size_t len;

	if ((file = fopen(path, "re")) == NULL || (text = malloc(MAX_INPUT + 1)) == NULL)
		err(1, "%s", path);
	len = read_all(file, text);
	fclose(file);
	if ((jwk = json_read(text, len, MAX_INPUT, &why)) == NULL)
		errx(1, "%s: %s", path, why);
	private_number = json_get_string(jwk, "d", 43, 43);
	if (private_number == NULL)
		key = jose_key_from_jwk(jwk);
	else {
		if (base64url_decode(d, sizeof(d), private_number, 43) != (ssize_t)sizeof(d))
			errx(1, "%s: d malformed", path);
		json_object_del(jwk, "d");
		key = jose_key_from_jwk(jwk);
		if (key != NULL) {
			jose_key_public(key, xy);
			jose_key_free(key);
			key = jose_key_from_private(d, xy);
		}
	}
	if (key == NULL)
		errx(1, "%s: not a P-256 key", path);
	json_decref(jwk);
	free(text);
	return key;
}

static int
generate(int argc, char **argv)
{
	struct jose_key *key;
	uint8_t d[JOSE_KEY_PRIVATE_SIZE];
	char encoded[BASE64URL_SIZE(JOSE_KEY_PRIVATE_SIZE)];
	json_t *jwk;

	(void)argc;
	(void)argv;
	if ((key = jose_key_generate()) == NULL || jose_key_private(key, d) == -1 ||
	    (jwk = jose_key_jwk(key)) == NULL)
		errx(1, "key cannot be made");
	base64url_encode(encoded, sizeof(encoded), d, sizeof(d));
	json_object_set_new(jwk, "d", json_string(encoded));
	json_dumpf(jwk, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(jwk);
	jose_key_free(key);
	return 0;
}

static int
thumbprint(int argc, char **argv)
{
	struct jose_key *key;
	uint8_t xy[JOSE_KEY_PUBLIC_SIZE];
	char kid[JOSE_KEY_ID_SIZE];

	(void)argc;
	key = load_key(argv[0]);
	jose_key_public(key, xy);
	if (jose_key_thumbprint(xy, kid) == -1)
		return 1;
	puts(kid);
	jose_key_free(key);
	return 0;
}

static int
sign(int argc, char **argv)
{
	struct jose_key *key;
	char *jws;
	size_t len;

	(void)argc;
	key = load_key(argv[0]);
	len = read_all(stdin, input);
	if ((jws = jws_sign(key, argv[1], input, len)) == NULL)
		errx(1, "cannot be signed");
	fputs(jws, stdout);
	free(jws);
	jose_key_free(key);
	return 0;
}

static int
verify(int argc, char **argv)
{
	struct jose_key *key;
	uint8_t *payload;
	size_t len, payload_len;

	(void)argc;
	key = load_key(argv[0]);
	len = read_all(stdin, input);
	if (jws_verify(key, argv[1], input, len, JWS_MAX_PAYLOAD, &payload, &payload_len) == -1)
		errx(1, "refused");
	fwrite(payload, 1, payload_len, stdout);
	free(payload);
	jose_key_free(key);
	return 0;
}

static int
seal(int argc, char **argv)
{
	struct sealed_recipient recipients[SEALED_MAX_RECIPIENTS];
	struct jose_key *key;
	char *jwe;
	size_t len;
	int i;

	if (argc > SEALED_MAX_RECIPIENTS)
		errx(1, "more than %d recipients", SEALED_MAX_RECIPIENTS);
	for (i = 0; i < argc; i++) {
		key = load_key(argv[i]);
		jose_key_public(key, recipients[i].xy);
		jose_key_free(key);
	}
	len = read_all(stdin, input);
	if ((jwe = sealed_make(recipients, (size_t)argc, input, len)) == NULL)
		errx(1, "cannot be sealed");
	fputs(jwe, stdout);
	free(jwe);
	return 0;
}

static int
unseal(int argc, char **argv)
{
	struct sealed_parts parts;
	struct jose_key *key;
	uint8_t xy[JOSE_KEY_PUBLIC_SIZE], z[JOSE_KEY_SECRET_SIZE];
	uint8_t *plain;
	char kid[JOSE_KEY_ID_SIZE];
	const char *why;
	json_t *jwe;
	size_t len;

	(void)argc;
	key = load_key(argv[0]);
	jose_key_public(key, xy);
	len = read_all(stdin, input);
	if ((jwe = json_read(input, len, SEALED_MAX_JSON * 2, &why)) == NULL ||
	    jose_key_thumbprint(xy, kid) == -1 || sealed_parse(jwe, kid, &parts, &why) == -1)
		errx(1, "refused: %s", why);
	if ((plain = wiping_malloc(parts.ciphertext_len)) == NULL)
		err(1, NULL);
	if (sealed_shared_secret(key, parts.epk, z) == -1)
		errx(1, "refused: ephemeral key not on the curve");
	if (sealed_open(&parts, z, plain, &len) == -1)
		errx(1, "refused: cannot be opened");
	fwrite(plain, 1, len, stdout);
	wiping_free(plain);
	sealed_parts_free(&parts);
	json_decref(jwe);
	jose_key_free(key);
	return 0;
}

static int
write_content(int argc, char **argv)
{
	struct sealed_content content;
	uint8_t *text;
	const char *why;
	size_t len;

	(void)argc;
	memset(&content, 0, sizeof(content));
	if (snprintf(content.op, sizeof(content.op), "%s", argv[0]) >= (int)sizeof(content.op) ||
	    snprintf(content.connection, sizeof(content.connection), "%s", argv[1]) >=
		(int)sizeof(content.connection) ||
	    snprintf(content.username, sizeof(content.username), "%s", argv[2]) >=
		(int)sizeof(content.username))
		errx(1, "argument too long");
	content.iat = time(NULL);
	content.password_len = read_all(stdin, input);
	content.password = input;
	if ((text = sealed_content_write(&content, &len, &why)) == NULL)
		errx(1, "refused: %s", why);
	fwrite(text, 1, len, stdout);
	wiping_free(text);
	return 0;
}

static int
read_content(int argc, char **argv)
{
	struct sealed_content content;
	const char *why;
	json_t *object;
	size_t len;

	(void)argc;
	(void)argv;
	len = read_all(stdin, input);
	if (sealed_content_read(input, len, &content, &why) == -1)
		errx(1, "refused: %s", why);
	object = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s%, s:s?}", "op", content.op, "connection",
	    content.connection, "username", content.username, "iat", (json_int_t)content.iat, "jti",
	    content.jti, "password", content.password, content.password_len, "new_password",
	    content.new_password);
	json_dumpf(object, stdout, JSON_COMPACT);
	json_decref(object);
	sealed_content_free(&content);
	return 0;
}

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* Microseconds of processor time for one run of the statement. */
#define TIMED(what, statement)                                                                     \
	do {                                                                                       \
		double start_ = now();                                                             \
		int run_;                                                                          \
		for (run_ = 0; run_ < 5000; run_++)                                                \
			statement;                                                                 \
		printf("%-28s %8.1f us\n", what, (now() - start_) / 5000);                         \
	} while (0)

static void
must(int right)
{
	if (!right)
		errx(1, "bench: an operation failed");
}

static int
bench(int argc, char **argv)
{
	struct sealed_recipient recipients[1];
	struct sealed_content content, read;
	struct sealed_parts parts;
	struct jose_key *key, *public_key;
	uint8_t xy[JOSE_KEY_PUBLIC_SIZE], z[JOSE_KEY_SECRET_SIZE];
	uint8_t *text, *plain, *payload;
	char kid[JOSE_KEY_ID_SIZE];
	char password[] = "correct horse battery staple";
	char *jws, *sealed;
	json_t *jwe;
	size_t len, plain_len;

	(void)argc;
	(void)argv;
	must(jose_warm_up() == 0 && (key = jose_key_generate()) != NULL);
	jose_key_public(key, recipients[0].xy);
	jose_key_public(key, xy);
	must(jose_key_thumbprint(xy, kid) == 0 && (public_key = jose_key_from_public(xy)) != NULL);
	memset(input, 'x', 300);
	TIMED("key: generate", jose_key_free(jose_key_generate()));
	TIMED("key: from public", jose_key_free(jose_key_from_public(xy)));
	must((jws = jws_sign(key, "verdict+jws", input, 300)) != NULL);
	TIMED("jws: sign 300 bytes", free(jws_sign(key, "verdict+jws", input, 300)));
	TIMED("jws: verify 300 bytes", {
		must(jws_verify(
			 public_key, "verdict+jws", jws, strlen(jws), 4096, &payload, &len) == 0);
		free(payload);
	});
	free(jws);
	memset(&content, 0, sizeof(content));
	memcpy(content.op, "authenticate", 13);
	memcpy(content.connection, "corp", 5);
	memcpy(content.username, "anna@example.com", 17);
	content.iat = time(NULL);
	content.password = password;
	content.password_len = strlen(password);
	must((text = sealed_content_write(&content, &len, NULL)) != NULL);
	TIMED("content: write", wiping_free(sealed_content_write(&content, &plain_len, NULL)));
	must((sealed = sealed_make(recipients, 1, text, len)) != NULL);
	TIMED("sealed: make, 1 recipient", free(sealed_make(recipients, 1, text, len)));
	TIMED("sealed: read and parse", {
		must((jwe = json_read(sealed, strlen(sealed), SEALED_MAX_JSON, NULL)) != NULL &&
		    sealed_parse(jwe, kid, &parts, NULL) == 0);
		sealed_parts_free(&parts);
		json_decref(jwe);
	});
	must((jwe = json_read(sealed, strlen(sealed), SEALED_MAX_JSON, NULL)) != NULL &&
	    sealed_parse(jwe, kid, &parts, NULL) == 0);
	must((plain = malloc(parts.ciphertext_len)) != NULL);
	TIMED("sealed: shared secret", must(sealed_shared_secret(key, parts.epk, z) == 0));
	TIMED("sealed: open", must(sealed_open(&parts, z, plain, &plain_len) == 0));
	TIMED("content: read", {
		must(sealed_content_read(plain, plain_len, &read, NULL) == 0);
		sealed_content_free(&read);
	});
	sealed_parts_free(&parts);
	json_decref(jwe);
	free(plain);
	free(sealed);
	wiping_free(text);
	jose_key_free(public_key);
	jose_key_free(key);
	return 0;
}
