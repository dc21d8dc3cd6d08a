/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * node.c - see node.h.
 */
#include "user/capture/stack/node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/table.h"
#include "user/capture/elf/elf.h"
#include "user/capture/stack/objects.h"
#include "user/capture/stack/v8.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

#define PROCESSES_MOST 8192
#define FILES_MOST     256 /* programs kept; beyond, the one used longest ago is dropped */
#define SHARE	       10  /* reading may take one tenth of the time */
#define CREDIT_MOST_NS 200000000

struct node_program {
	struct v8 *v8;	/* NULL: it has none */
	uint64_t asked; /* the value of nodes.looks when it was used last */
};

struct nodes {
	struct objects *objects;
	struct table files;	/* device, inode -> struct node_program */
	struct table processes; /* pid, start -> struct node_program; borrowed */
	uint64_t looks;
	int64_t credit_ns; /* time left to read */
	uint64_t at_ns;	   /* when credit_ns was last brought up to date */
};

static void program_free(struct node_program *p)
{
	if (p)
		v8_close(p->v8);
	free(p);
}

int nodes_open(struct nodes **out, struct objects *objects)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->objects = objects;
	return 0;
}

void nodes_close(struct nodes *n)
{
	struct table_slot *slot;

	if (!n)
		return;
	for (size_t at = 0; (slot = table_next(&n->files, &at));)
		program_free(slot->value);
	table_free(&n->files);
	table_free(&n->processes);
	free(n);
}

static struct node_program *program_look(int fd)
{
	struct node_program *p = calloc(1, sizeof(*p));
	struct elf_file *e;

	if (!p || elf_open(&e, fd))
		return p;
	if (v8_open(&p->v8, e))
		p->v8 = NULL;
	elf_close(e);
	return p;
}

static void forget_processes(struct nodes *n, const struct node_program *p)
{
	struct table_walk walk = table_walk(&n->processes);
	struct table_slot *slot;

	while ((slot = table_walk_next(&walk)))
		if (slot->value == p)
			table_walk_remove(&walk);
}

/* Makes room for another program by dropping the one that was used longest ago. */
static void node_make_room(struct nodes *n)
{
	struct table_slot *slot, oldest = {};

	if (n->files.count < FILES_MOST)
		return;
	for (size_t at = 0; (slot = table_next(&n->files, &at));)
		if (!oldest.value || ((struct node_program *)slot->value)->asked <
					     ((struct node_program *)oldest.value)->asked)
			oldest = *slot;
	forget_processes(n, oldest.value);
	program_free(table_remove(&n->files, oldest.key));
}

static struct node_program *program_keep(struct nodes *n, struct table_key key, int fd)
{
	struct node_program *p;

	node_make_room(n);
	p = program_look(fd);
	if (p && !table_put(&n->files, key, p))
		return p;
	program_free(p);
	return NULL;
}

static struct node_program *program_of(struct nodes *n, uint32_t pid)
{
	char path[32];
	struct node_program *p = NULL;
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
		if (!p)
			p = program_keep(n, key, fd);
	}
	close(fd);
	return p;
}

static const struct v8 *v8_of(struct nodes *n, uint32_t pid, uint64_t start_ns)
{
	struct table_key key = {start_ns, pid};
	struct node_program *p = table_get(&n->processes, key);

	n->looks++;
	if (p) {
		p->asked = n->looks;
		return p->v8;
	}
	p = program_of(n, pid);
	if (!p)
		return NULL;
	debug(DEBUG_STACK, "process %u: %s", pid,
	      p->v8 ? "V8, its JavaScript frames are read" : "no V8: compiled code alone");
	p->asked = n->looks;
	if (n->processes.count >= PROCESSES_MOST)
		table_free(&n->processes);
	table_put(&n->processes, key, p);
	return p->v8;
}

/* Naming one stack takes about a hundred reads of its process's memory.  Without a limit the stacks
 * of a busy program would take all of dbleak's time. */
static bool has_time(struct nodes *n)
{
	uint64_t now = clock_monotonic_ns();

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
	uint64_t began;
	int count;

	if (!v8)
		return 0;
	if (!has_time(n))
		return -EBUSY;
	began = clock_monotonic_ns();
	count = objects_stack(n->objects, raw, v8, t, frames, flags);
	n->credit_ns -= clock_monotonic_ns() - began;
	return count;
}
