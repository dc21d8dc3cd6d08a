/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel.c - opens the kernel half, reads its rings and iterators, and writes its maps.
 */
#include "user/capture/kernel/kernel.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

#include "dbleak.skel.h"
#include "user/capture/kernel/kernel_room.h"
#include "user/capture/kernel/kernel_state.h"
#include "user/capture/kernel/process_entry.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

struct kernel_comm_key {
	char comm[EV_COMM_LEN];
};

_Static_assert(FORGET_BATCH * sizeof(struct ledger_statement) <= READ_BYTES,
	       "a batch fits the buffer");

/* Programs for some hosts only, loaded in the background.  The protocol code in the TLS programs
 * alone takes the verifier about as long as all programs of the start. */
static const struct {
	const char *programs[3];
} more_programs[KERNEL_MORE] = {
	[MORE_TLS] = {{"tls_entered", "tls_written", "tls_received"}},
	[MORE_GROWTH] = {{"growth_faulted"}},
	[MORE_POOLS] = {{"pool_canary", "pool_taken"}},
	[MORE_COLLECTIONS] = {{"collection_began"}},
	[MORE_LIBRARY_HEAP] = {{"library_called"}},
	[MORE_HEAP_SESSION] = {{"heap_session", "heap_entered", "heap_left"}},
	[MORE_HEAP_PAIR] = {{"heap_entered", "heap_returned", "heap_left"}},
	[MORE_THREADS] = {{"look_threads", "look_sockets"}},
};

static const struct {
	const char *comm;
	uint8_t database;
} servers[] = {
	{"postgres", EV_DB_POSTGRESQL},	 {"postmaster", EV_DB_POSTGRESQL},
	{"pgbouncer", EV_DB_POSTGRESQL}, {"pgcat", EV_DB_POSTGRESQL},
	{"odyssey", EV_DB_POSTGRESQL},	 {"cockroach", EV_DB_POSTGRESQL},
	{"mysqld", EV_DB_MYSQL},	 {"mariadbd", EV_DB_MYSQL},
	{"proxysql", EV_DB_MYSQL},	 {"mysqlrouter", EV_DB_MYSQL},
	{"maxscale", EV_DB_MYSQL},
};

