/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Static probes are found where a file's notes are true, and nowhere where they lie; bcc, where it
 * is installed, finds the same ones in the files of this host.
 */
#include "user/capture/probe/usdt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/capture/elf/elf_question.h"
#include "user/capture/elf/elf_state.h"
#include "user/capture/probe/usdt_state.h"

#if __has_include(<bcc/bcc_elf.h>)
#include <bcc/bcc_elf.h>
#define HAS_BCC 1
#endif

#define PROGRAM	 "build/unit/programs/usdt"
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int find_probe_in(int fd, const char *provider, const char *name, struct usdt_places *out)
{
	struct elf_file *elf;
	int err = elf_open(&elf, fd);

	assert_int_equal(err, 0);
	err = usdt_find(elf, provider, name, out);
	elf_close(elf);
	return err;
}

static int find_probe(const char *name, struct usdt_places *out)
{
	int fd = open(PROGRAM, O_RDONLY | O_CLOEXEC), err;

	assert_true(fd >= 0);
	err = find_probe_in(fd, "demo", name, out);
	close(fd);
	return err;
}

static void a_probe_is_found_with_its_semaphore_and_argument(void **state)
{
	struct usdt_places ready, twice;

	(void)state;
	assert_int_equal(find_probe("ready", &ready), 0);
	assert_int_equal(ready.count, 1);
	assert_int_not_equal(ready.all[0].semaphore, 0);
	assert_int_equal(ready.all[0].how, USDT_REGISTER);
	assert_int_equal(ready.all[0].base, 7);
	assert_int_equal(ready.all[0].size, 4);
	assert_int_equal(find_probe("twice", &twice), 0);
	assert_int_equal(twice.count, 2);
	assert_int_equal(twice.all[1].offset, ready.all[0].offset);
	assert_int_equal(twice.all[0].how, USDT_CONSTANT);
	assert_int_equal(twice.all[0].value, 1);
	assert_int_equal(twice.all[1].how, USDT_MEMORY);
	assert_int_equal(twice.all[1].value, -8);
	assert_int_equal(twice.all[1].base, 4);
	assert_int_equal(find_probe("same", &twice), 0);
	assert_int_equal(twice.count, 1);
}

static void a_lie_is_no_probe(void **state)
{
	static const struct {
		const char *name;
		int err;
	} lies[] = {
		{"absent", -ENOENT},	  {"no_nop", -ENOTSUP},
		{"inside", -ENOTSUP},	  {"in_data", -ENOTSUP},
		{"nowhere", -ENOTSUP},	  {"without_bytes", -ENOTSUP},
		{"unwritable", -ENOTSUP}, {"semaphore_in_code", -ENOTSUP},
		{"many", -E2BIG},
	};
	struct usdt_places none;

	(void)state;
	for (size_t i = 0; i < COUNT(lies); i++) {
		assert_int_equal(find_probe(lies[i].name, &none), lies[i].err);
		assert_int_equal(none.count, 0);
	}
}

static void arguments_are_read_in_the_ways_that_compilers_write_them(void **state)
{
	static const struct {
		const char *words;
		struct usdt_place is;
	} known[] = {
		{"-4@112(%rsp)", {.how = USDT_MEMORY, .base = 4, .size = 4, .value = 112}},
		{"1@%dil", {.how = USDT_REGISTER, .base = 7, .size = 1}},
		{"1@$1", {.how = USDT_CONSTANT, .size = 1, .value = 1}},
		{"8@%r14 8@%rax", {.how = USDT_REGISTER, .base = 14, .size = 8}},
		{"-8@(%r12)", {.how = USDT_MEMORY, .base = 12, .size = 8}},
		{"2@$-3", {.how = USDT_CONSTANT, .size = 2, .value = -3}},
		{"4@-0x10(%rbp) 1@%al", {.how = USDT_MEMORY, .base = 5, .size = 4, .value = -16}},
	};
	static const char *const unknown[] = {
		"",
		"@",
		"4",
		"4@",
		"4@%",
		"4@%rip",
		"4@%xmm0",
		"3@%eax",
		"16@%rax",
		"-9@%rax",
		"4@8(%eax)",
		"4@8(%rax",
		"4@8(%rax,%rbx,4)",
		"4@x(%rip)",
		"4@%eaxx",
		"4@$",
		"4@$1x",
		"4@4294967296(%rsp)",
		"4@99999999999999999999(%rsp)",
	};
	struct usdt_place p = {};

	(void)state;
	for (size_t i = 0; i < COUNT(known); i++) {
		usdt_argument(known[i].words, &p);
		assert_memory_equal(&p, &known[i].is, sizeof(p));
	}
	for (size_t i = 0; i < COUNT(unknown); i++) {
		p.how = USDT_CONSTANT;
		usdt_argument(unknown[i], &p);
		assert_int_equal(p.how, USDT_UNKNOWN);
		assert_int_equal(p.size, 0);
	}
}

