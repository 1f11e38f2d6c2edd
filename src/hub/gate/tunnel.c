/* SPDX-License-Identifier: ISC */
/*
 * The life of a tunnel: challenge, hello, welcome, frames, end.  See tunnel.h.
 *
 * Until its signature is checked the other end may be anybody: it gets 4 KiB and five
 * seconds, and nothing it says is kept.
 */
#include "tunnel.h"

#include "audit.h"
#include "common/base64url.h"
#include "common/clock.h"
#include "http.h"
#include "common/json.h"
#include "common/log.h"
#include "common/rate.h"
#include "login.h"
#include "rekey.h"
#include "tunnel_status.h"
#include "tunnel_table.h"
#include "common/wipe.h"

#include <bsd/string.h>
#include <errno.h>
#include <event2/event.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define SWEEP_S 60
#define CLOCK_WATCH_S 1
/* Seconds by which the clock must have been set; passwords may be off by five times as much. */
#define CLOCK_SET_S 60

/* Outlives its tunnel while the store is asked. */
struct tunnel_lookup {
	struct tunnel *tunnel;
};

static void on_frame(void *, const char *, size_t);
static bool on_closed(void *, const char *);
static void on_timer(evutil_socket_t, short, void *);
static void on_sweep(evutil_socket_t, short, void *);
static void on_clock(evutil_socket_t, short, void *);
static void send_drain(struct tunnel *);
static void on_connector(void *, struct message *);

static const struct websocket_callbacks callbacks = { on_frame, on_closed };

struct tunnels *
tunnels_new(struct proc *proc, struct asks *asks, const char *tunnel_url)
{
	static const struct timeval every = { SWEEP_S, 0 }, watch = { CLOCK_WATCH_S, 0 };
	struct tunnels *t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		fatal("tunnels");
	t->proc = proc;
	t->asks = asks;
	t->tunnel_url = tunnel_url;
	TAILQ_INIT(&t->all);
	RB_INIT(&t->connections);
	RB_INIT(&t->connectors);
	if ((t->sweep = event_new(proc_base(proc), -1, EV_PERSIST, on_sweep, t)) == NULL ||
	    event_add(t->sweep, &every) == -1 ||
	    (t->clock = event_new(proc_base(proc), -1, EV_PERSIST, on_clock, t)) == NULL ||
	    event_add(t->clock, &watch) == -1)
		fatalx("tunnels: no timer");
	t->told_time = clock_unix() - clock_s();
	return t;
}

void
tunnels_set_logins(struct tunnels *t, struct logins *logins)
{
	t->logins = logins;
}

size_t
tunnels_count(const struct tunnels *t)
{
	return t->open;
}

static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	table_sweep(arg, clock_ms());
}

/*
 * Connectors reckon with the time that their welcome told.  Once this host's clock has been set
 * they would take new passwords for old ones, so each is asked for a new tunnel.  Nothing is moved
 * away from the old ones meanwhile.
 */
static void
on_clock(evutil_socket_t fd, short what, void *arg)
{
	struct tunnels *t = arg;
	struct tunnel *tunnel;
	int64_t told = clock_unix() - clock_s(), set = told - t->told_time;

	(void)fd;
	(void)what;
	if (llabs(set) < CLOCK_SET_S)
		return;
	t->told_time = told;
	log_warnx("this host's clock was set %lld seconds %s: connectors are asked for new "
		  "tunnels, with which they learn it",
	    (long long)llabs(set), set > 0 ? "forward" : "back");
	TAILQ_FOREACH (tunnel, &t->all, all) {
		if (tunnel->phase == TUNNEL_OPEN)
			send_drain(tunnel);
	}
}

static void
tell_store(struct tunnel *tunnel, bool up, const char *why)
{
	struct wire_writer w;

	/* The store writes a row for this itself. */
	audit_send();
	wire_writer_init(&w);
	wire_put_u8(&w, up);
	wire_put_string(&w, tunnel->connector_id);
	wire_put_string(&w, tunnel->hello.host);
	wire_put_string(&w, tunnel->hello.version);
	wire_put_string(&w, tunnel->address.text);
	wire_put_string(&w, why);
	proc_send(tunnel->tunnels->proc, MESSAGE_TUNNEL_EVENT, 0, &w, -1);
}

/*
 * Takes the tunnel out of the tables; what was in flight on it is sent elsewhere or
 * ended.  False: some of it is still queued here, and must not go out any more.
 */
