/* SPDX-License-Identifier: ISC */
/*
 * adconnectorctl status: the state in a few lines, or the API's document.
 */
#include "adconnectorctl.h"

#include "common/ctl_client.h"
#include "common/terminal.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_WIDTH 11
#define CLOCK_OFF_SHOWN 60 /* seconds */

/* "label      value (more)" when there is a value. */
static void
print_line(const char *label, const char *value, const char *more)
{
	if (*value == '\0')
		return;
	printf("%-*s ", LABEL_WIDTH, label);
	terminal_puts(stdout, value);
	if (*more != '\0') {
		fputs(" (", stdout);
		terminal_puts(stdout, more);
		putchar(')');
	}
	putchar('\n');
}

/* A code of the API in words for people: its underscores are spaces. */
static char *
words(const json_t *state)
{
	char *text, *p;

	text = ctl_text(state, "code");
	for (p = text; *p != '\0'; p++)
		if (*p == '_')
			*p = ' ';
	return text;
}

static void
print_state(const char *label, const json_t *state, const json_t *details, const char *where)
{
	char *code, *text, *place;
	bool good;

	good = strcmp(json_string_value(json_object_get(state, "code")) == NULL
		       ? ""
		       : json_string_value(json_object_get(state, "code")),
		   "connected") == 0;
	code = words(state);
	text = ctl_text(details, "text");
	place = ctl_text(details, where);
	printf("%-*s %s ", LABEL_WIDTH, label, terminal_mark(good));
	terminal_puts(stdout, *code == '\0' ? "unknown" : code);
	if (*place != '\0') {
		fputs(good ? " to " : " ", stdout);
		terminal_puts(stdout, place);
	}
	if (*text != '\0' && strcmp(text, code) != 0) {
		fputs(": ", stdout);
		terminal_puts(stdout, text);
	}
	putchar('\n');
	free(code);
	free(text);
	free(place);
}

/* "ok 12, refused 3", in the daemon's order. */
static void
print_logins(json_t *logins)
{
	const char *key;
	json_t *count;
	char *number;
	bool first;

	if (json_object_size(logins) == 0)
		return;
	printf("%-*s ", LABEL_WIDTH, "logins");
	first = true;
	json_object_foreach (logins, key, count) {
		if (!json_is_integer(count))
			continue;
		number = ctl_text(logins, key);
		fputs(first ? "" : ", ", stdout);
		terminal_puts(stdout, key);
		printf(" %s", number);
		free(number);
		first = false;
	}
	putchar('\n');
}

/* Processes that do not run now, by name. */
static void
print_stopped(json_t *processes)
{
	const char *key;
	json_t *value;

	if (!json_is_object(processes))
		return;
	json_object_foreach (processes, key, value)
		if (!json_is_string(value) || strcmp(json_string_value(value), "not running") == 0)
			print_line("not running", key, "");
}

/* Only when it is wrong by so much that it matters. */
static void
print_clock(const json_t *clock)
{
	json_int_t ahead = json_integer_value(json_object_get(clock, "ahead_seconds"));
	char text[64];

	if (ahead >= -CLOCK_OFF_SHOWN && ahead <= CLOCK_OFF_SHOWN)
		return;
	snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT " seconds %s the hub's",
	    ahead > 0 ? ahead : -ahead, ahead > 0 ? "ahead of" : "behind");
	print_line("clock", text, "");
}

static void
print_status(const json_t *data)
{
	char *version, *connection, *connector, *base, *domain, *state;
	const json_t *directory, *tunnel;

	tunnel = json_object_get(data, "tunnel");
	directory = json_object_get(data, "directory");
	version = ctl_text(data, "version");
	connection = ctl_text(data, "connection");
	connector = ctl_text(data, "connector_id");
	base = ctl_text(directory, "base");
	domain = ctl_text(directory, "domain");
	state = ctl_text(data, "state");

	/* The tunnel's own line says pending and why; ws.upstream alone would look healthy then. */
	print_state("tunnel", json_object_get(json_object_get(data, "ws"), "auth"), tunnel, "hub");
	print_state("directory", json_object_get(data, "ad"), directory, "server");
	print_line("base", base, domain);
	print_line("connection", connection, "");
	print_line("connector", connector, "");
	print_line("version", version, "");
	print_clock(json_object_get(data, "clock"));
	/* A process that is started again and again: all else may still look well. */
	if (strcmp(state, "running") != 0)
		print_line("state", state, "");
	print_stopped(json_object_get(data, "process"));
	print_logins(json_object_get(data, "logins"));
	free(version);
	free(connection);
	free(connector);
	free(base);
	free(domain);
	free(state);
}

enum ctl_status
command_status(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status;
	json_t *document;

	if (ctl_getopt(ctl, argc, argv, NULL, &status) == CTL_GETOPT_STOP)
		return status;
	if (optind < argc)
		return ctl_usage(ctl, "%s: not expected", argv[optind]);
	status = ctl_request(ctl, "GET", "/api/v1/status", NULL, CTL_TIMEOUT, &document);
	if (status != CTL_DONE)
		return status;
	if (ctl->json)
		ctl_print_json(document);
	else
		print_status(json_object_get(document, "data"));
	json_decref(document);
	return CTL_DONE;
}
