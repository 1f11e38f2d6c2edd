/* SPDX-License-Identifier: ISC */
/*
 * adc-web: the local API.  It exists so that no parser of HTTP and JSON runs in
 * a process that holds a key or a password.  It may not open, connect or keep
 * anything: every request becomes a message to the parent, every message of the
 * parent an answer.
 *
 *	control socket -> server.c -> api.c -> parent -> api.c -> server.c
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
	struct access_rules rules;
	int listener;
};

static int
web_config(void *arg, const char *key, const void *value, size_t len, int fd)
{
	struct web *web = arg;

	if (strcmp(key, "listener.unix") == 0 && fd != -1 && web->listener == -1) {
		web->listener = fd;
		return 0;
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
		api_drain(web->api);
		server_drain(web->server, on_idle, NULL);
		return;
	}
	api_message(web->api, m);
}

int
main(int argc, char *argv[])
{
	struct web web = { .listener = -1, .rules.reader_gid = ACCESS_NO_GROUP };

	/* Before the first allocation that could be part of a request. */
	event_set_mem_functions(wiping_malloc, wiping_realloc, wiping_free);
	json_use_wiping_allocator();
	web.proc = proc_open(ROLE_WEB_CONTROL);
	if (argc != 2 || strcmp(argv[1], "control") != 0)
		fatalx("the only argument is the instance: control");
	proc_configure(web.proc, web_config, &web);
	if (web.listener == -1)
		fatalx("no listener in the configuration");
	allow_start_user(&web);
	if ((web.api = api_new(web.proc, &web.rules)) == NULL ||
	    (web.server = server_new(proc_base(web.proc), web.listener, api_request, web.api)) ==
		NULL)
		fatalx("no memory");
	sandbox_web();
	proc_run(web.proc, web_message, &web);
}
