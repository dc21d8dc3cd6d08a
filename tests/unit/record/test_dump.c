/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_dump.c - every field of every kind is in the dump, and no record makes it write what is no
 * JSON.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/record/dump.h"
#include "user/record/recording.h"

#define LARGEST 4096

/* The size of a kind's whole struct: rounded up, as its last field may end before. */
static const size_t sizes[EV_KIND_MAX] = {
	[EV_BEGIN] = sizeof(struct ev_begin),
	[EV_END] = sizeof(struct ev_end),
	[EV_TICK] = sizeof(struct ev_tick),
	[EV_PROCESS] = sizeof(struct ev_process),
	[EV_USAGE] = sizeof(struct ev_usage),
	[EV_EXIT] = sizeof(struct ev_exit),
	[EV_CONNECTION] = sizeof(struct ev_connection),
	[EV_IDENTITY] = sizeof(struct ev_identity),
	[EV_SQL] = sizeof(struct ev_sql),
	[EV_STATEMENT] = sizeof(struct ev_statement),
	[EV_STATEMENT_CLOSED] = sizeof(struct ev_statement_closed),
	[EV_RESULT] = sizeof(struct ev_result),
	[EV_TALLY] = sizeof(struct ev_tally),
	[EV_LOSS] = sizeof(struct ev_loss),
	[EV_COST] = sizeof(struct ev_cost),
	[EV_GAP] = sizeof(struct ev_gap),
	[EV_HOLDER] = sizeof(struct ev_holder),
	[EV_GONE] = sizeof(struct ev_gone),
	[EV_LIBRARY] = sizeof(struct ev_library),
	[EV_SITE] = sizeof(struct ev_site),
	[EV_HANDLE] = sizeof(struct ev_handle),
	[EV_HANDLE_CLOSED] = sizeof(struct ev_handle_closed),
	[EV_FILE] = sizeof(struct ev_file),
	[EV_FRAME] = sizeof(struct ev_frame),
	[EV_STACK] = sizeof(struct ev_stack),
	[EV_EVIDENCE] = sizeof(struct ev_evidence),
	[EV_MEMORY] = sizeof(struct ev_memory),
	[EV_MEMORY_SITE] = sizeof(struct ev_memory_site),
	[EV_WITHDRAWN] = sizeof(struct ev_withdrawn),
	[EV_UNFOLLOWED] = sizeof(struct ev_unfollowed),
	[EV_HOST] = sizeof(struct ev_host),
	[EV_PROGRAM] = sizeof(struct ev_program),
	[EV_THREAD] = sizeof(struct ev_thread),
	[EV_REQUESTS] = sizeof(struct ev_requests),
	[EV_SESSION] = sizeof(struct ev_session),
	[EV_COLLECTIONS] = sizeof(struct ev_collections),
	[EV_SERVING] = sizeof(struct ev_serving),
	[EV_CONTAINER] = sizeof(struct ev_container),
};

static void *record_of(void *record, uint16_t kind, size_t size)
{
	struct ev_head *h = record;

	h->ns = 1000000005ULL;
	h->kind = kind;
	h->size = (size + 7) & ~7ULL;
	return record;
}

/* The line that a record is dumped as, without its end; the caller frees it. */
static char *line_of(const struct ev_head *record)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(record_check(record), 0);
	assert_int_equal(dump_record(out, record), 0);
	fclose(out);
	assert_true(size > 1 && text[size - 1] == '\n');
	text[size - 1] = '\0';
	for (size_t i = 0; i + 1 < size; i++)
		assert_in_range(text[i], ' ', 0x7f);
	return text;
}

static void is_dumped_as(const void *record, const char *expected)
{
	char *line = line_of(record);

	assert_string_equal(line, expected);
	free(line);
}

static void says(const void *record, const char *part)
{
	char *line = line_of(record);

	if (!strstr(line, part))
		fail_msg("no %s in %s", part, line);
	free(line);
}

static void every_byte_of_every_kind_has_its_row(void **state)
{
	(void)state;
	for (uint16_t kind = 1; kind < EV_KIND_MAX; kind++) {
		unsigned char covered[LARGEST] = {};
		size_t count;
		const struct dump_field *f = dump_fields(kind, &count);

		assert_non_null(dump_kind_name(kind));
		assert_in_range(sizes[kind], sizeof(struct ev_head), LARGEST);
		memset(covered, 1, sizeof(struct ev_head));
		for (size_t i = 0; i < count; i++) {
			assert_true(f[i].offset >= sizeof(struct ev_head));
			assert_true((size_t)f[i].offset + f[i].size <= sizes[kind]);
			memset(covered + f[i].offset, 1, f[i].size);
		}
		for (size_t at = 0; at < sizes[kind]; at++)
			if (!covered[at])
				fail_msg("no row for byte %zu of %s", at, dump_kind_name(kind));
	}
	assert_null(dump_kind_name(0));
	assert_null(dump_kind_name(EV_KIND_MAX));
}

