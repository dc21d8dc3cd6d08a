/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * look.c - sends questions about ELF files as packets, with a deadline for each.
 *
 * Most files hold nothing of interest.  So names that came in small questions (at most FIRST_MOST)
 * become signs: the shared worker searches each file for them when it opens the file.  One reply
 * then answers all first questions.
 */
#include "user/capture/elf/look.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/capture/elf/elf_question.h"
#include "user/capture/elf/look_wire.h"
#include "user/capture/elf/look_state.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

#define FIRST_MOST	4    /* most names of a question that counts as a first one */
#define DEEP_ANSWERS_MS 3000 /* likewise, above DEEP_LOOK_MS */
#define STOP_MS		0    /* do not wait for a worker's end */
#define BLOCK_ALIGN	8192
#define EACH_BYTES	(48U << 20) /* most bytes of LOOK_EACH replies for one file */

struct look_all look_all = {.shared.worker = {-1, -1, 0, 0}};

void looker_stop(struct elf_looker *k)
{
	struct nursery_end end;

	if (k->worker.wire >= 0)
		nursery_stop(k->nursery, &k->worker, STOP_MS, &end);
	k->generation++;
	memset(k->used, 0, sizeof(k->used));
	k->signs = 0;
}

/* To start a worker takes milliseconds, and each file of interest needs one. */
static void spares_start(void)
{
	struct nursery_end end;

	for (; look_all.spares < SPARE; look_all.spares++) {
		struct nursling *spare = &look_all.spare[look_all.spares];

		if (!nursery_start(look_all.nursery, NURSERY_LOOK, spare))
			continue;
		nursery_stop(look_all.nursery, spare, STOP_MS, &end);
		return;
	}
}

