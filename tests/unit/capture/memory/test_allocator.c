// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
/*
 * What user/capture/memory/allocator.c finds in this host's C library, in a program that is linked
 * with one, and in a file that has none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "user/capture/memory/allocator.h"
#include "user/capture/elf/elf.h"
#include "user/capture/probe/probe_point.h"

#include <fcntl.h>
#include <link.h>
#include <unistd.h>

static int find(const char *path, bool deep, struct allocator *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	struct elf_file *elf;

	assert_true(fd >= 0);
	assert_int_equal(elf_open(&elf, fd), 0);
	err = allocator_find(elf, deep, false, out);
	elf_close(elf);
	close(fd);
	return err;
}

static int note_path(struct dl_phdr_info *info, size_t size, void *context)
{
	const char *name = strrchr(info->dlpi_name, '/');

	(void)size;
	if (name && !strncmp(name, "/libc.so", 8))
		snprintf(context, 256, "%s", info->dlpi_name);
	return 0;
}

static const struct allocator_probe *probe_of(const struct allocator *a, uint8_t kind)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->probe[i].kind == kind)
			return &a->probe[i];
	return NULL;
}

static void a_c_library_has_the_whole_family(void **state)
{
	char path[256] = "";
	struct allocator a;

	(void)state;
	dl_iterate_phdr(note_path, path);
	if (!path[0])
		skip();
	assert_int_equal(find(path, false, &a), 0);
	for (uint8_t kind = HEAP_MALLOC; kind < HEAP_KINDS; kind++) {
		const struct allocator_probe *p = probe_of(&a, kind);

		assert_non_null(p);
		assert_true(p->before < a.code.length);
		assert_int_equal(p->returns, kind != HEAP_FREE && kind != HEAP_MUNMAP);
	}
}

static void a_c_library_is_its_own_caller_only_in_its_allocator(void **state)
{
	char path[256] = "";
	struct allocator a;
	uint64_t own = 0;

	(void)state;
	dl_iterate_phdr(note_path, path);
	if (!path[0])
		skip();
	assert_int_equal(find(path, false, &a), 0);
	assert_false(a.whole);
	assert_int_equal(a.code.library, 1);
	for (uint32_t i = 0; i < a.code.ranges; i++) {
		assert_true(a.code.range[i].start < a.code.range[i].end);
		assert_true(a.code.range[i].end <= a.code.length);
		own += a.code.range[i].end - a.code.range[i].start;
	}
	assert_true(own > 0 && own < a.code.length / 10);
}

static void no_function_is_probed_twice(void **state)
{
	char path[256] = "";
	struct allocator a;

	(void)state;
	dl_iterate_phdr(note_path, path);
	if (!path[0])
		skip();
	assert_int_equal(find(path, false, &a), 0);
	for (size_t i = 0; i < a.count; i++)
		for (size_t k = 0; k < i; k++)
			assert_true(a.probe[i].offset != a.probe[k].offset);
}

static void this_program_has_none(void **state)
{
	struct allocator a;

	(void)state;
	assert_int_equal(find("build/unit/programs/stack-O2", true, &a), -ENOENT);
	assert_int_equal(find("build/unit/programs/stack-O2", false, &a), -ENOENT);
}

static void a_static_program_has_a_copy_and_says_which_code_is_its_own(void **state)
{
	struct allocator a;

	(void)state;
	assert_int_equal(find("build/unit/programs/stack-static", false, &a), -ENOENT);
	assert_int_equal(find("build/unit/programs/stack-static", true, &a), 0);
	assert_non_null(probe_of(&a, HEAP_MALLOC));
	assert_non_null(probe_of(&a, HEAP_FREE));
	assert_int_equal(a.code.library, 0);
	assert_false(a.whole);
	assert_true(a.code.ranges > 6); /* what _int_malloc and its like call is theirs, too */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_c_library_has_the_whole_family),
		cmocka_unit_test(a_c_library_is_its_own_caller_only_in_its_allocator),
		cmocka_unit_test(no_function_is_probed_twice),
		cmocka_unit_test(this_program_has_none),
		cmocka_unit_test(a_static_program_has_a_copy_and_says_which_code_is_its_own),
	};

	return cmocka_run_group_tests_name("allocator", tests, NULL, NULL);
}
