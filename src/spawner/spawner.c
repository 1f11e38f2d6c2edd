/* SPDX-License-Identifier: ISC */
/*
 * The spawner: the only process that may start and end others, for both
 * houses.  It takes orders of fixed size from its parent, one byte and a
 * descriptor, looks the program and the user up in its own tables, and reports
 * what became of it.  It parses nothing else, and has no file and no network.
 *
 * A child starts under its own user with one capability at most, CAP_SYS_CHROOT,
 * which it gives up once its libraries are warm.
 */
#include "build.h"

#include "spawner.h"

#include "common/log.h"
#include "common/privileges.h"
#include "common/proc.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHILDREN_MAX 64
#define KEPT_CAPABILITIES                                                                          \
	(PRIVILEGE_BIT(CAP_SETUID) | PRIVILEGE_BIT(CAP_SETGID) | PRIVILEGE_BIT(CAP_KILL) |         \
	    PRIVILEGE_BIT(CAP_SYS_CHROOT))

struct program {
	const char *path; /* NULL: this role is not started by the spawner */
	const char *argv0;
	const char *instance; /* argv[1], NULL for none */
};

static const struct program programs[ROLE_COUNT] = {
	[ROLE_DIAL] = { ADC_LIBEXECDIR "/adc-dial", "adc-dial", NULL },
	[ROLE_DIRECTORY] = { ADC_LIBEXECDIR "/adc-directory", "adc-directory", NULL },
	[ROLE_CLOUD] = { ADC_LIBEXECDIR "/adc-cloud", "adc-cloud", NULL },
	[ROLE_WEB_CONTROL] = { ADC_LIBEXECDIR "/adc-web", "adc-web", "control" },
	[ROLE_WEB_PAGE] = { ADC_LIBEXECDIR "/adc-web", "adc-web", "page" },
	[ROLE_GATE_PUBLIC] = { ADC_LIBEXECDIR "/adhub-gate", "adhub-gate", "public" },
	[ROLE_GATE_CONTROL] = { ADC_LIBEXECDIR "/adhub-gate", "adhub-gate", "control" },
	[ROLE_STORE] = { ADC_LIBEXECDIR "/adhub-store", "adhub-store", NULL },
};

struct user {
	bool known;
	uid_t uid;
	gid_t gid;
};

static struct {
	struct proc *proc;
	struct user users[ROLE_COUNT];
	pid_t children[CHILDREN_MAX];
	struct event *on_child;
} spawner;

static int
spawner_config(void *arg, const char *key, const void *value, size_t len, int fd)
{
	struct wire_reader r;
	uint32_t uid, gid;
	uint8_t role;

	(void)arg;
	if (strcmp(key, "user") != 0 || fd != -1)
		return -1;
	wire_reader_init(&r, value, len);
	role = wire_get_u8(&r);
	uid = wire_get_u32(&r);
	gid = wire_get_u32(&r);
	if (wire_end(&r) == -1 || role >= ROLE_COUNT)
		return -1;
	spawner.users[role].known = true;
	spawner.users[role].uid = uid;
	spawner.users[role].gid = gid;
	return 0;
}

/* Standard input and output lead nowhere; a child speaks through descriptor 3 alone. */
static int
descriptors_arrange(int fd)
{
	int null;

	if (fd == 3) {
		if (fcntl(3, F_SETFD, 0) == -1)
			return -1;
	} else if (dup2(fd, 3) == -1)
		return -1;
	if ((null = open("/dev/null", O_RDWR)) == -1)
		return -1;
	if (dup2(null, 0) == -1 || dup2(null, 1) == -1)
		return -1;
#if !defined(ADC_SANDBOX_DEBUG) && !defined(ADC_SANITIZERS)
	if (dup2(null, 2) == -1)
		return -1;
#endif
	return close_range(4, ~0U, 0);
}

