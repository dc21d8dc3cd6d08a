/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * object_size.c - how much memory an object of a client library holds, read from the object itself.
 *
 * How a layout is proved: results of libpq by the code of the library's own accessors.  In all
 * other objects two parts that the library fills separately must say the same: the rows of a result
 * and of its data, a page cache and its pager, a statement and its connection.
 */
#include "user/capture/clientlib/object_size.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "bpf/event.h"
#include "user/capture/clientlib/object_size_state.h"

#define SIZE_MOST    OBJECT_BYTES_MOST
#define BLOCKS_MOST  16384 /* of one memory root; blocks grow, so this is terabytes */
#define FIELDS_MOST  4096
#define REPLIES_MOST 4096 /* within a reply of Redis */
#define REPLY_DEPTH  8
#define READS_MOST   16384 /* of one object: what the target wrote may lead on for ever */
#define ROUND8(n)    (((n) + 7) & ~7ULL)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct object_size unknown = {UNKNOWN64, UNKNOWN64};

struct sized_object {
	const struct memory *memory;
	const struct object_fields *fields;
	uint64_t address, parent;
};

/* --- blocks of glibc's malloc ---------------------------------------------------------------- */

#define CHUNK_LEAST 32
#define PAGE	    4096

static uint64_t mapped_block(const struct chunk *head, uint64_t address)
{
	uint64_t size = head->size & ~CHUNK_FLAGS, start = address - sizeof(*head);

	if (head->before >= PAGE || (start - head->before) % PAGE || (size + head->before) % PAGE)
		return UNKNOWN64;
	return size;
}

uint64_t object_block(const struct memory *m, uint64_t address)
{
	struct chunk head, next;
	uint64_t size, start = address - sizeof(head);

	if (!address || address % 16 || memory_read(m, start, &head, sizeof(head)))
		return UNKNOWN64;
	size = head.size & ~CHUNK_FLAGS;
	if (size < CHUNK_LEAST || size % 16 || size > SIZE_MOST)
		return UNKNOWN64;
	if (head.size & CHUNK_MAPPED)
		return mapped_block(&head, address);
	if (memory_read(m, start + size, &next, sizeof(next)) || !(next.size & CHUNK_BEFORE_USED) ||
	    (next.size & ~CHUNK_FLAGS) % 16 || (next.size & ~CHUNK_FLAGS) > SIZE_MOST)
		return UNKNOWN64;
	return size;
}

static struct object_size size_of_block(const struct sized_object *o)
{
	return (struct object_size){object_block(o->memory, o->address), UNKNOWN64};
}

/* Bytes of the block of an object whose layout other signs prove; 0 if the allocator does not let
 * it be read. */
static uint64_t own_block(const struct sized_object *o)
{
	uint64_t bytes = object_block(o->memory, o->address);

	return bytes == UNKNOWN64 ? 0 : bytes;
}

/* Adds a figure to a sum; one figure that is not known makes the sum unknown. */
static void object_size_add(uint64_t *sum, uint64_t bytes)
{
	*sum = *sum == UNKNOWN64 || bytes == UNKNOWN64 ? UNKNOWN64 : *sum + bytes;
}

/* --- libpq ------------------------------------------------------------------------------------ */

static uint64_t field_read(const struct sized_object *o, const struct probe_field *field)
{
	uint64_t value = 0;

	if (!field->size || field->compared ||
	    memory_read(o->memory, o->address + field->offset, &value, field->size))
		return UNKNOWN64;
	return value;
}

/* The figure of PQresultMemorySize begins with the object itself and its first block. */
static struct object_size size_of_pgresult(const struct sized_object *o)
{
	struct object_size size = {field_read(o, &o->fields->memory), UNKNOWN64};

	if (o->fields->memory.size != 8 || size.bytes < 64 || size.bytes > SIZE_MOST)
		return unknown;
	if (o->fields->rows.size == 4)
		size.rows = field_read(o, &o->fields->rows);
	return size;
}

#define PG_BUFFER_LEAST 8192
#define PGCONN_BYTES	2048
#define PG_VALUE_BYTES	16 /* of a row's value: length and pointer */

static bool are_buffers(const struct pg_buffers *b)
{
	return b->in % 16 == 0 && b->in > PAGE && b->in_size >= PG_BUFFER_LEAST &&
	       b->in_start >= 0 && b->in_start <= b->in_cursor && b->in_cursor <= b->in_size &&
	       b->in_start <= b->in_end && b->in_end <= b->in_size && b->out % 16 == 0 &&
	       b->out > PAGE && b->out != b->in && b->out_size >= PG_BUFFER_LEAST &&
	       b->out_count >= 0 && b->out_count <= b->out_size && b->message_end >= 0 &&
	       b->message_end <= b->out_size && b->row % 16 == 0 && b->row > PAGE &&
	       b->row_length > 0 && b->row_length < 1 << 20;
}

