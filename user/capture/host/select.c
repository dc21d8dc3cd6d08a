/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * select.c - turns SELECT of the command line into values that the kernel half can compare.
 *
 * The arguments are kept as wishes.  A wish for a cgroup or a container leads to bases (a hierarchy
 * and a path in it).  A base leads to the ids of all cgroups below it.  A refresh repeats these
 * steps.  This file follows no children of a selected process: the kernel half does.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/capture/host/select_state.h"

struct select_base {
	enum cgroup_hierarchy hierarchy;
	char *path;
	bool lasting; /* given as a path, not found by a container's name */
};

/* Makes room for one more element in the array that *array points to.  The room is always a power
 * of two, and at least 8. */
static int select_grow(void *array, size_t count, size_t size)
{
	void *items, *grown;

	if (count & (count - 1) || (count && count < 8))
		return 0;
	memcpy(&items, array, sizeof(items));
	grown = realloc(items, (count ? count * 2 : 8) * size);
	if (!grown)
		return -ENOMEM;
	memcpy(array, &grown, sizeof(grown));
	/* cppcheck-suppress memleak ; the array owns it */
	return 0;
}

static int add_wish(struct select *s, enum select_kind kind, const char *text, uint32_t pid)
{
	struct select_wish *w;

	if (select_grow(&s->wishes, s->wish_count, sizeof(*s->wishes)))
		return -ENOMEM;
	w = &s->wishes[s->wish_count];
	*w = (struct select_wish){.kind = kind, .pid = pid, .text = strdup(text)};
	if (!w->text)
		return -ENOMEM;
	s->wish_count++;
	return 0;
}

static int add_pids(struct select *s, const char *argument)
{
	char number[16], *end;
	int err = 0;

	while (!err) {
		unsigned long pid = isdigit((unsigned char)*argument) ? strtoul(argument, &end, 10)
								      : 0;

		if (!pid || pid > INT32_MAX || (*end && *end != ','))
			return -EINVAL;
		snprintf(number, sizeof(number), "%lu", pid);
		err = add_wish(s, SELECT_PID, number, (uint32_t)pid);
		if (!*end)
			break;
		argument = end + 1;
	}
	return err;
}

/* NAME or NAMESPACE/NAME. */
static int add_pod(struct select *s, const char *argument)
{
	const char *slash = strchr(argument, '/');
	size_t len = slash ? (size_t)(slash - argument) : 0;
	int err;

	if (slash && (!len || len > CONTAINER_NAMESPACE_LEN || !slash[1] || strchr(slash + 1, '/')))
		return -EINVAL;
	err = add_wish(s, SELECT_POD, argument, 0);
	if (!err)
		memcpy(s->wishes[s->wish_count - 1].namespace, argument, len);
	return err;
}

int select_add(struct select *s, enum select_kind kind, const char *argument)
{
	if (!*argument || strlen(argument) >= PATH_MAX)
		return -EINVAL;
	if (kind == SELECT_PID)
		return add_pids(s, argument);
	if (kind == SELECT_POD)
		return add_pod(s, argument);
	return add_wish(s, kind, argument, 0);
}

bool select_is_empty(const struct select *s)
{
	return !s->wish_count;
}

/* --- from wishes to bases ---------------------------------------------------------------- */

static int add_base(struct select *s, enum cgroup_hierarchy h, const char *path, bool lasting)
{
	struct select_base *b;

	if (select_grow(&s->bases, s->base_count, sizeof(*s->bases)))
		return -ENOMEM;
	b = &s->bases[s->base_count];
	*b = (struct select_base){.hierarchy = h, .lasting = lasting, .path = strdup(path)};
	if (!b->path)
		return -ENOMEM;
	s->base_count++;
	return 0;
}

static int resolve_pid(struct select *s, struct select_wish *w)
{
	struct process_facts facts;
	int err = procfs_facts(containers_procfs(s->containers), w->pid, &facts);

	if (err)
		return err == -ESRCH ? -ENOENT : err;
	if (select_grow(&s->pids, s->pid_count, sizeof(*s->pids)))
		return -ENOMEM;
	s->pids[s->pid_count++] = (struct select_pid){facts.start_ns, w->pid};
	return 0;
}

