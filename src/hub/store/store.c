/* SPDX-License-Identifier: ISC */
/*
 * adhub-store keeps what the hub must not forget: connections, tickets,
 * connectors and the audit, in one SQLite file that only it can open.
 *
 * It decides what a ticket is worth and who may approve what, so that the gate,
 * which reads everything from outside, cannot: ADMIN comes from the control gate
 * alone, by the message table.  It must not parse anything but messages, and never
 * answer that a change was made before it is on the disk.
 */
#include "store.h"

#include "admin.h"
#include "audit_chain.h"
#include "common/jose.h"
#include "common/json.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/rekey.h"
#include "sandbox_store.h"
#include "common/status.h"
#include "common/wipe.h"

#include <sys/stat.h>

#include <event2/event.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

/* Longest text in a message; columns are shorter, and cut what is too long. */
#define TEXT_MAX 16384
/* Between two tries to write rows that could not be written. */
#define RETRY_MS 1000

static struct {
	struct proc *proc;
	struct store store;
	char directory[PATH_MAX];
	int64_t audit_rows;
	struct event *flush; /* due when rows wait */
	/* The walk over the audit that is under way, one at a time. */
	struct event *check_event; /* NULL: none */
	struct audit_check check;
	uint32_t check_id;
} store;

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int
store_config(void *arg, const char *key, const void *value, size_t len, int fd)
{
	struct wire_reader r;

	(void)arg;
	if (fd != -1 || value == NULL)
		return -1;
	if (strcmp(key, "directory") == 0) {
		if (len == 0 || len + sizeof("/store.db") > sizeof(store.directory) ||
		    ((const char *)value)[0] != '/' || memchr(value, '\0', len) != NULL)
			return -1;
		memcpy(store.directory, value, len);
		store.directory[len] = '\0';
		return 0;
	}
	/* u64, how many rows of the audit are kept; AUDIT_ROWS_MAX when it does not come. */
	if (strcmp(key, "audit_rows") == 0) {
		wire_reader_init(&r, value, len);
		store.audit_rows = (int64_t)wire_get_u64(&r);
		return wire_end(&r) == -1 || store.audit_rows < 1 ||
			store.audit_rows > AUDIT_ROWS_MAX
		    ? -1
		    : 0;
	}
	return -1;
}

/* --- the group of audit rows ----------------------------------------------- */

static void
flush_after(long ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	if (!event_pending(store.flush, EV_TIMEOUT, NULL))
		event_add(store.flush, &tv);
}

static void
on_flush(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	if (audit_flush(store.store.audit, now_ms()) == -1)
		flush_after(RETRY_MS);
}

/* Other changes write the waiting rows too; then there is nothing left to do. */
static void
flush_when_due(void)
{
	if (audit_waiting(store.store.audit) > 0)
		flush_after(AUDIT_DELAY_MS);
	else
		event_del(store.flush);
}

/* --- what the gate asks ---------------------------------------------------- */

static void
ticket_get(struct message *m)
{
	char secret[129];
	struct ticket_view view;
	struct wire_writer w;

	wire_get_string(&m->body, secret, sizeof(secret), 0);
	if (wire_end(&m->body) == -1)
		proc_bad_message(m);
	ticket_find(&store.store, secret, now_ms(), &view);
	explicit_bzero(secret, sizeof(secret));
	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)view.state);
	wire_put_string(&w, view.identifier);
	wire_put_string(&w, view.display_name);
	proc_send(store.proc, MESSAGE_TICKET, m->id, &w, -1);
}

static void
enrol(struct message *m)
{
	char secret[129], name[2048], version[2048], address[2048];
	struct enrolment e = { secret, name, version, address, { 0 }, { 0 } };
	struct enrolled out;
	struct wire_writer w;

	wire_get_string(&m->body, secret, sizeof(secret), 0);
	wire_get_string(&m->body, name, sizeof(name), 0);
	wire_get_string(&m->body, version, sizeof(version), 0);
	wire_get_fixed(&m->body, e.sign_key, sizeof(e.sign_key));
	wire_get_fixed(&m->body, e.seal_key, sizeof(e.seal_key));
	wire_get_string(&m->body, address, sizeof(address), 0);
	if (wire_end(&m->body) == -1)
		proc_bad_message(m);
	connector_enrol(&store.store, &e, now_ms(), &out);
	explicit_bzero(secret, sizeof(secret));
	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)out.ticket);
	wire_put_string(&w, out.connector);
	wire_put_string(&w, out.identifier);
	wire_put_u8(&w, (uint8_t)out.state);
	proc_send(store.proc, MESSAGE_CONNECTOR_ENROLLED, m->id, &w, -1);
}

