/* SPDX-License-Identifier: ISC */
/*
 * Packets between a parent and a child.  One end is a channel, the other a
 * bare socket in the hands of somebody who breaks every rule; then two
 * channels with everything the table allows between them.
 * Linked with -Wl,--wrap=free.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/channel.h"
#include "common/log.h"
#include "allocations.h"
#include "random.h"
#include "watch.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER 8
#define PACKET 65536
#define FRAGMENT (PACKET - HEADER)

static struct event_base *base;
static struct channel *channel;
static int far; /* the other end */
static int descriptors_before;

/* What the callbacks saw. */
static struct {
	unsigned int messages, closed;
	enum message_type type;
	uint32_t id;
	uint8_t *data;
	size_t len;
	int fd;
	char why[128];
	bool free_in_message, free_in_closed, take_fd;
	bool answer;	       /* send something back from the callback */
	struct channel *drain; /* another one, to be drained from the callback */
} seen;

static void
seen_reset(void)
{
	free(seen.data);
	memset(&seen, 0, sizeof(seen));
	seen.fd = -1;
}

static int
descriptors_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void
on_message(void *arg, struct message *m)
{
	assert_ptr_equal(arg, &seen);
	seen.messages++;
	seen.type = m->type;
	seen.id = m->id;
	seen.fd = m->fd;
	free(seen.data);
	seen.len = m->body.len;
	seen.data = malloc(seen.len + 1);
	assert_non_null(seen.data);
	memcpy(seen.data, m->body.data, seen.len);
	if (seen.take_fd)
		m->fd = -1;
	if (seen.answer)
		assert_int_equal(channel_send(channel, MESSAGE_DRAIN, 0, NULL, -1), 0);
	if (seen.drain != NULL) {
		channel_drain(seen.drain);
		seen.drain = NULL;
	}
	if (seen.free_in_message) {
		channel_free(channel);
		channel = NULL;
	}
}

static void
on_closed(void *arg, const char *why)
{
	assert_ptr_equal(arg, &seen);
	seen.closed++;
	snprintf(seen.why, sizeof(seen.why), "%s", why == NULL ? "end of file" : why);
	if (seen.free_in_closed) {
		channel_free(channel);
		channel = NULL;
	}
}

static const struct channel_callbacks callbacks = { on_message, on_closed };

static void
quiet(enum log_level level, const char *tag, const char *text)
{
	(void)level;
	(void)tag;
	(void)text;
}

