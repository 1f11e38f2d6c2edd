/* SPDX-License-Identifier: ISC */
/*
 * Texts that the hub's store keeps, and operations of administrators and connectors on a
 * database in memory.  What is kept is UTF-8 within its limit, an answer is JSON or a
 * reason, and the audit's chain holds whatever was written.
 */
#include "common/log.h"
#include "common/status.h"
#include "common/wire.h"
#include "fuzz.h"
#include "hub/store/admin.h"
#include "hub/store/audit_chain.h"

#define NOW 1767225600000LL
#define OPERATIONS_MAX 32

static void
quiet(enum log_level level, const char *tag, const char *text)
{
	(void)level;
	(void)tag;
	(void)text;
}

static void
on_changed(void *arg, const char *id, enum connector_state state)
{
	(void)arg;
	fuzz_check(id[0] != '\0' && state <= CONNECTOR_REVOKED);
}

static void
texts(struct fuzz_input in)
{
	static const uint8_t key[DIGEST_SIZE] = { 1 };
	char *text = fuzz_text(in), cleaned[48], again[48], masked[AUDIT_MASKED_SIZE];
	char time[TEXT_TIME_SIZE];
	const char *why;
	int64_t ms = 0;

	memcpy(&ms, in.data, in.len < sizeof(ms) ? in.len : sizeof(ms));
	text_time(time, ms, (in.len & 1) != 0);
	fuzz_check(strnlen(time, sizeof(time)) < sizeof(time) && strchr(time, 'Z') != NULL);
	if (identifier_valid(text))
		fuzz_check(strlen(text) < IDENTIFIER_SIZE && text_printable(text));
	if ((why = logo_refused(text)) == NULL)
		fuzz_check(strlen(text) <= LOGO_MAX && text_printable(text));
	/* The getters of messages have seen to that. */
	if (utf8_valid(text, strlen(text))) {
		text_clean(cleaned, sizeof(cleaned), text);
		fuzz_check(text_printable(cleaned) && utf8_valid(cleaned, strlen(cleaned)));
		text_clean(again, sizeof(again), cleaned);
		fuzz_check(strcmp(cleaned, again) == 0);
		text_clip(cleaned, sizeof(cleaned), text);
		fuzz_check(strncmp(cleaned, text, strlen(cleaned)) == 0);
		audit_mask_name(key, text, masked);
		fuzz_check(utf8_valid(masked, strlen(masked)));
		fuzz_check(strlen(text) < 8 || strstr(masked, text) == NULL);
	}
	/* Cut anywhere, what comes out is UTF-8 all the same. */
	text_clip(cleaned, sizeof(cleaned), text);
	fuzz_check(strlen(cleaned) < sizeof(cleaned) && utf8_valid(cleaned, strlen(cleaned)));
	free(text);
}

/* NULL when it is no text that a message can carry. */
static char *
take_text(struct fuzz_input *in)
{
	struct fuzz_input piece = fuzz_until(in, '\0');

	return utf8_valid(piece.data, piece.len) ? fuzz_text(piece) : NULL;
}

/* The last secret and connector that the store has made; "" at first. */
struct made {
	char secret[TICKET_SECRET_SIZE];
	char connector[CONNECTOR_ID_SIZE];
};

/* "@" stands for what cannot be guessed. */
static const char *
resolve(const struct made *made, enum admin_operation operation, const char *text)
{
	if (strcmp(text, "@") != 0)
		return text;
	return operation == ADMIN_CONNECTOR_APPROVE || operation == ADMIN_CONNECTOR_REVOKE
	    ? made->connector
	    : "corp";
}

