/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * reach.c - see reach.h.
 *
 * To attach a link of one process costs a tenth of a millisecond, whether or not the process maps
 * the file yet.  To detach it, the kernel waits for all CPUs, so another thread does that.  A link
 * belongs to the first thread of its process.  If another thread replaces the program by exec, the
 * process has a new first thread and needs new links.  fork copies pages with breakpoints; a child
 * that has no link yet runs over them unseen.
 */
#include "user/capture/probe/reach.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/table.h"

#define RECONCILE_NS 5000000000ULL /* between two searches for processes whose record was lost */
/* Bytes of the longest instruction, and one more: the address right behind it counts too. */
#define INSTRUCTION_MOST 16
#define REAP_MOST	 256 /* links of ended processes to collect for one thread */

struct reached_file {
	uint64_t device, inode;
	struct reach_set *sets;
	bool mapped; /* ready, or a process that is to carry its probes has mapped it */
};

struct reach_set {
	struct reach *reach;
	struct reached_file *file;
	struct reach_set *next; /* of the file */
	struct probe_programs programs;
	struct probe_links *everywhere;
	int fd;
	size_t count;
	struct probe_place places[];
};

/* A process that carries probes. */
struct carrier {
	struct table links; /* struct probe_links, by set */
	struct table files; /* struct reached_file that it maps, by itself */
	uint32_t pid;
};

struct reach {
	pthread_mutex_t lock; /* protects all that follows */
	enum reach_how how;
	struct reach_host host;
	struct table files;    /* struct reached_file, by device and inode */
	struct table carriers; /* struct carrier, by pid */
	struct probe_links *dead[REAP_MOST];
	size_t dead_count;
	uint64_t reconciled_ns;
	uint32_t locked; /* pid of a process with a locked memory map: attach no probe; 0: none */
	bool left_out;	 /* some probes were not attached because of locked */
	int full;	 /* why a process could not get its probes; 0 or -errno */
	bool ready, told_full, told_wide, told_held;
};

static struct table_key key_of(const void *pointer)
{
	return (struct table_key){(uintptr_t)pointer, 0};
}

/* --- links ---------------------------------------------------------------------------------- */

static void tell_full(struct reach *r)
{
	char text[EV_TEXT_LEN];

	if (r->told_full || !r->full)
		return;
	r->told_full = true;
	snprintf(text, sizeof(text), "some selected processes carry no probes: %s",
		 strerror(-r->full));
	r->host.gap(r->host.context, text);
}

static bool is_held(struct reach *r)
{
	r->left_out |= r->locked != 0;
	return r->locked;
}

/* Attaches the set in a process.  -ESRCH is no error: a process that is gone needs no probes. */
static void attach_in(struct reach_set *set, struct carrier *c)
{
	struct probe_programs programs = set->programs;
	struct probe_links *links;
	int err;

	if (table_get(&c->links, key_of(set)) || is_held(set->reach))
		return;
	programs.pid = c->pid;
	err = probes_attach(&links, &programs, set->fd, set->places, set->count);
	if (!err && table_put(&c->links, key_of(set), links)) {
		probes_detach_later(links);
		err = -ENOMEM;
	}
	if (err && err != -ESRCH && err != -ECANCELED)
		set->reach->full = err;
}

static void attach_file_in(struct reached_file *f, struct carrier *c)
{
	for (struct reach_set *set = f->sets; set; set = set->next)
		attach_in(set, c);
}

static int attach_everywhere(struct reach_set *set)
{
	return set->everywhere || is_held(set->reach)
		       ? 0
		       : probes_attach(&set->everywhere, &set->programs, set->fd, set->places,
				       set->count);
}

/* Detaches many links in parallel, in a thread that nobody joins. */
static void *detach_dead(void *context)
{
	struct probe_links **links = context;
	size_t n = 0;

	while (links[n])
		n++;
	probes_detach_all(links, n);
	free(links);
	return NULL;
}

static void reap(struct reach *r)
{
	struct probe_links **links = r->dead_count ? calloc(r->dead_count + 1, sizeof(*links))
						   : NULL;
	pthread_t thread;

	if (!links)
		return; /* without memory they wait for the next time */
	memcpy(links, r->dead, r->dead_count * sizeof(*links));
	r->dead_count = 0;
	if (pthread_create(&thread, NULL, detach_dead, links))
		detach_dead(links);
	else
		pthread_detach(thread);
}

