/* SPDX-License-Identifier: ISC */
/*
 * The local page as the parent sees it: its listener, the one-time URLs that lead to it, and
 * what may not be set through it.
 *
 * It is this process that holds the listener, so that its address stays ours while the
 * page's own process is being started again.
 *
 * The socket is made before the start's rights are given up.  When another program holds
 * the address, listening is tried again later, with that same socket: the sandbox allows
 * that for it alone, and for no other port.  A connection that says nothing stays with the kernel
 * for three seconds (TCP_DEFER_ACCEPT): a browser that was kept from sending after it connected
 * has no place yet that a flood could take from it.  A flood that says nothing either fills the
 * kernel's queue, and is handed over at once from then on (SYN cookies).
 */
#include "adconnectord.h"

#include "change.h"

#include "common/base64url.h"
#include "common/log.h"

#include <sys/socket.h>

#include <arpa/inet.h>
#include <bsd/stdlib.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 1024
/* The kernel counts in answers to a SYN, 1 and 2 s apart, and hands over after the last. */
#define SILENT_SECONDS 3
#define SECRET_SIZE 32
#define SECRET_TEXT_SIZE BASE64URL_SIZE(SECRET_SIZE)
#define LINK_SECONDS 300
#define LINK_WAIT_S 5 /* for the page's process; less than a request has */

void
page_host(const struct connector *connector, char *text, size_t size)
{
	const struct endpoint *listen = &connector->current->settings->web.listen;

	snprintf(text, size, strchr(listen->host, ':') == NULL ? "%s:%u" : "[%s]:%u", listen->host,
	    listen->port);
}

static int
bind_to(int fd, const struct endpoint *listen)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(listen->port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(listen->port) };

	if (inet_pton(AF_INET, listen->host, &four.sin_addr) == 1)
		return bind(fd, (struct sockaddr *)&four, sizeof(four));
	if (inet_pton(AF_INET6, listen->host, &six.sin6_addr) != 1) {
		errno = EINVAL;
		return -1;
	}
	return bind(fd, (struct sockaddr *)&six, sizeof(six));
}

void
page_listen(struct connector *connector)
{
	struct page_listener *page = &connector->page_listener;
	char host[ENDPOINT_ORIGIN_SIZE];

	if (page->fd == -1 || page->open)
		return;
	if (!page->bound)
		page->bound = bind_to(page->fd, &connector->current->settings->web.listen) == 0;
	page->open = page->bound && listen(page->fd, BACKLOG) == 0;
	if (page->open)
		return;
	page_host(connector, host, sizeof(host));
	if (errno == EADDRINUSE)
		log_errorx("the local page is not there: another program holds %s; end that one "
			   "(ss -ltnp names it) or give another address by web.listen in the "
			   "configuration, then: adconnectorctl web",
		    host);
	else
		log_error("the local page is not there: %s", host);
}

