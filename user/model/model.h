/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * model.h - what is open, by whom, since when.  Records in; the judge reads it.
 *
 * What can a probe miss?  Everything, at times: a record lost in a full ring, a connection that
 * opened before we came, a close without a goodbye.  So no rule here counts events.  Each
 * EV_CONNECTION is the whole state of a connection, each replaces the one before, and a connection
 * that is no longer in the kernel's ledger is closed whether or not its end was told.
 */
#ifndef DBLEAK_MODEL_MODEL_H
#define DBLEAK_MODEL_MODEL_H

#include "user/model/model_state.h"

/* NULL without memory. */
struct model *model_open(void);
void model_close(struct model *m);

/* Takes in one record, which record_check() has passed.  0 or -ENOMEM. */
int model_apply(struct model *m, const struct ev_head *record);

/* For forget.c: where a site is in the table, and how statements go. */
struct table_key model_site_key(const struct process_model *p, uint64_t site, uint32_t resource);
void model_drop_statements(struct model *m, struct statement_model **list);

/* The process of that pid which started then, to a tick.  NULL not known. */
struct process_model *model_process(const struct model *m, uint32_t pid, uint64_t start_ns);

#endif
