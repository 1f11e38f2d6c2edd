/* SPDX-License-Identifier: ISC */
/*
 * A TCP proxy that hurts: delay, little bandwidth, stalls, lost bytes, flipped bits, cuts.
 *
 *   fault_proxy LISTEN-ADDRESS LISTEN-PORT TARGET-ADDRESS TARGET-PORT
 *
 * Prints "listening PORT", then obeys one command a line from standard input and answers each
 * with a line: "ok", "error …", or what was asked for.  Ends with its standard input.
 * The commands are those of tests/lab/faults.py, which is how tests use it.
 *
 * Only for tests, on addresses of this machine: numeric ones, no look-ups.  It must cost
 * little, for load goes through it while the machine is measured.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <bsd/stdlib.h>
#include <bsd/sys/queue.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_MAX (64U << 10)
/* Bytes that wait in one direction of a connection before its source is left alone. */
#define WAITING_MAX (4U << 20)
#define CONNECTIONS_MAX 8192
#define SLOW_STEP_MS 20
#define DELAY_MAX_MS 60000

enum { UP, DOWN }; /* client to target, target to client */

enum mode {
	MODE_PASS,
	MODE_FREEZE,	/* reads nothing: what comes waits in the kernel's buffers */
	MODE_BLACK_HOLE /* reads and loses; a connection that lost something is cut at its end */
};

/* What holds for one direction of all connections. */
struct fault {
	enum mode mode;
	uint64_t delay_us;
	uint64_t bytes_per_s; /* 0: as fast as it goes */
	uint64_t flip_every;  /* 0: never */
	uint64_t flip_offset;
	uint64_t cut_after; /* bytes of a connection from now on; 0: never */
	uint64_t bytes;	    /* passed in all */
};

struct chunk {
	STAILQ_ENTRY(chunk) entry;
	uint64_t due_us;
	size_t len, at;
	uint8_t data[];
};

struct connection;

struct way {
	struct connection *connection;
	int direction;
	int from, to;
	struct event *readable, *writable, *timer;
	STAILQ_HEAD(, chunk) waiting;
	size_t waiting_len;
	uint64_t last_due_us;
	uint64_t read;	     /* bytes of this connection */
	uint64_t cut_at;     /* 0: never */
	bool ended;	     /* the source has said its end */
	bool lost;	     /* something went into the black hole */
	bool passed_the_end; /* … and the target knows */
};

struct connection {
	TAILQ_ENTRY(connection) entry;
	struct way way[2];
	bool connected;
};

static struct event_base *base;
static struct event *acceptor;
static int listener = -1;
static struct sockaddr_in listen_address, target;
static TAILQ_HEAD(, connection) connections = TAILQ_HEAD_INITIALIZER(connections);
static unsigned long open_now, accepted;
static struct fault faults[2];

static void pump(struct way *);