void
page_open(struct connector *connector)
{
	const struct settings *settings = connector->current->settings;
	struct page_listener *page = &connector->page_listener;
	int one = 1, silent = SILENT_SECONDS;

	page->fd = -1;
	if (!settings->web.on)
		return;
	page->fd = socket(strchr(settings->web.listen.host, ':') == NULL ? AF_INET : AF_INET6,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (page->fd == -1 ||
	    setsockopt(page->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == -1 ||
	    setsockopt(page->fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &silent, sizeof(silent)) == -1) {
		log_error("the local page is not there: a socket for it");
		if (page->fd != -1)
			close(page->fd);
		page->fd = -1;
		return;
	}
	page_listen(connector);
}

/* --- one-time URLs ---------------------------------------------------------- */

/* Is the listener ours? False, and told, when it is not. */
static bool
is_ours(struct connector *connector, struct child *asker, uint32_t id)
{
	struct page_listener *page = &connector->page_listener;
	char host[ENDPOINT_ORIGIN_SIZE], text[512];

	if (page->fd == -1) {
		change_tell(asker, id, false, "no_page",
		    connector->current->settings->web.on
			? "the page's socket could not be made at the start; see the log"
			: "web.listen in the configuration says that there is no page");
		return false;
	}
	page_listen(connector);
	if (page->open)
		return true;
	page_host(connector, host, sizeof(host));
	snprintf(text, sizeof(text),
	    "another program holds %s: end that one (ss -ltnp names it), or give another address "
	    "by web.listen in the configuration and restart adconnectord",
	    host);
	change_tell(asker, id, false, "address_in_use", text);
	return false;
}

static void
make_link(struct connector *connector, struct child *page, struct child *asker, uint32_t id)
{
	uint8_t secret[SECRET_SIZE], hash[SHA256_DIGEST_LENGTH];
	struct wire_writer w;
	struct pending *p;
	char *text;

	if ((text = malloc(SECRET_TEXT_SIZE)) == NULL ||
	    (p = pending_add(connector->pending, asker, id, page, MESSAGE_SIGN_IN_ALLOW, text)) ==
		NULL) {
		free(text);
		change_tell(asker, id, false, "busy", "too much is being asked; try again");
		return;
	}
	arc4random_buf(secret, sizeof(secret));
	SHA256(secret, sizeof(secret), hash);
	base64url_encode(text, SECRET_TEXT_SIZE, secret, sizeof(secret));
	explicit_bzero(secret, sizeof(secret));
	wire_writer_init(&w);
	wire_put_fixed(&w, hash, sizeof(hash));
	wire_put_u32(&w, LINK_SECONDS);
	child_send(page, MESSAGE_SIGN_IN_ALLOW, p->id, &w, -1);
}

static void
refuse_waiting(struct connector *connector)
{
	change_tell(connector->link_asker, connector->link_id, false, "not_running",
	    "the process of the page does not run now: try again, and see the log");
	connector->link_asker = NULL;
}

static void
on_link_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	refuse_waiting(arg);
}

void
page_link(struct connector *connector, struct child *asker, struct message *m)
{
	static const struct timeval longest = { LINK_WAIT_S, 0 };
	struct child *page;

	if (wire_end(&m->body) == -1) {
		child_breach(asker, "bad LINK_MAKE");
		return;
	}
	if (!is_ours(connector, asker, m->id))
		return;
	service_start(connector->page);
	if ((page = service_current(connector->page)) != NULL) {
		make_link(connector, page, asker, m->id);
		return;
	}
	/* It is on its way, perhaps; one at a time waits for it, and not for ever. */
	refuse_waiting(connector);
	connector->link_asker = asker;
	connector->link_id = m->id;
	if (connector->link_timer == NULL)
		connector->link_timer = event_new(connector->base, -1, 0, on_link_timer, connector);
	if (connector->link_timer == NULL)
		refuse_waiting(connector);
	else
		event_add(connector->link_timer, &longest);
}

void
page_ready(struct connector *connector)
{
	struct child *asker = connector->link_asker;

	connector->link_asker = NULL;
	if (asker != NULL)
		make_link(connector, service_current(connector->page), asker, connector->link_id);
}

void
page_child_gone(struct connector *connector, struct child *child)
{
	if (child == connector->link_asker)
		connector->link_asker = NULL;
	else if (child_role(child) == ROLE_WEB_PAGE)
		refuse_waiting(connector);
}

/* The page waits for it: now it may be given out. */
void
page_allowed(struct connector *connector, struct child *page, struct message *m)
{
	char host[ENDPOINT_ORIGIN_SIZE], url[ENDPOINT_ORIGIN_SIZE + SECRET_TEXT_SIZE + 16];
	struct wire_writer w;
	struct pending *p;

	p = pending_find(connector->pending, page, m->id);
	if (wire_end(&m->body) == -1 || p == NULL || p->asked != MESSAGE_SIGN_IN_ALLOW) {
		child_breach(page, "bad SIGN_IN_ALLOWED");
		return;
	}
	if (p->from != NULL) {
		page_host(connector, host, sizeof(host));
		snprintf(url, sizeof(url), "http://%s/#%s", host, (const char *)p->data);
		wire_writer_init(&w);
		wire_put_string(&w, url);
		wire_put_u32(&w, LINK_SECONDS);
		child_send(p->from, MESSAGE_LINK, p->from_id, &w, -1);
		explicit_bzero(url, sizeof(url));
		log_info("page: a one-time address was made");
	}
	explicit_bzero(p->data, SECRET_TEXT_SIZE);
	pending_done(connector->pending, p);
}

void
page_link_lost(struct connector *connector, struct pending *p)
{
	(void)connector;
	explicit_bzero(p->data, SECRET_TEXT_SIZE);
	change_tell(p->from, p->from_id, false, "not_running",
	    "the process of the page has just ended: try again in a moment");
}

/* --- what the page may set --------------------------------------------------- */

const char *
page_may_not_set(const struct child *child, const char *key)
{
	static const char file[] = "_file";
	size_t len = strlen(key);

	if (child_role(child) != ROLE_WEB_PAGE)
		return NULL;
	/* What is not one of these is no business of the page's, also what comes later. */
	if (strncmp(key, "directory.", 10) != 0 && strncmp(key, "cloud.", 6) != 0)
		return "the page changes directory.* and cloud.* alone; the rest is for "
		       "adconnector.conf";
	if (len >= sizeof(file) - 1 && strcmp(key + len - (sizeof(file) - 1), file) == 0)
		return "the page names no files of this host";
	return NULL;
}
