/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Lines as Node, Java and Python write them, files that grow, and files that no honest program has.
 */
#include "user/capture/stack/native/jit_map.h"
#include "user/capture/stack/native/jit_map_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/support/seed.h"

struct named {
	char buf[JIT_NAME_MAX];
	struct frame frame;
};

static struct jit_map *map_of(const char *text)
{
	struct jit_map *m = jit_map_open();

	seed_keep("map", text, strlen(text));
	assert_int_equal(jit_map_add(m, text, strlen(text)), strlen(text));
	return m;
}

static void name(struct jit_map *m, uint64_t address, struct named *out)
{
	struct jit_symbol *symbol = jit_map_find(m, address);

	assert_non_null(symbol);
	jit_map_name(m, symbol, out->buf, &out->frame);
}

static void node_names_have_file_line_and_column(void **state)
{
	struct jit_map *m = map_of("7f00 20 LazyCompile:*list /app/orders list.js:12:34\n"
				   "8000 10 JS:~ file:///app/main.mjs:1:5\n"
				   "8010 10 Function:^get all /app/a.js:3:4\n"
				   "8020 10 LazyCompile:*processTicks node:internal/tasks:60:25\n"
				   "8030 10 Builtin:ArrayMap\n"
				   "8040 10 LazyCompile:~nowhere\n");
	struct named n;

	(void)state;
	name(m, 0x7f1f, &n);
	assert_string_equal(n.frame.function, "list");
	assert_string_equal(n.frame.file, "/app/orders list.js");
	assert_int_equal(n.frame.line, 12);
	assert_int_equal(n.frame.column, 34);
	assert_int_equal(n.frame.flags, EV_FRAME_DEFINED);
	assert_int_equal(n.frame.language, EV_LANG_JAVASCRIPT);
	name(m, 0x8000, &n);
	assert_string_equal(n.frame.function, "(anonymous)");
	assert_string_equal(n.frame.file, "/app/main.mjs");
	name(m, 0x8010, &n);
	assert_string_equal(n.frame.function, "get all");
	assert_string_equal(n.frame.file, "/app/a.js");
	name(m, 0x8020, &n);
	assert_string_equal(n.frame.file, "node:internal/tasks");
	name(m, 0x8030, &n);
	assert_string_equal(n.frame.function, "Builtin:ArrayMap");
	assert_int_equal(n.frame.language, EV_LANG_JAVASCRIPT);
	name(m, 0x8040, &n);
	assert_string_equal(n.frame.function, "nowhere");
	assert_null(n.frame.file);
	assert_int_equal(n.frame.line, 0);
	jit_map_close(m);
}

static void java_and_python_names_are_taken_apart(void **state)
{
	struct jit_map *m = map_of("1000 10 Lcom/shop/Orders;::list\n"
				   "2000 10 py::handler:/app/server.py\n"
				   "3000 10 void [shop] Orders::List()\n"
				   "4000 10 java.util.List com.shop.Orders.list(int, long)\n"
				   "5000 10 int shop::Orders.list(int)\n"
				   "6000 10 I2C/C2I adapters(LL)\n");
	struct named n;

	(void)state;
	name(m, 0x1000, &n);
	assert_string_equal(n.frame.function, "com.shop.Orders.list");
	assert_int_equal(n.frame.language, EV_LANG_JAVA);
	name(m, 0x2000, &n);
	assert_string_equal(n.frame.function, "handler");
	assert_string_equal(n.frame.file, "/app/server.py");
	assert_int_equal(n.frame.language, EV_LANG_PYTHON);
	name(m, 0x3000, &n);
	assert_string_equal(n.frame.function, "void [shop] Orders::List()");
	assert_int_equal(n.frame.language, EV_LANG_UNKNOWN);
	name(m, 0x4000, &n);
	assert_string_equal(n.frame.function, "com.shop.Orders.list");
	assert_int_equal(n.frame.language, EV_LANG_JAVA);
	name(m, 0x5000, &n);
	assert_string_equal(n.frame.function, "int shop::Orders.list(int)");
	assert_int_equal(n.frame.language, EV_LANG_UNKNOWN);
	name(m, 0x6000, &n);
	assert_string_equal(n.frame.function, "I2C/C2I adapters(LL)");
	jit_map_close(m);
}

