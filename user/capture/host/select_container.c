/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * select_container.c - which containers --namespace, --pod and --container choose.
 *
 * Where pods or namespaces are chosen, the three kinds narrow each other; otherwise containers add
 * up with processes and cgroups.  A name that begins so counts while nothing has exactly that name.
 */
#include <errno.h>
#include <string.h>

#include "user/capture/host/select_state.h"

/* In the order in which each narrows the ones before. */
static const enum select_kind naming[] = {SELECT_NAMESPACE, SELECT_POD, SELECT_CONTAINER};

bool select_names_containers(const struct select_wish *w)
{
	for (size_t i = 0; i < COUNT(naming); i++)
		if (w->kind == naming[i])
			return true;
	return false;
}

/* NAME or NAMESPACE/NAME: the part that is the name. */
static const char *pod_name(const struct select_wish *w)
{
	const char *slash = strchr(w->text, '/');

	return slash ? slash + 1 : w->text;
}

static enum container_match match_pod(const struct select_wish *w, const struct container *c)
{
	const char *name = pod_name(w);

	if (!*c->pod || (*w->namespace && strcmp(w->namespace, c->pod_namespace) != 0))
		return CONTAINER_DIFFERS;
	if (!strcmp(c->pod, name))
		return CONTAINER_IS;
	return strncmp(c->pod, name, strlen(name)) ? CONTAINER_DIFFERS : CONTAINER_BEGINS;
}

static enum container_match match_wish(const struct select_wish *w, const struct container *c)
{
	if (w->kind == SELECT_POD)
		return match_pod(w, c);
	if (w->kind == SELECT_NAMESPACE)
		return *c->pod && !strcmp(c->pod_namespace, w->text) ? CONTAINER_IS
								     : CONTAINER_DIFFERS;
	return containers_match(c, w->text);
}

static bool wish_fits(const struct select_wish *w, const struct container *c)
{
	enum container_match match = match_wish(w, c);

	return match == CONTAINER_IS || (match == CONTAINER_BEGINS && !w->exact);
}

/* Does any wish of the kind fit?  *some: there is one of that kind. */
static bool kind_fits(const struct select *s, enum select_kind kind, const struct container *c,
		      bool *some)
{
	bool fits = false;

	*some = false;
	for (size_t i = 0; i < s->wish_count && !fits; i++) {
		if (s->wishes[i].kind != kind)
			continue;
		*some = true;
		fits = wish_fits(&s->wishes[i], c);
	}
	return fits;
}

bool select_fits(const struct select *s, enum select_kind before, const struct container *c)
{
	bool some;

	for (size_t i = 0; i < COUNT(naming) && naming[i] != before; i++)
		if (!kind_fits(s, naming[i], c, &some) && some)
			return false;
	return true;
}

bool select_takes(const struct select *s, const struct container *c)
{
	bool some, any = false;

	for (size_t i = 0; i < COUNT(naming); i++) {
		if (!kind_fits(s, naming[i], c, &some) && some)
			return false;
		any |= some;
	}
	return any;
}

void select_settle(struct select *s, const struct container *const *list, size_t count)
{
	for (size_t k = 0; k < COUNT(naming); k++)
		for (size_t i = 0; i < s->wish_count; i++) {
			struct select_wish *w = &s->wishes[i];

			for (size_t j = 0; w->kind == naming[k] && j < count && !w->exact; j++)
				w->exact = match_wish(w, list[j]) == CONTAINER_IS &&
					   select_fits(s, w->kind, list[j]);
		}
}

int select_seek(struct select *s, struct select_wish *w, const struct container *const *list,
		size_t count)
{
	const struct container *first = NULL;

	for (size_t i = 0; i < count; i++) {
		if (!wish_fits(w, list[i]) || !select_fits(s, w->kind, list[i]))
			continue;
		if (w->kind == SELECT_POD && first &&
		    strcmp(first->pod_namespace, list[i]->pod_namespace) != 0)
			return -ENOTUNIQ;
		first = list[i];
	}
	if (w->kind == SELECT_POD && first)
		memcpy(w->namespace, first->pod_namespace, sizeof(w->namespace));
	return first ? 0 : -ENOENT;
}
