/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_frames.c - any bytes as the memory of a PHP or a Perl whose calls were walked.
 *
 * Input: a byte that chooses the language and the version, then the memory, which repeats without
 * end; a stack begins at each 8 bytes of its first 256.
 */
#include <stdlib.h>
#include <string.h>

#include "user/capture/stack/perl.h"
#include "user/capture/stack/php.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
	const uint8_t *data;
	size_t size;
};

static ssize_t read_bytes(const struct memory *m, uint64_t address, void *to, size_t size)
{
	const struct bytes *b = m->context;

	for (size_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = b->data[(address + i) % b->size];
	return (ssize_t)size;
}

static void require(int condition)
{
	if (!condition)
		abort();
}

/* A text is ours, and ends. */
static void check_text(const struct texts *t, const char *text)
{
	if (!text)
		return;
	require(text >= t->bytes && text < t->bytes + sizeof(t->bytes));
	require(memchr(text, '\0', (size_t)(t->bytes + sizeof(t->bytes) - text)) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct raw_stack raw;
	struct texts *t = malloc(sizeof(*t)); /* of its own, so that a byte beyond is noticed */
	struct frame frames[STACK_FRAMES];
	struct bytes b = {data + 1, size - 1};
	struct memory m = {.read = read_bytes, .context = &b};
	uint32_t flags = 0;
	int n;

	require(t != NULL);
	if (size > 1) {
		raw.row = data[0] >> 1 & 7;
		raw.count = data[0] & 128 ? STACK_FRAMES : 8;
		for (uint32_t i = 0; i < STACK_FRAMES; i++)
			raw.frame[i] = (struct raw_frame){8 * i, i % 4 ? 8 * i + 16 : i / 4 % 2};
		n = data[0] & 1 ? perl_read(&m, &raw, t, frames, &flags)
				: php_read(&m, &raw, t, frames, &flags);
		require(n <= STACK_FRAMES);
		for (int i = 0; i < n; i++) {
			check_text(t, frames[i].function);
			check_text(t, frames[i].file);
			require(frames[i].function || frames[i].file);
		}
	}
	free(t);
	return 0;
}
