/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_load.c - see kernel_load.h.
 *
 * Two doors lead to the sockets (tracepoints, fexit), and only a try shows which one a kernel has.
 * So the programs of each door are loaded in turn, without those of the other, until the kernel
 * accepts.
 */
#include "user/capture/kernel/kernel_load.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "bpf/settings.h"
#include "dbleak.skel.h"
#include "user/capture/kernel/feature.h"
#include "user/capture/kernel/loading.h"
#include "user/capture/kernel/map_making.h"
#include "user/capture/probe/probe.h"
#include "user/system/debug.h"

#define LARGE	  (2 << 20)  /* bytes from which malloc uses mmap; smaller blocks are reused */
#define LARGEST	  (32 << 20) /* the highest such limit that malloc accepts */
#define WARM	  (32 << 20) /* bytes of the heap that the loads of the start need */
#define PLENTY	  (512 << 20)
#define HUGE_PAGE ((uintptr_t)2 << 20)
#define TOP_PAD	  (128 << 10) /* malloc's default */
#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))

static uintptr_t heap_warmed; /* the first address that warm_heap asked for */

/* The programs of each door, alternately for the first and the second part. */
static const struct {
	const char *name;
	const char *programs[4];
	unsigned int arguments; /* only if tcp_recvmsg takes so many; 0: any number */
	enum feature_id feature;
} doors[] = {
	{"tracepoints", {"socket_sent", "socket_received"}, 0, FEATURE_TRACEPOINT_DOOR},
	{"fexit",
	 {"tcp_sent", "tcp_received_nonblock", "unix_sent", "unix_received"},
	 6,
	 FEATURE_FEXIT_DOOR},
	{"fexit",
	 {"tcp_sent", "tcp_received", "unix_sent", "unix_received"},
	 0,
	 FEATURE_FEXIT_DOOR},
};

static const char *const lifecycle[] = {"socket_state",	    "socket_destroyed", "process_forked",
					"process_replaced", "process_renamed",	"process_exited",
					"signal_taken"};
/* Programs that user space runs. */
static const struct {
	const char *name;
	bool without_probes; /* also with look_only */
	bool unless; /* load only if the kernel lacks the feature; else only if it has the feature
		      */
	enum feature_id feature;
} sweeps[] = {
	{"scan_files", .without_probes = true, .feature = FEATURE_FILE_ITERATOR},
	{"count_stored", .without_probes = true, .feature = FEATURE_STORAGE_ITERATOR},
	{"share_given",
	 .feature = FEATURE_FILE_ITERATOR}, /* no kernel that can be watched lacks it */
	{"sweep_connections", .feature = FEATURE_STORAGE_ITERATOR},
	{"sweep_statements", .feature = FEATURE_MAP_ITERATOR},
	{"sweep_sites", .feature = FEATURE_MAP_ITERATOR},
	{"sweep_links", .feature = FEATURE_MAP_ITERATOR},
	{"sweep_handles", .feature = FEATURE_MAP_ITERATOR},
	{"walk_statements", .unless = true, .feature = FEATURE_MAP_ITERATOR},
	{"walk_sites", .unless = true, .feature = FEATURE_MAP_ITERATOR},
	{"walk_links", .unless = true, .feature = FEATURE_MAP_ITERATOR},
	{"walk_handles", .unless = true, .feature = FEATURE_MAP_ITERATOR},
};
/* Programs that are attached to each library file, when it is found. */
static const char *const clients[] = {"client_entered", "client_left", "python_started"};

static bool named(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] && strcmp(name, list[i]) == 0)
			return true;
	return false;
}

static int sweep_number(const char *name)
{
	for (size_t i = 0; i < COUNT(sweeps); i++)
		if (strcmp(name, sweeps[i].name) == 0)
			return (int)i;
	return -1;
}

static bool sweep_wanted(const char *name, bool look_only)
{
	int i = sweep_number(name);

	return i >= 0 && (sweeps[i].without_probes || !look_only) &&
	       (feature_try(sweeps[i].feature) != 0) == sweeps[i].unless;
}