/* The program with each byte of its notes changed in turn: no place is ever outside of code, and
 * no semaphore within it. */
static void changed_notes_name_no_place_outside_of_code(void **state)
{
	int fd = open(PROGRAM, O_RDONLY | O_CLOEXEC), copy = memfd_create("usdt", MFD_CLOEXEC);
	struct usdt_places places;
	struct elf_file *elf;
	Elf64_Shdr notes;
	struct stat st;
	uint8_t *bytes;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(ftruncate(copy, st.st_size), 0);
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, copy, 0);
	assert_ptr_not_equal(bytes, MAP_FAILED);
	assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
	assert_int_equal(elf_open(&elf, copy), 0);
	assert_true(
		elf_section_by_name(&elf->image, &elf->head, ".note.stapsdt", SHT_NOTE, &notes));
	for (uint64_t i = 0; i < notes.sh_size; i++) {
		static const uint8_t changes[] = {0x01, 0x80, 0xff};
		uint8_t *at = bytes + notes.sh_offset + i;

		for (size_t k = 0; k < COUNT(changes); k++) {
			uint64_t start, size;

			*at ^= changes[k];
			elf_deepen(elf);
			if (!usdt_find(elf, "demo", "ready", &places))
				assert_int_equal(
					elf_segment(elf, places.all[0].offset, &start, &size), 0);
			*at ^= changes[k];
		}
	}
	elf_close(elf);
	munmap(bytes, (size_t)st.st_size);
	close(copy);
	close(fd);
}

static void more_notes_than_any_library_has_are_not_read(void **state)
{
	int fd = open(PROGRAM, O_RDONLY | O_CLOEXEC), copy = memfd_create("usdt", MFD_CLOEXEC);
	struct usdt_places none;
	struct elf_file *elf;
	Elf64_Shdr notes;
	char block[4096];
	ssize_t n;

	(void)state;
	while ((n = read(fd, block, sizeof(block))) > 0)
		assert_int_equal(write(copy, block, (size_t)n), n);
	assert_int_equal(elf_open(&elf, copy), 0);
	assert_true(
		elf_section_by_name(&elf->image, &elf->head, ".note.stapsdt", SHT_NOTE, &notes));
	for (unsigned int i = 0; i < elf->head.e_shnum; i++) {
		uint64_t at = elf->head.e_shoff + i * sizeof(notes);
		Elf64_Shdr section;

		assert_int_equal(pread(copy, &section, sizeof(section), (off_t)at),
				 sizeof(section));
		if (section.sh_offset != notes.sh_offset)
			continue;
		section.sh_size = 100U << 20; /* a million notes */
		assert_int_equal(pwrite(copy, &section, sizeof(section), (off_t)at),
				 sizeof(section));
	}
	elf_close(elf);
	assert_int_equal(ftruncate(copy, 200 << 20), 0);
	assert_int_equal(find_probe_in(copy, "demo", "ready", &none), -E2BIG);
	close(copy);
	close(fd);
}

