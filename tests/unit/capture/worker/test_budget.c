/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Files made to take for ever: each look at them ends in its budget, and says that it gave up.
 */
#include "user/capture/elf/elf.h"
#include "user/capture/elf/elf_state.h"
#include "user/capture/host/memory.h"
#include "user/capture/stack/php.h"
#include "user/capture/stack/php_state.h"
#include "user/capture/worker/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "user/system/clock.h"

#define SPARSE (1UL << 62)
#define LOOK_S 0.5 /* a budget, on a busy machine and under the sanitizers */

enum { DYNAMIC_AT = 0x200, SYMBOLS_AT = 0x400, STRINGS_AT = 0x600, HASH_AT = 0x800, HEAD = 0x2000 };

static const char strings[] = "\0executor_globals\0module_registry";

/* Two variables that PHP exports, through a hash table or, with strings_size, without. */
static int make(uint64_t size, uint64_t segment, uint64_t strings_at, uint64_t strings_size)
{
	static uint8_t head[HEAD];
	const Elf64_Sym symbols[] = {
		{0},
		{.st_name = 1,
		 .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT),
		 .st_shndx = 5,
		 .st_value = 0x1000,
		 .st_size = 8},
		{.st_name = 18,
		 .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT),
		 .st_shndx = 5,
		 .st_value = 0x1000,
		 .st_size = 8},
	};
	const uint32_t hash[] = {1, 3, 1, 0, 2, 0};
	const Elf64_Dyn dynamic[] = {{DT_STRTAB, {strings_at}},
				     {DT_SYMTAB, {SYMBOLS_AT}},
				     {DT_STRSZ, {strings_size}},
				     {strings_at == STRINGS_AT ? DT_HASH : DT_NULL, {HASH_AT}},
				     {DT_NULL, {0}}};
	const Elf64_Phdr phdrs[] = {{.p_type = PT_LOAD,
				     .p_flags = PF_R | PF_X,
				     .p_filesz = segment,
				     .p_memsz = segment},
				    {.p_type = PT_DYNAMIC,
				     .p_flags = PF_R,
				     .p_offset = DYNAMIC_AT,
				     .p_vaddr = DYNAMIC_AT,
				     .p_filesz = sizeof(dynamic)}};
	Elf64_Ehdr e = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			.e_type = ET_DYN,
			.e_machine = EM_X86_64,
			.e_phoff = sizeof(e),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2};
	int fd = memfd_create("zoo", 0);

	memset(head, 0, sizeof(head));
	memcpy(head, &e, sizeof(e));
	memcpy(head + sizeof(e), phdrs, sizeof(phdrs));
	memcpy(head + DYNAMIC_AT, dynamic, sizeof(dynamic));
	memcpy(head + SYMBOLS_AT, symbols, sizeof(symbols));
	memcpy(head + STRINGS_AT, strings, sizeof(strings));
	memcpy(head + HASH_AT, hash, sizeof(hash));
	assert_int_equal(write(fd, head, sizeof(head)), sizeof(head));
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static double seconds(void)
{
	return (double)clock_ns(CLOCK_THREAD_CPUTIME_ID) / 1e9;
}

static struct elf_file *opened(int fd)
{
	struct elf_file *e;

	assert_int_equal(elf_open(&e, fd), 0);
	return e;
}

static void a_sparse_php_is_read_no_further_than_constants_are(void **state)
{
	int fd = make(SPARSE, SPARSE, STRINGS_AT, sizeof(strings));
	struct elf_file *e = opened(fd);
	struct runtime_process found;
	double start = seconds();
	const char *why = NULL;

	(void)state;
	assert_int_equal(php_probe(e, &found, &why), -ENOTSUP);
	assert_true(seconds() - start < LOOK_S);
	elf_close(e);
	close(fd);
}

static void names_without_a_hash_are_given_up(void **state)
{
	static const char *const names[] = {"PQfinish", "PQclear"};
	int fd = make(1UL << 30, 1UL << 30, 0x10000, TABLE_MAX);
	struct elf_file *e = opened(fd);
	struct elf_symbol found[2];
	double start = seconds();

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_true(elf_find(e, names, 2, false, found) <= 0);
	assert_true(elf_given_up(e));
	assert_true(seconds() - start < LOOK_S);
	elf_close(e);
	close(fd);
}

/* As many as can be, each of which might be the one. */
static void sections_without_end_are_given_up(void **state)
{
	int fd = make(1UL << 30, HEAD, STRINGS_AT, sizeof(strings));
	const char *const name = "PQfinish";
	const Elf64_Shdr first = {.sh_size = 1U << 31};
	const Elf64_Off at = 0x10000;
	const Elf64_Half bytes = sizeof(first);
	struct elf_symbol found;
	struct elf_file *e;
	double start;

	(void)state;
	assert_int_equal(pwrite(fd, &at, sizeof(at), offsetof(Elf64_Ehdr, e_shoff)), sizeof(at));
	assert_int_equal(pwrite(fd, &bytes, 2, offsetof(Elf64_Ehdr, e_shentsize)), 2);
	assert_int_equal(pwrite(fd, &first, sizeof(first), (off_t)at), sizeof(first));
	e = opened(fd);
	start = seconds();
	for (int i = 0; i < 20; i++)
		assert_int_equal(elf_find(e, &name, 1, true, &found), 0);
	assert_true(elf_given_up(e));
	assert_true(seconds() - start < LOOK_S);
	elf_close(e);
	close(fd);
}

