/* SPDX-License-Identifier: ISC */
/*
 * The encoding of messages: every getter at its edges, the writer's limit, the
 * whole of UTF-8's grammar, random round trips, and that a block of memory
 * which is given back holds nothing of a secret.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "random.h"
#include "watch.h"
#include "common/wire.h"

#include "allocations.h"
#include <stdlib.h>
#include <string.h>

static void
bytes_are(const struct wire_writer *w, const char *expected, size_t len)
{
	assert_false(w->failed);
	assert_int_equal(w->len, len);
	assert_memory_equal(w->data, expected, len);
}

static void
integers_are_little_endian(void **state)
{
	struct wire_writer w;
	struct wire_reader r;

	(void)state;
	wire_writer_init(&w);
	wire_put_u8(&w, 0xfe);
	wire_put_u16(&w, 0x0102);
	wire_put_u32(&w, 0x03040506);
	wire_put_u64(&w, 0x0708090a0b0c0d0eULL);
	bytes_are(&w, "\xfe\x02\x01\x06\x05\x04\x03\x0e\x0d\x0c\x0b\x0a\x09\x08\x07", 15);
	wire_reader_init(&r, w.data, w.len);
	assert_int_equal(wire_get_u8(&r), 0xfe);
	assert_int_equal(wire_get_u16(&r), 0x0102);
	assert_int_equal(wire_get_u32(&r), 0x03040506);
	assert_true(wire_get_u64(&r) == 0x0708090a0b0c0d0eULL);
	assert_int_equal(wire_end(&r), 0);
	wire_writer_free(&w);
}

static void
integer_limits(void **state)
{
	static const uint64_t values[] = { 0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff,
		0x10000, INT32_MAX, 0x80000000ULL, UINT32_MAX, 0x100000000ULL, INT64_MAX,
		0x8000000000000000ULL, UINT64_MAX };
	struct wire_writer w;
	struct wire_reader r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		wire_writer_init(&w);
		wire_put_u8(&w, (uint8_t)values[i]);
		wire_put_u16(&w, (uint16_t)values[i]);
		wire_put_u32(&w, (uint32_t)values[i]);
		wire_put_u64(&w, values[i]);
		wire_reader_init(&r, w.data, w.len);
		assert_true(wire_get_u8(&r) == (values[i] & 0xff));
		assert_true(wire_get_u16(&r) == (values[i] & 0xffff));
		assert_true(wire_get_u32(&r) == (values[i] & 0xffffffff));
		assert_true(wire_get_u64(&r) == values[i]);
		assert_int_equal(wire_end(&r), 0);
		wire_writer_free(&w);
	}
}

/* Reads one value of a kind; true when it is not the zero that an error gives. */
static bool
get_kind(struct wire_reader *r, unsigned int kind)
{
	uint8_t fixed[8];
	char string[64];
	size_t len;
	char *dup;
	bool some;

	switch (kind) {
	case 0:
		return wire_get_u8(r) != 0;
	case 1:
		return wire_get_u16(r) != 0;
	case 2:
		return wire_get_u32(r) != 0;
	case 3:
		return wire_get_u64(r) != 0;
	case 4:
		memset(fixed, 0xee, sizeof(fixed));
		wire_get_fixed(r, fixed, sizeof(fixed));
		return memcmp(fixed, "\0\0\0\0\0\0\0\0", sizeof(fixed)) != 0;
	case 5:
		len = 99;
		some = wire_get_bytes(r, 0, 64, &len) != NULL;
		assert_true(some || len == 0);
		return some;
	case 6:
		memset(string, 'x', sizeof(string));
		wire_get_string(r, string, sizeof(string), 0);
		assert_non_null(memchr(string, '\0', sizeof(string)));
		return string[0] != '\0';
	default:
		dup = wire_get_string_dup(r, 0, 64);
		some = dup != NULL;
		free(dup);
		return some;
	}
}

#define KINDS 8

