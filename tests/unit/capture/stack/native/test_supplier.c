/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What a worker gets that asks, and what one does not get that has fallen to a file.
 */
#include "user/capture/stack/native/supplier.h"
#include "user/capture/stack/native/supplier_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct supplier *supplier;
static uint32_t pid;
static uint64_t start_ns;
static char map_path[64];

static int open_all(void **state)
{
	int dir = open("/proc/self", O_PATH | O_DIRECTORY);

	(void)state;
	pid = (uint32_t)getpid();
	start_ns = supplier_start_of(dir);
	close(dir);
	snprintf(map_path, sizeof(map_path), "/tmp/perf-%u.map", pid);
	return supplier_open(&supplier);
}

static int close_all(void **state)
{
	(void)state;
	unlink(map_path);
	supplier_close(supplier);
	return 0;
}

static int give_it(struct supply_request *r)
{
	r->pid = pid;
	r->start_ns = start_ns;
	if (supplier->fd >= 0)
		close(supplier->fd);
	supplier->fd = -1;
	supplier->size = 0;
	supplier->out.reply = (struct supply_reply){.error = 0};
	return supplier_give(supplier, r);
}

static void processes_that_were_not_named_are_none_of_its_business(void **state)
{
	struct supply_request r = {.kind = SUPPLY_MAPS};

	(void)state;
	assert_int_equal(give_it(&r), -EPERM);
	supplier_name(supplier, pid, start_ns + 1);
	assert_int_equal(give_it(&r), -EPERM);
	supplier_name(supplier, pid, start_ns);
	assert_int_equal(give_it(&r), 0);
	supplier_forget(supplier);
	assert_int_equal(give_it(&r), -EPERM);
	supplier_name(supplier, pid, start_ns);
}

/* Ours: the program, the C library, the kernel's. */
static void maps_are_told_of_code_alone(void **state)
{
	struct supply_request r = {.kind = SUPPLY_MAPS};
	const struct supply_mapping *m;
	bool found = false;

	(void)state;
	assert_int_equal(give_it(&r), 0);
	for (size_t at = 0; at < supplier->size; at += (sizeof(*m) + m->path_size + 7) & ~7UL) {
		m = (const void *)(supplier->out.reply.bytes + at);
		assert_true(m->start < m->end);
		if ((uint64_t)give_it >= m->start && (uint64_t)give_it < m->end)
			found = m->kind == MAPPING_FILE && strstr(m->path, "test_supplier");
		assert_false((uint64_t)&supplier >= m->start && (uint64_t)&supplier < m->end);
	}
	assert_true(found);
}

static uint32_t index_of(uint64_t address)
{
	for (uint32_t i = 0; i < supplier->count; i++)
		if (address - supplier->lines[i].start <
		    supplier->lines[i].end - supplier->lines[i].start)
			return i;
	fail();
	return 0;
}

