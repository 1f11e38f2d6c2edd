/* SPDX-License-Identifier: ISC */
/*
 * The channel between a parent and a child: fragments put together, the queue
 * of what the socket would not take yet, and the check against the message
 * table.  What a message means is not known here.
 */
#include "channel.h"

#include "log.h"
#include "packet.h"

#include <bsd/sys/queue.h>
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Batches of packets read before other descriptors get their turn. */
#define READ_ROUNDS 4

struct queued {
	TAILQ_ENTRY(queued) entry;
	int fd;
	size_t len;
	uint8_t data[];
};

struct channel {
	int fd;
	enum role self, other;
	enum channel_state state;
	struct channel_callbacks callbacks;
	void *arg;
	struct event *readable, *writable; /* NULL without an event loop */
	TAILQ_HEAD(, queued) queue;
	size_t queued;
	uint64_t once[2][(MESSAGE_COUNT + 63) / 64]; /* ONCE messages seen: out, in */
	/* A message of which not all fragments came yet. */
	uint8_t *partial;
	size_t partial_len, partial_size;
	uint16_t partial_type;
	uint32_t partial_id;
	int partial_fd;
	unsigned int entered; /* depth of callbacks under way */
	bool freed;
	bool cut; /* a message, or a part of it, could not be queued: what follows would be misread
		   */
};

const char channel_no_memory[] = "no memory for a message";

/*
 * For all channels of a process. A batch is handled before the next is read; who reads while
 * one is being handled (channel_drain() in a callback) reads packet by packet into another buffer.
 */
static uint8_t batch_buffers[PACKET_BATCH][PACKET_BUFFER];
static uint8_t single_buffer[1][PACKET_BUFFER];
static bool batch_in_use;

static void channel_destroy(struct channel *);
static void on_readable(evutil_socket_t, short, void *);
static void on_writable(evutil_socket_t, short, void *);

struct channel *
channel_new(struct event_base *base, int fd, enum role self, enum role other,
    const struct channel_callbacks *callbacks, void *arg)
{
	struct channel *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->fd = fd;
	c->self = self;
	c->other = other;
	c->state = CHANNEL_CONFIG;
	c->callbacks = *callbacks;
	c->arg = arg;
	c->partial_fd = -1;
	TAILQ_INIT(&c->queue);
	c->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
	if (c->readable == NULL || c->writable == NULL || event_add(c->readable, NULL) == -1) {
		c->fd = -1; /* still the caller's */
		channel_destroy(c);
		return NULL;
	}
	return c;
}

static void
queued_free(struct queued *p)
{
	explicit_bzero(p->data, p->len);
	if (p->fd != -1)
		close(p->fd);
	free(p);
}

static void
partial_reset(struct channel *c)
{
	if (c->partial != NULL) {
		explicit_bzero(c->partial, c->partial_size);
		free(c->partial);
	}
	c->partial = NULL;
	c->partial_len = c->partial_size = 0;
	if (c->partial_fd != -1)
		close(c->partial_fd);
	c->partial_fd = -1;
}

static void
channel_destroy(struct channel *c)
{
	struct queued *p;

	if (c->readable != NULL)
		event_free(c->readable);
	if (c->writable != NULL)
		event_free(c->writable);
	while ((p = TAILQ_FIRST(&c->queue)) != NULL) {
		TAILQ_REMOVE(&c->queue, p, entry);
		queued_free(p);
	}
	partial_reset(c);
	if (c->fd != -1)
		close(c->fd);
	free(c);
}

void
channel_free(struct channel *c)
{
	if (c == NULL || c->freed)
		return;
	if (c->entered > 0) {
		c->freed = true;
		return;
	}
	channel_destroy(c);
}

void
channel_set_state(struct channel *c, enum channel_state state)
{
	c->state = state;
}

enum channel_state
channel_get_state(const struct channel *c)
{
	return c->state;
}

/* The owner hears of it once; nothing is read or written afterwards. */
static void
channel_close(struct channel *c, const char *why)
{
	if (c->freed || c->readable == NULL)
		return;
	event_free(c->readable);
	event_free(c->writable);
	c->readable = c->writable = NULL;
	c->entered++;
	c->callbacks.closed(c->arg, why);
	c->entered--;
	if (c->freed && c->entered == 0)
		channel_destroy(c);
}