static bool
tunnel_free(struct tunnel *tunnel, const char *why)
{
	struct tunnels *t = tunnel->tunnels;
	struct tunnel_connector *connector = tunnel->connector;
	bool written;

	TAILQ_REMOVE(&t->all, tunnel, all);
	if (tunnel->lookup != NULL)
		tunnel->lookup->tunnel = NULL;
	rekey_forget(tunnel->rekey);
	if (tunnel->connection != NULL) {
		TAILQ_REMOVE(&tunnel->connection->tunnels, tunnel, of_connection);
		tunnel->connection->count--;
		t->open--;
	}
	if (connector != NULL && connector->open == tunnel) {
		connector->open = NULL;
		tell_store(tunnel, false, why);
		log_info("connector %s (%s): tunnel from %s closed: %s", tunnel->connector_id,
		    tunnel->hello.host, tunnel->address.text, why);
	} else if (connector != NULL)
		connector->replaced--;
	if (tunnel->strays > 0)
		log_info("connector %s: %llu results came that nobody waited for",
		    tunnel->connector_id, (unsigned long long)tunnel->strays);
	tunnel->phase = TUNNEL_REPLACED;
	written = logins_tunnel_closed(tunnel);
	event_free(tunnel->timer);
	jose_key_free(tunnel->sign_key);
	free(tunnel->proof);
	free(tunnel);
	return written;
}

static void
tunnel_close(struct tunnel *tunnel, uint16_t code, const char *why)
{
	struct websocket *ws = tunnel->ws;

	if (tunnel->connector == NULL)
		log_warnx("tunnel from %s refused: %s", tunnel->address.text, why);
	/* Which attempts were written is asked of the websocket before it is let go. */
	if (tunnel_free(tunnel, why))
		websocket_close(ws, code, why);
	else
		websocket_abort(ws);
}

static bool
on_closed(void *arg, const char *why)
{
	return tunnel_free(arg, why);
}

int
tunnel_send(struct tunnel *tunnel, const char *text, size_t len, uint64_t *start)
{
	return websocket_send(tunnel->ws, text, len, start);
}

/* Takes the reference. A tunnel that cannot be told what it must know is closed by its pings. */
static void
send_json(struct tunnel *tunnel, json_t *json)
{
	char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);

	json_decref(json);
	if (text == NULL || websocket_send(tunnel->ws, text, strlen(text), NULL) == -1)
		log_warnx("tunnel from %s: frame not sent", tunnel->address.text);
	wiping_free(text);
}

/* The connector opens another one in its place. */
static void
send_drain(struct tunnel *tunnel)
{
	send_json(tunnel, json_pack("{s:s, s:s}", "id", "drain", "type", "drain"));
}

void
tunnels_accept(struct tunnels *t, struct stream *stream, struct http_place *place,
    const struct address *address)
{
	static const struct timeval deadline = { TUNNEL_PROOF_S, 0 };
	struct tunnel *tunnel;
	uint8_t nonce[NONCE_BYTES];

	if ((tunnel = calloc(1, sizeof(*tunnel))) == NULL ||
	    (tunnel->timer = evtimer_new(proc_base(t->proc), on_timer, tunnel)) == NULL ||
	    RAND_bytes(nonce, sizeof(nonce)) != 1)
		fatalx("tunnel from %s: out of memory", address->text);
	if ((tunnel->ws = websocket_new(proc_base(t->proc), stream, place, &callbacks, tunnel)) ==
	    NULL)
		fatalx("tunnel from %s: out of memory", address->text);
	tunnel->tunnels = t;
	tunnel->address = *address;
	TAILQ_INIT(&tunnel->attempts);
	TAILQ_INSERT_TAIL(&t->all, tunnel, all);
	base64url_encode(tunnel->nonce, sizeof(tunnel->nonce), nonce, sizeof(nonce));
	evtimer_add(tunnel->timer, &deadline);
	send_json(tunnel, json_pack("{s:s, s:s}", "type", "challenge", "nonce", tunnel->nonce));
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct tunnel *tunnel = arg;

	(void)fd;
	(void)what;
	if (tunnel->phase == TUNNEL_REPLACED)
		tunnel_close(tunnel, CLOSE_REPLACED, "replaced by another tunnel");
	else if (tunnel->phase == TUNNEL_OPEN)
		tunnel_close(tunnel, CLOSE_GOING_AWAY, "the connector has other keys now");
	else
		tunnel_close(tunnel, CLOSE_POLICY, "no proof within 5 s");
}

