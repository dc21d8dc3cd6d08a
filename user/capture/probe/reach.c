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

#include "user/capture/probe/reach_state.h"
#include "user/system/debug.h"

struct table_key reach_key_of(const void *pointer)
{
	return (struct table_key){(uintptr_t)pointer, 0};
}

/* --- links ---------------------------------------------------------------------------------- */

void reach_tell_full(struct reach *r)
{
	char text[EV_TEXT_LEN];

	if (r->reported_full || !r->full)
		return;
	r->reported_full = true;
	snprintf(text, sizeof(text),
		 "client libraries of some selected processes are not watched: %s",
		 strerror(-r->full));
	r->host.gap(r->host.context, text);
}

static bool reach_is_held(struct reach *r)
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

	if (table_get(&c->links, reach_key_of(set)) || reach_is_held(set->reach))
		return;
	programs.pid = c->pid;
	err = probes_attach(&links, &programs, set->fd, set->places, set->count);
	if (!err && table_put(&c->links, reach_key_of(set), links)) {
		probes_detach_later(links);
		err = -ENOMEM;
	}
	if (!err || err == -ESRCH || err == -ECANCELED)
		return;
	debug(DEBUG_PROBE, "process %u cannot carry %zu probes: %s", c->pid, set->count,
	      strerror(-err));
	set->reach->full = err;
}

void reach_attach_file_in(struct reached_file *f, struct carrier *c)
{
	for (struct reach_set *set = f->sets; set; set = set->next)
		attach_in(set, c);
}

int reach_attach_everywhere(struct reach_set *set)
{
	return set->everywhere || reach_is_held(set->reach)
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

void reach_reap(struct reach *r)
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

void reach_bury(struct reach *r, struct probe_links *links)
{
	if (r->dead_count == REAP_MOST)
		reach_reap(r);
	if (r->dead_count < REAP_MOST)
		r->dead[r->dead_count++] = links;
	else
		probes_detach_later(links);
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
			reach_attach_file_in(file->value, c);
		reach_attach_hoped(r, c);
	}
	for (size_t at = 0; r->how != REACH_CHOSEN && (slot = table_next(&r->files, &at));)
		if (((struct reached_file *)slot->value)->mapped)
			reach_map_everywhere(r, slot->value);
}

static void tell_held(struct reach *r)
{
	char text[EV_TEXT_LEN];

	if (r->reported_held || !r->left_out)
		return;
	r->reported_held = true;
	snprintf(text, sizeof(text),
		 "no new probes for now: process %u does not answer, and a probe could block this "
		 "host",
		 r->locked);
	r->host.gap(r->host.context, text);
}

void reach_hold(struct reach *r, uint32_t locked)
{
	pthread_mutex_lock(&r->lock);
	if (locked)
		tell_held(r);
	if (locked != r->locked)
		debug(DEBUG_PROBE, "%s: the memory map of process %u %s",
		      locked ? "no probe is put in" : "probes may be put in again",
		      locked ? locked : r->locked,
		      locked ? "does not answer" : "answers or is gone");
	r->locked = locked;
	if (!locked && r->left_out) {
		r->left_out = r->reported_held = false;
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
		return set->file->mapped ? reach_attach_everywhere(set) : 0;
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
		reach_bury(r, set->everywhere);
	for (size_t at = 0; (slot = table_next(&r->carriers, &at));) {
		struct probe_links *links = table_remove(&((struct carrier *)slot->value)->links,
							 reach_key_of(set));

		if (links)
			reach_bury(r, links);
	}
	set_free(set);
	reach_reap(r);
}

static int add_set(struct reach *r, struct reach_set **out, const struct probe_programs *programs,
		   const struct library_file *file, const struct probe_place *places, size_t n)
{
	struct reach_set *set = calloc(1, sizeof(*set) + n * sizeof(*places));
	struct reached_file *f = set ? reach_file_of(r, file->device, file->inode) : NULL;
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
	reach_tell_full(r);
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

		links[n] = table_remove(&c->links, reach_key_of(set));
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

		/* NOLINTNEXTLINE: set_free takes the set out of the list */
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
