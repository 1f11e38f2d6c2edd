/* SPDX-License-Identifier: ISC */
/*
 * What a taken-over process would try first.  Raw system calls, so that no
 * library answers in the kernel's place.
 */
#include "build.h"

#include "probe.h"

#ifdef ADC_PROBES

#include "log.h"

#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static void
report(const char *name, long result)
{
	if (result == -1)
		log_info("probe %s: %s", name, strerrorname_np(errno));
	else
		log_info("probe %s: allowed", name);
}

static void
try_open(const char *name, const char *path, int flags)
{
	long fd = syscall(SYS_openat, AT_FDCWD, path, flags, 0600);

	report(name, fd);
	if (fd != -1)
		close((int)fd);
}

static void
try_connect(void)
{
	struct sockaddr_in address;
	long fd;

	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_port = htons(22);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	report("socket", fd);
	/* Without a socket the call itself is still asked about. */
	report("connect", syscall(SYS_connect, fd, &address, sizeof(address)));
	if (fd != -1)
		close((int)fd);
}

void
probe_sandbox(enum role role)
{
	char *const argv[] = { (char *)(uintptr_t) "true", NULL };
	long pid;

	try_open("open_passwd", "/etc/passwd", O_RDONLY);
	try_open("open_shadow", "/etc/shadow", O_RDONLY);
	try_open("open_root", "/", O_RDONLY | O_DIRECTORY);
	try_open("open_proc", "/proc/self/maps", O_RDONLY);
	/* What opens files to read alone is ended for this; the sandbox's own test shows it. */
	if (role != ROLE_DIAL)
		try_open("create", "/tmp/adconnector-probe", O_WRONLY | O_CREAT | O_EXCL);
	try_connect();
	report("ptrace", syscall(SYS_ptrace, PTRACE_ATTACH, getppid(), 0, 0));
	report("kill_parent", syscall(SYS_kill, getppid(), 0));
	report("execve", syscall(SYS_execve, "/bin/true", argv, NULL));
	pid = syscall(SYS_fork);
	if (pid == 0)
		_exit(0);
	report("fork", pid);
	report("setuid", syscall(SYS_setresuid, 0, 0, 0));
	report("chroot", syscall(SYS_chroot, "/"));
	log_info("probe end");
}

#endif
