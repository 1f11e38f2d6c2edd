/* SPDX-License-Identifier: ISC */
/*
 * The front of the page's face: what comes over TCP, from any user and any program of
 * this host, and from every web site that a browser on it has open.
 *
 * A site cannot choose the fields that a browser sets: Host tells by which name it
 * came (one of its own that leads here is DNS rebinding), Origin and Sec-Fetch-Site who
 * sent it.  Nothing is known by a cookie, so nothing rides on one.
 */
#include "web.h"

#include "session.h"
#include "static.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/rate.h"
#include "common/wipe.h"
#include "common/wire.h"

#include <bsd/string.h>
#include <event2/event.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOST_SIZE 64
#define API_PREFIX "/api/"
#define SESSION_PATH "/api/v1/session"
#define LOG_PATH "/api/v1/log"
/* Wrong secrets: ten a minute. A right one is let in whatever others try. */
#define TRIES 10
#define TRY_EVERY_MS 6000

struct page {
	struct proc *proc;
	struct api *api;
	struct sessions *sessions;
	struct event *expiry;
	uint64_t tries_until;
	char host[HOST_SIZE]; /* "127.0.0.1:9743" */
};

/* Sleeps until the next session may be over. */
static void
wait_for_expiry(struct page *page)
{
	uint64_t next = sessions_next(page->sessions), now = clock_ms(), ms;
	struct timeval tv;

	if (next == 0)
		return;
	ms = next <= now ? 0 : next - now;
	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000) * 1000;
	event_add(page->expiry, &tv);
}

static void
on_expiry(evutil_socket_t fd, short what, void *arg)
{
	struct page *page = arg;
	uint64_t session;

	(void)fd;
	(void)what;
	while ((session = sessions_expire(page->sessions, clock_ms())) != 0) {
		log_info("page: session %llu is over", (unsigned long long)session);
		api_end_streams(page->api, session);
	}
	wait_for_expiry(page);
}

struct page *
page_new(struct proc *proc, struct api *api, const char *host)
{
	struct page *page;

	if ((page = calloc(1, sizeof(*page))) == NULL ||
	    (page->sessions = sessions_new()) == NULL ||
	    (page->expiry = event_new(proc_base(proc), -1, 0, on_expiry, page)) == NULL)
		return NULL;
	page->proc = proc;
	page->api = api;
	if (strlcpy(page->host, host, sizeof(page->host)) >= sizeof(page->host))
		fatalx("not the address of a listener: %s", host);
	return page;
}

/* Two of them could be read by two readers as one or the other (of Host the parser takes one). */
static bool
twice(const struct http_head *head, const char *name)
{
	size_t i, n = 0;

	for (i = 0; i < head->nfields; i++)
		n += strcmp(head->field[i].name, name) == 0;
	return n > 1;
}

