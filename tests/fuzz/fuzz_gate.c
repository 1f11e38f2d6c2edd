/* SPDX-License-Identifier: ISC */
/*
 * A gate, whole, in both instances: bytes of a client, bytes and frames of a connector, and the
 * logins between them.  Every answer is HTTP with JSON, nobody is let in whose verdict does not say
 * so, and once the clients are gone nothing of them is left.
 */
#include "common/json.h"
#include "common/jws.h"
#include "common/rekey.h"
#include "common/status.h"
#include "common/wipe.h"
#include "fuzz_key.h"
#include "fuzz_proc.h"
#include "hub/gate/audit.h"
#include "hub/gate/gate.h"
#include "hub/gate/tunnel_table.h"

#define TURNS_MAX 32

static struct gate public, control;
static int public_listener, control_listener;
static char got[1 << 20];

/* A connector has signed that the password of the attempt under way was right. */
static bool said_proven;

static void
start_public(void)
{
	public.role = ROLE_GATE_PUBLIC;
	public.proc = &fuzz_proc;
	public.asks = asks_new(&fuzz_proc);
	snprintf(public.public_url, sizeof(public.public_url), "https://hub.example");
	snprintf(public.tunnel_url, sizeof(public.tunnel_url), "wss://hub.example/tunnel");
	snprintf(public.scim_url, sizeof(public.scim_url), "https://hub.example/scim/v2");
	public.by_address = throttle_new(0);
	public.by_name = throttle_new(0);
	public.by_connection = throttle_new(0);
	public.unknown_tickets = throttle_new(0);
	public.connections = connections_new(public.asks);
	public.tunnels = tunnels_new(&fuzz_proc, public.asks, public.tunnel_url);
	public.logins = logins_new(&fuzz_proc, public.tunnels);
	tunnels_set_logins(public.tunnels, public.logins);
	public.http = http_server_new(fuzz_proc.base, routes_public, &public);
	public_listener = fuzz_listener();
	http_server_listen(public.http, public_listener, HTTP_UNIX, NULL);
}

static void
start(void)
{
	fuzz_proc_init(ROLE_GATE_PUBLIC);
	json_use_wiping_allocator();
	audit_init(&fuzz_proc);
	start_public();
	control.role = ROLE_GATE_CONTROL;
	control.proc = &fuzz_proc;
	control.asks = asks_new(&fuzz_proc);
	control.admin_uid[0] = getuid();
	control.nadmins = 1;
	snprintf(control.public_url, sizeof(control.public_url), "https://hub.example");
	control.http = http_server_new(fuzz_proc.base, routes_control, &control);
	control_listener = fuzz_listener();
	http_server_listen(control.http, control_listener, HTTP_UNIX, NULL);
}

/* --- the store and the other gate ---------------------------------------------- */

static void
say(struct gate *gate, enum message_type type, uint32_t id, struct wire_writer *w)
{
	struct message m = { .type = type, .id = id, .fd = -1 };

	wire_reader_init(&m.body, w->data, w->len);
	fuzz_check(
	    message_refused(ROLE_PARENT, gate->role, CHANNEL_RUN, type, w->len, false) == NULL);
	asks_reply(gate->asks, &m);
}

static void
answer(struct gate *gate, enum message_type type, uint32_t id)
{
	struct wire_writer w;
	uint8_t xy[JOSE_KEY_PUBLIC_SIZE];

	jose_key_public(fuzz_key(), xy);
	wire_writer_init(&w);
	switch (type) {
	case MESSAGE_CONNECTION_GET:
	case MESSAGE_TICKET_GET:
		wire_put_u8(&w, type == MESSAGE_TICKET_GET ? TICKET_OK : 1);
		wire_put_string(&w, "corp");
		wire_put_string(&w, "Corp");
		say(gate, type == MESSAGE_TICKET_GET ? MESSAGE_TICKET : MESSAGE_CONNECTION, id, &w);
		break;
	case MESSAGE_CONNECTOR_ENROL:
		wire_put_u8(&w, TICKET_OK);
		wire_put_string(&w, "c1");
		wire_put_string(&w, "corp");
		wire_put_u8(&w, CONNECTOR_PENDING);
		say(gate, MESSAGE_CONNECTOR_ENROLLED, id, &w);
		break;
	case MESSAGE_CONNECTOR_GET:
		wire_put_u8(&w, CONNECTOR_APPROVED);
		wire_put_string(&w, "corp");
		wire_put_string(&w, "host");
		wire_put_fixed(&w, xy, sizeof(xy));
		wire_put_fixed(&w, xy, sizeof(xy));
		wire_put_fixed(&w, xy, sizeof(xy));
		wire_put_u32(&w, REKEY_OVERLAP_S);
		say(gate, MESSAGE_CONNECTOR, id, &w);
		break;
	case MESSAGE_CONNECTOR_REKEY:
		wire_put_u8(&w, REKEY_OK);
		say(gate, MESSAGE_CONNECTOR_REKEYED, id, &w);
		break;
	case MESSAGE_ADMIN:
		wire_put_u8(&w, ADMIN_OK);
		wire_put_string(&w, "");
		wire_put_string(&w, "{\"secret\":\"s\"}");
		say(gate, MESSAGE_ADMIN_DONE, id, &w);
		break;
	case MESSAGE_SEAL_KEYS_GET:
		wire_put_u64(&w, 1700000000);
		wire_put_u8(&w, 1);
		wire_put_fixed(&w, xy, sizeof(xy));
		say(gate, MESSAGE_SEAL_KEYS, id, &w);
		break;
	case MESSAGE_LOGIN:
		wire_put_u8(&w, STATUS_INVALID_CREDENTIALS);
		wire_put_u8(&w, 0);
		wire_put_string(&w, "52e");
		wire_put_string(&w, "a1");
		wire_put_string(&w, "");
		say(gate, MESSAGE_LOGIN_DONE, id, &w);
		break;
	default:
		fuzz_check(type == MESSAGE_AUDIT || type == MESSAGE_TUNNEL_EVENT);
	}
	wire_writer_free(&w);
}

