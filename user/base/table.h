/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * table.h - a hash table from 128-bit keys to pointers, and an arena that frees all at once.
 */
#ifndef DBLEAK_BASE_TABLE_H
#define DBLEAK_BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_key {
	uint64_t a, b;
};

struct table_slot {
	struct table_key key;
	void *value; /* NULL: free */
};

/* Zeroed is empty.  Values are the caller's. */
struct table {
	struct table_slot *slots;
	size_t size; /* 0 or a power of two */
	size_t count;
};

void table_free(struct table *t);
/* Frees the table, and each value with free(). */
void table_free_values(struct table *t);
void *table_get(const struct table *t, struct table_key key);
/* Adds or replaces; value is not NULL.  0 or -ENOMEM. */
int table_put(struct table *t, struct table_key key, void *value);
/* Returns the value of a key, at first a zeroed one of that many bytes.  A table that has `most`
 * entries is emptied before, as table_free_values does: for values that only save work.  NULL
 * without memory. */
void *table_value(struct table *t, struct table_key key, size_t size, size_t most);
/* Returns the value that was there, or NULL. */
void *table_remove(struct table *t, struct table_key key);
/* The next occupied slot at or after *at; moves *at behind it.  NULL at the end. */
struct table_slot *table_next(const struct table *t, size_t *at);

/* A walk over a table that may lose entries on the way: table_walk_next returns each entry once.  A
 * loop of table_next and table_remove does not: a removal moves later entries back, and at the end
 * of the slots also those that were visited first.  No entry may be added during a walk, and none
 * but the last one returned may be removed. */
struct table_walk {
	struct table *table;
	size_t start;  /* behind a free slot, so that no run of entries crosses it */
	size_t passed; /* slots since start; a later walk may go on from there */
};

struct table_walk table_walk(struct table *t);
/* The next occupied slot; NULL at the end. */
struct table_slot *table_walk_next(struct table_walk *w);
/* Removes the entry that table_walk_next returned last, and returns its value. */
void *table_walk_remove(struct table_walk *w);

struct arena;

struct arena *arena_open(void);
void arena_close(struct arena *a);
/* Zeroed, aligned for any type.  NULL without memory. */
void *arena_alloc(struct arena *a, size_t size);
char *arena_copy(struct arena *a, const char *text, size_t length);
/* A copy of a text with its NUL; NULL for NULL, or without memory. */
char *arena_string(struct arena *a, const char *s);
__attribute__((format(printf, 2, 3))) char *arena_format(struct arena *a, const char *format, ...);

#endif
