/* SPDX-License-Identifier: ISC */
/*
 * See enrol.h.  The POST goes out at most twice: when its answer is lost, it
 * is sent once more at once, which the hub answers as it answered before.
 * After that the person who enrols decides; the keys are on disk.
 */
#include "enrol.h"

#include "enrol_answer.h"
#include "exchange.h"
#include "common/log.h"

#include <bsd/string.h>
#include <stdlib.h>
#include <string.h>

#define POSTS_MAX 2

static const struct cloud *cloud;
static char expected_connection[CLOUD_CONNECTION_SIZE]; /* "": the ticket's page did not tell */
static unsigned int posts;
static bool over;

static void on_result(void *, unsigned int, const json_t *, const struct failure *);

bool
enrol_is_over(void)
{
	return over;
}

static void
report(enum enrol_result result, const char *code, const char *text, const struct enrolment *e)
{
	struct wire_writer w;

	over = true;
	if (result == ENROL_FAILED)
		log_debug("enrolment failed: %s", text);
	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)result);
	wire_put_string(&w, code);
	wire_put_string(&w, text);
	wire_put_string(&w, e == NULL ? "" : e->connector_id);
	wire_put_string(&w, e == NULL ? "" : e->connection);
	wire_put_string(&w, e == NULL ? "" : e->tunnel_url);
	wire_put_string(&w, e == NULL ? "" : e->scim_url);
	proc_send(cloud->proc, MESSAGE_ENROLLED, 0, &w, -1);
}

static void
post(void)
{
	posts++;
	exchange_start(cloud, cloud->ticket_path, cloud->enrol_body, on_result, NULL);
}

static void
on_result(void *arg, unsigned int status, const json_t *answer, const struct failure *failure)
{
	struct enrolment e;
	struct failure refused;

	(void)arg;
	if (answer == NULL) {
		if (strcmp(failure->code, "unreachable") == 0 && posts < POSTS_MAX) {
			log_info("%s; the same enrolment is sent again", failure->text);
			post();
			return;
		}
		report(ENROL_FAILED, failure->code, failure->text, NULL);
		return;
	}
	if (enrol_read_result(status, answer, &cloud->hub, cloud->hub_name, &e, &refused) == -1) {
		report(ENROL_FAILED, refused.code, refused.text, NULL);
		return;
	}
	if (expected_connection[0] != '\0' && strcmp(e.connection, expected_connection) != 0) {
		failure_set(&refused, "rejected",
		    "%s: the hub enrolled for another connection (%s) than the ticket's (%s)",
		    cloud->hub_name, e.connection, expected_connection);
		report(ENROL_FAILED, refused.code, refused.text, NULL);
		return;
	}
	if (e.approved)
		failure_set(&refused, "ok", "enrolled with %s for connection %s", cloud->hub_name,
		    e.connection);
	else
		failure_set(&refused, "pending",
		    "enrolled with %s for connection %s; it waits for approval: adhubctl connector "
		    "approve %s",
		    cloud->hub_name, e.connection, e.connector_id);
	report(e.approved ? ENROL_OK : ENROL_PENDING, refused.code, refused.text, &e);
}

static void
on_ticket(void *arg, unsigned int status, const json_t *answer, const struct failure *failure)
{
	struct ticket_page page;
	struct failure refused;

	(void)arg;
	if (answer == NULL) {
		report(ENROL_FAILED, failure->code, failure->text, NULL);
		return;
	}
	if (enrol_read_ticket(status, answer, &cloud->hub, cloud->hub_name, &page, &refused) ==
	    -1) {
		/* Perhaps by these very keys, and the answer was lost: only the POST tells. */
		if (strcmp(refused.code, "ticket_used_up") == 0 ||
		    strcmp(refused.code, "ticket_expired") == 0)
			post();
		else
			report(ENROL_FAILED, refused.code, refused.text, NULL);
		return;
	}
	log_info("%s: the ticket is for connection %s (%s)", cloud->hub_name, page.connection,
	    page.display_name);
	strlcpy(expected_connection, page.connection, sizeof(expected_connection));
	post();
}

void
enrol_start(const struct cloud *c)
{
	cloud = c;
	exchange_start(cloud, cloud->ticket_path, NULL, on_ticket, NULL);
}
