/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * probe_exit.h - where a function ends: the instructions of its own at which a probe can read what
 * it returns, without a change of anything on the stack.
 *
 * Pure: bytes in, an answer out.
 */
#ifndef DBLEAK_CAPTURE_PROBE_EXIT_H
#define DBLEAK_CAPTURE_PROBE_EXIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_EXITS_MOST 64

/* Bytes as they are loaded at an address, at most n.  Returns how many. */
typedef size_t probe_read_fn(void *context, uint64_t address, uint8_t *bytes, size_t n);

/* A function and what surrounds it.  Addresses as its file has them. */
struct probe_function {
	probe_read_fn *read;
	/* The function whose address a slot of the linkage table holds: of the same code, or 0. May
	 * be NULL. */
	uint64_t (*linked)(void *context, uint64_t slot);
	void *context;
	uint64_t entry;
	uint64_t size;	     /* 0 not known */
	uint64_t first, end; /* the loaded code that it lies in, and never leaves */
};

struct probe_exit {
	uint64_t address;
	/* In a part that may be another function's, too: it ends calls that nobody saw begin. */
	bool shared;
};

struct probe_exits {
	size_t count;
	struct probe_exit all[PROBE_EXITS_MOST]; /* by address */
};

/* All instructions at which a call of the function ends, wherever it goes: through parts that lie
 * elsewhere, jump tables, and functions of the same code that it leaves the rest to.  The return
 * address is what the stack pointer points to at each of them.
 * 0; -EBADMSG bytes on its way are no instructions, or one lies within another; -ENOTSUP it goes on
 * where only memory or a register says; -E2BIG too long, or too many ends; -ENOENT it never ends;
 * -ENOMEM. */
int probe_exits_find(const struct probe_function *function, struct probe_exits *out);

#endif