/* One turn of the loop, and all that is asked in it answered. */
static void
turn(struct gate *gate)
{
	size_t i;

	fuzz_turn();
	for (i = 0; i < fuzz_proc.nsent; i++)
		answer(gate, fuzz_proc.sent[i].type, fuzz_proc.sent[i].id);
	fuzz_proc.nsent = 0;
}

/* --- clients ---------------------------------------------------------------------- */

static void
put(int fd, const void *data, size_t len)
{
	/* Whoever was refused has nobody to read him. */
	(void)send(fd, data, len, MSG_NOSIGNAL);
}

/* Answers, one behind the other; whatever is behind an upgrade is left alone. */
static void
check_answers(const char *text)
{
	const char *body, *length;
	json_t *json;
	size_t len;

	while (*text != '\0') {
		fuzz_check(strncmp(text, "HTTP/1.1 ", 9) == 0);
		fuzz_check((body = strstr(text, "\r\n\r\n")) != NULL);
		body += 4;
		if (strncmp(text + 9, "101", 3) == 0)
			return;
		if (strncmp(text + 9, "100", 3) == 0) {
			text = body;
			continue;
		}
		length = strcasestr(text, "\r\ncontent-length: ");
		fuzz_check(length != NULL && length < body);
		len = strtoul(length + 18, NULL, 10);
		fuzz_check(len <= strlen(body));
		fuzz_check((json = json_read(body, len, sizeof(got), NULL)) != NULL);
		json_decref(json);
		text = body + len;
	}
}

/* Nothing is left of clients that have gone. */
static void
all_gone(struct gate *gate)
{
	int i;

	for (i = 0; i < TURNS_MAX; i++) {
		turn(gate);
		if (http_server_busy(gate->http) == 0 &&
		    (gate->tunnels == NULL ||
			(tunnels_count(gate->tunnels) == 0 && logins_count(gate->logins) == 0)))
			return;
	}
	fuzz_check(!"somebody is still there");
}

/* In two pieces, cut where the first byte says. */
static void
client(struct gate *gate, int listener, struct fuzz_input in)
{
	size_t cut = in.len == 0 ? 0 : in.data[0] * in.len / 256;
	int fd = fuzz_connect(listener), i;
	bool end = false;
	size_t len = 0;

	turn(gate);
	put(fd, in.data, cut);
	turn(gate);
	put(fd, in.data + cut, in.len - cut);
	for (i = 0; i < 6 && !end; i++) {
		turn(gate);
		len += fuzz_receive(fd, got + len, sizeof(got) - len, &end);
	}
	check_answers(got);
	close(fd);
	all_gone(gate);
}

/* --- a connector -------------------------------------------------------------------- */

/* A text frame of a client, masked with zeros (RFC 6455 5.2). */
static void
put_text(int fd, const char *text, size_t len)
{
	uint8_t head[8] = { 0x81, 0x80 | 126, (uint8_t)(len >> 8), (uint8_t)len };

	if (len > UINT16_MAX)
		return;
	put(fd, head, sizeof(head));
	put(fd, text, len);
}

/* The string behind "name":" in what came last; "" when there is none. */
static void
find(const char *text, size_t len, const char *name, char *dst, size_t size)
{
	const char *at = memmem(text, len, name, strlen(name));
	size_t n;

	dst[0] = '\0';
	if (at == NULL)
		return;
	at += strlen(name);
	n = strcspn(at, "\"");
	if (n < size) {
		memcpy(dst, at, n);
		dst[n] = '\0';
	}
}

