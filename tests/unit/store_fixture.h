/* SPDX-License-Identifier: ISC */
/*
 * A store on a database of its own, for the unit tests of src/hub/store: what
 * store.c does round the functions that are tested, without messages.
 */
#ifndef TEST_STORE_FIXTURE_H
#define TEST_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/hub/store/admin.h"
#include "../../src/hub/store/audit_chain.h"
#include "common/json.h"
#include "common/log.h"

/* 2026-01-01, in milliseconds: the tests' clock stands unless they move it. */
#define NOW 1767225600000LL
#define HOUR 3600000LL

struct fixture {
	char folder[64], path[96];
	struct store store;
	int64_t now;
	/* Notices of changed connectors. */
	unsigned int changes;
	char changed[CONNECTOR_ID_SIZE];
	enum connector_state changed_to;
};

static inline void
fixture_quiet(enum log_level level, const char *tag, const char *text)
{
	(void)level;
	(void)tag;
	(void)text;
}

static inline void
fixture_changed(void *arg, const char *id, enum connector_state state)
{
	struct fixture *f = arg;

	f->changes++;
	snprintf(f->changed, sizeof(f->changed), "%s", id);
	f->changed_to = state;
}

static inline void
fixture_open(struct fixture *f, int64_t rows_max)
{
	char why[512] = "";
	bool hindered;

	f->store.db = database_open(f->path, &hindered, why, sizeof(why));
	if (f->store.db == NULL)
		fail_msg("%s: %s", f->path, why);
	f->store.audit = audit_open(f->store.db, rows_max, why, sizeof(why));
	if (f->store.audit == NULL)
		fail_msg("%s: %s", f->path, why);
	f->store.connector_changed = fixture_changed;
	f->store.arg = f;
}

static inline void
fixture_close(struct fixture *f)
{
	audit_free(f->store.audit);
	database_close(f->store.db);
	f->store.audit = NULL;
	f->store.db = NULL;
}

static inline void
fixture_reopen(struct fixture *f, int64_t rows_max)
{
	fixture_close(f);
	fixture_open(f, rows_max);
}

static inline int
fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	snprintf(f->folder, sizeof(f->folder), "/tmp/test-store-XXXXXX");
	if (mkdtemp(f->folder) == NULL)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/store.db", f->folder);
	f->now = NOW;
	fixture_open(f, AUDIT_ROWS_MAX);
	*state = f;
	return 0;
}

static inline int
fixture_teardown(void **state)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	struct fixture *f = *state;
	char path[128];
	size_t i;

	if (f->store.db != NULL)
		fixture_close(f);
	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
		unlink(path);
	}
	if (rmdir(f->folder) == -1)
		return -1;
	free(f);
	return 0;
}

/* Before the first test: what store.c does before its sandbox. */
static inline int
fixture_warm_up(void **state)
{
	(void)state;
	json_use_wiping_allocator();
	log_init("test");
	log_set_sink(fixture_quiet);
	database_warm_up();
	digest_warm_up();
	return 0;
}

/* Runs one operation; up to four arguments, ended by NULL. The answer is in *admin. */
static inline enum admin_result
fixture_admin(struct fixture *f, struct admin *admin, enum admin_operation operation, ...)
{
	const char *argument;
	va_list ap;

	memset(admin, 0, sizeof(*admin));
	admin->operation = operation;
	admin->uid = 1000;
	admin->now = f->now;
	va_start(ap, operation);
	while ((argument = va_arg(ap, const char *)) != NULL)
		admin->arguments[admin->count++] = argument;
	va_end(ap);
	admin_run(&f->store, admin);
	return admin->result;
}

/* The same where only the result counts. */
#define ADMIN_EXPECT(f, expected, ...)                                                             \
	do {                                                                                       \
		struct admin expect_admin;                                                         \
		assert_int_equal(                                                                  \
		    fixture_admin((f), &expect_admin, __VA_ARGS__, NULL), (expected));             \
		assert_int_equal((expected) == ADMIN_OK, expect_admin.json != NULL);               \
		assert_int_equal((expected) == ADMIN_OK, expect_admin.error[0] == '\0');           \
		json_decref(expect_admin.json);                                                    \
	} while (0)

/* A new ticket's secret. */
static inline void
fixture_ticket(struct fixture *f, const char *identifier, const char *uses, const char *approve,
    char secret[TICKET_SECRET_SIZE])
{
	struct admin admin;

	assert_int_equal(
	    fixture_admin(f, &admin, ADMIN_TICKET_NEW, identifier, uses, "", approve, NULL),
	    ADMIN_OK);
	snprintf(secret, TICKET_SECRET_SIZE, "%s",
	    json_string_value(json_object_get(admin.json, "secret")));
	json_decref(admin.json);
}

/* Keys that differ by their number; no point of the curve, which is not looked at here. */
static inline void
fixture_enrol(struct fixture *f, const char *secret, unsigned int sign, unsigned int seal,
    struct enrolled *out)
{
	struct enrolment e = { secret, "host-a", "0.1.0", "192.0.2.7", { 0 }, { 0 } };

	memcpy(e.sign_key, &sign, sizeof(sign));
	memcpy(e.seal_key, &seal, sizeof(seal));
	connector_enrol(&f->store, &e, f->now, out);
}

/* Rows of the audit with an event. */
static inline int64_t
fixture_count(struct fixture *f, const char *event)
{
	struct query q;
	int64_t n;

	query_open(&q, f->store.db, "SELECT count(*) FROM audit WHERE event = ?");
	query_text(&q, event);
	n = query_read(&q) ? query_get_integer(&q, 0) : -1;
	query_close(&q);
	return n;
}

static inline int64_t
fixture_number(struct fixture *f, const char *sql)
{
	struct query q;
	int64_t n;

	query_open(&q, f->store.db, sql);
	n = query_read(&q) ? query_get_integer(&q, 0) : -1;
	query_close(&q);
	return n;
}

/* The row at which the chain breaks, 0 when it is sound. */
static inline int64_t
fixture_broken(struct fixture *f)
{
	struct audit_check check;

	audit_check_start(&check, f->store.audit);
	while (audit_check_step(&check, f->store.audit, f->store.db))
		continue;
	return check.broken;
}

#endif
