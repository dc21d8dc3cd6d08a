/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * The memory behind objects of client libraries, as they lie in this process: right where all fits
 * together, and not known where anything does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "user/capture/host/memory.h"
#include "user/capture/clientlib/object_size.h"
#include "user/capture/clientlib/object_size_state.h"
#include "bpf/event.h"

/* Memory that lies before us: what a block's neighbours look like is up to the test. */
struct bytes {
	uint64_t at, size;
	const uint8_t *bytes;
};

static ssize_t read_bytes(const struct memory *m, uint64_t address, void *to, size_t size)
{
	const struct bytes *b = m->context;

	if (address < b->at || address >= b->at + b->size)
		return -EFAULT;
	if (size > b->at + b->size - address)
		size = b->at + b->size - address;
	memcpy(to, b->bytes + (address - b->at), size);
	return (ssize_t)size;
}

#define ROOM 0x8000
#define AT   0x10000ULL

static uint8_t room[ROOM];
static const struct bytes all = {AT, ROOM, room};
static const struct memory memory = {.read = read_bytes, .context = &all};

static uint64_t *word(uint64_t address)
{
	return (uint64_t *)(room + (address - AT));
}

/* A block of glibc with a neighbour that knows it is in use. */
static uint64_t block(uint64_t address, uint64_t size)
{
	*word(address - 8) = size | CHUNK_BEFORE_USED;
	*word(address - 8 + size) = 32 | CHUNK_BEFORE_USED;
	return address;
}

static int clean(void **state)
{
	(void)state;
	memset(room, 0, sizeof(room));
	return 0;
}

static struct object_size sized(const struct memory *m, const struct object_fields *fields,
				const char *object, uint64_t address, uint64_t parent)
{
	const struct object_wanted wanted = {.fields = *fields,
					     .address = address,
					     .parent = parent,
					     .kind = object_kind(object)};

	return object_size(m, &wanted);
}

static uint64_t size_of(const char *object, uint64_t address, uint64_t parent)
{
	static const struct object_fields none;

	return sized(&memory, &none, object, address, parent).bytes;
}

static void a_block_has_the_size_before_it(void **state)
{
	(void)state;
	block(AT + 16, 0x60);
	assert_int_equal(object_block(&memory, AT + 16), 0x60);
	assert_int_equal(size_of("PGnotify", AT + 16, 0), 0x60);
	assert_int_equal(size_of("thing nobody knows", AT + 16, 0), UNKNOWN64);
	assert_int_equal(object_kind("thing nobody knows"), OBJECT_UNSIZED);
	assert_int_equal(object_kind(NULL), OBJECT_UNSIZED);
}

static void what_is_no_block_in_use_is_not_known(void **state)
{
	(void)state;
	assert_int_equal(object_block(&memory, 0), UNKNOWN64);
	assert_int_equal(object_block(&memory, AT - 4096), UNKNOWN64);
	assert_int_equal(object_block(&memory, AT + 16), UNKNOWN64); /* size 0 */
	block(AT + 16, 0x60);
	assert_int_equal(object_block(&memory, AT + 24), UNKNOWN64);
	*word(AT + 8 + 0x60) = 32; /* its neighbour says that it is free */
	assert_int_equal(object_block(&memory, AT + 16), UNKNOWN64);
	block(AT + 16, 0x68);
	assert_int_equal(object_block(&memory, AT + 16), UNKNOWN64);
	*word(AT + 8) = ROOM * 4ULL | 1;
	assert_int_equal(object_block(&memory, AT + 16), UNKNOWN64);
}

static void a_mapped_block_is_whole_pages(void **state)
{
	(void)state;
	*word(AT + 8) = 0x21000 | CHUNK_MAPPED;
	assert_int_equal(object_block(&memory, AT + 16), 0x21000);
	*word(AT + 8) = 0x21010 | CHUNK_MAPPED;
	assert_int_equal(object_block(&memory, AT + 16), UNKNOWN64);
}

