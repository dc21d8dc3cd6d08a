/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * From a library's file to probes in it: which functions, where in them, what a probe is told, and
 * what is said of those that cannot be probed.  The file, its code and its library are our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "user/capture/clientlib/client.h"
#include "user/capture/clientlib/clientlib_state.h"

#define FIRST PROBE_CANARIES
#define CHEAP 100
#define DEAR  900
#define EXIT  300

/* --- a library ------------------------------------------------------------------------------- */

enum row_number { OPEN, CLOSE, SEND, GET, FREE, NESTED, RESET, ROWS };

static const struct probe_row demo_rows[ROWS] = {
	[OPEN] = {.symbol = "demo_open",
		  .role = PROBE_ACQUIRE,
		  .resource = EV_RES_CONNECTION,
		  .handle = FROM_RETURN},
	[CLOSE] = {.symbol = "demo_close",
		   .role = PROBE_RELEASE,
		   .resource = EV_RES_CONNECTION,
		   .handle = FROM_ARG1},
	[SEND] = {.symbol = "demo_send",
		  .role = PROBE_USE,
		  .resource = EV_RES_CONNECTION,
		  .handle = FROM_ARG1,
		  .text = FROM_ARG2},
	[GET] = {.symbol = "demo_get",
		 .role = PROBE_ACQUIRE,
		 .resource = EV_RES_RESULT,
		 .handle = FROM_OUT | FROM_ARG2,
		 .parent = FROM_ARG1,
		 .rows_after = 9,
		 .success = SUCCESS_ZERO},
	[FREE] = {.symbol = "demo_free",
		  .role = PROBE_RELEASE,
		  .resource = EV_RES_RESULT,
		  .handle = FROM_ARG1},
	[NESTED] = {.symbol = "demo_nested", .role = PROBE_INSIDE, .resource = EV_RES_RESULT},
	[RESET] = {.symbol = "demo_reset",
		   .role = PROBE_REWIND,
		   .resource = EV_RES_STATEMENT,
		   .rows_after = ROWS_COUNTED},
};

static const struct probe_row tls_rows[] = {
	{.symbol = "tls_write", .role = PROBE_TLS_WRITE, .text = FROM_ARG2},
	{.symbol = "tls_read", .role = PROBE_TLS_READ, .text = FROM_ARG2},
};

static const char *const demo_anchors[] = {"demo_open", "demo_close", NULL};
static const char *const tls_anchors[] = {"tls_write", NULL};

const struct probe_library probe_libraries[] = {
	{.name = "demo",
	 .bit = EV_LIBRARY_LIBPQ,
	 .database = EV_DB_POSTGRESQL,
	 .anchors = demo_anchors,
	 .rows = demo_rows,
	 .count = ROWS,
	 .prefix = "demo_"},
	{.name = "tls",
	 .bit = EV_LIBRARY_OPENSSL,
	 .anchors = tls_anchors,
	 .rows = tls_rows,
	 .count = 2},
};
const size_t probe_library_count = 2;

int probe_row_returns(const struct probe_row *row)
{
	return row->role == PROBE_ACQUIRE || row->role == PROBE_INSIDE || row == &demo_rows[SEND];
}

/* --- its file -------------------------------------------------------------------------------- */

static struct function {
	const char *name;
	struct elf_symbol symbol;
	struct file_point point;
	int point_err, exits_err;
	size_t ends;
	bool dear_end;
} functions[16];

static size_t function_count;

static struct world {
	bool program, reads_each, no_row_counter;
	int segment_err, probe_err, reach_err;
	unsigned int deep_questions, gaps, libraries, cleared, forgot, removed;
	uint32_t failing; /* cookie for which the kernel refuses the probe */
	struct probe probes[64];
	/* what reach_add got, by group */
	struct probe_place places[GROUPS][64];
	size_t counts[GROUPS];
	unsigned int sets;
	struct file_function asked; /* where ends were looked for last */
	struct ev_library library;
	char gap[EV_TEXT_LEN];
} world;

static struct clients *clients;

static struct function *add(const char *name, uint64_t offset, uint64_t size)
{
	struct function *f = &functions[function_count++];

	assert_true(function_count <= 16);
	*f = (struct function){.name = name, .symbol = {offset, size}, .ends = 1};
	f->point.at.cheap = true;
	return f;
}

