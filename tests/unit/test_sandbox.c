/* SPDX-License-Identifier: ISC */
/*
 * The box, from inside: what is in it works, what is refused is refused with
 * an error, and everything else ends the process.  Each question is asked by
 * a child of its own, by the raw system call, so that no library answers in
 * the kernel's place.
 */
#include "build.h"

#include "common/landlock.h"
#include "common/log.h"
#include "common/sandbox.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What became of a call: 0 it worked, an errno, or this when the process was ended for it. */
#define KILLED 1000

static const struct sandbox bare = { .name = "bare", .descriptors = 64 };
static const struct sandbox_path only_tmp[] = { { "/usr", false }, { NULL, false } };
static char scratch[] = "/tmp/adconnector-sandbox-XXXXXX";

/* Errors of the box itself, which must be told from those of the call. */
#define BROKEN_BOX 250

static int
outcome(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGSYS);
		return KILLED;
	}
	assert_int_not_equal(WEXITSTATUS(status), BROKEN_BOX);
#ifdef ADC_SANDBOX_DEBUG
	if (WEXITSTATUS(status) == 161)
		return KILLED;
#endif
	return WEXITSTATUS(status);
}

/* In the child: the box could not be put up. */
static void
broken(enum log_level level, const char *tag, const char *text)
{
	if (level != LOG_LEVEL_ERROR)
		return;
	fprintf(stderr, "%s: %s\n", tag, text);
	_exit(BROKEN_BOX);
}

static int
try_in(const struct sandbox *box, long number, long a, long b, long c, long d)
{
	pid_t pid;
	long result;

	fflush(NULL);
	assert_int_not_equal(pid = fork(), -1);
	if (pid > 0)
		return outcome(pid);
#ifdef ADC_SANDBOX_DEBUG
	/* Its last words are for people who look for a missing call. */
	close(2);
	open("/dev/null", O_WRONLY);
#endif
	log_set_sink(broken);
	sandbox_enter(box);
	result = syscall(number, a, b, c, d, 0, 0);
	_exit(result == -1 ? errno : 0);
}

static int
try(const struct sandbox *box, long number)
{
	return try_in(box, number, 0, 0, 0, 0);
}

static void
base_works(void **state)
{
	char bytes[4];

	(void)state;
	assert_int_equal(try_in(&bare, SYS_getrandom, (long)bytes, sizeof(bytes), 0, 0), 0);
	assert_int_equal(try(&bare, SYS_getpid), 0);
	assert_int_equal(try_in(&bare, SYS_write, 2, (long)"", 0, 0), 0);
	assert_int_equal(
	    try_in(&bare, SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS), 0);
}

/* What libraries try on the way: an error, as from a kernel that has no such thing. */
static void
refused_calls(void **state)
{
	static const char passwd[] = "/etc/passwd";

	(void)state;
	assert_int_equal(try_in(&bare, SYS_openat, AT_FDCWD, (long)passwd, O_RDONLY, 0), EACCES);
	assert_int_equal(try_in(&bare, SYS_socket, AF_INET, SOCK_STREAM, 0, 0), EACCES);
	assert_int_equal(try_in(&bare, SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0), EACCES);
	assert_int_equal(try(&bare, SYS_connect), EACCES);
	assert_int_equal(try(&bare, SYS_bind), EACCES);
	assert_int_equal(try(&bare, SYS_execve), EACCES);
	assert_int_equal(try(&bare, SYS_execveat), EACCES);
#ifdef SYS_fork
	assert_int_equal(try(&bare, SYS_fork), EACCES);
	assert_int_equal(try(&bare, SYS_vfork), EACCES);
#endif
	assert_int_equal(try_in(&bare, SYS_clone, SIGCHLD, 0, 0, 0), EACCES);
	assert_int_equal(try(&bare, SYS_clone3), ENOSYS);
	assert_int_equal(try(&bare, SYS_ptrace), EACCES);
	assert_int_equal(try_in(&bare, SYS_kill, getpid(), 0, 0, 0), EACCES);
	assert_int_equal(try(&bare, SYS_setresuid), EACCES);
	assert_int_equal(try(&bare, SYS_chroot), EACCES);
}

