/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stream.c - see stream.h.
 */
#include "user/command/stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/report/events.h"
#include "user/system/clock.h"

#define SECOND	     1000000000ULL
#define COST_PARTS   100	/* of the time, one is for judging */
#define REPLAY_SHARE 5000000ULL /* ns of a recording for each process that is judged */
#define REPLAY_PARTS 512	/* a recording may claim any times: it grows so much at least */

struct stream {
	struct events *events;
	const struct site_patterns *library;
	const struct baseline *baseline;
	int fd;
	char *bytes; /* lines that wait for the reader; NULL: none */
	size_t length, sent;
	uint64_t due_ns;	       /* of the next judgement */
	uint64_t records, due_records; /* of a recording */
};

struct stream *stream_open(FILE *out, const struct site_patterns *library,
			   const struct baseline *baseline)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->events = events_open();
	s->library = library;
	s->baseline = baseline;
	s->fd = fileno(out);
	if (s->events)
		return s;
	free(s);
	return NULL;
}

void stream_close(struct stream *s)
{
	if (!s)
		return;
	events_close(s->events);
	free(s->bytes);
	free(s);
}

/* Is there room for PIPE_BUF bytes?  1: yes, 0: not within wait_ms, or -errno. */
static int stream_ready(const struct stream *s, int wait_ms)
{
	struct pollfd p = {.fd = s->fd, .events = POLLOUT};
	int n = poll(&p, 1, wait_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (p.revents & POLLNVAL)
		return -EBADF;
	if (p.revents & (POLLERR | POLLHUP))
		return -EPIPE;
	return p.revents & POLLOUT ? 1 : 0;
}

/* Writes what waits, in parts that a pipe with room takes at once.  1: all is out, 0: the reader
 * is to come first, or -errno. */
static int stream_push(struct stream *s, int wait_ms)
{
	while (s->sent < s->length) {
		size_t left = s->length - s->sent, part = left < PIPE_BUF ? left : PIPE_BUF;
		int ready = stream_ready(s, wait_ms);
		ssize_t n = ready > 0 ? write(s->fd, s->bytes + s->sent, part) : 0;

		if (ready <= 0)
			return ready;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		s->sent += n > 0 ? (size_t)n : 0;
	}
	free(s->bytes);
	s->bytes = NULL;
	s->length = s->sent = 0;
	return 1;
}

static int stream_drain(struct stream *s)
{
	int done;

	while (!(done = stream_push(s, -1)))
		;
	return done < 0 ? done : 0;
}

/* Puts the lines of a view behind those that wait. */
static int stream_add(struct stream *s, const struct report_view *v,
		      int (*tell)(struct events *, const struct report_view *, FILE *))
{
	FILE *lines = open_memstream(&s->bytes, &s->length);
	int err = lines ? tell(s->events, v, lines) : -ENOMEM;

	if (lines && fclose(lines) && !err)
		err = -ENOMEM;
	return err;
}

static int stream_judge(struct stream *s, const struct model *m, size_t *processes)
{
	struct report_view *v = judge_view(m, s->library);
	int err;

	if (!v)
		return -ENOMEM;
	v->cut = false; /* there is no end yet, which is no fault */
	*processes = v->process_count;
	err = baseline_mark(s->baseline, v);
	if (!err)
		err = stream_add(s, v, events_step);
	view_close(v);
	return err;
}

int stream_watch(struct stream *s, const struct model *m)
{
	int gone = stream_ready(s, 0), err = gone < 0 ? gone : stream_push(s, 0);
	uint64_t at = clock_monotonic_ns(), cost;
	size_t processes;

	if (err <= 0 || at < s->due_ns)
		return err < 0 ? err : 0;
	cost = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	err = stream_judge(s, m, &processes);
	cost = COST_PARTS * (clock_ns(CLOCK_THREAD_CPUTIME_ID) - cost);
	s->due_ns = at + (cost > SECOND ? cost : SECOND);
	if (!err)
		err = stream_push(s, 0);
	return err < 0 ? err : 0;
}

int stream_replay(struct stream *s, const struct model *m, const struct ev_head *record)
{
	size_t processes = 0;
	uint64_t share;
	int err;

	s->records++;
	if (record->kind != EV_TICK || record->ns < s->due_ns || s->records < s->due_records)
		return 0;
	err = stream_judge(s, m, &processes);
	share = processes * REPLAY_SHARE;
	s->due_ns = record->ns + (share > SECOND ? share : SECOND);
	s->due_records = s->records + s->records / REPLAY_PARTS;
	return err ? err : stream_drain(s);
}

int stream_end(struct stream *s, const struct report_view *v)
{
	int err = stream_drain(s);

	if (!err)
		err = stream_add(s, v, events_end);
	return err ? err : stream_drain(s);
}