static void
connector_get(struct message *m)
{
	char id[129];
	struct connector_view view;
	struct wire_writer w;
	uint8_t before[CONNECTOR_KEY_SIZE];
	uint32_t seconds;

	wire_get_string(&m->body, id, sizeof(id), 0);
	if (wire_end(&m->body) == -1)
		proc_bad_message(m);
	connector_find(&store.store, id, &view);
	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)view.state);
	wire_put_string(&w, view.identifier);
	wire_put_string(&w, view.name);
	wire_put_fixed(&w, view.sign_key, sizeof(view.sign_key));
	wire_put_fixed(&w, view.seal_key, sizeof(view.seal_key));
	seconds = connector_seal_before(&store.store, id, now_ms(), before);
	wire_put_fixed(&w, before, sizeof(before));
	wire_put_u32(&w, seconds);
	proc_send(store.proc, MESSAGE_CONNECTOR, m->id, &w, -1);
}

static void
rekey(struct message *m)
{
	char connector[129], url[2048], nonce[129], old[129], address[129];
	char statement[REKEY_JWS_MAX + 1], proof[REKEY_JWS_MAX + 1];
	struct rekey r = { connector, url, nonce, old, statement, proof, address, { 0 }, { 0 } };
	struct wire_writer w;

	wire_get_string(&m->body, connector, sizeof(connector), 0);
	wire_get_string(&m->body, url, sizeof(url), 0);
	wire_get_string(&m->body, nonce, sizeof(nonce), 0);
	wire_get_string(&m->body, old, sizeof(old), 0);
	wire_get_fixed(&m->body, r.sign_key, sizeof(r.sign_key));
	wire_get_fixed(&m->body, r.seal_key, sizeof(r.seal_key));
	wire_get_string(&m->body, statement, sizeof(statement), 0);
	wire_get_string(&m->body, proof, sizeof(proof), 0);
	wire_get_string(&m->body, address, sizeof(address), 0);
	if (wire_end(&m->body) == -1)
		proc_bad_message(m);
	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)connector_rekey(&store.store, &r, now_ms()));
	proc_send(store.proc, MESSAGE_CONNECTOR_REKEYED, m->id, &w, -1);
}

static void
connection_get(struct message *m)
{
	char identifier[129];
	struct connection_view view;
	struct wire_writer w;
	enum connection_found found;

	wire_get_string(&m->body, identifier, sizeof(identifier), 0);
	if (wire_end(&m->body) == -1)
		proc_bad_message(m);
	found = connection_find(&store.store, identifier, &view);
	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)found);
	wire_put_string(&w, view.identifier);
	wire_put_string(&w, view.display_name);
	proc_send(store.proc, MESSAGE_CONNECTION, m->id, &w, -1);
}

static void
tunnel_event(struct message *m)
{
	char connector[129], host[4096], version[4096], address[4096], why[4096];
	struct tunnel_event e = { false, connector, host, version, address, why };

	e.up = wire_get_u8(&m->body) != 0;
	wire_get_string(&m->body, connector, sizeof(connector), 0);
	wire_get_string(&m->body, host, sizeof(host), 0);
	wire_get_string(&m->body, version, sizeof(version), 0);
	wire_get_string(&m->body, address, sizeof(address), 0);
	wire_get_string(&m->body, why, sizeof(why), 0);
	if (wire_end(&m->body) == -1)
		proc_bad_message(m);
	connector_tunnel(&store.store, &e, now_ms());
}

/* --- audit ----------------------------------------------------------------- */

/* A gate that was taken over shall not write in our name: its words go into the detail. */
static void
audit_refuse_event(struct audit_row *row, char *detail, size_t size)
{
	size_t i, len = strlen(row->event);
	bool word = len >= 1 && len <= 64;

	for (i = 0; word && i < len; i++)
		word = (row->event[i] >= 'a' && row->event[i] <= 'z') || row->event[i] == '_';
	if (word && !audit_event_reserved(row->event))
		return;
	log_warnx("audit: a gate wrote the event %.64s, which it may not", row->event);
	snprintf(detail, size, "event %.64s", row->event);
	row->detail = detail;
	row->event = "audit_refused";
}