static struct function *at_offset(uint64_t offset)
{
	for (size_t i = 0; i < function_count; i++)
		if (functions[i].symbol.offset == offset)
			return &functions[i];
	return NULL;
}

static struct function *named(const char *name)
{
	for (size_t i = 0; i < function_count; i++)
		if (!strcmp(functions[i].name, name))
			return &functions[i];
	return NULL;
}

int elf_find(struct elf_file *e, const char *const *names, size_t n, bool deep,
	     struct elf_symbol *out)
{
	int found = 0;

	(void)e;
	world.deep_questions += deep && n > 1;
	for (size_t i = 0; i < n; i++) {
		const struct function *f = named(names[i]);

		out[i] = f ? f->symbol : (struct elf_symbol){};
		found += f != NULL;
	}
	return found;
}

int elf_each(struct elf_file *e, elf_function_fn *fn, void *context)
{
	(void)e;
	if (!world.reads_each)
		return -ENOENT;
	for (size_t i = 0; i < function_count; i++)
		fn(context, functions[i].name, &functions[i].symbol);
	return 0;
}

int elf_segment(struct elf_file *e, uint64_t offset, uint64_t *start, uint64_t *size)
{
	(void)e, (void)offset;
	*start = 0x1000;
	*size = 0x8000;
	return world.segment_err;
}

bool elf_is_program(const struct elf_file *e)
{
	(void)e;
	return world.program;
}

void elf_build_id(struct elf_file *e, char *hex, size_t size)
{
	(void)e;
	snprintf(hex, size, "c0ffee");
}

int file_point_find(struct elf_file *elf, const struct file_wish *wish, struct file_point *out)
{
	const struct function *f = at_offset(wish->function.offset);

	(void)elf;
	*out = f->point;
	if (!wish->inner)
		out->inner = 0;
	return f->point_err;
}

int file_field_find(struct elf_file *elf, const struct elf_symbol *function,
		    struct probe_field *out)
{
	(void)elf;
	*out = (struct probe_field){.offset = (uint32_t)function->offset, .size = 8};
	return 0;
}

int file_exits_find(struct elf_file *elf, const struct file_function *function,
		    struct probe_exits *out)
{
	const struct function *f = at_offset(function->offset);

	(void)elf;
	world.asked = *function;
	if (!f || f->exits_err)
		return f ? f->exits_err : -EBADMSG;
	out->count = f->ends;
	for (size_t i = 0; i < f->ends; i++)
		out->all[i] = (struct probe_exit){.address = function->offset + 0x20 + i,
						  .cheap = !f->dear_end};
	return 0;
}

uint64_t probe_exit_cookie(const struct probe_exit *exit, uint32_t row)
{
	return exit->address << 16 | row;
}

int file_row_counter_find(struct elf_file *elf, uint64_t start, uint64_t size, uint32_t *offset)
{
	(void)elf, (void)start, (void)size;
	*offset = 48;
	return world.no_row_counter ? -ENOENT : 0;
}

/* --- the kernel and the processes ------------------------------------------------------------ */

int kernel_client_probe(struct kernel *k, uint32_t cookie, const struct probe *probe)
{
	(void)k;
	if (world.probe_err && cookie == world.failing)
		return world.probe_err;
	if (cookie < 64)
		world.probes[cookie] = *probe;
	return 0;
}

int kernel_client_clear_hits(struct kernel *k, uint32_t cookie)
{
	(void)k, (void)cookie;
	world.cleared++;
	return 0;
}

int reach_add(struct reach *r, struct reach_set **out, const struct probe_programs *programs,
	      const struct library_file *file, const struct probe_place *places, size_t n)
{
	size_t g = (size_t)(programs - clients->programs);

	(void)r, (void)file;
	if (world.sets == 1 && world.reach_err)
		return world.reach_err;
	world.sets++;
	memcpy(world.places[g], places, n * sizeof(*places));
	world.counts[g] = n;
	*out = (struct reach_set *)&world;
	return 0;
}

void reach_remove(struct reach_set *set)
{
	world.removed += set != NULL;
}

void client_forget_left(struct clients *c, uint64_t now, uint64_t age)
{
	(void)now;
	assert_int_equal(age, LEFT_LEAST_NS);
	world.forgot++;
	c->left = 0;
	for (uint32_t i = PROBES_MOST - ROWS; i < PROBES_MOST; i++)
		c->placed[i].of = NULL;
}