static struct object_size size_of_pgconn(const struct sized_object *o)
{
	uint64_t own = object_block(o->memory, o->address), found = 0;
	unsigned char bytes[PGCONN_BYTES];
	struct pg_buffers b, buffers;
	ssize_t n;

	if (own == UNKNOWN64)
		return unknown;
	n = o->memory->read(o->memory, o->address, bytes,
			    own - 8 < sizeof(bytes) ? own - 8 : sizeof(bytes));
	for (ssize_t at = 0; at + (ssize_t)sizeof(b) <= n; at += 8) {
		memcpy(&b, bytes + at, sizeof(b));
		if (!are_buffers(&b))
			continue;
		found++;
		buffers = b;
	}
	if (found != 1)
		return unknown;
	return (struct object_size){own + (uint64_t)buffers.in_size + (uint64_t)buffers.out_size +
					    PG_VALUE_BYTES * (uint64_t)buffers.row_length,
				    UNKNOWN64};
}

#define OPTIONS_MOST 100

static struct object_size size_of_pgoptions(const struct sized_object *o)
{
	struct object_size size = {object_block(o->memory, o->address), UNKNOWN64};
	struct pg_option option;

	for (unsigned int i = 0; i < OPTIONS_MOST && size.bytes != UNKNOWN64; i++) {
		if (memory_read(o->memory, o->address + i * sizeof(option), &option,
				sizeof(option)))
			return unknown;
		if (!option.keyword)
			return size;
		if (option.value)
			object_size_add(&size.bytes, object_block(o->memory, option.value));
	}
	return unknown;
}

/* --- libmariadb and libmysqlclient ------------------------------------------------------------ */

static uint64_t ma_list_bytes(const struct memory *m, uint64_t address)
{
	struct ma_block block;
	uint64_t bytes = 0;

	for (unsigned int i = 0; address; i++) {
		if (i == BLOCKS_MOST || memory_read(m, address, &block, sizeof(block)) ||
		    block.size > SIZE_MOST || block.size < sizeof(block) ||
		    block.left > block.size - sizeof(block))
			return UNKNOWN64;
		bytes += block.size;
		address = block.next;
	}
	return bytes;
}

static uint64_t ma_root_bytes(const struct memory *m, const struct ma_root *root)
{
	uint64_t bytes = ma_list_bytes(m, root->free);

	object_size_add(&bytes, ma_list_bytes(m, root->used));
	return bytes;
}

static bool same(uint64_t rows, uint64_t fields, uint64_t also_rows, uint64_t also_fields)
{
	return rows == also_rows && fields == also_fields && fields && fields <= FIELDS_MOST;
}

static struct object_size size_of_ma_result(const struct sized_object *o)
{
	struct object_size size = {sizeof(struct ma_result), UNKNOWN64};
	struct ma_result result;
	struct ma_data data;

	if (memory_read(o->memory, o->address, &result, sizeof(result)) || !result.field_count ||
	    result.field_count > FIELDS_MOST || result.current_field > result.field_count ||
	    result.eof > 1 || result.is_ps > 1 || !result.fields)
		return unknown;
	object_size_add(&size.bytes, ma_root_bytes(o->memory, &result.field_alloc));
	if (!result.data) /* rows are read one by one, or the result is of a statement */
		return size;
	if (memory_read(o->memory, result.data, &data, sizeof(data)) ||
	    !same(result.row_count, result.field_count, data.row_count, data.field_count))
		return unknown;
	object_size_add(&size.bytes, sizeof(data) + 8ULL * result.field_count);
	object_size_add(&size.bytes, ma_root_bytes(o->memory, &data.alloc));
	size.rows = result.row_count;
	return size;
}

/* Bytes of a root's blocks.  The sum that the root keeps itself must agree, apart from the blocks'
 * heads. */
static uint64_t my_root_bytes(const struct memory *m, uint64_t address)
{
	uint64_t bytes = 0, at;
	struct my_block block;
	struct my_root root;

	if (!address || memory_read(m, address, &root, sizeof(root)) ||
	    root.free_start > root.free_end)
		return UNKNOWN64;
	at = root.current;
	for (unsigned int i = 0; at; i++) {
		if (i == BLOCKS_MOST || memory_read(m, at, &block, sizeof(block)) ||
		    block.end <= at || block.end - at > SIZE_MOST)
			return UNKNOWN64;
		bytes += block.end - at;
		at = block.before;
	}
	return root.allocated <= bytes && bytes - root.allocated <= bytes / 8 ? bytes : UNKNOWN64;
}

