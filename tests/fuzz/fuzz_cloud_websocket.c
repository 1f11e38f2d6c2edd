/* SPDX-License-Identifier: ISC */
/*
 * A hub's bytes from the answer to the upgrade on: heads, frames and how they are cut.  What
 * comes out is text within the limit, and the end is told once, with a reason.
 */
#include "common/log.h"
#include "common/wire.h"
#include "connector/cloud/websocket.h"
#include "fuzz.h"

#include <sys/socket.h>

#include <event2/event.h>
#include <signal.h>
#include <unistd.h>

/* Bits of the first byte. */
#define RAW_ANSWER 1U /* the head of the answer is the input's too */
#define OPEN 2U	      /* the first text proves the hub */
#define FREE 4U	      /* freed by its owner in the middle of a text */
#define CLOSE 8U      /* closed here at the third text */

static struct cloud cloud;
static uint8_t bits;

static struct {
	struct websocket *ws;
	unsigned int texts;
	size_t bytes;
	bool upgraded, open, closed;
} owner;

static void
quiet(enum log_level level, const char *tag, const char *text)
{
	(void)level;
	(void)tag;
	(void)text;
}

static void
on_upgraded(void *arg)
{
	(void)arg;
	fuzz_check(!owner.upgraded && !owner.closed);
	owner.upgraded = true;
	websocket_send(owner.ws, "hello", 5);
}

static void
on_text(void *arg, const char *text, size_t len)
{
	(void)arg;
	fuzz_check(owner.upgraded && !owner.closed && owner.ws != NULL);
	fuzz_check(len <= WEBSOCKET_MESSAGE_MAX && utf8_valid(text, len));
	owner.bytes += len;
	fuzz_check(owner.open || owner.bytes <= WEBSOCKET_UNPROVEN_MAX);
	owner.texts++;
	if ((bits & OPEN) != 0 && !owner.open) {
		owner.open = true;
		websocket_open(owner.ws);
	}
	websocket_send(owner.ws, text, len);
	if ((bits & CLOSE) != 0 && owner.texts == 3)
		websocket_close(owner.ws, CLOSE_GOING_AWAY, "enough");
	if ((bits & FREE) != 0 && owner.texts == 2) {
		websocket_free(owner.ws);
		owner.ws = NULL;
		owner.closed = true;
	}
}

static void
on_closed(void *arg, unsigned int code, const struct failure *failure)
{
	(void)arg;
	(void)code;
	fuzz_check(!owner.closed);
	owner.closed = true;
	fuzz_check(failure->code[0] != '\0' && failure->text[0] != '\0');
	fuzz_check(utf8_valid(failure->text, strlen(failure->text)));
}

static void
nothing(void *arg)
{
	(void)arg;
}

static void
turn(void)
{
	fuzz_check(event_base_loop(cloud.base, EVLOOP_NONBLOCK) != -1);
}

/* The right answer to the request that came. */
static void
answer_upgrade(int fd)
{
	static const char field[] = "Sec-WebSocket-Key: ";
	char text[4096], accept[WEBSOCKET_ACCEPT_SIZE], *key;
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
	int len;

	fuzz_check(n > 0);
	text[n] = '\0';
	fuzz_check((key = strstr(text, field)) != NULL);
	key += sizeof(field) - 1;
	key[strcspn(key, "\r")] = '\0';
	websocket_accept(key, accept);
	len = snprintf(text, sizeof(text),
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: " WEBSOCKET_PROTOCOL "\r\n\r\n",
	    accept);
	fuzz_check(send(fd, text, (size_t)len, MSG_NOSIGNAL) == len);
}

static void
play(int fd, struct fuzz_input in)
{
	char thrown_away[4096];
	size_t piece;

	turn();
	if ((bits & RAW_ANSWER) == 0)
		answer_upgrade(fd);
	/* In pieces, so that frames are cut anywhere; a hub that reads. */
	while (in.len > 0 && !owner.closed) {
		piece = 1 + (in.data[0] & 0x3fU) * 16;
		piece = piece < in.len ? piece : in.len;
		if (send(fd, in.data, piece, MSG_NOSIGNAL) == -1)
			break;
		in.data += piece;
		in.len -= piece;
		turn();
		while (recv(fd, thrown_away, sizeof(thrown_away), 0) > 0)
			continue;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct websocket_callbacks callbacks = { on_upgraded, on_text, nothing,
		on_closed };
	static const struct stream_callbacks none = { .input = nothing };
	struct fuzz_input in = { data, len };
	struct stream *stream;
	int pair[2], i;

	if (cloud.base == NULL) {
		signal(SIGPIPE, SIG_IGN);
		log_set_sink(quiet);
		fuzz_check((cloud.base = event_base_new()) != NULL);
		snprintf(cloud.hub_name, sizeof(cloud.hub_name), "hub.example:8855");
		snprintf(cloud.host_header, sizeof(cloud.host_header), "hub.example:8855");
		snprintf(cloud.tunnel_path, sizeof(cloud.tunnel_path), "/tunnel");
	}
	memset(&owner, 0, sizeof(owner));
	bits = fuzz_byte(&in);
	fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	fuzz_check((stream = stream_new(cloud.base, pair[0], &none, NULL)) != NULL);
	owner.ws = websocket_new(&cloud, stream, &callbacks, NULL);
	fuzz_check(owner.ws != NULL);
	play(pair[1], in);
	close(pair[1]);
	for (i = 0; i < 8 && !owner.closed; i++)
		turn();
	/* A hub that goes is noticed. */
	fuzz_check(owner.closed);
	websocket_free(owner.ws);
	turn();
	return 0;
}