void client_tell(struct clients *c, const struct ev_head *record)
{
	(void)c;
	assert_int_equal(record->kind, EV_LIBRARY);
	world.library = *(const struct ev_library *)record;
	world.libraries++;
}

void client_tell_gap(struct clients *c, const char *text)
{
	(void)c;
	snprintf(world.gap, sizeof(world.gap), "%s", text);
	world.gaps++;
}

/* --- helpers --------------------------------------------------------------------------------- */

static int begin(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	function_count = 0;
	clients = calloc(1, sizeof(*clients));
	assert_non_null(clients);
	clients->used = FIRST;
	clients->cost = (struct probe_cost){.cheap_ns = CHEAP, .dear_ns = DEAR, .exit_ns = EXIT};
	add("demo_open", 0x2000, 0x100);
	add("demo_close", 0x2100, 0x100);
	return 0;
}

static int end(void **state)
{
	struct attached *next;

	(void)state;
	for (struct attached *a = clients->files; a; a = next) {
		next = a->next;
		free(a);
	}
	free(clients);
	return 0;
}

static struct attached *attach_library(const struct probe_library *l, bool deep)
{
	const struct library_file file = {
		.device = 3, .inode = 10, .seen_ns = 5, .path = "/usr/lib/libdemo.so"};

	client_add_library(clients, l, NULL, &file, deep);
	return clients->files;
}

static struct attached *attach(void)
{
	return attach_library(&probe_libraries[0], false);
}

/* --- which functions ------------------------------------------------------------------------- */

static void a_library_is_told_with_its_probes(void **state)
{
	const struct attached *a;

	(void)state;
	named("demo_close")->point.at.cheap = false;
	a = attach();
	assert_non_null(a);
	assert_int_equal(a->first, FIRST);
	assert_int_equal(a->count, 2);
	assert_int_equal(clients->used, FIRST + 2);
	assert_int_equal(world.libraries, 1);
	assert_int_equal(world.library.device, 3);
	assert_int_equal(world.library.inode, 10);
	assert_int_equal(world.library.seen_ns, 5);
	assert_int_equal(world.library.library, EV_LIBRARY_LIBPQ);
	assert_int_equal(world.library.probes, 2);
	assert_int_equal(world.library.cheap, 1);
	assert_true(world.library.attached_ns > 0);
	assert_string_equal(world.library.path, "/usr/lib/libdemo.so");
	assert_string_equal(world.library.build_id, "c0ffee");
	assert_int_equal(world.gaps, 0);
	assert_int_equal(clients->placed[FIRST].cost_ns, CHEAP);
	assert_int_equal(clients->placed[FIRST + 1].cost_ns, DEAR);
}

static void a_probe_carries_what_its_row_says(void **state)
{
	const struct probe *get;

	(void)state;
	add("demo_get", 0x2200, 0x100);
	attach();
	assert_int_equal(world.probes[FIRST].role, PROBE_ACQUIRE);
	assert_int_equal(world.probes[FIRST].database, EV_DB_POSTGRESQL);
	assert_int_equal(world.probes[FIRST].before, 0x1000); /* from the start of the code */
	assert_int_equal(world.probes[FIRST].code, 0x8000);
	assert_int_equal(world.probes[FIRST].rows_at, UNKNOWN32);
	assert_true(world.probes[FIRST].flags & PROBE_RETURNS);
	assert_false(world.probes[FIRST + 1].flags & PROBE_RETURNS);
	get = &world.probes[FIRST + 2];
	assert_int_equal(get->resource, EV_RES_RESULT);
	assert_int_equal(get->handle, FROM_OUT | FROM_ARG2);
	assert_int_equal(get->parent, FROM_ARG1);
	assert_int_equal(get->success, SUCCESS_ZERO);
	assert_int_equal(get->rows_at, 8);
	assert_true(get->since_ns > 0);
}