static void
everything_else_kills(void **state)
{
	static const struct {
		const char *name;
		long number;
	} calls[] = {
#define CALL(name) { #name, SYS_##name }
		CALL(mount),
		CALL(umount2),
		CALL(pivot_root),
		CALL(unshare),
		CALL(setns),
		CALL(io_uring_setup),
		CALL(io_uring_enter),
		CALL(bpf),
		CALL(perf_event_open),
		CALL(userfaultfd),
		CALL(keyctl),
		CALL(add_key),
		CALL(request_key),
		CALL(process_vm_readv),
		CALL(process_vm_writev),
		CALL(pidfd_open),
		CALL(pidfd_getfd),
		CALL(pidfd_send_signal),
		CALL(kcmp),
		CALL(personality),
		CALL(seccomp),
		CALL(capset),
		CALL(memfd_create),
		CALL(socketpair),
		CALL(accept4),
		CALL(dup),
		CALL(dup2),
		CALL(dup3),
		CALL(pipe2),
		CALL(eventfd2),
		CALL(timerfd_create),
		CALL(inotify_init1),
		CALL(splice),
		CALL(sendfile),
		CALL(copy_file_range),
		CALL(getdents64),
		CALL(symlinkat),
		CALL(linkat),
		CALL(mknodat),
		CALL(fchmod),
		CALL(fchown),
		CALL(truncate),
		CALL(setrlimit),
		CALL(prlimit64),
		CALL(shmget),
		CALL(msgget),
		CALL(semget),
		CALL(mq_open),
		CALL(init_module),
		CALL(kexec_load),
		CALL(reboot),
		CALL(swapon),
		CALL(remap_file_pages),
		CALL(sendmmsg),
		CALL(recvmsg),
#ifdef __x86_64__
		CALL(ioperm),
		CALL(modify_ldt),
		CALL(creat),
		CALL(chmod),
		CALL(symlink),
#endif
#undef CALL
	};
	size_t i;
	int got;

	(void)state;
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if ((got = try(&bare, calls[i].number)) != KILLED)
			fail_msg("%s: %d and not the end", calls[i].name, got);
	}
}

/* Nor do the other system call tables of the machine lead round the filter. */
static void
other_tables_kill(void **state)
{
#ifdef __x86_64__
	pid_t pid;

	(void)state;
	/* x32: the same entry, with bit 30 set. */
	assert_int_equal(try(&bare, 0x40000000 + SYS_getpid), KILLED);
	assert_int_not_equal(pid = fork(), -1);
	if (pid == 0) {
		long result;

		log_set_sink(broken);
		sandbox_enter(&bare);
		/* i386: 20 is getpid there. A kernel without that table ends it too. */
		__asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");
		_exit(0);
	}
	{
		int status;

		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 161);
	}
#else
	(void)state;
#endif
}

/* Memory is never both written and run. */
static void
no_code_is_made(void **state)
{
	const long flags = MAP_PRIVATE | MAP_ANONYMOUS;
	void *page;

	(void)state;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, (int)flags, -1, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(try_in(&bare, SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, flags), KILLED);
	assert_int_equal(
	    try_in(&bare, SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, flags), KILLED);
	assert_int_equal(
	    try_in(&bare, SYS_mprotect, (long)page, 4096, PROT_READ | PROT_EXEC, 0), KILLED);
	assert_int_equal(try_in(&bare, SYS_mprotect, (long)page, 4096, PROT_READ, 0), 0);
	assert_int_equal(try_in(&bare, SYS_pkey_mprotect, (long)page, 4096, PROT_EXEC, -1), KILLED);
	munmap(page, 4096);
}

/* One command of fcntl is allowed, the next one is not. */
static void
arguments_count(void **state)
{
	static const struct sandbox_call calls[] = { { "dup3", 2, O_CLOEXEC }, { NULL, -1, 0 } };
	static const struct sandbox box = { .name = "box", .calls = calls, .descriptors = 64 };

	(void)state;
	assert_int_equal(try_in(&bare, SYS_fcntl, 2, F_GETFL, 0, 0), 0);
	assert_int_equal(try_in(&bare, SYS_fcntl, 2, F_DUPFD, 10, 0), KILLED);
	assert_int_equal(try_in(&bare, SYS_fcntl, 2, F_SETOWN, 1, 0), KILLED);
	assert_int_equal(try_in(&box, SYS_dup3, 2, 9, O_CLOEXEC, 0), 0);
	assert_int_equal(try_in(&box, SYS_dup3, 2, 9, 0, 0), KILLED);
	assert_int_equal(try_in(&bare, SYS_dup3, 2, 9, O_CLOEXEC, 0), KILLED);
}