/* The kernel keeps only the first 15 bytes of a program's name, so a longer argument is cut. */
static int resolve_comm(struct select *s, struct select_wish *w)
{
	struct select_comm comm = {0};
	bool found = false;
	size_t count;
	struct process_facts *list = select_programs(containers_procfs(s->containers), &count);

	memcpy(comm.comm, w->text, strnlen(w->text, EV_COMM_LEN - 1));
	for (size_t i = 0; i < count && !found; i++)
		found = !strcmp(list[i].comm, comm.comm);
	free(list);
	if (!found)
		return -ENOENT;
	if (select_grow(&s->comms, s->comm_count, sizeof(*s->comms)))
		return -ENOMEM;
	s->comms[s->comm_count++] = comm;
	return 0;
}

/* The same path may exist in several hierarchies.  The user means the one that has processes. */
static enum cgroup_hierarchy find_hierarchy(const struct cgroups *groups, const char *path)
{
	enum cgroup_hierarchy empty = CGROUP_HIERARCHIES;
	uint64_t id;

	for (int i = CGROUP_V2; i < CGROUP_HIERARCHIES; i++) {
		enum cgroup_hierarchy h = (enum cgroup_hierarchy)i;

		if (cgroups_id(groups, h, path, &id))
			continue;
		if (cgroups_populated(groups, h, path))
			return h;
		if (empty == CGROUP_HIERARCHIES)
			empty = h;
	}
	return empty;
}

static char *tidy_path(const char *text)
{
	char *path = malloc(strlen(text) + 2), *to = path;

	if (!path)
		return NULL;
	*to++ = '/';
	for (; *text; text++)
		if (*text != '/' || to[-1] != '/')
			*to++ = *text;
	while (to > path + 1 && to[-1] == '/')
		to--;
	*to = '\0';
	return path;
}

static int resolve_cgroup(struct select *s, struct select_wish *w)
{
	const struct cgroups *groups = containers_cgroups(s->containers);
	enum cgroup_hierarchy h = CGROUP_HIERARCHIES;
	char *path = NULL;
	int err;

	if (*w->text != '/' || cgroups_locate(groups, w->text, &h, &path)) {
		path = tidy_path(w->text);
		h = path ? find_hierarchy(groups, path) : CGROUP_HIERARCHIES;
	}
	if (!path)
		return -ENOMEM;
	err = h == CGROUP_HIERARCHIES ? -ENOENT : add_base(s, h, path, true);
	free(path);
	return err;
}

static int resolve_named(struct select *s, struct select_wish *w)
{
	const struct container **list;
	size_t count;
	int err = containers_list(s->containers, &list, &count);

	if (err)
		return err;
	select_settle(s, list, count);
	err = select_seek(s, w, list, count);
	free(list);
	return err;
}

/* Adds a base for each container that is chosen and runs now. */
static int take_containers(struct select *s)
{
	const struct container **list;
	size_t count;
	int err = containers_list(s->containers, &list, &count);

	if (err)
		return err;
	select_settle(s, list, count);
	for (size_t i = 0; i < count && !err; i++)
		if (select_takes(s, list[i]))
			err = add_base(s, list[i]->hierarchy, list[i]->cgroup, false);
	free(list);
	return err;
}

static bool names_containers(const struct select *s)
{
	bool named = false;

	for (size_t i = 0; i < s->wish_count; i++)
		named |= select_names_containers(&s->wishes[i]);
	return named;
}

static const struct selector_kind {
	const char *option, *complaint;
	int (*resolve)(struct select *s, struct select_wish *w);
	void (*list)(struct select *s, const struct select_wish *w, FILE *errors);
} kinds[SELECT_KINDS] = {
	[SELECT_PID] = {"-p", "no such process", resolve_pid, select_list_pids},
	[SELECT_COMM] = {"--comm", "no process has this name", resolve_comm, select_list_comms},
	[SELECT_CGROUP] = {"--cgroup", "no such cgroup", resolve_cgroup, select_list_cgroups},
	[SELECT_CONTAINER] = {"--container", "no such container is running", resolve_named,
			      select_list_containers},
	[SELECT_POD] = {"--pod", "no such pod is running", resolve_named, select_list_pods},
	[SELECT_NAMESPACE] = {"--namespace", "no pod of such a namespace is running", resolve_named,
			      select_list_namespaces},
};