static const struct {
	uint16_t port;
	uint8_t database;
} ports[] = {
	{5432, EV_DB_POSTGRESQL},  {5433, EV_DB_POSTGRESQL}, {6432, EV_DB_POSTGRESQL},
	{26257, EV_DB_POSTGRESQL}, {3306, EV_DB_MYSQL},	     {3307, EV_DB_MYSQL},
	{6033, EV_DB_MYSQL},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

void kernel_more_begin(struct kernel *k, enum kernel_more which)
{
	loaded_more_begin(&k->more[which], &k->loaded, more_programs[which].programs,
			  COUNT(more_programs[which].programs));
}

int kernel_more_try(struct kernel *k, enum kernel_more which)
{
	return loaded_more_try(&k->more[which], &k->loaded, more_programs[which].programs,
			       COUNT(more_programs[which].programs));
}

int kernel_more_wait(struct kernel *k, enum kernel_more which)
{
	return loaded_more_wait(&k->more[which], &k->loaded, more_programs[which].programs,
				COUNT(more_programs[which].programs));
}

struct dbleak *kernel_more(struct kernel *k, enum kernel_more which)
{
	return k->more[which].skel;
}

/* Index of a v1 controller in the kernel's css_set.subsys, from its BTF. */
static int subsystem_index(const struct btf *btf, const char *controller, uint32_t *index)
{
	const char *name = strcmp(controller, "blkio") ? controller : "io";
	int id = btf__find_by_name_kind(btf, "cgroup_subsys_id", BTF_KIND_ENUM);
	const struct btf_type *type = btf__type_by_id(btf, id);
	char wanted[64];

	if (id < 0 || !type)
		return -ENOENT;
	snprintf(wanted, sizeof(wanted), "%s_cgrp_id", name);
	for (int i = 0; i < btf_vlen(type); i++) {
		const struct btf_enum *e = btf_enum(type) + i;

		if (strcmp(btf__name_by_offset(btf, e->name_off), wanted) == 0) {
			*index = e->val;
			return 0;
		}
	}
	return -ENOENT;
}

static int resolve_hierarchies(struct kernel *k, const struct select *select)
{
	struct btf *btf;
	int n, err = 0;

	n = select_is_empty(select)
		    ? 0
		    : select_hierarchies(select, k->hierarchies, SETTINGS_HIERARCHIES);
	if (n <= 0)
		return n;
	btf = btf__load_vmlinux_btf();
	if (!btf)
		return -errno;
	for (int i = 0; i < n && !err; i++) {
		if (k->hierarchies[i] == CGROUP_V2)
			k->hierarchy_ids[i] = CGROUP_DEFAULT;
		else
			err = subsystem_index(btf, cgroup_hierarchy_name(k->hierarchies[i]),
					      &k->hierarchy_ids[i]);
	}
	btf__free(btf);
	k->hierarchy_count = n;
	return err;
}

/* Sizes the maps of the allocator's blocks, if the allocator's calls are followed. */
static int fill_heap(struct dbleak *skel, const struct kernel_options *o)
{
	struct dbleak__rodata *read_only = (struct dbleak__rodata *)skel->rodata;
	struct settings *s = (struct settings *)&skel->rodata->settings;
	uint32_t buckets = o->heap_interval > 1 ? HEAP_BUCKETS_SAMPLED : HEAP_BUCKETS_EXACT;
	int err;

	if (!o->heap_interval)
		return 0;
	read_only->heap_interval = o->heap_interval;
	read_only->heap_mask = buckets - 1;
	s->keep_thread_sockets = true;
	if (s->stacks_interpreted) {
		s->stacks_native = STACKS_NATIVE_HEAP;
		s->stacks_interpreted = STACKS_INTERPRETED_HEAP;
	}
	err = bpf_map__set_max_entries(skel->maps.heap_blocks, buckets);
	return err ? err : bpf_map__set_max_entries(skel->maps.heap_sites, HEAP_SITES);
}

static int fill_settings(struct kernel *k, struct dbleak *skel, const struct kernel_options *o)
{
	struct settings *s = (struct settings *)&skel->rodata->settings;

	if (getrandom(&s->hash_seed, sizeof(s->hash_seed), 0) != sizeof(s->hash_seed))
		return -EIO;
	s->grace_ns = o->grace_ns;
	s->self = getpid();
	s->asker = o->asker;
	s->selective = !select_is_empty(o->select);
	kernel_share_fill(s);
	s->tell_tasks = s->selective && !o->look_only;
	s->by_comm = o->select->comm_count > 0;
	s->hierarchies = k->hierarchy_count;
	for (int i = 0; i < k->hierarchy_count; i++)
		s->hierarchy[i] = k->hierarchy_ids[i];
	s->stack_bytes = STACK_BYTES_COPIED;
	if (!o->take_stacks)
		return 0;
	s->stacks_native = o->tell_all ? STACKS_NATIVE_ALL : STACKS_NATIVE;
	s->stacks_interpreted = o->tell_all ? STACKS_INTERPRETED_ALL : STACKS_INTERPRETED;
	return 0;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level, (void)format, (void)args;
	return 0;
}

static enum libbpf_print_level loudest = LIBBPF_INFO;

static int loud(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level <= loudest)
		debug_write_lines(DEBUG_LIBBPF, format, args);
	return 0;
}

/* libbpf reads the variable only for messages that it prints itself. */
static void choose_print(void)
{
	const char *level = getenv("LIBBPF_LOG_LEVEL");

	if (level && !strcasecmp(level, "warn"))
		loudest = LIBBPF_WARN;
	if (level && !strcasecmp(level, "debug"))
		loudest = LIBBPF_DEBUG;
	libbpf_set_print(debug_is_on(DEBUG_LIBBPF) ? loud : quiet);
}

struct fill {
	struct kernel *kernel;
	const struct kernel_options *options;
};

static int fill_all(struct dbleak *maps, void *context)
{
	const struct fill *f = context;
	int err = fill_settings(f->kernel, maps, f->options);

	if (!err)
		err = kernel_room_fill(maps);
	/* The kernel has map iterators, so nothing is written to the ring of walks. */
	if (!err && !feature_try(FEATURE_MAP_ITERATOR))
		err = bpf_map__set_max_entries(maps->maps.walk_ring, sysconf(_SC_PAGESIZE));
	if (!err && select_is_empty(f->options->select))
		err = bpf_map__set_max_entries(maps->maps.task_ring, sysconf(_SC_PAGESIZE));
	return err ? err : fill_heap(maps, f->options);
}

static int kernel_load_objects(struct kernel *k, const struct kernel_options *o)
{
	struct fill fill = {k, o};
	int err = loaded_open(&k->loaded, o->look_only, fill_all, &fill);

	k->skel = k->loaded.maps;
	return err;
}

static int fill_tables(struct kernel *k)
{
	int err = 0;

	for (size_t i = 0; i < COUNT(servers) && !err; i++) {
		struct kernel_comm_key key = {};

		memcpy(key.comm, servers[i].comm, strlen(servers[i].comm));
		err = bpf_map_update_elem(bpf_map__fd(k->skel->maps.servers), &key,
					  &servers[i].database, BPF_ANY);
	}
	for (size_t i = 0; i < COUNT(ports) && !err; i++)
		err = kernel_learn_port(k, ports[i].port, ports[i].database);
	return err;
}

