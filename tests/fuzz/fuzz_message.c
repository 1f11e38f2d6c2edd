/* SPDX-License-Identifier: ISC */
/*
 * Packets of a process that was taken over, as its parent or a child reads them: only what the
 * message table allows is delivered, and nothing after a breach.  Then fields: what the getters
 * take, the setters write back byte for byte.
 */
#include "common/channel.h"
#include "common/log.h"
#include "common/packet.h"
#include "fuzz.h"

#include <sys/socket.h>

#include <event2/event.h>
#include <unistd.h>

static struct event_base *base;
static enum role self, other;

static struct {
	struct channel *channel;
	unsigned int messages;
	bool closed;
	bool seen[MESSAGE_COUNT];
} reader;

static void
quiet(enum log_level level, const char *tag, const char *text)
{
	(void)level;
	(void)tag;
	(void)text;
}

static void
on_message(void *arg, struct message *m)
{
	const struct message_rule *rule;

	(void)arg;
	fuzz_check(!reader.closed);
	fuzz_check(message_refused(other, self, channel_get_state(reader.channel), m->type,
		       m->body.len, m->fd != -1) == NULL);
	rule = &message_rules[m->type];
	fuzz_check((rule->flags & MESSAGE_FLAG_ONCE) == 0 || !reader.seen[m->type]);
	reader.seen[m->type] = true;
	/* Every byte is there: a sanitizer would say so. */
	free(fuzz_text((struct fuzz_input){ m->body.data, m->body.len }));
	if (m->type == MESSAGE_READY)
		channel_set_state(reader.channel, CHANNEL_RUN);
	reader.messages++;
}

static void
on_closed(void *arg, const char *why)
{
	(void)arg;
	(void)why;
	fuzz_check(!reader.closed);
	reader.closed = true;
}

static void
send_packet(int fd, const uint8_t *data, size_t len, int descriptor)
{
	uint8_t header[PACKET_HEADER];

	/* A packet without a whole header has no descriptor either. */
	if (len < PACKET_HEADER) {
		(void)send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		return;
	}
	memcpy(header, data, PACKET_HEADER);
	(void)packet_send(fd, header, data + PACKET_HEADER, len - PACKET_HEADER, descriptor);
}

/*
 * Each packet: two bytes of length, little-endian; 0x8000: as long as a packet may be, filled
 * up with zeros; 0x4000: with a descriptor.
 */
static void
packets(struct fuzz_input in)
{
	static const struct channel_callbacks callbacks = { on_message, on_closed };
	static uint8_t full[PACKET_MAX];
	unsigned int head;
	size_t len;
	int pair[2], descriptor, i;

	memset(&reader, 0, sizeof(reader));
	other = fuzz_byte(&in) % ROLE_COUNT;
	/* Every channel has the parent at one end. */
	self = other == ROLE_PARENT ? 1 + fuzz_byte(&in) % (ROLE_COUNT - 1) : ROLE_PARENT;
	fuzz_check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0);
	reader.channel = channel_new(base, pair[0], self, other, &callbacks, NULL);
	fuzz_check(reader.channel != NULL);
	channel_set_state(reader.channel, (fuzz_byte(&in) & 1) != 0 ? CHANNEL_RUN : CHANNEL_CONFIG);
	for (i = 0; in.len > 2 && i < 64; i++) {
		head = fuzz_byte(&in);
		head |= (unsigned int)fuzz_byte(&in) << 8;
		len = head & 0x3fff;
		len = len < in.len ? len : in.len;
		descriptor = (head & 0x4000) != 0 ? STDERR_FILENO : -1;
		if ((head & 0x8000) != 0) {
			memset(full, 0, sizeof(full));
			memcpy(full, in.data, len);
			send_packet(pair[1], full, sizeof(full), descriptor);
		} else
			send_packet(pair[1], in.data, len, descriptor);
		in.data += len;
		in.len -= len;
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	close(pair[1]);
	for (i = 0; i < 64 && !reader.closed; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	fuzz_check(reader.closed);
	channel_free(reader.channel);
}

/* First the kinds of the fields up to a zero byte, then the fields. */
static void
fields(struct fuzz_input in)
{
	struct fuzz_input kinds = fuzz_until(&in, '\0');
	struct wire_reader r;
	struct wire_writer w;
	const uint8_t *bytes;
	uint8_t fixed[16];
	char text[64], *copy;
	size_t len;

	wire_reader_init(&r, in.data, in.len);
	wire_writer_init(&w);
	while (kinds.len > 0 && !r.failed) {
		switch (fuzz_byte(&kinds) % 8) {
		case 0:
			wire_put_u8(&w, wire_get_u8(&r));
			break;
		case 1:
			wire_put_u16(&w, wire_get_u16(&r));
			break;
		case 2:
			wire_put_u32(&w, wire_get_u32(&r));
			break;
		case 3:
			wire_put_u64(&w, wire_get_u64(&r));
			break;
		case 4:
			wire_get_fixed(&r, fixed, sizeof(fixed));
			wire_put_fixed(&w, fixed, sizeof(fixed));
			break;
		case 5:
			bytes = wire_get_bytes(&r, 1, 300, &len);
			fuzz_check((bytes == NULL) == r.failed && len <= 300);
			wire_put_bytes(&w, bytes, len);
			break;
		case 6:
			wire_get_string(&r, text, sizeof(text), 0);
			fuzz_check(strnlen(text, sizeof(text)) < sizeof(text));
			fuzz_check(utf8_valid(text, strlen(text)));
			wire_put_string(&w, text);
			break;
		default:
			copy = wire_get_string_dup(&r, 2, 200);
			fuzz_check((copy == NULL) == r.failed);
			fuzz_check(copy == NULL || (strlen(copy) >= 2 && strlen(copy) <= 200));
			wire_put_string(&w, copy);
			free(copy);
		}
	}
	if (!r.failed) {
		fuzz_check(!w.failed && w.len == r.at && r.at <= in.len);
		fuzz_check(w.len == 0 || memcmp(w.data, in.data, w.len) == 0);
		fuzz_check((wire_end(&r) == 0) == (r.at == in.len));
	} else {
		fuzz_check(wire_end(&r) == -1);
		fuzz_check(wire_get_u64(&r) == 0);
	}
	wire_writer_free(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = { data, len };

	if (base == NULL) {
		log_set_sink(quiet);
		fuzz_check((base = event_base_new()) != NULL);
	}
	if ((fuzz_byte(&in) & 1) != 0)
		fields(in);
	else
		packets(in);
	return 0;
}
