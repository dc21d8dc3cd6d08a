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
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/file.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

#define STATE_MS 3000 /* limit of one answer, since the host may be busy */
#define STOP_MS	 0    /* do not wait for a worker's end */
#define LOST_MAX 32

/* A file that a worker failed on. */
struct state_lost {
	uid_t owner;
	dev_t device;
	ino_t inode;
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
			*owner = r->lost[i].owner;
			return true;
		}
	return false;
}

/* Many containers of one host may have their state in files of root, so root loses one file only.
 * Once the list is full, nothing is read any more. */
static bool is_lost(const struct state_reader *r, const struct stat *st)
{
	for (size_t i = 0; i < r->lost_count; i++) {
		const struct state_lost *l = &r->lost[i];

		if (l->owner == st->st_uid &&
		    (l->owner || (l->device == st->st_dev && l->inode == st->st_ino)))
			return true;
	}
	return r->lost_count == LOST_MAX;
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

static int state_fail(struct state_reader *r, const struct stat *st, int err)
{
	debug(DEBUG_WORKER, "a state file of user %u kept its worker too long or killed it",
	      st->st_uid);
	state_stop(r);
	r->lost[r->lost_count++] = (struct state_lost){st->st_uid, st->st_dev, st->st_ino, false};
	return err;
}

/* Reads what is left of an opened file.  *text is the caller's to free. */
static ssize_t state_load(const struct state_reader *r, int fd, uid_t owner, struct stat *st,
			  char **text)
{
	size_t have = 0;
	ssize_t got = 1;

	if (fstat(fd, st))
		return -errno;
	if (owner != FILE_OF_ANYBODY && st->st_uid != owner)
		return -EPERM;
	if (is_lost(r, st))
		return -EDQUOT;
	if (st->st_size > (off_t)STATE_BYTES_MAX)
		return -EFBIG;
	*text = malloc((size_t)st->st_size + 1);
	if (!*text)
		return -ENOMEM;
	while (have < (size_t)st->st_size && got > 0) {
		got = pread(fd, *text + have, (size_t)st->st_size - have, (off_t)have);
		have += got > 0 ? (size_t)got : 0;
	}
	return got < 0 ? -errno : (ssize_t)have;
}

ssize_t state_reader_ask(struct state_reader *r, int root, const char *path, uid_t owner,
			 enum state_question question, const char *id,
			 char answer[STATE_ANSWER_MAX])
{
	struct state_request request = {.question = question};
	char *text = NULL;
	struct stat st;
	int fd, err;
	ssize_t n;

	if (!r->nursery)
		return -ENOTSUP;
	fd = file_open_in(root, path, 0);
	if (fd < 0)
		return fd;
	n = state_load(r, fd, owner, &st, &text);
	close(fd);
	err = n < 0 ? (int)n : state_start(r, st.st_uid);
	if (!err) {
		request.size = (uint32_t)n;
		snprintf(request.id, sizeof(request.id), "%s", id);
		err = state_exchange(r, &request, text);
		err = err ? state_fail(r, &st, err) : 0;
	}
	free(text);
	if (err)
		return err;
	memcpy(answer, r->reply.text, r->reply.size);
	return r->reply.size;
}
