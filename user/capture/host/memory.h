/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * memory.h - reads memory of another process, and texts in it.
 *
 * The other process decides what its memory holds, and changes it during a read.  So readers check
 * every address, count and length, and treat malformed data as "not known".
 */
#ifndef DBLEAK_CAPTURE_MEMORY_H
#define DBLEAK_CAPTURE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "user/capture/worker/fetcher.h"

struct memory {
	/* Reads up to size bytes, fewer where readable memory ends.  Returns bytes or -errno:
	 * -ESRCH the process is gone, -EFAULT nothing is mapped there, -EPERM. */
	ssize_t (*read)(const struct memory *m, uint64_t address, void *to, size_t size);
	const void *context; /* the reader's own */
	uint32_t pid;
};

/* Memory of a live process; each read sees the memory at that instant. */
struct memory memory_of_process(uint32_t pid);

/* Memory of a process for one look, that is for many small reads.  A look reads each page once and
 * keeps its content.  A new look begins with no pages, but goes on with those of a look at the same
 * process that began at most age_ns before.  For one thread. */
struct memory memory_for_look(uint32_t pid, uint64_t age_ns);
/* Reads ahead what a look will need: size bytes from each address, as far as one request allows.
 * Does nothing if the look has the first page already. */
void memory_look_ahead(const struct memory *m, const uint64_t *addresses, size_t n, size_t size);

/* From now on this fetcher, which is borrowed, reads memory of processes.  A read gives -ETIMEDOUT
 * when a page does not come.  NULL: this process reads itself, for tests of our own processes. */
void memory_use(struct fetcher *f);

struct memory_piece {
	uint64_t address;
	uint64_t size;
};

#define MEMORY_PIECES 64

/* Copies pieces of a process's memory into `to`, one after another, and stops at the first piece
 * that cannot be read whole.  All pieces are of nearly the same instant.  Returns bytes or -errno.
 */
ssize_t memory_pieces(uint32_t pid, const struct memory_piece *pieces, size_t n, void *to);

/* From now on this function copies the pieces instead: in a worker, which reads no process itself
 * but asks for the memory. */
typedef ssize_t memory_pieces_fn(uint32_t pid, const struct memory_piece *pieces, size_t n,
				 void *to);
void memory_ask(memory_pieces_fn *fn);

struct memory_want {
	uint64_t address;
	void *to;
	uint32_t size; /* at most FETCH_BYTES */
	bool got;      /* set: `to` has the bytes, all of them */
};

/* Reads any number of pieces with as few requests as possible, and goes on behind those that cannot
 * be read.  0, or -errno: the rest cannot be read either. */
int memory_gather(uint32_t pid, struct memory_want *wants, size_t n);
/* Reads /proc/PID/cmdline, which waits for the lock of the memory map: at most size - 1 raw bytes,
 * and a NUL.  Returns bytes or -errno. */
ssize_t memory_cmdline(uint32_t pid, char *to, size_t size);
/* 0: /proc/PID/maps can be read now, and the caller may do so.  Else -errno: a thread may hang
 * while it holds the lock of the memory map. */
int memory_maps_answer(uint32_t pid);
/* The pid of a process whose /proc/PID/maps could not be read, because its memory map stays locked;
 * 0: none. */
uint32_t memory_maps_locked(void);
/* Opens the regular file behind `held` (O_PATH), which this process maps, for reading.  Returns a
 * descriptor or -errno; -EREMOTE: a program serves its file system (FUSE). */
int memory_open_file(uint32_t pid, int held);
/* Opens the file that the process maps from start to end, in the same way. */
int memory_open_mapped(uint32_t pid, uint64_t start, uint64_t end);
/* Runs a task, which looks at files of the process, in the fetcher (fetcher_task). */
ssize_t memory_task(uint32_t pid, fetch_task *task, const void *in, size_t n, void *out,
		    size_t size);
/* Runs a task, which looks at files below a folder, in the fetcher (fetcher_folder_task). */
ssize_t memory_folder_task(uid_t owner, int root, fetch_folder_task *task, const void *in, size_t n,
			   void *out, size_t size);
/* Reads all size bytes: 0, or -errno. */
int memory_at(uint32_t pid, uint64_t address, void *to, size_t size);

/* Reads all size bytes: 0, or -errno; -EFAULT also if only a part can be read. */
int memory_read(const struct memory *m, uint64_t address, void *to, size_t size);
int memory_u64(const struct memory *m, uint64_t address, uint64_t *value);

/* A buffer for the texts of stack frames, one after another. */
struct texts {
	size_t used;
	char bytes[32768];
};

/* Copies bytes up to their first NUL and adds a NUL.  Valid until `used` is set back.  NULL: no
 * room. */
const char *texts_add(struct texts *t, const char *bytes, size_t n);
/* Reads a text that ends with a NUL, of at most `most` bytes.  NULL: no such text, or no room. */
const char *texts_read(struct texts *t, const struct memory *m, uint64_t address, size_t most);
/* Reads n bytes as a text.  NULL: not readable, or a NUL is among them, or no room. */
const char *texts_read_bytes(struct texts *t, const struct memory *m, uint64_t address, size_t n);

#endif
