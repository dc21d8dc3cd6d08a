/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * reach_carriers.c - the processes that carry probes: they join, map files, fork and end.
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

#include "user/capture/probe/reach_state.h"

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
		reach_bury(r, slot->value);
	table_free(&c->links);
}

static void carrier_free(struct reach *r, struct carrier *c)
{
	if (!c)
		return;
	drop_links(r, c);
	table_free(&c->files);
	free(c);
}

void reach_attach_hoped(struct reach *r, struct carrier *c)
{
	struct table_slot *slot;

	for (size_t at = 0; (slot = table_next(&r->files, &at));) {
		struct reached_file *f = slot->value;

		if (f->mapped)
			reach_attach_file_in(f, c);
	}
}

static void reach_carriers_join(struct reach *r, uint32_t pid)
{
	struct carrier *c = r->how == REACH_CHOSEN ? carrier_of(r, pid) : NULL;

	if (c)
		reach_attach_hoped(r, c);
}

void reach_join(struct reach *r, uint32_t pid)
{
	pthread_mutex_lock(&r->lock);
	reach_carriers_join(r, pid);
	pthread_mutex_unlock(&r->lock);
}

void reach_make_ready(struct reach *r)
{
	pthread_mutex_lock(&r->lock);
	r->ready = true;
	pthread_mutex_unlock(&r->lock);
}

struct reached_file *reach_file_of(struct reach *r, uint64_t device, uint64_t inode)
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
	if (r->reported_wide || r->how != REACH_THEIR_FILES)
		return;
	r->reported_wide = true;
	r->host.gap(r->host.context, "this kernel cannot limit probes to the selected processes: "
				     "others with the same files carry them too");
}

void reach_map_everywhere(struct reach *r, struct reached_file *f)
{
	f->mapped = true;
	for (struct reach_set *set = f->sets; set; set = set->next)
		if (!reach_attach_everywhere(set))
			tell_wide(r);
}

static void reach_carriers_meet(struct reach *r, uint32_t pid, uint64_t device, uint64_t inode)
{
	struct carrier *c = table_get(&r->carriers, (struct table_key){pid, 0});
	struct reached_file *f;

	if (r->how != REACH_EVERYONE && !c && !r->host.wanted(r->host.context, pid))
		return;
	f = reach_file_of(r, device, inode);
	if (!f)
		return;
	if (r->how != REACH_CHOSEN) {
		reach_map_everywhere(r, f);
		return;
	}
	c = c ? c : carrier_of(r, pid);
	f->mapped = true;
	if (c && !table_put(&c->files, reach_key_of(f), f))
		reach_attach_file_in(f, c);
}

void reach_mapped(struct reach *r, uint32_t pid, uint64_t device, uint64_t inode)
{
	pthread_mutex_lock(&r->lock);
	reach_carriers_meet(r, pid, device, inode);
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
		table_remove(&((struct carrier *)slot->value)->files, reach_key_of(f));
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
			reach_attach_file_in(slot->value, c);
	reach_attach_hoped(r, c);
}

static void reach_carriers_follow(struct reach *r, const struct raw_task *task)
{
	struct carrier *c;

	switch (task->what) {
	case TASK_FORKED:
		/* an older process with this pid, whose end was missed */
		carrier_free(r, table_remove(&r->carriers, (struct table_key){task->pid, 0}));
		inherit(r, task->pid, task->other);
		return;
	case TASK_REPLACED:
		c = table_get(&r->carriers, (struct table_key){task->pid, 0});
		if (c && task->other) /* exec by another thread than the first */
			drop_links(r, c);
		reach_carriers_join(r, task->pid);
		return;
	case TASK_ENDED:
		carrier_free(r, table_remove(&r->carriers, (struct table_key){task->pid, 0}));
		return;
	}
}

void reach_task(struct reach *r, const struct raw_task *task)
{
	if (r->how != REACH_CHOSEN)
		return;
	pthread_mutex_lock(&r->lock);
	reach_carriers_follow(r, task);
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

	reach_carriers_join(r, pid);
	for (size_t at = 0; (slot = table_next(&r->files, &at));) {
		const struct reached_file *f = slot->value;

		if (maps(pid, f))
			reach_carriers_meet(r, pid, f->device, f->inode);
	}
}

static bool reach_carriers_is_alive(uint32_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u", pid);
	return access(path, F_OK) == 0;
}

static void reconcile(struct reach *r, const struct procfs *procfs)
{
	struct table_walk walk = table_walk(&r->carriers);
	struct table_slot *slot;
	uint32_t *pids = NULL;
	size_t count = 0;

	while ((slot = table_walk_next(&walk)))
		if (!reach_carriers_is_alive(slot->key.a))
			carrier_free(r, table_walk_remove(&walk));
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
	reach_reap(r);
	reach_tell_full(r);
	pthread_mutex_unlock(&r->lock);
}
