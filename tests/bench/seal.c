/* SPDX-License-Identifier: ISC */
/* Sealed login requests: see seal.h. */
#include "seal.h"

#include "common/json.h"
#include "common/sealed_content.h"
#include "common/wipe.h"

#include <bsd/string.h>

#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIME_MAX INT64_C(253402300799) /* the end of the year 9999 */
#define MAX_THREADS 64
#define KEYS_MAX 16384

/* What all requests of a call have in common. */
struct plan {
	const struct seal_keys *keys;
	const char *host, *connection;
	const struct load_users *users;
	size_t first, n, threads;
	struct seal_request *requests;
};

struct share {
	const struct plan *plan;
	pthread_t thread;
	size_t number;
};

void
seal_read_keys(const char *text, size_t len, const char *connection, struct seal_keys *keys)
{
	const char *name, *why = "not what it should be";
	struct jose_key *key;
	json_t *document, *list;

	document = json_read(text, len, KEYS_MAX, &why);
	name = json_get_string(document, "connection", 1, SEALED_MAX_CONNECTION);
	list = json_object_get(document, "recipients");
	if (name == NULL || strcmp(name, connection) != 0 || !json_is_array(list) ||
	    json_array_size(list) > SEALED_MAX_RECIPIENTS ||
	    json_get_integer(document, "time", 1, TIME_MAX, &keys->time) == -1)
		errx(1, "answer with the sealing keys: %s: %.*s", why, (int)len, text);
	for (keys->n = 0; keys->n < json_array_size(list); keys->n++) {
		key = jose_key_from_jwk(json_object_get(json_array_get(list, keys->n), "jwk"));
		if (key == NULL || jose_key_public(key, keys->recipients[keys->n].xy) == -1)
			errx(1, "answer with the sealing keys: a key is not valid");
		jose_key_free(key);
	}
	json_decref(document);
}

static char *
seal(const struct plan *plan, const struct load_user *user)
{
	struct sealed_content content;
	const char *why = "the password could not be sealed";
	uint8_t *plain;
	char *jwe = NULL;
	size_t len;

	memset(&content, 0, sizeof(content));
	strlcpy(content.op, "authenticate", sizeof(content.op));
	strlcpy(content.connection, plan->connection, sizeof(content.connection));
	strlcpy(content.username, user->name, sizeof(content.username));
	content.iat = plan->keys->time;
	content.password_len = strlen(user->password);
	if ((content.password = strdup(user->password)) == NULL)
		err(1, "password");
	if ((plain = sealed_content_write(&content, &len, &why)) != NULL) {
		jwe = sealed_make(plan->keys->recipients, plan->keys->n, plain, len);
		wiping_free(plain);
	}
	if (jwe == NULL)
		errx(1, "%s: %s", user->name, why);
	sealed_content_free(&content);
	return jwe;
}

static void
make(const struct plan *plan, size_t number)
{
	struct seal_request *request = &plan->requests[number];
	json_t *name;
	char *jwe, *quoted, *text;
	int body, len;

	request->user = &plan->users->items[(plan->first + number) % plan->users->n];
	jwe = seal(plan, request->user);
	name = json_string(request->user->name);
	if ((quoted = json_dumps(name, JSON_ENCODE_ANY)) == NULL)
		errx(1, "%s: not a name", request->user->name);
	body = (int)(strlen(plan->connection) + strlen(quoted) + strlen(jwe)) +
	    (int)strlen("{\"connection\":\"\",\"username\":,\"jwe\":}");
	len = asprintf(&text,
	    "POST /login/verify HTTP/1.1\r\n"
	    "Host: %s\r\n"
	    "Content-Type: application/json\r\n"
	    "Content-Length: %d\r\n"
	    "\r\n"
	    "{\"connection\":\"%s\",\"username\":%s,\"jwe\":%s}",
	    plan->host, body, plan->connection, quoted, jwe);
	if (len == -1)
		err(1, "request");
	request->text = text;
	request->len = (size_t)len;
	json_decref(name);
	free(quoted);
	free(jwe);
}

static void *
work(void *arg)
{
	struct share *share = arg;
	size_t i;

	for (i = share->number; i < share->plan->n; i += share->plan->threads)
		make(share->plan, i);
	return NULL;
}

struct seal_request *
seal_requests(const struct seal_keys *keys, const char *host, const char *connection,
    const struct load_users *users, size_t first, size_t n)
{
	struct plan plan = { .keys = keys,
		.host = host,
		.connection = connection,
		.users = users,
		.first = first,
		.n = n };
	struct share shares[MAX_THREADS];
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t i;
	int code;

	if ((plan.requests = calloc(n, sizeof(*plan.requests))) == NULL)
		err(1, "requests");
	/* The first one alone: what the functions make once and keep is then made. */
	make(&plan, 0);
	free(plan.requests[0].text);

	plan.threads = processors < 1 ? 1 : (size_t)processors;
	if (plan.threads > MAX_THREADS)
		plan.threads = MAX_THREADS;
	for (i = 0; i < plan.threads; i++) {
		shares[i].plan = &plan;
		shares[i].number = i;
		if ((code = pthread_create(&shares[i].thread, NULL, work, &shares[i])) != 0)
			errx(1, "thread: %s", strerror(code));
	}
	for (i = 0; i < plan.threads; i++)
		pthread_join(shares[i].thread, NULL);
	return plan.requests;
}

void
seal_requests_free(struct seal_request *requests, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(requests[i].text);
	free(requests);
}
