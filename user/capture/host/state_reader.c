/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * state_reader.c - see state_reader.h.
 */
#include "user/capture/host/state_reader.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/base/file.h"
#include "user/capture/host/state_file.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

#define STATE_MS 3000 /* limit of one answer, since the host may be busy */
#define STOP_MS	 0    /* do not wait for a worker's end */
#define LOST_MAX 32

/* A file that a worker failed on, or whose file system does not answer. */
struct state_lost {
	struct state_file of; /* inode 0: whatever its owner has */
	bool reported;
};

struct state_reader {
	struct nursery *nursery; /* NULL: nothing is read */
	struct nursling worker;	 /* wire negative: none */
	uid_t owner;		 /* of all files that the worker has read */
	struct state_lost lost[LOST_MAX];
	size_t lost_count;
	struct state_reply reply;
};

int state_reader_open(struct state_reader **out, struct nursery *nursery)
{
	struct state_reader *r = calloc(1, sizeof(*r));

	*out = r;
	if (!r)
		return -ENOMEM;
	r->nursery = nursery;
	r->worker = (struct nursling){-1, -1, 0, 0};
	return 0;
}

static void state_stop(struct state_reader *r)
{
	struct nursery_end end;

	if (r->worker.wire >= 0)
		nursery_stop(r->nursery, &r->worker, STOP_MS, &end);
}

void state_reader_close(struct state_reader *r)
{
	if (!r)
		return;
	state_stop(r);
	free(r);
}

bool state_reader_lost(struct state_reader *r, uid_t *owner)
{
	for (size_t i = 0; i < r->lost_count; i++)
		if (!r->lost[i].reported) {
			r->lost[i].reported = true;
			*owner = r->lost[i].of.owner;
			return true;
		}
	return false;
}

/* Many containers of one host may have their state in files of root, so root loses one file only.
 * Once the list is full, nothing is read any more. */
static bool is_lost(const struct state_reader *r, const struct state_file *file)
{
	for (size_t i = 0; i < r->lost_count; i++) {
		const struct state_lost *l = &r->lost[i];

		if (l->of.owner == file->owner &&
		    (l->of.owner || (l->of.device == file->device && l->of.inode == file->inode)))
			return true;
	}
	return r->lost_count == LOST_MAX;
}

static void lose(struct state_reader *r, const struct state_file *file)
{
	if (r->lost_count < LOST_MAX)
		r->lost[r->lost_count++] = (struct state_lost){*file, false};
}

/* The file system of a folder does not answer: its owner's files are lost.  Of nobody's folder only
 * this is noted, as root's; the fetcher leaves it alone for a while. */
static void lose_silent(struct state_reader *r, uid_t owner)
{
	const struct state_file file = {.owner = owner == FILE_OF_ANYBODY ? 0 : owner};

	if (!is_lost(r, &file))
		lose(r, &file);
}

/* Whether a user's files are lost already. */
static bool owner_is_lost(const struct state_reader *r, uid_t owner)
{
	const struct state_file file = {.owner = owner};

	return owner && owner != FILE_OF_ANYBODY && is_lost(r, &file);
}

/* Waits until the worker's socket is ready for `events`, until then at most. */
static int state_wait(const struct state_reader *r, short events, int64_t until)
{
	struct pollfd wait = {r->worker.wire, events, 0};
	int64_t left = until - clock_monotonic_ms();

	if (left <= 0)
		return -ETIME;
	return poll(&wait, 1, (int)left) < 0 && errno != EINTR ? -errno : 0;
}

static int state_send(const struct state_reader *r, const void *bytes, size_t size, int64_t until)
{
	int err = 0;

	while (!err && send(r->worker.wire, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		err = errno == EAGAIN || errno == EINTR ? state_wait(r, POLLOUT, until) : -errno;
	return err;
}

static int state_receive(struct state_reader *r, int64_t until)
{
	const size_t head = offsetof(struct state_reply, text);
	const struct state_reply *reply = &r->reply;
	ssize_t got;
	int err = 0;

	while ((got = recv(r->worker.wire, &r->reply, sizeof(*reply), MSG_DONTWAIT)) < 0 && !err)
		err = errno == EAGAIN || errno == EINTR ? state_wait(r, POLLIN, until) : -errno;
	if (err)
		return err;
	if (got < (ssize_t)head || reply->size != (size_t)got - head ||
	    (reply->size && reply->text[reply->size - 1]))
		return -EPROTO;
	return 0;
}

static int state_exchange(struct state_reader *r, const struct state_request *request,
			  const char *bytes)
{
	int64_t until = clock_monotonic_ms() + STATE_MS;
	int err = state_send(r, request, sizeof(*request), until);

	for (size_t sent = 0, part; sent < request->size && !err; sent += part) {
		part = request->size - sent < STATE_CHUNK ? request->size - sent : STATE_CHUNK;
		err = state_send(r, bytes + sent, part, until);
	}
	return err ? err : state_receive(r, until);
}

/* A worker for files of this owner. */
static int state_start(struct state_reader *r, uid_t owner)
{
	struct nursery_end end;
	int err;

	if (r->worker.wire >= 0 && r->owner == owner)
		return 0;
	state_stop(r);
	r->owner = owner;
	err = nursery_start(r->nursery, NURSERY_STATE, &r->worker);
	if (err)
		nursery_stop(r->nursery, &r->worker, STOP_MS, &end);
	return err;
}

static int state_fail(struct state_reader *r, const struct state_file *file, int err)
{
	debug(DEBUG_WORKER, "a state file of user %u kept its worker too long or killed it",
	      file->owner);
	state_stop(r);
	lose(r, file);
	return err;
}

/* Loads a file that is not lost.  *text is the caller's to free. */
static ssize_t state_load(struct state_reader *r, int root, const char *path, uid_t owner,
			  struct state_file *file, char **text)
{
	ssize_t n;

	*text = NULL;
	if (owner_is_lost(r, owner))
		return -EDQUOT;
	n = state_file_load(root, path, owner, file, text);
	if (n == -ETIMEDOUT)
		lose_silent(r, owner);
	return n >= 0 && is_lost(r, file) ? -EDQUOT : n;
}

ssize_t state_reader_ask(struct state_reader *r, int root, const char *path, uid_t owner,
			 enum state_question question, const char *id,
			 char answer[STATE_ANSWER_MAX])
{
	struct state_request request = {.question = question};
	struct state_file file;
	char *text;
	int err;
	ssize_t n;

	if (!r->nursery)
		return -ENOTSUP;
	n = state_load(r, root, path, owner, &file, &text);
	err = n < 0 ? (int)n : state_start(r, file.owner);
	if (!err) {
		request.size = (uint32_t)n;
		snprintf(request.id, sizeof(request.id), "%s", id);
		err = state_exchange(r, &request, text);
		err = err ? state_fail(r, &file, err) : 0;
	}
	free(text);
	if (err)
		return err;
	memcpy(answer, r->reply.text, r->reply.size);
	return r->reply.size;
}

ssize_t state_reader_list(struct state_reader *r, int root, const char *path, uid_t owner,
			  const char *tail, int most, char names[STATE_ANSWER_MAX])
{
	ssize_t n = -EDQUOT;

	if (!owner_is_lost(r, owner))
		n = state_folder_list(root, path, owner, tail, most, names, STATE_ANSWER_MAX);
	if (n == -ETIMEDOUT)
		lose_silent(r, owner);
	return n;
}
