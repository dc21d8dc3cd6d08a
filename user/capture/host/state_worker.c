/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * state_worker.c - the worker process that reads state files of containers: state_text.c behind a
 * socket.
 */
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/capture/host/state_text.h"
#include "user/capture/host/state_wire.h"

/* Receives one packet of exactly that size, with recvmsg(2), which the sandbox allows. */
static bool receive_whole(int wire, void *to, size_t size)
{
	struct iovec vec = {to, size};
	struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};
	ssize_t got;

	do
		got = recvmsg(wire, &message, 0);
	while (got < 0 && errno == EINTR);
	return got == (ssize_t)size;
}

/* A malformed request would be a bug in state_reader.c, so the worker may exit. */
static void state_run(int wire, int asking, void *shared)
{
	static char bytes[STATE_BYTES_MAX + 1];
	static struct state_request request;
	static struct state_reply reply;

	(void)asking;
	(void)shared;
	while (receive_whole(wire, &request, sizeof(request)) && request.size <= STATE_BYTES_MAX) {
		for (size_t have = 0, part; have < request.size; have += part) {
			part = request.size - have < STATE_CHUNK ? request.size - have
								 : STATE_CHUNK;
			if (!receive_whole(wire, bytes + have, part))
				return;
		}
		bytes[request.size] = request.id[STATE_ID_MAX] = '\0';
		reply.size = (uint32_t)state_text(request.question, request.id, bytes, request.size,
						  reply.text, sizeof(reply.text));
		if (send(wire, &reply, offsetof(struct state_reply, text) + reply.size,
			 MSG_NOSIGNAL) < 0)
			return;
	}
}

/* Jansson seeds its hash tables from a file, which the sandbox has not. */
static void state_prepare(void)
{
	json_object_seed(0);
}

const struct nursery_role state_role = {"dbleak-state", state_prepare, state_run};
