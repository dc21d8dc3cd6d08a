/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * size_reader.c - see size_reader.h.
 */
#include "user/capture/clientlib/size_reader.h"

#include <errno.h>
#include <string.h>

#include "bpf/event.h"
#include "user/capture/clientlib/size_wire.h"

/* The answer to a question about sizes. */
struct asking_sizes {
	struct parser_question q;
	size_t asked;
	struct object_size *out;
	uint32_t count; /* of out, that are filled in */
};

int size_reader_open(struct parser **out, struct nursery *nursery)
{
	static const struct parser_limits limits = {.read_bytes = 64UL << 20,
						    .read_ms = 250,
						    .whole_ms = 500,
						    .own_part = 10,
						    .all_part = 5};

	return parser_open(out, nursery, NURSERY_SIZE, &limits);
}

/* May an object have this size?  As object_size promises. */
static bool is_size(const struct object_size *size)
{
	if (size->bytes == UNKNOWN64)
		return size->rows == UNKNOWN64;
	return size->bytes <= OBJECT_BYTES_MOST &&
	       (size->rows == UNKNOWN64 || size->rows <= size->bytes / OBJECT_ROW_LEAST);
}

static int take_sizes(struct parser_question *q, const struct parser_head *m)
{
	struct asking_sizes *a = (struct asking_sizes *)q;

	if (m->kind != SIZE_ANSWER || !m->count || m->count > a->asked ||
	    m->size < offsetof(struct size_answer, size[m->count]))
		return -EPROTO;
	memcpy(a->out, ((const struct size_answer *)(const void *)m)->size,
	       m->count * sizeof(a->out[0]));
	for (uint32_t i = 0; i < m->count; i++)
		if (!is_size(&a->out[i]))
			return -EPROTO;
	a->count = m->count;
	return 1;
}

int size_reader_ask(struct parser *p, uint32_t pid, uint64_t start_ns,
		    const struct object_wanted *wanted, size_t n, struct object_size *out)
{
	struct size_question message = {.pid = pid};
	struct iovec vec = {&message, offsetof(struct size_question, wanted[n])};
	const struct msghdr packet = {.msg_iov = &vec, .msg_iovlen = 1};
	struct asking_sizes a = {
		.q = {.pid = pid, .start_ns = start_ns, .message = &packet, .take = take_sizes},
		.asked = n,
		.out = out};
	int err;

	if (!n || n > SIZES_MOST)
		return -EINVAL;
	message.head = (struct parser_head){SIZE_OBJECTS, (uint32_t)vec.iov_len, 0, (uint32_t)n};
	memcpy(message.wanted, wanted, n * sizeof(*wanted));
	err = parser_ask(p, &a.q);
	return err ? err : (int)a.count;
}

/* The answer to a question about a cache. */
struct asking_cache {
	struct parser_question q;
	uint32_t kib;
};

static int take_cache(struct parser_question *q, const struct parser_head *m)
{
	struct asking_cache *a = (struct asking_cache *)q;

	if (m->kind != SIZE_CACHED || m->count < SQLITE_CACHE_LEAST)
		return -EPROTO;
	a->kib = m->count;
	return 1;
}

int size_reader_cache(struct parser *p, uint32_t pid, uint64_t start_ns,
		      const struct sqlite_cache_wanted *wanted, uint32_t *kib)
{
	struct size_cache message = {
		.head = {SIZE_CACHE, sizeof(message), 0, 0}, .pid = pid, .wanted = *wanted};
	struct iovec vec = {&message, sizeof(message)};
	const struct msghdr packet = {.msg_iov = &vec, .msg_iovlen = 1};
	struct asking_cache a = {
		.q = {.pid = pid, .start_ns = start_ns, .message = &packet, .take = take_cache}};
	int err = parser_ask(p, &a.q);

	*kib = a.kib;
	return err;
}

bool size_reader_gap(struct parser *p, uint32_t pid, uint64_t start_ns, char *text, size_t size)
{
	static const char *const reasons[PARSER_REFUSALS] = {
		[PARSER_REFUSES_PROCESS] = "objects of its client libraries kill or hang whoever "
					   "reads them: their bytes are missing",
		[PARSER_REFUSES_ALL] = "the reader of objects of client libraries died or hung too "
				       "often: bytes are missing",
	};

	return parser_gap(p, pid, start_ns, reasons, text, size);
}
