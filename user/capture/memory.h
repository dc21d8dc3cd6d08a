/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * memory.h - memory of another process, and texts read from it.
 *
 * What is read belongs to whoever runs that process and changes while it is read: readers check
 * every address, count and length, and take what makes no sense for "not known".
 */
#ifndef DBLEAK_CAPTURE_MEMORY_H
#define DBLEAK_CAPTURE_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct memory {
	/* Reads up to size bytes, fewer at the end of what can be read.  How many, or -errno:
	 * -ESRCH the process is gone, -EFAULT nothing is there, -EPERM. */
	ssize_t (*read)(const struct memory *m, uint64_t address, void *to, size_t size);
	const void *context; /* the reader's own */
	uint32_t pid;
};

/* Memory of a live process, read at the instant it is asked for. */
struct memory memory_of_process(uint32_t pid);

/* All of it: 0, or -errno, -EFAULT also for a part. */
int memory_read(const struct memory *m, uint64_t address, void *to, size_t size);
int memory_u64(const struct memory *m, uint64_t address, uint64_t *value);

/* Texts of the frames that are being named, one after the other. */
struct texts {
	size_t used;
	char bytes[32768];
};

/* Copies of bytes, to their first NUL, with a NUL behind; valid until `used` is set back.  NULL:
 * there is no room. */
const char *texts_add(struct texts *t, const char *bytes, size_t n);
/* A text that ends with a NUL in that memory, of at most `most` bytes.  NULL: there is none. */
const char *texts_read(struct texts *t, const struct memory *m, uint64_t address, size_t most);
/* n bytes of that memory.  NULL: they cannot be read, or hold a NUL, or there is no room. */
const char *texts_read_bytes(struct texts *t, const struct memory *m, uint64_t address, size_t n);

#endif
