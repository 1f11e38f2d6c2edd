/* SPDX-License-Identifier: ISC */
/*
 * A child's life with its parent. Anything unexpected from the parent ends
 * the child: it has nothing of its own to save.
 */
#include "build.h"

#include "proc.h"

#include "log.h"
#include "probe.h"

#include <sys/prctl.h>

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PARENT_FD 3
#define CONFIG_TIMEOUT_MS 10000

struct proc {
	enum role role;
	struct event_base *base;
	struct channel *channel;
	uint32_t last_id;
	bool configured;
	proc_config_fn config;
	proc_message_fn message;
	void *arg;
};

/* There is one parent; the log needs it from anywhere. */
static struct proc the_proc;

static void
log_to_parent(enum log_level level, const char *tag, const char *text)
{
	struct wire_writer w;

	(void)tag; /* the parent knows who is speaking */
	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)level);
	wire_put_string(&w, text);
	/* Before an end of the process nobody drains the queue: try now. */
	if (channel_send(the_proc.channel, MESSAGE_LOG, 0, &w, -1) == 0)
		channel_flush(the_proc.channel, level == LOG_LEVEL_ERROR ? 1000 : 0);
}

static void
on_message(void *arg, struct message *m)
{
	struct proc *proc = arg;

	proc->message(proc->arg, m);
}

static void
on_closed(void *arg, const char *why)
{
	(void)arg;
	if (why != NULL)
		fatalx("the parent broke the protocol: %s", why);
	_exit(0);
}

struct proc *
proc_open(enum role role)
{
	static const struct channel_callbacks callbacks = { on_message, on_closed };
	struct proc *proc = &the_proc;
	struct event_config *config;
	struct wire_writer w;

	log_init(role_label(role));
	/* A child ends when its parent says so; a terminal's Ctrl-C reaches the whole group. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_NAME, role_label(role), 0, 0, 0);
	proc->role = role;
	if ((config = event_config_new()) == NULL)
		fatalx("no memory");
	/* No timerfd, no changelist: fewer system calls to allow. */
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
	if ((proc->base = event_base_new_with_config(config)) == NULL)
		fatalx("no event loop");
	event_config_free(config);
	if ((proc->channel = channel_new(
		 proc->base, PARENT_FD, role, ROLE_PARENT, &callbacks, proc)) == NULL)
		fatalx("descriptor %d is not a parent's socket: this program is started by %s",
		    PARENT_FD, "adconnectord or adhubd");
	log_set_sink(log_to_parent);
	wire_writer_init(&w);
	wire_put_u32(&w, MESSAGE_PROTOCOL);
	wire_put_string(&w, PACKAGE_VERSION);
	proc_send(proc, MESSAGE_HELLO, 0, &w, -1);
	return proc;
}

static void
on_config(void *arg, struct message *m)
{
	struct proc *proc = arg;
	const uint8_t *value = NULL;
	char key[64];
	size_t len = 0;
	int fd = -1;

	switch (m->type) {
	case MESSAGE_CONFIG_END:
		proc->configured = true;
		return;
	case MESSAGE_CONFIG:
		wire_get_string(&m->body, key, sizeof(key), 1);
		value = wire_get_bytes(&m->body, 0, WIRE_MAX, &len);
		break;
	case MESSAGE_CONFIG_FD:
		wire_get_string(&m->body, key, sizeof(key), 1);
		fd = m->fd;
		m->fd = -1;
		break;
	default:
		proc_bad_message(m);
	}
	if (wire_end(&m->body) == -1)
		proc_bad_message(m);
	/* "log_level" is the same for every process. */
	if (strcmp(key, "log_level") == 0 && len == 1 && value != NULL &&
	    value[0] <= LOG_LEVEL_DEBUG)
		log_set_level((enum log_level)value[0]);
	else if (proc->config(proc->arg, key, value, len, fd) == -1)
		fatalx("configuration item %s is unknown or has a bad value", key);
}

void
proc_configure(struct proc *proc, proc_config_fn config, void *arg)
{
	proc->config = config;
	proc->arg = arg;
	if (channel_flush(proc->channel, CONFIG_TIMEOUT_MS) == -1)
		_exit(0);
	while (!proc->configured) {
		if (channel_receive(proc->channel, CONFIG_TIMEOUT_MS, on_config, proc) == -1) {
			if (errno == EPIPE || errno == ECONNRESET)
				_exit(0); /* the parent changed its mind */
			fatal("no configuration from the parent");
		}
	}
}

void
proc_run(struct proc *proc, proc_message_fn message, void *arg)
{
	proc->message = message;
	proc->arg = arg;
	proc_send(proc, MESSAGE_READY, 0, NULL, -1);
	channel_set_state(proc->channel, CHANNEL_RUN);
	/* The spawner's children inherit what it is denied: it can be denied little. */
	if (proc->role != ROLE_SPAWNER)
		probe_sandbox(proc->role);
	if (event_base_dispatch(proc->base) == -1)
		fatal("event loop");
	fatalx("the event loop ended");
}

struct event_base *
proc_base(struct proc *proc)
{
	return proc->base;
}

void
proc_send(struct proc *proc, enum message_type type, uint32_t id, struct wire_writer *w, int fd)
{
	if (channel_send(proc->channel, type, id, w, fd) == -1)
		_exit(1);
}

void
proc_bad_message(const struct message *m)
{
	const struct message_rule *unreadable = &message_rules[MESSAGE_UNREADABLE];
	struct wire_writer w;

	if (m->body.short_of_memory)
		fatalx("message %s from the parent: out of memory", message_name(m->type));
	if (!message_relayed(m->type) || (unreadable->from & 1U << the_proc.role) == 0)
		fatalx("bad message %s from the parent", message_name(m->type));
	wire_writer_init(&w);
	wire_put_u16(&w, m->type);
	proc_send(&the_proc, MESSAGE_UNREADABLE, m->id, &w, -1);
	fatalx("bad message %s from another process", message_name(m->type));
}

void
proc_exit(struct proc *proc)
{
	(void)channel_flush(proc->channel, 1000);
	_exit(0);
}

uint32_t
proc_next_id(struct proc *proc)
{
	if (++proc->last_id == 0)
		proc->last_id = 1;
	return proc->last_id;
}