static struct object_size size_of_my_result(const struct sized_object *o)
{
	struct object_size size = {sizeof(struct my_result), UNKNOWN64};
	struct my_result result;
	struct my_data data;

	if (memory_read(o->memory, o->address, &result, sizeof(result)) || !result.field_count ||
	    result.field_count > FIELDS_MOST || result.current_field > result.field_count)
		return unknown;
	object_size_add(&size.bytes, my_root_bytes(o->memory, result.field_alloc));
	if (!result.data)
		return size;
	if (memory_read(o->memory, result.data, &data, sizeof(data)) ||
	    !same(result.row_count, result.field_count, data.row_count, data.field_count))
		return unknown;
	object_size_add(&size.bytes,
			sizeof(data) + sizeof(struct my_root) + 8ULL * result.field_count);
	object_size_add(&size.bytes, my_root_bytes(o->memory, data.alloc));
	size.rows = result.row_count;
	return size;
}

static struct object_size size_of_mysql_result(const struct sized_object *o)
{
	struct object_size size = size_of_ma_result(o);

	return size.bytes == UNKNOWN64 ? size_of_my_result(o) : size;
}

static struct object_size size_of_ma_statement(const struct sized_object *o)
{
	struct object_size size = {own_block(o), UNKNOWN64};
	struct ma_statement st;

	if (memory_read(o->memory, o->address, &st, sizeof(st)) || !o->parent ||
	    st.connection != o->parent || st.field_count > FIELDS_MOST)
		return unknown;
	object_size_add(&size.bytes, ma_root_bytes(o->memory, &st.alloc));
	object_size_add(&size.bytes, ma_root_bytes(o->memory, &st.result.alloc));
	return size;
}

static struct object_size size_of_my_statement(const struct sized_object *o)
{
	struct object_size size = {own_block(o), UNKNOWN64};
	struct my_statement st;

	if (memory_read(o->memory, o->address, &st, sizeof(st)) || !o->parent ||
	    st.connection != o->parent || st.self != o->address)
		return unknown;
	object_size_add(&size.bytes, my_root_bytes(o->memory, st.alloc));
	if (st.result.alloc)
		object_size_add(&size.bytes, my_root_bytes(o->memory, st.result.alloc));
	return size;
}

static struct object_size size_of_mysql_statement(const struct sized_object *o)
{
	struct object_size size = size_of_ma_statement(o);

	return size.bytes == UNKNOWN64 ? size_of_my_statement(o) : size;
}

#define MY_BUFFER_LEAST 1024
#define MY_BLOCK_MOST	(1 << 20)
#define MYSQL_BYTES	2048

static bool is_net(const struct my_net *n)
{
	return n->buffer && n->buffer <= n->write && n->write <= n->end && n->buffer <= n->read &&
	       n->read <= n->end && n->end - n->buffer >= MY_BUFFER_LEAST;
}

static uint64_t vio_bytes(const struct memory *m, uint64_t address)
{
	uint64_t bytes = object_block(m, address), cache;
	struct my_vio vio;

	if (bytes == UNKNOWN64 || memory_read(m, address, &vio, sizeof(vio)))
		return 0;
	cache = object_block(m, vio.cache);
	if (cache == UNKNOWN64 || vio.position < vio.cache || vio.position > vio.cache + cache)
		return bytes;
	return bytes + cache;
}

/* Bytes of the root, somewhere in the connection, in which libmariadb keeps descriptions of fields.
 * 0: none is seen. */
static uint64_t fields_bytes(const struct sized_object *o, uint64_t own)
{
	unsigned char bytes[MYSQL_BYTES];
	uint64_t found = 0, sum;
	struct ma_root root;
	ssize_t n;

	if (!own)
		return 0;
	n = o->memory->read(o->memory, o->address, bytes,
			    own - 8 < sizeof(bytes) ? own - 8 : sizeof(bytes));
	for (ssize_t at = 0; at + (ssize_t)sizeof(root) <= n && !found; at += 8) {
		memcpy(&root, bytes + at, sizeof(root));
		if (!(root.free || root.used) || root.min_malloc > 64 ||
		    root.block_size < MY_BUFFER_LEAST || root.block_size > MY_BLOCK_MOST ||
		    root.block_count > BLOCKS_MOST)
			continue;
		sum = ma_root_bytes(o->memory, &root);
		found = sum == UNKNOWN64 ? 0 : sum;
	}
	return found;
}