void select_describe(const struct select *s, char *out, size_t size)
{
	size_t used = 0;

	*out = '\0';
	for (size_t i = 0; i < s->wish_count && used < size - 1; i++) {
		int n = snprintf(out + used, size - used, "%s%s %s", i ? " " : "",
				 kinds[s->wishes[i].kind].option, s->wishes[i].text);

		used += n > 0 ? (size_t)n : 0;
	}
}

/* --- from bases to ids ------------------------------------------------------------------- */

struct id_list {
	struct select_cgroup *items;
	size_t count;
	enum cgroup_hierarchy hierarchy;
	int err;
};

static enum cgroup_step take_id(void *context, const struct cgroup_node *node)
{
	struct id_list *ids = context;

	ids->err = select_grow(&ids->items, ids->count, sizeof(*ids->items));
	if (ids->err)
		return CGROUP_STOP;
	ids->items[ids->count++] = (struct select_cgroup){node->id, ids->hierarchy};
	return CGROUP_DEEPER;
}

static int compare_ids(const void *a, const void *b)
{
	const struct select_cgroup *x = a, *y = b;

	if (x->hierarchy != y->hierarchy)
		return x->hierarchy < y->hierarchy ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static void sort_ids(struct id_list *ids)
{
	size_t kept = 0;

	if (ids->count)
		qsort(ids->items, ids->count, sizeof(*ids->items), compare_ids);
	for (size_t i = 0; i < ids->count; i++)
		if (!kept || compare_ids(&ids->items[kept - 1], &ids->items[i]))
			ids->items[kept++] = ids->items[i];
	ids->count = kept;
}

/* The elements of a that are not in b.  Both are sorted. */
static int difference(const struct select_cgroup *a, size_t a_count, const struct select_cgroup *b,
		      size_t b_count, struct select_cgroup **out, size_t *out_count)
{
	size_t j = 0;

	free(*out);
	*out_count = 0;
	*out = calloc(a_count + 1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	for (size_t i = 0; i < a_count; i++) {
		while (j < b_count && compare_ids(&b[j], &a[i]) < 0)
			j++;
		if (j == b_count || compare_ids(&b[j], &a[i]))
			(*out)[(*out_count)++] = a[i];
	}
	return 0;
}

static int select_collect(struct select *s)
{
	const struct cgroups *groups = containers_cgroups(s->containers);
	struct id_list ids = {0};

	for (size_t i = 0; i < s->base_count && !ids.err; i++) {
		ids.hierarchy = s->bases[i].hierarchy;
		cgroups_visit(groups, ids.hierarchy, s->bases[i].path, take_id, &ids);
	}
	sort_ids(&ids);
	if (!ids.err)
		ids.err = difference(ids.items, ids.count, s->cgroups, s->cgroup_count, &s->added,
				     &s->added_count);
	if (!ids.err)
		ids.err = difference(s->cgroups, s->cgroup_count, ids.items, ids.count, &s->removed,
				     &s->removed_count);
	if (ids.err) {
		free(ids.items);
		return ids.err;
	}
	free(s->cgroups);
	s->cgroups = ids.items;
	s->cgroup_count = ids.count;
	return 0;
}

static void drop_bases(struct select *s, bool lasting_too)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->base_count; i++) {
		if (s->bases[i].lasting && !lasting_too)
			s->bases[kept++] = s->bases[i];
		else
			free(s->bases[i].path);
	}
	s->base_count = kept;
}

static void complain(const struct select_wish *w, int err, FILE *errors)
{
	char *safe = escape_terminal(w->text, strlen(w->text));

	fprintf(errors, "dbleak: %s %s: %s\n", kinds[w->kind].option, safe ? safe : "?",
		err == -ENOENT	   ? kinds[w->kind].complaint
		: err == -ENOTUNIQ ? "several namespaces have such a pod; choose NAMESPACE/NAME"
				   : strerror(-err));
	free(safe);
}