/* In the forked process: only calls that are safe there. */
static void __attribute__((noreturn))
exec_program(const struct program *program, const struct user *user, int fd)
{
	char *const argv[] = { (char *)(uintptr_t)program->argv0,
		(char *)(uintptr_t)program->instance, NULL };
#ifdef ADC_SANITIZERS
	char **envp = environ;
#else
	/* libldap reads no file and no variable of its own with this one set. */
	char *envp[] = { (char *)(uintptr_t) "LDAPNOINIT=1", NULL };
#endif
	sigset_t none;
	int number;

	sigemptyset(&none);
	for (number = 1; number < 32; number++)
		signal(number, SIG_DFL);
	if (sigprocmask(SIG_SETMASK, &none, NULL) == -1 || descriptors_arrange(fd) == -1 ||
	    privileges_drop(user->uid, user->gid, PRIVILEGE_BIT(CAP_SYS_CHROOT)) == -1 ||
	    chdir("/") == -1)
		_exit(126);
	execve(program->path, argv, envp);
	_exit(127);
}

static pid_t *
child_slot(pid_t pid)
{
	size_t i;

	for (i = 0; i < CHILDREN_MAX; i++) {
		if (spawner.children[i] == pid)
			return &spawner.children[i];
	}
	return NULL;
}

static void
spawn(struct message *m)
{
	const char *why = "";
	struct wire_writer w;
	uint8_t role;
	pid_t pid = 0, *slot = NULL;

	role = wire_get_u8(&m->body);
	if (wire_end(&m->body) == -1)
		proc_bad_message(m);
	if (role >= ROLE_COUNT || programs[role].path == NULL || !spawner.users[role].known)
		why = "no such role";
	else if ((slot = child_slot(0)) == NULL)
		why = "too many children";
	else if (access(programs[role].path, X_OK) == -1)
		why = strerror(errno);
	else if ((pid = fork()) == -1) {
		why = strerror(errno);
		pid = 0;
	} else if (pid == 0)
		exec_program(&programs[role], &spawner.users[role], m->fd);
	else
		*slot = pid;
	wire_writer_init(&w);
	wire_put_u32(&w, (uint32_t)pid);
	wire_put_string(&w, why);
	proc_send(spawner.proc, MESSAGE_SPAWNED, m->id, &w, -1);
}

/* A pid that is not (or no longer) a child of ours is left alone: it may be anybody's. */
static void
end(struct message *m)
{
	uint32_t pid;
	uint8_t number;

	pid = wire_get_u32(&m->body);
	number = wire_get_u8(&m->body);
	if (wire_end(&m->body) == -1 || (number != SIGTERM && number != SIGKILL))
		proc_bad_message(m);
	if (pid != 0 && child_slot((pid_t)pid) != NULL && kill((pid_t)pid, number) == -1 &&
	    errno != ESRCH)
		log_warn("ending process %u", pid);
}

static void
spawner_message(void *arg, struct message *m)
{
	(void)arg;
	switch (m->type) {
	case MESSAGE_SPAWN:
		spawn(m);
		break;
	case MESSAGE_KILL:
		end(m);
		break;
	default:
		proc_bad_message(m);
	}
}

static void
on_sigchld(evutil_socket_t fd, short what, void *arg)
{
	struct wire_writer w;
	pid_t pid, *slot;
	int status;

	(void)fd;
	(void)what;
	(void)arg;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if ((slot = child_slot(pid)) != NULL)
			*slot = 0;
		wire_writer_init(&w);
		wire_put_u32(&w, (uint32_t)pid);
		wire_put_u32(&w, (uint32_t)status);
		proc_send(spawner.proc, MESSAGE_EXITED, 0, &w, -1);
	}
}

int
main(void)
{
	const struct user *self = &spawner.users[ROLE_SPAWNER];

	spawner.proc = proc_open(ROLE_SPAWNER);
	proc_configure(spawner.proc, spawner_config, NULL);
	if (!self->known)
		fatalx("no user for the spawner");
	if (privileges_drop(self->uid, self->gid, KEPT_CAPABILITIES) == -1)
		fatal("becoming user %u", (unsigned int)self->uid);
	spawner.on_child = evsignal_new(proc_base(spawner.proc), SIGCHLD, on_sigchld, NULL);
	if (spawner.on_child == NULL || event_add(spawner.on_child, NULL) == -1)
		fatalx("no memory");
	sandbox_spawner();
	proc_run(spawner.proc, spawner_message, NULL);
}
