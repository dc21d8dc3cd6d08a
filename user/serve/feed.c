/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * feed.c - see feed.h.
 */
#include "user/serve/feed.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "user/system/clock.h"

#define SKIPPED_SIZE 4096

/* Waits until there is something to read.  0, -ETIMEDOUT or -EPIPE. */
static int feed_wait(const struct feed *f, uint64_t until_ms)
{
	struct pollfd fd = {.fd = f->wire, .events = POLLIN};

	for (;;) {
		uint64_t now = clock_monotonic_ms();
		int ready = poll(&fd, 1, now < until_ms ? (int)(until_ms - now) : 0);

		if (ready > 0)
			return fd.revents & POLLIN ? 0 : -EPIPE;
		if (!ready)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -EPIPE;
	}
}

/* Reads some bytes.  Their number, or -errno as above. */
static ssize_t feed_some(const struct feed *f, void *to, size_t most, uint64_t until_ms)
{
	ssize_t n;
	int err;

	do {
		err = feed_wait(f, until_ms);
		if (err)
			return err;
		n = recv(f->wire, to, most, MSG_DONTWAIT);
	} while (n < 0 && (errno == EAGAIN || errno == EINTR));
	return n > 0 ? n : -EPIPE;
}

/* The head of an answer, which comes in one piece. */
static int feed_head(const struct feed *f, struct feed_answer *head, uint64_t until_ms)
{
	ssize_t n = feed_some(f, head, sizeof(*head), until_ms);

	if (n < 0)
		return (int)n;
	return n == sizeof(*head) ? 0 : -EPIPE;
}

/* Drops what has come of an answer that nobody waits for.  0: all of it. */
static int feed_skip(struct feed *f)
{
	char skipped[SKIPPED_SIZE];
	struct feed_answer head;

	if (f->owed && !f->owed_left) {
		int err = feed_head(f, &head, 0);

		if (err)
			return err;
		f->owed_left = head.length;
	}
	while (f->owed_left) {
		size_t most = f->owed_left < sizeof(skipped) ? f->owed_left : sizeof(skipped);
		ssize_t n = feed_some(f, skipped, most, 0);

		if (n < 0)
			return (int)n;
		f->owed_left -= (uint64_t)n;
	}
	f->owed = false;
	return 0;
}

/* Bytes that are not read here stay owed. */
static int feed_body(struct feed *f, struct feed_page *out, uint64_t until_ms)
{
	if (f->owed_left > FEED_MOST)
		return -E2BIG;
	out->bytes = malloc(f->owed_left + 1);
	if (!out->bytes)
		return -ENOMEM;
	while (f->owed_left) {
		ssize_t n = feed_some(f, out->bytes + out->length, f->owed_left, until_ms);

		if (n < 0)
			return (int)n;
		out->length += (size_t)n;
		f->owed_left -= (uint64_t)n;
	}
	f->owed = false;
	return 0;
}

static int feed_answer(struct feed *f, struct feed_page *out)
{
	uint64_t until_ms = clock_monotonic_ms() + FEED_MS;
	struct feed_answer head;
	int err = feed_head(f, &head, until_ms);

	if (err)
		return err;
	out->error = head.error;
	f->owed_left = head.length;
	if (!head.length)
		f->owed = false;
	return feed_body(f, out, until_ms);
}

int feed_ask(struct feed *f, uint32_t page, struct feed_page *out)
{
	const struct feed_question question = {.page = page};
	int err = f->owed ? feed_skip(f) : 0;

	*out = (struct feed_page){};
	if (err)
		return err == -ETIMEDOUT ? -EBUSY : err;
	if (send(f->wire, &question, sizeof(question), MSG_NOSIGNAL) != sizeof(question))
		return -EPIPE;
	f->owed = true;
	err = feed_answer(f, out);
	if (err) {
		free(out->bytes);
		*out = (struct feed_page){};
	}
	return err;
}
