/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * The removal of a process's entry from a map of one entry, while the pid changes hands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "user/capture/kernel/process_entry.c"

#define ENOTSUPP 524 /* the kernel's own */
#define PID	 7

struct value {
	uint64_t start_ns, counts;
};

static struct {
	struct value value;
	bool filled, is_old; /* a kernel before 5.14 */
	bool refilled;	     /* the kernel half makes an entry as soon as there is none */
} map;

int bpf_map_lookup_elem(int fd, const void *key, void *value)
{
	(void)fd;
	assert_int_equal(*(const uint32_t *)key, PID);
	if (!map.filled)
		return -ENOENT;
	memcpy(value, &map.value, sizeof(map.value));
	return 0;
}

int bpf_map_delete_elem(int fd, const void *key)
{
	(void)fd;
	(void)key;
	if (!map.filled)
		return -ENOENT;
	map.filled = map.refilled;
	map.value.counts = 0;
	return 0;
}

int bpf_map_lookup_and_delete_elem(int fd, const void *key, void *value)
{
	int err = map.is_old ? -ENOTSUPP : bpf_map_lookup_elem(fd, key, value);

	return err ? err : bpf_map_delete_elem(fd, key);
}

int bpf_map_update_elem(int fd, const void *key, const void *value, __u64 how)
{
	(void)fd;
	(void)key;
	assert_int_equal(how, BPF_NOEXIST);
	if (map.filled)
		return -EEXIST;
	memcpy(&map.value, value, sizeof(map.value));
	map.filled = true;
	return 0;
}

static int forget(uint64_t start_ns)
{
	struct value room;

	return process_entry_forget(3, PID, start_ns, &room);
}

static void holds(uint64_t start_ns)
{
	map.value = (struct value){start_ns, 5};
	map.filled = true;
	map.refilled = false;
}

static void an_entry_is_removed(void **state)
{
	(void)state;
	for (int old = 0; old < 2; old++) {
		map.is_old = old;
		holds(100);
		assert_int_equal(forget(100), 0);
		assert_false(map.filled);
		assert_int_equal(forget(100), -ENOENT);
	}
}

static void another_process_with_the_pid_keeps_its_entry(void **state)
{
	(void)state;
	for (int old = 0; old < 2; old++) {
		map.is_old = old;
		holds(200);
		assert_int_equal(forget(100), -ENOENT);
		assert_true(map.filled);
		assert_int_equal(map.value.start_ns, 200);
		assert_int_equal(map.value.counts, 5);
	}
}

static void an_entry_made_meanwhile_stays(void **state)
{
	(void)state;
	map.is_old = false;
	holds(200);
	map.refilled = true;
	assert_int_equal(forget(100), -ENOENT);
	assert_true(map.filled);
	assert_int_equal(map.value.counts, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_is_removed),
		cmocka_unit_test(another_process_with_the_pid_keeps_its_entry),
		cmocka_unit_test(an_entry_made_meanwhile_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
