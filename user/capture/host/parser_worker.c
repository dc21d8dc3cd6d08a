/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * parser_worker.c - see parser_worker.h.
 */
#include "user/capture/host/parser_worker.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/capture/host/parser_wire.h"

#define ROUND(n) (((n) + 7) & ~(size_t)7)

static struct {
	int wire;
	size_t used; /* of out */
	uint8_t out[PARSER_PACKET_MAX] __attribute__((aligned(8)));
} outlet;

void parser_worker_flush(void)
{
	if (outlet.used && send(outlet.wire, outlet.out, outlet.used, MSG_NOSIGNAL) < 0)
		_exit(0);
	outlet.used = 0;
}

void *parser_worker_add(uint32_t kind, size_t size)
{
	struct parser_head *m;

	size = ROUND(size);
	if (size > sizeof(outlet.out) - outlet.used)
		parser_worker_flush();
	m = (void *)(outlet.out + outlet.used);
	memset(m, 0, size);
	m->kind = kind;
	m->size = (uint32_t)size;
	outlet.used += size;
	return m;
}

/* Receives a packet in two parts, with recvmsg(2), which the sandbox allows. */
static ssize_t receive_parts(void *head, size_t head_size, void *to, size_t size)
{
	struct iovec vec[2] = {{head, head_size}, {to, size}};
	struct msghdr message = {.msg_iov = vec, .msg_iovlen = 2};
	ssize_t got;

	do
		got = recvmsg(outlet.wire, &message, 0);
	while (got < 0 && errno == EINTR);
	return got;
}

ssize_t parser_worker_receive(void *to, size_t size)
{
	return receive_parts(to, size, NULL, 0);
}

/* Asks for memory of the process that the question is about: a memory_pieces_fn. */
static ssize_t ask_for_pieces(uint32_t pid, const struct memory_piece *pieces, size_t n, void *to)
{
	struct parser_head *m, head;
	size_t size = 0;
	ssize_t got;

	(void)pid;
	for (size_t i = 0; i < n; i++)
		size += pieces[i].size;
	m = parser_worker_add(PARSER_PIECES, sizeof(*m) + n * sizeof(*pieces));
	m->count = (uint32_t)n;
	memcpy(m + 1, pieces, n * sizeof(*pieces));
	parser_worker_flush();
	got = receive_parts(&head, sizeof(head), to, size);
	if (got < (ssize_t)sizeof(head) || head.kind != PARSER_BYTES)
		_exit(0);
	return head.result < 0 ? head.result : got - (ssize_t)sizeof(head);
}

void parser_worker_begin(int wire)
{
	outlet.wire = wire;
	memory_ask(ask_for_pieces);
}