int select_resolve(struct select *s, struct containers *containers, FILE *errors)
{
	const struct select_wish *missed[SELECT_KINDS] = {NULL};
	int result = 0;

	s->containers = containers;
	for (size_t i = 0; i < s->wish_count; i++) {
		struct select_wish *w = &s->wishes[i];
		int err = kinds[w->kind].resolve(s, w);

		if (!err)
			continue;
		complain(w, err, errors);
		if (err == -ENOTUNIQ)
			err = -ENOENT;
		if (err == -ENOENT)
			missed[w->kind] = w;
		if (!result || result == -ENOENT)
			result = err;
	}
	for (size_t i = 0; i < COUNT(missed); i++)
		if (missed[i])
			kinds[i].list(s, missed[i], errors);
	if (!result && names_containers(s))
		result = take_containers(s);
	return result ? result : select_collect(s);
}

static bool add_hierarchy(enum cgroup_hierarchy *out, size_t *count, size_t room,
			  enum cgroup_hierarchy h)
{
	for (size_t i = 0; i < *count; i++)
		if (out[i] == h)
			return true;
	if (h == CGROUP_HIERARCHIES)
		return true;
	if (*count == room)
		return false;
	out[(*count)++] = h;
	return true;
}

int select_hierarchies(const struct select *s, enum cgroup_hierarchy *out, size_t room)
{
	const struct cgroups *groups = containers_cgroups(s->containers);
	size_t count = 0;
	bool fits = true;

	for (size_t i = 0; i < s->base_count; i++)
		fits &= add_hierarchy(out, &count, room, s->bases[i].hierarchy);
	for (size_t i = 0; i < s->wish_count; i++) {
		if (!select_names_containers(&s->wishes[i]))
			continue;
		if (cgroups_mount(groups, CGROUP_V2))
			fits &= add_hierarchy(out, &count, room, CGROUP_V2);
		fits &= add_hierarchy(out, &count, room, cgroups_first_v1(groups));
	}
	return fits ? (int)count : -E2BIG;
}

/* containers_list shows only containers that run a process, so the next refresh finds a container
 * that is being created now. */
int select_refresh(struct select *s)
{
	bool groups = false, named = names_containers(s);
	int err = 0;

	for (size_t i = 0; i < s->wish_count; i++)
		groups |= s->wishes[i].kind == SELECT_CGROUP;
	s->added_count = s->removed_count = 0;
	if (named) {
		drop_bases(s, false);
		err = take_containers(s);
	}
	if (!err && (named || groups))
		err = select_collect(s);
	return err ? err : s->added_count || s->removed_count;
}

static bool in_base(const struct select_base *b, const struct cgroup_line *line)
{
	int len = strcmp(b->path, "/") ? (int)strlen(b->path) : 0;

	return b->hierarchy == line->hierarchy && line->length >= len &&
	       !memcmp(b->path, line->path, (size_t)len) &&
	       (line->length == len || line->path[len] == '/');
}

static bool in_cgroups(const struct select *s, uint32_t pid)
{
	char text[65536];
	const char *at = text;
	struct cgroup_line line;

	if (!s->base_count ||
	    procfs_read(containers_procfs(s->containers), pid, "cgroup", text, sizeof(text)) < 0)
		return false;
	while (cgroup_next(&at, &line))
		for (size_t i = 0; i < s->base_count; i++)
			if (in_base(&s->bases[i], &line))
				return true;
	return false;
}

bool select_has(const struct select *s, uint32_t pid, const char *comm)
{
	if (select_is_empty(s))
		return true;
	for (size_t i = 0; i < s->pid_count; i++)
		if (s->pids[i].pid == pid)
			return true;
	for (size_t i = 0; i < s->comm_count; i++)
		if (!strcmp(s->comms[i].comm, comm))
			return true;
	return in_cgroups(s, pid);
}

void select_free(struct select *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->wish_count; i++)
		free(s->wishes[i].text);
	drop_bases(s, true);
	free(s->wishes);
	free(s->bases);
	free(s->pids);
	free(s->comms);
	free(s->cgroups);
	free(s->added);
	free(s->removed);
	memset(s, 0, sizeof(*s));
}
