/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Where functions of each shape end, written out here and as installed libraries have them; and
 * what is refused.
 */
#include "user/capture/probe/probe_exit.h"

#include "user/capture/probe/file_exit.h"
#include "user/capture/clientlib/probe_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/support/seed.h"

#undef COUNT
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LIBRARIES    "/usr/lib/x86_64-linux-gnu/"

#define BASE	 0x1000 /* address of the first byte of each piece of code below */
#define RET	 "\xc3"
#define REP_RET	 "\xf3\xc3"
#define PUSH_RBX "\x53"
#define POP_RBX	 "\x5b"
#define TEST_RDI "\x48\x85\xff"
#define XOR_EAX	 "\x31\xc0"
#define NOP	 "\x90"
#define UD2	 "\x0f\x0b"
#define JE(n)	 "\x74" n
#define JMP(n)	 "\xeb" n
#define CALL(n)	 "\xe8" n

struct bytes {
	const char *text;
	size_t size;
	uint64_t slot, linked; /* what a slot of the linkage table holds */
};

static size_t read_bytes(void *context, uint64_t address, uint8_t *out, size_t n)
{
	const struct bytes *b = context;

	if (address < BASE || address - BASE >= b->size)
		return 0;
	if (n > b->size - (address - BASE))
		n = b->size - (address - BASE);
	memcpy(out, b->text + (address - BASE), n);
	return n;
}

static uint64_t link_of(void *context, uint64_t slot)
{
	const struct bytes *b = context;

	return slot == b->slot ? b->linked : 0;
}

static struct probe_function function_of(const struct bytes *b, size_t size)
{
	return (struct probe_function){.read = read_bytes,
				       .linked = link_of,
				       .context = (void *)(uintptr_t)b,
				       .entry = BASE,
				       .size = size,
				       .first = BASE,
				       .end = BASE + b->size};
}

static int find(const struct bytes *b, size_t size, struct probe_exits *out)
{
	struct probe_function f = function_of(b, size);

	f.returns_only = true;
	seed_keep("exit", b->text, b->size);
	return probe_exits_find(&f, out);
}

struct shape {
	const char *what;
	struct bytes code;
	size_t size; /* of the function itself */
	int err;
	size_t count;
	uint64_t at[4]; /* from its entry */
	bool shared[4];
};

#define CODE(code)                                     \
	{                                              \
		.text = code, .size = sizeof(code) - 1 \
	}

static void check_shape(const struct shape *s)
{
	struct probe_exits exits;
	int err = find(&s->code, s->size, &exits);

	if (err != s->err || (!err && exits.count != s->count))
		fail_msg("%s: %d, %zu exits", s->what, err, exits.count);
	for (size_t i = 0; !err && i < s->count; i++)
		if (exits.all[i].address != BASE + s->at[i] || exits.all[i].shared != s->shared[i])
			fail_msg("%s: exit %zu at %llu", s->what, i,
				 (unsigned long long)exits.all[i].address - BASE);
}

static void every_return_is_found(void **state)
{
	static const struct shape shapes[] = {
		{"one", CODE(PUSH_RBX POP_RBX RET), 3, 0, 1, {2}, {0}},
		{"with a prefix", CODE(XOR_EAX REP_RET), 4, 0, 1, {2}, {0}},
		{"of two branches",
		 CODE(TEST_RDI JE("\x01") RET XOR_EAX RET),
		 9,
		 0,
		 2,
		 {5, 8},
		 {0}},
		/* jmp back over a return */
		{"of a loop", CODE(TEST_RDI JE("\x02") JMP("\xf9") RET), 8, 0, 1, {7}, {0}},
		{"behind a call that returns", CODE(CALL("\x02\0\0\0") RET UD2), 8, 0, 1, {5}, {0}},
		{"before one that never does",
		 CODE(TEST_RDI JE("\x01") RET CALL("\0\x01\0\0") "\x06\x07"),
		 11,
		 0,
		 1,
		 {5},
		 {0}},
		{"in a part elsewhere",
		 CODE(TEST_RDI JE("\x04") XOR_EAX RET NOP NOP RET),
		 8,
		 0,
		 2,
		 {7, 10},
		 {0, 1}},
		{"of unknown size", CODE(TEST_RDI JE("\x01") RET UD2), 0, 0, 1, {5}, {1}},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(shapes); i++)
		check_shape(&shapes[i]);
}