static struct object_size size_of_mysql(const struct sized_object *o)
{
	uint64_t buffer, own = own_block(o);
	struct my_net net;

	if (memory_read(o->memory, o->address, &net, sizeof(net)) || !is_net(&net))
		return unknown;
	buffer = object_block(o->memory, net.buffer);
	if (buffer == UNKNOWN64 || buffer < net.end - net.buffer)
		return unknown;
	return (struct object_size){
		own + fields_bytes(o, own) + buffer + vio_bytes(o->memory, net.vio), UNKNOWN64};
}

/* --- SQLite ----------------------------------------------------------------------------------- */

#define DATABASES_MOST 127
#define PAGER_BYTES    1280
const struct lite_cache_layout lite_cache_layouts[CACHE_LAYOUTS] = {{36, 40, 56, 64},
								    {40, 44, 64, 72}};

static bool is_cache(const struct lite_cache *c, int32_t page, int32_t extra)
{
	return c->page == page && c->extra > extra && c->extra <= extra + 256 &&
	       c->line > c->page + c->extra && c->line <= c->page + c->extra + 128 &&
	       c->nine_tenths == (uint64_t)c->most * 9 / 10 && !(c->buckets & (c->buckets - 1)) &&
	       c->recyclable <= c->pages;
}

/* Bytes of a page cache.  It lies behind its pager, in the same block, and points back to the
 * pager. */
static uint64_t lite_pages(const struct memory *m, const unsigned char *pager, uint64_t address,
			   uint64_t at)
{
	struct lite_cache c;
	uint64_t owner, cache;
	int32_t page, extra;

	for (int i = 0; i < CACHE_LAYOUTS; i++) {
		if (at + lite_cache_layouts[i].cache + 8 > PAGER_BYTES)
			continue;
		memcpy(&owner, pager + at + lite_cache_layouts[i].pager, 8);
		memcpy(&cache, pager + at + lite_cache_layouts[i].cache, 8);
		memcpy(&page, pager + at + lite_cache_layouts[i].page, 4);
		memcpy(&extra, pager + at + lite_cache_layouts[i].extra, 4);
		if (owner != address || page < 512 || page > 65536 || page & (page - 1) ||
		    extra <= 0 || extra > 1024 || memory_read(m, cache, &c, sizeof(c)) ||
		    !is_cache(&c, page, extra))
			continue;
		return (uint64_t)c.pages * (uint64_t)c.line + 8ULL * c.buckets + (uint64_t)page;
	}
	return UNKNOWN64;
}

static uint64_t lite_pager_bytes(const struct memory *m, uint64_t address)
{
	unsigned char pager[PAGER_BYTES];
	uint64_t word, bytes;

	if (memory_read(m, address, pager, sizeof(pager)))
		return UNKNOWN64;
	for (size_t at = 8; at + 8 <= sizeof(pager); at += 8) {
		memcpy(&word, pager + at, 8);
		if (word <= address || word - address >= sizeof(pager) || word % 8)
			continue;
		bytes = lite_pages(m, pager, address, word - address);
		if (bytes != UNKNOWN64)
			return bytes;
	}
	return UNKNOWN64;
}

static uint64_t lite_database_bytes(const struct sized_object *o, const struct lite_database *d)
{
	uint64_t pager;
	struct lite_tree tree;

	if (!d->tree) /* temporary tables, and there are none */
		return 0;
	if (memory_read(o->memory, d->tree, &tree, sizeof(tree)) || tree.connection != o->address ||
	    memory_u64(o->memory, tree.shared, &pager))
		return UNKNOWN64;
	return lite_pager_bytes(o->memory, pager);
}

/* Bytes of the pages that a connection keeps: the cache of a file, or all of a database in memory.
 * Prepared statements and schemas are not counted. */
static struct object_size size_of_sqlite(const struct sized_object *o)
{
	struct object_size size = {0, UNKNOWN64};
	struct lite_connection c;
	struct lite_database d;

	if (memory_read(o->memory, o->address, &c, sizeof(c)) || c.database_count < 2 ||
	    c.database_count > DATABASES_MOST)
		return unknown;
	for (int i = 0; i < c.database_count && size.bytes != UNKNOWN64; i++) {
		if (memory_read(o->memory, c.databases + (uint64_t)i * sizeof(d), &d, sizeof(d)))
			return unknown;
		object_size_add(&size.bytes, lite_database_bytes(o, &d));
	}
	return size;
}

/* --- hiredis ---------------------------------------------------------------------------------- */