static void
audit_row_read(struct message *m)
{
	char *texts[9], detail[128];
	struct audit_row row;
	size_t i;

	memset(&row, 0, sizeof(row));
	for (i = 0; i < 5; i++)
		texts[i] = wire_get_string_dup(&m->body, 0, TEXT_MAX);
	row.status = wire_get_u8(&m->body);
	row.proven = wire_get_u8(&m->body) != 0;
	for (; i < 9; i++)
		texts[i] = wire_get_string_dup(&m->body, 0, TEXT_MAX);
	row.found = wire_get_u8(&m->body) != 0;
	if (m->body.failed || row.status >= STATUS_COUNT)
		proc_bad_message(m);
	row.event = texts[0];
	row.connection = texts[1];
	row.connector = texts[2];
	row.username = texts[3];
	row.attempt = texts[4];
	row.reason = texts[5];
	row.face = texts[6];
	row.address = texts[7];
	row.detail = texts[8];
	audit_refuse_event(&row, detail, sizeof(detail));
	audit_queue(store.store.audit, &row, now_ms());
	/* A name may be a password in the wrong field. */
	for (i = 0; i < 9; i++)
		wiping_free(texts[i]);
}

static void
audit(struct message *m)
{
	do
		audit_row_read(m);
	while (m->body.at < m->body.len);
}

/* --- administration -------------------------------------------------------- */

static void
admin_answer(struct admin *admin, uint32_t id)
{
	struct wire_writer w;
	char *text = NULL;
	size_t len = 0;

	if (admin->json != NULL) {
		if ((text = json_dumps(admin->json, JSON_COMPACT)) != NULL)
			len = strlen(text);
		if (text == NULL || len > ADMIN_ANSWER_MAX) {
			admin_refuse(admin, ADMIN_FAILED, "the answer is too large; ask for less");
			len = 0;
		}
	}
	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)admin->result);
	wire_put_string(&w, admin->error);
	wire_put_bytes(&w, text, len);
	proc_send(store.proc, MESSAGE_ADMIN_DONE, id, &w, -1);
	wiping_free(text);
	json_decref(admin->json);
	admin->json = NULL;
}

static void
on_check(evutil_socket_t fd, short what, void *arg)
{
	struct timeval soon = { 0, 0 };
	struct admin admin;

	(void)fd;
	(void)what;
	(void)arg;
	if (audit_check_step(&store.check, store.store.audit, store.store.db)) {
		/* Messages come before the next piece. */
		event_add(store.check_event, &soon);
		return;
	}
	memset(&admin, 0, sizeof(admin));
	admin_audit_verified(&admin, &store.check);
	if (store.check.broken != 0)
		log_errorx("audit: row %lld %s", (long long)store.check.broken, store.check.why);
	event_free(store.check_event);
	store.check_event = NULL;
	admin_answer(&admin, store.check_id);
}

static void
check_start(struct admin *admin, uint32_t id)
{
	struct timeval soon = { 0, 0 };

	if (store.check_event != NULL) {
		admin_refuse(
		    admin, ADMIN_REFUSED, "audit verify: is under way already; wait for its end");
		admin_answer(admin, id);
		return;
	}
	if (audit_flush(store.store.audit, admin->now) == -1)
		log_warnx("audit verify: rows that wait to be written are left out");
	audit_check_start(&store.check, store.store.audit);
	store.check_id = id;
	if ((store.check_event = evtimer_new(proc_base(store.proc), on_check, NULL)) == NULL)
		fatalx("out of memory");
	event_add(store.check_event, &soon);
}