static const struct {
	const char *data;
	size_t len;
} samples[KINDS] = {
	{ "\x11", 1 },
	{ "\x11\x12", 2 },
	{ "\x11\x12\x13\x14", 4 },
	{ "\x11\x12\x13\x14\x15\x16\x17\x18", 8 },
	{ "\x11\x12\x13\x14\x15\x16\x17\x18", 8 },
	{ "\x03\0\0\0abc", 7 },
	{ "\x03\0\0\0abc", 7 },
	{ "\x03\0\0\0abc", 7 },
};

/* Each getter with every shorter input, and with one byte too many behind it. */
static void
short_and_over(void **state)
{
	struct wire_reader r;
	unsigned int kind;
	uint8_t *exact;
	size_t len;

	(void)state;
	for (kind = 0; kind < KINDS; kind++) {
		for (len = 0; len < samples[kind].len; len++) {
			/* An allocation of just this size: a sanitizer sees a byte read beyond. */
			exact = malloc(len == 0 ? 1 : len);
			assert_non_null(exact);
			memcpy(exact, samples[kind].data, len);
			wire_reader_init(&r, exact, len);
			assert_false(get_kind(&r, kind));
			assert_true(r.failed);
			assert_int_equal(wire_end(&r), -1);
			free(exact);
		}
		exact = malloc(samples[kind].len + 1);
		assert_non_null(exact);
		memcpy(exact, samples[kind].data, samples[kind].len);
		exact[samples[kind].len] = 0;
		wire_reader_init(&r, exact, samples[kind].len);
		assert_true(get_kind(&r, kind));
		assert_int_equal(wire_end(&r), 0);
		wire_reader_init(&r, exact, samples[kind].len + 1);
		assert_true(get_kind(&r, kind));
		assert_false(r.failed);
		assert_int_equal(wire_end(&r), -1);
		free(exact);
	}
}

static void
errors_stick(void **state)
{
	struct wire_reader r;
	unsigned int kind;

	(void)state;
	for (kind = 0; kind < KINDS; kind++) {
		wire_reader_init(&r, "\x01\x02\x03\x04\x05\x06\x07", 7);
		(void)wire_get_u64(&r);
		assert_false(get_kind(&r, kind));
		assert_int_equal(r.at, 0);
		assert_int_equal(wire_end(&r), -1);
	}
}

static void
nothing_at_all(void **state)
{
	struct wire_reader r;
	uint8_t none[1] = { 0x77 };

	(void)state;
	wire_reader_init(&r, NULL, 0);
	assert_int_equal(wire_end(&r), 0);
	wire_get_fixed(&r, none, 0);
	assert_int_equal(none[0], 0x77);
	assert_int_equal(wire_end(&r), 0);
	assert_int_equal(wire_get_u8(&r), 0);
	assert_int_equal(wire_end(&r), -1);
}

static void
bytes_of(struct wire_writer *w, size_t len)
{
	uint8_t *data = calloc(1, len + 1);

	assert_non_null(data);
	wire_writer_init(w);
	wire_put_bytes(w, data, len);
	assert_false(w->failed);
	free(data);
}

static void
bytes_least_and_most(void **state)
{
	static const struct {
		size_t len, min, max;
		bool good;
	} cases[] = {
		{ 0, 0, 0, true },
		{ 1, 0, 0, false },
		{ 0, 1, 4, false },
		{ 1, 1, 4, true },
		{ 4, 1, 4, true },
		{ 5, 1, 4, false },
		{ 4, 4, 4, true },
		{ 3, 4, 4, false },
		{ WIRE_MAX - 4, 0, WIRE_MAX, true },
		{ WIRE_MAX - 4, 0, WIRE_MAX - 5, false },
	};
	struct wire_writer w;
	struct wire_reader r;
	const uint8_t *p;
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bytes_of(&w, cases[i].len);
		wire_reader_init(&r, w.data, w.len);
		len = 77;
		p = wire_get_bytes(&r, cases[i].min, cases[i].max, &len);
		if (cases[i].good) {
			assert_ptr_equal(p, w.data + 4);
			assert_int_equal(len, cases[i].len);
			assert_int_equal(wire_end(&r), 0);
		} else {
			assert_null(p);
			assert_int_equal(len, 0);
			assert_int_equal(wire_end(&r), -1);
		}
		wire_writer_free(&w);
	}
}