/* Probes of connections stay where those of objects are taken out. */
static void connections_and_objects_have_sets_of_their_own(void **state)
{
	(void)state;
	add("demo_get", 0x2200, 0x100)->ends = 2;
	add("demo_free", 0x2300, 0x100);
	attach();
	assert_int_equal(world.sets, 2);
	assert_int_equal(world.counts[GROUP_CONNECTIONS], 3); /* with the end of demo_open */
	assert_int_equal(world.counts[GROUP_OBJECTS], 4);
	assert_int_equal(world.places[GROUP_OBJECTS][0].offset, 0x2200);
	assert_int_equal(world.places[GROUP_OBJECTS][0].cookie, FIRST + 2);
	assert_false(world.places[GROUP_OBJECTS][0].leaves);
	assert_true(world.places[GROUP_OBJECTS][1].leaves && world.places[GROUP_OBJECTS][2].leaves);
	assert_int_equal(world.places[GROUP_OBJECTS][2].cookie, 0x2221 << 16 | (FIRST + 2));
	assert_int_equal(world.places[GROUP_OBJECTS][3].cookie, FIRST + 3);
	assert_int_equal(client_group_of(&tls_rows[0]), GROUP_TLS_WRITE);
	assert_int_equal(client_group_of(&tls_rows[1]), GROUP_TLS_READ);
	assert_int_equal(client_group_of(&demo_rows[RESET]), GROUP_RUNS);
	assert_int_equal(client_group_of(&demo_rows[SEND]), GROUP_OBJECTS); /* each request */
}

static void two_names_of_one_function_get_one_probe(void **state)
{
	(void)state;
	add("demo_free", 0x2100, 0x100); /* as demo_close */
	attach();
	assert_int_equal(world.library.probes, 2);
}

static void a_library_without_any_of_its_functions_is_told_as_a_gap(void **state)
{
	(void)state;
	function_count = 0;
	assert_null(attach());
	assert_int_equal(world.libraries, 0);
	assert_int_equal(world.gaps, 1);
	assert_non_null(strstr(world.gap, "cannot watch demo in /usr/lib/libdemo.so"));
}

/* In a library callers tell the same by their address. */
static void what_happens_inside_is_probed_in_static_copies_alone(void **state)
{
	(void)state;
	add("demo_nested", 0x2200, 0x100);
	attach();
	assert_int_equal(world.library.probes, 2);
	world.program = true;
	attach();
	assert_int_equal(world.library.probes, 3);
	assert_true(world.probes[FIRST + 2].flags & PROBE_STATIC);
}

static void runs_are_seen_only_where_their_rows_are_counted(void **state)
{
	struct probe_library sqlite = probe_libraries[0];
	struct attached *a;

	(void)state;
	sqlite.bit = EV_LIBRARY_SQLITE;
	add("sqlite3_reset", 0x2400, 0x100);
	add("sqlite3_get_autocommit", 0x50, 8);
	add("demo_reset", 0x2200, 0x100);
	world.no_row_counter = true;
	a = attach_library(&sqlite, false);
	assert_int_equal(world.library.probes, 2);
	assert_int_equal(a->fields.rows, UNKNOWN32);
	assert_int_equal(a->fields.autocommit.offset, 0x50);
	world.no_row_counter = false;
	a = attach_library(&sqlite, false);
	assert_int_equal(world.library.probes, 3);
	assert_int_equal(a->fields.rows, 48);
	assert_int_equal(world.probes[a->first + 2].rows_at, 48);
}

static void fields_are_read_from_accessors(void **state)
{
	struct probe_library mysql = probe_libraries[0];
	const struct attached *a;

	(void)state;
	add("PQsocket", 0x60, 8);
	add("PQntuples", 0x70, 8);
	add("mysql_eof", 0x80, 8);
	a = attach();
	assert_int_equal(a->descriptor.offset, 0x60);
	assert_int_equal(a->sized.rows.offset, 0x70);
	assert_int_equal(a->sized.memory.size, 0); /* no such function */
	mysql.bit = EV_LIBRARY_MYSQL;
	a = attach_library(&mysql, false);
	assert_int_equal(a->eof.offset, 0x80);
	assert_int_equal(a->descriptor.offset, 40);
	assert_int_equal(a->descriptor.size, 4);
}

/* --- where in a function --------------------------------------------------------------------- */

static void a_cheaper_instruction_is_taken_with_its_registers(void **state)
{
	struct function *f = named("demo_close");

	(void)state;
	f->point.at.delta = 4;
	f->point.at.holder[0] = 12; /* the first argument has moved there */
	attach();
	assert_int_equal(world.places[GROUP_CONNECTIONS][2].offset, 0x2104);
	assert_int_equal(world.probes[FIRST + 1].handle, 12);
	assert_int_equal(world.probes[FIRST + 1].before, 0x1104);
}