static void bury(struct reach *r, struct probe_links *links)
{
	if (r->dead_count == REAP_MOST)
		reap(r);
	if (r->dead_count < REAP_MOST)
		r->dead[r->dead_count++] = links;
	else
		probes_detach_later(links);
}

/* --- who carries them ------------------------------------------------------------------------ */

static struct carrier *carrier_of(struct reach *r, uint32_t pid)
{
	struct table_key key = {pid, 0};
	struct carrier *c = table_get(&r->carriers, key);

	if (c)
		return c;
	c = calloc(1, sizeof(*c));
	if (!c || table_put(&r->carriers, key, c)) {
		free(c);
		return NULL;
	}
	c->pid = pid;
	return c;
}

static void drop_links(struct reach *r, struct carrier *c)
{
	struct table_slot *slot;

	for (size_t at = 0; (slot = table_next(&c->links, &at));)
		bury(r, slot->value);
	table_free(&c->links);
}

static void forget(struct reach *r, uint32_t pid)
{
	struct carrier *c = table_remove(&r->carriers, (struct table_key){pid, 0});

	if (!c)
		return;
	drop_links(r, c);
	table_free(&c->files);
	free(c);
}

/* The process may soon map the files that other selected processes map, so it gets their probes. */
static void attach_hoped(struct reach *r, struct carrier *c)
{
	struct table_slot *slot;

	for (size_t at = 0; (slot = table_next(&r->files, &at));) {
		struct reached_file *f = slot->value;

		if (f->mapped)
			attach_file_in(f, c);
	}
}

static void join(struct reach *r, uint32_t pid)
{
	struct carrier *c = r->how == REACH_CHOSEN ? carrier_of(r, pid) : NULL;

	if (c)
		attach_hoped(r, c);
}

void reach_join(struct reach *r, uint32_t pid)
{
	pthread_mutex_lock(&r->lock);
	join(r, pid);
	pthread_mutex_unlock(&r->lock);
}

void reach_make_ready(struct reach *r)
{
	pthread_mutex_lock(&r->lock);
	r->ready = true;
	pthread_mutex_unlock(&r->lock);
}

static struct reached_file *file_of(struct reach *r, uint64_t device, uint64_t inode)
{
	struct table_key key = {device, inode};
	struct reached_file *f = table_get(&r->files, key);

	if (f)
		return f;
	f = calloc(1, sizeof(*f));
	if (!f || table_put(&r->files, key, f)) {
		free(f);
		return NULL;
	}
	f->device = device;
	f->inode = inode;
	return f;
}

static void tell_wide(struct reach *r)
{
	if (r->told_wide || r->how != REACH_THEIR_FILES)
		return;
	r->told_wide = true;
	r->host.gap(r->host.context,
		    "this kernel cannot keep probes to the selected processes: others that map the "
		    "same files carry them too");
}

static void map_everywhere(struct reach *r, struct reached_file *f)
{
	f->mapped = true;
	for (struct reach_set *set = f->sets; set; set = set->next)
		if (!attach_everywhere(set))
			tell_wide(r);
}

static void meet(struct reach *r, uint32_t pid, uint64_t device, uint64_t inode)
{
	struct carrier *c = table_get(&r->carriers, (struct table_key){pid, 0});
	struct reached_file *f;

	if (r->how != REACH_EVERYONE && !c && !r->host.wanted(r->host.context, pid))
		return;
	f = file_of(r, device, inode);
	if (!f)
		return;
	if (r->how != REACH_CHOSEN) {
		map_everywhere(r, f);
		return;
	}
	c = c ? c : carrier_of(r, pid);
	f->mapped = true;
	if (c && !table_put(&c->files, key_of(f), f))
		attach_file_in(f, c);
}

void reach_mapped(struct reach *r, uint32_t pid, uint64_t device, uint64_t inode)
{
	pthread_mutex_lock(&r->lock);
	meet(r, pid, device, inode);
	pthread_mutex_unlock(&r->lock);
}

