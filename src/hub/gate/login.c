/* SPDX-License-Identifier: ISC */
/*
 * Attempts: see login.h.
 *
 * An attempt goes to a second connector only when not one byte of it was written to
 * the first: a bind may have counted against the user.
 */
#include "login.h"

#include "audit.h"
#include "common/base64url.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/replay.h"

#include "verdict.h"
#include "common/wipe.h"

#include <bsd/string.h>
#include <bsd/sys/tree.h>
#include <errno.h>
#include <event2/event.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTEMPT_BYTES 16
#define ATTEMPT_SIZE BASE64URL_SIZE(ATTEMPT_BYTES)
/* `{"id":…,"type":…,"deadline_ms":…,"attempt":…,` */
#define FRAME_HEAD_MAX 128

struct attempt {
	RB_ENTRY(attempt) entry;
	TAILQ_ENTRY(attempt) in_flight;
	struct logins *logins;
	char id[ATTEMPT_SIZE];
	char connection[CONNECTION_SIZE];
	char address[ADDRESS_TEXT_SIZE];
	char *username;
	const char *face;
	char kids[SEALED_MAX_RECIPIENTS][JOSE_KEY_ID_SIZE];
	size_t nkids;
	char *body; /* JSON: connection, username, jwe */
	struct tunnel *tunnel;
	char connector_id[CONNECTOR_ID_SIZE]; /* the last that had it; "": none */
	uint64_t frame_start;
	uint64_t started_us;
	struct event *timer;
	login_done done;
	void *arg;
};

RB_HEAD(attempt_tree, attempt);

struct logins {
	struct proc *proc;
	struct tunnels *tunnels;
	struct attempt_tree tree;
	struct replay *replay;
	size_t count;
	const struct timeval *deadline;
};

static void on_deadline(evutil_socket_t, short, void *);

static int
attempt_compare(struct attempt *a, struct attempt *b)
{
	return memcmp(a->id, b->id, sizeof(a->id));
}

RB_GENERATE_INTERNAL(attempt_tree, attempt, entry, attempt_compare, static __attribute__((unused)))

struct logins *
logins_new(struct proc *proc, struct tunnels *tunnels)
{
	static const struct timeval deadline = { (LOGIN_DEADLINE_MS + LOGIN_GRACE_MS) / 1000,
		(LOGIN_DEADLINE_MS + LOGIN_GRACE_MS) % 1000 * 1000 };
	struct logins *logins;

	if ((logins = calloc(1, sizeof(*logins))) == NULL)
		fatal("logins");
	logins->proc = proc;
	logins->tunnels = tunnels;
	RB_INIT(&logins->tree);
	if ((logins->replay = replay_new(REPLAY_MINUTE_MAX, 0)) == NULL)
		fatal("logins");
	logins->deadline = event_base_init_common_timeout(proc_base(proc), &deadline);
	if (logins->deadline == NULL)
		fatalx("logins: no timer");
	return logins;
}

size_t
logins_count(const struct logins *logins)
{
	return logins->count;
}

static void
attempt_detach(struct attempt *a)
{
	struct tunnel *tunnel = a->tunnel;

	if (tunnel == NULL)
		return;
	TAILQ_REMOVE(&tunnel->attempts, a, in_flight);
	tunnel->in_flight--;
	a->tunnel = NULL;
	tunnel_attempt_ended(tunnel);
}

static void
write_audit(const struct attempt *a, const char *event, const struct login_result *result,
    const char *detail)
{
	struct audit_row row = {
		.event = event,
		.connection = a->connection,
		.connector_id = a->connector_id,
		.username = a->username,
		.attempt = a->id,
		.status = result->status,
		.proven = result->proven,
		.reason = result->reason,
		.face = a->face,
		.address = a->address,
		.detail = detail,
		.found = result->found,
	};

	audit(&row);
}

/* Frees the attempt and then tells its caller. */
static void
attempt_end(struct attempt *a, struct login_result *result)
{
	login_done done = a->done;
	void *arg = a->arg;
	char id[ATTEMPT_SIZE];

	attempt_detach(a);
	if (a->timer != NULL) {
		RB_REMOVE(attempt_tree, &a->logins->tree, a);
		a->logins->count--;
		event_free(a->timer);
	}
	strlcpy(id, a->id, sizeof(id));
	result->attempt = id;
	result->asked = a->connector_id[0] != '\0';
	result->took_us = clock_us() - a->started_us;
	write_audit(a, "login", result, "");
	free(a->username);
	free(a->body);
	free(a);
	done(arg, result);
}