static void a_result_of_libpq_says_it_itself(void **state)
{
	const struct object_fields fields = {{.offset = 80, .size = 8}, {.offset = 0, .size = 4}};
	struct object_size size;

	(void)state;
	*word(AT + 80) = 123456;
	*word(AT) = 0xffffffff00000000ULL | 1000;
	size = sized(&memory, &fields, "PGresult", AT, 0);
	assert_int_equal(size.bytes, 123456);
	assert_int_equal(size.rows, 1000);
	*word(AT) = 123456 / 8 + 1; /* more rows than have room */
	size = sized(&memory, &fields, "PGresult", AT, 0);
	assert_int_equal(size.bytes, 123456);
	assert_true(size.rows == UNKNOWN64);
	*word(AT + 80) = OBJECT_BYTES_MOST + 1;
	assert_int_equal(sized(&memory, &fields, "PGresult", AT, 0).bytes, UNKNOWN64);
	*word(AT + 80) = 20;
	assert_int_equal(sized(&memory, &fields, "PGresult", AT, 0).bytes, UNKNOWN64);
	assert_int_equal(size_of("PGresult", AT, 0), UNKNOWN64);
}

static void the_buffers_of_a_connection_are_found_once_or_not_at_all(void **state)
{
	struct pg_buffers b = {.in = AT + 0x2000,
			       .in_size = 16384,
			       .in_end = 10,
			       .out = AT + 0x6000,
			       .out_size = 16384,
			       .row = AT + 0x7000,
			       .row_length = 32};

	(void)state;
	block(AT + 16, 0x500);
	memcpy(word(AT + 16 + 600), &b, sizeof(b));
	assert_int_equal(size_of("PGconn", AT + 16, 0), 0x500 + 2 * 16384 + 32 * 16);
	memcpy(word(AT + 16 + 800), &b, sizeof(b));
	assert_int_equal(size_of("PGconn", AT + 16, 0), UNKNOWN64);
	memset(word(AT + 16 + 800), 0, sizeof(b));
	b.in_end = 16385;
	memcpy(word(AT + 16 + 600), &b, sizeof(b));
	assert_int_equal(size_of("PGconn", AT + 16, 0), UNKNOWN64);
}

static void options_are_the_list_and_its_values(void **state)
{
	struct pg_option *list = (void *)word(AT + 16);

	(void)state;
	block(AT + 16, 0x100);
	list[0] = (struct pg_option){.keyword = 1, .value = block(AT + 0x1010, 0x30)};
	list[1] = (struct pg_option){.keyword = 1};
	assert_int_equal(size_of("PQconninfoOption list", AT + 16, 0), 0x130);
	list[1].value = AT + 0x2008;
	assert_int_equal(size_of("PQconninfoOption list", AT + 16, 0), UNKNOWN64);
}

static void ma_block(uint64_t at, uint64_t next, uint64_t left, uint64_t size)
{
	struct ma_block b = {next, left, size};

	memcpy(word(at), &b, sizeof(b));
}

static struct ma_result *ma_result(void)
{
	struct ma_result *r = (void *)word(AT + 0x100);
	struct ma_data *d = (void *)word(AT + 0x400);

	*r = (struct ma_result){.row_count = 7,
				.field_count = 2,
				.fields = AT + 0x1000,
				.data = AT + 0x400,
				.field_alloc = {.free = AT + 0x1000}};
	*d = (struct ma_data){.row_count = 7,
			      .field_count = 2,
			      .alloc = {.free = AT + 0x2000, .used = AT + 0x2100}};
	ma_block(AT + 0x1000, 0, 100, 2000);
	ma_block(AT + 0x2000, 0, 8000, 8192);
	ma_block(AT + 0x2100, AT + 0x2200, 0, 8192);
	ma_block(AT + 0x2200, 0, 0, 100000);
	return r;
}