static void forget_file(struct reach *r, uint64_t device, uint64_t inode)
{
	struct table_key key = {device, inode};
	struct reached_file *f = table_get(&r->files, key);
	struct table_slot *slot;

	if (!f || f->sets)
		return;
	for (size_t at = 0; (slot = table_next(&r->carriers, &at));)
		table_remove(&((struct carrier *)slot->value)->files, key_of(f));
	free(table_remove(&r->files, key));
}

void reach_gone(struct reach *r, uint64_t device, uint64_t inode)
{
	pthread_mutex_lock(&r->lock);
	forget_file(r, device, inode);
	pthread_mutex_unlock(&r->lock);
}

static void inherit(struct reach *r, uint32_t pid, uint32_t parent)
{
	const struct carrier *from = table_get(&r->carriers, (struct table_key){parent, 0});
	struct carrier *c = carrier_of(r, pid);
	struct table_slot *slot;

	if (!c)
		return;
	for (size_t at = 0; from && (slot = table_next(&from->files, &at));)
		if (!table_put(&c->files, slot->key, slot->value))
			attach_file_in(slot->value, c);
	attach_hoped(r, c);
}

static void follow(struct reach *r, const struct raw_task *task)
{
	struct carrier *c;

	switch (task->what) {
	case TASK_FORKED:
		forget(r, task->pid); /* an older process with this pid, whose end was missed */
		inherit(r, task->pid, task->other);
		return;
	case TASK_REPLACED:
		c = table_get(&r->carriers, (struct table_key){task->pid, 0});
		if (c && task->other) /* exec by another thread than the first */
			drop_links(r, c);
		join(r, task->pid);
		return;
	case TASK_ENDED:
		forget(r, task->pid);
		return;
	}
}

void reach_task(struct reach *r, const struct raw_task *task)
{
	if (r->how != REACH_CHOSEN)
		return;
	pthread_mutex_lock(&r->lock);
	follow(r, task);
	pthread_mutex_unlock(&r->lock);
}

/* --- processes whose records were lost -------------------------------------------------------- */

static bool maps(uint32_t pid, const struct reached_file *f)
{
	char path[64], range[64];
	struct dirent *entry;
	bool found = false;
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/map_files", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		snprintf(range, sizeof(range), "%.63s", entry->d_name);
		found = range[0] != '.' && !fstatat(dirfd(dir), range, &st, 0) &&
			st.st_dev == f->device && st.st_ino == f->inode;
	}
	if (dir)
		closedir(dir);
	return found;
}

static void look_at_newcomer(struct reach *r, uint32_t pid)
{
	struct table_slot *slot;

	join(r, pid);
	for (size_t at = 0; (slot = table_next(&r->files, &at));) {
		const struct reached_file *f = slot->value;

		if (maps(pid, f))
			meet(r, pid, f->device, f->inode);
	}
}

static bool is_alive(uint32_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u", pid);
	return access(path, F_OK) == 0;
}

static void reconcile(struct reach *r, const struct procfs *procfs)
{
	struct table_slot *slot;
	uint32_t *pids = NULL;
	size_t count = 0;

	for (size_t at = 0; (slot = table_next(&r->carriers, &at));)
		if (!is_alive(slot->key.a)) {
			forget(r, slot->key.a);
			at--; /* the table closed the gap from behind */
		}
	if (procfs_pids(procfs, &pids, &count))
		return;
	for (size_t i = 0; i < count; i++)
		if (!table_get(&r->carriers, (struct table_key){pids[i], 0}) &&
		    r->host.wanted(r->host.context, pids[i]))
			look_at_newcomer(r, pids[i]);
	free(pids);
}

void reach_step(struct reach *r, const struct procfs *procfs, uint64_t now_ns)
{
	if (r->how != REACH_CHOSEN)
		return;
	pthread_mutex_lock(&r->lock);
	if (now_ns - r->reconciled_ns >= RECONCILE_NS) {
		r->reconciled_ns = now_ns;
		reconcile(r, procfs);
	}
	reap(r);
	tell_full(r);
	pthread_mutex_unlock(&r->lock);
}

static bool set_is_at(const struct reach_set *set, uint64_t offset)
{
	for (size_t i = 0; i < set->count; i++)
		if (offset - set->places[i].offset < INSTRUCTION_MOST)
			return true;
	return false;
}