static bool
once_again(struct channel *c, int direction, unsigned int type)
{
	uint64_t bit = 1ULL << (type % 64);

	if ((message_rules[type].flags & MESSAGE_FLAG_ONCE) == 0)
		return false;
	if ((c->once[direction][type / 64] & bit) != 0)
		return true;
	c->once[direction][type / 64] |= bit;
	return false;
}

static int
packet_queue(struct channel *c, const uint8_t *header, const uint8_t *data, size_t len, int fd)
{
	struct queued *p;

	if (c->queued + len > CHANNEL_QUEUE_MAX ||
	    (p = malloc(sizeof(*p) + PACKET_HEADER + len)) == NULL) {
		log_warnx("%s does not read what it is sent: %s", role_label(c->other),
		    c->queued + len > CHANNEL_QUEUE_MAX ? "the queue is full"
							: "no memory for a queue");
		if (fd != -1)
			close(fd);
		return -1;
	}
	p->fd = fd;
	p->len = PACKET_HEADER + len;
	memcpy(p->data, header, PACKET_HEADER);
	if (len > 0)
		memcpy(p->data + PACKET_HEADER, data, len);
	/* Without it the queue would never go out. */
	if (TAILQ_EMPTY(&c->queue) && c->writable != NULL && event_add(c->writable, NULL) == -1) {
		log_warnx("%s cannot be sent to: no memory for an event", role_label(c->other));
		queued_free(p);
		return -1;
	}
	TAILQ_INSERT_TAIL(&c->queue, p, entry);
	c->queued += p->len;
	return 0;
}

/* Sends or queues one packet; takes the descriptor. A broken socket shows when it is read. */
static int
packet_put(struct channel *c, const uint8_t *header, const uint8_t *data, size_t len, int fd)
{
	if (TAILQ_EMPTY(&c->queue)) {
		switch (packet_send(c->fd, header, data, len, fd)) {
		case 1:
			if (fd != -1)
				close(fd);
			return 0;
		case -1:
			if (fd != -1)
				close(fd);
			return errno == EPIPE || errno == ECONNRESET ? 0 : -1;
		default:
			break;
		}
	}
	return packet_queue(c, header, data, len, fd);
}

int
channel_send(struct channel *c, enum message_type type, uint32_t id, struct wire_writer *w, int fd)
{
	uint8_t header[PACKET_HEADER];
	const char *refused;
	size_t len, at = 0, n;
	int result = 0;

	len = w == NULL ? 0 : w->len;
	refused = w != NULL && w->failed
	    ? "it is larger than any message may be, or memory is short"
	    : c->cut ? "one before it could not be queued"
		     : message_refused(c->self, c->other, c->state, type, len, fd != -1);
	if (refused == NULL && once_again(c, 0, type))
		refused = "it was sent before";
	if (refused != NULL) {
		log_errorx("message %s to %s not sent: %s", message_name(type),
		    role_label(c->other), refused);
		if (fd != -1)
			close(fd);
		if (w != NULL)
			wire_writer_free(w);
		return -1;
	}
	do {
		n = len - at > PACKET_PAYLOAD ? PACKET_PAYLOAD : len - at;
		packet_header(header, type, at + n < len ? PACKET_MORE : 0, id);
		if (packet_put(c, header, w == NULL ? NULL : w->data + at, n, fd) == -1) {
			c->cut = at > 0;
			result = -1;
		}
		fd = -1; /* goes with the first fragment */
		at += n;
	} while (at < len && result == 0);
	if (w != NULL)
		wire_writer_free(w);
	return result;
}

/* 0 when all was sent or the socket is full, -1 when it is broken. */
static int
queue_send(struct channel *c)
{
	struct queued *p;
	int sent;

	while ((p = TAILQ_FIRST(&c->queue)) != NULL) {
		sent = packet_send(
		    c->fd, p->data, p->data + PACKET_HEADER, p->len - PACKET_HEADER, p->fd);
		if (sent == 0)
			return 0;
		if (sent == -1)
			return -1;
		TAILQ_REMOVE(&c->queue, p, entry);
		c->queued -= p->len;
		queued_free(p);
	}
	return 0;
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct channel *c = arg;

	(void)fd;
	(void)what;
	if (queue_send(c) == -1) {
		/* The far end is gone; reading says so as well, and in order. */
		event_del(c->writable);
	} else if (TAILQ_EMPTY(&c->queue))
		event_del(c->writable);
}

