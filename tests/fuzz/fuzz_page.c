/* SPDX-License-Identifier: ISC */
/*
 * The connector's page, whole: what anybody of the host sends over TCP, with and without a
 * session.  Nobody's request reaches the parent without a good token, but for the three open
 * states, and none at all under another Host.  Then sessions by themselves, held against a
 * simple account of what was promised for each secret and token.
 */
#include "common/base64url.h"
#include "connector/web/session.h"
#include "connector/web/static.h"
#include "fuzz_web.h"

#include <openssl/evp.h>

#define HOST "127.0.0.1:9743"
/* In a request: what nobody could guess. */
#define TOKEN_HERE '\1'
#define SECRET_HERE '\2'

/* One that reads as an answer of the API does. */
const struct static_file static_files[] = { { "/", "application/json", "\"tag\"", "{}\n", 3 } };
const size_t static_nfiles = 1;

static struct page *page;
static char token[SESSION_TEXT_SIZE];

static void
make_secret(uint64_t serial, char text[SESSION_TEXT_SIZE], uint8_t hash[SESSION_HASH_SIZE])
{
	uint8_t secret[SESSION_SECRET_SIZE] = { 0 };

	memcpy(secret, &serial, sizeof(serial));
	base64url_encode(text, SESSION_TEXT_SIZE, secret, sizeof(secret));
	fuzz_check(EVP_Digest(secret, sizeof(secret), hash, NULL, EVP_sha256(), NULL) == 1);
}

/* Another secret that the page will trade. */
static void
allow_one(char text[SESSION_TEXT_SIZE])
{
	static uint64_t serial;
	struct message m = { .type = MESSAGE_SIGN_IN_ALLOW, .id = 1, .fd = -1 };
	uint8_t hash[SESSION_HASH_SIZE];
	struct wire_writer w;

	make_secret(++serial, text, hash);
	wire_writer_init(&w);
	wire_put_fixed(&w, hash, sizeof(hash));
	wire_put_u32(&w, 300);
	wire_reader_init(&m.body, w.data, w.len);
	fuzz_check(
	    message_refused(ROLE_PARENT, ROLE_WEB_PAGE, CHANNEL_RUN, m.type, w.len, false) == NULL);
	page_allow(page, &m);
	wire_writer_free(&w);
	fuzz_check(fuzz_proc.nsent == 1 && fuzz_proc.sent[0].type == MESSAGE_SIGN_IN_ALLOWED);
	fuzz_proc.nsent = 0;
}

/*
 * The bytes in two parts, and the parent's answers with this text; the whole answer in got. True
 * when something was asked that a session is needed for.
 */