static void no_key_comes_twice(void **state)
{
	(void)state;
	for (uint16_t kind = 1; kind < EV_KIND_MAX; kind++) {
		size_t count;
		const struct dump_field *f = dump_fields(kind, &count);

		for (size_t i = 0; i < count; i++) {
			assert_string_not_equal(f[i].key, "kind");
			assert_string_not_equal(f[i].key, "ns");
			for (size_t k = 0; k < i && f[i].value; k++)
				assert_true(!f[k].value || strcmp(f[i].key, f[k].key));
		}
	}
}

static void a_kind_is_found_by_its_name(void **state)
{
	(void)state;
	for (uint16_t kind = 1; kind < EV_KIND_MAX; kind++)
		assert_int_equal(dump_kind_of(dump_kind_name(kind), strlen(dump_kind_name(kind))),
				 kind);
	assert_int_equal(dump_kind_of("statement_closed", 9), EV_STATEMENT);
	assert_int_equal(dump_kind_of("nonsense", 8), 0);
	assert_int_equal(dump_kind_of("", 0), 0);
}

static void a_record_is_one_line(void **state)
{
	struct ev_tick tick = {};
	struct ev_statement_closed closed = {.id = 0xfffffffffffffffeULL};
	struct ev_holder holder = {.id = 9, .start_ns = 5, .pid = 7, .holders = 2};

	(void)state;
	is_dumped_as(record_of(&tick, EV_TICK, sizeof(tick)),
		     "{\"kind\":\"tick\",\"ns\":1000000005}");
	is_dumped_as(record_of(&closed, EV_STATEMENT_CLOSED, sizeof(closed)),
		     "{\"kind\":\"statement_closed\",\"ns\":1000000005,"
		     "\"id\":\"0xfffffffffffffffe\",\"statement\":null}");
	is_dumped_as(record_of(&holder, EV_HOLDER, sizeof(holder)),
		     "{\"kind\":\"holder\",\"ns\":1000000005,\"id\":\"0x9\",\"start_ns\":5,"
		     "\"pid\":7,\"holders\":2}");
}

static void what_is_not_known_is_null(void **state)
{
	struct ev_usage usage = {.rss_bytes = UNKNOWN64, .open_files = UNKNOWN32, .pid = 7};

	(void)state;
	is_dumped_as(record_of(&usage, EV_USAGE, sizeof(usage)),
		     "{\"kind\":\"usage\",\"ns\":1000000005,\"start_ns\":null,\"rss_bytes\":null,"
		     "\"rss_peak_bytes\":0,\"pid\":7,\"open_files\":null}");
}

static void numbers_have_their_names(void **state)
{
	struct ev_connection c = {.flags = EV_CONN_TLS | EV_CONN_CURSOR | 0x80000000U,
				  .database = EV_DB_REDIS,
				  .signs = EV_SIGN_PORT | EV_SIGN_LIBRARY,
				  .status = 77};
	struct ev_begin begin = {.magic = EV_MAGIC, .mode = EV_MODE_SNAPSHOT};
	struct ev_evidence e = {.kind = EV_AT_RESULT, .resource = EV_RES_MEMORY};
	struct ev_memory m = {.limit = EV_LIMIT_HOST, .tier = EV_TIER_FULL};
	struct ev_frame f = {.language = EV_LANG_GO};

	(void)state;
	record_of(&c, EV_CONNECTION, sizeof(c));
	says(&c, "\"flags\":[\"tls\",\"cursor\",\"0x80000000\"]");
	says(&c, "\"database\":\"redis\",\"signs\":[\"port\",\"library\"],\"status\":77");
	says(record_of(&begin, EV_BEGIN, sizeof(begin)), "\"mode\":\"snapshot\"");
	says(record_of(&e, EV_EVIDENCE, sizeof(e)),
	     "\"evidence\":\"result\",\"resource\":\"memory\"");
	says(record_of(&m, EV_MEMORY, sizeof(m)), "\"limit\":\"host\",\"tier\":\"full\"");
	says(record_of(&f, EV_FRAME, offsetof(struct ev_frame, text)), "\"language\":\"go\"");
}