static void the_ends_of_another_serve_where_it_gets_the_rest(void **state)
{
	/* xor %eax,%eax; jmp to the other: push; pop; ret */
	static const struct shape direct = {
		"jump", CODE(XOR_EAX JMP("\x01") NOP PUSH_RBX POP_RBX RET), 4, 0, 1, {7}, {1}};
	/* jmp *slot(%rip) of the linkage table, which leads to the return behind it */
	struct shape linked = {"linked", CODE("\xff\x25\x00\x10\0\0" RET), 6, 0, 1, {6}, {1}};
	struct shape foreign = linked;

	(void)state;
	check_shape(&direct);
	linked.code.slot = BASE + 6 + 0x1000;
	linked.code.linked = BASE + 6;
	check_shape(&linked);
	foreign.err = -ENOTSUP; /* another file's */
	check_shape(&foreign);
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const struct shape shapes[] = {
		{"no instruction", CODE(TEST_RDI "\x06"), 4, -EBADMSG, 0, {0}, {0}},
		{"cut off", CODE(TEST_RDI "\x48\x85"), 5, -EBADMSG, 0, {0}, {0}},
		{"empty", CODE(""), 0, -ENOTSUP, 0, {0}, {0}},
		/* je into the immediate of the mov that follows */
		{"a jump into the middle",
		 CODE(JE("\x02") "\xb8\xc3\xc3\xc3\xc3" RET),
		 8,
		 -EBADMSG,
		 0,
		 {0},
		 {0}},
		{"a jump to anywhere", CODE("\xff\xe0"), 2, -ENOTSUP, 0, {0}, {0}},
		{"a jump through an object", CODE("\xff\x67\x08"), 3, -ENOTSUP, 0, {0}, {0}},
		{"out of the code", CODE(JMP("\x20")), 2, -ENOTSUP, 0, {0}, {0}},
		{"over its end", CODE(XOR_EAX NOP), 3, -EBADMSG, 0, {0}, {0}},
		{"without an end", CODE(JMP("\xfe")), 2, -ENOENT, 0, {0}, {0}},
		{"a far return", CODE("\xcb"), 1, -ENOTSUP, 0, {0}, {0}},
		{"a return that takes arguments off", CODE("\xc2\x08\0"), 3, -ENOTSUP, 0, {0}, {0}},
		{"a return from an interrupt", CODE("\x48\xcf"), 2, -ENOTSUP, 0, {0}, {0}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(shapes); i++)
		check_shape(&shapes[i]);
}

/* cmp $1,%edi; ja +10; lea table(%rip),%rdx; movslq (%rdx,%rdi,4),%rax; add %rdx,%rax; jmp *%rax */
#define SWITCH(compare, above)                 \
	compare above "\x48\x8d\x15\x0d\0\0\0" \
		      "\x48\x63\x04\xba\x48\x01\xd0\xff\xe0"
#define CASES RET XOR_EAX RET

static void tables_of_addresses_are_followed(void **state)
{
	/* At 5 + 16 = 21: ret; 22: xor, ret; then, from 25 on, the table: to 21 and to 22. */
	static const char code[] = SWITCH("\x83\xff\x01", "\x77\x10") CASES;
	static const char distances[] = "\xfc\xff\xff\xff\xfd\xff\xff\xff";
	uint8_t bytes[64] = {0};
	struct bytes b = {.text = (const char *)bytes};
	struct probe_exits exits;

	(void)state;
	memcpy(bytes, code, sizeof(code) - 1);
	b.size = sizeof(code) - 1;
	assert_int_equal(b.size, 25);
	memcpy(bytes + b.size, distances, sizeof(distances) - 1);
	b.size += sizeof(distances) - 1;
	/* lea's table: 12 + 13 = 25 */
	assert_int_equal(find(&b, 25, &exits), 0);
	assert_int_equal(exits.count, 2);
	assert_int_equal(exits.all[0].address, BASE + 21);
	assert_int_equal(exits.all[1].address, BASE + 24);
}

static void tables_that_cannot_be_told_are_refused(void **state)
{
	static const struct shape shapes[] = {
		/* no comparison; with a signed one; of another register */
		{"no bound",
		 CODE(SWITCH(NOP NOP NOP, NOP NOP) CASES "\xfc\xff\xff\xff\xfd\xff\xff\xff"),
		 25,
		 -ENOTSUP,
		 0,
		 {0},
		 {0}},
		{"a signed bound",
		 CODE(SWITCH("\x83\xff\x01", "\x7f\x10") CASES "\xfc\xff\xff\xff\xfd\xff\xff\xff"),
		 25,
		 -ENOTSUP,
		 0,
		 {0},
		 {0}},
		{"another's bound",
		 CODE(SWITCH("\x83\xfe\x01", "\x77\x10") CASES "\xfc\xff\xff\xff\xfd\xff\xff\xff"),
		 25,
		 -ENOTSUP,
		 0,
		 {0},
		 {0}},
		/* the first entry leads into the code that shows the table */
		{"a way round the bound",
		 CODE(SWITCH("\x83\xff\x01", "\x77\x10") CASES "\xec\xff\xff\xff\xfd\xff\xff\xff"),
		 25,
		 -ENOTSUP,
		 0,
		 {0},
		 {0}},
		{"a table that is cut off",
		 CODE(SWITCH("\x83\xff\x01", "\x77\x10") CASES "\xfc\xff\xff\xff"),
		 25,
		 -ENOTSUP,
		 0,
		 {0},
		 {0}},
		{"entries that lead out",
		 CODE(SWITCH("\x83\xff\x01", "\x77\x10") CASES "\xfc\xff\xff\xff\0\0\x10\0"),
		 25,
		 -ENOTSUP,
		 0,
		 {0},
		 {0}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(shapes); i++)
		check_shape(&shapes[i]);
}

/* Nobody is kept for long. */
static void code_without_bounds_is_given_up(void **state)
{
	static uint8_t bytes[1 << 18];
	struct bytes b = {.text = (const char *)bytes, .size = sizeof(bytes)};
	struct probe_exits exits;

	(void)state;
	memset(bytes, 0x90, sizeof(bytes));
	assert_int_equal(find(&b, sizeof(bytes), &exits), -E2BIG);
	memset(bytes, 0xc3, sizeof(bytes));
	for (size_t i = 0; i < 4 * PROBE_EXITS_MOST; i += 2)
		memcpy(bytes + i, "\x74\x40", 2);
	bytes[4 * PROBE_EXITS_MOST] = 0xc3;
	assert_true(find(&b, sizeof(bytes), &exits) == -E2BIG || exits.count <= PROBE_EXITS_MOST);
}

struct wanted {
	uint64_t at;
	enum probe_when when;
	uint8_t result, condition;
	uint32_t height;
	bool cheap;
};

static void check_cheap(const char *what, const struct probe_function *f,
			const struct wanted *wanted, size_t n)
{
	struct probe_exits exits;

	assert_int_equal(probe_exits_find(f, &exits), 0);
	if (exits.count != n)
		fail_msg("%s: %zu exits", what, exits.count);
	for (size_t i = 0; i < n; i++) {
		const struct probe_exit *e = &exits.all[i];
		const struct wanted *w = &wanted[i];

		if (e->address != BASE + w->at || e->cheap != w->cheap || e->when != w->when ||
		    e->result != w->result || e->height != w->height ||
		    e->condition != w->condition)
			fail_msg("%s: exit %zu: %llu %d %d r%u +%u", what, i,
				 (unsigned long long)e->address - BASE, e->cheap, e->when,
				 e->result, e->height);
	}
}

#define MOV_RAX_RBX "\x48\x89\xd8"
#define MOV_RBX_RAX "\x48\x89\xc3"
#define MOV_EAX_EBX "\x89\xd8"
#define STORE	    "\x48\x89\x03" /* mov %rax,(%rbx) */

static void the_last_jump_is_taken_for_the_return(void **state)
{
	/* push; mov rbx,rdi...; test; je +1 ways to one end; mov; pop; ret */
	static const struct bytes both = CODE(PUSH_RBX TEST_RDI JE("\x01")
						      NOP MOV_RAX_RBX POP_RBX RET);
	/* each way its own end; one returns NULL */
	static const struct bytes null = CODE(PUSH_RBX TEST_RDI JE("\x05")
						      MOV_RAX_RBX POP_RBX RET XOR_EAX POP_RBX RET);
	/* behind a call there is nothing but the return */
	static const struct bytes call = CODE(CALL("\0\0\0\0") RET);
	static const struct bytes half = CODE(PUSH_RBX TEST_RDI JE("\0") MOV_EAX_EBX POP_RBX RET);
	static const struct bytes store = CODE(PUSH_RBX TEST_RDI JMP("\0") STORE POP_RBX RET);
	static const struct wanted ends_both[] = {{4, PROBE_TAKEN, 3, 4, 8, true},
						  {6, PROBE_ALWAYS, 3, 0, 8, true}};
	static const struct wanted ends_null[] = {{4, PROBE_NOT_TAKEN, 3, 4, 8, true}};
	static const struct wanted ends_call[] = {{5, PROBE_ALWAYS, 0, 0, 0, false}};
	static const struct wanted ends_jump[] = {{4, PROBE_ALWAYS, 0, 0, 8, true}};
	static const struct wanted ends_return[] = {{10, PROBE_ALWAYS, 0, 0, 0, false}};
	struct probe_function f = function_of(&both, both.size);

	(void)state;
	check_cheap("both", &f, ends_both, 2);
	f = function_of(&null, null.size);
	f.pointer = true;
	check_cheap("null", &f, ends_null, 1);
	f = function_of(&call, call.size);
	check_cheap("call", &f, ends_call, 1);
	f = function_of(&store, store.size);
	check_cheap("jump", &f, ends_jump, 1);
	f.memory = true;
	check_cheap("memory", &f, ends_return, 1);
	f.memory = false;
	f.begun = BASE + 4;
	check_cheap("begun there", &f, ends_return, 1);
	f = function_of(&half, half.size);
	f.pointer = true;
	check_cheap("half a pointer", &f,
		    (const struct wanted[]){{9, PROBE_ALWAYS, 0, 0, 0, false}}, 1);
}

struct tally {
	size_t rows, whole, cheap;
	char refused[512];
};

/* Each address is that of a return instruction, or of a jump. */
static void check_exits(struct elf_file *elf, const char *name, const struct probe_exits *exits)
{
	uint8_t byte[2];

	for (size_t i = 0; i < exits->count; i++) {
		const struct probe_exit *e = &exits->all[i];
		bool jump, far;

		assert_int_equal(elf_read(elf, e->address, byte, 2), 2);
		jump = byte[0] == 0xeb || byte[0] == 0xe9 || (byte[0] & 0xf0) == 0x70;
		far = byte[0] == 0x0f && (byte[1] & 0xf0) == 0x80;
		if (e->cheap ? !(jump || far || byte[0] == 0x90)
			     : byte[0] != 0xc3 && (byte[0] != 0xf3 || byte[1] != 0xc3))
			fail_msg("%s: no end at %llx", name, (unsigned long long)e->address);
	}
}

static bool all_cheap(const struct probe_exits *exits)
{
	for (size_t i = 0; i < exits->count; i++)
		if (!exits->all[i].cheap)
			return false;
	return true;
}

static void check_row(struct elf_file *elf, const struct probe_row *row, struct tally *t)
{
	struct file_function function;
	struct probe_exits exits;
	struct elf_symbol symbol;

	if (!probe_row_returns(row) || elf_find(elf, &row->symbol, 1, false, &symbol) != 1)
		return;
	function = (struct file_function){.offset = symbol.offset,
					  .size = symbol.size,
					  .pointer = row->handle == FROM_RETURN,
					  .memory = row->handle & FROM_OUT || row->rows_after};
	t->rows++;
	if (!file_exits_find(elf, &function, &exits)) {
		t->whole++;
		t->cheap += all_cheap(&exits);
		check_exits(elf, row->symbol, &exits);
	} else {
		snprintf(t->refused + strlen(t->refused), sizeof(t->refused) - strlen(t->refused),
			 " %s", row->symbol);
	}
}

static void check_library(const char *name, size_t library, struct tally *t)
{
	const struct probe_library *l = &probe_libraries[library];
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct elf_file *elf;

	if (fd < 0)
		return;
	assert_int_equal(elf_open(&elf, fd), 0);
	for (size_t i = 0; i < l->count; i++) {
		elf_deepen(elf); /* checked code is slow: each row has a budget of its own */
		check_row(elf, &l->rows[i], t);
	}
	elf_close(elf);
	close(fd);
}

/* Of all that the table asks for one goes on through a pointer in an object: mysql_real_connect of
 * libmariadb. */
static void functions_of_installed_libraries_end_where_they_return(void **state)
{
	struct tally t = {0};

	(void)state;
	check_library(LIBRARIES "libpq.so.5", 0, &t);
	check_library(LIBRARIES "libmariadb.so.3", 1, &t);
	check_library(LIBRARIES "libsqlite3.so.0", 2, &t);
	check_library(LIBRARIES "libhiredis.so.0.14", 3, &t);
	check_library(LIBRARIES "libssl.so.3", 4, &t);
	if (!t.rows)
		skip();
	print_message("%zu of %zu functions of the table end where that can be seen, %zu at jumps "
		      "alone; not:%s\n",
		      t.whole, t.rows, t.cheap, t.refused);
	assert_true(t.rows - t.whole <= t.rows / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_return_is_found),
		cmocka_unit_test(the_ends_of_another_serve_where_it_gets_the_rest),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(tables_of_addresses_are_followed),
		cmocka_unit_test(tables_that_cannot_be_told_are_refused),
		cmocka_unit_test(code_without_bounds_is_given_up),
		cmocka_unit_test(the_last_jump_is_taken_for_the_return),
		cmocka_unit_test(functions_of_installed_libraries_end_where_they_return),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