/* Appends a fragment. NULL, or why not: also when it would exceed what its type allows. */
static const char *
partial_append(struct channel *c, const uint8_t *data, size_t len)
{
	uint8_t *grown;
	size_t size;

	if (c->partial_len + len > message_rules[c->partial_type].max)
		return "too long";
	if (c->partial_len + len > c->partial_size) {
		size = c->partial_size == 0 ? 2 * PACKET_MAX : 2 * c->partial_size;
		if ((grown = malloc(size)) == NULL)
			return channel_no_memory;
		if (c->partial != NULL) {
			memcpy(grown, c->partial, c->partial_len);
			explicit_bzero(c->partial, c->partial_size);
			free(c->partial);
		}
		c->partial = grown;
		c->partial_size = size;
	}
	memcpy(c->partial + c->partial_len, data, len);
	c->partial_len += len;
	return NULL;
}

static void
deliver(struct channel *c, unsigned int type, uint32_t id, uint8_t *data, size_t len, int fd,
    void (*callback)(void *, struct message *), void *arg)
{
	struct message m;

	m.type = (enum message_type)type;
	m.id = id;
	m.fd = fd;
	wire_reader_init(&m.body, data, len);
	c->entered++;
	callback(arg, &m);
	c->entered--;
	if (m.fd != -1)
		close(m.fd);
	if ((message_rules[type].flags & MESSAGE_FLAG_SECRET) != 0)
		explicit_bzero(data, len);
}

/* What a packet of n bytes left in its buffer, where deliver() does not see to it. */
static void
wipe_received(unsigned int type, uint8_t *buffer, size_t n)
{
	if (type < MESSAGE_COUNT && (message_rules[type].flags & MESSAGE_FLAG_SECRET) != 0)
		explicit_bzero(buffer + PACKET_HEADER, n - PACKET_HEADER);
}

/* Handles a packet of n bytes. NULL, or what is wrong with it. */
static const char *
packet_handle(struct channel *c, uint8_t *buffer, size_t n, int fd,
    void (*callback)(void *, struct message *), void *arg)
{
	const uint8_t *h = buffer;
	const char *refused;
	uint8_t *data;
	size_t len;
	uint32_t id;
	unsigned int type;
	bool more;

	if (n < PACKET_HEADER) {
		if (fd != -1)
			close(fd);
		return "packet too short";
	}
	type = h[0] | (unsigned int)h[1] << 8;
	id = h[4] | (uint32_t)h[5] << 8 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 24;
	more = (h[2] & PACKET_MORE) != 0;
	if ((h[2] & ~PACKET_MORE) != 0 || h[3] != 0)
		refused = "bad header";
	else if (c->partial != NULL && (type != c->partial_type || id != c->partial_id || fd != -1))
		refused = "a message between the fragments of another";
	else if (more && n != PACKET_MAX)
		refused = "short fragment";
	else
		refused = NULL;
	if (refused == NULL && (more || c->partial != NULL)) {
		if (type >= MESSAGE_COUNT)
			refused = "unknown type";
		else {
			if (c->partial == NULL) {
				c->partial_type = (uint16_t)type;
				c->partial_id = id;
				c->partial_fd = fd;
				fd = -1;
			}
			refused = partial_append(c, h + PACKET_HEADER, n - PACKET_HEADER);
			wipe_received(type, buffer, n);
			if (more && refused == NULL)
				return NULL;
		}
	}
	if (c->partial != NULL && refused == NULL) {
		data = c->partial;
		len = c->partial_len;
		fd = c->partial_fd;
		c->partial_fd = -1;
	} else {
		data = buffer + PACKET_HEADER;
		len = n - PACKET_HEADER;
	}
	if (refused == NULL)
		refused = message_refused(c->other, c->self, c->state, type, len, fd != -1);
	if (refused == NULL && once_again(c, 1, type))
		refused = "it may come only once";
	if (refused != NULL) {
		log_errorx("message %s from %s refused: %s", message_name(type),
		    role_label(c->other), refused);
		wipe_received(type, buffer, n);
		if (fd != -1)
			close(fd);
		return refused;
	}
	deliver(c, type, id, data, len, fd, callback, arg);
	partial_reset(c);
	return NULL;
}