void
tunnel_rekeyed(struct tunnel *tunnel)
{
	static const struct timeval longest = { TUNNEL_REKEYED_S, 0 };

	if (tunnel->phase == TUNNEL_OPEN)
		evtimer_add(tunnel->timer, &longest);
}

/* With which code a tunnel ends on which something could not be read, by errno. */
static uint16_t
close_code(uint16_t wrong)
{
	return errno == ENOMEM ? CLOSE_TRY_LATER : wrong;
}

/* The hello came: asks the store for the key it must be signed with. */
static void
take_hello(struct tunnel *tunnel, const char *text, size_t len)
{
	struct wire_writer w;
	const char *why;

	if (hello_read(text, len, tunnel->connector_id, &tunnel->proof, &why) == -1) {
		tunnel_close(tunnel, close_code(CLOSE_POLICY), why);
		return;
	}
	if ((tunnel->lookup = calloc(1, sizeof(*tunnel->lookup))) == NULL) {
		tunnel_close(tunnel, CLOSE_TRY_LATER, "out of memory");
		return;
	}
	tunnel->lookup->tunnel = tunnel;
	tunnel->phase = TUNNEL_ASKED;
	wire_writer_init(&w);
	wire_put_string(&w, tunnel->connector_id);
	ask_send(tunnel->tunnels->asks, MESSAGE_CONNECTOR_GET, &w, MESSAGE_CONNECTOR, on_connector,
	    tunnel->lookup);
}

static void
hold_out(struct tunnel *tunnel, struct tunnel_connector *connector, const char *connection,
    uint64_t now, const char *words)
{
	struct audit_row row = { .event = "tunnel_held_out", .face = "tunnel" };
	struct tunnels *t = tunnel->tunnels;
	struct tunnel *other, *next;

	connector->held_out_until = now + TUNNEL_HELD_OUT_MS;
	memset(connector->conflict, 0, sizeof(connector->conflict));
	log_warnx("connector %s: %s, the last from %s: held out for %d s", connector->id, words,
	    tunnel->address.text, TUNNEL_HELD_OUT_MS / 1000);
	row.connector_id = connector->id;
	row.connection = connection;
	row.address = tunnel->address.text;
	row.detail = words;
	audit(&row);
	TAILQ_FOREACH_SAFE (other, &t->all, all, next) {
		if (other->connector == connector)
			tunnel_close(other, CLOSE_HELD_OUT, words);
	}
	tunnel_close(tunnel, CLOSE_HELD_OUT, words);
}

void
tunnel_attempt_ended(struct tunnel *tunnel)
{
	static const struct timeval at_once = { 0, 0 };

	/* By the timer: the caller may be in the middle of the tunnel's frames. */
	if (tunnel->phase == TUNNEL_REPLACED && tunnel->connector != NULL && tunnel->in_flight == 0)
		evtimer_add(tunnel->timer, &at_once);
}

static void
replace(struct tunnel *older, const struct tunnel *newer, bool expected)
{
	static const struct timeval longest = { TUNNEL_REPLACED_S, 0 };
	struct audit_row row = { .event = "tunnel_replaced", .face = "tunnel" };

	row.connection = older->connection->identifier;
	row.connector_id = older->connector_id;
	row.address = newer->address.text;
	row.detail = older->address.text;
	if (!expected) {
		log_warnx("connector %s: a second tunnel from %s replaces that from %s",
		    older->connector_id, newer->address.text, older->address.text);
		audit(&row);
	}
	older->phase = TUNNEL_REPLACED;
	older->connector->open = NULL;
	older->connector->replaced++;
	evtimer_add(older->timer, &longest);
	tunnel_attempt_ended(older);
}

/*
 * Is the new tunnel by the very process whose older one is still thought open?  Then the way
 * between broke, and only one end has noticed.  What it must know for that was never on a disk, so
 * a copy of the connector cannot.  When a welcome got lost, both follow the same tunnel.
 */
static bool
is_successor(const struct tunnel *tunnel, const struct tunnel *older)
{
	const char *previous = tunnel->hello.previous;

	return previous[0] != '\0' &&
	    (strcmp(previous, older->nonce) == 0 || strcmp(previous, older->hello.previous) == 0);
}

static const char *
state_word(enum connector_state state)
{
	return state == CONNECTOR_APPROVED ? "approved" : "pending";
}