static void
attempt_fail(struct attempt *a, enum status status, const char *reason)
{
	struct login_result result = { .status = status, .reason = reason };

	attempt_end(a, &result);
}

/* 0 when a connector has it; -1: there is none that could. */
static int
attempt_send(struct attempt *a)
{
	uint64_t left = LOGIN_DEADLINE_MS, passed = (clock_us() - a->started_us) / 1000;
	/* Its members follow ours, behind its brace. */
	const char *members = strchr(a->body, '{') + 1;
	size_t size = FRAME_HEAD_MAX + strlen(members) + 1, len;
	struct tunnel *tunnel;
	char *frame;
	int sent;

	if (passed >= left ||
	    (tunnel = tunnels_pick(a->logins->tunnels, a->connection, a->kids, a->nkids)) == NULL ||
	    (frame = malloc(size)) == NULL)
		return -1;
	len = (size_t)snprintf(frame, size,
	    "{\"id\":\"%s\",\"type\":\"authenticate\",\"deadline_ms\":%u,\"attempt\":\"%s\",%s",
	    a->id, (unsigned int)(left - passed), a->id, members);
	sent = len > TUNNEL_FRAME_MAX ? -1 : tunnel_send(tunnel, frame, len, &a->frame_start);
	free(frame);
	if (sent == -1)
		return -1;
	a->tunnel = tunnel;
	strlcpy(a->connector_id, tunnel->connector_id, sizeof(a->connector_id));
	TAILQ_INSERT_TAIL(&tunnel->attempts, a, in_flight);
	tunnel->in_flight++;
	return 0;
}

/* The kids of a sealed text whose form is right; false when it is not. */
static bool
read_recipients(struct attempt *a, const json_t *jwe, const char **why)
{
	const json_t *list = json_object_get(jwe, "recipients"), *header;
	struct sealed_parts parts;
	const char *kid;
	size_t i;

	for (i = 0; i < json_array_size(list) && i < SEALED_MAX_RECIPIENTS; i++) {
		header = json_object_get(json_array_get(list, i), "header");
		kid = json_get_string(header, "kid", JOSE_KEY_ID_SIZE - 1, JOSE_KEY_ID_SIZE - 1);
		if (kid == NULL)
			break;
		strlcpy(a->kids[a->nkids++], kid, JOSE_KEY_ID_SIZE);
	}
	if (a->nkids == 0) {
		*why = "the sealed text has no recipients";
		errno = EBADMSG;
		return false;
	}
	/* All of its form is looked at, whichever recipient is asked for. */
	if (sealed_parse(jwe, a->kids[0], &parts, why) == -1)
		return false;
	sealed_parts_free(&parts);
	return true;
}

/* A body that was read, and found to be an object with these members, need not be written again. */
static char *
body_copy(const struct login_request *request)
{
	char *text;

	if ((text = malloc(request->body_len + 1)) != NULL) {
		memcpy(text, request->body, request->body_len);
		text[request->body_len] = '\0';
	}
	return text;
}

static char *
body_write(const struct attempt *a, const json_t *jwe)
{
	json_t *json;
	char *text = NULL;

	json = json_pack(
	    "{s:s, s:s, s:O}", "connection", a->connection, "username", a->username, "jwe", jwe);
	if (json != NULL)
		text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	return text;
}

