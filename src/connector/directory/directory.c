/* SPDX-License-Identifier: ISC */
/*
 * adc-directory: everything that is said to the domain controllers.
 *
 * It opens sealed passwords and checks them, so it must reach nothing: no
 * socket, no file, no other process but its parent.  Connections are handed to it. It
 * holds the service password while it binds and a user's while it checks.
 *
 * It answers:
 *
 *	CHECK_PASSWORD      CHECKED                     attempt.c
 *	EXPLAIN             EXPLAIN_STEP…, EXPLAIN_END       explain.c
 *	TEST_DIRECTORY      TEST_STEP…, TEST_DIRECTORY_END   test_steps.c
 *	DRAIN               finishes what is under way, then ends
 *
 * It asks CONNECT and SERVICE_PASSWORD_GET, and tells DIRECTORY_STATE on every change.
 */
#include "build.h"

#include "ask.h"
#include "attempt.h"
#include "common/jose.h"
#include "common/json.h"
#include "common/log.h"
#include "pool.h"
#include "common/proc.h"
#include "sandbox_directory.h"
#include "service_connection.h"
#include "test_steps.h"
#include "tls.h"
#include "common/wipe.h"

#include <event2/event.h>
#include <ldap.h>
#include <openldap.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The numbers of connections are told no more often than this. */
#define COUNT_INTERVAL_S 1

struct directory {
	struct directory_settings settings;
	struct environment environment;
	struct service *service;
	struct pool *pool;
	struct attempts *attempts;
	struct test_runs *tests;
	struct event *count_timer;
	struct event *end;
	unsigned int told_open;
	unsigned int told_busy;
	bool draining;
};

static void
send_state(struct directory *d)
{
	const struct failure *failure = service_failure(d->service);
	const struct domain *domain = service_domain(d->service);
	bool failed = service_state(d->service) == DIRECTORY_FAILED;
	struct failure both;
	struct wire_writer w;

	failure_set(&both, failure->code, "%s%s%s", failure->text,
	    failure->hint[0] == '\0' ? "" : "; ", failure->hint);
	pool_count(d->pool, &d->told_open, &d->told_busy);
	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)service_state(d->service));
	wire_put_string(&w, service_state(d->service) != DIRECTORY_OK ? both.code : "");
	wire_put_string(&w, failed ? both.text : "");
	wire_put_string(&w, service_host(d->service));
	wire_put_string(&w, domain == NULL ? "" : domain->base);
	wire_put_string(&w, domain == NULL ? "" : domain->netbios);
	wire_put_string(&w, domain == NULL ? "" : domain->realm);
	wire_put_u16(&w, (uint16_t)d->told_open);
	wire_put_u16(&w, (uint16_t)d->told_busy);
	proc_send(d->environment.proc, MESSAGE_DIRECTORY_STATE, 0, &w, -1);
}

static void
on_service_changed(void *arg)
{
	struct directory *d = arg;

	send_state(d);
	/*
	 * While it only connects again what there is stays, unless it may be as dead as what was
	 * lost; back-off is the service's matter.
	 */
	if (service_state(d->service) == DIRECTORY_CONNECTING) {
		if (strcmp(service_failure(d->service)->code, "timeout") == 0)
			pool_forget_idle(d->pool);
	} else
		pool_set_server(d->pool, service_server(d->service), service_address(d->service));
	attempts_service_changed(d->attempts);
}

/* At every bind: only a note that there is something to tell. */
static void
on_pool_changed(void *arg)
{
	static const struct timeval interval = { COUNT_INTERVAL_S, 0 };
	struct directory *d = arg;

	if (!evtimer_pending(d->count_timer, NULL))
		event_add(d->count_timer, &interval);
}

static void
on_elsewhere(void *arg, const struct failure *failure)
{
	struct directory *d = arg;

	service_follow(d->service, failure);
}

static void
on_count(evutil_socket_t fd, short what, void *arg)
{
	struct directory *d = arg;
	unsigned int open, busy;

	(void)fd;
	(void)what;
	pool_count(d->pool, &open, &busy);
	if (open != d->told_open || busy != d->told_busy)
		send_state(d);
}

static void
on_idle(void *arg)
{
	struct directory *d = arg;

	if (d->draining && attempts_count(d->attempts) == 0 && test_runs_count(d->tests) == 0)
		event_active(d->end, 0, 0);
}

