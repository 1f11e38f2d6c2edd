/* SPDX-License-Identifier: ISC */
/*
 * Memory and system calls that fail in one process of a daemon: a library that
 * tests/lab/preload.py puts in front of the daemon's and that does what tests/torture/faults.py
 * wrote into a file.  The file is mapped at the start, for in its sandbox a process can open none.
 *
 * A call that is not to fail is made as the C library makes it, by the same number, or the
 * process would be ended by its filter.  What is failed is only what may fail on a real
 * host: a packet is never cut, a regular file never says "later".
 */
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAULTS_FILE "/etc/adc-faults" /* see faults.py */
#define FAULTS_MAX 16
#define NAME_SIZE 40

enum call {
	CALL_ALLOCATE,
	CALL_READ,
	CALL_WRITE,
	CALL_RECEIVE,
	CALL_SEND,
	CALL_OPEN,
	CALL_SYNC,
	CALL_WAIT,
	CALL_ACCEPT,
	CALL_SOCKET,
	CALL_CONNECT
};

/* The layout is that of faults.py. */
struct fault {
	char program[NAME_SIZE]; /* "adhub-gate public" */
	uint32_t call;
	int32_t error;	/* an errno; 0: a short read or write of one byte */
	uint32_t every; /* each so-many-th of these calls; 0: there is no fault here */
	uint32_t times; /* no more than so often; 0: as long as it stands */
	uint32_t calls; /* made since, by all processes of that name */
	uint32_t hits;	/* of them failed */
};

static struct fault *faults;
static char program[NAME_SIZE];

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

/* "adhub-gate public" of "/usr/libexec/adconnector/adhub-gate\0public\0"; options are left out. */
static void
read_name(void)
{
	char line[1024], *name, *argument;
	long fd, n;

	fd = syscall(SYS_openat, (long)AT_FDCWD, "/proc/self/cmdline", (long)O_RDONLY, 0L);
	if (fd == -1)
		return;
	n = syscall(SYS_read, fd, line, sizeof(line) - 2);
	syscall(SYS_close, fd);
	if (n <= 0)
		return;
	line[n] = line[n + 1] = '\0';
	name = strrchr(line, '/') == NULL ? line : strrchr(line, '/') + 1;
	argument = name + strlen(name) + 1;
	if (strlen(name) >= NAME_SIZE)
		return;
	memcpy(program, name, strlen(name) + 1);
	if (argument < line + n && argument[0] != '-' && argument[0] != '\0' &&
	    strlen(name) + 1 + strlen(argument) < NAME_SIZE) {
		program[strlen(name)] = ' ';
		memcpy(program + strlen(name) + 1, argument, strlen(argument) + 1);
	}
}

__attribute__((constructor)) static void
map_faults(void)
{
	/* A process that a test starts by itself has an environment. */
	const char *path = getenv("ADC_FAULTS");
	long fd, at;

	read_name();
	fd = syscall(SYS_openat, (long)AT_FDCWD, path == NULL ? FAULTS_FILE : path,
	    (long)(O_RDWR | O_CLOEXEC), 0L);
	if (fd == -1)
		return;
	at = syscall(SYS_mmap, NULL, FAULTS_MAX * sizeof(struct fault),
	    (long)(PROT_READ | PROT_WRITE), (long)MAP_SHARED, fd, 0L);
	syscall(SYS_close, fd);
	if (at != -1)
		faults = (struct fault *)at;
}

/* Is this call to fail?  Then how: an errno, or 0 for a short one. */
static bool
fails(enum call call, int *error)
{
	struct fault *f;
	uint32_t every;
	int i;

	if (faults == NULL)
		return false;
	for (i = 0; i < FAULTS_MAX; i++) {
		f = &faults[i];
		every = __atomic_load_n(&f->every, __ATOMIC_ACQUIRE);
		if (every == 0 || f->call != call || strcmp(f->program, program) != 0)
			continue;
		if (__atomic_add_fetch(&f->calls, 1, __ATOMIC_RELAXED) % every != 0)
			continue;
		if (f->times != 0 && __atomic_load_n(&f->hits, __ATOMIC_RELAXED) >= f->times)
			continue;
		__atomic_add_fetch(&f->hits, 1, __ATOMIC_RELAXED);
		*error = f->error;
		return true;
	}
	return false;
}

