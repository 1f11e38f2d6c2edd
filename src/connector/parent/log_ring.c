/* SPDX-License-Identifier: ISC */
/*
 * The last lines of the log, kept for `adconnectorctl log` and sent on as they
 * come to those who follow.  Lines go to standard error (or syslog) as well;
 * nothing is written to a file here.
 */
#include "adconnectord.h"

#include "common/log.h"

#include <bsd/sys/queue.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINES_MAX 4096
#define BYTES_MAX (1U << 20)
#define FOLLOWERS_MAX 32 /* as many as both of adc-web's instances let in */

struct line {
	STAILQ_ENTRY(line) entry;
	uint64_t sequence;
	uint64_t time_ms;
	enum log_level level;
	char tag[16];
	size_t len;
	char text[];
};

static struct {
	STAILQ_HEAD(, line) lines;
	size_t count, bytes;
	uint64_t sequence;
	/*
	 * Lines are being sent. A child that cannot be sent to is logged about: that line is
	 * kept, but pushes none out under the sender, and is sent to nobody.
	 */
	bool sending;
	struct {
		struct child *child;
		uint32_t id;
	} followers[FOLLOWERS_MAX];
} ring = { .lines = STAILQ_HEAD_INITIALIZER(ring.lines) };

static void
send_line(struct child *child, uint32_t id, const struct line *line)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u64(&w, line->sequence);
	wire_put_u64(&w, line->time_ms);
	wire_put_u8(&w, (uint8_t)line->level);
	wire_put_string(&w, line->tag);
	wire_put_string(&w, line->text);
	child_send(child, MESSAGE_LOG_LINE, id, &w, -1);
}

static void
keep(enum log_level level, const char *tag, const char *text)
{
	struct line *line, *oldest;
	struct timespec now;
	size_t len = strlen(text), i;

	if ((line = malloc(sizeof(*line) + len + 1)) == NULL)
		return; /* it went to standard error */
	clock_gettime(CLOCK_REALTIME, &now);
	line->sequence = ++ring.sequence;
	line->time_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	line->level = level;
	line->len = len;
	strncpy(line->tag, tag, sizeof(line->tag) - 1);
	line->tag[sizeof(line->tag) - 1] = '\0';
	memcpy(line->text, text, len + 1);
	STAILQ_INSERT_TAIL(&ring.lines, line, entry);
	ring.count++;
	ring.bytes += len;
	if (ring.sending)
		return;
	while (ring.count > LINES_MAX || ring.bytes > BYTES_MAX) {
		oldest = STAILQ_FIRST(&ring.lines);
		STAILQ_REMOVE_HEAD(&ring.lines, entry);
		ring.count--;
		ring.bytes -= oldest->len;
		free(oldest);
	}
	ring.sending = true;
	for (i = 0; i < FOLLOWERS_MAX; i++) {
		if (ring.followers[i].child != NULL)
			send_line(ring.followers[i].child, ring.followers[i].id, line);
	}
	ring.sending = false;
}

static void
sink(enum log_level level, const char *tag, const char *text)
{
	log_write(level, tag, text);
	keep(level, tag, text);
}

void
log_ring_init(struct connector *connector)
{
	(void)connector;
	log_set_sink(sink);
}

void
log_ring_get(struct child *child, struct message *m)
{
	struct line *line;
	uint64_t first;
	uint8_t follow;
	size_t i;

	first = wire_get_u64(&m->body);
	follow = wire_get_u8(&m->body);
	if (wire_end(&m->body) == -1 || follow > 1) {
		child_breach(child, "bad LOG_GET");
		return;
	}
	ring.sending = true;
	STAILQ_FOREACH (line, &ring.lines, entry) {
		if (child_ended(child))
			break;
		if (line->sequence >= first)
			send_line(child, m->id, line);
	}
	ring.sending = false;
	/* Its end has been reported by now: nobody would take it off the list again. */
	if (child_ended(child))
		return;
	for (i = 0; follow && i < FOLLOWERS_MAX; i++) {
		if (ring.followers[i].child == NULL) {
			ring.followers[i].child = child;
			ring.followers[i].id = m->id;
			return;
		}
	}
	child_send(child, MESSAGE_LOG_END, m->id, NULL, -1);
}

void
log_ring_stop(struct child *child, struct message *m)
{
	size_t i;

	for (i = 0; i < FOLLOWERS_MAX; i++) {
		if (ring.followers[i].child == child && ring.followers[i].id == m->id)
			ring.followers[i].child = NULL;
	}
}

void
log_ring_child_gone(struct child *child)
{
	size_t i;

	for (i = 0; i < FOLLOWERS_MAX; i++) {
		if (ring.followers[i].child == child)
			ring.followers[i].child = NULL;
	}
}
