/* SPDX-License-Identifier: ISC */
/*
 * Asking for a secret: see terminal.h.  Secrets never come from argv or the
 * environment, where every process of the host can read them; the ways in are
 * standard input and a prompt.  Must not print, log or shorten what it reads.
 */
#include "terminal.h"

#include "wipe.h"
#include "wire.h"

#include <bsd/readpassphrase.h>

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
secret_input_check(char *bytes, size_t *len, size_t max, const char **why)
{
	if (*len > 0 && bytes[*len - 1] == '\n')
		(*len)--;
	bytes[*len] = '\0';
	if (*len > max) {
		*why = "is longer than allowed";
		return -1;
	}
	if (memchr(bytes, '\0', *len) != NULL) {
		*why = "holds a NUL byte; a wrong file or UTF-16 text was probably given";
		return -1;
	}
	if (!utf8_valid(bytes, *len)) {
		*why = "is not UTF-8 text; convert it, for example with iconv(1)";
		return -1;
	}
	return 0;
}

/* Room for one more than allowed and a line feed, so that too long is seen as such. */
static ssize_t
read_all(char *bytes, size_t size)
{
	ssize_t n;
	size_t len;

	for (len = 0; len < size; len += (size_t)n) {
		if ((n = read(STDIN_FILENO, bytes + len, size - len)) == 0)
			break;
		if (n == -1) {
			if (errno != EINTR)
				return -1;
			n = 0;
		}
	}
	return (ssize_t)len;
}

int
secret_input(const char *prompt, size_t max, char **secret, size_t *len, const char **why)
{
	char *bytes;
	size_t size;
	ssize_t n;

	size = max + 2;
	if ((bytes = wiping_calloc(1, size + 1)) == NULL)
		err(1, "calloc");
	if (isatty(STDIN_FILENO)) {
		/* Puts the terminal back also when a signal ends the program. */
		if (readpassphrase(prompt, bytes, size, RPP_REQUIRE_TTY) == NULL) {
			*why = "could not be read from the terminal";
			goto failed;
		}
		n = (ssize_t)strlen(bytes);
	} else if ((n = read_all(bytes, size)) == -1) {
		*why = "could not be read from standard input";
		goto failed;
	}
	*len = (size_t)n;
	if (secret_input_check(bytes, len, max, why) == -1)
		goto failed;
	*secret = bytes;
	return 0;
failed:
	wiping_free(bytes);
	*secret = NULL;
	*len = 0;
	return -1;
}

void
secret_input_free(char *secret, size_t len)
{
	if (secret == NULL)
		return;
	explicit_bzero(secret, len);
	wiping_free(secret);
}