/* Offsets of the fields of a redisReply: hiredis 1 and newer, and before. */
static const struct reply_layout {
	uint64_t block; /* its size */
	uint32_t text, elements, element;
} reply_layouts[] = {{80, 32, 48, 56}, {64, 24, 32, 40}};

#define REPLY_TYPES 14

static uint64_t reply_bytes(const struct memory *m, uint64_t address, unsigned int depth,
			    unsigned int *left);

static uint64_t elements_bytes(const struct memory *m, uint64_t array, uint64_t count,
			       unsigned int depth, unsigned int *left)
{
	uint64_t bytes = object_block(m, array), reply;

	if (bytes == UNKNOWN64 || count > bytes / 8)
		return UNKNOWN64;
	for (uint64_t i = 0; i < count && bytes != UNKNOWN64; i++) {
		if (memory_u64(m, array + 8 * i, &reply))
			return UNKNOWN64;
		if (reply)
			object_size_add(&bytes, reply_bytes(m, reply, depth + 1, left));
	}
	return bytes;
}

/* left: how many more replies may be read. */
static uint64_t reply_bytes(const struct memory *m, uint64_t address, unsigned int depth,
			    unsigned int *left)
{
	uint64_t bytes = object_block(m, address), text, elements, element;
	const struct reply_layout *at = NULL;
	unsigned char reply[64];
	int32_t type;

	for (size_t i = 0; i < COUNT(reply_layouts); i++)
		if (bytes == reply_layouts[i].block)
			at = &reply_layouts[i];
	if (!at || depth > REPLY_DEPTH || !(*left)-- ||
	    memory_read(m, address, reply, at->element + 8))
		return UNKNOWN64;
	memcpy(&type, reply, sizeof(type));
	memcpy(&text, reply + at->text, 8);
	memcpy(&elements, reply + at->elements, 8);
	memcpy(&element, reply + at->element, 8);
	if (type < 1 || type > REPLY_TYPES)
		return UNKNOWN64;
	if (text)
		object_size_add(&bytes, object_block(m, text));
	if (element)
		object_size_add(&bytes, elements_bytes(m, element, elements, depth, left));
	return bytes;
}

static struct object_size size_of_reply(const struct sized_object *o)
{
	unsigned int left = REPLIES_MOST;

	return (struct object_size){reply_bytes(o->memory, o->address, 0, &left), UNKNOWN64};
}

/* ---------------------------------------------------------------------------------------------- */

static const struct {
	const char *object;
	struct object_size (*size)(const struct sized_object *o);
} kinds[] = {
	{"PGresult", size_of_pgresult},
	{"PGconn", size_of_pgconn},
	{"PGnotify", size_of_block},
	{"PGcancel", size_of_block},
	{"row of COPY", size_of_block},
	{"string of libpq", size_of_block},
	{"PQconninfoOption list", size_of_pgoptions},
	{"MYSQL_RES", size_of_mysql_result},
	{"MYSQL_STMT", size_of_mysql_statement},
	{"MYSQL", size_of_mysql},
	{"sqlite3", size_of_sqlite},
	{"redisReply", size_of_reply},
};

/* Memory of which no more than so much is read. */
struct metered {
	const struct memory *of;
	unsigned int left; /* reads */
};

static ssize_t metered_read(const struct memory *m, uint64_t address, void *to, size_t size)
{
	struct metered *meter = (void *)(uintptr_t)m->context;

	if (!meter->left)
		return -ETIME;
	meter->left--;
	return meter->of->read(meter->of, address, to, size);
}

uint32_t object_kind(const char *object)
{
	for (uint32_t i = 0; i < COUNT(kinds) && object; i++)
		if (!strcmp(kinds[i].object, object))
			return i;
	return OBJECT_UNSIZED;
}

static struct object_size within_bounds(struct object_size size)
{
	if (size.bytes == UNKNOWN64 || size.bytes > OBJECT_BYTES_MOST)
		return unknown;
	if (size.rows != UNKNOWN64 && size.rows > size.bytes / OBJECT_ROW_LEAST)
		size.rows = UNKNOWN64;
	return size;
}

struct object_size object_size(const struct memory *m, const struct object_wanted *wanted)
{
	struct metered meter = {m, READS_MOST};
	const struct memory metered = {metered_read, &meter, m->pid};
	const struct sized_object o = {&metered, &wanted->fields, wanted->address, wanted->parent};
	struct object_size size;

	if (wanted->kind >= COUNT(kinds))
		return unknown;
	size = kinds[wanted->kind].size(&o);
	return meter.left ? within_bounds(size) : unknown;
}
