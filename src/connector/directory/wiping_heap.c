/* SPDX-License-Identifier: ISC */
/*
 * In this process every block of heap is overwritten before it is given back,
 * whoever gives it back: these definitions of free(3) and realloc(3) stand in front of
 * the C library's for all libraries.
 *
 * The reason is libldap: its requests hold passwords, and although liblber takes
 * memory functions (LBER_OPT_MEMORY_FNS), libldap never uses them (measured with
 * 2.5.13).  Must not allocate by itself, and is part of the program, not of a library.
 */
#include "build.h"

/* The sanitizers bring a heap of their own, which must stay whole. */
#ifndef ADC_SANITIZERS

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* glibc's own names of what is replaced here (GLIBC_2.2.5). */
extern void __libc_free(void *);

void
free(void *block)
{
	if (block == NULL)
		return;
	explicit_bzero(block, malloc_usable_size(block));
	__libc_free(block);
}

/* Never moved by the library, which would leave the old block as it is. */
void *
realloc(void *block, size_t size)
{
	size_t old;
	void *moved;

	if (block == NULL)
		return malloc(size);
	if (size == 0) {
		free(block);
		return NULL;
	}
	old = malloc_usable_size(block);
	if (size <= old && size >= old / 2)
		return block;
	if ((moved = malloc(size)) == NULL)
		return NULL;
	memcpy(moved, block, size < old ? size : old);
	free(block);
	return moved;
}

#endif