/* The proof was right. */
static void
welcome(struct tunnel *tunnel, const char *identifier)
{
	struct tunnels *t = tunnel->tunnels;
	struct tunnel_connection *connection = table_connection(t, identifier);
	struct tunnel_connector *connector = table_connector(t, tunnel->connector_id);
	uint64_t now = clock_ms();
	bool successor;

	if (connection == NULL || connector == NULL || t->open >= TUNNELS_MAX ||
	    connection->count >= TUNNELS_PER_CONNECTION_MAX) {
		tunnel_close(tunnel, CLOSE_TRY_LATER, "too many tunnels");
		return;
	}
	if (connector->held_out_until > now) {
		tunnel_close(tunnel, CLOSE_HELD_OUT, "held out for a minute");
		return;
	}
	successor = connector->open != NULL &&
	    (connector->open->draining || is_successor(tunnel, connector->open));
	if (connector->open != NULL && !successor &&
	    table_conflict(connector, connector->open->opened_at, now)) {
		hold_out(tunnel, connector, identifier, now,
		    "three tunnels within a minute: is a copy of this connector running?");
		return;
	}
	if (!rate_allowed(
		&connector->openings_until, now, TUNNEL_OPENING_MS, TUNNEL_OPENINGS_AT_ONCE)) {
		hold_out(tunnel, connector, identifier, now, "it opens tunnels without end");
		return;
	}
	event_del(tunnel->timer);
	if (connector->open != NULL)
		replace(connector->open, tunnel, successor);
	connector->open = tunnel;
	tunnel->connector = connector;
	tunnel->connection = connection;
	tunnel->phase = TUNNEL_OPEN;
	tunnel->opened_at = now;
	TAILQ_INSERT_TAIL(&connection->tunnels, tunnel, of_connection);
	connection->count++;
	t->open++;
	websocket_trust(tunnel->ws);
	send_json(tunnel,
	    json_pack("{s:s, s:I, s:i, s:b, s:s}", "type", "welcome", "time",
		(json_int_t)clock_unix(), "connectors", (int)connection->count, "lease", 0, "state",
		state_word(tunnel->state)));
	log_info("connector %s (%s, version %s): tunnel from %s, %s, connection %s",
	    tunnel->connector_id, tunnel->hello.host, tunnel->hello.version, tunnel->address.text,
	    state_word(tunnel->state), identifier);
	tell_store(tunnel, true, "");
}

/* The store's answer: who this connector is. */
static void
on_connector(void *arg, struct message *reply)
{
	struct tunnel_lookup *lookup = arg;
	struct tunnel *tunnel = lookup->tunnel;
	uint8_t sign[JOSE_KEY_PUBLIC_SIZE], seal[JOSE_KEY_PUBLIC_SIZE];
	uint8_t before[JOSE_KEY_PUBLIC_SIZE];
	char connection[CONNECTION_SIZE], name[256];
	const char *why;
	size_t refused;
	uint32_t before_s = 0;
	uint8_t state = CONNECTOR_UNKNOWN;

	free(lookup);
	if (reply != NULL) {
		state = wire_get_u8(&reply->body);
		wire_get_string(&reply->body, connection, sizeof(connection), 0);
		wire_get_string(&reply->body, name, sizeof(name), 0);
		wire_get_fixed(&reply->body, sign, sizeof(sign));
		wire_get_fixed(&reply->body, seal, sizeof(seal));
		wire_get_fixed(&reply->body, before, sizeof(before));
		before_s = wire_get_u32(&reply->body);
		if (wire_end(&reply->body) == -1)
			proc_bad_message(reply);
	}
	if (tunnel == NULL)
		return;
	tunnel->lookup = NULL;
	if (reply == NULL) {
		tunnel_close(tunnel, CLOSE_TRY_LATER, "the store does not answer");
		return;
	}
	if (state == CONNECTOR_REVOKED) {
		tunnel_close(tunnel, CLOSE_REVOKED, "revoked");
		return;
	}
	if (state != CONNECTOR_APPROVED && state != CONNECTOR_PENDING) {
		tunnel_close(tunnel, CLOSE_REFUSED, "unknown connector");
		return;
	}
	tunnel->state = (enum connector_state)state;
	refused = wiping_refused();
	memcpy(tunnel->seal.xy, seal, sizeof(seal));
	tunnel->kid_before_until = clock_ms() + before_s * UINT64_C(1000);
	if ((tunnel->sign_key = jose_key_from_public(sign)) == NULL ||
	    jose_key_thumbprint(seal, tunnel->kid) == -1 ||
	    (before_s > 0 && jose_key_thumbprint(before, tunnel->kid_before) == -1)) {
		if ((errno = wiping_fault(refused)) == ENOMEM)
			tunnel_close(tunnel, CLOSE_TRY_LATER, "out of memory");
		else
			tunnel_close(tunnel, CLOSE_REFUSED, "its registered keys are unusable");
		return;
	}
	if (hello_check(tunnel->sign_key, tunnel->proof, tunnel->nonce, tunnel->tunnels->tunnel_url,
		tunnel->connector_id, &tunnel->hello, &why) == -1) {
		tunnel_close(tunnel, close_code(CLOSE_REFUSED), why);
		return;
	}
	free(tunnel->proof);
	tunnel->proof = NULL;
	welcome(tunnel, connection);
}