/* NULL, or why this is not a request of our own page, or of a program that behaves like it. */
static const char *
guard(const struct page *page, const struct http_head *head)
{
	const char *host = http_head_get(head, "host");
	const char *origin = http_head_get(head, "origin");
	const char *site = http_head_get(head, "sec-fetch-site");

	/*
	 * Not "localhost" either: a browser gives what it keeps for that name to whoever listens
	 * at the other of its two addresses.
	 */
	if (host == NULL || strcmp(host, page->host) != 0)
		return "Host is not this listener's address; adconnectorctl web gives the one to "
		       "open";
	if (twice(head, "origin") || twice(head, "sec-fetch-site") || twice(head, "authorization"))
		return "a field that may be there once is there twice";
	if (origin != NULL && (strncmp(origin, "http://", 7) != 0 || strcmp(origin + 7, host) != 0))
		return "not for other web pages";
	if (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
		return "not for other web pages";
	return NULL;
}

void
page_allow(struct page *page, struct message *m)
{
	uint8_t hash[SESSION_HASH_SIZE];
	uint32_t seconds;

	wire_get_fixed(&m->body, hash, sizeof(hash));
	seconds = wire_get_u32(&m->body);
	if (wire_end(&m->body) == -1)
		proc_bad_message(m);
	sessions_allow(page->sessions, hash, clock_ms() + (uint64_t)seconds * 1000);
	proc_send(page->proc, MESSAGE_SIGN_IN_ALLOWED, m->id, NULL, -1);
}

/* What an open page asks by itself, while nobody need sit before it. */
static bool
only_looks(const struct http_head *head)
{
	return head->method == HTTP_GET &&
	    (strcmp(head->path, API_STATUS_PATH) == 0 ||
		(strcmp(head->path, LOG_PATH) == 0 && strstr(head->query, "follow=1") != NULL));
}

/* The session of "Bearer TOKEN" (RFC 6750 2.1); 0: none. */
static uint64_t
session_of(struct page *page, const struct http_head *head, const char *authorization)
{
	const char *token = authorization + 7;

	if (strncasecmp(authorization, "Bearer ", 7) != 0)
		return 0;
	return only_looks(head) ? sessions_find(page->sessions, token, clock_ms())
				: sessions_use(page->sessions, token, clock_ms());
}

static void
refuse_signed_out(struct client *client)
{
	client_error(client, 401, "signed_out",
	    "no session, or one that has ended; adconnectorctl web gives a new address");
}

static void
sign_in(struct page *page, struct client *client, struct request *request)
{
	static const char *const keys[] = { "secret" };
	char token[SESSION_TEXT_SIZE];
	uint64_t session, ended;
	const char *secret;
	json_t *body;

	if ((body = api_read_body(client, request)) == NULL)
		return;
	secret = json_get_string(body, "secret", SESSION_TEXT_SIZE - 1, SESSION_TEXT_SIZE - 1);
	if (secret == NULL || json_only_keys(body, keys, 1) == -1) {
		json_decref(body);
		client_error(client, 400, "bad_request",
		    "body: not {\"secret\": TEXT} with the 43 characters behind the # of the "
		    "address");
		return;
	}
	session = sessions_sign_in(page->sessions, secret, clock_ms(), token, &ended);
	json_decref(body);
	if (session == 0) {
		if (rate_allowed(&page->tries_until, clock_ms(), TRY_EVERY_MS, TRIES))
			client_error(client, 401, "not_accepted",
			    "this address was used already, or is too old; adconnectorctl web "
			    "gives a new one");
		else
			client_error(client, 429, "too_many_tries",
			    "too many wrong tries to sign in; wait a minute");
		return;
	}
	if (ended != 0)
		api_end_streams(page->api, ended);
	log_info("page: session %llu begins", (unsigned long long)session);
	client_answer(client, 201,
	    json_pack("{s:s,s:i}", "token", token, "seconds", (int)(SESSION_IDLE_MS / 1000)));
	explicit_bzero(token, sizeof(token));
	wipe_stack();
	wait_for_expiry(page);
}

static void
sign_out(struct page *page, struct client *client, uint64_t session)
{
	log_info("page: session %llu is ended", (unsigned long long)session);
	sessions_end(page->sessions, session);
	api_end_streams(page->api, session);
	client_answer(client, 200, json_pack("{s:s,s:s}", "code", "ok", "message", "signed out"));
}

static void
api_of_page(struct page *page, struct client *client, struct request *request)
{
	const struct http_head *head = &request->head;
	const char *authorization = http_head_get(head, "authorization");
	bool is_session = strcmp(head->path, SESSION_PATH) == 0;
	uint64_t session;

	if (is_session && head->method == HTTP_POST) {
		sign_in(page, client, request);
		return;
	}
	if (authorization == NULL && strcmp(head->path, API_STATUS_PATH) == 0 &&
	    head->method == HTTP_GET) {
		api_route(page->api, client, request, 0);
		return;
	}
	session = authorization == NULL ? 0 : session_of(page, head, authorization);
	if (session == 0)
		refuse_signed_out(client);
	else if (is_session && head->method == HTTP_DELETE)
		sign_out(page, client, session);
	else if (is_session)
		client_refuse_method(client, "POST, DELETE");
	else if (strcmp(head->path, API_WEB_PATH) == 0)
		client_error(client, 403, "not_permitted",
		    "only over the control socket: adconnectorctl web");
	else
		api_route(page->api, client, request, session);
}

void
page_request(void *arg, struct client *client, struct request *request)
{
	struct http_head *head = &request->head;
	struct page *page = arg;
	const char *why;

	if ((why = guard(page, head)) != NULL) {
		client_error(client, 403, "not_permitted", why);
		return;
	}
	if (static_serve(client, head))
		return;
	if (strncmp(head->path, API_PREFIX, sizeof(API_PREFIX) - 1) != 0) {
		client_error(client, 404, "not_found", "no such path in this version");
		return;
	}
	api_of_page(page, client, request);
}