int kernel_link_iterator(struct kernel *k, struct bpf_link **link, const char *program,
			 const struct bpf_map *map)
{
	struct bpf_program *p = loaded_program(&k->loaded, program);
	DECLARE_LIBBPF_OPTS(bpf_iter_attach_opts, opts);
	union bpf_iter_link_info info = {};

	if (!p)
		return -ENOENT;
	if (map) {
		info.map.map_fd = bpf_map__fd(map);
		opts.link_info = &info;
		opts.link_info_len = sizeof(info);
	}
	*link = bpf_program__attach_iter(p, map ? &opts : NULL);
	return *link ? 0 : -errno;
}

/* libbpf reads on as long as new records come.  -EAGAIN stops that; this record counts as read. */
static int on_ring(void *context, void *data, size_t size)
{
	struct kernel *k = context;

	(void)size;
	k->fn(k->context, data);
	return ++k->drained % DRAIN_CLOCK || !k->drain_end_ns ||
			       clock_monotonic_ns() < k->drain_end_ns
		       ? 0
		       : -EAGAIN;
}

static int link_storage_sweeps(struct kernel *k)
{
	int err;

	if (feature_try(FEATURE_STORAGE_ITERATOR))
		return 0;
	err = kernel_link_iterator(k, &k->count, "count_stored", k->skel->maps.marks);
	return err || k->look_only
		       ? err
		       : kernel_link_iterator(k, &k->sweep_connections, "sweep_connections",
					      k->skel->maps.connections);
}

static int on_task(void *context, void *data, size_t size)
{
	struct kernel *k = context;

	(void)size;
	k->task_fn(k->task_context, data);
	return 0;
}

static int open_rings(struct kernel *k)
{
	k->ring = ring_buffer__new(bpf_map__fd(k->skel->maps.ring), on_ring, k, NULL);
	if (!k->ring)
		return -errno;
	k->walked = ring_buffer__new(bpf_map__fd(k->skel->maps.walk_ring), on_ring, k, NULL);
	if (!k->walked)
		return -errno;
	k->tasks = ring_buffer__new(bpf_map__fd(k->skel->maps.task_ring), on_task, k, NULL);
	return k->tasks ? 0 : -errno;
}

static int prepare(struct kernel *k, const struct kernel_options *o)
{
	int err = fill_tables(k);

	if (!err)
		err = kernel_link_iterator(k, &k->scan, "scan_files", NULL);
	if (!err)
		err = link_storage_sweeps(k);
	if (!err && !o->look_only)
		err = kernel_link_map_sweeps(k);
	if (!err)
		err = open_rings(k);
	if (err)
		return err;
	k->skel->data->births_allowed = k->tell_all ? INT32_MAX : BIRTHS_AT_START;
	for (size_t i = 0; i < o->select->pid_count && !err; i++)
		err = kernel_select_pid(k, o->select->pids[i].pid);
	for (size_t i = 0; i < o->select->comm_count && !err; i++) {
		uint8_t one = 1;

		err = bpf_map_update_elem(bpf_map__fd(k->skel->maps.comms), &o->select->comms[i],
					  &one, BPF_ANY);
	}
	return err ? err : kernel_select(k, o->select);
}

int kernel_open(struct kernel **out, const struct kernel_options *options)
{
	struct kernel *k = calloc(1, sizeof(*k));
	int err;

	*out = NULL;
	if (!k)
		return -ENOMEM;
	k->stats_fd = -1;
	k->look_only = options->look_only;
	k->errands = k->look_only ? NULL : errands_open();
	k->tell_all = options->tell_all;
	k->buffer = malloc(READ_BYTES);
	err = k->buffer ? feature_try(FEATURE_WARNINGS) : -ENOMEM;
	if (!err)
		err = resolve_hierarchies(k, options->select);
	choose_print();
	if (!err)
		err = kernel_load_objects(k, options);
	if (!err)
		err = prepare(k, options);
	if (err) {
		kernel_close(k);
		return err;
	}
	*out = k;
	return 0;
}

int kernel_attach(struct kernel *k)
{
	return loaded_attach(&k->loaded);
}