/* A frame on an open tunnel. */
static void
take_frame(struct tunnel *tunnel, const char *text, size_t len)
{
	json_t *frame;
	const char *type, *id, *why;

	if ((frame = json_read(text, len, WEBSOCKET_MESSAGE_MAX, &why)) == NULL) {
		tunnel_close(tunnel, close_code(CLOSE_BAD_DATA), why);
		return;
	}
	type = json_get_string(frame, "type", 1, 32);
	id = json_get_string(frame, "id", 1, 64);
	if (type == NULL || strcmp(type, "hello") == 0)
		tunnel_close(tunnel, CLOSE_POLICY, "a frame without a type, or a second hello");
	else if (strcmp(type, "rekey") == 0)
		rekey_take(tunnel, frame);
	else if (strcmp(type, "status") == 0) {
		if (tunnel_status_take(tunnel, frame) == -1)
			tunnel_close(
			    tunnel, CLOSE_POLICY, "a status of the directory that is none");
	} else if (strcmp(type, "result") != 0)
		log_debug("connector %s: frame of type %s ignored", tunnel->connector_id, type);
	else if (id == NULL)
		tunnel_close(tunnel, CLOSE_POLICY, "a result without an id");
	else if (strcmp(id, "drain") != 0)
		logins_result(tunnel->tunnels->logins, tunnel, id, frame);
	json_decref(frame);
}

static void
on_frame(void *arg, const char *text, size_t len)
{
	struct tunnel *tunnel = arg;

	switch (tunnel->phase) {
	case TUNNEL_CHALLENGED:
		take_hello(tunnel, text, len);
		break;
	case TUNNEL_ASKED:
		tunnel_close(tunnel, CLOSE_POLICY, "a frame before the welcome");
		break;
	case TUNNEL_OPEN:
	case TUNNEL_REPLACED:
		take_frame(tunnel, text, len);
		break;
	}
}

void
tunnels_changed(struct tunnels *t, const char *connector_id, enum connector_state state)
{
	struct tunnel *tunnel, *next;

	TAILQ_FOREACH_SAFE (tunnel, &t->all, all, next) {
		if (tunnel->connector == NULL || strcmp(tunnel->connector_id, connector_id) != 0)
			continue;
		if (state != CONNECTOR_APPROVED && state != CONNECTOR_PENDING)
			tunnel_close(tunnel, CLOSE_REVOKED, "revoked");
		else if (state != tunnel->state) {
			tunnel->state = state;
			log_info("connector %s: now %s", connector_id, state_word(state));
			send_json(tunnel,
			    json_pack("{s:s, s:s}", "type", "state", "state", state_word(state)));
		}
	}
}

void
tunnels_report(struct tunnels *t)
{
	struct tunnel *tunnel;

	TAILQ_FOREACH (tunnel, &t->all, all) {
		if (tunnel->phase == TUNNEL_OPEN)
			tell_store(tunnel, true, "");
	}
}

void
tunnels_drain(struct tunnels *t)
{
	struct tunnel *tunnel;

	TAILQ_FOREACH (tunnel, &t->all, all) {
		if (tunnel->phase == TUNNEL_OPEN) {
			tunnel->draining = true;
			send_drain(tunnel);
		}
	}
}

void
tunnels_close_all(struct tunnels *t)
{
	struct tunnel *tunnel;

	while ((tunnel = TAILQ_FIRST(&t->all)) != NULL)
		tunnel_close(tunnel, CLOSE_GOING_AWAY, "the hub goes down");
}