static void a_worker_that_lies_is_not_believed(void **state)
{
	int fd = open(PROGRAM, O_RDONLY | O_CLOEXEC);
	struct usdt_places honest, told;
	struct usdt_wish wish = {"demo", "ready"};
	struct elf_file *elf;

	(void)state;
	assert_int_equal(elf_open(&elf, fd), 0);
	assert_int_equal(usdt_find(elf, "demo", "ready", &honest), 0);
#define IS_BELIEVED() usdt_question.check(elf, &wish, &told)
#define LIE(what, lie)                       \
	do {                                 \
		told = honest;               \
		told.what = (lie);           \
		assert_false(IS_BELIEVED()); \
	} while (0)
	told = honest;
	assert_true(IS_BELIEVED());
	LIE(count, 0);
	LIE(count, USDT_PLACES_MOST + 1);
	LIE(count, UINT32_MAX);
	LIE(all[0].offset, 0);
	LIE(all[0].offset, UINT64_MAX);
	LIE(all[0].offset, honest.all[0].semaphore);
	LIE(all[0].semaphore, honest.all[0].offset & ~1ULL);
	LIE(all[0].semaphore, honest.all[0].semaphore + 1);
	LIE(all[0].semaphore, UINT64_MAX - 1);
	LIE(all[0].how, USDT_MEMORY + 1);
	LIE(all[0].base, USDT_REGISTERS);
	LIE(all[0].size, 3);
	LIE(all[0].size, 0);
	told = honest;
	told.count = 2;
	told.all[1] = told.all[0];
	assert_false(IS_BELIEVED());
	told = honest;
	told.all[0].how = USDT_MEMORY;
	told.all[0].value = INT64_MIN;
	assert_false(IS_BELIEVED());
	elf_close(elf);
	close(fd);
}

#ifdef HAS_BCC
struct bcc_seen {
	const char *provider, *name;
	size_t count;
	uint64_t address[USDT_PLACES_MOST], semaphore[USDT_PLACES_MOST];
	char arguments[USDT_PLACES_MOST][64];
};

static void note_of_bcc(const char *path, const struct bcc_elf_usdt *probe, void *context)
{
	struct bcc_seen *seen = context;

	(void)path;
	if (strcmp(probe->provider, seen->provider) || strcmp(probe->name, seen->name) ||
	    seen->count == USDT_PLACES_MOST)
		return;
	seen->address[seen->count] = probe->pc;
	seen->semaphore[seen->count] = probe->semaphore_offset;
	snprintf(seen->arguments[seen->count++], 64, "%s", probe->arg_fmt ? probe->arg_fmt : "");
}

static void compare_with_bcc(const char *path, const char *provider, const char *name)
{
	struct bcc_seen seen = {.provider = provider, .name = name};
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	struct usdt_places own;
	struct elf_file *elf;

	assert_true(fd >= 0);
	assert_int_equal(bcc_elf_foreach_usdt(path, note_of_bcc, &seen), 0);
	assert_int_equal(elf_open(&elf, fd), 0);
	err = usdt_find(elf, provider, name, &own);
	assert_int_equal(err, seen.count ? 0 : -ENOENT);
	assert_int_equal(own.count, seen.count);
	for (size_t i = 0; i < seen.count; i++) {
		struct usdt_place argument = {};

		usdt_argument(seen.arguments[i], &argument);
		assert_int_equal(elf_code_address(elf, own.all[i].offset), seen.address[i]);
		assert_int_equal(own.all[i].semaphore, seen.semaphore[i]);
		assert_int_equal(own.all[i].how, argument.how);
		assert_int_equal(own.all[i].base, argument.base);
	}
	elf_close(elf);
	close(fd);
}

static void bcc_finds_the_same(void **state)
{
	static const char *const patterns[] = {
		PROGRAM,
		"/usr/bin/python3.[0-9]*[0-9]",
		"/usr/bin/php[0-9]*",
		"/usr/lib/jvm/*/lib/server/libjvm.so",
	};
	glob_t found = {};

	(void)state;
	for (size_t i = 0; i < COUNT(patterns); i++)
		glob(patterns[i], i ? GLOB_APPEND : 0, NULL, &found);
	assert_true(found.gl_pathc > 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		compare_with_bcc(found.gl_pathv[i], "demo", "ready");
		compare_with_bcc(found.gl_pathv[i], "python", "gc__start");
		compare_with_bcc(found.gl_pathv[i], "hotspot", "gc__begin");
		compare_with_bcc(found.gl_pathv[i], "php", "gc__start");
	}
	globfree(&found);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_probe_is_found_with_its_semaphore_and_argument),
		cmocka_unit_test(a_lie_is_no_probe),
		cmocka_unit_test(arguments_are_read_in_the_ways_that_compilers_write_them),
		cmocka_unit_test(changed_notes_name_no_place_outside_of_code),
		cmocka_unit_test(more_notes_than_any_library_has_are_not_read),
		cmocka_unit_test(a_worker_that_lies_is_not_believed),
#ifdef HAS_BCC
		cmocka_unit_test(bcc_finds_the_same),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