static bool
talk(const char *bytes, size_t len, const char *text, char *got, size_t size)
{
	bool end = false, needed = false;
	size_t i, n = 0;
	int fd, turn;

	fd = fuzz_connect(listener);
	(void)send(fd, bytes, len / 2, MSG_NOSIGNAL);
	fuzz_turn();
	(void)send(fd, bytes + len / 2, len - len / 2, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	for (turn = 0; turn < 16 && !end; turn++) {
		fuzz_turn();
		for (i = 0; i < fuzz_proc.nsent; i++) {
			needed = needed || fuzz_proc.sent[i].type != MESSAGE_STATUS_GET;
			fuzz_check(memmem(bytes, len, HOST, strlen(HOST)) != NULL);
			fuzz_check(fuzz_proc.sent[i].type != MESSAGE_SIGN_IN_ALLOWED);
			answer(fuzz_proc.sent[i].type, fuzz_proc.sent[i].id, text);
		}
		fuzz_proc.nsent = 0;
		n += fuzz_receive(fd, got + n, size - n, &end);
	}
	/* Whatever it was: answered or cut off, and never waited for. */
	fuzz_check(end && n < size - 1);
	close(fd);
	fuzz_turn();
	return needed;
}

static void
sign_in(void)
{
	char secret[SESSION_TEXT_SIZE], request[512], got[4096], *at;
	int len;

	allow_one(secret);
	len = snprintf(request, sizeof(request),
	    "POST /api/v1/session HTTP/1.1\r\nHost: " HOST "\r\nOrigin: http://" HOST
	    "\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n{\"secret\":\"%s\"}",
	    sizeof("{\"secret\":\"\"}") - 1 + strlen(secret), secret);
	fuzz_check(!talk(request, (size_t)len, "", got, sizeof(got)));
	fuzz_check(strncmp(got, "HTTP/1.1 201 ", 13) == 0);
	fuzz_check((at = strstr(got, "\"token\":\"")) != NULL);
	memcpy(token, at + strlen("\"token\":\""), sizeof(token) - 1);
}

/* Is our session there still? */
static bool
is_signed_in(void)
{
	char request[512], got[65536];
	int len;

	len = snprintf(request, sizeof(request),
	    "GET /api/v1/settings HTTP/1.1\r\nHost: " HOST "\r\nAuthorization: Bearer %s\r\n\r\n",
	    token);
	return talk(request, (size_t)len, "", got, sizeof(got));
}

static void
start(void)
{
	fuzz_proc_init(ROLE_WEB_PAGE);
	json_use_wiping_allocator();
	fuzz_check((api = api_new(&fuzz_proc, NULL)) != NULL);
	fuzz_check((page = page_new(&fuzz_proc, api, HOST)) != NULL);
	listener = fuzz_listener();
	fuzz_check(
	    server_new(fuzz_proc.base, listener, SERVER_FULL_CLOSES, page_request, page) != NULL);
}

/* What lets others read an answer or keep something is on none; what forbids it is on each. */
static void
check_guards(const char *got)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	const char *end;

	if (strncmp(got, go_on, sizeof(go_on) - 1) == 0)
		got += sizeof(go_on) - 1;
	if (*got == '\0')
		return;
	fuzz_check((end = strstr(got, "\r\n\r\n")) != NULL);
	fuzz_check(memmem(got, (size_t)(end - got), "Access-Control-", 15) == NULL);
	fuzz_check(memmem(got, (size_t)(end - got), "Set-Cookie:", 11) == NULL);
	fuzz_check(strstr(got, "\r\nContent-Security-Policy: default-src 'none'; ") != NULL);
	fuzz_check(strstr(got, "\r\nCache-Control: no-store\r\n") != NULL);
}

/* The request up to a NUL, with tokens and secrets put in; then a text for the parent's answer. */
static void
serve(struct fuzz_input in)
{
	static char got[1 << 18], request[1 << 17];
	static bool ended = true; /* our session, perhaps */
	struct fuzz_input given = fuzz_until(&in, '\0');
	char *text = fuzz_text(in), secret[SESSION_TEXT_SIZE];
	bool has_token = false;
	size_t i, len = 0;

	if (!utf8_valid(text, strlen(text)) || strlen(text) > 60)
		text[0] = '\0';
	if (token[0] == '\0' || (ended && !is_signed_in()))
		sign_in();
	allow_one(secret);
	for (i = 0; i < given.len && len < sizeof(request) - sizeof(token); i++)
		if (given.data[i] == TOKEN_HERE || given.data[i] == SECRET_HERE) {
			has_token = has_token || given.data[i] == TOKEN_HERE;
			memcpy(request + len, given.data[i] == TOKEN_HERE ? token : secret,
			    sizeof(token) - 1);
			len += sizeof(token) - 1;
		} else
			request[len++] = (char)given.data[i];
	if (talk(request, len, text, got, sizeof(got)))
		fuzz_check(has_token);
	check_guards(got);
	check_answer(got, strlen(got));
	ended = has_token;
	fuzz_check(ended || is_signed_in());
	free(text);
}

/* What was promised for the n-th secret, and for the session that it was traded for. */
struct promise {
	char secret[SESSION_TEXT_SIZE], token[SESSION_TEXT_SIZE];
	uint64_t secret_until, number, idle_until, until;
	bool traded, live;
};

#define PROMISES_MAX 128

static bool
is_over(const struct promise *p, uint64_t now)
{
	return p->idle_until <= now || p->until <= now;
}