enum loaded_kind program_kind(const struct bpf_program *p)
{
	const char *name = bpf_program__name(p);

	return sweep_number(name) >= 0			  ? PROGRAM_SWEEP
	       : named(name, lifecycle, COUNT(lifecycle)) ? PROGRAM_LIFECYCLE
	       : named(name, clients, COUNT(clients))	  ? PROGRAM_CLIENT
							  : PROGRAM_SOCKET;
}

/* The part that loads this program; -1: neither.  The verifier needs about the same time for both
 * parts. */
static int kernel_load_part_of(const char *name, size_t door)
{
	for (size_t i = 0; i < COUNT(doors[door].programs); i++)
		if (doors[door].programs[i] && strcmp(name, doors[door].programs[i]) == 0)
			return i % LOADED_PARTS;
	if (named(name, lifecycle, COUNT(lifecycle)) || named(name, clients, COUNT(clients)))
		return 0;
	return sweep_wanted(name, false) ? 1 : -1;
}

static enum bpf_attach_type attach_type_of(const struct bpf_program *p)
{
	return strstr(bpf_program__name(p), "_session")
		       ? (enum bpf_attach_type)PROBE_ATTACH_TYPE_SESSION
		       : (enum bpf_attach_type)PROBE_ATTACH_TYPE_MULTI;
}

static void kernel_load_choose(struct bpf_program *p, bool wanted)
{
	bpf_program__set_autoload(p, wanted);
	if (wanted && bpf_program__type(p) == BPF_PROG_TYPE_KPROBE &&
	    !feature_try(FEATURE_UPROBE_MULTI))
		bpf_program__set_expected_attach_type(p, attach_type_of(p));
}

/* Makes another object use the maps of the first. */
static int share_maps(struct dbleak *maps, struct dbleak *more)
{
	struct bpf_map *m;
	int err = 0;

	bpf_object__for_each_map(m, more->obj)
	{
		int fd = bpf_object__find_map_fd_by_name(maps->obj, bpf_map__name(m));

		if (!err)
			err = fd < 0 ? fd : bpf_map__reuse_fd(m, fd);
	}
	return err;
}

/* --- at the start ------------------------------------------------------------------------- */

static void destroy(struct dbleak **skel)
{
	dbleak__destroy(*skel);
	*skel = NULL;
}

void loaded_close(struct loaded *l)
{
	for (int i = 0; i < LOADED_PARTS; i++)
		if (l->parts[i] != l->maps)
			destroy(&l->parts[i]);
	destroy(&l->maps);
	memset(l->parts, 0, sizeof(l->parts));
}

/* Loads all programs in one object: on a single processor two objects would take longer. */
static int open_whole(struct loaded *l, size_t door, bool look_only, loaded_fill_fn *fill,
		      void *context)
{
	struct bpf_program *p;
	int err;

	bpf_object__for_each_program(p, l->maps->obj)
	{
		const char *name = bpf_program__name(p);

		kernel_load_choose(p, look_only ? sweep_wanted(name, true)
						: kernel_load_part_of(name, door) >= 0);
	}
	err = fill(l->maps, context);
	l->parts[0] = l->maps;
	if (err)
		return err;
	map_making_do(l->maps->obj);
	return dbleak__load(l->maps);
}

static int open_part(struct loaded *l, int part, size_t door)
{
	struct bpf_program *p;

	l->parts[part] = dbleak__open();
	if (!l->parts[part])
		return -errno;
	bpf_object__for_each_program(p, l->parts[part]->obj)
		kernel_load_choose(p, kernel_load_part_of(bpf_program__name(p), door) == part);
	return share_maps(l->maps, l->parts[part]);
}

