/* SPDX-License-Identifier: ISC */
/*
 * The domain that a host names as its own.  Read once, before the parent gives up its view of
 * the file system; nobody is asked over the network.
 */
#include "proposal.h"

#include "common/endpoint.h"

#include <bsd/string.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define FILE_MAX 65536
#define LINE_MAX_BYTES 1024
#define BLANKS " \t\r"

/* A name that directory.server takes for a domain: what is proposed must be right there. */
static bool
take(char *dst, size_t size, const char *name)
{
	char why[ENDPOINT_ERROR_SIZE], domain[ENDPOINT_HOST_SIZE];
	struct endpoint endpoint;
	size_t len;

	if ((len = strlcpy(domain, name, sizeof(domain))) >= sizeof(domain) || len == 0)
		return false;
	if (domain[len - 1] == '.')
		domain[len - 1] = '\0';
	return endpoint_parse_directory(domain, &endpoint, why, sizeof(why)) == 0 &&
	    endpoint.scheme == ENDPOINT_DOMAIN && strlcpy(dst, endpoint.host, size) < size;
}

/* The next line, without comment, into line; false at the end. A longer one is cut. */
static bool
next_line(const char **text, char line[LINE_MAX_BYTES])
{
	size_t len = strcspn(*text, "\n"), kept;

	if (**text == '\0')
		return false;
	kept = len < LINE_MAX_BYTES ? len : LINE_MAX_BYTES - 1;
	memcpy(line, *text, kept);
	line[kept] = '\0';
	line[strcspn(line, "#;")] = '\0';
	*text += len + ((*text)[len] == '\n');
	return true;
}

static char *
next_word(char **rest)
{
	char *word;

	while ((word = strsep(rest, BLANKS)) != NULL && *word == '\0')
		;
	return word;
}

/* hosts(5): "ADDRESS NAME ALIAS...", where NAME is ours with a domain behind it. */
static bool
from_hosts(char *dst, size_t size, const char *host, const char *hosts)
{
	size_t len = strlen(host);
	char line[LINE_MAX_BYTES], *rest, *word;

	while (len > 0 && next_line(&hosts, line)) {
		rest = line;
		(void)next_word(&rest);
		while ((word = next_word(&rest)) != NULL) {
			if (strncasecmp(word, host, len) == 0 && word[len] == '.' &&
			    take(dst, size, word + len + 1))
				return true;
		}
	}
	return false;
}

/* resolv.conf(5): the last "search" or "domain" counts, and of it the first name. */
static bool
from_resolv(char *dst, size_t size, const char *resolv)
{
	char line[LINE_MAX_BYTES], *rest, *word;
	bool found = false;

	while (next_line(&resolv, line)) {
		rest = line;
		if ((word = next_word(&rest)) == NULL ||
		    (strcmp(word, "search") != 0 && strcmp(word, "domain") != 0))
			continue;
		found = (word = next_word(&rest)) != NULL && take(dst, size, word);
	}
	return found;
}

void
proposal_domain(char *dst, size_t size, const char *host, const char *hosts, const char *resolv)
{
	const char *dot = strchr(host, '.');

	if ((dot != NULL && take(dst, size, dot + 1)) || from_hosts(dst, size, host, hosts) ||
	    from_resolv(dst, size, resolv))
		return;
	dst[0] = '\0';
}

static void
read_text(const char *path, char text[FILE_MAX])
{
	ssize_t n = -1;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) != -1) {
		n = read(fd, text, FILE_MAX - 1);
		close(fd);
	}
	text[n < 0 ? 0 : n] = '\0';
}

void
proposal_of_host(char *dst, size_t size, const char *host)
{
	static char hosts[FILE_MAX], resolv[FILE_MAX];

	read_text("/etc/hosts", hosts);
	read_text("/etc/resolv.conf", resolv);
	proposal_domain(dst, size, host, hosts, resolv);
}