static uint64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void
die(const char *what)
{
	fprintf(stderr, "fault_proxy: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
way_free(struct way *w)
{
	struct chunk *c;

	while ((c = STAILQ_FIRST(&w->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&w->waiting, entry);
		free(c);
	}
	event_free(w->readable);
	event_free(w->writable);
	event_free(w->timer);
}

/* With reset both ends see the connection break, otherwise they see it end. */
static void
connection_end(struct connection *c, bool reset)
{
	const struct linger hard = { 1, 0 };
	int direction;

	for (direction = UP; direction <= DOWN; direction++) {
		if (reset)
			setsockopt(
			    c->way[direction].from, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		way_free(&c->way[direction]);
	}
	close(c->way[UP].from);
	close(c->way[DOWN].from);
	TAILQ_REMOVE(&connections, c, entry);
	open_now--;
	free(c);
}

static void
flip(const struct fault *f, uint64_t position, uint8_t *data, size_t len)
{
	uint64_t i;

	if (f->flip_every == 0)
		return;
	i = (f->flip_every -
		(position + f->flip_every - f->flip_offset % f->flip_every) % f->flip_every) %
	    f->flip_every;
	for (; i < len; i += f->flip_every)
		data[i] ^= 0x20;
}

/* Appends what was read, due when the faults in force say so. 0, or -1 when memory is short. */
static int
enqueue(struct way *w, const uint8_t *data, size_t len)
{
	struct fault *f = &faults[w->direction];
	uint64_t due = now_us() + f->delay_us;
	struct chunk *c;

	if ((c = malloc(sizeof(*c) + len)) == NULL)
		return -1;
	memcpy(c->data, data, len);
	flip(f, w->read, c->data, len);
	c->len = len;
	c->at = 0;
	if (due < w->last_due_us)
		due = w->last_due_us; /* order is kept when the delay shrinks */
	if (f->bytes_per_s > 0)
		due += len * 1000000 / f->bytes_per_s;
	w->last_due_us = c->due_us = due;
	STAILQ_INSERT_TAIL(&w->waiting, c, entry);
	w->waiting_len += len;
	return 0;
}

static size_t
read_size(const struct fault *f)
{
	size_t step;

	if (f->bytes_per_s == 0)
		return CHUNK_MAX;
	step = f->bytes_per_s * SLOW_STEP_MS / 1000;
	return step == 0 ? 1 : step > CHUNK_MAX ? CHUNK_MAX : step;
}

static bool
may_read(const struct way *w)
{
	const struct fault *f = &faults[w->direction];
	size_t most = f->bytes_per_s > 0 ? 2 * read_size(f) : WAITING_MAX;

	return w->connection->connected && !w->ended && f->mode != MODE_FREEZE &&
	    w->waiting_len < most;
}

static void
watch(struct way *w)
{
	struct chunk *c = STAILQ_FIRST(&w->waiting);
	struct timeval tv;
	uint64_t now, wait;

	if (may_read(w))
		event_add(w->readable, NULL);
	else
		event_del(w->readable);
	event_del(w->timer);
	if (c == NULL || faults[w->direction].mode == MODE_FREEZE) {
		event_del(w->writable);
		return;
	}
	now = now_us();
	if (c->due_us <= now) {
		event_add(w->writable, NULL);
		return;
	}
	event_del(w->writable);
	wait = c->due_us - now;
	tv.tv_sec = (time_t)(wait / 1000000);
	tv.tv_usec = (suseconds_t)(wait % 1000000);
	event_add(w->timer, &tv);
}

/* Sends what is due. -1: the connection is gone. */
static int
send_due(struct way *w)
{
	struct fault *f = &faults[w->direction];
	uint64_t now = now_us();
	struct chunk *c;
	ssize_t n;

	while (
	    (c = STAILQ_FIRST(&w->waiting)) != NULL && c->due_us <= now && f->mode != MODE_FREEZE) {
		n = send(w->to, c->data + c->at, c->len - c->at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n == -1) {
			connection_end(w->connection, true);
			return -1;
		}
		f->bytes += (uint64_t)n;
		w->waiting_len -= (size_t)n;
		c->at += (size_t)n;
		if (c->at == c->len) {
			STAILQ_REMOVE_HEAD(&w->waiting, entry);
			free(c);
		}
	}
	if (w->ended && STAILQ_EMPTY(&w->waiting) && !w->passed_the_end) {
		w->passed_the_end = true;
		shutdown(w->to, SHUT_WR);
		if (w->connection->way[!w->direction].passed_the_end) {
			connection_end(w->connection, false);
			return -1;
		}
	}
	return 0;
}

/* Reads what may be read. -1: the connection is gone. */
static int
receive(struct way *w)
{
	static uint8_t data[CHUNK_MAX];
	struct fault *f = &faults[w->direction];
	size_t want = read_size(f);
	ssize_t n;

	if (w->cut_at > 0 && want > w->cut_at - w->read)
		want = w->cut_at - w->read;
	n = recv(w->from, data, want, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == -1) {
		connection_end(w->connection, true);
		return -1;
	}
	if (n == 0)
		w->ended = true;
	else if (f->mode == MODE_BLACK_HOLE)
		w->lost = true;
	else if (enqueue(w, data, (size_t)n) == -1) {
		connection_end(w->connection, true);
		return -1;
	}
	w->read += (uint64_t)n;
	if (w->cut_at > 0 && w->read >= w->cut_at) {
		/* What came before the cut still goes out, if it is due. */
		if (send_due(w) == 0)
			connection_end(w->connection, true);
		return -1;
	}
	return 0;
}

static void
pump(struct way *w)
{
	if (send_due(w) == 0)
		watch(w);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct way *w = arg;

	(void)fd;
	(void)what;
	if (!may_read(w))
		watch(w);
	else if (receive(w) == 0)
		pump(w);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct way *w = arg;
	struct connection *c = w->connection;
	socklen_t len = sizeof(int);
	int error = 0;

	(void)fd;
	(void)what;
	if (c->connected) {
		pump(w);
		return;
	}
	if (getsockopt(w->to, SOL_SOCKET, SO_ERROR, &error, &len) == -1 || error != 0) {
		connection_end(c, true);
		return;
	}
	c->connected = true;
	watch(&c->way[UP]);
	watch(&c->way[DOWN]);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	pump(arg);
}

static void
way_init(struct connection *c, int direction, int from, int to)
{
	const struct fault *f = &faults[direction];
	struct way *w = &c->way[direction];

	w->connection = c;
	w->direction = direction;
	w->from = from;
	w->to = to;
	w->cut_at = f->cut_after;
	STAILQ_INIT(&w->waiting);
	w->readable = event_new(base, from, EV_READ | EV_PERSIST, on_readable, w);
	w->writable = event_new(base, to, EV_WRITE, on_writable, w);
	w->timer = evtimer_new(base, on_timer, w);
	if (w->readable == NULL || w->writable == NULL || w->timer == NULL)
		die("events");
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	const int on = 1;
	struct connection *c;
	int client, server;

	(void)what;
	(void)arg;
	client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (client == -1)
		return;
	accepted++;
	server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server == -1 || open_now >= CONNECTIONS_MAX || (c = calloc(1, sizeof(*c))) == NULL) {
		close(client);
		if (server != -1)
			close(server);
		return;
	}
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	way_init(c, UP, client, server);
	way_init(c, DOWN, server, client);
	TAILQ_INSERT_TAIL(&connections, c, entry);
	open_now++;
	if (connect(server, (struct sockaddr *)&target, sizeof(target)) == -1 &&
	    errno != EINPROGRESS) {
		connection_end(c, true);
		return;
	}
	event_add(c->way[UP].writable, NULL);
}

static void
listen_start(void)
{
	const int on = 1;
	socklen_t len = sizeof(listen_address);

	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener == -1)
		die("socket");
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&listen_address, sizeof(listen_address)) == -1 ||
	    listen(listener, 1024) == -1 ||
	    getsockname(listener, (struct sockaddr *)&listen_address, &len) == -1)
		die("listen");
	acceptor = event_new(base, listener, EV_READ | EV_PERSIST, on_accept, NULL);
	if (acceptor == NULL || event_add(acceptor, NULL) == -1)
		die("listen");
}

