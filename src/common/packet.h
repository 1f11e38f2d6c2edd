/* SPDX-License-Identifier: ISC */
/*
 * A packet on a socket of type SOCK_SEQPACKET: a header of eight bytes
 * (u16 type, u8 flags, u8 zero, u32 id, little-endian), a payload, and at most
 * one descriptor (unix(7)).
 */
#ifndef ADC_PACKET_H
#define ADC_PACKET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PACKET_MAX 65536
#define PACKET_HEADER 8
#define PACKET_PAYLOAD (PACKET_MAX - PACKET_HEADER)
/* One byte more than a packet may have, so that a longer one shows. */
#define PACKET_BUFFER (PACKET_MAX + 1)
/* Packets received at once. */
#define PACKET_BATCH 8
/* Flag: the message goes on in the next packet. */
#define PACKET_MORE 0x01

void packet_header(uint8_t header[PACKET_HEADER], unsigned int type, uint8_t flags, uint32_t id);
/* Never blocks. 1 sent, 0 the socket is full, -1 with errno. The descriptor stays the caller's. */
int packet_send(
    int socket, const uint8_t header[PACKET_HEADER], const uint8_t *data, size_t len, int fd);
/* What came beside the bytes of a packet. */
struct packet {
	size_t len; /* 0: the end of file */
	int fd;	    /* the descriptor that came, or -1 */
	/* What is wrong with it, or NULL: descriptors that are too many are closed. */
	const char *why;
};

/*
 * Never blocks. Takes as many packets as are there, at most count (at most PACKET_BATCH),
 * in one system call: their number, or -1 with errno.
 */
int packet_receive(
    int socket, uint8_t buffers[][PACKET_BUFFER], struct packet packets[], unsigned int count);

#endif