static void
administer(struct store *store, struct made *made, struct fuzz_input *in, int64_t now)
{
	struct admin admin = { .uid = 1000, .now = now };
	char *text[ADMIN_ARGUMENTS_MAX] = { NULL };
	const char *secret;
	unsigned int i;

	admin.operation = fuzz_byte(in) % ADMIN_OPERATION_COUNT;
	admin.count = fuzz_byte(in) % (ADMIN_ARGUMENTS_MAX + 1);
	for (i = 0; i < admin.count; i++) {
		if ((text[i] = take_text(in)) == NULL)
			admin.count = i;
		else
			admin.arguments[i] = resolve(made, admin.operation, text[i]);
	}
	if (admin_accept(&admin) && admin.operation != ADMIN_AUDIT_VERIFY)
		admin_run(store, &admin);
	if (admin.operation != ADMIN_AUDIT_VERIFY)
		fuzz_check((admin.result == ADMIN_OK) == (admin.json != NULL));
	fuzz_check(utf8_valid(admin.error, strlen(admin.error)));
	if ((secret = json_string_value(json_object_get(admin.json, "secret"))) != NULL)
		snprintf(made->secret, sizeof(made->secret), "%s", secret);
	json_decref(admin.json);
	for (i = 0; i < ADMIN_ARGUMENTS_MAX; i++)
		free(text[i]);
}

static void
enrol(struct store *store, struct made *made, struct fuzz_input *in, int64_t now)
{
	char *name = take_text(in), *version = take_text(in), *address = take_text(in);
	struct enrolment e = { made->secret, name, version, address, { 0 }, { 0 } };
	struct enrolled enrolled;
	struct ticket_view view;

	e.sign_key[0] = fuzz_byte(in);
	e.seal_key[1] = fuzz_byte(in);
	if (name != NULL && version != NULL && address != NULL) {
		ticket_find(store, made->secret, now, &view);
		connector_enrol(store, &e, now, &enrolled);
		fuzz_check((enrolled.ticket == TICKET_OK) == (enrolled.connector[0] != '\0'));
		if (enrolled.ticket == TICKET_OK)
			memcpy(made->connector, enrolled.connector, sizeof(made->connector));
	}
	free(name);
	free(version);
	free(address);
}

static void
write_row(struct store *store, struct fuzz_input *in, int64_t now)
{
	char *text[4] = { take_text(in), take_text(in), take_text(in), take_text(in) };
	struct audit_row row = { .event = "login",
		.connection = text[0],
		.username = text[1],
		.reason = text[2],
		.detail = text[3] };

	row.status = fuzz_byte(in) % STATUS_COUNT;
	row.found = (fuzz_byte(in) & 1) != 0;
	audit_queue(store->audit, &row, now);
	free(text[0]);
	free(text[1]);
	free(text[2]);
	free(text[3]);
}

static void
operations(struct fuzz_input in)
{
	struct store store = { .connector_changed = on_changed };
	struct made made = { "", "" };
	struct audit_check check;
	char why[512] = "";
	bool hindered;
	int64_t now = NOW;
	int i;

	fuzz_check((store.db = database_open(":memory:", &hindered, why, sizeof(why))) != NULL);
	store.audit = audit_open(store.db, AUDIT_ROWS_MAX, why, sizeof(why));
	fuzz_check(store.audit != NULL);
	for (i = 0; i < OPERATIONS_MAX && in.len > 0; i++) {
		switch (fuzz_byte(&in) % 4) {
		case 0:
			enrol(&store, &made, &in, now);
			break;
		case 1:
			write_row(&store, &in, now);
			break;
		case 2:
			now += (int64_t)fuzz_byte(&in) << 20;
			break;
		default:
			administer(&store, &made, &in, now);
		}
	}
	fuzz_check(audit_flush(store.audit, now) == 0);
	audit_check_start(&check, store.audit);
	while (audit_check_step(&check, store.audit, store.db))
		continue;
	fuzz_check(check.broken == 0);
	audit_free(store.audit);
	database_close(store.db);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static bool started;
	struct fuzz_input in = { data, len };

	if (!started) {
		log_set_sink(quiet);
		database_warm_up();
		digest_warm_up();
		started = true;
	}
	if (fuzz_byte(&in) == 'o')
		operations(in);
	else
		texts(in);
	return 0;
}
