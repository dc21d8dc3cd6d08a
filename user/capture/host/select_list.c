/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * select_list.c - what could be chosen instead, after an argument that matches nothing.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/base/redact.h"
#include "user/capture/host/select_state.h"

#define CANDIDATES_MAX 60
#define COLUMNS	       80

/* Prints items in lines of 80 columns. */
struct selector_column {
	FILE *out;
	size_t used;
	size_t items;
};

static void print_item(struct selector_column *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void print_item(struct selector_column *c, const char *format, ...)
{
	char *text, *safe;
	size_t width;
	va_list args;
	int len;

	if (c->items++ >= CANDIDATES_MAX)
		return;
	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0)
		return;
	safe = escape_terminal(text, (size_t)len);
	free(text);
	width = safe ? strlen(safe) : 0;
	if (!c->used || c->used + width + 2 > COLUMNS) {
		fprintf(c->out, "%s  ", c->used ? "\n" : "");
		c->used = 2;
	}
	fprintf(c->out, "  %s", safe ? safe : "?");
	c->used += width + 2;
	free(safe);
}

static void end_items(struct selector_column *c)
{
	if (c->items > CANDIDATES_MAX)
		fprintf(c->out, "  ... and %zu more", c->items - CANDIDATES_MAX);
	if (c->used)
		fputc('\n', c->out);
}

static int compare_facts(const void *a, const void *b)
{
	const struct process_facts *x = a, *y = b;
	int order = memcmp(x->comm, y->comm, sizeof(x->comm));

	return order ? order : (x->pid > y->pid) - (x->pid < y->pid);
}

/* All processes but kernel threads, sorted by comm.  The caller frees them. */
struct process_facts *select_programs(const struct procfs *p, size_t *count)
{
	struct process_facts *list;
	uint32_t *pids;
	size_t all;

	*count = 0;
	if (procfs_pids(p, &pids, &all))
		return NULL;
	list = calloc(all + 1, sizeof(*list));
	for (size_t i = 0; list && i < all; i++)
		if (!procfs_facts(p, pids[i], &list[*count]) && !list[*count].kernel_thread)
			(*count)++;
	free(pids);
	if (list)
		qsort(list, *count, sizeof(*list), compare_facts);
	return list;
}

void select_list_pids(struct select *s, const struct select_wish *w, FILE *errors)
{
	struct selector_column c = {.out = errors};
	size_t count;
	struct process_facts *list = select_programs(containers_procfs(s->containers), &count);

	(void)w;
	fprintf(errors, "running now:\n");
	for (size_t i = 0; i < count; i++) {
		redact_name(list[i].comm);
		print_item(&c, "%s[%u]", list[i].comm, list[i].pid);
	}
	end_items(&c);
	free(list);
}

void select_list_comms(struct select *s, const struct select_wish *w, FILE *errors)
{
	struct selector_column c = {.out = errors};
	size_t count, same;
	struct process_facts *list = select_programs(containers_procfs(s->containers), &count);

	(void)w;
	fprintf(errors, "running now:\n");
	for (size_t i = 0; i < count; i += same) {
		for (same = 1; i + same < count && !strcmp(list[i].comm, list[i + same].comm);)
			same++;
		redact_name(list[i].comm);
		if (same > 1)
			print_item(&c, "%s (%zu)", list[i].comm, same);
		else
			print_item(&c, "%s", list[i].comm);
	}
	end_items(&c);
	free(list);
}

static enum cgroup_step print_child(void *context, const struct cgroup_node *node)
{
	if (!node->depth)
		return CGROUP_DEEPER;
	print_item(context, "%s", node->name);
	return CGROUP_SKIP;
}

static enum cgroup_step note_child(void *context, const struct cgroup_node *node)
{
	bool *found = context;

	*found = node->depth;
	return node->depth ? CGROUP_STOP : CGROUP_DEEPER;
}

/* Cuts path to its longest part that exists in some hierarchy, and returns that hierarchy. */
static enum cgroup_hierarchy deepest(const struct cgroups *groups, char *path)
{
	uint64_t id;

