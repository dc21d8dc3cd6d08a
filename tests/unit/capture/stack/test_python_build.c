/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_python_build.c - versions told apart by what files export, and builds that are refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "user/capture/stack/python_build.h"
#include "user/capture/stack/python_build_state.h"

#define RUNTIME 0x500000

/* A file, as far as it is asked. */
struct elf_file {
	const char *functions[8], *variables[8];
	uint64_t version; /* of Py_Version */
	uint8_t runtime[PUBLISHED_BYTES];
	bool has_section;
};

static bool has(const char *const *names, const char *name)
{
	for (size_t i = 0; i < 8 && names[i]; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

int elf_find(struct elf_file *e, const char *const *names, size_t n, bool deep,
	     struct elf_symbol *out)
{
	int found = 0;

	assert_false(deep);
	for (size_t i = 0; i < n; i++) {
		out[i].offset = has(e->functions, names[i]) ? 0x1000 : 0;
		found += out[i].offset != 0;
	}
	return found;
}

int elf_find_variables(struct elf_file *e, const char *const *names, size_t n, bool deep,
		       struct elf_symbol *out)
{
	int found = 0;

	assert_false(deep);
	for (size_t i = 0; i < n; i++) {
		out[i].offset = !has(e->variables, names[i])	  ? 0
				: !strcmp(names[i], "_PyRuntime") ? RUNTIME
				: !strcmp(names[i], "Py_Version") ? 0x400000
								  : 0x480000;
		found += out[i].offset != 0;
	}
	return found;
}

uint64_t elf_section(struct elf_file *e, const char *name)
{
	return e->has_section && !strcmp(name, ".PyRuntime") ? RUNTIME : 0;
}

uint64_t elf_code_address(struct elf_file *e, uint64_t offset)
{
	(void)e;
	return offset + 0x200000;
}

ssize_t elf_read_address(struct elf_file *e, uint64_t address, void *buf, size_t size)
{
	if (address != RUNTIME) {
		memcpy(buf, &e->version, sizeof(e->version));
		return sizeof(e->version);
	}
	memcpy(buf, e->runtime, size);
	return (ssize_t)size;
}

static void put(struct elf_file *e, size_t at, uint64_t word)
{
	memcpy(e->runtime + at, &word, sizeof(word));
}

/* As a 3.14.10 tells of itself. */
static struct elf_file fourteen(void)
{
	static const uint64_t reported[] = {808, 7272, 7344, 8,	  72,  152, 8,	 0, 56,
					    74,	 112,  120,  128, 136, 68,  208, 40};
	struct elf_file e = {.variables = {"_PyRuntime", "PyCode_Type", "Py_Version"},
			     .functions = {"Py_InitializeFromConfig"},
			     .version = 0x030e0af0};

	memcpy(e.runtime, "xdebugpy", 8);
	put(&e, PUBLISHED_VERSION, e.version);
	for (size_t i = 0; i < PUBLISHED_FIELDS; i++)
		put(&e, python_published[i].at[1], reported[i]);
	return e;
}

static void each_version_is_told_by_what_it_exported_first(void **state)
{
	static const struct {
		const char *functions[4];
		unsigned int minor;
	} versions_of[] = {
		{{"PyInterpreterState_GetID"}, 7},
		{{"PyInterpreterState_GetID", "Py_InitializeFromConfig"}, 8},
		{{"Py_InitializeFromConfig", "PyFrame_GetCode"}, 9},
		{{"Py_InitializeFromConfig", "PyFrame_GetCode", "Py_NewRef"}, 10},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(versions_of) / sizeof(versions_of[0]); i++) {
		struct elf_file e = {.variables = {"_PyRuntime", "PyCode_Type"}};
		struct python_build b;

		memcpy(e.functions, versions_of[i].functions, sizeof(versions_of[i].functions));
		assert_int_equal(python_identify(&e, &b), 0);
		assert_int_equal(b.minor, versions_of[i].minor);
		assert_null(b.refusal);
		assert_int_equal(b.row.code_type, 0x480000 - RUNTIME);
		assert_int_equal(b.start != 0, b.minor > 7);
		assert_int_equal(b.row.window, b.row.frame_bytes);
		assert_int_equal(b.task.modules, 0);
	}
}

static void tasks_are_read_of_some_versions(void **state)
{
	static const struct {
		uint32_t version;
		uint16_t modules;
		uint8_t coroutine;
		int8_t yields;
	} of[] = {{0x030b02f0, 888, 136, -1}, {0x030c01f0, 944, 136, -1}};
	struct elf_file e = fourteen();
	struct python_build b;

	(void)state;
	assert_int_equal(python_identify(&e, &b), 0);
	assert_int_equal(b.minor, 14);
	assert_int_equal(b.task.modules, 0);
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		e = (struct elf_file){.variables = {"_PyRuntime", "PyCode_Type", "Py_Version"},
				      .version = of[i].version};
		assert_int_equal(python_identify(&e, &b), 0);
		assert_null(b.refusal);
		assert_int_equal(b.task.modules, of[i].modules);
		assert_int_equal(b.task.coroutine, of[i].coroutine);
		assert_int_equal(b.task.yields, of[i].yields);
	}
}

static void the_probe_and_the_runtime_are_so_far_apart(void **state)
{
	struct elf_file e = fourteen();
	struct python_build b;

	(void)state;
	assert_int_equal(python_identify(&e, &b), 0);
	assert_int_equal(b.start, 0x1000);
	assert_int_equal(b.row.runtime, RUNTIME - 0x201000);
}

static void what_a_build_tells_of_itself_goes_first(void **state)
{
	struct elf_file e = fourteen();
	struct python_build b;

	(void)state;
	put(&e, 64, 7280); /* interpreter_state.next */
	put(&e, 288, 75);  /* interpreter_frame.owner */
	put(&e, 384, 216); /* code_object.co_code_adaptive */
	assert_int_equal(python_identify(&e, &b), 0);
	assert_null(b.refusal);
	assert_int_equal(b.row.interpreter_next, 7280);
	assert_int_equal(b.row.frame_owner, 75);
	assert_int_equal(b.code.bytecode, 216);
	assert_int_equal(b.row.identity, 120);
	assert_int_equal(b.row.window, PYTHON_WINDOW);
}

static void check_refused(struct elf_file *e, const char *why)
{
	struct python_build b;

	assert_int_equal(python_identify(e, &b), 0);
	assert_non_null(b.refusal);
	assert_non_null(strstr(b.refusal, why));
}

static void builds_that_are_not_known_are_refused(void **state)
{
	struct elf_file newer = fourteen(), mute = fourteen(), free_threaded = fourteen(),
			debug = fourteen(), hostile = fourteen();

	(void)state;
	newer.version = 0x030f00f0;
	check_refused(&newer, "version");
	memset(mute.runtime, 0, 8);
	check_refused(&mute, "hides");
	put(&free_threaded, PUBLISHED_FREE_THREADED, 1);
	check_refused(&free_threaded, "free-threaded");
	debug.functions[1] = "_Py_NegativeRefcount";
	check_refused(&debug, "debug");
	put(&hostile, 264, UINT64_MAX);
	check_refused(&hostile, "hides");
}

static void hidden_symbols_leave_the_section(void **state)
{
	struct elf_file e = fourteen();
	struct python_build b;

	(void)state;
	memset(e.variables, 0, sizeof(e.variables));
	memset(e.functions, 0, sizeof(e.functions));
	assert_int_equal(python_identify(&e, &b), -ENOENT);
	e.has_section = true;
	assert_int_equal(python_identify(&e, &b), 0);
	assert_int_equal(b.minor, 14);
	assert_null(b.refusal);
	assert_int_equal(b.row.code_type, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_version_is_told_by_what_it_exported_first),
		cmocka_unit_test(the_probe_and_the_runtime_are_so_far_apart),
		cmocka_unit_test(tasks_are_read_of_some_versions),
		cmocka_unit_test(what_a_build_tells_of_itself_goes_first),
		cmocka_unit_test(builds_that_are_not_known_are_refused),
		cmocka_unit_test(hidden_symbols_leave_the_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
