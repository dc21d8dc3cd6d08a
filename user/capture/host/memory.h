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

/* The same for one look, of many small reads, at one process: each of its pages is read once, and
 * stays as it was then.  The next look has pages of its own, except that one at the same process
 * goes on with those of a look that began at most so long before.  For one thread. */
struct memory memory_for_look(uint32_t pid, uint64_t age_ns);
/* Reads what a look will ask for, size bytes from each address, as far as one question goes;
 * nothing, if the first is there already. */
void memory_look_ahead(const struct memory *m, const uint64_t *addresses, size_t n, size_t size);

/* From now on memory of processes is read by this one, borrowed, which may be abandoned where a
 * page does not come: -ETIMEDOUT.  NULL: by ourselves, for tests of our own processes. */
struct fetcher;
void memory_use(struct fetcher *f);

struct memory_piece {
	uint64_t address;
	uint64_t size;
};

#define MEMORY_PIECES 64

/* Pieces of a process's memory, one after the other into to, up to the first that cannot be read
 * whole; for one that changes all are of nearly the same instant.  How many bytes, or -errno. */
ssize_t memory_pieces(uint32_t pid, const struct memory_piece *pieces, size_t n, void *to);
/* /proc/PID/cmdline, which waits for the lock of its mappings: size - 1 raw bytes at most, and a
 * NUL.  How many, or -errno. */
ssize_t memory_cmdline(uint32_t pid, char *to, size_t size);
/* Whether its list of mappings can be read now, since whoever changes it may hang with it locked: 0
 * or -errno.  Then reading /proc/PID/maps is ours to do. */
int memory_maps_answer(uint32_t pid);
/* A process whose list of mappings was asked for and cannot be read, for whoever changes it hangs;
 * 0 none. */
uint32_t memory_maps_locked(void);
/* For reading, the regular file that is held by O_PATH and mapped by this process; negative:
 * -errno, -EREMOTE each read of it asks some program. */
int memory_open_file(uint32_t pid, int held);
/* The same of what it maps there. */
int memory_open_mapped(uint32_t pid, uint64_t start, uint64_t end);
/* All of it: 0, or -errno. */
int memory_at(uint32_t pid, uint64_t address, void *to, size_t size);

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