/* Loads the maps first, then the two parts in parallel. */
static int open_parts(struct loaded *l, size_t door, loaded_fill_fn *fill, void *context)
{
	struct loading *other = NULL;
	struct bpf_program *p;
	int err = fill(l->maps, context), late = 0;

	bpf_object__for_each_program(p, l->maps->obj) kernel_load_choose(p, false);
	if (!err) {
		map_making_do(l->maps->obj);
		err = dbleak__load(l->maps);
	}
	for (int i = 0; i < LOADED_PARTS && !err; i++)
		err = open_part(l, i, door);
	if (err)
		return err;
	other = loading_begin(l->parts[1]->obj);
	err = bpf_object__load(l->parts[0]->obj);
	late = other ? loading_end(other) : bpf_object__load(l->parts[1]->obj);
	return err ? err : late;
}

static int try_door(struct loaded *l, size_t door, bool look_only, loaded_fill_fn *fill,
		    void *context)
{
	bool whole = look_only || sysconf(_SC_NPROCESSORS_ONLN) < LOADED_PARTS;
	int err;

	l->maps = dbleak__open();
	if (!l->maps)
		return -errno;
	err = whole ? open_whole(l, door, look_only, fill, context)
		    : open_parts(l, door, fill, context);
	if (err)
		loaded_close(l);
	return err;
}

/* Does a kernel function take so many arguments, by the kernel's BTF?  BTF answers at once, while
 * the verifier would read a whole program first. */
static bool kernel_takes(const char *function, unsigned int arguments)
{
	struct btf *btf = btf__load_vmlinux_btf();
	const struct btf_type *type = NULL;
	int id = btf ? btf__find_by_name_kind(btf, function, BTF_KIND_FUNC) : -1;
	bool takes;

	if (id >= 0)
		type = btf__type_by_id(btf, btf__type_by_id(btf, id)->type);
	takes = type && btf_is_func_proto(type) && btf_vlen(type) == arguments;
	btf__free(btf);
	return takes;
}

static bool kernel_load_fits(size_t door)
{
	if (feature_is_left_out(doors[door].feature))
		return false;
	return !doors[door].arguments || kernel_takes("tcp_recvmsg", doors[door].arguments);
}

/* Does the error mean that the kernel lacks this door's hooks?  Any other error would come at each
 * door.  The verifier gives EACCES for a hook that takes other arguments. */
static bool is_absent(int err, size_t door)
{
	return err == -ESRCH || err == -ENOENT || err == -ENOTSUP || (err == -EACCES && door > 0);
}

/* Is so much memory free that the kernel makes huge pages without moving pages of others? */
static bool plenty_free(void)
{
	struct sysinfo s;

	return !sysinfo(&s) && (uint64_t)s.freeram * s.mem_unit >= PLENTY;
}

/* Lets the heap grow once by WARM bytes of huge pages: 16 page faults then do for 8,192. */
static void warm_heap(void)
{
	uintptr_t end;
	void *grown;

	mallopt(M_TOP_PAD, WARM);
	grown = malloc(LARGE);
	end = (uintptr_t)sbrk(0);
	/* cppcheck-suppress uninitdata ; only the address is used */
	heap_warmed = ((uintptr_t)grown + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	if (grown && plenty_free() && (uintptr_t)grown < end &&
	    end - (uintptr_t)grown <= (uintptr_t)(2 * WARM))
		madvise((void *)heap_warmed, end - heap_warmed, MADV_HUGEPAGE);
	free(grown);
	mallopt(M_TOP_PAD, TOP_PAD);
}

/*
 * Each object reads the kernel's types anew, 12 MB in all.  To touch a new page may cost ten times
 * as much as reading into it.  So malloc keeps the memory that one load frees, and the next load
 * reuses it, in any thread.  After the last load the memory goes back to the kernel, and what stays
 * is no longer made huge.
 */
static void keep_memory(bool keep)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, keep ? LARGEST : LARGE);
	mallopt(M_TRIM_THRESHOLD, keep ? INT_MAX : LARGE);
	if (keep) {
		warm_heap();
		return;
	}
	malloc_trim(0);
	if ((uintptr_t)sbrk(0) > heap_warmed)
		madvise((void *)heap_warmed, (uintptr_t)sbrk(0) - heap_warmed, MADV_NOHUGEPAGE);
}

