/* SPDX-License-Identifier: ISC */
/*
 * The command line of the ctl programs: see ctl.h.  Knows no command and
 * speaks to no daemon.
 */
#include "build.h"

#include "ctl.h"

#include "ctl_client.h"
#include "terminal.h"

#include <sys/resource.h>
#include <sys/un.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OWN_OPTIONS_MAX 16

static void
print_usage(FILE *out, const struct ctl_program *program)
{
	const struct ctl_command *command;
	size_t width, widest;

	fprintf(out, "usage: %s [--json] [-s SOCKET] COMMAND [ARGUMENT...]\n%s\n\n", program->name,
	    program->summary);
	widest = 0;
	for (command = program->commands; command->name != NULL; command++) {
		width = strlen(command->name) + 1 + strlen(command->arguments);
		if (width > widest)
			widest = width;
	}
	for (command = program->commands; command->name != NULL; command++) {
		width = strlen(command->name) + 1 + strlen(command->arguments);
		fprintf(out, "  %s %s%*s  %s\n", command->name, command->arguments,
		    (int)(widest - width), "", command->summary);
	}
	fprintf(out,
	    "\n  -s SOCKET    control socket of %s (%s)\n"
	    "  --json       print one JSON document\n"
	    "  --help       this text, or that of a command\n"
	    "  --version    print the version\n\n"
	    "Exit status: 0 done, 1 refused or failed, 2 unavailable, 64 usage.\n"
	    "More in %s(8).\n",
	    program->daemon, program->default_socket, program->name);
}

static void
print_command_usage(FILE *out, const struct ctl *ctl)
{
	fprintf(out, "usage: %s [--json] [-s SOCKET] %s%s%s\n", ctl->program->name,
	    ctl->command->name, ctl->command->arguments[0] == '\0' ? "" : " ",
	    ctl->command->arguments);
}

static char *format(const char *, va_list) __attribute__((format(printf, 1, 0)));

static char *
format(const char *text, va_list ap)
{
	char *plain, *escaped;

	if (vasprintf(&plain, text, ap) == -1)
		err(1, "vasprintf");
	escaped = terminal_escape(plain);
	free(plain);
	return escaped;
}

enum ctl_status
ctl_usage(struct ctl *ctl, const char *text, ...)
{
	char *escaped;
	va_list ap;

	va_start(ap, text);
	escaped = format(text, ap);
	va_end(ap);
	fprintf(stderr, "%s: %s\n", ctl->program->name, escaped);
	free(escaped);
	if (ctl->command != NULL)
		print_command_usage(stderr, ctl);
	else
		fprintf(stderr, "try: %s --help\n", ctl->program->name);
	return CTL_USAGE;
}

enum ctl_status
ctl_error(struct ctl *ctl, enum ctl_status status, const char *code, const char *text, ...)
{
	json_t *document;
	char *plain, *escaped;
	va_list ap;

	va_start(ap, text);
	if (vasprintf(&plain, text, ap) == -1)
		err(1, "vasprintf");
	va_end(ap);
	escaped = terminal_escape(plain);
	fprintf(stderr, "%s: %s\n", ctl->program->name, escaped);
	if (ctl->json) {
		/* Text that is no UTF-8 is shown escaped instead of not at all. */
		document = json_pack("{s:{s:s,s:s}}", "error", "code", code, "message", plain);
		if (document == NULL)
			document =
			    json_pack("{s:{s:s,s:s}}", "error", "code", code, "message", escaped);
		ctl_print_json(document);
		json_decref(document);
	}
	free(escaped);
	free(plain);
	return status;
}

void
ctl_note(struct ctl *ctl, const char *text, ...)
{
	char *escaped;
	va_list ap;

	va_start(ap, text);
	escaped = format(text, ap);
	va_end(ap);
	fprintf(stderr, "%s: %s\n", ctl->program->name, escaped);
	free(escaped);
}

/* False after a message. */
static bool
socket_acceptable(struct ctl *ctl)
{
	const size_t size = sizeof(((struct sockaddr_un *)NULL)->sun_path);

	if (strlen(ctl->socket) >= size)
		ctl_usage(
		    ctl, "%s: path of a socket is at most %zu bytes long", ctl->socket, size - 1);
	else if (ctl->socket[0] == '\0')
		ctl_usage(ctl, "the path of the socket is empty");
	else
		return true;
	return false;
}

int
ctl_getopt(
    struct ctl *ctl, int argc, char **argv, const struct option *own, enum ctl_status *status)
{
	struct option options[OWN_OPTIONS_MAX + 3];
	const struct option *follow;
	size_t n;
	int option;

	memset(options, 0, sizeof(options));
	follow = NULL;
	for (n = 0; own != NULL && own[n].name != NULL && n < OWN_OPTIONS_MAX; n++) {
		options[n] = own[n];
		if (strcmp(own[n].name, "follow") == 0)
			follow = &own[n];
	}
	options[n++] = (struct option){ "json", no_argument, NULL, 'j' };
	options[n] = (struct option){ "help", no_argument, NULL, 'h' };

	for (;;) {
		/* -f for the commands that declare --follow. */
		option = getopt_long(argc, argv, follow != NULL ? "hs:f" : "hs:", options, NULL);
		switch (option) {
		case 'j':
			ctl->json = true;
			continue;
		case 's':
			ctl->socket = optarg;
			if (socket_acceptable(ctl))
				continue;
			*status = CTL_USAGE;
			return CTL_GETOPT_STOP;
		case 'h':
			print_command_usage(stdout, ctl);
			printf("%s.\n", ctl->command->summary);
			if (ctl->command->help != NULL)
				printf("\n%s", ctl->command->help);
			*status = CTL_DONE;
			return CTL_GETOPT_STOP;
		case '?':
			print_command_usage(stderr, ctl);
			*status = CTL_USAGE;
			return CTL_GETOPT_STOP;
		default:
			return option == 'f' && follow != NULL ? follow->val : option;
		}
	}
}