	do {
		char *slash = strrchr(path, '/');

		slash[slash == path] = '\0';
		for (int h = 0; h < CGROUP_HIERARCHIES; h++)
			if (!cgroups_id(groups, (enum cgroup_hierarchy)h, path, &id))
				return (enum cgroup_hierarchy)h;
	} while (path[1]);
	return CGROUP_HIERARCHIES;
}

void select_list_cgroups(struct select *s, const struct select_wish *w, FILE *errors)
{
	const struct cgroups *groups = containers_cgroups(s->containers);
	struct selector_column c = {.out = errors};
	char path[PATH_MAX + 1], *safe;
	enum cgroup_hierarchy h;
	bool found = false;

	snprintf(path, sizeof(path), "%s%s", *w->text == '/' ? "" : "/", w->text);
	h = deepest(groups, path);
	if (h == CGROUP_HIERARCHIES) {
		fprintf(errors, "no cgroup hierarchy that can be used is mounted here\n");
		return;
	}
	safe = escape_terminal(path, strlen(path));
	cgroups_visit(groups, h, path, note_child, &found);
	fprintf(errors, found ? "below %s (%s) there are:\n" : "%s (%s) has no cgroup below it\n",
		safe ? safe : "?", cgroup_hierarchy_name(h));
	free(safe);
	cgroups_visit(groups, h, path, print_child, &c);
	end_items(&c);
}

/* How a container is called: within its pod, if it has one. */
static void print_container(FILE *errors, const struct container *c)
{
	fprintf(errors, "    %-10s  %.12s  ", c->runtime, c->id);
	if (*c->pod)
		fprintf(errors, "%s/%s  ", c->pod_namespace, c->pod);
	fprintf(errors, "%s\n", c->name);
}

/* Those of the pods that were chosen, too. */
void select_list_containers(struct select *s, const struct select_wish *w, FILE *errors)
{
	const struct container **list;
	size_t count, shown = 0;

	(void)w;
	if (containers_list(s->containers, &list, &count))
		return;
	for (size_t i = 0; i < count; i++)
		if (!list[i]->sandbox && select_fits(s, SELECT_CONTAINER, list[i]))
			list[shown++] = list[i];
	fprintf(errors,
		shown ? "there are these containers:\n"
		      : "no container that dbleak can recognise is running here (looked for "
			"Docker, podman and others; see \"dbleak doctor\")\n");
	for (size_t i = 0; i < shown && i < CANDIDATES_MAX; i++)
		print_container(errors, list[i]);
	if (shown > CANDIDATES_MAX)
		fprintf(errors, "    ... and %zu more\n", shown - CANDIDATES_MAX);
	free(list);
}

/* The list is sorted, so containers of one pod come together. */
static void print_pods(const struct container *const *list, size_t count, bool namespaces,
		       FILE *errors)
{
	struct selector_column c = {.out = errors};
	const struct container *last = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct container *here = list[i];

		if (!*here->pod || (last && !strcmp(last->pod_namespace, here->pod_namespace) &&
				    (namespaces || !strcmp(last->pod, here->pod))))
			continue;
		if (!c.items)
			fprintf(errors, "there are these %s:\n",
				namespaces ? "namespaces" : "pods");
		print_item(&c, namespaces ? "%s" : "%s/%s", here->pod_namespace, here->pod);
		last = here;
	}
	end_items(&c);
	if (!last)
		fprintf(errors,
			"no pod of Kubernetes that dbleak can recognise is running here; see "
			"\"dbleak doctor\"\n");
}

static void list_kubernetes(struct select *s, bool namespaces, FILE *errors)
{
	const struct container **list;
	size_t count;

	if (containers_list(s->containers, &list, &count))
		return;
	print_pods(list, count, namespaces, errors);
	free(list);
}

void select_list_pods(struct select *s, const struct select_wish *w, FILE *errors)
{
	(void)w;
	list_kubernetes(s, false, errors);
}

void select_list_namespaces(struct select *s, const struct select_wish *w, FILE *errors)
{
	(void)w;
	list_kubernetes(s, true, errors);
}
