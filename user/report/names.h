/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * names.h - how the text reports name a process, its place and its database.
 *
 * Names only: no counts, no verdicts.
 */
#ifndef DBLEAK_REPORT_NAMES_H
#define DBLEAK_REPORT_NAMES_H

#include "user/judge/view.h"
#include "user/report/page.h"

/* comm[pid], the name shortened so that the pid is never lost. */
void words_process(struct words *w, const char *comm, uint32_t pid);

/* The role of a process that is no client: " (pooler)", " (server)"; else "". */
const char *role_of(const struct process_view *p);

/* " orders.py": what it runs, as its command line shows it; nothing where that shows no more than
 * the name. */
void words_service(struct words *w, const struct process_view *p);
/* Do both run the same, as their names and command lines show it? */
bool same_service(const struct process_view *a, const struct process_view *b);

/* comm[pid] orders.py (pooler), ended */
void words_process_state(struct words *w, const struct process_view *p);

/* comm[pid] app.py (pooler), in docker web1, ended */
void words_title(struct words *w, const struct process_view *p);

/* "PostgreSQL"; "a database" where it is not known. */
const char *engine_name(enum ev_database database);

/* The container by name, else by the start of its id; NULL on the host. */
const char *container_of(const struct process_view *p);

/* "on the host", "in orders.service", "in docker web1" */
void words_place(struct words *w, const struct process_view *p);

/* "PostgreSQL 10.0.0.5:5432/shop as app" */
void words_endpoint(struct words *w, const struct endpoint_view *e);

#endif
