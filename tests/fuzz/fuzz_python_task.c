/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_python_task.c - any bytes as the memory of a Python process whose tasks are read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/stack/python_task.h"

#define BASE 65536 /* the lowest address that an object can have */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct python_row row = {
	.at_mask = PYTHON_ADDRESS,
	.interpreter_next = 8,
	.frame_bytes = 80,
	.frame_back = 48,
	.frame_code = 32,
	.frame_at = 56,
	.frame_owner = 69,
	.owner_mask = 0xff,
	.strangers = 1 << 3,
	.identity = 120,
};
static const struct python_code_layout code = {.name = 120, .lines = 136, .ascii = 48};

static struct {
	const uint8_t *bytes;
	size_t size;
} fuzzed;

static ssize_t read_bytes(const struct memory *m, uint64_t address, void *to, size_t size)
{
	uint64_t at = address - BASE;

	(void)m;
	if (at >= fuzzed.size)
		return -EFAULT;
	size = size < fuzzed.size - at ? size : fuzzed.size - at;
	memcpy(to, fuzzed.bytes + at, size);
	return (ssize_t)size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct python_tasks tasks;
	struct python_task_layout layout = {.modules = 16,
					    .frame = 80,
					    .state = 75,
					    .stack_top = 64,
					    .locals = 72,
					    .coroutine = 136,
					    .awaits = -1,
					    .yields = -1};
	struct python_tasks_at at = {.runtime = BASE};
	struct memory m = {.read = read_bytes};

	if (size < 2)
		return 0;
	layout.attributes = 1 + data[0] % 3;
	layout.yields = data[0] & 4 ? -1 : -2;
	at.set = data[0] & 8 ? BASE + 8 * data[1] : 0;
	fuzzed.bytes = data + 2;
	fuzzed.size = size - 2;
	python_tasks_read(&tasks, &m, &row, &code, &layout, &at);
	if (tasks.count > PYTHON_TASKS_MOST)
		abort();
	for (size_t i = 0; i < tasks.count; i++)
		if (!tasks.task[i].count || tasks.task[i].count > STACK_FRAMES)
			abort();
	return 0;
}
