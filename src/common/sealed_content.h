/* SPDX-License-Identifier: ISC */
/*
 * What a sealed text says when it is opened: whose password, for which operation, when.
 *
 *	{"v":1, "op", "connection", "username", "iat", "jti", "password"[, "new_password"]}
 *
 * followed by spaces up to a multiple of 256 bytes: JSON allows them there, and the length
 * of the ciphertext then tells little about the length of the password. Whether
 * operation, connection, name, time and jti are the expected ones is for the reader to judge.
 *
 * The process must have called json_use_wiping_allocator, or jansson leaves copies behind.
 */
#ifndef COMMON_SEALED_CONTENT_H
#define COMMON_SEALED_CONTENT_H

#include <stddef.h>
#include <stdint.h>

#define SEALED_PADDING 256	 /* the content's length is a multiple of this */
#define SEALED_MAX_CONNECTION 64 /* bytes, at least 1 */
#define SEALED_MAX_USERNAME 1024 /* bytes, at least 1 */
#define SEALED_MAX_PASSWORD 4096 /* bytes, at least 0 */
#define SEALED_MIN_JTI 22	 /* base64url characters: 128 bits */
#define SEALED_MAX_JTI 43

struct sealed_content {
	char op[16];	     /* "authenticate", "change_password" or "reset_password" */
	char connection[65]; /* the connection's identifier */
	char username[1025]; /* as typed; UTF-8 */
	int64_t iat;	     /* seconds since 1970 */
	char jti[44];
	char *password; /* UTF-8, password_len bytes and a NUL; never NULL after reading */
	size_t password_len;
	char *new_password; /* NULL with "authenticate"; otherwise as password */
	size_t new_password_len;
};

/*
 * The padded JSON text, *len bytes, for sealed_make; the caller ends with wiping_free. An
 * empty jti is filled with 128 random bits first. NULL, with *why set to static words unless
 * why is NULL, when a member is out of its limits or not UTF-8, or memory fails.
 */
uint8_t *sealed_content_write(struct sealed_content *content, size_t *len, const char **why)
    __attribute__((warn_unused_result));

/*
 * Reads an opened text. 0: the caller ends with sealed_content_free. -1: *why (unless
 * why is NULL) tells the reason in static words, content is all zero, and errno is
 * wiping_fault()'s.
 */
int sealed_content_read(const void *plain, size_t len, struct sealed_content *content,
    const char **why) __attribute__((warn_unused_result));

/*
 * Wipes everything, and frees the passwords with wiping_free: so a content that is to be
 * written and then cleared must hold passwords from the heap.
 */
void sealed_content_free(struct sealed_content *content);

#endif
