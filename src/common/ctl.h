/* SPDX-License-Identifier: ISC */
/*
 * What adconnectorctl and adhubctl have in common: the command line, exit
 * status, and how results and errors are told.  A command is a row in the
 * program's table; it parses its own options with ctl_getopt() and speaks to
 * the daemon through ctl_client.h.
 */
#ifndef ADC_CTL_H
#define ADC_CTL_H

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>

struct option;
struct ctl_client;

/* Exit status: contracts. */
enum ctl_status { CTL_DONE = 0, CTL_REFUSED = 1, CTL_UNAVAILABLE = 2, CTL_USAGE = 64 };

struct ctl {
	const struct ctl_program *program;
	const struct ctl_command *command;
	const char *socket;
	bool json; /* one document on standard output, nothing else there */
	struct ctl_client *client;
};

struct ctl_command {
	const char *name;      /* "status", "ticket new" */
	const char *arguments; /* for the usage line; "" for none */
	const char *summary;   /* one line */
	const char *help;      /* more lines for --help, or NULL */
	enum ctl_status (*run)(struct ctl *, int argc, char **argv);
};

struct ctl_program {
	const char *name;	    /* "adconnectorctl" */
	const char *daemon;	    /* "adconnectord" */
	const char *default_socket; /* path */
	const char *summary;
	const struct ctl_command *commands; /* ends with a NULL name */
};

/* main() of a ctl program. */
int ctl_main(const struct ctl_program *, int argc, char **argv);

/*
 * getopt_long(3) with --json, -s and --help added; own may be NULL and ends with an
 * all zero row, its values are 256 and above.  Returns such a value, -1 at the
 * end of the options, or CTL_GETOPT_STOP when the command must return
 * CTL_GETOPT_STATUS at once.
 */
#define CTL_GETOPT_STOP '?'
int
ctl_getopt(struct ctl *, int argc, char **argv, const struct option *own, enum ctl_status *status);

/* For a command with --yes alone. False: the command returns *status. */
bool ctl_getopt_yes(struct ctl *, int argc, char **argv, bool *yes, enum ctl_status *status);

/* A mistake in the command line: the text, a hint at --help, CTL_USAGE. */
enum ctl_status ctl_usage(struct ctl *, const char *, ...) __attribute__((format(printf, 2, 3)));
/*
 * An error: the text (escaped here) on standard error and, with --json, {"error":
 * {"code", "message"}} on standard output.  Returns its second argument.
 */
enum ctl_status ctl_error(struct ctl *, enum ctl_status, const char *code, const char *, ...)
    __attribute__((format(printf, 4, 5)));
/* Remarks beside the result: standard error, escaped. */
void ctl_note(struct ctl *, const char *, ...) __attribute__((format(printf, 2, 3)));

/* The value as one document on standard output. Only ASCII: nothing in it can act on a terminal. */
void ctl_print_json(const json_t *);
/* The same on one line, flushed, for streams. */
void ctl_print_json_line(const json_t *);
/* In place of fflush(stdout), whose error would be lost. */
void ctl_flush(void);
/* 0 if all that was printed is written, or the errno of what was not; EIO where it is not known. */
int ctl_output_error(void);

/* A member as text for people: strings as they are, numbers, true and false; "" for others.
 * malloc'ed. */
char *ctl_text(const json_t *object, const char *key);
/* The array under key, or the document itself when that is one; NULL else. Borrowed. */
json_t *ctl_array(json_t *document, const char *key);

struct ctl_column {
	const char *heading;
	const char *key;
};

/*
 * A document whose array `key` holds objects, as a table of the columns given (n of them, at
 * most TERMINAL_COLUMNS_MAX), or `none` when it is empty.
 */
void ctl_print_table(json_t *document, const char *key, const struct ctl_column *columns, size_t n,
    const char *none);
/* The members of an object as "name   value" lines; nested ones as "name.member". */
void ctl_print_members(json_t *object);

#endif