static bool is_at(const struct reach *r, uint64_t inode, uint64_t offset)
{
	struct table_slot *slot;

	for (size_t at = 0; (slot = table_next(&r->files, &at));) {
		const struct reached_file *f = slot->value;

		for (const struct reach_set *s = f->sets; s; s = s->next)
			if (f->inode == inode && set_is_at(s, offset))
				return true;
	}
	return false;
}

bool reach_is_at(struct reach *r, uint64_t inode, uint64_t offset)
{
	bool is;

	pthread_mutex_lock(&r->lock);
	is = is_at(r, inode, offset);
	pthread_mutex_unlock(&r->lock);
	return is;
}

/* Attaches the probes that were left out. */
static void attach_all(struct reach *r)
{
	struct table_slot *slot, *file;

	for (size_t at = 0; (slot = table_next(&r->carriers, &at));) {
		struct carrier *c = slot->value;

		for (size_t i = 0; (file = table_next(&c->files, &i));)
			attach_file_in(file->value, c);
		attach_hoped(r, c);
	}
	for (size_t at = 0; r->how != REACH_CHOSEN && (slot = table_next(&r->files, &at));)
		if (((struct reached_file *)slot->value)->mapped)
			map_everywhere(r, slot->value);
}

static void tell_held(struct reach *r)
{
	char text[EV_TEXT_LEN];

	if (r->told_held || !r->left_out)
		return;
	r->told_held = true;
	snprintf(text, sizeof(text),
		 "no more probes for now: the memory map of process %u does not answer, and to put "
		 "one in could stop every fork on this host",
		 r->locked);
	r->host.gap(r->host.context, text);
}

void reach_hold(struct reach *r, uint32_t locked)
{
	pthread_mutex_lock(&r->lock);
	if (locked)
		tell_held(r);
	r->locked = locked;
	if (!locked && r->left_out) {
		r->left_out = r->told_held = false;
		attach_all(r);
	}
	pthread_mutex_unlock(&r->lock);
}

size_t reach_carriers(struct reach *r)
{
	size_t count;

	pthread_mutex_lock(&r->lock);
	count = r->carriers.count;
	pthread_mutex_unlock(&r->lock);
	return count;
}

/* --- sets --------------------------------------------------------------------------------------
 */

/* Attaches a new set in the processes that map its file already, or for which the file is ready. */
static int attach_set(struct reach_set *set)
{
	struct reach *r = set->reach;
	struct table_slot *slot;

	if (r->how != REACH_CHOSEN)
		return set->file->mapped ? attach_everywhere(set) : 0;
	for (size_t at = 0; set->file->mapped && (slot = table_next(&r->carriers, &at));)
		attach_in(set, slot->value);
	return 0;
}

static void set_free(struct reach_set *set)
{
	struct reach_set **at = &set->file->sets;

	while (*at != set)
		at = &(*at)->next;
	*at = set->next;
	if (set->fd >= 0)
		close(set->fd);
	free(set);
}

static void bury_set(struct reach_set *set)
{
	struct reach *r = set->reach;
	struct table_slot *slot;

	if (set->everywhere)
		bury(r, set->everywhere);
	for (size_t at = 0; (slot = table_next(&r->carriers, &at));) {
		struct probe_links *links = table_remove(&((struct carrier *)slot->value)->links,
							 key_of(set));

		if (links)
			bury(r, links);
	}
	set_free(set);
	reap(r);
}

static int add_set(struct reach *r, struct reach_set **out, const struct probe_programs *programs,
		   const struct library_file *file, const struct probe_place *places, size_t n)
{
	struct reach_set *set = calloc(1, sizeof(*set) + n * sizeof(*places));
	struct reached_file *f = set ? file_of(r, file->device, file->inode) : NULL;
	int err;

	*out = NULL;
	if (!f) {
		free(set);
		return -ENOMEM;
	}
	f->mapped |= r->ready;
	*set = (struct reach_set){
		.reach = r, .file = f, .programs = *programs, .count = n, .next = f->sets};
	memcpy(set->places, places, n * sizeof(*places));
	set->fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 3);
	err = set->fd < 0 ? -errno : 0;
	f->sets = set;
	if (!err)
		err = attach_set(set);
	if (err)
		bury_set(set);
	else
		*out = set;
	return err;
}