void
login_start(struct logins *logins, const struct login_request *request, login_done done, void *arg)
{
	struct attempt *a;
	enum replay_verdict seen;
	uint8_t id[ATTEMPT_BYTES];
	const char *why, *tag;

	if ((a = calloc(1, sizeof(*a))) == NULL ||
	    (a->username = strdup(request->username)) == NULL || RAND_bytes(id, sizeof(id)) != 1)
		fatalx("attempt: out of memory");
	a->logins = logins;
	a->done = done;
	a->arg = arg;
	a->face = request->face;
	a->started_us = clock_us();
	base64url_encode(a->id, sizeof(a->id), id, sizeof(id));
	strlcpy(a->connection, request->connection, sizeof(a->connection));
	strlcpy(a->address, request->address, sizeof(a->address));
	if (!read_recipients(a, request->jwe, &why)) {
		attempt_fail(a, errno == ENOMEM ? STATUS_INTERNAL : STATUS_BAD_REQUEST, why);
		return;
	}
	/* A connector knows what it opened itself; only the hub knows of the others. */
	tag = json_get_string(request->jwe, "tag", 1, 64);
	seen = tag == NULL ? REPLAY_SEEN
			   : replay_check(logins->replay, tag, 0, (int64_t)(clock_ms() / 1000));
	if (seen == REPLAY_SEEN) {
		attempt_fail(a, STATUS_BAD_REQUEST, "sealed_used");
		return;
	}
	if (seen == REPLAY_FULL || logins->count >= LOGINS_MAX) {
		attempt_fail(a, STATUS_CONNECTOR_UNAVAILABLE, "too many attempts under way");
		return;
	}
	a->body = request->body != NULL && request->body_len <= TUNNEL_FRAME_MAX - FRAME_HEAD_MAX
	    ? body_copy(request)
	    : body_write(a, request->jwe);
	if (a->body == NULL ||
	    (a->timer = evtimer_new(proc_base(logins->proc), on_deadline, a)) == NULL)
		fatalx("attempt: out of memory");
	RB_INSERT(attempt_tree, &logins->tree, a);
	logins->count++;
	evtimer_add(a->timer, logins->deadline);
	if (attempt_send(a) == -1)
		attempt_fail(a, STATUS_CONNECTOR_UNAVAILABLE,
		    tunnels_online(logins->tunnels, a->connection)
			? "none of the connectors it is sealed for can take it"
			: "no connector is online");
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	attempt_fail(arg, STATUS_TIMEOUT, "the connector did not answer in time");
}

void
logins_result(struct logins *logins, struct tunnel *tunnel, const char *id, const json_t *frame)
{
	struct attempt wanted, *a;
	struct login_result result;
	struct verdict_asked asked;
	struct verdict verdict;
	const char *why;
	int fault;

	memset(wanted.id, 0, sizeof(wanted.id));
	strlcpy(wanted.id, id, sizeof(wanted.id));
	/* Late, twice, made up, or an answer to what another connector was asked. */
	if (strlen(id) != ATTEMPT_SIZE - 1 ||
	    (a = RB_FIND(attempt_tree, &logins->tree, &wanted)) == NULL || a->tunnel != tunnel) {
		tunnel->strays++;
		return;
	}
	asked.attempt = a->id;
	asked.connection = a->connection;
	asked.username = a->username;
	memset(&result, 0, sizeof(result));
	if (verdict_judge(tunnel->sign_key, &asked, frame, &verdict, &why) == -1) {
		fault = errno;
		log_warnx("connector %s: result refused: %s", tunnel->connector_id, why);
		result.status = STATUS_INTERNAL;
		result.reason = why;
		if (fault != ENOMEM)
			write_audit(a, "verdict_refused", &result, why);
	}
	result.status = verdict.status;
	result.proven = verdict.proven;
	result.found = verdict.found;
	result.bound = verdict.bound;
	result.reason = verdict.reason;
	result.profile = verdict.profile;
	result.profile_len = verdict.profile_len;
	attempt_end(a, &result);
	verdict_free(&verdict);
}

bool
logins_tunnel_closed(struct tunnel *tunnel)
{
	uint64_t written = websocket_written(tunnel->ws);
	struct attempt *a;
	bool all_written = true;

	while ((a = TAILQ_FIRST(&tunnel->attempts)) != NULL) {
		attempt_detach(a);
		if (a->frame_start < written)
			attempt_fail(a, STATUS_CONNECTOR_UNAVAILABLE,
			    "the connector's tunnel closed before it answered");
		else {
			all_written = false;
			if (attempt_send(a) == -1)
				attempt_fail(a, STATUS_CONNECTOR_UNAVAILABLE,
				    "the connector's tunnel closed");
		}
	}
	return all_written;
}