static void texts_of_others_are_escaped(void **state)
{
	struct ev_process p = {.pid = 7, .comm = "a\033[2J\"", .cmdline = "\xff\\\n"};
	struct ev_identity i = {.family = 1, .path = "@x"};

	(void)state;
	record_of(&p, EV_PROCESS, sizeof(p));
	says(&p, "\"comm\":\"a\\u001B[2J\\\"\",\"cmdline\":\"\\uFFFD\\\\\\n\",\"runtime\":null");
	record_of(&i, EV_IDENTITY, sizeof(i));
	says(&i, "\"address\":null");
	says(&i, "\"path\":\"@x\",");
	memset(i.path, 'p', sizeof(i.path)); /* sun_path may have no NUL */
	free(line_of(&i.head));
}

static void a_text_ends_at_its_length(void **state)
{
	struct ev_sql sql = {.id = 9, .length = 8, .cut = 1, .text = "SELECT ?and more"};
	struct ev_frame f = {.id = 1,
			     .function_length = 4,
			     .module_length = 6,
			     .build_length = 2,
			     .text = "main/bin/aff"};

	(void)state;
	record_of(&sql, EV_SQL, sizeof(sql));
	says(&sql, "\"cut\":true,\"text\":\"SELECT ?\"}");
	record_of(&f, EV_FRAME, sizeof(f));
	says(&f, "\"function\":\"main\",\"file\":null,\"module\":\"/bin/a\",\"build_id\":\"ff\"}");
}

static void an_address_is_readable(void **state)
{
	struct ev_identity i = {.family = 2, .port = 5432};

	(void)state;
	record_of(&i, EV_IDENTITY, sizeof(i));
	i.address[10] = i.address[11] = 0xff;
	i.address[12] = 10;
	i.address[15] = 5;
	says(&i, "\"address\":\"10.0.0.5\",\"port\":5432,\"local_port\":0,\"family\":\"inet\"");
	i.family = 10;
	memset(i.address, 0, sizeof(i.address));
	i.address[15] = 1;
	says(&i, "\"address\":\"::1\"");
}

static void a_stack_has_its_frames_only(void **state)
{
	struct ev_stack s = {
		.id = 3, .count = 2, .flags = EV_STACK_CUT, .frame = {0x10, 0x20, 0x30}};

	(void)state;
	record_of(&s, EV_STACK, sizeof(s));
	says(&s, "\"flags\":[\"cut\"],\"frame\":[\"0x10\",\"0x20\"]}");
}

/* Whatever passes the reader's check can be written. */
static void any_bytes_make_a_line(void **state)
{
	_Alignas(8) unsigned char bytes[LARGEST];
	uint32_t seed = 1;
	size_t written = 0;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct ev_head *h = (void *)bytes;
		uint16_t kind = 1 + round % (EV_KIND_MAX - 1);

		for (size_t i = 0; i < sizeof(bytes); i++) {
			seed = seed * 1103515245 + 12345;
			bytes[i] = seed >> 24 < 200 || i < 24 ? seed >> 16 : 0;
		}
		record_of(h, kind, sizes[kind]);
		if (kind == EV_STACK)
			((struct ev_stack *)h)->count = seed % (EV_STACK_FRAMES + 1);
		if (record_check(h))
			continue;
		free(line_of(h));
		written++;
	}
	assert_true(written > 1000);
}

static void a_full_disk_is_an_error(void **state)
{
	struct ev_tick tick = {};
	FILE *out = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(out);
	setvbuf(out, NULL, _IONBF, 0);
	record_of(&tick, EV_TICK, sizeof(tick));
	assert_int_equal(dump_record(out, &tick.head), -ENOSPC);
	fclose(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_of_every_kind_has_its_row),
		cmocka_unit_test(no_key_comes_twice),
		cmocka_unit_test(a_kind_is_found_by_its_name),
		cmocka_unit_test(a_record_is_one_line),
		cmocka_unit_test(what_is_not_known_is_null),
		cmocka_unit_test(numbers_have_their_names),
		cmocka_unit_test(texts_of_others_are_escaped),
		cmocka_unit_test(a_text_ends_at_its_length),
		cmocka_unit_test(an_address_is_readable),
		cmocka_unit_test(a_stack_has_its_frames_only),
		cmocka_unit_test(any_bytes_make_a_line),
		cmocka_unit_test(a_full_disk_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