static void
lengths_that_lie(void **state)
{
	static const uint32_t lengths[] = { 4, 5, 0x7fffffff, 0x80000000, 0xfffffffb, 0xfffffffc,
		0xffffffff };
	struct wire_writer w;
	struct wire_reader r;
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		wire_writer_init(&w);
		wire_put_u32(&w, lengths[i]);
		wire_put_fixed(&w, "abc", 3);
		wire_reader_init(&r, w.data, w.len);
		assert_null(wire_get_bytes(&r, 0, SIZE_MAX, &len));
		assert_int_equal(wire_end(&r), -1);
		wire_reader_init(&r, w.data, w.len);
		assert_null(wire_get_string_dup(&r, 0, SIZE_MAX - 1));
		assert_int_equal(wire_end(&r), -1);
		wire_writer_free(&w);
	}
}

/* What a string of this content gives, with room for size bytes. */
static int
read_string(const char *content, size_t len, size_t size, size_t min, char *dst)
{
	struct wire_writer w;
	struct wire_reader r, again;
	char *dup;
	int result;

	wire_writer_init(&w);
	wire_put_bytes(&w, content, len);
	wire_reader_init(&r, w.data, w.len);
	wire_get_string(&r, dst, size, min);
	result = wire_end(&r);
	wire_reader_init(&again, w.data, w.len);
	dup = wire_get_string_dup(&again, min, size - 1);
	/* Both forms agree. */
	assert_int_equal(wire_end(&again), result);
	if (result == 0) {
		assert_non_null(dup);
		assert_string_equal(dup, dst);
	} else {
		assert_null(dup);
		assert_int_equal(dst[0], '\0');
	}
	free(dup);
	wire_writer_free(&w);
	return result;
}

static void
strings(void **state)
{
	char dst[16];

	(void)state;
	assert_int_equal(read_string("", 0, 16, 0, dst), 0);
	assert_string_equal(dst, "");
	assert_int_equal(read_string("", 0, 16, 1, dst), -1);
	assert_int_equal(read_string("", 0, 1, 0, dst), 0);
	assert_int_equal(read_string("a", 1, 1, 0, dst), -1);
	assert_int_equal(read_string("a", 1, 2, 1, dst), 0);
	assert_string_equal(dst, "a");
	assert_int_equal(read_string("0123456789abcde", 15, 16, 15, dst), 0);
	assert_string_equal(dst, "0123456789abcde");
	assert_int_equal(read_string("0123456789abcdef", 16, 16, 0, dst), -1);
	assert_int_equal(read_string("0123456789abcd", 14, 16, 15, dst), -1);
	assert_int_equal(read_string("a\0b", 3, 16, 0, dst), -1);
	assert_int_equal(read_string("\0", 1, 16, 0, dst), -1);
	assert_int_equal(read_string("ab\0", 3, 16, 0, dst), -1);
	assert_int_equal(read_string("gr\xc3\xbc\xc3\x9f\xf0\x9f\x98\x80", 10, 16, 0, dst), 0);
	assert_string_equal(dst, "gr\xc3\xbc\xc3\x9f\xf0\x9f\x98\x80");
	assert_int_equal(read_string("gr\xfc", 3, 16, 0, dst), -1);
	/* The last character cut in two by the length. */
	assert_int_equal(read_string("gr\xc3\xbc", 3, 16, 0, dst), -1);
}

static void
null_string_is_empty(void **state)
{
	struct wire_writer w;

	(void)state;
	wire_writer_init(&w);
	wire_put_string(&w, NULL);
	wire_put_string(&w, "");
	wire_put_string(&w, "ok");
	wire_put_bytes(&w, NULL, 0);
	bytes_are(&w, "\0\0\0\0\0\0\0\0\x02\0\0\0ok\0\0\0\0", 18);
	wire_writer_free(&w);
}

