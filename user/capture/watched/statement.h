/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * statement.h - records that carry the text of a statement.
 */
#ifndef DBLEAK_CAPTURE_STATEMENT_H
#define DBLEAK_CAPTURE_STATEMENT_H

#include "user/capture/watched/context.h"

void statement_sql(struct capture *c, const struct ev_head *record);
void statement_prepared(struct capture *c, const struct ev_head *record);
void statement_result(struct capture *c, const struct ev_head *record);
void statement_closed(struct capture *c, const struct ev_head *record);

#endif
