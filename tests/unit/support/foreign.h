/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * foreign.h - memory of a process that is not there: pieces, each at an address of its own.
 */
#ifndef FOREIGN_H
#define FOREIGN_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/host/memory.h"

struct foreign_piece {
	uint64_t address;
	size_t size;
	const void *bytes;
};

struct foreign {
	size_t count;
	struct foreign_piece piece[64];
};

static inline ssize_t foreign_read(const struct memory *m, uint64_t address, void *to, size_t size)
{
	const struct foreign *f = m->context;

	for (size_t i = 0; i < f->count; i++) {
		const struct foreign_piece *p = &f->piece[i];
		uint64_t skip = address - p->address;

		if (address < p->address || skip >= p->size)
			continue;
		if (size > p->size - skip)
			size = p->size - skip;
		memcpy(to, (const char *)p->bytes + skip, size);
		return (ssize_t)size;
	}
	return -EFAULT;
}

/* The bytes stay the caller's. */
static inline void foreign_put(struct foreign *f, uint64_t address, const void *bytes, size_t size)
{
	if (f->count == sizeof(f->piece) / sizeof(f->piece[0]))
		abort();
	f->piece[f->count++] = (struct foreign_piece){address, size, bytes};
}

static inline struct memory foreign_memory(const struct foreign *f)
{
	return (struct memory){.read = foreign_read, .context = f, .pid = 4711};
}

#endif
