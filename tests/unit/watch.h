/* SPDX-License-Identifier: ISC */
/*
 * Looks for a marked secret where it must not stay: in blocks that are given
 * back to the heap, and in static memory.  The test is linked with
 * -Wl,--wrap=free.  The mark itself is stored inverted, so that looking for it
 * does not find the search.
 */
#ifndef ADC_TEST_WATCH_H
#define ADC_TEST_WATCH_H

#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define WATCH_MARK_SIZE 25

void __real_free(void *);
void __wrap_free(void *);

static bool watching, watch_found;
static int watch_freed;

/* The mark, inverted. */
static const unsigned char watch_inverted[WATCH_MARK_SIZE - 1] = { 0xb2, 0x9e, 0x8d, 0x94, 0x9a,
	0x9b, 0xd2, 0x8c, 0x9a, 0x9c, 0x8d, 0x9a, 0x8b, 0xd2, 0xc8, 0xca, 0x99, 0xce, 0x9d, 0xcf,
	0xc6, 0x9e, 0xcc, 0xc7 };

static inline void
watch_mark(char *dst)
{
	size_t i;

	for (i = 0; i < WATCH_MARK_SIZE - 1; i++)
		dst[i] = (char)(watch_inverted[i] ^ 0xff);
	dst[i] = '\0';
}

/* Also reads what a sanitizer put between variables. */
static inline bool __attribute__((no_sanitize("address")))
watch_contains(const void *data, size_t len)
{
	const volatile unsigned char *p = data;
	size_t i, k;

	for (i = 0; i + WATCH_MARK_SIZE - 1 <= len; i++) {
		for (k = 0; k < WATCH_MARK_SIZE - 1; k++) {
			if (p[i + k] + watch_inverted[k] != 0xff)
				break;
		}
		if (k == WATCH_MARK_SIZE - 1)
			return true;
	}
	return false;
}

/* True when the program's static variables hold the mark. */
static inline bool
watch_static_memory(void)
{
	extern char __data_start[], _end[];

	return watch_contains(__data_start, (size_t)(_end - __data_start));
}

static inline void
watch_begin(void)
{
	watching = true;
	watch_found = false;
	watch_freed = 0;
}

/* How many blocks were given back since; the test fails when one held the mark. */
static inline int
watch_end(void)
{
	watching = false;
	assert_false(watch_found);
	return watch_freed;
}

void
__wrap_free(void *block)
{
	if (watching && block != NULL) {
		watch_freed++;
		if (watch_contains(block, malloc_usable_size(block)))
			watch_found = true;
	}
	__real_free(block);
}

#endif