static void
start(enum role self, enum role other, enum channel_state state)
{
	int pair[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	channel = channel_new(base, pair[0], self, other, &callbacks, &seen);
	assert_non_null(channel);
	assert_int_equal(channel_get_state(channel), CHANNEL_CONFIG);
	channel_set_state(channel, state);
	far = pair[1];
}

static int
setup(void **state)
{
	(void)state;
	log_set_sink(quiet);
	seen_reset();
	base = event_base_new();
	assert_non_null(base);
	descriptors_before = descriptors_open();
	channel = NULL;
	far = -1;
	return 0;
}

static void
stop(void)
{
	channel_free(channel);
	channel = NULL;
	if (far != -1)
		close(far);
	far = -1;
}

/* No test may leave a descriptor open, whatever it did. */
static int
teardown(void **state)
{
	(void)state;
	stop();
	seen_reset();
	assert_int_equal(descriptors_open(), descriptors_before);
	event_base_free(base);
	return 0;
}

/* Handles everything that is there. */
static void
run(void)
{
	int i;

	for (i = 0; i < 64; i++)
		assert_int_not_equal(event_base_loop(base, EVLOOP_NONBLOCK), -1);
}

/* --- the bare end ----------------------------------------------------------- */

static size_t
header(uint8_t *p, unsigned int type, uint8_t flags, uint8_t zero, uint32_t id)
{
	p[0] = (uint8_t)type;
	p[1] = (uint8_t)(type >> 8);
	p[2] = flags;
	p[3] = zero;
	memcpy(p + 4, &id, 4); /* these tests run on little-endian machines */
	return HEADER;
}

/* Sends raw bytes with these descriptors, all in one piece of control data or one each. */
static void
raw(const void *data, size_t len, const int *fds, size_t n, bool apart)
{
	union {
		struct cmsghdr align;
		char data[CMSG_SPACE(253 * sizeof(int))];
	} control;
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr msg;
	struct cmsghdr *cmsg;
	size_t i;

	memset(&msg, 0, sizeof(msg));
	memset(&control, 0, sizeof(control));
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	if (n > 0) {
		msg.msg_control = control.data;
		msg.msg_controllen =
		    apart ? n * CMSG_SPACE(sizeof(int)) : CMSG_SPACE(n * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		for (i = 0; i < (apart ? n : 1); i++) {
			cmsg->cmsg_level = SOL_SOCKET;
			cmsg->cmsg_type = SCM_RIGHTS;
			cmsg->cmsg_len = CMSG_LEN((apart ? 1 : n) * sizeof(int));
			memcpy(CMSG_DATA(cmsg), fds + i, (apart ? 1 : n) * sizeof(int));
			cmsg = CMSG_NXTHDR(&msg, cmsg);
		}
	}
	assert_int_equal(sendmsg(far, &msg, MSG_NOSIGNAL), len);
}

/* One packet with len zero bytes of payload. */
static void
packet(unsigned int type, uint8_t flags, uint32_t id, size_t len, int fd)
{
	uint8_t *p = calloc(1, HEADER + len);

	assert_non_null(p);
	header(p, type, flags, 0, id);
	raw(p, HEADER + len, &fd, fd == -1 ? 0 : 1, false);
	free(p);
}

static void
closed_with(const char *why)
{
	run();
	assert_int_equal(seen.closed, 1);
	assert_string_equal(seen.why, why);
}

/* A breach is told once, the message never; nothing after it is looked at. */
static void
refused_with(const char *why)
{
	packet(MESSAGE_LOG, 0, 0, 5, -1);
	closed_with(why);
	assert_int_equal(seen.messages, 0);
}

static void
one_message(void **state)
{
	uint8_t p[HEADER + 13] = { 0 };

	(void)state;
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	header(p, MESSAGE_DIALED, 0, 0, 0x01020304);
	memcpy(p + HEADER, "\x05payload bytes", 13);
	raw(p, sizeof(p), NULL, 0, false);
	run();
	assert_int_equal(seen.messages, 1);
	assert_int_equal(seen.type, MESSAGE_DIALED);
	assert_int_equal(seen.id, 0x01020304);
	assert_int_equal(seen.len, 13);
	assert_memory_equal(seen.data, "\x05payload bytes", 13);
	assert_int_equal(seen.fd, -1);
	assert_int_equal(seen.closed, 0);
}

static void
bytes_on_the_socket(void **state)
{
	struct wire_writer w;
	uint8_t p[64];

	(void)state;
	start(ROLE_DIAL, ROLE_PARENT, CHANNEL_RUN);
	wire_writer_init(&w);
	wire_put_u8(&w, 2);
	wire_put_string(&w, "hi");
	assert_int_equal(channel_send(channel, MESSAGE_LOG, 0xaabbccdd, &w, -1), 0);
	assert_null(w.data);
	assert_int_equal(recv(far, p, sizeof(p), 0), HEADER + 7);
	assert_int_equal(p[0] | p[1] << 8, MESSAGE_LOG);
	assert_memory_equal(p + 2, "\0\0\xdd\xcc\xbb\xaa\x02\x02\0\0\0hi", 13);
}

/* --- framing ------------------------------------------------------------------ */

static void
too_short_for_a_header(void **state)
{
	uint8_t p[HEADER] = { MESSAGE_LOG };
	size_t len;

	(void)state;
	for (len = 1; len < HEADER; len++) {
		seen_reset();
		start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
		raw(p, len, NULL, 0, false);
		closed_with("packet too short");
		stop();
	}
	/* Its descriptor is closed (teardown counts). */
	seen_reset();
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	raw(p, 3, (const int[]){ STDIN_FILENO }, 1, false);
	closed_with("packet too short");
}

static void
header_with_unknown_bits(void **state)
{
	uint8_t p[HEADER + 5] = { 0 };
	unsigned int flags;

	(void)state;
	for (flags = 2; flags < 256; flags = flags * 2 + (flags == 128)) {
		seen_reset();
		start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
		header(p, MESSAGE_LOG, (uint8_t)flags, 0, 1);
		raw(p, sizeof(p), NULL, 0, false);
		refused_with("bad header");
		stop();
	}
	seen_reset();
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	header(p, MESSAGE_LOG, 0, 1, 1);
	raw(p, sizeof(p), NULL, 0, false);
	refused_with("bad header");
}

static void
types_that_are_none(void **state)
{
	static const unsigned int types[] = { MESSAGE_COUNT, MESSAGE_COUNT + 1, 0x100, 0x8000,
		0xffff };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		seen_reset();
		start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
		packet(types[i], 0, 1, 5, -1);
		refused_with("unknown type");
		stop();
		seen_reset();
		start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
		packet(types[i], 1, 1, FRAGMENT, -1);
		refused_with("unknown type");
		stop();
	}
}

static void
oversize_packet(void **state)
{
	int size = 4 << 20;

	(void)state;
	start(ROLE_PARENT, ROLE_DIRECTORY, CHANNEL_RUN);
	setsockopt(far, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	packet(MESSAGE_CHECKED, 0, 1, FRAGMENT, -1);
	run();
	assert_int_equal(seen.messages, 1);
	assert_int_equal(seen.len, FRAGMENT);
	packet(MESSAGE_CHECKED, 0, 1, FRAGMENT + 1, -1);
	closed_with("packet too long");
	stop();
	seen_reset();
	start(ROLE_PARENT, ROLE_DIRECTORY, CHANNEL_RUN);
	setsockopt(far, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	packet(MESSAGE_CHECKED, 0, 1, 100000, STDIN_FILENO);
	closed_with("packet too long");
}

/* --- fragments ---------------------------------------------------------------- */

static void
sizes_in_fragments(void **state)
{
	static const size_t sizes[] = { 31, FRAGMENT - 1, FRAGMENT, FRAGMENT + 1, 2 * FRAGMENT - 1,
		2 * FRAGMENT, 2 * FRAGMENT + 1, 3 * FRAGMENT + 17, WIRE_MAX - 1, WIRE_MAX };
	struct channel *sender;
	struct wire_writer w;
	uint8_t *data;
	size_t i, k;

	(void)state;
	data = malloc(WIRE_MAX);
	assert_non_null(data);
	for (k = 0; k < WIRE_MAX; k++)
		data[k] = (uint8_t)random_u32();
	start(ROLE_PARENT, ROLE_DIRECTORY, CHANNEL_RUN);
	sender = channel_new(base, far, ROLE_DIRECTORY, ROLE_PARENT, &callbacks, &seen);
	assert_non_null(sender);
	far = -1;
	channel_set_state(sender, CHANNEL_RUN);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		seen.messages = 0;
		wire_writer_init(&w);
		wire_put_fixed(&w, data, sizes[i]);
		assert_int_equal(channel_send(sender, MESSAGE_CHECKED, (uint32_t)i, &w, -1), 0);
		run();
		assert_int_equal(seen.closed, 0);
		assert_int_equal(seen.messages, 1);
		assert_int_equal(seen.id, i);
		assert_int_equal(seen.len, sizes[i]);
		assert_memory_equal(seen.data, data, sizes[i]);
	}
	channel_free(sender);
	free(data);
}

static void
send_raw_fragment(unsigned int type, uint8_t flags, uint32_t id, size_t len)
{
	packet(type, flags, id, len, -1);
	run();
}

static void
fragments_that_break_the_rules(void **state)
{
	static const struct {
		unsigned int type;
		uint8_t flags;
		uint32_t id;
		size_t len;
		const char *why;
	} second[] = {
		{ MESSAGE_CHECKED, 0, 8, 5, "a message between the fragments of another" },
		{ MESSAGE_LOG, 0, 7, 5, "a message between the fragments of another" },
		{ MESSAGE_CHECKED, 1, 7, FRAGMENT - 1, "short fragment" },
		{ MESSAGE_CHECKED, 1, 7, 0, "short fragment" },
		{ 0xffff, 0, 7, 0, "a message between the fragments of another" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(second) / sizeof(second[0]); i++) {
		seen_reset();
		start(ROLE_PARENT, ROLE_DIRECTORY, CHANNEL_RUN);
		send_raw_fragment(MESSAGE_CHECKED, 1, 7, FRAGMENT);
		assert_int_equal(seen.closed, 0);
		send_raw_fragment(second[i].type, second[i].flags, second[i].id, second[i].len);
		refused_with(second[i].why);
		stop();
	}
	/* A descriptor on any but the first. */
	seen_reset();
	start(ROLE_PARENT, ROLE_DIRECTORY, CHANNEL_RUN);
	send_raw_fragment(MESSAGE_CHECKED, 1, 7, FRAGMENT);
	packet(MESSAGE_CHECKED, 0, 7, 5, STDIN_FILENO);
	refused_with("a message between the fragments of another");
	stop();
	/* A first fragment that is not full. */
	seen_reset();
	start(ROLE_PARENT, ROLE_DIRECTORY, CHANNEL_RUN);
	send_raw_fragment(MESSAGE_CHECKED, 1, 7, 5);
	refused_with("short fragment");
	stop();
	/* One over the largest, found before the end. */
	seen_reset();
	start(ROLE_PARENT, ROLE_DIRECTORY, CHANNEL_RUN);
	for (i = 0; i < WIRE_MAX / FRAGMENT; i++)
		send_raw_fragment(MESSAGE_CHECKED, 1, 7, FRAGMENT);
	assert_int_equal(seen.closed, 0);
	send_raw_fragment(MESSAGE_CHECKED, 0, 7, WIRE_MAX % FRAGMENT + 1);
	refused_with("too long");
	stop();
	/* A small message's largest holds for fragments as well: no memory for more. */
	seen_reset();
	start(ROLE_PARENT, ROLE_DIRECTORY, CHANNEL_RUN);
	send_raw_fragment(MESSAGE_LOG, 1, 0, FRAGMENT);
	assert_int_equal(seen.closed, 1);
	refused_with("too long");
	stop();
	/* Freed in the middle, with its descriptor (teardown counts). */
	seen_reset();
	start(ROLE_PARENT, ROLE_DIRECTORY, CHANNEL_RUN);
	packet(MESSAGE_CHECKED, 1, 7, FRAGMENT, STDIN_FILENO);
	run();
	assert_int_equal(seen.closed, 0);
}

/* End of file in the middle of a message: the part is not delivered. */
static void
end_between_fragments(void **state)
{
	(void)state;
	start(ROLE_PARENT, ROLE_DIRECTORY, CHANNEL_RUN);
	send_raw_fragment(MESSAGE_CHECKED, 1, 7, FRAGMENT);
	close(far);
	far = -1;
	closed_with("end of file");
	assert_int_equal(seen.messages, 0);
}

/* --- descriptors -------------------------------------------------------------- */

static void
descriptor_is_handed_over(void **state)
{
	int pair[2], flags;

	(void)state;
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	assert_int_equal(pipe(pair), 0);
	packet(MESSAGE_DIALED, 0, 1, 13, pair[1]);
	seen.take_fd = true;
	run();
	assert_int_equal(seen.messages, 1);
	assert_int_not_equal(seen.fd, -1);
	flags = fcntl(seen.fd, F_GETFD);
	assert_int_not_equal(flags, -1);
	assert_int_not_equal(flags & FD_CLOEXEC, 0);
	assert_int_equal(write(seen.fd, "x", 1), 1);
	close(seen.fd);
	/* A handler that leaves it has it closed. */
	seen.take_fd = false;
	packet(MESSAGE_DIALED, 0, 1, 13, pair[1]);
	run();
	assert_int_equal(seen.messages, 2);
	assert_int_equal(fcntl(seen.fd, F_GETFD), -1);
	close(pair[0]);
	close(pair[1]);
}

static void
descriptors_that_break_the_rules(void **state)
{
	int many[253];
	uint8_t p[HEADER + 13] = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < 253; i++)
		many[i] = STDIN_FILENO;
	header(p, MESSAGE_DIALED, 0, 0, 1);

	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	raw(p, sizeof(p), many, 2, false);
	refused_with("more than one descriptor");
	stop();

	seen_reset();
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	raw(p, sizeof(p), many, 2, true);
	refused_with("more than one descriptor");
	stop();

	/* More than the receiver has room for: control data is cut by the kernel. */
	seen_reset();
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	raw(p, sizeof(p), many, 253, false);
	refused_with("more descriptors than there is room for");
	stop();

	seen_reset();
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	packet(MESSAGE_LOG, 0, 1, 5, STDIN_FILENO);
	refused_with("unexpected descriptor");
	stop();

	seen_reset();
	start(ROLE_SPAWNER, ROLE_PARENT, CHANNEL_RUN);
	packet(MESSAGE_SPAWN, 0, 1, 1, -1);
	refused_with("no descriptor");
	stop();

	/* With an empty packet, which looks like the end of file. */
	seen_reset();
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	raw(p, 0, many, 1, false);
	run();
	assert_int_equal(seen.closed, 1);
	assert_int_equal(seen.messages, 0);
	stop();
	assert_int_equal(descriptors_open(), descriptors_before);
}

static void
descriptor_goes_out(void **state)
{
	union {
		struct cmsghdr align;
		char data[CMSG_SPACE(sizeof(int))];
	} control;
	uint8_t p[64];
	struct iovec iov = { p, sizeof(p) };
	struct msghdr msg;
	struct wire_writer w;
	int pair[2], received;

	(void)state;
	start(ROLE_PARENT, ROLE_SPAWNER, CHANNEL_RUN);
	assert_int_equal(pipe(pair), 0);
	wire_writer_init(&w);
	wire_put_u8(&w, 2);
	assert_int_equal(channel_send(channel, MESSAGE_SPAWN, 1, &w, pair[1]), 0);
	/* It was taken. */
	assert_int_equal(fcntl(pair[1], F_GETFD), -1);
	memset(&msg, 0, sizeof(msg));
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = control.data;
	msg.msg_controllen = sizeof(control.data);
	assert_int_equal(recvmsg(far, &msg, 0), HEADER + 1);
	assert_non_null(CMSG_FIRSTHDR(&msg));
	memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	assert_int_equal(write(received, "x", 1), 1);
	close(received);
	/* It is also taken when the message is not permitted. */
	wire_writer_init(&w);
	wire_put_u16(&w, 2);
	received = dup(pair[0]);
	assert_int_equal(channel_send(channel, MESSAGE_SPAWN, 1, &w, received), -1);
	assert_int_equal(fcntl(received, F_GETFD), -1);
	close(pair[0]);
}

/* --- the table ---------------------------------------------------------------- */

static void
incoming_breaches(void **state)
{
	static const struct {
		enum role self, other;
		enum channel_state state;
		unsigned int type;
		size_t len;
		const char *why;
	} cases[] = {
		{ ROLE_PARENT, ROLE_DIAL, CHANNEL_CONFIG, MESSAGE_DIALED, 13, "not in this state" },
		{ ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN, MESSAGE_HELLO, 8, "not in this state" },
		{ ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN, MESSAGE_CHECKED, 31,
		    "this role may not send it" },
		{ ROLE_PARENT, ROLE_CLOUD, CHANNEL_RUN, MESSAGE_CHECKED, 31,
		    "this role may not send it" },
		{ ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN, MESSAGE_SPAWN, 1,
		    "this role may not send it" },
		{ ROLE_PARENT, ROLE_GATE_PUBLIC, CHANNEL_RUN, MESSAGE_ADMIN, 6,
		    "this role may not send it" },
		{ ROLE_CLOUD, ROLE_PARENT, CHANNEL_RUN, MESSAGE_CHECK_PASSWORD, 181,
		    "not for this role" },
		{ ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN, MESSAGE_DIALED, 12, "too short" },
		{ ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN, MESSAGE_DIALED, 0, "too short" },
		{ ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN, MESSAGE_DIALED, 2049, "too long" },
		{ ROLE_SPAWNER, ROLE_PARENT, CHANNEL_RUN, MESSAGE_KILL, 6, "too long" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		seen_reset();
		start(cases[i].self, cases[i].other, cases[i].state);
		packet(cases[i].type, 0, 1, cases[i].len, -1);
		refused_with(cases[i].why);
		stop();
	}
}

static void
once_is_once(void **state)
{
	struct wire_writer w;

	(void)state;
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_CONFIG);
	packet(MESSAGE_HELLO, 0, 0, 8, -1);
	run();
	assert_int_equal(seen.messages, 1);
	packet(MESSAGE_HELLO, 0, 0, 8, -1);
	closed_with("it may come only once");
	assert_int_equal(seen.messages, 1);
	stop();
	/* Out as well: that is a mistake of ours. */
	start(ROLE_DIAL, ROLE_PARENT, CHANNEL_CONFIG);
	wire_writer_init(&w);
	wire_put_u64(&w, 1);
	assert_int_equal(channel_send(channel, MESSAGE_HELLO, 0, &w, -1), 0);
	wire_put_u64(&w, 1);
	assert_int_equal(channel_send(channel, MESSAGE_HELLO, 0, &w, -1), -1);
	assert_null(w.data);
	/* What may come often may. */
	seen.closed = 0;
	stop();
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	seen.messages = 0;
	packet(MESSAGE_LOG, 0, 0, 5, -1);
	packet(MESSAGE_LOG, 0, 0, 5, -1);
	run();
	assert_int_equal(seen.messages, 2);
}

static void
outgoing_breaches(void **state)
{
	struct wire_writer w;
	uint8_t p[64];
	int i;

	(void)state;
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	for (i = 0; i < 5; i++) {
		wire_writer_init(&w);
		switch (i) {
		case 0: /* size */
			wire_put_u64(&w, 1);
			assert_int_equal(channel_send(channel, MESSAGE_DIAL, 1, &w, -1), -1);
			break;
		case 1: /* nothing at all */
			assert_int_equal(channel_send(channel, MESSAGE_DIAL, 1, NULL, -1), -1);
			break;
		case 2: /* state */
			wire_put_u64(&w, 1);
			assert_int_equal(channel_send(channel, MESSAGE_CONFIG, 1, &w, -1), -1);
			break;
		case 3: /* role */
			wire_put_u32(&w, 1);
			assert_int_equal(
			    channel_send(channel, MESSAGE_SERVICE_PASSWORD, 1, &w, -1), -1);
			break;
		default: /* a writer that failed */
			wire_put_fixed(&w, p, 7);
			w.failed = true;
			assert_int_equal(channel_send(channel, MESSAGE_DIAL, 1, &w, -1), -1);
			break;
		}
		assert_null(w.data);
	}
	assert_int_equal(recv(far, p, sizeof(p), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

/* --- the queue ---------------------------------------------------------------- */

/* One large message out of the parent. */
static int
send_large(size_t len, uint8_t fill)
{
	struct wire_writer w;
	uint8_t *data = malloc(len);

	assert_non_null(data);
	memset(data, fill, len);
	wire_writer_init(&w);
	wire_put_fixed(&w, data, len);
	free(data);
	return channel_send(channel, MESSAGE_VERDICT, fill, &w, -1);
}

static void
queue_keeps_the_order(void **state)
{
	uint8_t *p;
	ssize_t n;
	size_t total = 0;
	unsigned int turn = 0;

	(void)state;
	p = malloc(PACKET + 1);
	assert_non_null(p);
	start(ROLE_PARENT, ROLE_CLOUD, CHANNEL_RUN);
	for (turn = 0; turn < 40; turn++)
		assert_int_equal(send_large(FRAGMENT, (uint8_t)turn), 0);
	/* The socket holds less than this: the rest goes as it empties. */
	turn = 0;
	while (total < 40) {
		n = recv(far, p, PACKET + 1, MSG_DONTWAIT);
		if (n == -1) {
			assert_int_equal(errno, EAGAIN);
			assert_true(turn > 0); /* it goes on */
			turn = 0;
			run();
			continue;
		}
		assert_int_equal(n, PACKET);
		assert_int_equal(p[4], total);
		assert_int_equal(p[HEADER], total);
		total++;
		turn++;
	}
	assert_int_equal(recv(far, p, PACKET + 1, MSG_DONTWAIT), -1);
	free(p);
}

static void
queue_is_bounded(void **state)
{
	size_t queued = 0;

	(void)state;
	start(ROLE_PARENT, ROLE_CLOUD, CHANNEL_RUN);
	while (send_large(WIRE_MAX, 1) == 0)
		assert_true((queued += WIRE_MAX) <= 2 * CHANNEL_QUEUE_MAX);
	assert_true(queued > CHANNEL_QUEUE_MAX / 2);
	/* And stays so; a descriptor is closed all the same (teardown counts). */
	assert_int_equal(send_large(WIRE_MAX, 1), -1);
	assert_int_equal(seen.closed, 0);
}

static void
flush_waits_and_gives_up(void **state)
{
	uint8_t *p;
	int i, status;
	pid_t pid;

	(void)state;
	start(ROLE_PARENT, ROLE_CLOUD, CHANNEL_RUN);
	for (i = 0; i < 40; i++)
		assert_int_equal(send_large(FRAGMENT, 1), 0);
	assert_int_equal(channel_flush(channel, 30), -1);
	assert_int_equal(errno, ETIMEDOUT);
	/* Another process reads it all: exit status 0 when it was 40 packets. */
	if ((pid = fork()) == 0) {
		p = malloc(PACKET);
		for (i = 0; p != NULL && i < 40; i++) {
			poll(&(struct pollfd){ far, POLLIN, 0 }, 1, 5000);
			if (recv(far, p, PACKET, 0) != PACKET)
				_exit(1);
		}
		_exit(0);
	}
	assert_int_equal(channel_flush(channel, 5000), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(channel_flush(channel, 0), 0);
}

/* --- its end ------------------------------------------------------------------ */

static void
end_of_file(void **state)
{
	(void)state;
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	packet(MESSAGE_LOG, 0, 0, 5, -1);
	close(far);
	far = -1;
	closed_with("end of file");
	/* What came before it was delivered. */
	assert_int_equal(seen.messages, 1);
	run();
	assert_int_equal(seen.closed, 1);
	/* Sending to nobody is no error: the end was told already. */
	assert_int_equal(channel_send(channel, MESSAGE_DRAIN, 0, NULL, -1), 0);
}

/* The last words of a peer that left something unread are heard. */
static void
last_words(void **state)
{
	(void)state;
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	assert_int_equal(channel_send(channel, MESSAGE_DRAIN, 0, NULL, -1), 0);
	packet(MESSAGE_LOG, 0, 0, 5, -1);
	close(far);
	far = -1;
	closed_with("end of file");
	assert_int_equal(seen.messages, 1);
}

static void
freed_in_a_message(void **state)
{
	(void)state;
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	packet(MESSAGE_LOG, 0, 0, 5, -1);
	packet(MESSAGE_LOG, 0, 0, 5, -1);
	seen.free_in_message = true;
	run();
	assert_int_equal(seen.messages, 1);
	assert_int_equal(seen.closed, 0);
}

static void
freed_in_a_fragmented_message_with_an_answer(void **state)
{
	(void)state;
	start(ROLE_PARENT, ROLE_DIRECTORY, CHANNEL_RUN);
	packet(MESSAGE_CHECKED, 1, 7, FRAGMENT, -1);
	packet(MESSAGE_CHECKED, 0, 7, 100, -1);
	seen.free_in_message = seen.answer = true;
	run();
	assert_int_equal(seen.messages, 1);
	assert_int_equal(seen.len, FRAGMENT + 100);
}

static void
freed_in_closed(void **state)
{
	(void)state;
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	seen.free_in_closed = true;
	packet(0xffff, 0, 0, 5, -1);
	run();
	assert_int_equal(seen.closed, 1);
	stop();
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	close(far);
	far = -1;
	run();
	assert_int_equal(seen.closed, 2);
	channel_free(NULL);
}

static void
freed_while_drained(void **state)
{
	(void)state;
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	packet(MESSAGE_LOG, 0, 0, 5, -1);
	close(far);
	far = -1;
	seen.free_in_message = true;
	channel_drain(channel);
	assert_int_equal(seen.messages, 1);
	stop();
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	close(far);
	far = -1;
	seen.free_in_message = false;
	seen.free_in_closed = true;
	channel_drain(channel);
	assert_int_equal(seen.closed, 1);
	channel_drain(NULL);
}

/* More than the event loop takes in one turn. */
static void
drained_to_the_end(void **state)
{
	unsigned int i;

	(void)state;
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	for (i = 0; i < 100; i++)
		packet(MESSAGE_LOG, 0, 0, 5, -1);
	close(far);
	far = -1;
	channel_drain(channel);
	assert_int_equal(seen.messages, 100);
	assert_int_equal(seen.closed, 1);
	channel_drain(channel);
	assert_int_equal(seen.closed, 1);
}

/* Several packets are read at once: the end of the channel may lie between them. */
static void
ended_within_a_batch(void **state)
{
	(void)state;
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	packet(MESSAGE_LOG, 0, 0, 5, -1);
	packet(MESSAGE_LOG, 2, 0, 5, -1);
	packet(MESSAGE_DIALED, 0, 0, 5, STDIN_FILENO);
	packet(MESSAGE_LOG, 0, 0, 5, -1);
	closed_with("bad header");
	assert_int_equal(seen.messages, 1);
	stop();
	/* Its descriptor is closed (teardown counts), also when the owner ended the channel. */
	seen_reset();
	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	packet(MESSAGE_LOG, 0, 0, 5, -1);
	packet(MESSAGE_DIALED, 0, 0, 5, STDIN_FILENO);
	seen.free_in_message = true;
	run();
	assert_int_equal(seen.messages, 1);
	assert_int_equal(seen.closed, 0);
}

static unsigned int others;

static void
on_other_message(void *arg, struct message *m)
{
	(void)arg;
	assert_int_equal(m->id, 100 + others);
	others++;
}

/* Draining one channel in a message of another leaves what came behind that message whole. */
static void
drained_within_a_batch(void **state)
{
	static const struct channel_callbacks other_callbacks = { on_other_message, on_closed };
	struct event_base *asleep = event_base_new();
	struct channel *other;
	uint8_t p[HEADER + 5] = { 0 };
	int pair[2];
	uint32_t i;

	(void)state;
	assert_non_null(asleep);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	other = channel_new(asleep, pair[0], ROLE_PARENT, ROLE_DIAL, &other_callbacks, &seen);
	assert_non_null(other);
	channel_set_state(other, CHANNEL_RUN);
	others = 0;
	for (i = 0; i < 20; i++) {
		header(p, MESSAGE_LOG, 0, 0, 100 + i);
		assert_int_equal(send(pair[1], p, sizeof(p), 0), sizeof(p));
	}
	close(pair[1]);

	start(ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN);
	for (i = 0; i < 3; i++) {
		header(p, MESSAGE_LOG, 0, 0, i);
		memset(p + HEADER, (int)(7 + i), 5);
		raw(p, sizeof(p), NULL, 0, false);
	}
	seen.drain = other;
	run();
	assert_int_equal(others, 20);
	assert_int_equal(seen.closed, 1); /* the other's end */
	assert_int_equal(seen.messages, 3);
	assert_int_equal(seen.id, 2);
	assert_memory_equal(seen.data, "\x09\x09\x09\x09\x09", 5);
	channel_free(other);
	event_base_free(asleep);
}

/* --- the blocking form -------------------------------------------------------- */

static void
blocking_receive(void **state)
{
	(void)state;
	start(ROLE_DIAL, ROLE_PARENT, CHANNEL_CONFIG);
	assert_int_equal(channel_receive(channel, 20, on_message, &seen), -1);
	assert_int_equal(errno, ETIMEDOUT);
	packet(MESSAGE_CONFIG, 0, 0, 8, -1);
	packet(MESSAGE_CONFIG, 1, 3, FRAGMENT, -1);
	packet(MESSAGE_CONFIG, 1, 3, FRAGMENT, -1);
	packet(MESSAGE_CONFIG, 0, 3, 9, -1);
	assert_int_equal(channel_receive(channel, 1000, on_message, &seen), 0);
	assert_int_equal(seen.messages, 1);
	assert_int_equal(channel_receive(channel, 1000, on_message, &seen), 0);
	assert_int_equal(seen.messages, 2);
	assert_int_equal(seen.len, 2 * FRAGMENT + 9);
	packet(MESSAGE_DRAIN, 0, 0, 0, -1);
	assert_int_equal(channel_receive(channel, 1000, on_message, &seen), -1);
	assert_int_equal(errno, EBADMSG);
	stop();
	start(ROLE_DIAL, ROLE_PARENT, CHANNEL_CONFIG);
	close(far);
	far = -1;
	assert_int_equal(channel_receive(channel, 1000, on_message, &seen), -1);
	assert_int_equal(errno, EPIPE);
	stop();
	/* With descriptors on a packet that is nothing (teardown counts). */
	start(ROLE_DIAL, ROLE_PARENT, CHANNEL_CONFIG);
	raw("", 0, (const int[]){ STDIN_FILENO }, 1, false);
	assert_int_equal(channel_receive(channel, 1000, on_message, &seen), -1);
}

/* What the peer left unread does not drown its last words. */
static void
blocking_receive_of_last_words(void **state)
{
	(void)state;
	start(ROLE_PARENT, ROLE_SPAWNER, CHANNEL_CONFIG);
	assert_int_equal(channel_send(channel, MESSAGE_CONFIG_END, 0, NULL, -1), 0);
	packet(MESSAGE_LOG, 0, 0, 5, -1);
	close(far);
	far = -1;
	assert_int_equal(channel_receive(channel, 1000, on_message, &seen), 0);
	assert_int_equal(seen.messages, 1);
	assert_int_equal(channel_receive(channel, 1000, on_message, &seen), -1);
	assert_int_equal(errno, EPIPE);
}

/* --- secrets ------------------------------------------------------------------ */

/* Sends the mark from another process, so that only received copies are in this one. */
static void
send_mark(size_t padding, enum message_type type, size_t trailing)
{
	char mark[WATCH_MARK_SIZE];
	uint8_t *p;
	size_t len = padding + WATCH_MARK_SIZE - 1 + trailing, at, n;
	pid_t pid;
	int status, size = 4 << 20;

	setsockopt(far, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if ((pid = fork()) == 0) {
		p = calloc(1, HEADER + len);
		if (p == NULL)
			_exit(1);
		watch_mark(mark);
		memcpy(p + HEADER + padding, mark, WATCH_MARK_SIZE - 1);
		for (at = 0; at < len; at += n) {
			n = len - at > FRAGMENT ? FRAGMENT : len - at;
			header(p + at, type, at + n < len, 0, 7);
			if (send(far, p + at, HEADER + n, 0) != (ssize_t)(HEADER + n))
				_exit(1);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
forget_copy(void)
{
	if (seen.data != NULL)
		explicit_bzero(seen.data, seen.len);
}

static void
received_secrets_are_wiped(void **state)
{
	/* In one packet; in the first fragment; in the second; in the last, which is short. */
	static const struct {
		size_t padding, trailing;
	} places_of_mark[] = {
		{ 100, 100 },
		{ 100, 2 * FRAGMENT },
		{ FRAGMENT + 100, 2 * FRAGMENT },
		{ 3 * FRAGMENT + 100, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(places_of_mark) / sizeof(places_of_mark[0]); i++) {
		start(ROLE_DIAL, ROLE_PARENT, CHANNEL_CONFIG);
		send_mark(places_of_mark[i].padding, MESSAGE_CONFIG, places_of_mark[i].trailing);
		seen.messages = 0;
		watch_begin();
		run();
		assert_int_equal(seen.messages, 1);
		/* It did arrive. */
		assert_true(watch_contains(seen.data, seen.len));
		forget_copy();
		(void)watch_end();
		if (watch_static_memory())
			fail_msg("the mark stays in the buffer, place %zu", i);
		stop();
	}
}

/* A secret that is refused, or of which not all came, is wiped as well. */
static void
refused_secrets_are_wiped(void **state)
{
	(void)state;
	watch_begin();
	start(ROLE_DIAL, ROLE_PARENT, CHANNEL_RUN);
	send_mark(100, MESSAGE_CONFIG, 100);
	closed_with("not in this state");
	assert_false(watch_static_memory());
	stop();

	seen.closed = 0;
	start(ROLE_PARENT, ROLE_WEB_CONTROL, CHANNEL_RUN);
	send_mark(100, MESSAGE_SET, 2 * FRAGMENT);
	closed_with("too long");
	assert_false(watch_static_memory());
	stop();
	(void)watch_end();
}

static void
sent_secrets_are_wiped(void **state)
{
	char mark[WATCH_MARK_SIZE];
	struct wire_writer w;
	uint8_t *p;
	int i;

	(void)state;
	p = malloc(PACKET);
	assert_non_null(p);
	start(ROLE_PARENT, ROLE_DIRECTORY, CHANNEL_CONFIG);
	watch_begin();
	/* More than the socket takes: some go through the queue. */
	for (i = 0; i < 20; i++) {
		watch_mark(mark);
		wire_writer_init(&w);
		wire_put_string(&w, "service_password");
		wire_put_string(&w, mark);
		wire_put_fixed(&w, p, FRAGMENT / 2);
		explicit_bzero(mark, sizeof(mark));
		assert_int_equal(channel_send(channel, MESSAGE_CONFIG, 0, &w, -1), 0);
	}
	for (i = 0; i < 10;) {
		if (recv(far, p, PACKET, MSG_DONTWAIT) == -1)
			run();
		else
			i++;
	}
	assert_true(watch_contains(p, PACKET));
	explicit_bzero(p, PACKET);
	/* Sent, and left in the queue at the end. */
	stop();
	assert_true(watch_end() > 20);
	assert_false(watch_static_memory());
	free(p);
}

/* --- noise -------------------------------------------------------------------- */

/*
 * Random packets, half of them well-formed: whatever comes, a message that is
 * delivered is one that the table allows, and no descriptor is lost.
 */
static void
noise(void **state)
{
	static uint8_t p[HEADER + 300];
	unsigned int round, i, type;
	enum channel_state at;
	enum role role;
	size_t len;
	int fds[2] = { STDIN_FILENO, STDIN_FILENO };

	(void)state;
	for (round = 0; round < 2000; round++) {
		role = (enum role)(1 + random_below(ROLE_COUNT - 1));
		at = random_below(2) == 0 ? CHANNEL_CONFIG : CHANNEL_RUN;
		seen.closed = 0;
		start(ROLE_PARENT, role, at);
		for (i = 0; i < 20 && seen.closed == 0; i++) {
			for (len = 0; len < sizeof(p); len++)
				p[len] = (uint8_t)random_u32();
			len = random_below(sizeof(p));
			type = random_below(MESSAGE_COUNT + 1);
			if (random_below(4) != 0)
				header(p, type, 0, 0, random_u32());
			if (random_below(2) != 0 && type < MESSAGE_COUNT)
				len = HEADER + message_rules[type].min % 290;
			seen.messages = 0;
			raw(p, len, fds, random_below(8) == 0 ? random_below(3) : 0, false);
			run();
			if (seen.messages > 0 &&
			    message_refused(
				role, ROLE_PARENT, at, seen.type, seen.len, seen.fd != -1) != NULL)
				fail_msg("seed %u, round %u", random_seed(), round);
			assert_true(seen.messages + seen.closed <= 1);
		}
		stop();
	}
}

/* --- without memory ---------------------------------------------------------- */

#define LARGE (6 * FRAGMENT + 5)
#define TURNS_MAX 200

static uint8_t large[LARGE];

/* What the owner of an end saw; it needs no memory for that. */
struct witness {
	unsigned int messages, closed;
	const char *why;
};

static void
witness_message(void *arg, struct message *m)
{
	struct witness *w = arg;

	w->messages++;
	if (m->id == 1) {
		assert_int_equal(m->body.len, LARGE);
		assert_memory_equal(m->body.data, large, LARGE);
	} else {
		assert_int_equal(m->id, 2);
		assert_int_equal(m->body.len, 31);
	}
}

static void
witness_closed(void *arg, const char *why)
{
	struct witness *w = arg;

	w->closed++;
	w->why = why;
}

/* A message in fragments, more than the socket takes at once, and one behind it. */
static bool
sent_without_memory(void *arg)
{
	static const struct channel_callbacks witnesses = { witness_message, witness_closed };
	struct witness receiver = { 0, 0, NULL }, sender = { 0, 0, NULL };
	struct channel *from, *to;
	struct wire_writer w;
	int fds[2], first, second, turns;

	(void)arg;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	from = channel_new(base, fds[0], ROLE_DIRECTORY, ROLE_PARENT, &witnesses, &sender);
	to = channel_new(base, fds[1], ROLE_PARENT, ROLE_DIRECTORY, &witnesses, &receiver);
	if (from == NULL)
		close(fds[0]);
	if (to == NULL)
		close(fds[1]);
	if (from == NULL || to == NULL) {
		channel_free(from);
		channel_free(to);
		return false;
	}
	channel_set_state(from, CHANNEL_RUN);
	channel_set_state(to, CHANNEL_RUN);
	wire_writer_init(&w);
	wire_put_fixed(&w, large, LARGE);
	first = channel_send(from, MESSAGE_CHECKED, 1, &w, -1);
	assert_null(w.data);
	wire_put_fixed(&w, large, 31);
	second = channel_send(from, MESSAGE_CHECKED, 2, &w, -1);
	assert_null(w.data);
	for (turns = 0; turns < TURNS_MAX && receiver.messages < 2 && receiver.closed == 0; turns++)
		assert_int_not_equal(event_base_loop(base, EVLOOP_NONBLOCK), -1);
	allocations_relent();
	/* Nobody is taken for a liar, and what is said to be sent arrives or ends the channel. */
	assert_int_equal(sender.closed, 0);
	if (receiver.closed > 0)
		assert_ptr_equal(receiver.why, channel_no_memory);
	else
		assert_int_equal(receiver.messages, (first == 0) + (second == 0));
	channel_free(from);
	channel_free(to);
	return receiver.messages == 2;
}

static void
want_of_memory(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < LARGE; i++)
		large[i] = (uint8_t)(i * 31 + i / 251);
	allocations_fail_each(sent_without_memory, NULL, ALLOCATIONS_KEPT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_message),
		TEST(bytes_on_the_socket),
		TEST(too_short_for_a_header),
		TEST(header_with_unknown_bits),
		TEST(types_that_are_none),
		TEST(oversize_packet),
		TEST(sizes_in_fragments),
		TEST(fragments_that_break_the_rules),
		TEST(end_between_fragments),
		TEST(descriptor_is_handed_over),
		TEST(descriptors_that_break_the_rules),
		TEST(descriptor_goes_out),
		TEST(incoming_breaches),
		TEST(once_is_once),
		TEST(outgoing_breaches),
		TEST(queue_keeps_the_order),
		TEST(queue_is_bounded),
		TEST(flush_waits_and_gives_up),
		TEST(end_of_file),
		TEST(last_words),
		TEST(freed_in_a_message),
		TEST(freed_in_a_fragmented_message_with_an_answer),
		TEST(freed_in_closed),
		TEST(freed_while_drained),
		TEST(drained_to_the_end),
		TEST(ended_within_a_batch),
		TEST(drained_within_a_batch),
		TEST(blocking_receive),
		TEST(blocking_receive_of_last_words),
		TEST(received_secrets_are_wiped),
		TEST(refused_secrets_are_wiped),
		TEST(sent_secrets_are_wiped),
		TEST(noise),
		TEST(want_of_memory),
	};

	random_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
