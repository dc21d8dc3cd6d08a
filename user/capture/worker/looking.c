/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * looking.c - see looking.h.
 *
 * A sequence lock without a mutex, because the writer may hang and never unlock.  The count is odd
 * while the writer writes.
 */
#include "user/capture/worker/looking.h"

#include <stdatomic.h>
#include <string.h>

static struct {
	atomic_uint_fast64_t moves;
	uint32_t pid;
	char what[LOOKING_TEXT];
} now;

static void write_down(uint32_t pid, const char *what)
{
	uint64_t moves = atomic_load_explicit(&now.moves, memory_order_relaxed);
	size_t length = strnlen(what, LOOKING_TEXT - 1);

	atomic_store_explicit(&now.moves, moves + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	now.pid = pid;
	memcpy(now.what, what, length);
	now.what[length] = '\0';
	atomic_store_explicit(&now.moves, moves + 2, memory_order_release);
}

void looking_at(uint32_t pid, const char *what)
{
	write_down(pid, what);
}

void looking_over(void)
{
	write_down(0, "");
}

bool looking_read(struct looking *l)
{
	l->moves = atomic_load_explicit(&now.moves, memory_order_acquire);
	l->pid = now.pid;
	memcpy(l->what, now.what, sizeof(l->what));
	l->what[LOOKING_TEXT - 1] = '\0';
	atomic_thread_fence(memory_order_acquire);
	return !(l->moves & 1) &&
	       atomic_load_explicit(&now.moves, memory_order_relaxed) == l->moves;
}
