/* SPDX-License-Identifier: ISC */
/* See rekey.h.  The parent asks for one change at a time; so there is one of everything here. */
#include "rekey.h"

#include "common/log.h"
#include "common/rekey.h"
#include "common/wipe.h"
#include "tunnel.h"

#include <event2/event.h>

static const struct cloud *cloud;
static const struct tunnel *waits_on; /* NULL: nothing is under way */
static uint32_t question;
static struct event *deadline;

static void
answer(uint32_t id, enum rekey_result outcome, const char *reason)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)outcome);
	wire_put_string(&w, reason);
	proc_send(cloud->proc, MESSAGE_REKEY_ANSWER, id, &w, -1);
}

static void
end(enum rekey_result outcome, const char *reason)
{
	evtimer_del(deadline);
	waits_on = NULL;
	answer(question, outcome, reason);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	end(REKEY_UNANSWERED, "");
}

void
rekey_send(const struct cloud *c, struct tunnel *tunnel, struct message *m)
{
	static const struct timeval longest = { REKEY_DEADLINE_MS / 1000, 0 };
	char statement[REKEY_JWS_MAX + 1], proof[REKEY_JWS_MAX + 1], *text;
	size_t len = 0;

	wire_get_string(&m->body, statement, sizeof(statement), 1);
	wire_get_string(&m->body, proof, sizeof(proof), 1);
	if (wire_end(&m->body) == -1 || waits_on != NULL)
		proc_bad_message(m);
	cloud = c;
	if (tunnel == NULL) {
		answer(m->id, REKEY_NOT_SENT, "");
		return;
	}
	if ((deadline == NULL &&
		(deadline = evtimer_new(cloud->base, on_deadline, NULL)) == NULL) ||
	    evtimer_add(deadline, &longest) == -1 ||
	    (text = frame_rekey(statement, proof, &len)) == NULL)
		fatalx("new keys: out of memory");
	waits_on = tunnel;
	question = m->id;
	tunnel_send(tunnel, text, len);
	wiping_free(text);
}

void
rekey_take(const struct tunnel *tunnel, const struct frame *frame)
{
	if (tunnel == waits_on)
		end(frame->rekeyed, frame->reason);
	else
		log_info("%s: an answer about new keys came too late", cloud->hub_name);
}

void
rekey_tunnel_gone(const struct tunnel *tunnel)
{
	if (tunnel == waits_on)
		end(REKEY_LOST, "");
}