/* Arguments beyond those that any operation takes are read, counted and refused. */
static void
admin_message(struct message *m)
{
	struct admin admin;
	char *texts[ADMIN_ARGUMENTS_MAX] = { NULL }, *text;
	unsigned int i;

	memset(&admin, 0, sizeof(admin));
	admin.operation = (enum admin_operation)wire_get_u8(&m->body);
	admin.uid = wire_get_u32(&m->body);
	admin.count = wire_get_u8(&m->body);
	admin.now = now_ms();
	for (i = 0; i < admin.count; i++) {
		text = wire_get_string_dup(&m->body, 0, WIRE_MAX);
		if (i < ADMIN_ARGUMENTS_MAX)
			admin.arguments[i] = texts[i] = text;
		else
			wiping_free(text);
	}
	if (wire_end(&m->body) == -1)
		proc_bad_message(m);
	if (!admin_accept(&admin))
		admin_answer(&admin, m->id);
	else if (admin.operation == ADMIN_AUDIT_VERIFY)
		check_start(&admin, m->id);
	else {
		admin_run(&store.store, &admin);
		admin_answer(&admin, m->id);
	}
	for (i = 0; i < ADMIN_ARGUMENTS_MAX; i++)
		wiping_free(texts[i]);
}

static void
connector_changed(void *arg, const char *id, enum connector_state state)
{
	struct wire_writer w;

	(void)arg;
	wire_writer_init(&w);
	wire_put_string(&w, id);
	wire_put_u8(&w, (uint8_t)state);
	proc_send(store.proc, MESSAGE_CONNECTOR_CHANGED, 0, &w, -1);
}

/* --- start and end --------------------------------------------------------- */

static void
drain(void)
{
	if (audit_flush(store.store.audit, now_ms()) == -1)
		log_errorx("audit: %zu rows could not be written before the end",
		    audit_waiting(store.store.audit));
	audit_free(store.store.audit);
	database_close(store.store.db);
	proc_exit(store.proc);
}

static void
store_message(void *arg, struct message *m)
{
	(void)arg;
	switch (m->type) {
	case MESSAGE_TICKET_GET:
		ticket_get(m);
		break;
	case MESSAGE_CONNECTOR_ENROL:
		enrol(m);
		break;
	case MESSAGE_CONNECTOR_GET:
		connector_get(m);
		break;
	case MESSAGE_CONNECTOR_REKEY:
		rekey(m);
		break;
	case MESSAGE_CONNECTION_GET:
		connection_get(m);
		break;
	case MESSAGE_TUNNEL_EVENT:
		tunnel_event(m);
		break;
	case MESSAGE_AUDIT:
		audit(m);
		break;
	case MESSAGE_ADMIN:
		admin_message(m);
		break;
	case MESSAGE_DRAIN:
		drain();
		break;
	default:
		proc_bad_message(m);
	}
	flush_when_due();
}

/* hindered: by something outside of this program that may soon be over. */
static void __attribute__((noreturn)) not_opened(bool hindered, const char *why)
{
	log_errorx("%s/store.db: %s", store.directory, why);
	_exit(hindered ? EX_TEMPFAIL : 1);
}

static void
store_open(bool root)
{
	char path[PATH_MAX], why[512];
	bool hindered;

	if (snprintf(path, sizeof(path), "%s/store.db", root ? "" : store.directory) >=
	    (int)sizeof(path))
		fatalx("%s: is too long", store.directory);
	if ((store.store.db = database_open(path, &hindered, why, sizeof(why))) == NULL)
		not_opened(hindered, why);
	store.store.audit = audit_open(store.store.db, store.audit_rows, why, sizeof(why));
	if (store.store.audit == NULL)
		not_opened(database_hindered(store.store.db), why);
	if (connector_all_offline(&store.store) == -1)
		not_opened(database_hindered(store.store.db), "cannot be written");
	store.store.connector_changed = connector_changed;
	if ((store.flush = evtimer_new(proc_base(store.proc), on_flush, NULL)) == NULL)
		fatalx("out of memory");
}

int
main(void)
{
	store.audit_rows = AUDIT_ROWS_MAX;
	umask(077);
	json_use_wiping_allocator();
	if (wipe_use_in_openssl() == -1)
		fatalx("openssl was used before its allocator was set");
	store.proc = proc_open(ROLE_STORE);
	proc_configure(store.proc, store_config, NULL);
	if (store.directory[0] == '\0')
		fatalx("the configuration has no directory");
	database_warm_up();
	digest_warm_up();
	if (jose_warm_up() == -1)
		fatalx("openssl cannot check signatures");
	store_open(sandbox_store(store.directory));
	proc_run(store.proc, store_message, NULL);
}