static void the_newest_code_at_an_address_counts(void **state)
{
	struct jit_map *m = map_of("1000 100 old\n2000 10 other\n1000 20 new\n1010 8 inner\n");
	struct named n;

	(void)state;
	name(m, 0x1005, &n);
	assert_string_equal(n.frame.function, "new");
	name(m, 0x1012, &n);
	assert_string_equal(n.frame.function, "inner");
	name(m, 0x1080, &n);
	assert_string_equal(n.frame.function, "old");
	assert_null(jit_map_find(m, 0x1100));
	assert_null(jit_map_find(m, 0xfff));
	jit_map_close(m);
}

static void lines_that_make_no_sense_are_passed_over(void **state)
{
	struct jit_map *m = map_of("\n \nxyz 10 a\n1000\n1000 10\n1000 0 empty\n1000 10 \n"
				   "ffffffffffffffff 10 wraps\n10000000000000000 1 long\n"
				   "-1 10 negative\n0x5000 0x10 kept\n");
	struct named n;

	(void)state;
	assert_int_equal(m->count, 1);
	name(m, 0x5000, &n);
	assert_string_equal(n.frame.function, "kept");
	jit_map_close(m);
}

static char folder[] = "/tmp/dbleak-jit-XXXXXX";

static void write_file(const char *mode, const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/perf-1.map", folder);
	f = fopen(path, mode);
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int read_file(struct jit_map *m)
{
	char path[64];
	int fd, found;

	snprintf(path, sizeof(path), "%s/perf-1.map", folder);
	fd = open(path, O_RDONLY);
	found = jit_map_read(m, fd);
	close(fd);
	return found;
}

static void what_a_file_has_more_is_taken_in(void **state)
{
	struct jit_map *m = jit_map_open();

	(void)state;
	write_file("w", "1000 10 first\n2000 10 unfin");
	assert_int_equal(read_file(m), 1);
	assert_non_null(jit_map_find(m, 0x1000));
	assert_null(jit_map_find(m, 0x2000));
	assert_int_equal(read_file(m), 0);
	write_file("a", "ished\n");
	assert_int_equal(read_file(m), 1);
	assert_non_null(jit_map_find(m, 0x2000));
	write_file("w", "3000 10 anew\n");
	assert_int_equal(read_file(m), 1);
	assert_null(jit_map_find(m, 0x1000));
	assert_non_null(jit_map_find(m, 0x3000));
	jit_map_close(m);
}

static void a_line_without_end_does_not_hold_up_the_rest(void **state)
{
	struct jit_map *m = jit_map_open();
	char *endless = malloc(200001);

	(void)state;
	memset(endless, 'a', 200000);
	endless[200000] = '\0';
	write_file("w", "1000 10 first\n");
	write_file("a", endless);
	write_file("a", "\n2000 10 last\n");
	assert_int_equal(read_file(m), 1);
	assert_int_equal(m->count, 2);
	assert_non_null(jit_map_find(m, 0x2000));
	jit_map_close(m);
	free(endless);
}

static void the_end_of_a_line_that_is_too_long_is_no_line(void **state)
{
	struct jit_map *m = jit_map_open();
	size_t long_one = 65536;
	char *line = malloc(long_one + 1);

	(void)state;
	memset(line, 'a', long_one);
	line[long_one] = '\0';
	write_file("w", line);
	assert_int_equal(read_file(m), 0);
	write_file("a", "1000 10 no");
	assert_int_equal(read_file(m), 0);
	write_file("a", "thing\n2000 10 last\n");
	assert_int_equal(read_file(m), 1);
	assert_null(jit_map_find(m, 0x1000));
	assert_non_null(jit_map_find(m, 0x2000));
	jit_map_close(m);
	free(line);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/perf-1.map", folder);
	unlink(path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(node_names_have_file_line_and_column),
		cmocka_unit_test(java_and_python_names_are_taken_apart),
		cmocka_unit_test(the_newest_code_at_an_address_counts),
		cmocka_unit_test(lines_that_make_no_sense_are_passed_over),
		cmocka_unit_test(what_a_file_has_more_is_taken_in),
		cmocka_unit_test(a_line_without_end_does_not_hold_up_the_rest),
		cmocka_unit_test(the_end_of_a_line_that_is_too_long_is_no_line),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
