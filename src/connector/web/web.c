/* SPDX-License-Identifier: ISC */
/*
 * adc-web: the local API.  It exists so that no parser of HTTP and JSON runs in
 * a process that holds a key or a password.  It may not open, connect or keep
 * anything: every request becomes a message to the parent, every message of the
 * parent an answer.
 *
 *	control socket -> server.c -> api.c -> parent -> api.c -> server.c
 *	loopback TCP -> server.c -> page.c -> api.c -> parent -> ...
 *
 * Two instances, each with one listener, user and address space: "control" asks the kernel
 * who is at the other end, "page" lets nobody in without a session.
 *
 * A ticket or password passes through once, while it is being saved; each
 * allocator that carries it wipes what it frees.
 */
#include "web.h"

#include "common/json.h"
#include "common/log.h"
#include "common/wipe.h"

#include <event2/event.h>

#include <sys/socket.h>

#include <string.h>
#include <unistd.h>

#define PARENT_FD 3

struct web {
	struct proc *proc;
	struct api *api;
	struct server *server;
	struct page *page; /* NULL: this is control */
	struct access_rules rules;
	bool is_page;
	char *host; /* of the page's listener */
	int listener;
};

static int
web_config(void *arg, const char *key, const void *value, size_t len, int fd)
{
	struct web *web = arg;

	if (strcmp(key, web->is_page ? "listener.tcp" : "listener.unix") == 0 && fd != -1 &&
	    web->listener == -1) {
		web->listener = fd;
		return 0;
	}
	if (web->is_page) {
		if (strcmp(key, "host") != 0 || fd != -1 || web->host != NULL)
			return -1;
		return (web->host = strndup(value, len)) == NULL ? -1 : 0;
	}
	if (strcmp(key, "admin_uid") == 0 && fd == -1)
		return access_set_admins(&web->rules, value, len);
	if (strcmp(key, "reader_gid") == 0 && fd == -1)
		return access_set_reader(&web->rules, value, len);
	return -1;
}

/*
 * Started as an ordinary user, the daemon and this process have one uid, and that
 * user is its administrator.  Started as root they differ; then the own uid is nobody's.
 */
static void
allow_start_user(struct web *web)
{
	struct ucred parent;
	socklen_t len = sizeof(parent);

	if (getsockopt(PARENT_FD, SOL_SOCKET, SO_PEERCRED, &parent, &len) == -1)
		fatal("uid of the parent");
	if (parent.uid == getuid() && access_add_admin(&web->rules, parent.uid) == -1)
		fatalx("too many administrators");
}

static void
on_idle(void *arg)
{
	(void)arg;
	_exit(0);
}

static void
web_message(void *arg, struct message *m)
{
	struct web *web = arg;

	if (m->type == MESSAGE_DRAIN) {
		api_end_streams(web->api, 0);
		server_drain(web->server, on_idle, NULL);
		return;
	}
	if (m->type == MESSAGE_SIGN_IN_ALLOW)
		page_allow(web->page, m);
	else
		api_message(web->api, m);
}

static void
start_control(struct web *web)
{
	allow_start_user(web);
	if ((web->server = server_new(proc_base(web->proc), web->listener, SERVER_FULL_WAITS,
		 control_request, web->api)) == NULL)
		fatalx("no memory");
}

static void
start_page(struct web *web)
{
	if (web->host == NULL)
		fatalx("no host in the configuration");
	if ((web->page = page_new(web->proc, web->api, web->host)) == NULL ||
	    (web->server = server_new(proc_base(web->proc), web->listener, SERVER_FULL_CLOSES,
		 page_request, web->page)) == NULL)
		fatalx("no memory");
}

int
main(int argc, char *argv[])
{
	struct web web = { .listener = -1, .rules.reader_gid = ACCESS_NO_GROUP };

	/* Before the first allocation that could be part of a request. */
	event_set_mem_functions(wiping_malloc, wiping_realloc, wiping_free);
	json_use_wiping_allocator();
	web.is_page = argc == 2 && strcmp(argv[1], "page") == 0;
	web.proc = proc_open(web.is_page ? ROLE_WEB_PAGE : ROLE_WEB_CONTROL);
	if (!web.is_page && (argc != 2 || strcmp(argv[1], "control") != 0))
		fatalx("the only argument is the instance: control or page");
	proc_configure(web.proc, web_config, &web);
	if (web.listener == -1)
		fatalx("no listener in the configuration");
	if ((web.api = api_new(web.proc, web.is_page ? NULL : &web.rules)) == NULL)
		fatalx("no memory");
	if (web.is_page)
		start_page(&web);
	else
		start_control(&web);
	sandbox_web();
	proc_run(web.proc, web_message, &web);
}