/* dial's sockets: TCP and UDP over IP, and none else. */
static void
internet(void **state)
{
	static const struct sandbox box = { .name = "dial", .internet = true, .descriptors = 64 };
	const long close_on_exec = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

	(void)state;
	assert_int_equal(try_in(&box, SYS_socket, AF_INET, close_on_exec, 0, 0), 0);
	assert_int_equal(try_in(&box, SYS_socket, AF_INET, SOCK_DGRAM, 0, 0), 0);
	assert_int_equal(try_in(&box, SYS_socket, AF_INET, SOCK_RAW, 0, 0), KILLED);
	assert_int_equal(try_in(&box, SYS_socket, AF_INET6, SOCK_RAW, 0, 0), KILLED);
	assert_int_equal(try_in(&box, SYS_socket, AF_INET, SOCK_SEQPACKET, 0, 0), KILLED);
	assert_int_equal(try_in(&box, SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0), KILLED);
	assert_int_equal(try_in(&box, SYS_socket, AF_NETLINK, SOCK_DGRAM, 0, 0), KILLED);
	assert_int_equal(try_in(&box, SYS_socket, AF_PACKET, SOCK_DGRAM, 0, 0), KILLED);
	assert_int_equal(try_in(&box, SYS_socket, 40 /* AF_VSOCK */, SOCK_STREAM, 0, 0), KILLED);
	assert_int_equal(try(&box, SYS_bind), EACCES);
	assert_int_equal(try(&box, SYS_listen), EACCES);
	assert_int_equal(try(&box, SYS_accept4), KILLED);
}

