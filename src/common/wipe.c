/* SPDX-License-Identifier: ISC */
/*
 * An allocator that overwrites what it frees, for libraries that carry secrets.
 *
 * The size of a block is asked from malloc (malloc_usable_size), so that blocks need no header
 * and plain malloc(3) blocks can be mixed in.
 */
#include "wipe.h"

#include <openssl/crypto.h>

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define STACK_TO_WIPE (16 * 1024)

static void *openssl_malloc(size_t size, const char *file, int line);
static void *openssl_realloc(void *block, size_t size, const char *file, int line);
static void openssl_free(void *block, const char *file, int line);

static size_t refused;

void *
wiping_malloc(size_t size)
{
	void *block = malloc(size);

	if (block == NULL)
		refused++;
	return block;
}

void *
wiping_calloc(size_t count, size_t size)
{
	void *block = calloc(count, size);

	if (block == NULL)
		refused++;
	return block;
}

size_t
wiping_refused(void)
{
	return refused;
}

int
wiping_fault(size_t refused_before)
{
	return refused == refused_before ? EBADMSG : ENOMEM;
}

/*
 * Never realloc(3): it may move the block and leave the old one as it is. A block that is
 * large enough and not wastefully so stays where it is.
 */
void *
wiping_realloc(void *block, size_t size)
{
	size_t old_size;
	void *moved;

	if (block == NULL)
		return wiping_malloc(size);
	if (size == 0) {
		wiping_free(block);
		return NULL;
	}
	old_size = malloc_usable_size(block);
	if (size <= old_size && size >= old_size / 2)
		return block;
	if ((moved = wiping_malloc(size)) == NULL)
		return NULL;
	memcpy(moved, block, size < old_size ? size : old_size);
	wiping_free(block);
	return moved;
}

void
wiping_free(void *block)
{
	if (block == NULL)
		return;
	explicit_bzero(block, malloc_usable_size(block));
	free(block);
}

static void *
openssl_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return wiping_malloc(size);
}

static void *
openssl_realloc(void *block, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return wiping_realloc(block, size);
}

static void
openssl_free(void *block, const char *file, int line)
{
	(void)file;
	(void)line;
	wiping_free(block);
}

int
wipe_use_in_openssl(void)
{
	if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
		return -1;
	return 0;
}

__attribute__((noinline)) void
wipe_stack(void)
{
	uint8_t below[STACK_TO_WIPE];

	explicit_bzero(below, sizeof(below));
}