bool
ctl_getopt_yes(struct ctl *ctl, int argc, char **argv, bool *yes, enum ctl_status *status)
{
	static const struct option options[] = {
		{ "yes", no_argument, NULL, 256 },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	*yes = false;
	while ((option = ctl_getopt(ctl, argc, argv, options, status)) != -1) {
		if (option != 256)
			return false;
		*yes = true;
	}
	return true;
}

/* The row that the words name, the longest name first; *words tells how many. */
static const struct ctl_command *
find_command(const struct ctl_program *program, int argc, char **argv, int *words)
{
	const struct ctl_command *command;
	char *name;

	if (argc >= 2) {
		if (asprintf(&name, "%s %s", argv[0], argv[1]) == -1)
			err(1, "asprintf");
		for (command = program->commands; command->name != NULL; command++)
			if (strcmp(command->name, name) == 0)
				break;
		free(name);
		*words = 2;
		if (command->name != NULL)
			return command;
	}
	*words = 1;
	for (command = program->commands; command->name != NULL; command++)
		if (strcmp(command->name, argv[0]) == 0)
			return command;
	return NULL;
}

/* A first word of two, such as "ticket": shows what can follow. */
static enum ctl_status
unknown_command(struct ctl *ctl, int argc, char **argv)
{
	const struct ctl_command *command;
	size_t len;
	bool help, known;

	len = strlen(argv[0]);
	help = argc > 1 && strcmp(argv[1], "--help") == 0;
	known = false;
	for (command = ctl->program->commands; command->name != NULL; command++) {
		if (strncmp(command->name, argv[0], len) != 0 || command->name[len] != ' ')
			continue;
		if (!known && !help && argc > 1)
			ctl_note(ctl, "%s %s: no such command", argv[0], argv[1]);
		else if (!known && !help)
			ctl_note(ctl, "%s: a second word is missing", argv[0]);
		known = true;
		fprintf(help ? stdout : stderr, "usage: %s %s %s\n", ctl->program->name,
		    command->name, command->arguments);
	}
	if (known)
		return help ? CTL_DONE : CTL_USAGE;
	return ctl_usage(ctl, "%s: no such command", argv[0]);
}

static const struct option global_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "socket", required_argument, NULL, 's' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'v' },
	{ NULL, 0, NULL, 0 },
};

static enum ctl_status
run(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status;
	int option, words;

	/* What getopt puts in front of its messages: as all others begin, without the path. */
	argv[0] = program_invocation_short_name;
	/* "+": options behind the command are the command's. */
	while ((option = getopt_long(argc, argv, "+s:h", global_options, NULL)) != -1) {
		switch (option) {
		case 'j':
			ctl->json = true;
			break;
		case 's':
			ctl->socket = optarg;
			break;
		case 'h':
			print_usage(stdout, ctl->program);
			return CTL_DONE;
		case 'v':
			printf("%s %s\n", ctl->program->name, PACKAGE_VERSION);
			return CTL_DONE;
		default:
			fprintf(stderr, "try: %s --help\n", ctl->program->name);
			return CTL_USAGE;
		}
	}
	argc -= optind;
	argv += optind;
	if (!socket_acceptable(ctl))
		return CTL_USAGE;
	if (argc == 0) {
		print_usage(stderr, ctl->program);
		return CTL_USAGE;
	}
	if ((ctl->command = find_command(ctl->program, argc, argv, &words)) == NULL)
		return unknown_command(ctl, argc, argv);

	/* getopt starts over, with the command's last word in the place of the program's name. */
	argc -= words - 1;
	argv += words - 1;
	argv[0] = program_invocation_short_name;
	optind = 0;
	ctl->client = ctl_client_new();
	status = ctl->command->run(ctl, argc, argv);
	ctl_client_free(ctl->client);
	return status;
}

/*
 * A standard descriptor that is closed would be given to the socket of the daemon, and what is
 * printed, a ticket too, be written to that. Nothing can be read from or written to what takes its
 * place.
 */
static void
occupy_standard_descriptors(void)
{
	int fd;

	do {
		if ((fd = open("/", O_PATH)) == -1)
			err(CTL_REFUSED, "standard descriptors");
	} while (fd <= STDERR_FILENO);
	close(fd);
}

int
ctl_main(const struct ctl_program *program, int argc, char **argv)
{
	static const struct rlimit no_core = { 0, 0 };
	struct ctl ctl = { .program = program, .socket = program->default_socket };
	enum ctl_status status;

	/*
	 * Passwords are typed here, and a terminal's Ctrl-\ would write them into a file. Not
	 * PR_SET_DUMPABLE, which takes /dev/stdin and /dev/fd from all but root.
	 */
	if (setrlimit(RLIMIT_CORE, &no_core) == -1)
		err(CTL_REFUSED, "no core files");
	occupy_standard_descriptors();
	terminal_init();
	status = run(&ctl, argc, argv);
	/* A result that reached nobody is no success: a full disk, a closed pipe. */
	if ((errno = ctl_output_error()) == 0)
		return (int)status;
	warn("standard output");
	return (int)(status == CTL_DONE ? CTL_REFUSED : status);
}
