/* SPDX-License-Identifier: ISC */
/*
 * One packet in, one packet out, with at most one descriptor beside it.
 */
#include "packet.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

void
packet_header(uint8_t p[PACKET_HEADER], unsigned int type, uint8_t flags, uint32_t id)
{
	p[0] = (uint8_t)type;
	p[1] = (uint8_t)(type >> 8);
	p[2] = flags;
	p[3] = 0;
	p[4] = (uint8_t)id;
	p[5] = (uint8_t)(id >> 8);
	p[6] = (uint8_t)(id >> 16);
	p[7] = (uint8_t)(id >> 24);
}

int
packet_send(
    int socket, const uint8_t header[PACKET_HEADER], const uint8_t *data, size_t len, int fd)
{
	union {
		struct cmsghdr align;
		char data[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov[2];
	struct msghdr msg;
	struct cmsghdr *cmsg;

	memset(&msg, 0, sizeof(msg));
	iov[0].iov_base = (void *)(uintptr_t)header;
	iov[0].iov_len = PACKET_HEADER;
	iov[1].iov_base = (void *)(uintptr_t)data;
	iov[1].iov_len = len;
	msg.msg_iov = iov;
	msg.msg_iovlen = len == 0 ? 1 : 2;
	if (fd != -1) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.data;
		msg.msg_controllen = sizeof(control.data);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	}
	for (;;) {
		if (sendmsg(socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) != -1)
			return 1;
		if (errno == EINTR)
			continue;
		return errno == EAGAIN ? 0 : -1;
	}
}

ssize_t
packet_receive(int socket, uint8_t buffer[PACKET_BUFFER], int *fd, const char **why)
{
	union {
		struct cmsghdr align;
		char data[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec iov = { buffer, PACKET_BUFFER };
	struct msghdr msg;
	struct cmsghdr *cmsg;
	ssize_t n;
	size_t i, count;
	int received;

	*fd = -1;
	*why = NULL;
	memset(&msg, 0, sizeof(msg));
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = control.data;
	msg.msg_controllen = sizeof(control.data);
	do
		n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	for (cmsg = CMSG_FIRSTHDR(&msg); cmsg != NULL; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < count; i++) {
			memcpy(&received, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
			if (*fd == -1)
				*fd = received;
			else {
				close(received);
				*why = "more than one descriptor";
			}
		}
	}
	if ((msg.msg_flags & MSG_CTRUNC) != 0)
		*why = "more descriptors than there is room for";
	if ((msg.msg_flags & MSG_TRUNC) != 0 || n > PACKET_MAX)
		*why = "packet too long";
	/* An empty packet looks like the end of file, and a descriptor may have come with it. */
	if ((n == 0 || *why != NULL) && *fd != -1) {
		close(*fd);
		*fd = -1;
	}
	return n;
}