/* Upgraded and proved. */
static int
connector(void)
{
	static const char upgrade[] =
	    "GET /tunnel HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "Sec-WebSocket-Protocol: adconnector.v1\r\n\r\n";
	char nonce[64], text[2048], *jws;
	int fd = fuzz_connect(public_listener), i;
	size_t len = 0;
	bool end;

	/* As if time had passed: a connector may open only so many. */
	table_sweep(public.tunnels, UINT64_MAX);
	turn(&public);
	put(fd, upgrade, sizeof(upgrade) - 1);
	for (i = 0; i < 4; i++) {
		turn(&public);
		len += fuzz_receive(fd, got + len, sizeof(got) - len, &end);
	}
	find(got, len, "\"nonce\":\"", nonce, sizeof(nonce));
	fuzz_check(strlen(nonce) == 43);
	snprintf(text, sizeof(text),
	    "{\"nonce\":\"%s\",\"tunnel_url\":\"%s\",\"connector_id\":\"c1\",\"version\":\"1\","
	    "\"host\":\"h\",\"domain\":\"d\",\"capabilities\":[]}",
	    nonce, public.tunnel_url);
	jws = jws_sign(fuzz_key(), "adconnector-hello+jws", text, strlen(text));
	fuzz_check(jws != NULL);
	len = (size_t)snprintf(text, sizeof(text), "{\"type\":\"hello\",\"proof\":\"%s\"}", jws);
	free(jws);
	put_text(fd, text, len);
	for (i = 0; i < 4; i++)
		turn(&public);
	fuzz_check(tunnels_count(public.tunnels) == 1);
	(void)fuzz_receive(fd, got, sizeof(got), &end);
	return fd;
}

/* A member "verdict" that is an object is signed, and is about this attempt. */
static void
put_result(int fd, struct fuzz_input piece, const char *id)
{
	json_t *frame = json_read((const char *)piece.data, piece.len, 65536, NULL), *verdict;
	char *text, *jws;

	if (!json_is_object(frame)) {
		put_text(fd, (const char *)piece.data, piece.len);
		json_decref(frame);
		return;
	}
	if (json_object_get(frame, "id") != NULL)
		json_object_set_new(frame, "id", json_string(id));
	verdict = json_object_get(frame, "verdict");
	if (json_is_object(verdict)) {
		said_proven = said_proven || json_is_true(json_object_get(verdict, "proven"));
		json_object_set_new(verdict, "attempt", json_string(id));
		fuzz_check((text = json_dumps(verdict, JSON_COMPACT)) != NULL);
		jws = jws_sign(fuzz_key(), "adconnector-verdict+jws", text, strlen(text));
		json_object_set_new(frame, "verdict", json_string(jws == NULL ? "" : jws));
		free(jws);
		wiping_free(text);
	}
	fuzz_check((text = json_dumps(frame, JSON_COMPACT)) != NULL);
	put_text(fd, text, strlen(text));
	wiping_free(text);
	json_decref(frame);
}

/* Somebody logs in while the connector says what the input holds: texts, divided by NUL. */
static void
login(struct fuzz_input in)
{
	static const char request[] =
	    "POST /api/v2/ad/verify-user HTTP/1.1\r\nHost: h\r\nContent-Length: 39\r\n"
	    "Content-Type: application/json\r\n\r\n{\"username\":\"anna\",\"password\":\"secret\"}";
	int tunnel = connector(), fd = fuzz_connect(public_listener), i;
	char id[65] = "";
	size_t len = 0;
	bool end;

	said_proven = false;
	turn(&public);
	put(fd, request, sizeof(request) - 1);
	for (i = 0; i < 6 && id[0] == '\0'; i++) {
		turn(&public);
		len = fuzz_receive(tunnel, got, sizeof(got), &end);
		find(got, len, "\"id\":\"", id, sizeof(id));
	}
	fuzz_check(id[0] != '\0');
	while (in.len > 0) {
		put_result(tunnel, fuzz_until(&in, '\0'), id);
		turn(&public);
	}
	for (i = 0; i < 4; i++)
		turn(&public);
	(void)fuzz_receive(fd, got, sizeof(got), &end);
	check_answers(got);
	/* Neither a login nor why there is none is told without a proof of the password. */
	if (strstr(got, "{\"code\":200,") != NULL || strstr(got, "{\"code\":403,") != NULL)
		fuzz_check(said_proven);
	close(fd);
	close(tunnel);
	all_gone(&public);
}

/* Bytes behind the welcome, as they are. */
static void
frames(struct fuzz_input in)
{
	int tunnel = connector();
	size_t piece;
	bool end;

	while (in.len > 0) {
		piece = 1 + (in.data[0] & 0x3fU) * 16;
		piece = piece < in.len ? piece : in.len;
		put(tunnel, in.data, piece);
		in.data += piece;
		in.len -= piece;
		turn(&public);
		(void)fuzz_receive(tunnel, got, sizeof(got), &end);
	}
	close(tunnel);
	all_gone(&public);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = { data, len };

	if (public.http == NULL)
		start();
	fuzz_proc.role = ROLE_GATE_PUBLIC;
	switch (fuzz_byte(&in)) {
	case 'c':
		/* Rows of the audit that wait belong to the instance that wrote them. */
		audit_send();
		fuzz_proc.nsent = 0;
		fuzz_proc.role = ROLE_GATE_CONTROL;
		client(&control, control_listener, in);
		break;
	case 'l':
		login(in);
		break;
	case 'f':
		frames(in);
		break;
	default:
		client(&public, public_listener, in);
	}
	return 0;
}
