/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * supplier_state.h - the list of mappings of a process, for supplier.c and its tests.
 */
#ifndef DBLEAK_CAPTURE_SUPPLIER_STATE_H
#define DBLEAK_CAPTURE_SUPPLIER_STATE_H

#include <stdbool.h>

#include "user/capture/stack/native/supplier.h"
#include "user/base/table.h"

/* Code that a process maps. */
struct supplier_line {
	uint64_t start, end, offset, device, inode;
	uint32_t path, path_size; /* in the list's paths */
	enum mapping_kind kind;
};

struct supplier {
	struct table named; /* by pid and start */
	struct table given; /* files the worker has got, by device and inode */
	/* The list that indexes refer to. */
	uint32_t pid; /* 0 none */
	uint64_t start_ns;
	struct supplier_line *lines;
	size_t count, room;
	char *paths;
	size_t used, paths_room;

	bool asked;
	int fd;	     /* descriptor that goes with the reply; -1 none */
	size_t size; /* of the bytes behind the reply's head */
	union {
		struct supply_reply reply;
		uint8_t bytes[SUPPLY_PACKET_MAX];
	} out;
};

/* Reads the start time, field 22 of stat.  Field 2, comm, may hold anything, but it ends before the
 * last ')'. */
uint64_t supplier_start_of(int dir);
/* Makes the reply to a request in s->out.  0 or -errno. */
int supplier_give(struct supplier *s, const struct supply_request *r);
/* Makes the reply and sends it over `asking`.  0 or -errno. */
int supplier_answer(struct supplier *s, const struct supply_request *r, int asking);

#endif
