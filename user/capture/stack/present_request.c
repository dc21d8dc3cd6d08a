/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * present_request.c - see present_request.h.
 *
 * A socket whose local port is one where its process listens was accepted.  All others were
 * connected by the process itself.
 */
#include "user/capture/stack/present_request.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/kernel/kernel_thread.h"
#include "user/capture/stack/present_state.h"
#include "user/system/clock.h"

static struct present_requests *requests_of(struct presents *p, uint32_t pid, uint64_t start_ns)
{
	for (size_t i = 0; i < p->process_count; i++)
		if (p->processes[i].pid == pid && p->processes[i].start_ns == start_ns)
			return &p->requests[i];
	return NULL;
}

static void wait_on(struct presents *p, const struct raw_socket *raw)
{
	for (struct present_thread *k = p->asking; k; k = k->next_asking) {
		if (k->pid != raw->pid || k->fd != raw->fd)
			continue;
		k->out.socket = raw->id;
		k->out.port = raw->port;
		k->out.family = raw->family;
		memcpy(k->out.address, raw->address, sizeof(k->out.address));
	}
}

static void on_socket(void *context, const struct raw_socket *raw)
{
	struct presents *p = context;
	struct present_requests *r = requests_of(p, raw->pid, raw->start_ns);

	wait_on(p, raw);
	if (!r)
		return;
	if (raw->state == TCP_LISTEN)
		r->ports[raw->local_port / 8] |= 1U << raw->local_port % 8;
	else if (raw->flags & RAW_SOCKET_ASKED && r->count < PRESENT_REQUESTS)
		r->came[r->count++] = (struct present_came){.ns = raw->received_ns,
							    .port = raw->local_port,
							    .mute = raw->flags & RAW_SOCKET_MUTE};
	else if (raw->flags & RAW_SOCKET_ASKS && r->call_count < PRESENT_CALLS)
		r->calls[r->call_count++] = (struct present_call){
			.id = raw->id,
			.ns = raw->state == TCP_SYN_SENT ? UNKNOWN64 : raw->sent_ns,
			.port = raw->local_port};
}

static bool is_listening(const struct present_requests *r, uint16_t port)
{
	return r->ports[port / 8] >> port % 8 & 1;
}

static int oldest_first(const void *a, const void *b)
{
	const struct present_came *x = a, *y = b;

	return (x->ns > y->ns) - (x->ns < y->ns);
}

static void serving_requests(struct ev_serving *out, struct present_requests *r)
{
	qsort(r->came, r->count, sizeof(*r->came), oldest_first);
	for (size_t i = 0; i < r->count; i++) {
		if (!is_listening(r, r->came[i].port))
			continue;
		if (out->unanswered < EV_SERVING_CAME) {
			out->came_ns[out->unanswered] = r->came[i].ns;
			out->first |= (uint32_t)r->came[i].mute << out->unanswered;
		}
		out->unanswered++;
	}
}

/* Calls from before the oldest request came are none of its business. */
static void serving_calls(struct ev_serving *out, const struct present_requests *r)
{
	for (size_t i = 0; i < r->call_count; i++) {
		if (is_listening(r, r->calls[i].port) || r->calls[i].ns < out->came_ns[0])
			continue;
		if (out->calls < EV_SERVING_CALLED)
			out->called[out->calls] = r->calls[i].id;
		out->calls++;
	}
}

static void tell_serving(struct presents *p, size_t i)
{
	struct present_requests *r = &p->requests[i];
	struct ev_serving out = {.head = {.kind = EV_SERVING, .size = sizeof(out)},
				 .start_ns = p->processes[i].start_ns,
				 .pid = p->processes[i].pid};
	struct table_key key = {out.pid, out.start_ns};

	serving_requests(&out, r);
	if (!out.unanswered && !table_get(&p->answering, key))
		return;
	if (out.unanswered) {
		serving_calls(&out, r);
		out.cpu_ns = clock_process_ns((pid_t)out.pid);
		table_put(&p->answering, key, p); /* without memory it is told once more */
	} else {
		table_remove(&p->answering, key);
	}
	p->host.tell(p->host.context, &out.head);
}

void present_requests_look(struct presents *p, const uint32_t *pids)
{
	struct thread_file files[PRESENT_ASKED];
	size_t n = 0;

	for (struct present_thread *k = p->asking; k && n < PRESENT_ASKED; k = k->next_asking)
		files[n++] = (struct thread_file){k->pid, k->fd};
	p->requests = calloc(p->process_count, sizeof(*p->requests));
	if (!p->requests)
		return;
	if (!kernel_threads_sockets(p->threads, pids, p->process_count, files, n, on_socket, p))
		for (size_t i = 0; i < p->process_count; i++)
			tell_serving(p, i);
	free(p->requests);
	p->requests = NULL;
}