static void a_mapped_file_comes_as_the_file_itself(void **state)
{
	struct supply_request r = {.kind = SUPPLY_MAPS};
	const struct supply_file *file = (const void *)supplier->out.reply.bytes;
	struct stat st, there;

	(void)state;
	assert_int_equal(give_it(&r), 0);
	assert_int_equal(stat("/proc/self/exe", &st), 0);
	r.kind = SUPPLY_FILES;
	r.count = 1;
	r.index[0] = index_of((uint64_t)give_it);
	assert_int_equal(give_it(&r), 0);
	assert_int_equal(file->inode, st.st_ino);
	assert_int_equal(file->device, st.st_dev);
	r.kind = SUPPLY_FILE;
	assert_false(supplier_gave(supplier, st.st_dev, st.st_ino));
	assert_int_equal(give_it(&r), 0);
	assert_true(supplier_gave(supplier, st.st_dev, st.st_ino));
	assert_false(supplier_gave(supplier, st.st_dev, st.st_ino + 1));
	assert_int_equal(fstat(supplier->fd, &there), 0);
	assert_int_equal(there.st_ino, st.st_ino);
	assert_int_equal(fcntl(supplier->fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	supplier_forget(supplier);
	assert_false(supplier_gave(supplier, st.st_dev, st.st_ino));
	supplier_name(supplier, pid, start_ns);
}

static void an_index_of_nothing_gives_nothing(void **state)
{
	struct supply_request r = {.kind = SUPPLY_MAPS};

	(void)state;
	assert_int_equal(give_it(&r), 0);
	r.kind = SUPPLY_FILE;
	r.count = 1;
	r.index[0] = (uint32_t)supplier->count;
	assert_int_equal(give_it(&r), -ESTALE);
	r.index[0] = UINT32_MAX;
	assert_int_equal(give_it(&r), -ESTALE);
	r.kind = 77;
	assert_int_equal(give_it(&r), -EPROTO);
}

static void requests_that_make_no_sense_end_the_worker(void **state)
{
	struct supply_request r = {.kind = SUPPLY_FILES, .count = SUPPLY_INDEXES_MAX + 1};

	(void)state;
	assert_int_equal(supplier_answer(supplier, &r, -1), -EPROTO);
	r.count = 0;
	r.id_size = SUPPLY_ID_MAX + 1;
	assert_int_equal(supplier_answer(supplier, &r, -1), -EPROTO);
	r.id_size = 0;
	memset(r.link, 'a', sizeof(r.link));
	assert_int_equal(supplier_answer(supplier, &r, -1), -EPROTO);
}

/* All of them name a file that is there: of this program's folder, and of the host. */
static void only_debug_files_are_opened_beside_a_program(void **state)
{
	static const char *const links[] = {
		"test_supplier", "../../../etc/hostname", "/etc/hostname", ".debug", "", ".."};
	static const char *const alternates[] = {"/etc/hostname",
						 "/usr/lib/debug/../../../etc/hostname",
						 "/usr/lib/debugfs", "etc/hostname"};
	struct supply_request r = {.kind = SUPPLY_MAPS};

	(void)state;
	assert_int_equal(give_it(&r), 0);
	r.kind = SUPPLY_DEBUG;
	r.start = supplier->lines[index_of((uint64_t)give_it)].start;
	r.end = supplier->lines[index_of((uint64_t)give_it)].end;
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		strcpy(r.link, links[i]);
		assert_int_equal(give_it(&r), -ENOENT);
	}
	*r.link = '\0';
	for (size_t i = 0; i < sizeof(alternates) / sizeof(*alternates); i++) {
		strcpy(r.alternate, alternates[i]);
		assert_int_equal(give_it(&r), -ENOENT);
	}
	r.candidate = UINT32_MAX;
	assert_int_equal(give_it(&r), -ENOENT);
}

static void a_debug_file_beside_a_program_is_found_once(void **state)
{
	struct supply_request r = {.kind = SUPPLY_MAPS};
	char path[PATH_MAX], *slash;
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 64);
	FILE *file;

	(void)state;
	assert_true(length > 0);
	path[length] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash, "/test_supplier.debug");
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(give_it(&r), 0);
	r.kind = SUPPLY_DEBUG;
	r.start = supplier->lines[index_of((uint64_t)give_it)].start;
	r.end = supplier->lines[index_of((uint64_t)give_it)].end;
	strcpy(r.link, "test_supplier.debug");
	assert_int_equal(give_it(&r), 0);
	r.candidate = supplier->out.reply.more;
	assert_int_equal(give_it(&r), 0); /* by the process's root, too */
	r.candidate = supplier->out.reply.more;
	assert_int_equal(give_it(&r), -ENOENT);
	unlink(path);
}

static void perf_maps_are_plain_files_of_their_owner(void **state)
{
	struct supply_request r = {.kind = SUPPLY_JIT};

	(void)state;
	assert_int_equal(give_it(&r), -ENOENT);
	assert_int_equal(mkfifo(map_path, 0600), 0);
	assert_int_equal(give_it(&r), -EINVAL);
	unlink(map_path);
	assert_int_equal(symlink("/etc/hostname", map_path), 0);
	assert_int_equal(give_it(&r), -ELOOP);
	unlink(map_path);
	close(open(map_path, O_CREAT | O_WRONLY, 0644));
	assert_int_equal(give_it(&r), 0);
	assert_true(supplier->fd >= 0);
	if (!geteuid() && !chown(map_path, 12345, 12345))
		assert_int_equal(give_it(&r), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_that_were_not_named_are_none_of_its_business),
		cmocka_unit_test(maps_are_told_of_code_alone),
		cmocka_unit_test(a_mapped_file_comes_as_the_file_itself),
		cmocka_unit_test(an_index_of_nothing_gives_nothing),
		cmocka_unit_test(requests_that_make_no_sense_end_the_worker),
		cmocka_unit_test(only_debug_files_are_opened_beside_a_program),
		cmocka_unit_test(a_debug_file_beside_a_program_is_found_once),
		cmocka_unit_test(perf_maps_are_plain_files_of_their_owner),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