/* The same where there is no short form. */
static bool
refused(enum call call)
{
	int error = 0;

	if (!fails(call, &error))
		return false;
	errno = error;
	return true;
}

/* -1: it fails; otherwise how many of the bytes may pass. */
static ssize_t
allowed(enum call call, size_t len)
{
	int error = 0;

	if (!fails(call, &error))
		return (ssize_t)len;
	if (error == 0)
		return len == 0 ? 0 : 1;
	errno = error;
	return -1;
}

/* The same for pieces: *one is what may pass of the first that has bytes. */
static int
allowed_pieces(enum call call, const struct iovec **pieces, int *n, struct iovec *one)
{
	int error = 0, i;

	if (!fails(call, &error))
		return 0;
	if (error != 0) {
		errno = error;
		return -1;
	}
	for (i = 0; i < *n; i++) {
		if ((*pieces)[i].iov_len == 0)
			continue;
		one->iov_base = (*pieces)[i].iov_base;
		one->iov_len = 1;
		*pieces = one;
		*n = 1;
		return 0;
	}
	return 0;
}

/* --- memory ------------------------------------------------------------------ */

void *
malloc(size_t size)
{
	return refused(CALL_ALLOCATE) ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return refused(CALL_ALLOCATE) ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *block, size_t size)
{
	return size > 0 && refused(CALL_ALLOCATE) ? NULL : __libc_realloc(block, size);
}

/* --- bytes -------------------------------------------------------------------- */

ssize_t
read(int fd, void *data, size_t len)
{
	ssize_t n = allowed(CALL_READ, len);

	return n == -1 ? -1 : syscall(SYS_read, (long)fd, data, n);
}

ssize_t
pread64(int fd, void *data, size_t len, off64_t at)
{
	ssize_t n = allowed(CALL_READ, len);

	return n == -1 ? -1 : syscall(SYS_pread64, (long)fd, data, n, at);
}

ssize_t
readv(int fd, const struct iovec *pieces, int n)
{
	struct iovec one;

	if (allowed_pieces(CALL_READ, &pieces, &n, &one) == -1)
		return -1;
	return syscall(SYS_readv, (long)fd, pieces, (long)n);
}

ssize_t
write(int fd, const void *data, size_t len)
{
	ssize_t n = allowed(CALL_WRITE, len);

	return n == -1 ? -1 : syscall(SYS_write, (long)fd, data, n);
}

ssize_t
pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	ssize_t n = allowed(CALL_WRITE, len);

	return n == -1 ? -1 : syscall(SYS_pwrite64, (long)fd, data, n, at);
}

ssize_t
writev(int fd, const struct iovec *pieces, int n)
{
	struct iovec one;

	if (allowed_pieces(CALL_WRITE, &pieces, &n, &one) == -1)
		return -1;
	return syscall(SYS_writev, (long)fd, pieces, (long)n);
}

ssize_t
recv(int fd, void *data, size_t len, int flags)
{
	if (refused(CALL_RECEIVE))
		return -1;
	return syscall(SYS_recvfrom, (long)fd, data, len, (long)flags, NULL, NULL);
}

ssize_t
recvmsg(int fd, struct msghdr *message, int flags)
{
	return refused(CALL_RECEIVE) ? -1 : syscall(SYS_recvmsg, (long)fd, message, (long)flags);
}

ssize_t
recvfrom(int fd, void *restrict data, size_t len, int flags, struct sockaddr *restrict from,
    socklen_t *restrict size)
{
	if (refused(CALL_RECEIVE))
		return -1;
	return syscall(SYS_recvfrom, (long)fd, data, len, (long)flags, from, size);
}