static void a_result_of_libmariadb_is_its_blocks(void **state)
{
	const uint64_t bytes = sizeof(struct ma_result) + sizeof(struct ma_data) + 16 + 2000 +
			       2 * 8192 + 100000;
	struct ma_result *r = ma_result();

	(void)state;
	assert_int_equal(size_of("MYSQL_RES", AT + 0x100, 0), bytes);
	r->row_count = 8;
	assert_int_equal(size_of("MYSQL_RES", AT + 0x100, 0), UNKNOWN64);
	r = ma_result();
	ma_block(AT + 0x2200, AT + 0x2100, 0, 100000); /* round and round */
	assert_int_equal(size_of("MYSQL_RES", AT + 0x100, 0), UNKNOWN64);
	r = ma_result();
	ma_block(AT + 0x2200, 0, 100000, 100000);
	assert_int_equal(size_of("MYSQL_RES", AT + 0x100, 0), UNKNOWN64);
	r = ma_result();
	r->data = 0;
	assert_int_equal(size_of("MYSQL_RES", AT + 0x100, 0), sizeof(*r) + 2000);
}

static void my_root(uint64_t at, uint64_t blocks, uint64_t allocated)
{
	struct my_root root = {.current = blocks, .allocated = allocated};
	struct my_block first = {blocks + 0x100, blocks + 8192},
			second = {0, blocks + 0x100 + 4096};

	memcpy(word(at), &root, sizeof(root));
	memcpy(word(blocks), &first, sizeof(first));
	memcpy(word(blocks + 0x100), &second, sizeof(second));
}

static void a_result_of_libmysqlclient_is_its_blocks(void **state)
{
	struct my_result r = {.row_count = 3,
			      .fields = AT + 0x1000,
			      .data = AT + 0x400,
			      .field_alloc = AT + 0x500,
			      .field_count = 1};
	struct my_data d = {.alloc = AT + 0x600, .row_count = 3, .field_count = 1};

	(void)state;
	memcpy(word(AT + 0x100), &r, sizeof(r));
	memcpy(word(AT + 0x400), &d, sizeof(d));
	my_root(AT + 0x500, AT + 0x2000, 8192 + 4096 - 32);
	my_root(AT + 0x600, AT + 0x4000, 8192 + 4096);
	assert_int_equal(size_of("MYSQL_RES", AT + 0x100, 0),
			 sizeof(r) + sizeof(d) + sizeof(struct my_root) + 8 + 2 * (8192 + 4096));
	my_root(AT + 0x600, AT + 0x4000, 8192); /* a block more than the root says */
	assert_int_equal(size_of("MYSQL_RES", AT + 0x100, 0), UNKNOWN64);
}

static void a_statement_names_its_connection(void **state)
{
	struct ma_statement st = {.alloc = {.free = AT + 0x2000}, .connection = AT + 0x3000};

	(void)state;
	block(AT + 0x110, 0x400);
	ma_block(AT + 0x2000, 0, 0, 2048);
	memcpy(word(AT + 0x110), &st, sizeof(st));
	assert_int_equal(size_of("MYSQL_STMT", AT + 0x110, AT + 0x3000), 0x400 + 2048);
	assert_int_equal(size_of("MYSQL_STMT", AT + 0x110, AT + 0x3100), UNKNOWN64);
	assert_int_equal(size_of("MYSQL_STMT", AT + 0x110, 0), UNKNOWN64);
}