static void at_entry_means_the_first_instruction(void **state)
{
	struct function *f = named("demo_close");

	(void)state;
	clients->host.at_entry = true;
	f->point.at.delta = 4;
	f->point.inner = 0x3000;
	attach();
	assert_int_equal(world.places[GROUP_CONNECTIONS][2].offset, 0x2100);
	assert_int_equal(world.probes[FIRST + 1].handle, FROM_ARG1);
	assert_int_equal(world.library.cheap, 1); /* single-stepped: only demo_open is not */
}

static void an_unreadable_function_is_probed_at_its_entry(void **state)
{
	struct function *f = named("demo_close");

	(void)state;
	f->point_err = -ENOTSUP;
	f->point.at.delta = 4;
	attach();
	assert_int_equal(world.places[GROUP_CONNECTIONS][2].offset, 0x2100);
	assert_int_equal(world.library.cheap, 1);
}

static struct function *wrapper(const char *name, uint64_t inner, uint32_t after)
{
	struct function *f = named(name);

	f->point.at.cheap = false;
	f->point.inner = inner;
	f->point.after = after;
	f->point.stack = 24;
	memcpy(f->point.holder, (uint8_t[]){2, 3, 4, 5, 6, 6}, PROBE_ARGUMENTS);
	return f;
}

/* Such a probe sees other callers too, so it is told where the wrapper's call returns to. */
static void a_wrapper_is_probed_in_the_function_that_it_calls(void **state)
{
	const struct probe *p = &world.probes[FIRST + 1];

	(void)state;
	wrapper("demo_close", 0x3000, 0x40);
	attach();
	assert_int_equal(world.places[GROUP_CONNECTIONS][2].offset, 0x3000);
	assert_int_equal(p->outer, 0x2100 + 0x40 - 0x3000);
	assert_int_equal(p->stack, 24);
	assert_int_equal(p->handle, FROM_ARG2);
	assert_int_equal(world.library.cheap, 2);
}

static void two_wrappers_of_one_function_share_a_trap(void **state)
{
	struct function *f = add("demo_free", 0x2300, 0x100);

	(void)state;
	add("demo_send", 0x2400, 0x100);
	wrapper("demo_close", 0x3000, 0x40);
	*f = *wrapper("demo_free", 0x3000, 0x50);
	wrapper("demo_send", 0x3000, 0x60)->exits_err = -EBADMSG;
	attach();
	/* Of another group: its set may be taken out alone. */
	assert_int_equal(world.probes[FIRST + 1].next, 0);
	/* demo_send and demo_free: both among the objects, neither returns. */
	assert_int_equal(world.probes[FIRST + 2].next, FIRST + 3);
	assert_int_equal(world.counts[GROUP_OBJECTS], 1);
	assert_int_equal(world.library.probes, 4);
}

static void tls_reads_registers_and_is_never_moved_into_a_wrapped_function(void **state)
{
	struct function *f = add("tls_write", 0x2500, 0x100);

	(void)state;
	f->point.at.cheap = false;
	f->point.at.delta = 4;
	f->point.inner = 0x3000;
	attach_library(&probe_libraries[1], false);
	assert_int_equal(world.places[GROUP_TLS_WRITE][0].offset, 0x2500);
	f->point.at.cheap = true; /* a cheap instruction before any of them changes */
	attach_library(&probe_libraries[1], false);
	assert_int_equal(world.places[GROUP_TLS_WRITE][0].offset, 0x2504);
}

/* --- where calls end ------------------------------------------------------------------------- */

static void ends_are_looked_for_with_what_the_probe_needs_there(void **state)
{
	(void)state;
	attach();
	assert_int_equal(world.asked.offset, 0x2000);
	assert_int_equal(world.asked.size, 0x100);
	assert_int_equal(world.asked.begun, 0x2000);
	assert_true(world.asked.pointer);
	assert_false(world.asked.memory);
	add("demo_get", 0x2200, 0x100);
	attach();
	assert_true(world.asked.memory); /* the handle is read where an argument points */
	assert_false(world.asked.pointer);
}

static void an_end_that_is_single_stepped_costs_more(void **state)
{
	(void)state;
	named("demo_open")->dear_end = true;
	attach();
	assert_int_equal(clients->placed[FIRST].exit_ns, EXIT);
	named("demo_open")->dear_end = false;
	attach();
	assert_int_equal(clients->placed[clients->files->first].exit_ns, CHEAP);
}

