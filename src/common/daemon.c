/* SPDX-License-Identifier: ISC */
/*
 * The start of a parent, while it still has the rights of whoever started it.
 */
#include "build.h"

#include "daemon.h"

#include "log.h"
#include "notify.h"

#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <bsd/string.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 1024
#define EXIT_USAGE 64

/* Written when the service works; the process that was started by hand waits for it. */
static int ready_fd = -1;

static void __attribute__((noreturn)) usage(const char *name, int status)
{
	fprintf(status == 0 ? stdout : stderr,
	    "usage: %s [-dnV] [-c file]\n"
	    "  -c file        configuration file\n"
	    "  -d             stay in the foreground and log to standard error\n"
	    "  -n             check the configuration and exit\n"
	    "  -V, --version  print the version and exit\n"
	    "  --help         print this text and exit\n",
	    name);
	exit(status);
}

void
daemon_options(int argc, char **argv, const char *default_config, struct daemon_options *options)
{
	static const struct option long_options[] = { { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' }, { NULL, 0, NULL, 0 } };
	const char *name = program_invocation_short_name;
	int c;

	/* What getopt puts in front of its messages. */
	argv[0] = program_invocation_short_name;
	options->config = default_config;
	options->foreground = options->check = false;
	while ((c = getopt_long(argc, argv, "c:dhnV", long_options, NULL)) != -1) {
		switch (c) {
		case 'c':
			options->config = optarg;
			break;
		case 'd':
			options->foreground = true;
			break;
		case 'n':
			options->check = true;
			break;
		case 'h':
			usage(name, 0);
		case 'V':
			printf("%s %s\n", name, PACKAGE_VERSION);
			exit(0);
		default:
			usage(name, EXIT_USAGE);
		}
	}
	if (optind != argc)
		usage(name, EXIT_USAGE);
}

void
daemon_refuse(const struct daemon_options *options, const char *why)
{
	if (why == NULL)
		why = "no memory";
	if (!options->check)
		fatalx("%s", why);
	/* Advice about quoting must not be quoted itself. */
	fprintf(stderr, "%s\n", why);
	exit(1);
}

/* In the first process: exits as the daemon fares. */
static void __attribute__((noreturn)) wait_until_ready(pid_t daemon, int fd)
{
	char byte;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n == -1 && errno == EINTR);
	if (n == 1)
		_exit(0);
	waitpid(daemon, NULL, 0);
	_exit(1);
}

static void
detach(void)
{
	int pipe_fds[2], null;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) == -1)
		fatal("pipe");
	if ((pid = fork()) == -1)
		fatal("fork");
	if (pid > 0) {
		close(pipe_fds[1]);
		wait_until_ready(pid, pipe_fds[0]);
	}
	close(pipe_fds[0]);
	ready_fd = pipe_fds[1];
	if (setsid() == -1)
		fatal("setsid");
	/* Errors of the start still go to the terminal; see daemon_ready(). */
	if ((null = open("/dev/null", O_RDWR | O_CLOEXEC)) == -1 || dup2(null, 0) == -1 ||
	    dup2(null, 1) == -1)
		fatal("/dev/null");
	close(null);
	tzset();
	openlog(NULL, LOG_NDELAY | LOG_PID, LOG_DAEMON);
}

void
daemon_start(const struct daemon_options *options)
{
	struct rlimit no_core = { 0, 0 };
	int fd;

	umask(077);
	signal(SIGPIPE, SIG_IGN);
	/* Descriptors 0 to 2 must not become something else by accident. */
	do {
		if ((fd = open("/dev/null", O_RDWR)) == -1)
			fatal("/dev/null");
	} while (fd <= 2);
	close(fd);
	if (close_range(3, ~0U, 0) == -1)
		fatal("close_range");
	if (setrlimit(RLIMIT_CORE, &no_core) == -1 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		fatal("no core files");
	if (chdir("/") == -1)
		fatal("/");
	if (!options->foreground)
		detach();
	notify_open();
}

static void
on_hangup(evutil_socket_t number, short what, void *arg)
{
	(void)number;
	(void)what;
	(void)arg;
	log_info("SIGHUP: the configuration is read at the start only; to have it read, restart");
}

void
daemon_signals(const struct daemon_options *options, struct event_base *base,
    void (*ending)(evutil_socket_t number, short what, void *arg), void *arg)
{
	bool terminal = options->foreground && isatty(STDERR_FILENO) == 1;
	struct event *events[] = { evsignal_new(base, SIGTERM, ending, arg),
		evsignal_new(base, SIGINT, ending, arg),
		evsignal_new(base, SIGHUP, terminal ? ending : on_hangup, arg) };
	size_t i;

	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i] == NULL || event_add(events[i], NULL) == -1)
			fatalx("no memory");
}

void
daemon_ready(void)
{
	notify_send("READY=1");
	if (ready_fd != -1) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (null != -1) {
			dup2(null, 2);
			close(null);
		}
		log_use_syslog();
		if (write(ready_fd, "", 1) == -1)
			log_warn("the process that started this one is gone");
		close(ready_fd);
		ready_fd = -1;
	}
}