int
recvmmsg(int fd, struct mmsghdr *messages, unsigned int n, int flags, struct timespec *timeout)
{
	if (refused(CALL_RECEIVE))
		return -1;
	return (int)syscall(SYS_recvmmsg, (long)fd, messages, (long)n, (long)flags, timeout);
}

ssize_t
sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *to, socklen_t size)
{
	if (refused(CALL_SEND))
		return -1;
	return syscall(SYS_sendto, (long)fd, data, len, (long)flags, to, (long)size);
}

ssize_t
send(int fd, const void *data, size_t len, int flags)
{
	if (refused(CALL_SEND))
		return -1;
	return syscall(SYS_sendto, (long)fd, data, len, (long)flags, NULL, 0L);
}

ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
	return refused(CALL_SEND) ? -1 : syscall(SYS_sendmsg, (long)fd, message, (long)flags);
}

/* --- files, and what is waited for ----------------------------------------------- */

static int
open_at(int folder, const char *path, int flags, mode_t mode)
{
	if (refused(CALL_OPEN))
		return -1;
	return (int)syscall(SYS_openat, (long)folder, path, (long)flags, (long)mode);
}

/* The mode is there only with O_CREAT; what is read without it is not used. */
#define OPEN_MODE(flags)                                                                           \
	({                                                                                         \
		va_list ap;                                                                        \
		mode_t mode_ = 0;                                                                  \
		va_start(ap, flags);                                                               \
		if ((flags & O_CREAT) != 0)                                                        \
			mode_ = va_arg(ap, mode_t);                                                \
		va_end(ap);                                                                        \
		mode_;                                                                             \
	})

int
open64(const char *path, int flags, ...)
{
	return open_at(AT_FDCWD, path, flags | O_LARGEFILE, OPEN_MODE(flags));
}

int
open(const char *path, int flags, ...)
{
	return open_at(AT_FDCWD, path, flags, OPEN_MODE(flags));
}

int
openat(int folder, const char *path, int flags, ...)
{
	return open_at(folder, path, flags, OPEN_MODE(flags));
}

int
fsync(int fd)
{
	return refused(CALL_SYNC) ? -1 : (int)syscall(SYS_fsync, (long)fd);
}

int
fdatasync(int fd)
{
	return refused(CALL_SYNC) ? -1 : (int)syscall(SYS_fdatasync, (long)fd);
}

int
epoll_wait(int fd, struct epoll_event *events, int max, int ms)
{
	if (refused(CALL_WAIT))
		return -1;
	return (int)syscall(SYS_epoll_wait, (long)fd, events, (long)max, (long)ms);
}

int
poll(struct pollfd *fds, nfds_t n, int ms)
{
	return refused(CALL_WAIT) ? -1 : (int)syscall(SYS_poll, fds, n, (long)ms);
}

int
accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	if (refused(CALL_ACCEPT))
		return -1;
	return (int)syscall(SYS_accept4, (long)fd, address, len, (long)flags);
}

int
accept(int fd, struct sockaddr *restrict address, socklen_t *restrict len)
{
	return refused(CALL_ACCEPT) ? -1 : (int)syscall(SYS_accept, (long)fd, address, len);
}

int
socket(int domain, int type, int protocol)
{
	if (refused(CALL_SOCKET))
		return -1;
	return (int)syscall(SYS_socket, (long)domain, (long)type, (long)protocol);
}

int
socketpair(int domain, int type, int protocol, int fds[2])
{
	if (refused(CALL_SOCKET))
		return -1;
	return (int)syscall(SYS_socketpair, (long)domain, (long)type, (long)protocol, fds);
}

int
connect(int fd, const struct sockaddr *address, socklen_t len)
{
	if (refused(CALL_CONNECT))
		return -1;
	return (int)syscall(SYS_connect, (long)fd, address, (long)len);
}