static size_t pack_zeros(uint8_t *out, size_t room)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	static uint8_t zeros[1 << 20];
	lzma_ret ret = LZMA_OK;

	assert_int_equal(lzma_easy_encoder(&stream, 1, LZMA_CHECK_CRC32), LZMA_OK);
	stream.next_out = out;
	stream.avail_out = room;
	for (int i = 0; i < 128; i++) {
		stream.next_in = zeros;
		stream.avail_in = sizeof(zeros);
		while (stream.avail_in && ret == LZMA_OK)
			ret = lzma_code(&stream, LZMA_RUN);
	}
	while (ret == LZMA_OK)
		ret = lzma_code(&stream, LZMA_FINISH);
	assert_int_equal(ret, LZMA_STREAM_END);
	lzma_end(&stream);
	return stream.total_out;
}

/* Memory is measured here, and the sanitizer would keep 256 MB of what was freed. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "quarantine_size_mb=16";
}

static void a_bomb_is_given_up_in_bounded_memory(void **state)
{
	static uint8_t packed[1 << 20];
	static const char names[] = "\0.gnu_debugdata";
	int fd = make(4UL << 20, HEAD, STRINGS_AT, sizeof(strings));
	const size_t size = pack_zeros(packed, sizeof(packed));
	const char *const name = "PQfinish";
	const Elf64_Shdr sections[] = {
		{0},
		{.sh_type = SHT_STRTAB, .sh_offset = 0x1800, .sh_size = sizeof(names)},
		{.sh_name = 1, .sh_type = SHT_PROGBITS, .sh_offset = HEAD, .sh_size = size}};
	Elf64_Ehdr head;
	struct rusage before, after;
	struct elf_symbol found;
	struct elf_file *e;
	double start;

	(void)state;
	assert_int_equal(pread(fd, &head, sizeof(head), 0), sizeof(head));
	head.e_shoff = 0x1000;
	head.e_shentsize = sizeof(sections[0]);
	head.e_shnum = 3;
	head.e_shstrndx = 1;
	assert_int_equal(pwrite(fd, &head, sizeof(head), 0), sizeof(head));
	assert_int_equal(pwrite(fd, sections, sizeof(sections), 0x1000), sizeof(sections));
	assert_int_equal(pwrite(fd, names, sizeof(names), 0x1800), sizeof(names));
	assert_int_equal(pwrite(fd, packed, size, HEAD), (ssize_t)size);
	e = opened(fd);
	getrusage(RUSAGE_SELF, &before);
	start = seconds();
	assert_int_equal(elf_find(e, &name, 1, true, &found), 0);
	getrusage(RUSAGE_SELF, &after);
	assert_true(elf_given_up(e));
	assert_true(seconds() - start < LOOK_S);
	assert_true(after.ru_maxrss - before.ru_maxrss < 100 << 10);
	elf_close(e);
	close(fd);
}

static void a_deeper_look_has_a_budget_of_its_own(void **state)
{
	int fd = make(1UL << 30, 1UL << 30, 0x10000, TABLE_MAX);
	static const char *const names[] = {"PQfinish"};
	struct elf_file *e = opened(fd);
	struct elf_symbol found;

	(void)state;
	while (!elf_given_up(e))
		elf_find(e, names, 1, false, &found);
	elf_deepen(e);
	assert_false(elf_given_up(e));
	assert_int_equal(elf_read(e, 0, &found, sizeof(found)), sizeof(found));
	elf_close(e);
	close(fd);
}

static void bytes_and_time_are_both_kept(void **state)
{
	struct budget b;
	double start = seconds();

	(void)state;
	budget_begin(&b, 1000, 1000, 1000);
	assert_true(budget_take(&b, 1000));
	assert_false(budget_take(&b, 1));
	assert_false(budget_take(&b, 0)); /* what is given up stays so */
	budget_begin(&b, UINT64_MAX, 20, 1000);
	while (budget_take(&b, 1))
		;
	assert_true(seconds() - start < LOOK_S);
	budget_begin(&b, UINT64_MAX, 1000, 20);
	usleep(30000);
	while (budget_take(&b, 1))
		;
	assert_true(seconds() - start < LOOK_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sparse_php_is_read_no_further_than_constants_are),
		cmocka_unit_test(names_without_a_hash_are_given_up),
		cmocka_unit_test(sections_without_end_are_given_up),
		cmocka_unit_test(a_bomb_is_given_up_in_bounded_memory),
		cmocka_unit_test(a_deeper_look_has_a_budget_of_its_own),
		cmocka_unit_test(bytes_and_time_are_both_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