static void
writer_limit(void **state)
{
	struct wire_writer w;
	uint8_t *block;

	(void)state;
	block = calloc(1, WIRE_MAX + 1);
	assert_non_null(block);

	wire_writer_init(&w);
	wire_put_fixed(&w, block, WIRE_MAX - 1);
	wire_put_u8(&w, 7);
	assert_false(w.failed);
	assert_int_equal(w.len, WIRE_MAX);
	wire_put_u8(&w, 7);
	assert_true(w.failed);
	assert_int_equal(w.len, WIRE_MAX);
	wire_writer_free(&w);

	/* Once failed it stays so, also for what would fit. */
	wire_writer_init(&w);
	wire_put_fixed(&w, block, WIRE_MAX + 1);
	assert_true(w.failed);
	wire_put_u8(&w, 7);
	assert_true(w.failed);
	assert_int_equal(w.len, 0);
	wire_writer_free(&w);
	assert_false(w.failed);
	wire_put_u8(&w, 7);
	bytes_are(&w, "\x07", 1);
	wire_writer_free(&w);

	wire_writer_init(&w);
	wire_put_bytes(&w, block, WIRE_MAX - 4);
	assert_false(w.failed);
	wire_writer_free(&w);
	wire_put_bytes(&w, block, WIRE_MAX - 3);
	assert_true(w.failed);
	wire_writer_free(&w);
	/* Lengths whose lower half would look harmless. */
	wire_put_bytes(&w, block, SIZE_MAX);
	assert_true(w.failed);
	wire_writer_free(&w);
	wire_put_fixed(&w, block, SIZE_MAX - 3);
	assert_true(w.failed);
	wire_writer_free(&w);
	wire_put_bytes(&w, block, (size_t)UINT32_MAX + 2);
	assert_true(w.failed);
	wire_writer_free(&w);
	free(block);
}

/* Nothing of a secret stays behind in a block that goes back to the heap. */
static void
writer_wipes(void **state)
{
	static const uint8_t filler[1024];
	struct wire_writer w;
	char mark[WATCH_MARK_SIZE];
	int i;

	(void)state;
	watch_mark(mark);
	wire_writer_init(&w);
	watch_begin();
	wire_put_string(&w, mark);
	for (i = 0; i < 64; i++)
		wire_put_fixed(&w, filler, sizeof(filler));
	/* It is in there, and was moved several times. */
	assert_memory_equal(w.data + 4, mark, strlen(mark));
	wire_writer_free(&w);
	assert_true(watch_end() >= 6);
	explicit_bzero(mark, sizeof(mark));
}