/* Takes the oldest spare that still lives.  A dead one would get the next file blamed for it. */
static bool spare_take(struct nursling *worker)
{
	struct nursery_end end;
	char byte;

	while (look_all.spares) {
		*worker = look_all.spare[0];
		memmove(look_all.spare, look_all.spare + 1,
			--look_all.spares * sizeof(look_all.spare[0]));
		if (recv(worker->wire, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN)
			return true;
		nursery_stop(look_all.nursery, worker, STOP_MS, &end);
	}
	return false;
}

static void spares_stop(void)
{
	struct nursery_end end;

	while (look_all.spares)
		nursery_stop(look_all.nursery, &look_all.spare[--look_all.spares], STOP_MS, &end);
}

static int looker_start(struct elf_looker *k)
{
	if (k->worker.wire >= 0)
		return 0;
	k->nursery = look_all.nursery;
	if (!spare_take(&k->worker)) {
		int err = nursery_start(k->nursery, NURSERY_LOOK, &k->worker);

		if (err)
			return err;
	}
	spares_start();
	return 0;
}

void look_through(struct nursery *nursery)
{
	looker_stop(&look_all.shared);
	spares_stop();
	for (size_t i = 0; i < look_all.signs; i++)
		free(look_all.sign[i].name);
	look_all.signs = look_all.given_up_count = 0;
	look_all.nursery = nursery;
}

bool look_is_used(void)
{
	return look_all.nursery;
}

/* Did a worker fail on this file before? */
static bool is_given_up(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return false;
	for (size_t i = 0; i < look_all.given_up_count; i++)
		if (look_all.given_up[i].device == st.st_dev &&
		    look_all.given_up[i].inode == st.st_ino)
			return true;
	return false;
}

/* Remembers the file.  Once the list is full, the place of an earlier one is reused, which may then
 * be tried again. */
static void give_up(struct look *l)
{
	struct stat st;
	size_t i = look_all.given_up_count++ % GIVEN_UP;

	l->given_up = true;
	if (look_all.given_up_count > GIVEN_UP)
		look_all.given_up_count = GIVEN_UP;
	if (fstat(l->fd, &st))
		return;
	debug(DEBUG_WORKER, "inode %ju kept or killed its worker: given up", (uintmax_t)st.st_ino);
	look_all.given_up[i].device = st.st_dev;
	look_all.given_up[i].inode = st.st_ino;
}

static bool is_there(const struct look *l)
{
	return !l->given_up && l->at->worker.wire >= 0 && l->generation == l->at->generation;
}

static int request_send(const struct elf_looker *k, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} with = {.room = {0}};
	struct iovec vec = {&look_all.out,
			    sizeof(look_all.out.request) + look_all.out.request.size};
	struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};

	if (fd >= 0) {
		message.msg_control = &with;
		message.msg_controllen = sizeof(with);
		with.head.cmsg_level = SOL_SOCKET;
		with.head.cmsg_type = SCM_RIGHTS;
		with.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&with.head), &fd, sizeof(int));
	}
	return sendmsg(k->worker.wire, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Receives one packet into look_all.in, before `until`. */
static int reply_receive(const struct elf_looker *k, uint64_t until)
{
	for (;;) {
		struct pollfd wait = {k->worker.wire, POLLIN, 0};
		ssize_t got = recv(k->worker.wire, &look_all.in, sizeof(look_all.in), MSG_DONTWAIT);
		uint64_t now = clock_monotonic_ms();

		if (got >= (ssize_t)sizeof(look_all.in.reply) &&
		    look_all.in.reply.size == (size_t)got - sizeof(look_all.in.reply))
			return 0;
		if (got >= 0)
			return -EPROTO;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (now >= until)
			return -ETIME;
		poll(&wait, 1, (int)(until - now));
	}
}

static void request_begin(const struct look *l, enum look_op op, uint64_t a, uint64_t b)
{
	look_all.out.request = (struct look_request){.op = op, .file = l->file, .a = a, .b = b};
}

static bool request_bytes(const void *bytes, size_t size)
{
	struct look_request *r = &look_all.out.request;

	if (size > sizeof(look_all.out) - sizeof(*r) - r->size)
		return false;
	memcpy(r->bytes + r->size, bytes, size);
	r->size += (uint32_t)size;
	return true;
}

static bool request_name(const char *name)
{
	bool fits = request_bytes(name, strlen(name) + 1);

	look_all.out.request.count += fits;
	return fits;
}

/* The worker is late, died or answered nonsense: stop it and blame its file. */
static int fail(struct look *l, int err)
{
	looker_stop(l->at);
	give_up(l);
	return err;
}

static int look_receive(struct look *l, uint64_t until)
{
	int err = reply_receive(l->at, until);

	if (err)
		return fail(l, err);
	l->given_up |= look_all.in.reply.given_up;
	return 0;
}

/* Sends the request in look_all.out and receives the answer into look_all.in.  0 or -errno. */
static int look_ask(struct look *l, int fd)
{
	uint64_t begun = clock_monotonic_ms(), waited;
	int err;

	if (fd < 0 && !is_there(l)) {
		l->given_up = true;
		return -EDQUOT;
	}
	err = request_send(l->at, fd);
	err = err ? fail(l, err) : look_receive(l, begun + l->left_ms);
	waited = clock_monotonic_ms() - begun;
	l->left_ms -= waited < l->left_ms ? waited : l->left_ms;
	return err;
}

static int tell_signs(struct look *l)
{
	struct elf_looker *k = l->at;
	int err = 0;

	for (; k->signs < look_all.signs && !err; k->signs++) {
		request_begin(l, LOOK_SIGN, 0, 0);
		look_all.out.request.flags = look_all.sign[k->signs].flags;
		request_name(look_all.sign[k->signs].name);
		err = request_send(k, -1);
	}
	return err;
}

static int file_number(struct elf_looker *k, uint32_t *file)
{
	for (uint32_t i = 0; i < LOOK_FILES; i++)
		if (!k->used[i]) {
			*file = i;
			return 0;
		}
	return -EMFILE;
}

/* Opens the file in worker k.  Only the shared worker gets the signs. */
static int open_at(struct look *l, struct elf_looker *k)
{
	int err = looker_start(k);

	l->at = k;
	if (!err)
		err = file_number(k, &l->file);
	if (!err && k == &look_all.shared)
		err = tell_signs(l);
	if (err)
		return err;
	l->generation = k->generation;
	request_begin(l, LOOK_OPEN, 0, 0);
	err = look_ask(l, l->fd);
	if (!err && look_all.in.reply.result)
		err = look_all.in.reply.result >= -4095 && look_all.in.reply.result < 0
			      ? (int)look_all.in.reply.result
			      : -EBADMSG;
	if (err)
		return err;
	if (look_all.in.reply.size != sizeof(l->opened))
		return fail(l, -EPROTO);
	k->used[l->file] = true;
	l->is_program = look_all.in.reply.is_program;
	memcpy(&l->opened, look_all.in.reply.bytes, sizeof(l->opened));
	return l->opened.codes > LOOK_CODES || l->opened.signs > LOOK_SIGNS ? fail(l, -EPROTO) : 0;
}

/* A file that a worker failed on opens as given up: nothing is found in it. */
int look_open(struct look **out, int fd)
{
	struct look *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->fd = fd;
	l->own.worker = (struct nursling){-1, -1, 0, 0};
	l->at = &look_all.shared;
	l->left_ms = ANSWERS_MS;
	l->given_up = is_given_up(fd);
	err = l->given_up ? 0 : open_at(l, &look_all.shared);
	if (err && !l->given_up) {
		free(l);
		return err;
	}
	*out = l;
	return 0;
}

static void leave(struct look *l)
{
	if (!is_there(l))
		return;
	request_begin(l, LOOK_CLOSE, 0, 0);
	request_send(l->at, -1);
	l->at->used[l->file] = false;
}

void look_close(struct look *l)
{
	if (!l)
		return;
	if (l->at == &look_all.shared)
		leave(l);
	looker_stop(&l->own);
	for (size_t i = 0; i < BLOCKS; i++) {
		free(l->block[0][i]);
		free(l->block[1][i]);
	}
	free(l);
}

/* Moves the file to a worker of its own, which has seen no other file. */
static int apart(struct look *l)
{
	if (l->at == &l->own || l->given_up)
		return l->given_up ? -EDQUOT : 0;
	leave(l);
	return open_at(l, &l->own);
}

void look_deepen(struct look *l)
{
	l->left_ms = DEEP_ANSWERS_MS;
	l->decodes = false;
	if (apart(l))
		return;
	request_begin(l, LOOK_DEEPEN, 0, 0);
	look_ask(l, -1);
}

bool look_given_up(const struct look *l)
{
	return l->given_up;
}

bool look_is_program(const struct look *l)
{
	return l->is_program;
}

/* The number of this sign; -1: not known yet. */
static int sign_of(const char *name, uint32_t flags)
{
	for (size_t i = 0; i < look_all.signs; i++)
		if (look_all.sign[i].flags == flags && !strcmp(look_all.sign[i].name, name))
			return (int)i;
	return -1;
}

static void sign_learn(const char *name, uint32_t flags)
{
	if (look_all.signs == LOOK_SIGNS || sign_of(name, flags) >= 0)
		return;
	look_all.sign[look_all.signs].name = strdup(name);
	look_all.sign[look_all.signs].flags = flags;
	look_all.signs += look_all.sign[look_all.signs].name != NULL;
}

/* Did opening the file show already that it has none of these names? */
static bool none_is_there(const struct look *l, const char *const *names, size_t n, uint32_t flags)
{
	for (size_t i = 0; i < n; i++) {
		int sign = sign_of(names[i], flags);

		if (sign < 0 || (uint32_t)sign >= l->opened.signs || l->opened.sign[sign])
			return false;
	}
	return true;
}

static int look_find_symbols(struct look *l, const char *const *names, size_t n, uint32_t flags,
			     struct elf_symbol *out)
{
	bool fits = true;
	int err;

	request_begin(l, LOOK_FIND, 0, 0);
	look_all.out.request.flags = flags;
	for (size_t i = 0; i < n && fits; i++)
		fits = request_name(names[i]);
	err = fits ? look_ask(l, -1) : -E2BIG;
	if (err)
		return err;
	if (look_all.in.reply.result < 0)
		return -EBADMSG;
	if (look_all.in.reply.size != n * sizeof(*out) || (uint64_t)look_all.in.reply.result > n)
		return fail(l, -EPROTO);
	memcpy(out, look_all.in.reply.bytes, n * sizeof(*out));
	return (int)look_all.in.reply.result;
}

int look_find(struct look *l, const char *const *names, size_t n, bool deep, bool variables,
	      struct elf_symbol *out)
{
	uint32_t kind = variables ? LOOK_VARIABLES : 0, flags = (deep ? LOOK_DEEP : 0) | kind;
	int found = 0;

	memset(out, 0, n * sizeof(*out));
	if (deep && apart(l))
		return 0;
	if (l->at == &look_all.shared) {
		if (!none_is_there(l, names, n, kind))
			found = look_find_symbols(l, names, n, flags, out);
		for (size_t i = 0; i < n && n <= FIRST_MOST; i++)
			sign_learn(names[i], kind);
		if (found <= 0 || apart(l))
			return found < 0 ? found : 0;
	}
	return look_find_symbols(l, names, n, flags, out);
}

static ssize_t read_all(struct look *l, enum look_op op, uint64_t at, void *buf, size_t size)
{
	size_t done = 0;

	while (done < size) {
		request_begin(l, op, at + done, size - done);
		if (look_ask(l, -1))
			return -EDQUOT;
		if (look_all.in.reply.size > size - done)
			return fail(l, -EPROTO);
		if (look_all.in.reply.result <= 0 || !look_all.in.reply.size)
			break;
		memcpy((char *)buf + done, look_all.in.reply.bytes, look_all.in.reply.size);
		done += look_all.in.reply.size;
	}
	if (done || !size)
		return (ssize_t)done;
	return look_all.in.reply.result < 0 ? -EFAULT : 0;
}

/* False: the block does not hold all of the wanted bytes. */
static bool block_has(const struct look_block *b, uint64_t at, void *buf, size_t size)
{
	if (!b || at < b->at || at - b->at >= b->size || size > b->size - (at - b->at))
		return false;
	memcpy(buf, b->bytes + (at - b->at), size);
	return true;
}

/* Reads a small piece together with the bytes around it, if those can be read. */
static ssize_t read_near(struct look *l, enum look_op op, uint64_t at, void *buf, size_t size)
{
	struct look_block **b = &l->block[op == LOOK_READ_ADDRESS][at / BLOCK_ALIGN % BLOCKS];
	ssize_t n;

	if (size > BLOCK_ALIGN)
		return read_all(l, op, at, buf, size);
	if (block_has(*b, at, buf, size))
		return (ssize_t)size;
	if (!*b)
		*b = malloc(sizeof(**b));
	if (!*b)
		return read_all(l, op, at, buf, size);
	(*b)->at = at & ~(uint64_t)(BLOCK_ALIGN - 1);
	n = read_all(l, op, (*b)->at, (*b)->bytes, BLOCK_BYTES);
	(*b)->size = n > 0 ? (size_t)n : 0;
	return block_has(*b, at, buf, size) ? (ssize_t)size : read_all(l, op, at, buf, size);
}

ssize_t look_read(struct look *l, uint64_t offset, void *buf, size_t size)
{
	return read_near(l, LOOK_READ, offset, buf, size);
}

ssize_t look_read_address(struct look *l, uint64_t address, void *buf, size_t size)
{
	return read_near(l, LOOK_READ_ADDRESS, address, buf, size);
}

static int numbers(struct look *l, enum look_op op, uint64_t a, uint64_t b)
{
	request_begin(l, op, a, b);
	return look_ask(l, -1) || look_all.in.reply.result ? -ENOENT : 0;
}

int look_bias(struct look *l, uint64_t start, uint64_t offset, uint64_t *bias)
{
	int err = numbers(l, LOOK_BIAS, start, offset);

	*bias = err ? 0 : look_all.in.reply.a;
	return err;
}

int look_code(struct look *l, uint64_t *offset, uint64_t *address)
{
	if (!l->opened.codes)
		return -ENOENT;
	*offset = l->opened.code[0].offset;
	*address = l->opened.code[0].address;
	return 0;
}

int look_constants(struct look *l, unsigned int i, uint64_t *offset, uint64_t *size)
{
	int err = numbers(l, LOOK_CONSTANTS, i, 0);

	*offset = err ? 0 : look_all.in.reply.a;
	*size = err ? 0 : look_all.in.reply.b;
	return err;
}

static const struct elf_code *look_code_at(const struct look *l, uint64_t offset)
{
	for (uint32_t i = 0; i < l->opened.codes; i++)
		if (offset >= l->opened.code[i].offset &&
		    offset - l->opened.code[i].offset < l->opened.code[i].size)
			return &l->opened.code[i];
	return NULL;
}

int look_segment(struct look *l, uint64_t offset, uint64_t *start, uint64_t *size)
{
	const struct elf_code *code = look_code_at(l, offset);

	if (!code)
		return -ENOENT;
	*start = code->offset;
	*size = code->size;
	return 0;
}

uint64_t look_code_address(struct look *l, uint64_t offset)
{
	const struct elf_code *code = look_code_at(l, offset);

	return code ? code->address + (offset - code->offset) : 0;
}

uint64_t look_section(struct look *l, const char *name)
{
	if (l->at == &look_all.shared && none_is_there(l, &name, 1, LOOK_SECTIONS))
		return 0;
	if (l->at == &look_all.shared)
		sign_learn(name, LOOK_SECTIONS);
	request_begin(l, LOOK_SECTION, 0, 0);
	return !request_name(name) || look_ask(l, -1) ? 0 : look_all.in.reply.a;
}

/* Calls fn for each function in the packet; false: the packet is malformed. */
static bool tell_functions(const uint8_t *at, size_t size, elf_function_fn *fn, void *context)
{
	while (size) {
		const struct look_function *f = (const void *)at;
		size_t whole;

		if (size < sizeof(*f) || !f->name_size || f->name_size > size - sizeof(*f))
			return false;
		whole = (sizeof(*f) + f->name_size + 7) & ~(size_t)7;
		if (whole > size || f->name[f->name_size - 1])
			return false;
		fn(context, f->name, &(struct elf_symbol){f->offset, f->size});
		at += whole;
		size -= whole;
	}
	return true;
}

int look_each(struct look *l, elf_function_fn *fn, void *context)
{
	uint64_t until = clock_monotonic_ms() + DEEP_ANSWERS_MS;
	size_t bytes = 0;
	int err = apart(l) ? -EDQUOT : 0;

	if (err)
		return 0; /* as for a malformed table */
	request_begin(l, LOOK_EACH, 0, 0);
	for (err = look_ask(l, -1); !err; err = look_receive(l, until)) {
		bytes += look_all.in.reply.size;
		if (bytes > EACH_BYTES ||
		    !tell_functions(look_all.in.reply.bytes, look_all.in.reply.size, fn, context))
			return fail(l, 0);
		if (!look_all.in.reply.more)
			return look_all.in.reply.result ? -ENOMEM : 0;
	}
	return 0;
}

void look_build_id(struct look *l, char *hex, size_t size)
{
	*hex = '\0';
	request_begin(l, LOOK_BUILD_ID, 0, size);
	if (look_ask(l, -1) || !look_all.in.reply.size || look_all.in.reply.size > size ||
	    look_all.in.reply.bytes[look_all.in.reply.size - 1])
		return;
	memcpy(hex, look_all.in.reply.bytes, look_all.in.reply.size);
	if (strspn(hex, "0123456789abcdef") != strlen(hex))
		*hex = '\0';
}

int look_question(struct look *l, const struct elf_question *question, const void *in, void *out)
{
	int number = elf_question_number(question), err = number < 0 ? -ENOTSUP : apart(l);

	if (err)
		return err;
	if (!l->decodes && l->left_ms < ANSWERS_MS)
		l->left_ms = ANSWERS_MS;
	l->decodes = true;
	request_begin(l, LOOK_ASK, (uint64_t)number, 0);
	if (!request_bytes(in, question->in))
		return -E2BIG;
	err = look_ask(l, -1);
	if (err)
		return -EDQUOT;
	if (look_all.in.reply.result > 0 || look_all.in.reply.result < -4095 ||
	    look_all.in.reply.size != (look_all.in.reply.result ? 0 : question->out))
		return fail(l, -EPROTO);
	memcpy(out, look_all.in.reply.bytes, look_all.in.reply.size);
	return (int)look_all.in.reply.result;
}

void look_distrust(struct look *l)
{
	fail(l, 0);
}