static void
trade(struct sessions *s, struct promise *all, size_t n, struct promise *p, uint64_t now)
{
	uint64_t number, ended, oldest = UINT64_MAX;
	size_t i, live = 0;

	number = sessions_sign_in(s, p->secret, now, p->token, &ended);
	/* So few are there always. */
	if (n <= SESSION_SECRETS_MAX)
		fuzz_check((number != 0) == (!p->traded && p->secret_until > now));
	if (number == 0) {
		fuzz_check(ended == 0);
		return;
	}
	fuzz_check(!p->traded && p->secret_until > now);
	for (i = 0; i < n; i++) {
		fuzz_check(all[i].number != number);
		if (!all[i].live)
			continue;
		live++;
		if (all[i].idle_until < oldest)
			oldest = all[i].idle_until;
	}
	fuzz_check((ended != 0) == (live == SESSION_MAX));
	for (i = 0; i < n; i++)
		if (ended != 0 && all[i].number == ended) {
			fuzz_check(all[i].live && all[i].idle_until == oldest);
			all[i].live = false;
		}
	p->traded = p->live = true;
	p->number = number;
	p->idle_until = now + SESSION_IDLE_MS;
	p->until = now + SESSION_LONGEST_MS;
}

static void
use(struct sessions *s, struct promise *p, uint64_t now)
{
	bool good = p->live && !is_over(p, now);

	if (!p->traded)
		return;
	fuzz_check(sessions_use(s, p->token, now) == (good ? p->number : 0));
	if (good)
		p->idle_until = now + SESSION_IDLE_MS;
}

static void
use_changed(struct sessions *s, const struct promise *p, uint8_t where, uint8_t what, uint64_t now)
{
	char changed[SESSION_TEXT_SIZE];

	memcpy(changed, p->traded ? p->token : p->secret, sizeof(changed));
	changed[where % (sizeof(changed) - 1)] ^= (char)(what == 0 ? 1 : what);
	fuzz_check(sessions_use(s, changed, now) == 0);
	fuzz_check(sessions_use(s, p->secret, now) == 0);
}

static void
expire(struct sessions *s, struct promise *all, size_t n, uint64_t now)
{
	uint64_t number, next = 0, over;
	size_t i;

	while ((number = sessions_expire(s, now)) != 0) {
		for (i = 0; i < n && all[i].number != number; i++)
			;
		fuzz_check(i < n && all[i].live && is_over(&all[i], now));
		all[i].live = false;
	}
	for (i = 0; i < n; i++) {
		if (!all[i].live)
			continue;
		fuzz_check(!is_over(&all[i], now));
		over = all[i].idle_until < all[i].until ? all[i].idle_until : all[i].until;
		if (next == 0 || over < next)
			next = over;
	}
	fuzz_check(sessions_next(s) == next);
}

/* An operation and a byte for it, one after the other. */
static void
sessions(struct fuzz_input in)
{
	static struct promise all[PROMISES_MAX];
	uint8_t operation, byte, hash[SESSION_HASH_SIZE];
	struct sessions *s = sessions_new();
	uint64_t now = 1000;
	struct promise *p;
	size_t n = 0;

	fuzz_check(s != NULL);
	memset(all, 0, sizeof(all));
	while (in.len > 0) {
		operation = fuzz_byte(&in);
		byte = fuzz_byte(&in);
		p = &all[n == 0 ? 0 : byte % n];
		if (operation % 8 == 0 && n < PROMISES_MAX) {
			p = &all[n];
			make_secret(n, p->secret, hash);
			p->secret_until = now + (uint64_t)byte * 10000;
			sessions_allow(s, hash, p->secret_until);
			n++;
		} else if (operation % 8 == 1)
			now += (uint64_t)byte * byte * 1000;
		else if (n == 0)
			continue;
		else if (operation % 8 == 2)
			trade(s, all, n, p, now);
		else if (operation % 8 == 3)
			use(s, p, now);
		else if (operation % 8 == 4) {
			sessions_end(s, p->number);
			p->live = false;
		} else if (operation % 8 == 5)
			expire(s, all, n, now);
		else
			use_changed(s, p, operation, fuzz_byte(&in), now);
	}
	expire(s, all, n, now);
	free(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = { data, len };

	if (page == NULL)
		start();
	/* Methods are written in capitals. */
	if (fuzz_byte(&in) == 's')
		sessions(in);
	else
		serve((struct fuzz_input){ data, len });
	return 0;
}
