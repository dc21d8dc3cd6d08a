/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * node.c - see node.h.
 */
#include "node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../base/table.h"
#include "elf.h"
#include "v8.h"

#define PROCESSES_MOST 8192
#define FILES_MOST     256 /* programs looked at; later ones are not */
#define SHARE	       10  /* of ten moments one may be spent on reading */
#define CREDIT_MOST_NS 200000000

struct program {
	struct v8 *v8; /* NULL: it has none */
};

struct nodes {
	struct table files;	/* device, inode -> struct program */
	struct table processes; /* pid, start -> struct program; borrowed */
	int64_t credit_ns;	/* time left to read */
	uint64_t at_ns;		/* up to when it was counted */
};

int nodes_open(struct nodes **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void nodes_close(struct nodes *n)
{
	struct table_slot *slot;

	if (!n)
		return;
	for (size_t at = 0; (slot = table_next(&n->files, &at));) {
		struct program *p = slot->value;

		v8_close(p->v8);
		free(p);
	}
	table_free(&n->files);
	table_free(&n->processes);
	free(n);
}

static struct program *program_look(int fd)
{
	struct program *p = calloc(1, sizeof(*p));
	struct elf_file *e;

	if (!p || elf_open(&e, fd))
		return p;
	if (v8_open(&p->v8, e))
		p->v8 = NULL;
	elf_close(e);
	return p;
}

static struct program *program_of(struct nodes *n, uint32_t pid)
{
	char path[32];
	struct program *p = NULL;
	struct table_key key;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode)) {
		key = (struct table_key){st.st_dev, st.st_ino};
		p = table_get(&n->files, key);
		if (!p && n->files.count < FILES_MOST) {
			p = program_look(fd);
			if (p && table_put(&n->files, key, p)) {
				v8_close(p->v8);
				free(p);
				p = NULL;
			}
		}
	}
	close(fd);
	return p;
}

static const struct v8 *v8_of(struct nodes *n, uint32_t pid, uint64_t start_ns)
{
	struct table_key key = {start_ns, pid};
	struct program *p = table_get(&n->processes, key);

	if (p)
		return p->v8;
	p = program_of(n, pid);
	if (!p)
		return NULL;
	if (n->processes.count >= PROCESSES_MOST)
		table_free(&n->processes);
	table_put(&n->processes, key, p);
	return p->v8;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* A stack takes a hundred looks into its process.  Who reads all that a busy program has does
 * nothing else any more. */
static bool has_time(struct nodes *n)
{
	uint64_t now = now_ns();

	n->credit_ns += n->at_ns ? (int64_t)((now - n->at_ns) / SHARE) : CREDIT_MOST_NS;
	if (n->credit_ns > CREDIT_MOST_NS)
		n->credit_ns = CREDIT_MOST_NS;
	n->at_ns = now;
	return n->credit_ns > 0;
}

int nodes_read(struct nodes *n, const struct raw_stack *raw, struct texts *t, struct frame *frames,
	       uint32_t *flags)
{
	const struct v8 *v8 = v8_of(n, raw->pid, raw->start_ns);
	struct memory m = memory_of_process(raw->pid);
	uint64_t began;
	int count;

	if (!v8)
		return 0;
	if (!has_time(n))
		return -EBUSY;
	began = now_ns();
	count = v8_read(v8, &m, raw, raw->registers.bp, t, frames, flags);
	n->credit_ns -= now_ns() - began;
	return count;
}
