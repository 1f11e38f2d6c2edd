/* SPDX-License-Identifier: ISC */
/*
 * Packets in, one packet out, with at most one descriptor beside each.
 */
#include "build.h"

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
		/* The kernel's own want of memory passes like a full socket. */
		return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? 0 : -1;
	}
}

/* Room for more descriptors than one, so that too many show. */
union control {
	struct cmsghdr align;
	char data[CMSG_SPACE(4 * sizeof(int))];
};

static void
look_beside(struct msghdr *msg, struct packet *packet)
{
	struct cmsghdr *cmsg;
	size_t i, count;
	int received;

	packet->fd = -1;
	packet->why = NULL;
	for (cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < count; i++) {
			memcpy(&received, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
			if (packet->fd == -1)
				packet->fd = received;
			else {
				close(received);
				packet->why = "more than one descriptor";
			}
		}
	}
	if ((msg->msg_flags & MSG_CTRUNC) != 0)
		packet->why = "more descriptors than there is room for";
	if ((msg->msg_flags & MSG_TRUNC) != 0 || packet->len > PACKET_MAX)
		packet->why = "packet too long";
	/* An empty packet looks like the end of file, and a descriptor may have come with it. */
	if ((packet->len == 0 || packet->why != NULL) && packet->fd != -1) {
		close(packet->fd);
		packet->fd = -1;
	}
}

int
packet_receive(
    int socket, uint8_t buffers[][PACKET_BUFFER], struct packet packets[], unsigned int count)
{
	union control controls[PACKET_BATCH];
	struct iovec iov[PACKET_BATCH];
	struct mmsghdr messages[PACKET_BATCH];
	unsigned int i;
	int n;

	if (count > PACKET_BATCH)
		count = PACKET_BATCH;
	memset(messages, 0, count * sizeof(messages[0]));
	for (i = 0; i < count; i++) {
		iov[i].iov_base = buffers[i];
		iov[i].iov_len = PACKET_BUFFER;
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
		messages[i].msg_hdr.msg_control = controls[i].data;
		messages[i].msg_hdr.msg_controllen = sizeof(controls[i].data);
	}
	do
		n = recvmmsg(socket, messages, count, MSG_CMSG_CLOEXEC | MSG_DONTWAIT, NULL);
	while (n == -1 && errno == EINTR);
	for (i = 0; n > 0 && i < (unsigned int)n; i++) {
		packets[i].len = messages[i].msg_len;
		look_beside(&messages[i].msg_hdr, &packets[i]);
	}
	return n;
}
