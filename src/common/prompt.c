/* SPDX-License-Identifier: ISC */
/*
 * Asked on standard error, as standard output is for what a command tells: see prompt.h.
 */
#include "prompt.h"

#include "common/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

bool
prompt_possible(void)
{
	return isatty(STDIN_FILENO) == 1;
}

char *
prompt_line(const char *question)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	terminal_puts(stderr, question);
	fflush(stderr);
	if ((len = getline(&line, &size, stdin)) <= 0) {
		free(line);
		return NULL;
	}
	if (line[len - 1] == '\n')
		line[len - 1] = '\0';
	return line;
}

bool
prompt_yes(const char *question)
{
	char *line = prompt_line(question);
	bool yes = line != NULL && (strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0);

	free(line);
	return yes;
}