static int open_door(struct loaded *l, bool look_only, loaded_fill_fn *fill, void *context)
{
	int err = -ENOTSUP;

	for (size_t door = 0; door < COUNT(doors); door++) {
		if (!kernel_load_fits(door))
			continue;
		err = try_door(l, door, look_only, fill, context);
		debug(DEBUG_KERNEL, "programs for the door %s: %s", doors[door].name,
		      err ? strerror(-err) : "loaded");
		if (!err)
			l->door = look_only ? "none" : doors[door].name;
		if (!is_absent(err, door))
			break;
	}
	return err;
}

int loaded_open(struct loaded *l, bool look_only, loaded_fill_fn *fill, void *context)
{
	int err;

	keep_memory(true);
	err = open_door(l, look_only, fill, context);
	keep_memory(false);
	return err;
}

struct bpf_program *loaded_next(const struct loaded *l, struct bpf_program *p, size_t *part)
{
	for (; *part < LOADED_PARTS && l->parts[*part]; (*part)++, p = NULL)
		while ((p = bpf_object__next_program(l->parts[*part]->obj, p)))
			if (bpf_program__autoload(p))
				return p;
	return NULL;
}

struct bpf_program *loaded_program(const struct loaded *l, const char *name)
{
	struct bpf_program *p = NULL;
	size_t part = 0;

	while ((p = loaded_next(l, p, &part)))
		if (strcmp(bpf_program__name(p), name) == 0)
			return p;
	return NULL;
}

static struct bpf_link **link_of(struct dbleak *skel, const struct bpf_program *p)
{
	for (int i = 0; i < skel->skeleton->prog_cnt; i++)
		if (*skel->skeleton->progs[i].prog == p)
			return skel->skeleton->progs[i].link;
	return NULL;
}

int loaded_attach(const struct loaded *l)
{
	struct bpf_program *p = NULL;
	size_t part = 0;

	while ((p = loaded_next(l, p, &part))) {
		enum loaded_kind kind = program_kind(p);
		struct bpf_link **link = link_of(l->parts[part], p);

		if (kind == PROGRAM_SWEEP || kind == PROGRAM_CLIENT)
			continue;
		if (!link)
			return -EINVAL;
		*link = bpf_program__attach(p);
		if (!*link)
			return -errno;
	}
	return 0;
}

/* --- later ---------------------------------------------------------------------------------- */

static int open_more(struct loaded_more *m, const struct loaded *l, const char *const *programs,
		     size_t n)
{
	struct bpf_program *p;
	int err;

	m->coming = dbleak__open();
	if (!m->coming)
		return -errno;
	bpf_object__for_each_program(p, m->coming->obj)
		kernel_load_choose(p, named(bpf_program__name(p), programs, n));
	err = share_maps(l->maps, m->coming);
	if (err)
		destroy(&m->coming);
	return err;
}

void loaded_more_begin(struct loaded_more *m, const struct loaded *l, const char *const *programs,
		       size_t n)
{
	if (m->skel || m->coming || open_more(m, l, programs, n))
		return;
	m->loading = loading_begin(m->coming->obj);
	if (!m->loading)
		destroy(&m->coming);
}

int loaded_more_wait(struct loaded_more *m, const struct loaded *l, const char *const *programs,
		     size_t n)
{
	int err = 0;

	if (m->skel)
		return 0;
	if (!m->coming)
		err = open_more(m, l, programs, n);
	if (err)
		return err;
	err = m->loading ? loading_end(m->loading) : bpf_object__load(m->coming->obj);
	m->loading = NULL;
	if (err)
		destroy(&m->coming);
	m->skel = m->coming;
	m->coming = NULL;
	return err;
}

int loaded_more_try(struct loaded_more *m, const struct loaded *l, const char *const *programs,
		    size_t n)
{
	loaded_more_begin(m, l, programs, n);
	if (m->loading && !loading_is_done(m->loading))
		return -EAGAIN;
	return loaded_more_wait(m, l, programs, n);
}

void loaded_more_close(struct loaded_more *m)
{
	if (m->loading)
		loading_end(m->loading);
	m->loading = NULL;
	destroy(&m->coming);
	destroy(&m->skel);
}
