/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * object_size_state.h - layouts of the objects of client libraries, for object_size.c and its
 * tests.
 */
#ifndef DBLEAK_CAPTURE_OBJECT_SIZE_STATE_H
#define DBLEAK_CAPTURE_OBJECT_SIZE_STATE_H

#include <stdint.h>

/* The head of a block: glibc keeps it before the block, with flags in the lowest bits of the size.
 * The next head follows the block. */
struct chunk {
	uint64_t before; /* bytes of the block before, if that is free; of padding, if mapped */
	uint64_t size;
};

#define CHUNK_BEFORE_USED 1ULL
#define CHUNK_MAPPED	  2ULL
#define CHUNK_FLAGS	  7ULL

/* The buffers of a connection, as they stand in PGconn one after the other in libpq 9 to 18. */
struct pg_buffers {
	uint64_t in;
	int32_t in_size, in_start, in_cursor, in_end;
	uint64_t out;
	int32_t out_size, out_count, message_start, message_end;
	uint64_t row;
	int32_t row_length;
	int32_t reserved;
};

/* An entry of a list; the last entry has no keyword.  Only the values are blocks of their own. */
struct pg_option {
	uint64_t keyword, variable, compiled, value, label, dispchar;
	int32_t dispsize, reserved;
};

/* libmariadb 3: a root keeps blocks that are used up and blocks with room. */
struct ma_block {
	uint64_t next, left, size;
};

struct ma_root {
	uint64_t free, used, pre_alloc, min_malloc, block_size;
	uint32_t block_count, first_block_usage;
	uint64_t error_handler;
};

struct ma_data {
	uint64_t rows, embedded_info;
	struct ma_root alloc;
	uint64_t row_count;
	uint32_t field_count, reserved;
	uint64_t extension;
};

struct ma_result {
	uint64_t row_count;
	uint32_t field_count, current_field;
	uint64_t fields, data, cursor;
	struct ma_root field_alloc;
	uint64_t row, current_row, lengths, handle;
	uint8_t eof, is_ps, reserved[6];
};

struct ma_statement {
	struct ma_root alloc;
	uint64_t connection, id, flags;
	uint32_t state, reserved;
	uint64_t fields;
	uint32_t field_count, parameter_count;
	uint64_t sends_types, parameters, bind;
	struct ma_data result;
};

/* libmysqlclient 8 and newer: a root keeps one list, and its own sum. */
struct my_block {
	uint64_t before, end;
};

struct my_root {
	uint64_t current, free_start, free_end, most, first_size, size, allocated;
};

struct my_data {
	uint64_t rows, alloc, row_count;
	uint32_t field_count, reserved;
};

struct my_result {
	uint64_t row_count, fields, data, cursor, lengths, handle, methods, row, current_row;
	uint64_t field_alloc;
	uint32_t field_count, current_field;
};

struct my_statement {
	uint64_t alloc, before, next, self, connection, parameters, bind, fields;
	struct my_data result;
};

/* The beginning of MYSQL in both libraries.  One buffer serves for packets that are read and
 * written. */
struct my_net {
	uint64_t vio, buffer, end, write, read;
};

/* The layer through which libmariadb reads; it has a buffer of its own. */
struct my_vio {
	uint64_t data, cache, position;
};

/* The beginning of sqlite3: the databases of a connection.  Btree and BtShared begin with the
 * pointers that lead on to the pager. */
struct lite_connection {
	uint64_t vfs, statements, collation, mutex, databases;
	int32_t database_count;
	uint32_t flags;
};

struct lite_database {
	uint64_t name, tree;
	uint64_t safety, schema;
};

struct lite_tree {
	uint64_t connection, shared;
};

/* PCache1, of pcache1.c. */
struct lite_cache {
	uint64_t group, purgeable_count;
	int32_t page, extra, line, purgeable;
	uint32_t least, most, nine_tenths, largest, dummy, recyclable, pages, buckets;
};

/* Offsets of the fields of PCache (pcache.c): until 3.42, and since then. */
struct lite_cache_layout {
	uint32_t page, extra, pager, cache;
};

#define CACHE_LAYOUTS 2

extern const struct lite_cache_layout lite_cache_layouts[CACHE_LAYOUTS];

#endif