static void a_connection_of_mysql_is_its_buffers(void **state)
{
	struct my_net net = {.vio = AT + 0x1010,
			     .buffer = AT + 0x2010,
			     .end = AT + 0x2010 + 8192,
			     .write = AT + 0x2010,
			     .read = AT + 0x2100};
	struct my_vio vio = {.cache = AT + 0x5010, .position = AT + 0x5020};

	(void)state;
	block(AT + 0x110, 0x500);
	block(AT + 0x1010, 0x80);
	block(AT + 0x2010, 8192 + 32);
	block(AT + 0x5010, 4096);
	memcpy(word(AT + 0x110), &net, sizeof(net));
	memcpy(word(AT + 0x1010), &vio, sizeof(vio));
	assert_int_equal(size_of("MYSQL", AT + 0x110, 0), 0x500 + 0x80 + 8192 + 32 + 4096);
	vio.position = AT; /* another library's: what it reads through is not known */
	memcpy(word(AT + 0x1010), &vio, sizeof(vio));
	assert_int_equal(size_of("MYSQL", AT + 0x110, 0), 0x500 + 0x80 + 8192 + 32);
	net.read = AT; /* no connection */
	memcpy(word(AT + 0x110), &net, sizeof(net));
	assert_int_equal(size_of("MYSQL", AT + 0x110, 0), UNKNOWN64);
}

#define LITE  (AT + 0x100)
#define PAGER (AT + 0x1000)
#define PAGES (AT + 0x3000)

/* layout: which of lite_cache_layouts. */
static void lite(int layout)
{
	struct lite_connection c = {.databases = AT + 0x200, .database_count = 2};
	struct lite_database *d = (void *)word(AT + 0x200);
	struct lite_tree tree = {LITE, AT + 0x400};
	struct lite_cache pages = {.page = 4096,
				   .extra = 216,
				   .line = 4368,
				   .most = 100,
				   .nine_tenths = 90,
				   .pages = 50,
				   .buckets = 256};
	uint64_t cache = PAGER + 0x160;

	clean(NULL);
	memcpy(word(LITE), &c, sizeof(c));
	d[0] = (struct lite_database){.tree = AT + 0x300};
	memcpy(word(AT + 0x300), &tree, sizeof(tree));
	*word(AT + 0x400) = PAGER;
	*word(PAGER + 0x120) = cache;
	memcpy(word(PAGES), &pages, sizeof(pages));
	memcpy((uint8_t *)word(cache) + lite_cache_layouts[layout].page, &pages.page, 4);
	memcpy((uint8_t *)word(cache) + lite_cache_layouts[layout].extra, &(uint32_t){136}, 4);
	*word(cache + lite_cache_layouts[layout].pager) = PAGER;
	*word(cache + lite_cache_layouts[layout].cache) = PAGES;
}

static void a_sqlite_connection_is_its_pages(void **state)
{
	(void)state;
	for (int layout = 0; layout < CACHE_LAYOUTS; layout++) {
		lite(layout);
		assert_int_equal(size_of("sqlite3", LITE, 0), 50 * 4368 + 256 * 8 + 4096);
	}
}

static void a_page_cache_that_does_not_fit_is_none(void **state)
{
	struct lite_cache *pages = (void *)word(PAGES);

	(void)state;
	lite(0);
	pages->page = 1024;
	assert_int_equal(size_of("sqlite3", LITE, 0), UNKNOWN64);
	lite(0);
	pages->nine_tenths = 91;
	assert_int_equal(size_of("sqlite3", LITE, 0), UNKNOWN64);
	lite(0);
	*word(PAGER + 0x160 + lite_cache_layouts[0].pager) = PAGER + 8;
	assert_int_equal(size_of("sqlite3", LITE, 0), UNKNOWN64);
	lite(0);
	*word(AT + 0x300) = LITE + 8; /* of another connection */
	assert_int_equal(size_of("sqlite3", LITE, 0), UNKNOWN64);
}

static void a_reply_is_all_its_parts(void **state)
{
	const uint64_t outer = block(AT + 0x110, 64), list = block(AT + 0x210, 32),
		       inner = block(AT + 0x310, 64), text = block(AT + 0x410, 48);

	(void)state;
	*word(outer) = 2; /* an array */
	*word(outer + 32) = 2;
	*word(outer + 40) = list;
	*word(list) = inner;
	*word(inner) = 1;
	*word(inner + 24) = text;
	assert_int_equal(size_of("redisReply", outer, 0), 64 + 32 + 64 + 48);
	*word(list + 8) = outer; /* which would never end */
	assert_int_equal(size_of("redisReply", outer, 0), UNKNOWN64);
	*word(list + 8) = 0;
	*word(inner) = 77;
	assert_int_equal(size_of("redisReply", outer, 0), UNKNOWN64);
}

