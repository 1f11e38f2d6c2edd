/* SPDX-License-Identifier: ISC */
/*
 * A child's parent, played by its target: in place of src/common/proc.c, whose object is then
 * not linked.  What the child sends waits here until the target answers it.  And a socket to the
 * child's own listener, for its client.  Must not be included twice in a program.
 */
#ifndef ADC_FUZZ_PROC_H
#define ADC_FUZZ_PROC_H

#include "common/log.h"
#include "common/proc.h"
#include "fuzz.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <unistd.h>

#define FUZZ_SENT_MAX 256

struct proc {
	struct event_base *base;
	enum role role;
	uint32_t last_id;
	struct {
		enum message_type type;
		uint32_t id;
	} sent[FUZZ_SENT_MAX];
	size_t nsent;
};

static struct proc fuzz_proc;

struct event_base *
proc_base(struct proc *proc)
{
	return proc->base;
}

void
proc_send(struct proc *proc, enum message_type type, uint32_t id, struct wire_writer *w, int fd)
{
	fuzz_check(w == NULL || !w->failed);
	fuzz_check(message_refused(proc->role, ROLE_PARENT, CHANNEL_RUN, type,
		       w == NULL ? 0 : w->len, fd != -1) == NULL);
	fuzz_check(proc->nsent < FUZZ_SENT_MAX);
	proc->sent[proc->nsent].type = type;
	proc->sent[proc->nsent++].id = id;
	if (w != NULL)
		wire_writer_free(w);
}

/* The target's own answers are always right. */
void
proc_bad_message(const struct message *m)
{
	fprintf(stderr, "message %s taken for a bad one\n", message_name(m->type));
	abort();
}

void
proc_exit(struct proc *proc)
{
	(void)proc;
	abort();
}

uint32_t
proc_next_id(struct proc *proc)
{
	if (++proc->last_id == 0)
		proc->last_id = 1;
	return proc->last_id;
}

static inline void
fuzz_quiet(enum log_level level, const char *tag, const char *text)
{
	(void)level;
	(void)tag;
	(void)text;
}

/* Before all else, once. */
static inline void
fuzz_proc_init(enum role role)
{
	/* As the real one does: a client may go at any time. */
	signal(SIGPIPE, SIG_IGN);
	log_set_sink(fuzz_quiet);
	fuzz_check((fuzz_proc.base = event_base_new()) != NULL);
	fuzz_proc.role = role;
}

/* A listening socket with a name that the kernel chose (unix(7)): nothing is left of it. */
static inline int
fuzz_listener(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	fuzz_check(fd != -1);
	fuzz_check(bind(fd, (struct sockaddr *)&sun, sizeof(sun.sun_family)) == 0);
	fuzz_check(listen(fd, 64) == 0);
	return fd;
}

static inline int
fuzz_connect(int listener)
{
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	fuzz_check(fd != -1);
	fuzz_check(getsockname(listener, (struct sockaddr *)&sun, &len) == 0);
	fuzz_check(connect(fd, (struct sockaddr *)&sun, len) == 0);
	return fd;
}

/* One turn of the loop. */
static inline void
fuzz_turn(void)
{
	fuzz_check(event_base_loop(fuzz_proc.base, EVLOOP_NONBLOCK) != -1);
}

/* What has come so far, with a NUL behind it; whether it was all is in *end. */
static inline size_t
fuzz_receive(int fd, char *text, size_t size, bool *end)
{
	size_t len = 0;
	ssize_t n = 1;

	while (len < size - 1 && (n = recv(fd, text + len, size - 1 - len, 0)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	*end = n == 0 || (n == -1 && errno != EAGAIN);
	return len;
}

#endif