/* From the loop, so that whoever finished last has returned. */
static void
on_end(evutil_socket_t fd, short what, void *arg)
{
	struct directory *d = arg;

	(void)fd;
	(void)what;
	proc_exit(d->environment.proc);
}

static void
on_message(void *arg, struct message *m)
{
	struct directory *d = arg;

	switch (m->type) {
	case MESSAGE_CHECK_PASSWORD:
		attempts_check(d->attempts, m);
		break;
	case MESSAGE_EXPLAIN:
		attempts_explain(d->attempts, m);
		break;
	case MESSAGE_EXPLAIN_STOP:
		attempts_explain_stop(d->attempts, m);
		break;
	case MESSAGE_TEST_DIRECTORY:
		test_runs_begin(d->tests, m);
		break;
	case MESSAGE_CONNECTED:
	case MESSAGE_SERVICE_PASSWORD:
	case MESSAGE_UNANSWERED:
		ask_answer(m);
		break;
	case MESSAGE_DRAIN:
		d->draining = true;
		attempts_drain(d->attempts);
		on_idle(d);
		break;
	default:
		proc_bad_message(m);
	}
}

/* What libraries look up, read or allocate at their first use must happen before the sandbox. */
static void
warm_up(struct directory *d)
{
	struct failure failure;
	unsigned char random[16];
	LDAP *ld;
	SSL *ssl;

	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS, NULL) !=
		1 ||
	    RAND_bytes(random, sizeof(random)) != 1)
		fatalx("OpenSSL cannot be used");
	if (jose_warm_up() == -1)
		fatalx("JOSE cannot be used");
	if (ldap_create(&ld) != LDAP_SUCCESS)
		fatalx("libldap cannot be used");
	ldap_unbind_ext(ld, NULL, NULL);
	if (d->settings.tls_mode == TLS_MODE_NONE && d->settings.ca == NULL)
		return;
	d->environment.tls = tls_context_new(d->settings.ca, d->settings.ca_len, &failure);
	if (d->environment.tls == NULL)
		fatalx("%s; %s", failure.text, failure.hint);
	if ((ssl = tls_client(d->environment.tls, -1, "warm-up.invalid")) != NULL)
		SSL_free(ssl);
	free(d->settings.ca);
	d->settings.ca = NULL;
}

static void
set_up(struct directory *d)
{
	static const struct pool_callbacks pool_callbacks = { on_pool_changed, on_elsewhere };
	struct event_base *base = d->environment.base;

	ask_init(d->environment.proc);
	d->service = service_new(&d->environment, on_service_changed, d);
	d->pool = pool_new(&d->environment, &pool_callbacks, d);
	if (d->service == NULL || d->pool == NULL)
		fatalx("no memory");
	d->attempts = attempts_new(&d->environment, d->service, d->pool, on_idle, d);
	d->tests = test_runs_new(&d->environment, d->service, on_idle, d);
	d->count_timer = evtimer_new(base, on_count, d);
	d->end = event_new(base, -1, 0, on_end, d);
	if (d->attempts == NULL || d->tests == NULL || d->count_timer == NULL || d->end == NULL)
		fatalx("no memory");
}

static void
on_start(evutil_socket_t fd, short what, void *arg)
{
	struct directory *d = arg;

	(void)fd;
	(void)what;
	service_start(d->service);
}

int
main(void)
{
	static struct directory d;
	struct event *start;
	const char *wrong;

	/* Before any other use of these libraries: passwords pass through them. */
	if (wipe_use_in_openssl() == -1)
		fatalx("OpenSSL's memory cannot be wiped");
	json_use_wiping_allocator();
	if (connection_library_init() == -1)
		fatalx("libldap cannot be set up");
	d.environment.proc = proc_open(ROLE_DIRECTORY);
	d.environment.base = proc_base(d.environment.proc);
	d.environment.settings = &d.settings;
	directory_settings_init(&d.settings);
	proc_configure(d.environment.proc, directory_settings_item, &d.settings);
	if ((wrong = directory_settings_check(&d.settings)) != NULL)
		fatalx("configuration: %s", wrong);
	warm_up(&d);
	set_up(&d);
	sandbox_directory();
	/* Run-time messages may only be sent after READY, which proc_run() sends. */
	if ((start = event_new(d.environment.base, -1, 0, on_start, &d)) == NULL)
		fatalx("no memory");
	event_active(start, 0, 0);
	proc_run(d.environment.proc, on_message, &d);
}
