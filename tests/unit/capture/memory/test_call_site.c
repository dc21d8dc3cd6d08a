/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Which instructions are calls of the allocator: in code written out here, and in installed
 * libraries, where each must be what it is said to be.
 */
#include "user/capture/memory/call_site.h"
#include "user/capture/memory/call_site_state.h"
#include "user/capture/elf/elf.h"
#include "user/capture/elf/elf_question.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LIBRARIES "/usr/lib/x86_64-linux-gnu/"
#define HERE	  0x5000ULL
#define STUB	  0x1000ULL /* of malloc */

static struct call_finder finder;
static struct call_sites found;

/* What has been seen at an address. */
static void target(uint64_t address, uint32_t function)
{
	size_t slot = (address >> 2) % TARGETS;

	finder.targets[slot].address = address;
	finder.targets[slot].function = function;
}

static int begin(void **state)
{
	(void)state;
	memset(&finder, 0, sizeof(finder));
	memset(&found, 0, sizeof(found));
	finder.out = &found;
	finder.calls[1] = 0x9000;
	finder.pointers[0] = 0x9008;
	ZydisDecoderInit(&finder.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	return 0;
}

static void far(uint8_t *code, uint64_t from, uint64_t to)
{
	int32_t away = (int32_t)(to - (from + 4));

	memcpy(code, &away, 4);
}

static void a_stub_is_known_by_its_slot(void **state)
{
	uint8_t code[STUB_BYTES] = {0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25};

	(void)state;
	far(code + 7, STUB + 7, 0x9000);
	assert_int_equal(call_site_of_stub(&finder, code, sizeof(code), STUB), LIBRARY_MALLOC);
	assert_int_equal(call_site_of_stub(&finder, code + 4, 8, STUB + 4), LIBRARY_MALLOC);
	assert_int_equal(call_site_of_stub(&finder, code + 5, 6, STUB + 5), LIBRARY_MALLOC);
	assert_int_equal(call_site_of_stub(&finder, code + 5, 5, STUB + 5), 0);
	assert_int_equal(call_site_of_stub(&finder, code, sizeof(code), STUB + 1), 0);
	far(code + 7, STUB + 7, 0x9008);
	assert_int_equal(call_site_of_stub(&finder, code, sizeof(code), STUB), LIBRARY_FREE);
	code[6] = 0x15;
	assert_int_equal(call_site_of_stub(&finder, code, sizeof(code), STUB), 0);
}

/* push %rbx; call STUB; mov $0xe8,%eax (whose operand looks like a call); jmp STUB */
static size_t function(uint8_t code[64])
{
	static const uint8_t bytes[] = {0x53, 0xe8, 0, 0, 0, 0, 0xb8, 0xe8, 0, 0, 0, 0xe9};

	memcpy(code, bytes, sizeof(bytes));
	far(code + 2, HERE + 2, STUB);
	far(code + 12, HERE + 12, STUB);
	return 16;
}

static void calls_and_jumps_to_a_stub_are_found(void **state)
{
	struct call_site sites[SITES_EACH];
	uint8_t code[64];
	size_t hidden, n = function(code);

	(void)state;
	target(STUB, LIBRARY_MALLOC);
	assert_int_equal(call_sites_in(&finder, code, n, HERE, sites, &hidden), 2);
	assert_int_equal(sites[0].offset, 1);
	assert_int_equal(sites[0].function, LIBRARY_MALLOC);
	assert_int_equal(sites[1].offset, 11);
	assert_int_equal(hidden, 0);
	target(STUB, 0);
	assert_int_equal(call_sites_in(&finder, code, n, HERE, sites, &hidden), 0);
}

static void a_function_that_cannot_be_decoded_has_none(void **state)
{
	struct call_site sites[SITES_EACH];
	uint8_t code[64];
	size_t hidden, n = function(code);

	(void)state;
	target(STUB, LIBRARY_MALLOC);
	code[n] = 0x06; /* no instruction of 64 bits */
	assert_int_equal(call_sites_in(&finder, code, n + 1, HERE, sites, &hidden), -1);
	assert_int_equal(call_sites_in(&finder, code, n - 1, HERE, sites, &hidden),
			 -1); /* cut off */
}

static void calls_through_pointers_are_counted_only(void **state)
{
	uint8_t code[64] = {0xff, 0x15, 0, 0, 0, 0, 0xff, 0x15, 0, 0, 0, 0, 0xc3};
	struct call_site sites[SITES_EACH];
	size_t hidden;

	(void)state;
	far(code + 2, HERE + 2, 0x9008);
	far(code + 8, HERE + 8, 0x9010); /* another's */
	assert_int_equal(call_sites_in(&finder, code, 13, HERE, sites, &hidden), 0);
	assert_int_equal(hidden, 1);
}

static int find_in(const char *name)
{
	int fd = open(name, O_RDONLY), err = -ENOENT;
	struct elf_file *e;

	if (fd >= 0 && !elf_open(&e, fd)) {
		err = call_sites_find(e, &found);
		elf_close(e);
	}
	close(fd);
	return err;
}

/* Each site is a direct call or jump, to a stub. */
static void check_sites(const char *name)
{
	int fd = open(name, O_RDONLY);
	uint8_t code[5];

	for (size_t i = 0; i < found.count; i++) {
		assert_int_equal(pread(fd, code, 5, (off_t)found.all[i].offset), 5);
		assert_true(call_site_is_direct(code, 5));
		assert_true(found.all[i].function >= LIBRARY_FREE &&
			    found.all[i].function <= LIBRARY_STRNDUP);
		assert_true(!i || found.all[i].offset > found.all[i - 1].offset);
	}
	close(fd);
}

static void installed_libraries_have_theirs(void **state)
{
	static const struct {
		const char *name;
		size_t least;
	} libraries[] = {
		{LIBRARIES "libpq.so.5", 200},
		{LIBRARIES "libmariadb.so.3", 200},
		{LIBRARIES "libsqlite3.so.0", 3},
		{LIBRARIES "libhiredis.so.0.14", 40},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		if (access(libraries[i].name, R_OK))
			continue;
		assert_int_equal(find_in(libraries[i].name), 0);
		assert_true(found.count >= libraries[i].least && found.slot);
		assert_int_equal(found.skipped, 0);
		check_sites(libraries[i].name);
	}
}

static void what_calls_none_is_refused(void **state)
{
	(void)state;
	if (!access(LIBRARIES "libssl.so.3", R_OK))
		assert_int_equal(find_in(LIBRARIES "libssl.so.3"), -ENOENT);
}

/* What a worker says is believed only where it can be true. */
static void calls_that_cannot_be_are_not_believed(void **state)
{
	static struct sites_answer answer;
	struct call_sites *sites = &answer.sites;
	int fd = open("/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY);
	uint64_t code, address, start, size;
	struct elf_file *e;

	(void)state;
	assert_int_equal(elf_open(&e, fd), 0);
	assert_int_equal(elf_code(e, &code, &address), 0);
	assert_int_equal(elf_segment(e, code, &start, &size), 0);
#define BELIEVED() call_sites_question.check(e, "", &answer)
	assert_false(BELIEVED()); /* no site, and no reason */
	answer.err = -ENOENT;
	assert_true(BELIEVED());
	sites->count = 1;
	assert_false(BELIEVED());
	answer.err = -EPERM; /* no reason either */
	sites->count = 0;
	assert_false(BELIEVED());
	answer.err = 0;
	sites->count = 2;
	sites->all[0] = (struct call_site){start, LIBRARY_FREE};
	sites->all[1] = (struct call_site){start + size - 5, LIBRARY_STRNDUP};
	assert_true(BELIEVED());
	sites->all[1].offset++; /* its end is outside */
	assert_false(BELIEVED());
	sites->all[1].offset = UINT64_MAX;
	assert_false(BELIEVED());
	sites->all[1].offset = start + 4; /* overlaps */
	assert_false(BELIEVED());
	sites->all[1].offset = start + 5;
	assert_true(BELIEVED());
	sites->all[0].offset = start + 10; /* not sorted */
	assert_false(BELIEVED());
	sites->all[0].offset = start - 1;
	assert_false(BELIEVED());
	sites->all[0].offset = start;
	sites->all[0].function = 0;
	assert_false(BELIEVED());
	sites->all[0].function = LIBRARY_STRNDUP + 1;
	assert_false(BELIEVED());
	sites->all[0].function = LIBRARY_FREE;
	sites->count = CALL_SITES_MOST + 1;
	assert_false(BELIEVED());
	sites->count = 2;
	sites->hidden = SIZE_MAX;
	assert_false(BELIEVED());
	sites->hidden = 0;
	assert_true(BELIEVED());
	elf_close(e);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_stub_is_known_by_its_slot, begin),
		cmocka_unit_test_setup(calls_and_jumps_to_a_stub_are_found, begin),
		cmocka_unit_test_setup(a_function_that_cannot_be_decoded_has_none, begin),
		cmocka_unit_test_setup(calls_through_pointers_are_counted_only, begin),
		cmocka_unit_test(installed_libraries_have_theirs),
		cmocka_unit_test(what_calls_none_is_refused),
		cmocka_unit_test(calls_that_cannot_be_are_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