/* Whatever lies there, every reader ends and stays within its bounds (ASan looks on). */
#define REPLY	 0x20000010ULL
#define ELEMENTS 0x10000010ULL

/* A reply whose list of elements is a sparse mapping: it takes no memory, and has no end. */
static ssize_t read_endless(const struct memory *m, uint64_t address, void *to, size_t size)
{
	const struct chunk list = {0, 1ULL << 39 | CHUNK_MAPPED}, reply = {0, 80},
			   next = {0, 32 | CHUNK_BEFORE_USED};
	const uint64_t fields[] = {2, 0, 0, 0, 0, 0, 1ULL << 35, ELEMENTS};

	++*(size_t *)(uintptr_t)m->context;
	memset(to, 0, size);
	if (address == ELEMENTS - sizeof(list))
		memcpy(to, &list, size);
	else if (address == REPLY - sizeof(reply))
		memcpy(to, &reply, size);
	else if (address == REPLY - sizeof(reply) + 80)
		memcpy(to, &next, size);
	else if (address == REPLY)
		memcpy(to, fields, size);
	return (ssize_t)size;
}

static void an_object_without_end_is_given_up(void **state)
{
	size_t reads = 0;
	const struct memory endless = {.read = read_endless, .context = &reads};
	const struct object_fields none = {};
	struct object_size size = sized(&endless, &none, "redisReply", REPLY, 0);

	(void)state;
	assert_true(size.bytes == UNKNOWN64);
	assert_in_range(reads, 1000, 20000);
}

static void any_bytes_are_survived(void **state)
{
	static const struct object_fields fields = {{.offset = 8, .size = 8}, {.size = 4}};
	static const char *const kinds[] = {
		"PGresult",
		"PGconn",
		"PGnotify",
		"PGcancel",
		"row of COPY",
		"string of libpq",
		"PQconninfoOption list",
		"MYSQL_RES",
		"MYSQL_STMT",
		"MYSQL",
		"sqlite3",
		"redisReply",
	};

	(void)state;
	srandom(7);
	for (int round = 0; round < 300; round++) {
		for (size_t i = 0; i < ROOM / 8; i++) {
			long r = random();

			((uint64_t *)room)[i] = r % 3 == 0   ? AT + (uint64_t)(r / 3) % ROOM / 8 * 8
						: r % 3 == 1 ? (uint64_t)(r / 3) % 4096 | 1
							     : 0;
		}
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			sized(&memory, &fields, kinds[i], AT + 16 * (round + 1), AT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_block_has_the_size_before_it, clean),
		cmocka_unit_test_setup(what_is_no_block_in_use_is_not_known, clean),
		cmocka_unit_test_setup(a_mapped_block_is_whole_pages, clean),
		cmocka_unit_test_setup(a_result_of_libpq_says_it_itself, clean),
		cmocka_unit_test_setup(the_buffers_of_a_connection_are_found_once_or_not_at_all,
				       clean),
		cmocka_unit_test_setup(options_are_the_list_and_its_values, clean),
		cmocka_unit_test_setup(a_result_of_libmariadb_is_its_blocks, clean),
		cmocka_unit_test_setup(a_result_of_libmysqlclient_is_its_blocks, clean),
		cmocka_unit_test_setup(a_connection_of_mysql_is_its_buffers, clean),
		cmocka_unit_test_setup(a_statement_names_its_connection, clean),
		cmocka_unit_test_setup(a_sqlite_connection_is_its_pages, clean),
		cmocka_unit_test_setup(a_page_cache_that_does_not_fit_is_none, clean),
		cmocka_unit_test_setup(a_reply_is_all_its_parts, clean),
		cmocka_unit_test(an_object_without_end_is_given_up),
		cmocka_unit_test_setup(any_bytes_are_survived, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