static void a_function_whose_ends_are_needed_and_not_found_is_refused(void **state)
{
	(void)state;
	named("demo_open")->exits_err = -EBADMSG;
	add("demo_get", 0x2200, 0x100)->exits_err = -E2BIG;
	assert_non_null(attach());
	assert_int_equal(world.library.probes, 1);
	assert_int_equal(world.gaps, 1);
	assert_string_equal(world.gap,
			    "objects of /usr/lib/libdemo.so are not counted: the code of "
			    "demo_open, demo_get cannot be read");
}

static void one_that_is_useful_without_them_is_probed_at_its_beginning(void **state)
{
	const struct probe *p = &world.probes[FIRST + 2];

	(void)state;
	add("demo_send", 0x2400, 0x100)->exits_err = -EBADMSG;
	attach();
	assert_int_equal(world.library.probes, 3);
	assert_int_equal(world.gaps, 0);
	assert_false(p->flags & PROBE_RETURNS);
	assert_int_equal(world.counts[GROUP_OBJECTS], 1);
	named("demo_send")->exits_err = 0;
	attach();
	assert_true(world.probes[clients->files->first + 2].flags & PROBE_RETURNS);
	assert_int_equal(world.counts[GROUP_OBJECTS], 2);
}

/* The wrapped function may be made of code that cannot be followed. */
static void a_wrapper_whose_ends_are_found_is_probed_itself(void **state)
{
	(void)state;
	wrapper("demo_open", 0x3000, 0x40); /* no function of ours is there: -EBADMSG */
	attach();
	assert_int_equal(world.places[GROUP_CONNECTIONS][0].offset, 0x2000);
	assert_int_equal(world.probes[FIRST].outer, 0);
	assert_int_equal(world.asked.size, 0x100);
	assert_int_equal(world.gaps, 0);
}

static void no_end_is_probed_where_that_kills(void **state)
{
	(void)state;
	clients->cost.exits_kill = true;
	add("demo_get", 0x2200, 0x100);
	attach();
	assert_int_equal(world.library.probes, 1);
	assert_int_equal(world.probes[FIRST].role, PROBE_RELEASE);
	assert_int_equal(world.gaps, 0); /* told once, for all libraries */
}

/* --- static copies --------------------------------------------------------------------------- */

/* Its callers are known by their address, as in a library of its own. */
static void a_copy_that_lies_together_is_code_of_its_own(void **state)
{
	(void)state;
	world.program = world.reads_each = true;
	add("main", 0x9000, 0x100);
	add("demo_open.cold", 0x8000, 0x10);
	add("demo_nested", 0x2200, 0x100);
	attach();
	assert_false(world.probes[FIRST].flags & PROBE_STATIC);
	assert_int_equal(world.probes[FIRST].before, 0);
	assert_int_equal(world.probes[FIRST].code, 0x300); /* without the cold part */
	assert_int_equal(world.probes[FIRST + 1].before, 0x100);
	assert_int_equal(world.library.probes, 2); /* nothing is needed inside */
}

static void a_main_in_its_midst_shows_that_it_does_not_lie_together(void **state)
{
	(void)state;
	world.program = world.reads_each = true;
	add("main", 0x2080, 0x10);
	attach();
	assert_true(world.probes[FIRST].flags & PROBE_STATIC);
	assert_int_equal(world.probes[FIRST].code, 0x8000);
}

static void a_deep_look_asks_all_anchors_at_once(void **state)
{
	bool has[PROBE_LIBRARIES_MOST];

	(void)state;
	client_find_anchors_deep(NULL, has);
	assert_int_equal(world.deep_questions, 1);
	assert_true(has[0]);
	assert_false(has[1]);
	assert_true(client_has_anchors(NULL, &probe_libraries[0]));
	function_count = 1; /* demo_close is gone */
	assert_false(client_has_anchors(NULL, &probe_libraries[0]));
	client_find_anchors_deep(NULL, has);
	assert_false(has[0]);
}

/* --- what fails ------------------------------------------------------------------------------ */

static void code_that_is_not_in_the_file_is_no_library(void **state)
{
	(void)state;
	world.segment_err = -ENOENT;
	assert_null(attach());
	assert_int_equal(world.gaps, 1);
	assert_int_equal(world.sets, 0);
}

