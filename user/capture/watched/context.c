/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * context.c - the way of a record to the sink.
 */
#include "user/capture/watched/context.h"

#include "user/system/clock.h"

uint64_t capture_now(void)
{
	return clock_boot_ns();
}

void capture_head(struct ev_head *head, uint16_t kind, uint16_t size)
{
	head->ns = capture_now();
	head->crc = 0;
	head->kind = kind;
	head->size = size;
}

void capture_tell(struct capture *c, const struct ev_head *record)
{
	if (c->err)
		return;
	c->err = c->options.sink(c->options.context, record);
	c->records++;
}

void capture_tell_cut(struct capture *c, struct ev_head *record, size_t offset, size_t length)
{
	record->size = (offset + length + 7) & ~7ULL;
	capture_tell(c, record);
}
