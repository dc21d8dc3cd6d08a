/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * look_worker.c - the worker process that reads ELF files: elf.c behind a socket.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/capture/elf/elf.h"
#include "user/capture/elf/elf_question.h"
#include "user/capture/elf/look_wire.h"

#define NAMES_MAX 1024 /* of one question */

struct elf_worker {
	int wire;
	struct {
		struct elf_file *elf; /* NULL: not open */
		int fd;
	} file[LOOK_FILES];
	struct {
		char *name;
		uint32_t flags;
	} sign[LOOK_SIGNS];
	size_t signs;
	const char *names[NAMES_MAX];
	struct elf_symbol found[NAMES_MAX];
	union {
		struct look_request request;
		uint8_t bytes[LOOK_PACKET_MAX];
	} in;
	union {
		struct look_reply reply;
		uint8_t bytes[LOOK_PACKET_MAX];
	} out;
};

#define ROOM (LOOK_PACKET_MAX - sizeof(struct look_reply))

static void reply_send(struct elf_worker *w)
{
	if (send(w->wire, &w->out, sizeof(w->out.reply) + w->out.reply.size, MSG_NOSIGNAL) < 0)
		_exit(0);
}

static void file_close(struct elf_worker *w, uint32_t file)
{
	elf_close(w->file[file].elf);
	if (w->file[file].fd > 0)
		close(w->file[file].fd);
	w->file[file].elf = NULL;
	w->file[file].fd = 0;
}

static bool has_sign(struct elf_file *elf, const char *name, uint32_t flags)
{
	struct elf_symbol found;

	if (flags & LOOK_SECTIONS)
		return elf_section(elf, name);
	if (flags & LOOK_VARIABLES)
		return elf_find_variables(elf, &name, 1, false, &found) != 0;
	return elf_find(elf, &name, 1, false, &found) != 0;
}

static void tell_opened(struct elf_worker *w, struct elf_file *elf)
{
	struct look_opened *opened = (void *)w->out.reply.bytes;

	memset(opened, 0, sizeof(*opened));
	opened->codes = (uint32_t)elf_codes(elf, opened->code, LOOK_CODES);
	opened->signs = (uint32_t)w->signs;
	for (size_t i = 0; i < w->signs; i++)
		opened->sign[i] = has_sign(elf, w->sign[i].name, w->sign[i].flags);
	w->out.reply.size = sizeof(*opened);
}

static void file_open(struct elf_worker *w, uint32_t file, int fd)
{
	struct elf_file *elf = NULL;
	int err;

	file_close(w, file);
	err = fd < 0 ? -EBADF : elf_open(&elf, fd);
	w->out.reply.result = err;
	if (err) {
		if (fd >= 0)
			close(fd);
		return;
	}
	w->file[file].elf = elf;
	w->file[file].fd = fd;
	tell_opened(w, elf);
}

static void add_sign(struct elf_worker *w)
{
	if (w->signs == LOOK_SIGNS || !(w->sign[w->signs].name = strdup(w->names[0])))
		_exit(1);
	w->sign[w->signs++].flags = w->in.request.flags;
}

static void elf_worker_find(struct elf_worker *w, struct elf_file *elf,
			    const struct look_request *r)
{
	bool deep = r->flags & LOOK_DEEP;
	size_t size = r->count * sizeof(w->found[0]);

	w->out.reply.result = r->flags & LOOK_VARIABLES
				      ? elf_find_variables(elf, w->names, r->count, deep, w->found)
				      : elf_find(elf, w->names, r->count, deep, w->found);
	if (w->out.reply.result < 0)
		return;
	memcpy(w->out.reply.bytes, w->found, size);
	w->out.reply.size = (uint32_t)size;
}

static void read_bytes(struct elf_worker *w, struct elf_file *elf, const struct look_request *r)
{
	size_t size = r->b < ROOM ? r->b : ROOM;
	ssize_t got = r->op == LOOK_READ ? elf_read(elf, r->a, w->out.reply.bytes, size)
					 : elf_read_address(elf, r->a, w->out.reply.bytes, size);

	w->out.reply.result = got;
	w->out.reply.size = got > 0 ? (uint32_t)got : 0;
}

static void tell_function(void *context, const char *name, const struct elf_symbol *symbol)
{
	struct elf_worker *w = context;
	size_t length = strlen(name) + 1;
	size_t size = (sizeof(struct look_function) + length + 7) & ~(size_t)7;
	struct look_function *f;

	if (size > ROOM)
		return;
	if (size > ROOM - w->out.reply.size) {
		w->out.reply.more = 1;
		reply_send(w);
		w->out.reply.size = 0;
	}
	f = (void *)(w->out.reply.bytes + w->out.reply.size);
	memset(f, 0, size);
	f->offset = symbol->offset;
	f->size = symbol->size;
	f->name_size = (uint32_t)length;
	memcpy(f->name, name, length);
	w->out.reply.size += (uint32_t)size;
}

