/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * frame_index.c - see frame_index.h.
 */
#include "user/report/frame_index.h"

#include <stdlib.h>

#include "user/base/util.h"

#define FNV_OFFSET 14695981039346656037ULL
#define FNV_PRIME  1099511628211ULL

void frame_index_free(struct frame_index *x)
{
	table_free(&x->by_address);
	table_free(&x->by_content);
	free((void *)x->all);
	*x = (struct frame_index){0};
}

static uint64_t index_mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

static uint64_t index_text(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = (hash ^ (uint8_t)*text) * FNV_PRIME;
	return (hash ^ (text ? 0x1ff : 0x2ff)) * FNV_PRIME;
}

/* Most stacks share their frames' strings: then the addresses of these tell at once. */
static struct table_key address_key(const struct frame_view *f)
{
	uint64_t names = index_mix((uintptr_t)f->function, (uintptr_t)f->file);
	uint64_t place = index_mix((uint64_t)f->line << 32 | f->flags, f->offset);

	return (struct table_key){index_mix(names, (uintptr_t)f->module), index_mix(place, names)};
}

static struct table_key content_key(const struct frame_view *f)
{
	uint64_t names = index_text(index_text(FNV_OFFSET, f->function), f->file);
	uint64_t binary = index_text(index_text(FNV_OFFSET, f->module), f->build_id);

	return (struct table_key){index_mix(names, (uint64_t)f->line << 32 | f->flags),
				  index_mix(binary ^ f->offset, f->language)};
}

static bool same_frame(const struct frame_view *a, const struct frame_view *b)
{
	return a->line == b->line && a->offset == b->offset && a->flags == b->flags &&
	       a->language == b->language && same_string(a->function, b->function) &&
	       same_string(a->file, b->file) && same_string(a->module, b->module) &&
	       same_string(a->build_id, b->build_id);
}

/* 0: it is not there. */
static size_t index_find(const struct frame_index *x, const struct table *t, struct table_key key,
			 const struct frame_view *f)
{
	size_t number = (uintptr_t)table_get(t, key);

	return number && same_frame(x->all[number - 1], f) ? number : 0;
}

static size_t index_add(struct frame_index *x, const struct frame_view *f)
{
	if (x->count == x->room) {
		size_t room = x->room ? 2 * x->room : 256;
		const struct frame_view **all = realloc((void *)x->all, room * sizeof(*all));

		if (!all)
			return 0;
		x->all = all;
		x->room = room;
	}
	x->all[x->count++] = f;
	return x->count;
}

size_t frame_index_of(struct frame_index *x, const struct frame_view *f)
{
	struct table_key address = address_key(f), content;
	size_t number = index_find(x, &x->by_address, address, f);

	if (number)
		return number;
	content = content_key(f);
	number = index_find(x, &x->by_content, content, f);
	if (!number)
		number = index_add(x, f);
	if (!number || table_put(&x->by_address, address, (void *)(uintptr_t)number) ||
	    table_put(&x->by_content, content, (void *)(uintptr_t)number))
		return 0;
	return number;
}