static void what_cannot_be_attached_leaves_nothing_behind(void **state)
{
	(void)state;
	add("demo_free", 0x2300, 0x100);
	world.reach_err = -EMFILE; /* of the second set */
	assert_null(attach());
	assert_int_equal(world.removed, 1);
	assert_int_equal(world.libraries, 0);
	assert_non_null(strstr(world.gap, "Too many open files"));
	for (uint32_t i = FIRST; i < FIRST + 3; i++) {
		assert_null(clients->placed[i].of);
		assert_int_equal(clients->placed[i].generation, 1);
	}
	world.reach_err = 0;
	assert_int_equal(attach()->first, FIRST); /* its cookies are used again ... */
	assert_int_equal(world.cleared, 3);	  /* ... and count from zero */
	assert_int_equal(clients->placed[FIRST].generation, 1);
}

static void a_probe_that_the_kernel_refuses_ends_it(void **state)
{
	(void)state;
	world.probe_err = -E2BIG;
	world.failing = FIRST + 1;
	assert_null(attach());
	assert_int_equal(world.sets, 0);
	assert_int_equal(world.gaps, 1);
}

static void probes_that_were_withdrawn_are_no_gap_of_this_file(void **state)
{
	(void)state;
	add("demo_free", 0x2300, 0x100);
	world.reach_err = -ECANCELED;
	assert_null(attach());
	assert_int_equal(world.gaps, 0);
}

static void cookies_that_run_out_are_taken_from_libraries_that_are_gone(void **state)
{
	struct attached other;

	(void)state;
	for (uint32_t i = FIRST; i < PROBES_MOST; i++)
		clients->placed[i].of = &other;
	assert_null(attach());
	assert_int_equal(world.forgot, 0); /* none is gone */
	assert_non_null(strstr(world.gap, "No space left"));
	clients->left = 1;
	assert_non_null(attach());
	assert_int_equal(world.forgot, 1);
	assert_int_equal(clients->files->first, PROBES_MOST - ROWS);
}

static void hits_of_all_its_probes_are_told(void **state)
{
	struct attached *a = attach();

	(void)state;
	clients->placed[FIRST].hits = 5;
	clients->placed[FIRST + 1].hits = 7;
	clients->placed[FIRST + 2].hits = 100; /* not its own */
	client_tell_library(clients, a);
	assert_int_equal(world.library.hits, 12);
	client_detach(a, GROUP_CONNECTIONS);
	assert_int_equal(world.removed, 1);
	assert_null(a->sets[GROUP_CONNECTIONS]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_library_is_told_with_its_probes),
		CASE(a_probe_carries_what_its_row_says),
		CASE(connections_and_objects_have_sets_of_their_own),
		CASE(two_names_of_one_function_get_one_probe),
		CASE(a_library_without_any_of_its_functions_is_told_as_a_gap),
		CASE(what_happens_inside_is_probed_in_static_copies_alone),
		CASE(runs_are_seen_only_where_their_rows_are_counted),
		CASE(fields_are_read_from_accessors),
		CASE(a_cheaper_instruction_is_taken_with_its_registers),
		CASE(at_entry_means_the_first_instruction),
		CASE(an_unreadable_function_is_probed_at_its_entry),
		CASE(a_wrapper_is_probed_in_the_function_that_it_calls),
		CASE(two_wrappers_of_one_function_share_a_trap),
		CASE(tls_reads_registers_and_is_never_moved_into_a_wrapped_function),
		CASE(ends_are_looked_for_with_what_the_probe_needs_there),
		CASE(an_end_that_is_single_stepped_costs_more),
		CASE(a_function_whose_ends_are_needed_and_not_found_is_refused),
		CASE(one_that_is_useful_without_them_is_probed_at_its_beginning),
		CASE(a_wrapper_whose_ends_are_found_is_probed_itself),
		CASE(no_end_is_probed_where_that_kills),
		CASE(a_copy_that_lies_together_is_code_of_its_own),
		CASE(a_main_in_its_midst_shows_that_it_does_not_lie_together),
		CASE(a_deep_look_asks_all_anchors_at_once),
		CASE(code_that_is_not_in_the_file_is_no_library),
		CASE(what_cannot_be_attached_leaves_nothing_behind),
		CASE(a_probe_that_the_kernel_refuses_ends_it),
		CASE(probes_that_were_withdrawn_are_no_gap_of_this_file),
		CASE(cookies_that_run_out_are_taken_from_libraries_that_are_gone),
		CASE(hits_of_all_its_probes_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
