/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * limit.c - reads memory.max, memory.high, memory.limit_in_bytes, /proc/PID/limits and
 * /proc/meminfo.
 *
 * The kernel can reclaim inactive file pages at once, so they do not count as used.  MemAvailable,
 * the kernel's figure for the host, leaves them out in the same way.
 */
#include "user/capture/host/limit.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/file.h"
#include "user/base/table.h"

#define UNBOUNDED (1ULL << 60) /* v1 writes "no limit" as a number near 2^63 */

struct limits {
	const struct procfs *procfs;
	const struct cgroups *cgroups;
	struct table read; /* struct limit, by hierarchy and path */
	struct limit host;
	bool host_read;
};

/* The files of each hierarchy's figures. */
static const struct {
	enum cgroup_hierarchy hierarchy;
	const char *most,
		*brake; /* above this the kernel throttles the processes; NULL: no such file */
	const char *used, *idle;
} files[] = {
	{CGROUP_V2, "memory.max", "memory.high", "memory.current", "\ninactive_file "},
	{CGROUP_MEMORY, "memory.limit_in_bytes", NULL, "memory.usage_in_bytes",
	 "\ntotal_inactive_file "},
};

static const struct limit none = {UNKNOWN64, UNKNOWN64, EV_LIMIT_NONE};

int limits_open(struct limits **out, const struct procfs *procfs, const struct cgroups *cgroups)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->procfs = procfs;
	(*out)->cgroups = cgroups;
	return 0;
}

void limits_begin(struct limits *l)
{
	table_free_values(&l->read);
	l->host_read = false;
}

void limits_close(struct limits *l)
{
	if (!l)
		return;
	limits_begin(l);
	free(l);
}

static uint64_t left(const struct limit *limit)
{
	if (limit->bytes == UNKNOWN64)
		return UNKNOWN64;
	return limit->used < limit->bytes ? limit->bytes - limit->used : 0;
}

static void keep_nearer(struct limit *nearest, const struct limit *other)
{
	if (other->used != UNKNOWN64 && left(other) < left(nearest))
		*nearest = *other;
}

/* UNKNOWN64 for "max" and for anything else that is no number. */
static uint64_t number_at(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	return end == text ? UNKNOWN64 : n;
}

/* The number after a key at the beginning of a line.  key: with a newline first. */
static uint64_t limit_number_of(const char *text, const char *key)
{
	const char *at = strncmp(text, key + 1, strlen(key) - 1) ? strstr(text, key) : text - 1;

	return at ? number_at(at + strlen(key)) : UNKNOWN64;
}

static uint64_t limit_read_number(const struct limits *l, enum cgroup_hierarchy h, const char *path,
				  const char *name)
{
	char text[64];

	return name && cgroups_read(l->cgroups, h, path, name, text, sizeof(text)) > 0
		       ? number_at(text)
		       : UNKNOWN64;
}

static struct limit read_cgroup(const struct limits *l, size_t which, const char *path)
{
	enum cgroup_hierarchy h = files[which].hierarchy;
	struct limit limit = {.bytes = limit_read_number(l, h, path, files[which].most)};
	uint64_t idle, brake = limit_read_number(l, h, path, files[which].brake);
	char text[8192];

	if (brake < limit.bytes)
		limit.bytes = brake;
	if (limit.bytes >= UNBOUNDED)
		return none;
	limit.used = limit_read_number(l, h, path, files[which].used);
	limit.kind = EV_LIMIT_CGROUP;
	if (cgroups_read(l->cgroups, h, path, "memory.stat", text, sizeof(text)) <= 0)
		return limit;
	idle = limit_number_of(text, files[which].idle);
	if (idle != UNKNOWN64 && limit.used != UNKNOWN64)
		limit.used -= idle < limit.used ? idle : limit.used;
	return limit;
}

static uint64_t hash_path(const char *path)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	while (*path)
		hash = (hash ^ (unsigned char)*path++) * 0x100000001b3ULL; /* FNV-1a */
	return hash;
}

/* Reads a cgroup's limit once per look, for all processes in it. */
static struct limit cgroup_limit(struct limits *l, size_t which, const char *path)
{
	struct table_key key = {hash_path(path), which};
	struct limit *known = table_get(&l->read, key), found;

	if (known)
		return *known;
	found = read_cgroup(l, which, path);
	known = malloc(sizeof(*known));
	if (!known)
		return found;
	*known = found;
	if (table_put(&l->read, key, known))
		free(known);
	return found;
}

/* Checks the cgroup and all above it.  Changes path. */
static void climb(struct limits *l, size_t which, char *path, struct limit *nearest)
{
	struct limit limit;
	char *slash;

	for (;;) {
		limit = cgroup_limit(l, which, path);
		keep_nearer(nearest, &limit);
		slash = strrchr(path, '/');
		if (!slash || !path[1])
			return;
		slash[slash == path] = '\0';
	}
}

static void look_at_cgroups(struct limits *l, uint32_t pid, struct limit *nearest)
{
	char text[16384], path[PATH_MAX];
	struct cgroup_line line;
	const char *at = text;

	if (!l->cgroups || procfs_read(l->procfs, pid, "cgroup", text, sizeof(text)) <= 0)
		return;
	while (cgroup_next(&at, &line)) {
		for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
			if (line.hierarchy != files[i].hierarchy || line.length >= PATH_MAX)
				continue;
			snprintf(path, sizeof(path), "%.*s", line.length, line.path);
			climb(l, i, path, nearest);
		}
	}
}

static void look_at_process(const struct limits *l, uint32_t pid, const struct process_usage *usage,
			    struct limit *nearest)
{
	const struct {
		const char *key;
		uint64_t used;
	} rows[] = {{"\nMax address space", usage->space_bytes},
		    {"\nMax data size", usage->data_bytes}};
	char text[4096];

	if (procfs_read(l->procfs, pid, "limits", text, sizeof(text)) <= 0)
		return;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct limit limit = {limit_number_of(text, rows[i].key), rows[i].used,
				      EV_LIMIT_PROCESS};

		keep_nearer(nearest, &limit);
	}
}

static void look_at_host(struct limits *l, struct limit *nearest)
{
	uint64_t total, free_kib;
	char text[4096];

	if (!l->host_read) {
		l->host_read = true;
		l->host = none;
		file_read(procfs_folder(l->procfs), "meminfo", text, sizeof(text));
		total = limit_number_of(text, "\nMemTotal:");
		free_kib = limit_number_of(text, "\nMemAvailable:");
		if (total != UNKNOWN64 && free_kib <= total)
			l->host = (struct limit){total * 1024, (total - free_kib) * 1024,
						 EV_LIMIT_HOST};
	}
	keep_nearer(nearest, &l->host);
}

struct limit limits_nearest(struct limits *l, uint32_t pid, const struct process_usage *usage)
{
	struct limit nearest = none;

	look_at_cgroups(l, pid, &nearest);
	look_at_process(l, pid, usage, &nearest);
	look_at_host(l, &nearest);
	return nearest;
}
