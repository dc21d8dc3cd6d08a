/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * parser_worker.h - the side of a worker that parses memory: questions come in, requests for memory
 * and answers go out.
 *
 * One worker is one process.  When dbleak is gone, or breaks off, these functions end the worker.
 */
#ifndef DBLEAK_CAPTURE_PARSER_WORKER_H
#define DBLEAK_CAPTURE_PARSER_WORKER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* From now on memory of processes (memory.h) comes through this socket. */
void parser_worker_begin(int wire);
/* Waits for a question: its bytes, at most size.  Less than a parser_head: there is no more. */
ssize_t parser_worker_receive(void *to, size_t size);
/* Adds a message of that many bytes, with its head, to the answer.  Returns the zeroed message,
 * valid until the next call of any function here, or of one that reads memory. */
void *parser_worker_add(uint32_t kind, size_t size);
/* Sends what was added. */
void parser_worker_flush(void);

#endif