/* The grammar of RFC 3629 section 4, rule by rule: bytes of one character, 0 for none. */
static size_t
rfc3629_character(const uint8_t *p, size_t len)
{
	static const struct {
		uint8_t first_low, first_high, second_low, second_high;
		size_t length;
	} rules[] = {
		{ 0x00, 0x7f, 0, 0, 1 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	size_t i, k;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (p[0] < rules[i].first_low || p[0] > rules[i].first_high ||
		    len < rules[i].length)
			continue;
		if (rules[i].length > 1 &&
		    (p[1] < rules[i].second_low || p[1] > rules[i].second_high))
			continue;
		for (k = 2; k < rules[i].length && p[k] >= 0x80 && p[k] <= 0xbf; k++)
			;
		if (rules[i].length < 3 || k == rules[i].length)
			return rules[i].length;
	}
	return 0;
}

static bool
rfc3629(const uint8_t *p, size_t len)
{
	size_t at = 0, n;

	while (at < len) {
		if ((n = rfc3629_character(p + at, len - at)) == 0)
			return false;
		at += n;
	}
	return true;
}

static void
utf8_compare(const uint8_t *p, size_t len)
{
	if (utf8_valid(p, len) != rfc3629(p, len))
		fail_msg("%02x %02x %02x %02x, %zu bytes", p[0], p[1], p[2], p[3], len);
}

/* Every sequence of up to three bytes, and of four and five at the edges of every class. */
static void
utf8_against_the_grammar(void **state)
{
	static const uint8_t edges[] = { 0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0,
		0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5,
		0xf7, 0xf8, 0xfb, 0xfc, 0xfe, 0xff };
	const size_t n = sizeof(edges);
	uint8_t p[8] = { 0 };
	unsigned int i;
	size_t a, b, c, d;

	(void)state;
	assert_true(utf8_valid(p, 0));
	assert_true(utf8_valid(NULL, 0));
	for (i = 0; i < 1U << 24; i++) {
		p[0] = (uint8_t)(i >> 16);
		p[1] = (uint8_t)(i >> 8);
		p[2] = (uint8_t)i;
		utf8_compare(p, 3);
		if (p[2] == 0)
			utf8_compare(p, 2);
		if (p[1] == 0 && p[2] == 0)
			utf8_compare(p, 1);
	}
	for (i = 0; i < 256; i++) {
		p[0] = (uint8_t)i;
		for (a = 0; a < n; a++)
			for (b = 0; b < n; b++)
				for (c = 0; c < n; c++) {
					p[1] = edges[a];
					p[2] = edges[b];
					p[3] = edges[c];
					utf8_compare(p, 4);
					for (d = 0; d < n; d += 3) {
						p[4] = edges[d];
						utf8_compare(p, 5);
					}
				}
	}
}

/* The classes by name, so that the grammar above is itself held to something. */
static void
utf8_classes(void **state)
{
	static const struct {
		const char *bytes;
		bool good;
	} cases[] = {
		{ "\x7f", true },
		{ "\x80", false }, /* continuation alone */
		{ "\xbf", false },
		{ "\xc0\x80", false }, /* overlong NUL */
		{ "\xc1\xbf", false }, /* overlong, two bytes */
		{ "\xc2\x80", true },  /* U+0080 */
		{ "\xdf\xbf", true },  /* U+07FF */
		{ "\xc2", false },     /* cut */
		{ "\xc2\x41", false },
		{ "\xe0\x9f\xbf", false },	       /* overlong, three bytes */
		{ "\xe0\xa0\x80", true },	       /* U+0800 */
		{ "\xed\x9f\xbf", true },	       /* U+D7FF */
		{ "\xed\xa0\x80", false },	       /* U+D800, surrogate */
		{ "\xed\xbf\xbf", false },	       /* U+DFFF */
		{ "\xed\xa0\xbd\xed\xb8\x80", false }, /* CESU-8 */
		{ "\xee\x80\x80", true },	       /* U+E000 */
		{ "\xef\xbf\xbf", true },	       /* U+FFFF, a noncharacter, well-formed */
		{ "\xef\xbb\xbf", true },	       /* byte order mark */
		{ "\xe2\x82", false },
		{ "\xf0\x8f\xbf\xbf", false }, /* overlong, four bytes */
		{ "\xf0\x90\x80\x80", true },  /* U+10000 */
		{ "\xf4\x8f\xbf\xbf", true },  /* U+10FFFF */
		{ "\xf4\x90\x80\x80", false }, /* U+110000 */
		{ "\xf5\x80\x80\x80", false },
		{ "\xf0\x9f\x98", false },
		{ "\xf8\x88\x80\x80\x80", false }, /* five bytes */
		{ "\xfc\x84\x80\x80\x80\x80", false },
		{ "\xfe", false },
		{ "\xff", false },
		{ "a\xc3\xa4"
		  "b",
		    true },
		{ "a\xc3"
		  "b",
		    false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (utf8_valid(cases[i].bytes, strlen(cases[i].bytes)) != cases[i].good)
			fail_msg("case %zu", i);
	}
	assert_true(utf8_valid("a\0b", 3));
}

/* Each class wherever it may lie in a longer text, which is looked at in larger pieces. */
static void
utf8_anywhere(void **state)
{
	static const char *const middles[] = { "\xc3\xa4", "\xe4\xb8\xad", "\xf0\x9f\x98\x80",
		"\x80", "\xff", "\xc3", "\xe4\xb8", "\xf0\x9f\x98", "\xed\xa0\x80", "\xc0\xaf",
		"\x7f" };
	const size_t most = 20;
	uint8_t *text;
	size_t before, behind, i, len;

	(void)state;
	for (i = 0; i < sizeof(middles) / sizeof(middles[0]); i++)
		for (before = 0; before <= most; before++)
			for (behind = 0; behind <= most; behind++) {
				len = strlen(middles[i]);
				/* A block of its own, so that no byte behind it may be read. */
				assert_non_null(text = malloc(before + len + behind));
				memset(text, 'x', before + len + behind);
				memcpy(text + before, middles[i], len);
				if (utf8_valid(text, before + len + behind) !=
				    rfc3629(text, before + len + behind))
					fail_msg("%zu: %zu before, %zu behind", i, before, behind);
				free(text);
			}
}

/* Cut at any byte, a text is the whole characters before. */
static void
utf8_is_trimmed(void **state)
{
	static const char text[] = "a\xc3\xa4\xe6\x97\xa5\xf0\x9f\x94\x91";
	static const size_t wholes[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10 };
	char cut[sizeof(text)];
	size_t n;

	(void)state;
	for (n = 0; n < sizeof(text); n++) {
		memcpy(cut, text, n);
		cut[n] = '\0';
		utf8_trim(cut);
		assert_int_equal(strlen(cut), wholes[n]);
		assert_memory_equal(cut, text, wholes[n]);
	}
}

/* One field of a random message. */
struct field {
	unsigned int kind;
	uint64_t number;
	uint8_t data[300];
	size_t len;
};

static void
field_random(struct field *f)
{
	size_t i;

	f->kind = random_below(KINDS);
	f->number = (uint64_t)random_u32() << 32 | random_u32();
	f->len = f->kind == 4 ? 8 : random_below(sizeof(f->data));
	for (i = 0; i < f->len; i++)
		f->data[i] = (uint8_t)(f->kind >= 6 ? 1 + random_below(127) : random_below(256));
}

static void
field_put(struct wire_writer *w, const struct field *f)
{
	switch (f->kind) {
	case 0:
		wire_put_u8(w, (uint8_t)f->number);
		break;
	case 1:
		wire_put_u16(w, (uint16_t)f->number);
		break;
	case 2:
		wire_put_u32(w, (uint32_t)f->number);
		break;
	case 3:
		wire_put_u64(w, f->number);
		break;
	case 4:
		wire_put_fixed(w, f->data, f->len);
		break;
	default:
		wire_put_bytes(w, f->data, f->len);
	}
}

/* Reads the field; true when it came through unchanged. */
static bool
field_get(struct wire_reader *r, const struct field *f)
{
	uint8_t fixed[8];
	char string[300];
	const uint8_t *p;
	size_t len;
	char *dup;
	bool same;

	switch (f->kind) {
	case 0:
		return wire_get_u8(r) == (uint8_t)f->number && !r->failed;
	case 1:
		return wire_get_u16(r) == (uint16_t)f->number && !r->failed;
	case 2:
		return wire_get_u32(r) == (uint32_t)f->number && !r->failed;
	case 3:
		return wire_get_u64(r) == f->number && !r->failed;
	case 4:
		wire_get_fixed(r, fixed, 8);
		return !r->failed && memcmp(fixed, f->data, 8) == 0;
	case 5:
		p = wire_get_bytes(r, 0, sizeof(f->data), &len);
		return p != NULL && len == f->len && memcmp(p, f->data, len) == 0;
	case 6:
		wire_get_string(r, string, sizeof(string), 0);
		return !r->failed && strlen(string) == f->len &&
		    memcmp(string, f->data, f->len) == 0;
	default:
		dup = wire_get_string_dup(r, 0, sizeof(f->data));
		same = dup != NULL && strlen(dup) == f->len && memcmp(dup, f->data, f->len) == 0;
		free(dup);
		return same;
	}
}

/*
 * Any message reads back as it was written; cut anywhere it does not end well;
 * with a byte changed anywhere it is read without harm.
 */
static void
random_messages(void **state)
{
	struct field fields[12];
	struct wire_writer w;
	struct wire_reader r;
	size_t n, i, cut, at;
	uint8_t *copy;
	int round;

	(void)state;
	for (round = 0; round < 3000; round++) {
		n = 1 + random_below(12);
		wire_writer_init(&w);
		for (i = 0; i < n; i++) {
			field_random(&fields[i]);
			field_put(&w, &fields[i]);
			/* The invariants of the writer. */
			assert_false(w.failed);
			assert_true(w.len <= w.size && w.size <= WIRE_MAX);
		}
		wire_reader_init(&r, w.data, w.len);
		for (i = 0; i < n; i++) {
			if (!field_get(&r, &fields[i]))
				fail_msg("seed %u, round %d, field %zu", random_seed(), round, i);
			assert_true(r.at <= r.len);
		}
		assert_int_equal(wire_end(&r), 0);

		cut = random_below((uint32_t)w.len);
		copy = malloc(cut == 0 ? 1 : cut);
		assert_non_null(copy);
		memcpy(copy, w.data, cut);
		wire_reader_init(&r, copy, cut);
		for (i = 0; i < n; i++)
			(void)get_kind(&r, fields[i].kind);
		if (wire_end(&r) != -1)
			fail_msg("seed %u, round %d, cut at %zu", random_seed(), round, cut);
		free(copy);

		at = random_below((uint32_t)w.len);
		w.data[at] ^= (uint8_t)(1 + random_below(255));
		wire_reader_init(&r, w.data, w.len);
		for (i = 0; i < n; i++) {
			(void)get_kind(&r, fields[i].kind);
			assert_true(r.at <= r.len);
		}
		(void)wire_end(&r);
		wire_writer_free(&w);
	}
}

static bool
written_and_read_without_memory(void *arg)
{
	struct wire_writer w;
	struct wire_reader r;
	char *first, *second;
	bool whole;
	int i;

	(void)arg;
	wire_writer_init(&w);
	for (i = 0; i < 300; i++)
		wire_put_u16(&w, (uint16_t)i);
	wire_put_string(&w, "first");
	wire_put_string(&w, "second");
	if (w.failed) {
		wire_writer_free(&w);
		return false;
	}
	wire_reader_init(&r, w.data, w.len);
	for (i = 0; i < 300; i++)
		assert_int_equal(wire_get_u16(&r), i);
	first = wire_get_string_dup(&r, 1, 10);
	second = wire_get_string_dup(&r, 1, 10);
	whole = wire_end(&r) == 0;
	assert_int_equal(whole, first != NULL && second != NULL);
	/* Not a fault of the message. */
	assert_int_equal(r.short_of_memory, !whole);
	free(first);
	free(second);
	wire_writer_free(&w);
	return whole;
}

static void
want_of_memory(void **state)
{
	(void)state;
	allocations_fail_each(written_and_read_without_memory, NULL, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_little_endian),
		cmocka_unit_test(integer_limits),
		cmocka_unit_test(short_and_over),
		cmocka_unit_test(errors_stick),
		cmocka_unit_test(nothing_at_all),
		cmocka_unit_test(bytes_least_and_most),
		cmocka_unit_test(lengths_that_lie),
		cmocka_unit_test(strings),
		cmocka_unit_test(null_string_is_empty),
		cmocka_unit_test(writer_limit),
		cmocka_unit_test(writer_wipes),
		cmocka_unit_test(utf8_against_the_grammar),
		cmocka_unit_test(utf8_classes),
		cmocka_unit_test(utf8_anywhere),
		cmocka_unit_test(utf8_is_trimmed),
		cmocka_unit_test(random_messages),
		cmocka_unit_test(want_of_memory),
	};

	random_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
