/* SPDX-License-Identifier: ISC */
/*
 * The layers of the sandbox, put up in the order that sandbox.h gives. The
 * process is single-threaded and has had no outside input yet.
 */
#include "build.h"

#include "sandbox.h"

#include "landlock.h"
#include "log.h"
#include "privileges.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

/* What every process needs once it runs: event loop, memory, time, its end. */
static const char *const base_calls[] = { "read", "write", "readv", "writev", "recvmmsg", "sendmsg",
	"recvfrom", "sendto", "poll", "ppoll", "epoll_wait", "epoll_pwait", "epoll_pwait2",
	"epoll_ctl", "close", "shutdown", "brk", "munmap", "mremap", "madvise", "mlock", "munlock",
	"futex", "getrandom", "clock_gettime", "gettimeofday", "time", "rt_sigprocmask",
	"rt_sigreturn", "getpid", "getppid", "gettid", "getuid", "geteuid", "exit", "exit_group",
	"restart_syscall",
#ifdef ADC_SANITIZERS
	/* The sanitizers' reports. */
	"sigaltstack", "rt_sigaction", "sched_yield", "tgkill", "prctl", "sched_getaffinity",
#endif
	NULL };

/* Libraries probe for these and cope with a refusal; killing would punish the innocent. */
static const char *const refused_calls[] = { "open", "openat", "openat2", "stat", "lstat",
	"newfstatat", "statx", "access", "faccessat", "faccessat2", "readlink", "readlinkat",
	"uname", "socket", "connect", "bind", "listen", "getcwd", "chdir", "unlink", "rename",
	"mkdir", "kill", "tkill", "tgkill", "ptrace", "execve", "execveat", "fork", "vfork",
	"clone", "setuid", "setgid", "setresuid", "setresgid", "chroot", "ioctl", "getsockopt",
	"setsockopt", "getsockname", "getpeername", "prctl", "fstat", NULL };

/* Denied to the spawner: its children inherit this, so a list of what is needed cannot be given. */
static const char *const denied_calls[] = { "ptrace", "process_vm_readv", "process_vm_writev",
	"process_madvise", "kcmp", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup",
	"io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key", "mount",
	"umount2", "pivot_root", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount",
	"fspick", "mount_setattr", "unshare", "setns", "init_module", "finit_module",
	"delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "acct",
	"quotactl", "nfsservctl", "personality", "settimeofday", "clock_settime", "clock_adjtime",
	"adjtimex", "sethostname", "setdomainname", "iopl", "ioperm", "lookup_dcookie",
	"open_by_handle_at", "name_to_handle_at", "mknod", "mknodat", "syslog", "vhangup",
	"memfd_create", "modify_ldt", "uselib", "ustat", "pidfd_getfd", NULL };

#ifdef ADC_SANITIZERS
/* Looking for leaks needs a tracer, naming lines needs files: neither goes with a box. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0:symbolize=0";
}
#endif

const char *
sandbox_missing(void)
{
	/* Asked for once: the filter lets nobody ask later. */
	static int abi = -1;

	if (abi == -1)
		abi = landlock_abi();
	if (abi == 0)
		return "no Landlock in this kernel";
	return abi < 4 ? "Landlock of this kernel has no TCP rules" : "";
}

static void
rule(scmp_filter_ctx filter, uint32_t action, const char *name)
{
	int number, result;

	number = seccomp_syscall_resolve_name(name);
	if (number == __NR_SCMP_ERROR || number < 0)
		return; /* not on this machine */
	result = seccomp_rule_add(filter, action, number, 0);
	if (result != 0 && result != -EEXIST && result != -EACCES)
		fatalx("sandbox: rule for %s: %s", name, strerror(-result));
}

static void
rule_argument(scmp_filter_ctx filter, uint32_t action, const char *name, unsigned int argument,
    enum scmp_compare compare, uint64_t a, uint64_t b)
{
	struct scmp_arg_cmp cmp = { argument, compare, a, b };
	int number, result;

	number = seccomp_syscall_resolve_name(name);
	if (number == __NR_SCMP_ERROR || number < 0)
		return;
	result = seccomp_rule_add_array(filter, action, number, 1, &cmp);
	if (result != 0 && result != -EEXIST)
		fatalx("sandbox: rule for %s: %s", name, strerror(-result));
}