void kernel_close(struct kernel *k)
{
	if (!k)
		return;
	kernel_stats(k, false);
	errands_close(k->errands);
	ring_buffer__free(k->ring);
	ring_buffer__free(k->walked);
	ring_buffer__free(k->tasks);
	bpf_link__destroy(k->scan);
	bpf_link__destroy(k->count);
	bpf_link__destroy(k->sweep_connections);
	for (int i = 0; i < KERNEL_SWEEPS; i++)
		bpf_link__destroy(k->sweeps[i]);
	for (int i = 0; i < KERNEL_MORE; i++)
		loaded_more_close(&k->more[i]);
	loaded_close(&k->loaded);
	table_free_values(&k->forgotten);
	free(k->buffer);
	free(k);
}

struct dbleak *kernel_skeleton(struct kernel *k)
{
	return k->skel;
}

struct bpf_program *kernel_program(struct kernel *k, const char *name)
{
	return loaded_program(&k->loaded, name);
}

const char *kernel_door(const struct kernel *k)
{
	return k->loaded.door;
}

static int cgroup_key(const struct kernel *k, const struct select_cgroup *g, struct cgroup_key *key)
{
	memset(key, 0, sizeof(*key));
	key->id = g->id;
	for (int i = 0; i < k->hierarchy_count; i++) {
		if (k->hierarchies[i] != g->hierarchy)
			continue;
		key->hierarchy = k->hierarchy_ids[i];
		return 0;
	}
	return -ENOENT;
}

int kernel_select(struct kernel *k, const struct select *select)
{
	int fd = bpf_map__fd(k->skel->maps.cgroups), err = 0;
	struct cgroup_key key;
	uint8_t one = 1;

	for (size_t i = 0; i < select->removed_count; i++)
		if (!cgroup_key(k, &select->removed[i], &key))
			bpf_map_delete_elem(fd, &key);
	for (size_t i = 0; i < select->cgroup_count && !err; i++) {
		err = cgroup_key(k, &select->cgroups[i], &key);
		if (!err)
			err = bpf_map_update_elem(fd, &key, &one, BPF_ANY);
	}
	k->skel->bss->selection_generation++;
	return err;
}

int kernel_select_pid(struct kernel *k, uint32_t pid)
{
	uint8_t one = 1;

	return bpf_map_update_elem(bpf_map__fd(k->skel->maps.targets), &pid, &one, BPF_ANY);
}

bool kernel_targets(struct kernel *k, uint32_t pid)
{
	uint8_t one;

	return !bpf_map_lookup_elem(bpf_map__fd(k->skel->maps.targets), &pid, &one);
}

int kernel_learn_port(struct kernel *k, uint16_t port, uint8_t database)
{
	int err = bpf_map_update_elem(bpf_map__fd(k->skel->maps.ports), &port, &database,
				      BPF_NOEXIST);

	return err == -EEXIST ? 0 : err;
}

int kernel_serve_port(struct kernel *k, uint16_t port, uint8_t database, bool known_only)
{
	int fd = bpf_map__fd(k->skel->maps.ports);
	uint8_t value;
	bool known = !bpf_map_lookup_elem(fd, &port, &value) && (value & ~SERVED) == database;

	if (known_only && !known)
		return 0;
	value = database | SERVED;
	return bpf_map_update_elem(fd, &port, &value, BPF_ANY);
}

int kernel_serve_path(struct kernel *k, uint64_t hash, uint8_t database, bool named)
{
	uint8_t value = database | SERVED | (named ? NAMED : 0);

	return bpf_map_update_elem(bpf_map__fd(k->skel->maps.paths), &hash, &value, BPF_ANY);
}

uint8_t kernel_server_named(const char *name)
{
	for (size_t i = 0; i < COUNT(servers); i++)
		if (!strcmp(servers[i].comm, name))
			return servers[i].database;
	return EV_DB_UNKNOWN;
}

int kernel_processes(struct kernel *k, void (*fn)(void *, uint32_t, const struct process *),
		     void *context)
{
	int fd = bpf_map__fd(k->skel->maps.processes);
	uint32_t key, next, *at = NULL;
	struct process p;

	/* Take the next key first: to remove this key would lose the position in the map. */
	if (bpf_map_get_next_key(fd, NULL, &next))
		return 0;
	for (bool more = true; more;) {
		key = next;
		at = &key;
		more = bpf_map_get_next_key(fd, at, &next) == 0;
		if (bpf_map_lookup_elem(fd, &key, &p))
			continue;
		fn(context, key, &p);
		if (p.gone)
			process_entry_forget(fd, key, p.start_ns, &p);
	}
	return 0;
}

bool kernel_is_server(struct kernel *k, uint32_t pid)
{
	struct process p;

	return !bpf_map_lookup_elem(bpf_map__fd(k->skel->maps.processes), &pid, &p) && p.server;
}

int kernel_pagemap(struct kernel *k, uint32_t pid)
{
	return errand_pagemap(k ? k->errands : NULL, pid);
}