static int
connect_to(const struct sandbox *box, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd, result;

	address.sin_port = htons(port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_not_equal(fd = socket(AF_INET, SOCK_STREAM, 0), -1);
	result = try_in(box, SYS_connect, fd, (long)&address, sizeof(address), 0);
	close(fd);
	return result;
}

/* Only to the ports that were named. */
static void
ports(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	uint16_t port;
	struct sandbox box = { .name = "dial", .internet = true, .descriptors = 64 };
	int fd;

	(void)state;
	if (landlock_abi() < 4) {
		print_message("Landlock of this kernel has no TCP rules\n");
		skip();
	}
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_not_equal(fd = socket(AF_INET, SOCK_STREAM, 0), -1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	port = ntohs(address.sin_port);
	assert_int_equal(connect_to(&box, port), EACCES);
	box.ports = &port;
	box.nports = 1;
	assert_int_equal(connect_to(&box, port), 0);
	assert_int_equal(connect_to(&box, port == 22 ? 23 : 22), EACCES);
	close(fd);
}

static int
open_in(const struct sandbox *box, const char *path, int flags)
{
	return try_in(box, SYS_openat, AT_FDCWD, (long)path, flags, 0600);
}

/* dial's files: where Landlock lets it, and to read. */
static void
read_files(void **state)
{
	static const struct sandbox box = {
		.name = "dial", .read_files = true, .paths = only_tmp, .descriptors = 64
	};
	static const char inside[] = "/usr/bin/env", outside[] = "/etc/passwd";

	(void)state;
	assert_int_equal(open_in(&box, inside, O_RDONLY | O_CLOEXEC), 0);
	if (landlock_abi() > 0) {
		assert_int_equal(open_in(&box, outside, O_RDONLY), EACCES);
		assert_int_equal(open_in(&box, "/usr/../etc/passwd", O_RDONLY), EACCES);
		assert_int_equal(open_in(&box, "/proc/self/root/etc/passwd", O_RDONLY), EACCES);
	}
	assert_int_equal(open_in(&box, inside, O_WRONLY), KILLED);
	assert_int_equal(open_in(&box, inside, O_RDWR), KILLED);
	assert_int_equal(open_in(&box, inside, O_RDONLY | O_CREAT), KILLED);
	assert_int_equal(open_in(&box, inside, O_RDONLY | O_TRUNC), KILLED);
	assert_int_equal(open_in(&box, inside, O_PATH), KILLED);
	assert_int_equal(try(&box, SYS_unlinkat), KILLED);
	assert_int_equal(try(&box, SYS_getdents64), KILLED);
}

/* A directory of its own, as the connector's parent has: nothing of it outside. */
static void
own_directory(void **state)
{
	static const struct sandbox_call calls[] = { { "openat", -1, 0 }, { "renameat", -1, 0 },
		{ "unlinkat", -1, 0 }, { NULL, -1, 0 } };
	const struct sandbox_path paths[] = { { scratch, true }, { NULL, false } };
	const struct sandbox_path readable[] = { { scratch, false }, { NULL, false } };
	struct sandbox box = { .name = "box", .calls = calls, .paths = paths, .descriptors = 64 };
	char own[64], other[64], link[64];

	(void)state;
	if (landlock_abi() == 0) {
		print_message("no Landlock in this kernel\n");
		skip();
	}
	snprintf(own, sizeof(own), "%s/file", scratch);
	snprintf(other, sizeof(other), "%s-other", scratch);
	snprintf(link, sizeof(link), "%s/link", scratch);
	assert_int_equal(symlink("/etc/passwd", link), 0);
	assert_int_equal(open_in(&box, own, O_WRONLY | O_CREAT | O_EXCL), 0);
	assert_int_equal(open_in(&box, own, O_RDWR), 0);
	assert_int_equal(open_in(&box, other, O_WRONLY | O_CREAT), EACCES);
	assert_int_equal(open_in(&box, link, O_RDONLY), EACCES);
	assert_int_equal(
	    try_in(&box, SYS_renameat, AT_FDCWD, (long)own, AT_FDCWD, (long)other), EACCES);
	box.paths = readable;
	assert_int_equal(open_in(&box, own, O_RDONLY), 0);
	assert_int_equal(open_in(&box, own, O_WRONLY), EACCES);
	box.paths = NULL;
	assert_int_equal(open_in(&box, own, O_RDONLY), EACCES);
	box.paths = paths;
	assert_int_equal(try_in(&box, SYS_unlinkat, AT_FDCWD, (long)own, 0, 0), 0);
	assert_int_equal(unlink(link), 0);
}

/* No more descriptors than it was given. */
static void
descriptors(void **state)
{
	static const struct sandbox box = {
		.name = "box", .read_files = true, .paths = only_tmp, .descriptors = 3
	};
	int null;

	(void)state;
	/* Whatever the test runs under may have left some open. */
	assert_int_not_equal(null = open("/dev/null", O_RDONLY), -1);
	close(null);
	assert_int_equal(open_in(&box, "/usr/bin/env", O_RDONLY), EMFILE);
}

/* The spawner's: what its children need none of is refused, the rest is theirs to forbid. */
static void
deny_list(void **state)
{
	static const long denied[] = { SYS_mount, SYS_bpf, SYS_io_uring_setup, SYS_ptrace,
		SYS_unshare, SYS_process_vm_readv, SYS_keyctl, SYS_userfaultfd, SYS_init_module };
	pid_t pid;
	size_t i;

	(void)state;
	assert_int_not_equal(pid = fork(), -1);
	if (pid == 0) {
		log_set_sink(broken);
		sandbox_deny();
		for (i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
			if (syscall(denied[i], 0, 0, 0, 0, 0) != -1 || errno != EPERM)
				_exit(1);
		}
		if (getpid() == -1 || open("/dev/null", O_RDONLY) == -1)
			_exit(2);
		/* The child's own filter comes on top. */
		sandbox_enter(&bare);
		syscall(SYS_mount, 0, 0, 0, 0, 0);
		_exit(3);
	}
	assert_int_equal(outcome(pid), KILLED);
}

static int
make_scratch(void **state)
{
	(void)state;
	return mkdtemp(scratch) == NULL ? -1 : 0;
}

static int
remove_scratch(void **state)
{
	(void)state;
	return rmdir(scratch);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base_works),
		cmocka_unit_test(refused_calls),
		cmocka_unit_test(everything_else_kills),
		cmocka_unit_test(other_tables_kill),
		cmocka_unit_test(no_code_is_made),
		cmocka_unit_test(arguments_count),
		cmocka_unit_test(internet),
		cmocka_unit_test(ports),
		cmocka_unit_test(read_files),
		cmocka_unit_test(own_directory),
		cmocka_unit_test(descriptors),
		cmocka_unit_test(deny_list),
	};

	return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
