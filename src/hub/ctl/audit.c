/* SPDX-License-Identifier: ISC */
/*
 * adhubctl audit.  The rows come by number, so following is asking again for
 * what came after the last one; nothing is missed or shown twice.
 */
#include "adhubctl.h"

#include "common/ctl_client.h"
#include "common/json.h"
#include "common/terminal.h"

#include <bsd/stdlib.h>

#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 500 /* rows the hub gives at most in one answer */
#define LATEST 50
#define FOLLOW_MS 1000

struct reading {
	bool follow;
	int64_t after; /* below 0: that many of the latest */
	int64_t limit; /* rows still wanted, but for those that follow */
	json_t *rows;  /* for --json */
};

/* "time event connection username status (reason) …": what there is, in this order. */
static void
print_row(const json_t *row)
{
	static const char *const plain[] = { "time", "event", "connection", "connector", "username",
		"status" };
	static const char *const named[] = { "reason", "face", "address", "attempt", "detail" };
	char *id, *text;
	size_t i;

	id = ctl_text(row, "id");
	terminal_puts(stdout, id);
	free(id);
	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		text = ctl_text(row, plain[i]);
		if (*text != '\0') {
			putchar(' ');
			terminal_puts(stdout, text);
		}
		free(text);
	}
	if (json_is_true(json_object_get(row, "proven")))
		fputs(" proven", stdout);
	for (i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		text = ctl_text(row, named[i]);
		if (*text != '\0') {
			printf(" %s=", named[i]);
			terminal_puts(stdout, text);
		}
		free(text);
	}
	putchar('\n');
}

static void
show_rows(const struct ctl *ctl, struct reading *reading, json_t *rows)
{
	json_t *row;
	size_t at;

	json_array_foreach (rows, at, row) {
		if (!ctl->json)
			print_row(row);
		else if (reading->follow)
			ctl_print_json_line(row); /* without an end there is no one document */
		else
			json_array_append(reading->rows, row);
	}
	ctl_flush();
}

/* One page; *more tells that the next one may have rows. */
static enum ctl_status
read_page(struct ctl *ctl, struct reading *reading, int64_t limit, bool *more)
{
	enum ctl_status status;
	json_t *document, *rows;
	char *path;
	int64_t next;

	if (asprintf(&path, "/api/v1/audit?after=%" PRId64 "&limit=%" PRId64, reading->after,
		limit) == -1)
		return ctl_error(ctl, CTL_REFUSED, "internal", "out of memory");
	status = ctl_request(ctl, "GET", path, NULL, CTL_TIMEOUT, &document);
	free(path);
	if (status != CTL_DONE)
		return status;
	rows = json_object_get(document, "rows");
	if (!json_is_array(rows) || json_get_integer(document, "next", 0, INT64_MAX, &next) == -1) {
		json_decref(document);
		return ctl_error(ctl, CTL_UNAVAILABLE, "bad_answer",
		    "adhubd answered with something that is not an audit; do the versions agree?");
	}
	/* A page may be shorter than asked for, when its rows are long; an empty one is the end. */
	*more = json_array_size(rows) > 0 && next > reading->after;
	reading->limit -= (int64_t)json_array_size(rows);
	show_rows(ctl, reading, rows);
	reading->after = next;
	json_decref(document);
	return CTL_DONE;
}

/* Waits before the next look; true when whoever reads this has gone, which no row need tell. */
static bool
reader_leaves(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	return poll(&out, 1, FOLLOW_MS) > 0;
}

static enum ctl_status
read_all(struct ctl *ctl, struct reading *reading)
{
	enum ctl_status status;
	int64_t page;
	bool more;

	more = true;
	while (more && reading->limit > 0) {
		page = reading->limit > PAGE ? PAGE : reading->limit;
		status = read_page(ctl, reading, page, &more);
		if (status != CTL_DONE)
			return status;
	}
	while (reading->follow && ferror(stdout) == 0 && !reader_leaves()) {
		do {
			status = read_page(ctl, reading, PAGE, &more);
			if (status != CTL_DONE)
				return status;
		} while (more && ferror(stdout) == 0);
	}
	return CTL_DONE;
}

enum ctl_status
command_audit(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "follow", no_argument, NULL, 256 },
		{ "after", required_argument, NULL, 257 },
		{ "limit", required_argument, NULL, 258 },
		{ NULL, 0, NULL, 0 },
	};
	struct reading reading = { .after = -1, .limit = -1 };
	const char *why;
	enum ctl_status status;
	json_t *document;
	int option;

	why = NULL;
	while ((option = ctl_getopt(ctl, argc, argv, options, &status)) != -1) {
		if (option == 256)
			reading.follow = true;
		else if (option == 257)
			reading.after = strtonum(optarg, 0, INT64_MAX, &why);
		else if (option == 258)
			reading.limit = strtonum(optarg, 1, INT64_MAX, &why);
		else
			return status;
		if (why != NULL)
			return ctl_usage(
			    ctl, "--%s %s: %s", option == 257 ? "after" : "limit", optarg, why);
	}
	if (optind < argc)
		return ctl_usage(ctl, "%s: not expected", argv[optind]);
	if (reading.after == -1) {
		if (reading.limit == -1)
			reading.limit = LATEST;
		if (reading.limit > PAGE)
			return ctl_usage(ctl, "--limit: at most %d without --after", PAGE);
		reading.after = -reading.limit;
	} else if (reading.limit == -1)
		reading.limit = INT64_MAX;
	reading.rows = json_array();
	status = read_all(ctl, &reading);
	if (status == CTL_DONE && ctl->json && !reading.follow) {
		document =
		    json_pack("{s:O,s:I}", "rows", reading.rows, "next", (json_int_t)reading.after);
		ctl_print_json(document);
		json_decref(document);
	}
	json_decref(reading.rows);
	return status;
}

enum ctl_status
command_audit_verify(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status;
	json_t *document;
	char *first, *last, *row, *why;

	if (!plain_arguments(ctl, argc, argv, 0, 0, &status))
		return status;
	status = ctl_request(ctl, "GET", "/api/v1/audit/verify", NULL, CTL_TIMEOUT_LONG, &document);
	if (status != CTL_DONE)
		return status;
	status = json_is_true(json_object_get(document, "ok")) ? CTL_DONE : CTL_REFUSED;
	first = ctl_text(document, "first");
	last = ctl_text(document, "last");
	row = ctl_text(document, "row");
	why = ctl_text(document, "why");
	if (ctl->json)
		ctl_print_json(document);
	else if (status == CTL_DONE)
		printf("audit: rows %s to %s are whole\n", first, last);
	else {
		printf("audit: NOT whole at row %s: ", row);
		terminal_puts(stdout, why);
		putchar('\n');
	}
	free(first);
	free(last);
	free(row);
	free(why);
	json_decref(document);
	return status;
}