int
daemon_directory(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	struct stat st;
	int fd, result = -1;

	if (mkdir(path, 0700) == -1 && errno != EEXIST) {
		log_error("%s: it does not exist and cannot be made", path);
		return -1;
	}
	/* As it must be: then it need not be opened, which may be another user's right. */
	if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == uid &&
	    (st.st_mode & 07777) == mode)
		return 0;
	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1 ||
	    fstat(fd, &st) == -1) {
		log_error("%s", path);
	} else if (st.st_uid != uid && fchown(fd, uid, gid) == -1) {
		log_errorx("%s: it belongs to user %u and must belong to user %u", path,
		    (unsigned int)st.st_uid, (unsigned int)uid);
	} else if ((st.st_mode & 07777) != mode && fchmod(fd, mode) == -1) {
		log_error("%s: its mode must be %03o", path, (unsigned int)mode);
	} else
		result = 0;
	if (fd != -1)
		close(fd);
	return result;
}

int
daemon_lock(const char *directory)
{
	char path[PATH_MAX], text[16];
	struct stat st;
	ssize_t n;
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/lock", directory) >= sizeof(path)) {
		log_errorx("%s: the name is too long", directory);
		return -1;
	}
	if ((fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600)) == -1) {
		log_error("%s", path);
		return -1;
	}
	/* In a folder that the daemon's own user may write: never by another name of some file. */
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_nlink != 1) {
		log_errorx("%s: not a regular file of one name: remove it", path);
		close(fd);
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno == EWOULDBLOCK) {
			n = read(fd, text, sizeof(text) - 1);
			text[n < 0 ? 0 : n] = '\0';
			text[strcspn(text, "\n")] = '\0';
			log_errorx("%s is in use: already running%s%s", directory,
			    text[0] == '\0' ? "" : ", pid ", text);
		} else
			log_error("%s", path);
		close(fd);
		return -1;
	}
	/* For people; what counts is the lock, which stays open and ends with the process. */
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	/* Started by root now, and perhaps as the directory's user the next time. */
	if (stat(directory, &st) == 0 && geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid) == -1)
		log_warn("%s", path);
	if (ftruncate(fd, 0) == -1 || write(fd, text, (size_t)n) != n) {
		log_error("%s", path);
		close(fd);
		return -1;
	}
	return 0;
}

int
daemon_listen_unix(const char *path, mode_t mode, gid_t gid)
{
	struct sockaddr_un address;
	struct stat st;
	mode_t before;
	int fd, bound;

	memset(&address, 0, sizeof(address));
	address.sun_family = AF_UNIX;
	if (strlcpy(address.sun_path, path, sizeof(address.sun_path)) >= sizeof(address.sun_path)) {
		log_errorx("%s: the path of a socket has at most %zu bytes", path,
		    sizeof(address.sun_path) - 1);
		return -1;
	}
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && unlink(path) == -1) {
		log_error("%s", path);
		return -1;
	}
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1) {
		log_error("%s", path);
		return -1;
	}
	/* Made with its mode: between making and changing it somebody could be in, or it another.
	 */
	before = umask(0777 & ~mode);
	bound = bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(before);
	if (bound == -1 || listen(fd, BACKLOG) == -1) {
		log_error("%s", path);
		close(fd);
		return -1;
	}
	/* Without the group the socket is only for its owner: less, not wrong. */
	if (gid != getgid() && lchown(path, (uid_t)-1, gid) == -1)
		log_warn("%s: not given to group %u", path, (unsigned int)gid);
	return fd;
}

static int
listen_at(const struct sockaddr *address, socklen_t len, bool only_ipv6, const char *name)
{
	int fd, one = 1;

	fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1) {
		if (errno != EAFNOSUPPORT)
			log_error("listening at %s", name);
		return -1;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == -1 ||
	    (only_ipv6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == -1) ||
	    bind(fd, address, len) == -1 || listen(fd, BACKLOG) == -1) {
		log_error("listening at %s", name);
		close(fd);
		return -1;
	}
	return fd;
}

int
daemon_listen_tcp(const struct endpoint *endpoint, int fds[2])
{
	const char *host = endpoint->host;
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;
	char name[ENDPOINT_ORIGIN_SIZE];
	int count = 0;

	if (endpoint_format(endpoint, name, sizeof(name)) == -1)
		return -1;
	memset(&v6, 0, sizeof(v6));
	memset(&v4, 0, sizeof(v4));
	v6.sin6_family = AF_INET6;
	v6.sin6_port = htons(endpoint->port);
	v4.sin_family = AF_INET;
	v4.sin_port = htons(endpoint->port);
	if (strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (endpoint->any) {
		v6.sin6_addr = in6addr_any;
		v4.sin_addr.s_addr = htonl(INADDR_ANY);
	}
	if (endpoint->any || inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
		if ((fds[count] = listen_at((struct sockaddr *)&v6, sizeof(v6), true, name)) != -1)
			count++;
	}
	if (endpoint->any || inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
		if ((fds[count] = listen_at((struct sockaddr *)&v4, sizeof(v4), false, name)) != -1)
			count++;
	}
	return count == 0 ? -1 : count;
}
