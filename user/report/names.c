/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * names.c - how the text reports name a process, its place and its database.
 *
 * Names only: no counts, no verdicts.
 */
#include "user/report/names.h"

#include <string.h>

#include "user/base/escape.h"
#include "user/base/service.h"

#define COMM_COLUMNS 24 /* a hostile name of 15 bytes would take 60 */
#define ID_SHOWN     12 /* as docker ps shows it */
#define SERVICE_SIZE 64

static bool is_set(const char *s)
{
	return s && *s;
}

void words_process(struct words *w, const char *comm, uint32_t pid)
{
	char name[4 * COMM_COLUMNS + 1];

	comm = is_set(comm) ? comm : "?";
	escape_fit(name, sizeof(name), comm, strlen(comm), COMM_COLUMNS, ESCAPE_CUT_END);
	words_add(w, "%s[%u]", name, pid);
}

const char *role_of(const struct process_view *p)
{
	if (p->role == EV_ROLE_POOLER)
		return " (pooler)";
	return p->role == EV_ROLE_SERVER ? " (server)" : "";
}

static const char *service_of(char *out, const struct process_view *p)
{
	*out = '\0';
	if (p->cmdline)
		service_name(out, SERVICE_SIZE, p->cmdline);
	return out;
}

bool same_service(const struct process_view *a, const struct process_view *b)
{
	char x[SERVICE_SIZE], y[SERVICE_SIZE];

	return !strcmp(a->comm ? a->comm : "?", b->comm ? b->comm : "?") &&
	       !strcmp(service_of(x, a), service_of(y, b));
}

void words_service(struct words *w, const struct process_view *p)
{
	char service[SERVICE_SIZE];

	/* A script that was run by its name is called so already. */
	if (*service_of(service, p) && (!p->comm || strcmp(service, p->comm) != 0))
		words_add(w, " %s", service);
}

void words_process_state(struct words *w, const struct process_view *p)
{
	words_process(w, p->comm, p->pid);
	words_service(w, p);
	words_add(w, "%s%s", role_of(p), p->exited ? ", ended" : "");
}

void words_title(struct words *w, const struct process_view *p)
{
	words_process(w, p->comm, p->pid);
	words_service(w, p);
	words_add(w, "%s, ", role_of(p));
	words_place(w, p);
	words_add(w, "%s", p->exited ? ", ended" : "");
}

const char *engine_name(enum ev_database database)
{
	static const char *const names[] = {
		[EV_DB_UNKNOWN] = "a database", [EV_DB_POSTGRESQL] = "PostgreSQL",
		[EV_DB_MYSQL] = "MySQL",	[EV_DB_SQLITE] = "SQLite",
		[EV_DB_REDIS] = "Redis",
	};

	return database < sizeof(names) / sizeof(names[0]) ? names[database] : names[0];
}

const char *container_of(const struct process_view *p)
{
	if (!is_set(p->runtime))
		return NULL;
	if (is_set(p->container_name))
		return p->container_name;
	return is_set(p->container_id) ? p->container_id : "?";
}

void words_place(struct words *w, const struct process_view *p)
{
	const char *container = container_of(p);

	if (is_set(p->pod) && is_set(p->pod_namespace)) {
		words_add(w, "in pod %s/%s", p->pod_namespace, p->pod);
		if (is_set(p->container_name))
			words_add(w, ", container %s", p->container_name);
		return;
	}
	if (!container && is_set(p->unit))
		words_add(w, "in %s", p->unit);
	else if (!container)
		words_add(w, "on the host");
	else if (container == p->container_id)
		words_add(w, "in %s %.*s", p->runtime, ID_SHOWN, container);
	else
		words_add(w, "in %s %s", p->runtime, container);
}

void words_endpoint(struct words *w, const struct endpoint_view *e)
{
	words_add(w, "%s %s", engine_name(e->database),
		  is_set(e->address) ? e->address : "(unknown address)");
	if (is_set(e->name))
		words_add(w, "/%s", e->name);
	if (is_set(e->user))
		words_add(w, " as %s", e->user);
	words_add(w, "%s", e->guessed ? " (guessed from the port)" : "");
}