static bool
listed(const struct sandbox_call *calls, const char *name)
{
	for (; calls != NULL && calls->name != NULL; calls++) {
		if (strcmp(calls->name, name) == 0)
			return true;
	}
	return false;
}

static void
rule_socket(scmp_filter_ctx filter, int domain, int type)
{
	struct scmp_arg_cmp cmp[] = { { 0, SCMP_CMP_EQ, (uint64_t)domain, 0 },
		/* SOCK_NONBLOCK and SOCK_CLOEXEC stand beside the type. */
		{ 1, SCMP_CMP_MASKED_EQ, 0xf, (uint64_t)type } };
	int result;

	result = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, cmp);
	if (result != 0)
		fatalx("sandbox: rule for socket: %s", strerror(-result));
}

/* Sockets to speak TCP and UDP with; to which ports is Landlock's to say. */
static void
allow_internet(scmp_filter_ctx filter)
{
	rule_socket(filter, AF_INET, SOCK_STREAM);
	rule_socket(filter, AF_INET, SOCK_DGRAM);
	rule_socket(filter, AF_INET6, SOCK_STREAM);
	rule_socket(filter, AF_INET6, SOCK_DGRAM);
	rule(filter, SCMP_ACT_ALLOW, "connect");
}

/* Files are opened to read and in no other way; where is Landlock's to say. */
static void
allow_read_files(scmp_filter_ctx filter)
{
	const uint64_t writing = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | O_PATH;
	static const char *const calls[] = { "fstat", "newfstatat", "stat", "lstat", "statx",
		"lseek", "access", "faccessat", "faccessat2", NULL };
	const char *const *name;

	rule_argument(filter, SCMP_ACT_ALLOW, "open", 1, SCMP_CMP_MASKED_EQ, writing, O_RDONLY);
	rule_argument(filter, SCMP_ACT_ALLOW, "openat", 2, SCMP_CMP_MASKED_EQ, writing, O_RDONLY);
	for (name = calls; *name != NULL; name++)
		rule(filter, SCMP_ACT_ALLOW, *name);
}

/* Does another rule allow the call, wholly or with some arguments? */
static bool
allowed(const struct sandbox *sandbox, const char *name)
{
	static const char *const internet[] = { "socket", "connect", NULL };
	static const char *const read_files[] = { "open", "openat", "fstat", "newfstatat", "stat",
		"lstat", "statx", "access", "faccessat", "faccessat2", NULL };
	const char *const *p;

	if (listed(sandbox->calls, name))
		return true;
	for (p = internet; sandbox->internet && *p != NULL; p++) {
		if (strcmp(*p, name) == 0)
			return true;
	}
	for (p = read_files; sandbox->read_files && *p != NULL; p++) {
		if (strcmp(*p, name) == 0)
			return true;
	}
	return false;
}

