/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * process.h - the life of a process of the model, and the lists of those that ended.
 */
#ifndef DBLEAK_MODEL_PROCESS_H
#define DBLEAK_MODEL_PROCESS_H

#include "user/model/model_state.h"

/* The process with that pid and start time, to a tick.  NULL: not known. */
struct process_model *model_process(const struct model *m, uint32_t pid, uint64_t start_ns);

/* Number of losses of that kind that are known to be of the process. */
uint64_t process_lost(const struct process_model *p, enum ev_loss_kind kind);

void ended_add(struct ended *list, struct process_model *p);

/* Frees a process with its endpoints.  Its other objects are in the tables of the model. */
void process_free(struct process_model *p);

#endif
