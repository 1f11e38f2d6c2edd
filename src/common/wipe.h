/* SPDX-License-Identifier: ISC */
/*
 * Memory that is overwritten before it is given back.
 *
 * Libraries that carry passwords (jansson, OpenSSL, liblber) copy them into ordinary
 * heap. Given these functions as their allocator, no such copy outlives its free.
 * This file must not depend on any library but OpenSSL.
 */
#ifndef COMMON_WIPE_H
#define COMMON_WIPE_H

#include <stddef.h>

/*
 * As malloc(3), calloc(3), realloc(3) and free(3); the block is overwritten before it
 * is freed or left behind by a move. Blocks are ordinary heap blocks, so memory
 * that came from malloc(3) may be given to wiping_free and wiping_realloc.
 */
void *wiping_malloc(size_t size) __attribute__((malloc, warn_unused_result));
void *wiping_calloc(size_t count, size_t size) __attribute__((malloc, warn_unused_result));
void *wiping_realloc(void *block, size_t size) __attribute__((warn_unused_result));
void wiping_free(void *block);

/*
 * How many blocks could not be had so far. Libraries do not tell a want of memory from what is
 * wrong with their input; who reads input therefore takes this number before and asks after a
 * failure with wiping_fault(): ENOMEM when a block was refused since, and nothing is known about
 * the input; EBADMSG when none was, and the input is wrong. Nobody is blamed for the former.
 */
size_t wiping_refused(void);
int wiping_fault(size_t refused_before);

/*
 * Makes OpenSSL allocate with the functions above. Must be the very first call of
 * OpenSSL in the process; returns -1 when OpenSSL has allocated already.
 */
int wipe_use_in_openssl(void);

/*
 * Overwrites the 16 KiB of stack below the caller's frame, where functions that have
 * returned may have left pieces of a secret.
 */
void wipe_stack(void);

#endif
