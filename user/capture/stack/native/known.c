/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * known.c - one allocation for each frame.  Frames of equal content have equal keys in every
 * process.
 */
#include "user/capture/stack/native/known.h"

#include <stdlib.h>
#include <string.h>

/* The longest texts; all of them together fit in a record. */
static const struct {
	size_t offset, most;
	bool end; /* the end is kept, not the beginning */
} texts[KNOWN_TEXTS] = {
	{offsetof(struct frame, function), 320, false},
	{offsetof(struct frame, file), 352, true},
	{offsetof(struct frame, module), 288, true},
	{offsetof(struct frame, build_id), 64, false},
};

static const char **text_of(struct frame *frame, size_t i)
{
	return (const char **)((char *)frame + texts[i].offset);
}

static const char *cut(const char *text, size_t i, size_t *length)
{
	size_t whole = text ? strlen(text) : 0;

	*length = whole < texts[i].most ? whole : texts[i].most;
	return texts[i].end ? text + (whole - *length) : text;
}

static uint64_t known_mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

static uint64_t known_key_of(const struct known *k)
{
	const struct frame *f = &k->frame;
	uint64_t hash = known_mix(known_mix(0, f->offset), (uint64_t)f->line << 32 | f->column);

	hash = known_mix(hash, (uint64_t)f->language << 32 | f->flags);
	for (size_t i = 0; i < k->text_size; i++)
		hash = known_mix(hash, (unsigned char)k->text[i]);
	return hash ? hash : 1;
}

struct known *known_make(const struct frame *frame)
{
	const char *from[KNOWN_TEXTS];
	struct frame copy = *frame;
	size_t length[KNOWN_TEXTS], size = 0;
	struct known *k;

	for (size_t i = 0; i < KNOWN_TEXTS; i++) {
		from[i] = cut(*text_of(&copy, i), i, &length[i]);
		size += length[i] + 1;
	}
	k = calloc(1, sizeof(*k) + size);
	if (!k)
		return NULL;
	k->frame = copy;
	for (size_t i = 0; i < KNOWN_TEXTS; i++) {
		if (length[i])
			memcpy(k->text + k->text_size, from[i], length[i]);
		k->text_size += (uint32_t)length[i] + 1;
	}
	known_texts(&k->frame, k->text, k->text_size);
	k->key = known_key_of(k);
	return k;
}

bool known_texts(struct frame *frame, const char *text, size_t size)
{
	for (size_t i = 0; i < KNOWN_TEXTS; i++) {
		size_t length = strnlen(text, size);

		if (length == size || length > texts[i].most)
			return false;
		*text_of(frame, i) = length ? text : NULL;
		text += length + 1;
		size -= length + 1;
	}
	return !size;
}