static void build_id(struct elf_worker *w, struct elf_file *elf, const struct look_request *r)
{
	size_t size = r->b < 3 ? 3 : r->b < 256 ? r->b : 256;

	elf_build_id(elf, (char *)w->out.reply.bytes, size);
	w->out.reply.size = (uint32_t)strlen((char *)w->out.reply.bytes) + 1;
}

/* A malformed question would be a bug of the asker, so the worker may exit. */
static void elf_worker_ask(struct elf_worker *w, struct elf_file *elf, const struct look_request *r)
{
	const struct elf_question *question = elf_question_at(r->a);

	if (!question || r->size != question->in || question->out > ROOM)
		_exit(1);
	memset(w->out.reply.bytes, 0, question->out);
	w->out.reply.result = elf_answer(elf, question, r->bytes, w->out.reply.bytes);
	w->out.reply.size = w->out.reply.result ? 0 : (uint32_t)question->out;
}

static void elf_worker_look(struct elf_worker *w, struct elf_file *elf,
			    const struct look_request *r)
{
	struct look_reply *out = &w->out.reply;

	switch (r->op) {
	case LOOK_DEEPEN:
		elf_deepen(elf);
		break;
	case LOOK_FIND:
		elf_worker_find(w, elf, r);
		break;
	case LOOK_READ:
	case LOOK_READ_ADDRESS:
		read_bytes(w, elf, r);
		break;
	case LOOK_BIAS:
		out->result = elf_bias(elf, r->a, r->b, &out->a);
		break;
	case LOOK_CONSTANTS:
		out->result = elf_constants(elf, (unsigned int)r->a, &out->a, &out->b);
		break;
	case LOOK_SECTION:
		out->a = elf_section(elf, w->names[0]);
		break;
	case LOOK_EACH:
		out->result = elf_each(elf, tell_function, w);
		out->more = 0;
		break;
	case LOOK_BUILD_ID:
		build_id(w, elf, r);
		break;
	case LOOK_ASK:
		elf_worker_ask(w, elf, r);
		break;
	default:
		_exit(1);
	}
}

/* Checks a request.  A malformed one would be a bug in look.c, so the worker may exit. */
static bool take_names(struct elf_worker *w, const struct look_request *r, size_t got)
{
	const char *at = r->bytes, *end = at + r->size;

	if (got != sizeof(*r) + r->size || r->count > NAMES_MAX || r->file >= LOOK_FILES)
		return false;
	for (uint32_t i = 0; i < r->count; i++) {
		w->names[i] = at;
		at = memchr(at, '\0', (size_t)(end - at));
		if (!at)
			return false;
		at++;
	}
	return r->count || (r->op != LOOK_SIGN && r->op != LOOK_SECTION);
}

static bool needs_answer(const struct look_request *r)
{
	return r->op != LOOK_CLOSE && r->op != LOOK_SIGN;
}

static void look_on(struct elf_worker *w, struct elf_file *elf, const struct look_request *r)
{
	elf_resume(elf);
	elf_worker_look(w, elf, r);
}

static void elf_worker_answer(struct elf_worker *w, int fd)
{
	const struct look_request *r = &w->in.request;
	struct elf_file *elf = w->file[r->file].elf;

	w->out.reply = (struct look_reply){.result = 0};
	if (r->op == LOOK_OPEN)
		file_open(w, r->file, fd);
	else if (r->op == LOOK_CLOSE)
		file_close(w, r->file);
	else if (r->op == LOOK_SIGN)
		add_sign(w);
	else if (elf)
		look_on(w, elf, r);
	else
		w->out.reply.result = -EBADF;
	if (!needs_answer(r))
		return;
	elf = w->file[r->file].elf;
	w->out.reply.given_up = elf && elf_given_up(elf);
	w->out.reply.is_program = elf && elf_is_program(elf);
	reply_send(w);
}

static void elf_worker_run(int wire, int asking, void *shared)
{
	struct elf_worker *w = calloc(1, sizeof(*w));

	(void)asking;
	(void)shared;
	if (!w)
		_exit(1);
	w->wire = wire;
	for (;;) {
		union {
			struct cmsghdr head;
			char room[CMSG_SPACE(sizeof(int))];
		} with;
		struct iovec vec = {&w->in, sizeof(w->in)};
		struct msghdr message = {.msg_iov = &vec,
					 .msg_iovlen = 1,
					 .msg_control = &with,
					 .msg_controllen = sizeof(with)};
		ssize_t got = recvmsg(wire, &message, MSG_CMSG_CLOEXEC);
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		int fd = -1;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < (ssize_t)sizeof(w->in.request) ||
		    !take_names(w, &w->in.request, (size_t)got))
			_exit(0);
		if (head && head->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(head), sizeof(fd));
		elf_worker_answer(w, fd);
	}
}

const struct nursery_role look_role = {"dbleak-look", NULL, elf_worker_run};
