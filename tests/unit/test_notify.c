/* SPDX-License-Identifier: ISC */
/*
 * What the service manager gets to hear, by a path and by an abstract name, and
 * that nothing breaks without one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/notify.h"

static void
quiet(enum log_level level, const char *tag, const char *text)
{
	(void)level;
	(void)tag;
	(void)text;
}

/* A manager's socket; '@' in front stands for the NUL of an abstract name. */
static int
manager(const char *name)
{
	struct timeval tv = { 5, 0 };
	struct sockaddr_un sun;
	size_t len = strlen(name);
	int fd;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	assert_true(len <= sizeof(sun.sun_path));
	memcpy(sun.sun_path, name, len);
	if (name[0] == '@')
		sun.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_true(fd != -1);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
	    0);
	return fd;
}

static void
heard(int fd, const char *expected)
{
	char text[256];
	ssize_t n = recv(fd, text, sizeof(text), 0);

	assert_int_equal(n, strlen(expected));
	assert_memory_equal(text, expected, strlen(expected));
}

static void
without_a_manager(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_open(), 0);
	notify_send("READY=1");
}

static void
bad_names(void **state)
{
	char name[200];
	static const char *const bad[] = { "", "/", "@", "relative", "vsock:2:1",
		"/tmp/test-notify-there-is-none" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setenv("NOTIFY_SOCKET", bad[i], 1);
		assert_int_equal(notify_open(), -1);
		assert_null(getenv("NOTIFY_SOCKET"));
		notify_send("READY=1");
	}
	memset(name, 'a', sizeof(name));
	name[0] = '/';
	name[sizeof(((struct sockaddr_un *)NULL)->sun_path)] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(notify_open(), -1);
}

static void
by_name(const char *name)
{
	int fd = manager(name), again;

	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(notify_open(), 0);
	assert_null(getenv("NOTIFY_SOCKET"));
	notify_send("READY=1");
	heard(fd, "READY=1");
	notify_send("STOPPING=1\nSTATUS=ending");
	heard(fd, "STOPPING=1\nSTATUS=ending");
	close(fd);
	/* Nobody listens any more: no signal, no end. */
	notify_send("READY=1");
	/* And a second manager takes over. */
	if (name[0] == '/')
		unlink(name);
	again = manager(name);
	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(notify_open(), 0);
	notify_send("READY=1");
	heard(again, "READY=1");
	close(again);
}

static void
by_path(void **state)
{
	char folder[] = "/tmp/test-notify-XXXXXX", name[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(name, sizeof(name), "%s/notify", folder);
	by_name(name);
	unlink(name);
	rmdir(folder);
}

static void
by_abstract_name(void **state)
{
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "@test-notify-%d", (int)getpid());
	by_name(name);
}

/* A manager that does not read must not hold the service up. */
static void
never_blocks(void **state)
{
	char name[64];
	int fd, i;

	(void)state;
	snprintf(name, sizeof(name), "@test-notify-slow-%d", (int)getpid());
	fd = manager(name);
	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(notify_open(), 0);
	alarm(20);
	for (i = 0; i < 100000; i++)
		notify_send("STATUS=busy");
	alarm(0);
	heard(fd, "STATUS=busy");
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_manager),
		cmocka_unit_test(bad_names),
		cmocka_unit_test(by_path),
		cmocka_unit_test(by_abstract_name),
		cmocka_unit_test(never_blocks),
	};

	log_init("test");
	log_set_sink(quiet);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