static void
allow_list(scmp_filter_ctx filter, const struct sandbox *sandbox)
{
	static const int fcntl_commands[] = { F_GETFL, F_SETFL, F_GETFD, F_SETFD };
	const struct sandbox_call *call;
	const char *const *name;
	size_t i;

	for (name = base_calls; *name != NULL; name++)
		rule(filter, SCMP_ACT_ALLOW, *name);
	if (!listed(sandbox->calls, "mmap"))
		rule_argument(filter, SCMP_ACT_ALLOW, "mmap", 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	rule_argument(filter, SCMP_ACT_ALLOW, "mprotect", 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	if (!listed(sandbox->calls, "fcntl")) {
		for (i = 0; i < sizeof(fcntl_commands) / sizeof(fcntl_commands[0]); i++)
			rule_argument(filter, SCMP_ACT_ALLOW, "fcntl", 1, SCMP_CMP_EQ,
			    (uint64_t)fcntl_commands[i], 0);
	}
	for (call = sandbox->calls; call != NULL && call->name != NULL; call++) {
		if (call->argument < 0)
			rule(filter, SCMP_ACT_ALLOW, call->name);
		else
			rule_argument(filter, SCMP_ACT_ALLOW, call->name,
			    (unsigned int)call->argument, SCMP_CMP_EQ, call->value, 0);
	}
	if (sandbox->internet)
		allow_internet(filter);
	if (sandbox->read_files)
		allow_read_files(filter);
	/* Where some arguments are allowed, the others are fatal; where none are, refused. */
	for (name = refused_calls; *name != NULL; name++) {
		if (!allowed(sandbox, *name))
			rule(filter, SCMP_ACT_ERRNO(EACCES), *name);
	}
	rule(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3");
}

#ifdef ADC_SANDBOX_DEBUG
#define NAMED_CALLS 512

static char call_names[NAMED_CALLS][32];

/* Only write() and _exit(): the interrupted code may hold any lock. */
static void
on_refused_call(int signal, siginfo_t *info, void *context)
{
	static const char text[] = "sandbox: refused system call ";
	const char *name = "beyond the table";
	ssize_t written;

	(void)signal;
	(void)context;
	if (info->si_syscall >= 0 && info->si_syscall < NAMED_CALLS)
		name = call_names[info->si_syscall];
	written = write(STDERR_FILENO, text, sizeof(text) - 1);
	written += write(STDERR_FILENO, name, strlen(name));
	written += write(STDERR_FILENO, "\n", 1);
	(void)written;
	_exit(161);
}

static void
name_calls(void)
{
	char *name;
	int i;

	for (i = 0; i < NAMED_CALLS; i++) {
		name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
		snprintf(
		    call_names[i], sizeof(call_names[i]), "%s", name == NULL ? "unknown" : name);
		free(name);
	}
}
#endif

static scmp_filter_ctx
filter_new(uint32_t act)
{
	scmp_filter_ctx filter;

	if ((filter = seccomp_init(act)) == NULL)
		fatalx("sandbox: no memory for the filter");
	return filter;
}

static void
filter_load(scmp_filter_ctx filter)
{
	int result;

	if ((result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 1)) != 0 ||
	    (result = seccomp_load(filter)) != 0)
		fatalx("sandbox: loading the filter: %s", strerror(-result));
	seccomp_release(filter);
}

static void
filter_enter(const struct sandbox *sandbox)
{
	uint32_t act = SCMP_ACT_KILL_PROCESS;
	scmp_filter_ctx filter;

#ifdef ADC_SANDBOX_DEBUG
	struct sigaction action;

	name_calls();
	memset(&action, 0, sizeof(action));
	action.sa_sigaction = on_refused_call;
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGSYS, &action, NULL);
	act = SCMP_ACT_TRAP;
#endif
	filter = filter_new(act);
	allow_list(filter, sandbox);
	filter_load(filter);
}

void
sandbox_deny(void)
{
	scmp_filter_ctx filter = filter_new(SCMP_ACT_ALLOW);
	const char *const *name;

	for (name = denied_calls; *name != NULL; name++)
		rule(filter, SCMP_ACT_ERRNO(EPERM), *name);
	filter_load(filter);
}

static void
limit(int resource, rlim_t value)
{
	struct rlimit r = { value, value };

	if (setrlimit((__rlimit_resource_t)resource, &r) == -1)
		fatal("sandbox: limit %d", resource);
}

/* Started with fewer it has those: it serves less at a time, rather than nothing at all. */
static void
limit_descriptors(rlim_t wanted)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_max < wanted)
		wanted = r.rlim_max;
	limit(RLIMIT_NOFILE, wanted);
}

void
sandbox_enter(const struct sandbox *sandbox)
{
	pid_t parent = getppid();

	if (sandbox->chroot_to != NULL &&
	    (privileges_held() & PRIVILEGE_BIT(CAP_SYS_CHROOT)) != 0) {
		if (chroot(sandbox->chroot_to) == -1 || chdir("/") == -1)
			fatal("sandbox: chroot to %s", sandbox->chroot_to);
	}
	if (privileges_drop(getuid(), getgid(), 0) == -1)
		fatal("sandbox: dropping capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		fatal("sandbox: prctl");
	/* A change of credentials clears the death signal: it is set after the drop. */
	if (!sandbox->leader) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1)
			fatal("sandbox: death signal");
		if (getppid() != parent)
			fatalx("sandbox: the parent is gone");
	}
#ifndef ADC_SANITIZERS
	if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == -1 && errno != EINVAL)
		fatal("sandbox: write or execute");
#endif
	if (landlock_enter(sandbox->paths, sandbox->ports, sandbox->nports, sandbox->bind_port) ==
	    -1)
		fatal("sandbox: landlock");
	limit(RLIMIT_CORE, 0);
	limit_descriptors(sandbox->descriptors);
#ifndef ADC_SANITIZERS
	limit(RLIMIT_NPROC, 0);
#endif
	filter_enter(sandbox);
}
