/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * feed_wire.h - what the process that serves and the one that watches say to each other, over a
 * stream: a question, then an answer and so many bytes.
 */
#ifndef DBLEAK_SERVE_FEED_WIRE_H
#define DBLEAK_SERVE_FEED_WIRE_H

#include <stdint.h>

struct feed_question {
	uint32_t page; /* its place in the table */
};

struct feed_answer {
	int32_t error; /* 0, or -errno */
	uint32_t reserved;
	uint64_t length; /* bytes that follow */
};

#endif