int reach_add(struct reach *r, struct reach_set **out, const struct probe_programs *programs,
	      const struct library_file *file, const struct probe_place *places, size_t n)
{
	int err;

	pthread_mutex_lock(&r->lock);
	err = add_set(r, out, programs, file, places, n);
	tell_full(r);
	pthread_mutex_unlock(&r->lock);
	return err;
}

static size_t take_links(struct reach_set *set, struct probe_links **links)
{
	struct table_slot *slot;
	size_t n = 0;

	links[n++] = set->everywhere;
	for (size_t at = 0; (slot = table_next(&set->reach->carriers, &at));) {
		struct carrier *c = slot->value;

		links[n] = table_remove(&c->links, key_of(set));
		n += links[n] != NULL;
	}
	return n;
}

static struct reach *reach_of(struct reach_set *const *sets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (sets[i])
			return sets[i]->reach;
	return NULL;
}

/* Collects the links under the lock and detaches them after it: the kernel may take long. */
void reach_remove_all(struct reach_set *const *sets, size_t n)
{
	struct reach *r = reach_of(sets, n);
	struct probe_links **links;
	size_t found = 0;

	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	links = calloc(n * (1 + r->carriers.count), sizeof(*links));
	for (size_t i = 0; i < n; i++) {
		if (!sets[i])
			continue;
		if (!links) {
			bury_set(sets[i]);
			continue;
		}
		found += take_links(sets[i], links + found);
		set_free(sets[i]);
	}
	pthread_mutex_unlock(&r->lock);
	if (links)
		probes_detach_all(links, found);
	free(links);
}

void reach_remove(struct reach_set *set)
{
	reach_remove_all(&set, 1);
}

void reach_remove_later(struct reach_set *set)
{
	struct reach *r = set ? set->reach : NULL;

	if (!set)
		return;
	pthread_mutex_lock(&r->lock);
	bury_set(set);
	pthread_mutex_unlock(&r->lock);
}

static size_t links_in_all(struct reach *r)
{
	struct table_slot *slot;
	size_t n = r->dead_count;

	for (size_t at = 0; (slot = table_next(&r->carriers, &at));)
		n += ((const struct carrier *)slot->value)->links.count;
	for (size_t at = 0; (slot = table_next(&r->files, &at));)
		for (const struct reach_set *s = ((const struct reached_file *)slot->value)->sets;
		     s; s = s->next)
			n++;
	return n;
}

static void take_all(struct reach *r, struct probe_links **links)
{
	struct table_slot *slot, *link;
	size_t n = 0;

	while (r->dead_count)
		links[n++] = r->dead[--r->dead_count];
	for (size_t at = 0; (slot = table_next(&r->carriers, &at));)
		for (size_t k = 0;
		     (link = table_next(&((struct carrier *)slot->value)->links, &k));)
			links[n++] = link->value;
	for (size_t at = 0; (slot = table_next(&r->files, &at));)
		for (struct reach_set *s = ((struct reached_file *)slot->value)->sets; s;
		     s = s->next)
			links[n++] = s->everywhere;
	probes_detach_all(links, n);
}

static void free_carriers(struct reach *r)
{
	struct table_slot *slot;

	for (size_t at = 0; (slot = table_next(&r->carriers, &at));) {
		struct carrier *c = slot->value;

		table_free(&c->links);
		table_free(&c->files);
	}
	table_free_values(&r->carriers);
}

void reach_close(struct reach *r)
{
	struct probe_links **links;
	struct table_slot *slot;

	if (!r)
		return;
	links = calloc(links_in_all(r) + 1, sizeof(*links));
	if (links) /* without memory the end of dbleak detaches them */
		take_all(r, links);
	free(links);
	free_carriers(r);
	for (size_t at = 0; (slot = table_next(&r->files, &at));) {
		struct reached_file *f = slot->value;

		while (f->sets)
			set_free(f->sets);
	}
	table_free_values(&r->files);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

int reach_open(struct reach **out, enum reach_how how, const struct reach_host *host)
{
	struct reach *r = calloc(1, sizeof(*r));

	*out = r;
	if (!r)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	r->how = how;
	r->host = *host;
	return 0;
}
