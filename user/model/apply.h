/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * apply.h - the functions that take in one kind of record each; model.c has their table.
 *
 * Each returns 0 or -ENOMEM.
 */
#ifndef DBLEAK_MODEL_APPLY_H
#define DBLEAK_MODEL_APPLY_H

#include "user/model/model_state.h"

int apply_process(struct model *m, const struct ev_head *record);
int apply_program(struct model *m, const struct ev_head *record);
int apply_container(struct model *m, const struct ev_head *record);
int apply_thread(struct model *m, const struct ev_head *record);
int apply_requests(struct model *m, const struct ev_head *record);
int apply_serving(struct model *m, const struct ev_head *record);
int apply_collections(struct model *m, const struct ev_head *record);
int apply_usage(struct model *m, const struct ev_head *record);
int apply_memory(struct model *m, const struct ev_head *record);
int apply_memory_site(struct model *m, const struct ev_head *record);
int apply_unfollowed(struct model *m, const struct ev_head *record);
int apply_exit(struct model *m, const struct ev_head *record);
int apply_connection(struct model *m, const struct ev_head *record);
int apply_identity(struct model *m, const struct ev_head *record);
int apply_holder(struct model *m, const struct ev_head *record);
int apply_gone(struct model *m, const struct ev_head *record);
int apply_sql(struct model *m, const struct ev_head *record);
int apply_statement(struct model *m, const struct ev_head *record);
int apply_statement_closed(struct model *m, const struct ev_head *record);
int apply_result(struct model *m, const struct ev_head *record);
int apply_file(struct model *m, const struct ev_head *record);
int apply_session(struct model *m, const struct ev_head *record);
int apply_site(struct model *m, const struct ev_head *record);
int apply_handle(struct model *m, const struct ev_head *record);
int apply_handle_closed(struct model *m, const struct ev_head *record);
int apply_evidence(struct model *m, const struct ev_head *record);

/* The process of that pid which started then, added if it is new.  NULL without memory. */
struct process_model *model_process_of(struct model *m, uint32_t pid, uint64_t start_ns);

/* Frees what a connection owns; the connection itself stays. */
void connection_free_parts(struct connection *c);
/* Moves a connection to the endpoint of its process that id describes.  0 or -ENOMEM. */
int connection_move_to(struct model *m, struct connection *c, const struct ev_identity *id);
/* The address and the names of an endpoint, as a record tells them. */
struct ev_identity endpoint_identity(const struct endpoint *e);

/* Takes the stack that waits for an object; 0: none. */
uint64_t stack_waiting(struct model *m, const struct ev_evidence *like, uint64_t *at_ns);
/* Does that evidence belong to the result? */
bool is_of_result(const struct ev_result *r, uint64_t id, uint64_t at_ns);

/* For the judge's forget.c: where a site is in the table, and how statements go. */
struct table_key model_site_key(const struct process_model *p, uint64_t site, uint32_t resource);
void model_drop_statements(struct model *m, struct statement_model **list);

#endif