/* Handles packets one after the other; those behind one that ended the channel are thrown away. */
static void
batch_handle(
    struct channel *c, uint8_t buffers[][PACKET_BUFFER], const struct packet packets[], int count)
{
	const char *why;
	int i;

	for (i = 0; i < count; i++) {
		if (c->freed || c->readable == NULL) {
			explicit_bzero(buffers[i], packets[i].len);
			if (packets[i].fd != -1)
				close(packets[i].fd);
			continue;
		}
		if (packets[i].len == 0) {
			channel_close(c, NULL);
			continue;
		}
		if ((why = packets[i].why) != NULL)
			explicit_bzero(buffers[i], packets[i].len);
		else
			why = packet_handle(c, buffers[i], packets[i].len, packets[i].fd,
			    c->callbacks.message, c->arg);
		if (why != NULL)
			channel_close(c, why);
	}
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct channel *c = arg;
	struct packet packets[PACKET_BATCH];
	bool batch = !batch_in_use;
	int size = batch ? PACKET_BATCH : 1, rounds, n;

	(void)fd;
	(void)what;
	batch_in_use = true;
	c->entered++;
	for (rounds = 0; rounds < READ_ROUNDS && !c->freed && c->readable != NULL; rounds++) {
		n = packet_receive(
		    c->fd, batch ? batch_buffers : single_buffer, packets, (unsigned int)size);
		if (n == -1 && errno == EAGAIN)
			break;
		/* The far end left something unread: told once, before its last words. */
		if (n == -1 && errno == ECONNRESET)
			continue;
		if (n == -1) {
			channel_close(c, NULL);
			break;
		}
		batch_handle(c, batch ? batch_buffers : single_buffer, packets, n);
		/* That was all; what comes now wakes this again. */
		if (n < size)
			break;
	}
	c->entered--;
	if (batch)
		batch_in_use = false;
	if (c->freed && c->entered == 0)
		channel_destroy(c);
}

void
channel_drain(struct channel *c)
{
	size_t packets;

	if (c == NULL)
		return;
	/* The owner may free it in a callback. */
	c->entered++;
	/* A socket holds no more than its buffer; the bound is for the reader's peace. */
	for (packets = 0; !c->freed && c->readable != NULL && packets < 65536;
	     packets += READ_ROUNDS)
		on_readable(c->fd, EV_READ, c);
	c->entered--;
	if (c->freed && c->entered == 0)
		channel_destroy(c);
}

static int
wait_for(int fd, short events, int timeout_ms)
{
	struct pollfd pfd = { fd, events, 0 };
	int n;

	do
		n = poll(&pfd, 1, timeout_ms);
	while (n == -1 && errno == EINTR);
	if (n == 0)
		errno = ETIMEDOUT;
	return n == 1 ? 0 : -1;
}

int
channel_receive(
    struct channel *c, int timeout_ms, void (*callback)(void *, struct message *), void *arg)
{
	uint8_t *buffer = single_buffer[0];
	struct packet packet;
	const char *why;
	int n;
	bool fragment;

	do {
		if (wait_for(c->fd, POLLIN, timeout_ms) == -1)
			return -1;
		n = packet_receive(c->fd, single_buffer, &packet, 1);
		/* As in on_readable(): told once, its last words come after it. */
		if (n == -1 && errno == ECONNRESET)
			n = packet_receive(c->fd, single_buffer, &packet, 1);
		if (n == -1)
			return -1;
		if (packet.len == 0) {
			errno = EPIPE;
			return -1;
		}
		errno = EBADMSG;
		fragment = packet.len >= PACKET_HEADER && (buffer[2] & PACKET_MORE) != 0;
		if ((why = packet.why) == NULL)
			why = packet_handle(c, buffer, packet.len, packet.fd, callback, arg);
		if (why != NULL)
			return -1;
	} while (fragment);
	return 0;
}

int
channel_flush(struct channel *c, int timeout_ms)
{
	for (;;) {
		if (queue_send(c) == -1)
			return -1;
		if (TAILQ_EMPTY(&c->queue))
			return 0;
		if (wait_for(c->fd, POLLOUT, timeout_ms) == -1)
			return -1;
	}
}