static void
listen_stop(void)
{
	if (listener == -1)
		return;
	event_free(acceptor);
	close(listener);
	listener = -1;
}

/* New faults may let go on what waited, and connections that lost bytes have an end now. */
static void
faults_changed(void)
{
	struct connection *c, *next;
	int direction;
	bool gone;

	TAILQ_FOREACH_SAFE (c, &connections, entry, next) {
		gone = false;
		for (direction = UP; direction <= DOWN && !gone; direction++) {
			if (c->way[direction].lost && faults[direction].mode != MODE_BLACK_HOLE) {
				connection_end(c, true);
				gone = true;
			}
		}
		for (direction = UP; direction <= DOWN && !gone && c->connected; direction++) {
			if (send_due(&c->way[direction]) == -1)
				gone = true;
			else
				watch(&c->way[direction]);
		}
	}
}

static void
cut_all(bool reset)
{
	struct connection *c;

	while ((c = TAILQ_FIRST(&connections)) != NULL)
		connection_end(c, reset);
}

static void
cut_after(int direction, uint64_t bytes)
{
	struct connection *c;

	faults[direction].cut_after = bytes;
	TAILQ_FOREACH (c, &connections, entry)
		c->way[direction].cut_at = bytes == 0 ? 0 : c->way[direction].read + bytes;
}

/* One of the settings of a direction; false when there is none of that name. */
static bool
set_fault(int direction, const char *word, uint64_t a, uint64_t b)
{
	struct fault *f = &faults[direction];

	if (strcmp(word, "pass") == 0) {
		cut_after(direction, 0);
		f->mode = MODE_PASS;
		f->delay_us = f->bytes_per_s = f->flip_every = 0;
	} else if (strcmp(word, "freeze") == 0)
		f->mode = MODE_FREEZE;
	else if (strcmp(word, "blackhole") == 0)
		f->mode = MODE_BLACK_HOLE;
	else if (strcmp(word, "delay") == 0 && a <= DELAY_MAX_MS * 1000)
		f->delay_us = a;
	else if (strcmp(word, "slow") == 0)
		f->bytes_per_s = a;
	else if (strcmp(word, "flip") == 0) {
		f->flip_every = a;
		f->flip_offset = b;
	} else if (strcmp(word, "cut_after") == 0)
		cut_after(direction, a);
	else
		return false;
	return true;
}

static void
command(char *line)
{
	char word[16], which[8];
	unsigned long long a = 0, b = 0;
	bool known = true;
	int n;

	n = sscanf(line, "%15s %7s %llu %llu", word, which, &a, &b);
	if (n >= 1 && strcmp(word, "stats") == 0) {
		printf("%lu %lu %llu %llu\n", accepted, open_now,
		    (unsigned long long)faults[UP].bytes, (unsigned long long)faults[DOWN].bytes);
		return;
	}
	if (n >= 2 && strcmp(word, "cut") == 0)
		cut_all(strcmp(which, "reset") == 0);
	else if (n >= 2 && strcmp(word, "listen") == 0) {
		listen_stop();
		if (strcmp(which, "on") == 0)
			listen_start();
	} else if (n >= 2) {
		if (strcmp(which, "down") != 0)
			known = set_fault(UP, word, a, b);
		if (strcmp(which, "up") != 0)
			known = set_fault(DOWN, word, a, b) && known;
		faults_changed();
	} else
		known = false;
	puts(known ? "ok" : "error unknown command");
}

static void
on_command(evutil_socket_t fd, short what, void *arg)
{
	static char buffer[4096];
	static size_t used;
	char *end;
	ssize_t n;

	(void)what;
	(void)arg;
	n = read(fd, buffer + used, sizeof(buffer) - used);
	if (n <= 0 || used + (size_t)n == sizeof(buffer)) {
		event_base_loopbreak(base);
		return;
	}
	used += (size_t)n;
	while ((end = memchr(buffer, '\n', used)) != NULL) {
		*end = '\0';
		command(buffer);
		used -= (size_t)(end + 1 - buffer);
		memmove(buffer, end + 1, used);
	}
	fflush(stdout);
}

static void
read_address(struct sockaddr_in *address, const char *host, const char *port)
{
	const char *why;

	address->sin_family = AF_INET;
	address->sin_port = htons((uint16_t)strtonum(port, 0, UINT16_MAX, &why));
	if (why != NULL || inet_pton(AF_INET, host, &address->sin_addr) != 1) {
		fprintf(stderr, "fault_proxy: %s:%s is no address\n", host, port);
		exit(64);
	}
}

/* By libevent's own clock, which is coarse, 5 ms would become 8. */
static struct event_base *
precise_base(void)
{
	struct event_config *config;
	struct event_base *precise = NULL;

	if ((config = event_config_new()) == NULL ||
	    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == -1 ||
	    (precise = event_base_new_with_config(config)) == NULL)
		die("event loop");
	event_config_free(config);
	return precise;
}

int
main(int argc, char **argv)
{
	struct event *commands;

	if (argc != 5) {
		fprintf(stderr, "usage: fault_proxy ADDRESS PORT TARGET-ADDRESS TARGET-PORT\n");
		return 64;
	}
	read_address(&listen_address, argv[1], argv[2]);
	read_address(&target, argv[3], argv[4]);
	base = precise_base();
	listen_start();
	printf("listening %u\n", ntohs(listen_address.sin_port));
	fflush(stdout);
	commands = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_command, NULL);
	if (commands == NULL || event_add(commands, NULL) == -1)
		die("standard input");
	event_base_dispatch(base);
	cut_all(true);
	listen_stop();
	event_free(commands);
	event_base_free(base);
	return 0;
}
