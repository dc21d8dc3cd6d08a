/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * recording.c - the recording file.
 *
 * Refuses to hand over a record that could mislead: checksum, size and inner lengths are checked
 * before any caller sees it.
 */
#include "user/record/recording.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "user/record/scrub.h"

#define LARGEST 4096

struct recording {
	FILE *file;
	uint64_t offset;
	bool begun, ended, writing;
	int broken; /* the first error; nothing behind it is believed */
	struct scrub scrub;
	_Alignas(8) unsigned char buffer[LARGEST];
};

/* Recordings of other builds and the decoders of the tests rely on these sizes. */
_Static_assert(sizeof(struct ev_head) == 16, "ev_head has 16 bytes");
_Static_assert(sizeof(struct ev_begin) == 128, "ev_begin has 128 bytes");
_Static_assert(sizeof(struct ev_end) == 24, "ev_end has 24 bytes");
_Static_assert(sizeof(struct ev_tick) == 16, "ev_tick has 16 bytes");
_Static_assert(sizeof(struct ev_process) == 472, "ev_process has 472 bytes");
_Static_assert(sizeof(struct ev_usage) == 48, "ev_usage has 48 bytes");
_Static_assert(sizeof(struct ev_exit) == 40, "ev_exit has 40 bytes");
_Static_assert(sizeof(struct ev_connection) == 176, "ev_connection has 176 bytes");
_Static_assert(sizeof(struct ev_identity) == 352, "ev_identity has 352 bytes");
_Static_assert(sizeof(struct ev_sql) == 552, "ev_sql has 552 bytes");
_Static_assert(sizeof(struct ev_statement) == 248, "ev_statement has 248 bytes");
_Static_assert(sizeof(struct ev_statement_closed) == 32, "ev_statement_closed has 32 bytes");
_Static_assert(sizeof(struct ev_result) == 592, "ev_result has 592 bytes");
_Static_assert(sizeof(struct ev_tally) == 96, "ev_tally has 96 bytes");
_Static_assert(sizeof(struct ev_loss) == 64, "ev_loss has 64 bytes");
_Static_assert(sizeof(struct ev_cost) == 80, "ev_cost has 80 bytes");
_Static_assert(sizeof(struct ev_gap) == 288, "ev_gap has 288 bytes");
_Static_assert(sizeof(struct ev_holder) == 40, "ev_holder has 40 bytes");
_Static_assert(sizeof(struct ev_gone) == 32, "ev_gone has 32 bytes");
_Static_assert(sizeof(struct ev_library) == 392, "ev_library has 392 bytes");
_Static_assert(sizeof(struct ev_site) == 176, "ev_site has 176 bytes");
_Static_assert(sizeof(struct ev_handle) == 120, "ev_handle has 120 bytes");
_Static_assert(sizeof(struct ev_handle_closed) == 48, "ev_handle_closed has 48 bytes");
_Static_assert(sizeof(struct ev_file) == 248, "ev_file has 248 bytes");
_Static_assert(sizeof(struct ev_frame) == 1080, "ev_frame has 1080 bytes");
_Static_assert(sizeof(struct ev_stack) == 1072, "ev_stack has 1072 bytes");
_Static_assert(sizeof(struct ev_evidence) == 64, "ev_evidence has 64 bytes");
_Static_assert(sizeof(struct ev_memory) == 72, "ev_memory has 72 bytes");
_Static_assert(sizeof(struct ev_memory_site) == 160, "ev_memory_site has 160 bytes");
_Static_assert(sizeof(struct ev_withdrawn) == 48, "ev_withdrawn has 48 bytes");
_Static_assert(sizeof(struct ev_unfollowed) == 104, "ev_unfollowed has 104 bytes");
_Static_assert(sizeof(struct ev_host) == 376, "ev_host has 376 bytes");
_Static_assert(sizeof(struct ev_program) == 416, "ev_program has 416 bytes");
_Static_assert(sizeof(struct ev_container) == 608, "ev_container has 608 bytes");
_Static_assert(sizeof(struct ev_thread) == 80, "ev_thread has 80 bytes");
_Static_assert(sizeof(struct ev_requests) == 40, "ev_requests has 40 bytes");
_Static_assert(sizeof(struct ev_serving) == 368, "ev_serving has 368 bytes");
_Static_assert(sizeof(struct ev_session) == 768, "ev_session has 768 bytes");
_Static_assert(sizeof(struct ev_collections) == 72, "ev_collections has 72 bytes");

/* Smallest size of each kind; 0: no such kind.  Texts may be cut off behind their length. */
static const uint16_t smallest[EV_KIND_MAX] = {
	[EV_BEGIN] = sizeof(struct ev_begin),
	[EV_END] = sizeof(struct ev_end),
	[EV_TICK] = sizeof(struct ev_tick),
	[EV_PROCESS] = sizeof(struct ev_process),
	[EV_USAGE] = sizeof(struct ev_usage),
	[EV_EXIT] = sizeof(struct ev_exit),
	[EV_CONNECTION] = sizeof(struct ev_connection),
	[EV_IDENTITY] = sizeof(struct ev_identity),
	[EV_SQL] = offsetof(struct ev_sql, text),
	[EV_STATEMENT] = offsetof(struct ev_statement, text),
	[EV_STATEMENT_CLOSED] = sizeof(struct ev_statement_closed),
	[EV_RESULT] = offsetof(struct ev_result, text),
	[EV_TALLY] = sizeof(struct ev_tally),
	[EV_LOSS] = sizeof(struct ev_loss),
	[EV_COST] = sizeof(struct ev_cost),
	[EV_GAP] = sizeof(struct ev_gap),
	[EV_HOLDER] = sizeof(struct ev_holder),
	[EV_GONE] = sizeof(struct ev_gone),
	[EV_LIBRARY] = sizeof(struct ev_library),
	[EV_SITE] = sizeof(struct ev_site),
	[EV_HANDLE] = sizeof(struct ev_handle),
	[EV_HANDLE_CLOSED] = sizeof(struct ev_handle_closed),
	[EV_FILE] = offsetof(struct ev_file, text),
	[EV_FRAME] = offsetof(struct ev_frame, text),
	[EV_STACK] = offsetof(struct ev_stack, frame),
	[EV_EVIDENCE] = sizeof(struct ev_evidence),
	[EV_MEMORY] = sizeof(struct ev_memory),
	[EV_MEMORY_SITE] = sizeof(struct ev_memory_site),
	[EV_WITHDRAWN] = sizeof(struct ev_withdrawn),
	[EV_UNFOLLOWED] = sizeof(struct ev_unfollowed),
	[EV_HOST] = sizeof(struct ev_host),
	[EV_PROGRAM] = sizeof(struct ev_program),
	[EV_THREAD] = sizeof(struct ev_thread),
	[EV_REQUESTS] = sizeof(struct ev_requests),
	[EV_SESSION] = offsetof(struct ev_session, text),
	[EV_COLLECTIONS] = sizeof(struct ev_collections),
	[EV_SERVING] = sizeof(struct ev_serving),
	[EV_CONTAINER] = sizeof(struct ev_container),
};

/* Fixed texts must end within their field. */
static const struct {
	uint16_t kind, offset, size;
} texts[] = {
	{EV_WITHDRAWN, offsetof(struct ev_withdrawn, comm), EV_COMM_LEN},
	{EV_BEGIN, offsetof(struct ev_begin, kernel), 64},
	{EV_BEGIN, offsetof(struct ev_begin, arch), 16},
	{EV_PROCESS, offsetof(struct ev_process, comm), EV_COMM_LEN},
	{EV_PROCESS, offsetof(struct ev_process, cmdline), EV_TEXT_LEN},
	{EV_PROCESS, offsetof(struct ev_process, runtime), 16},
	{EV_PROCESS, offsetof(struct ev_process, container_id), 72},
	{EV_PROCESS, offsetof(struct ev_process, container_name), EV_NAME_LEN},
	{EV_CONNECTION, offsetof(struct ev_connection, comm), EV_COMM_LEN},
	{EV_HOST, offsetof(struct ev_host, name), EV_NAME_LEN},
	{EV_HOST, offsetof(struct ev_host, version), EV_SYMBOL_LEN},
	{EV_HOST, offsetof(struct ev_host, selection), EV_TEXT_LEN},
	{EV_PROGRAM, offsetof(struct ev_program, exe), EV_TEXT_LEN},
	{EV_PROGRAM, offsetof(struct ev_program, unit), EV_UNIT_LEN},
	{EV_CONTAINER, offsetof(struct ev_container, pod), EV_TEXT_LEN},
	{EV_CONTAINER, offsetof(struct ev_container, pod_namespace), EV_NAME_LEN},
	{EV_CONTAINER, offsetof(struct ev_container, image), EV_TEXT_LEN},
	{EV_SESSION, offsetof(struct ev_session, user), EV_NAME_LEN},
	{EV_SESSION, offsetof(struct ev_session, name), EV_NAME_LEN},
	{EV_SESSION, offsetof(struct ev_session, application), EV_NAME_LEN},
	{EV_IDENTITY, offsetof(struct ev_identity, user), EV_NAME_LEN},
	{EV_IDENTITY, offsetof(struct ev_identity, name), EV_NAME_LEN},
	{EV_IDENTITY, offsetof(struct ev_identity, application), EV_NAME_LEN},
	{EV_GAP, offsetof(struct ev_gap, text), EV_TEXT_LEN},
	{EV_LIBRARY, offsetof(struct ev_library, build_id), 64},
	{EV_LIBRARY, offsetof(struct ev_library, path), EV_TEXT_LEN},
	{EV_SITE, offsetof(struct ev_site, object), EV_SYMBOL_LEN},
	{EV_SITE, offsetof(struct ev_site, release), EV_SYMBOL_LEN},
	{EV_MEMORY_SITE, offsetof(struct ev_memory_site, object), EV_SYMBOL_LEN},
};

/* Texts with a length before them. */
static const struct {
	uint16_t kind, length, text, size;
} cut_texts[] = {
	{EV_SQL, offsetof(struct ev_sql, length), offsetof(struct ev_sql, text), EV_SQL_LEN},
	{EV_STATEMENT, offsetof(struct ev_statement, length), offsetof(struct ev_statement, text),
	 EV_STATEMENT_SQL_LEN},
	{EV_RESULT, offsetof(struct ev_result, length), offsetof(struct ev_result, text),
	 EV_SQL_LEN},
	{EV_FILE, offsetof(struct ev_file, length), offsetof(struct ev_file, text),
	 EV_STATEMENT_SQL_LEN},
	{EV_SESSION, offsetof(struct ev_session, length), offsetof(struct ev_session, text),
	 EV_SQL_LEN},
};

static bool frame_fits(const struct ev_frame *f)
{
	size_t length = (size_t)f->function_length + f->file_length + f->module_length +
			f->build_length;

	return length <= sizeof(f->text) &&
	       offsetof(struct ev_frame, text) + length <= f->head.size;
}

static bool stack_fits(const struct ev_stack *s)
{
	return s->count <= EV_STACK_FRAMES &&
	       offsetof(struct ev_stack, frame) + s->count * sizeof(s->frame[0]) <= s->head.size;
}

int record_check(const struct ev_head *record)
{
	const unsigned char *bytes = (const void *)record;

	if (record->kind == 0 || record->kind >= EV_KIND_MAX || record->size % 8 ||
	    record->size < smallest[record->kind] || record->size > LARGEST)
		return -EBADMSG;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].kind == record->kind &&
		    !memchr(bytes + texts[i].offset, 0, texts[i].size))
			return -EBADMSG;
	if (record->kind == EV_FRAME && !frame_fits((const void *)record))
		return -EBADMSG;
	if (record->kind == EV_STACK && !stack_fits((const void *)record))
		return -EBADMSG;
	for (size_t i = 0; i < sizeof(cut_texts) / sizeof(cut_texts[0]); i++) {
		uint32_t length;

		if (cut_texts[i].kind != record->kind)
			continue;
		memcpy(&length, bytes + cut_texts[i].length, sizeof(length));
		if (length > cut_texts[i].size || cut_texts[i].text + length > record->size)
			return -EBADMSG;
	}
	return 0;
}

static uint32_t checksum(const struct ev_head *record)
{
	const unsigned char *bytes = (const void *)record;
	const size_t after = offsetof(struct ev_head, kind);

	return crc32(crc32(0, bytes, offsetof(struct ev_head, crc)), bytes + after,
		     record->size - after);
}

static int recording_open(struct recording **out, FILE *file, bool writing)
{
	struct recording *r = calloc(1, sizeof(*r));

	*out = r;
	if (!r) {
		fclose(file);
		return -ENOMEM;
	}
	r->file = file;
	r->writing = writing;
	return 0;
}

int recording_open_write(struct recording **out, FILE *file)
{
	return recording_open(out, file, true);
}

int recording_open_read(struct recording **out, FILE *file)
{
	return recording_open(out, file, false);
}

int recording_write(struct recording *r, const struct ev_head *record)
{
	struct ev_head *copy = (struct ev_head *)r->buffer;

	if (record_check(record))
		return -EINVAL;
	memcpy(copy, record, record->size);
	copy->crc = checksum(copy);
	if (fwrite(copy, 1, copy->size, r->file) != copy->size)
		return errno ? -errno : -EIO;
	return 0;
}

static int check_begin(struct recording *r, const struct ev_head *head)
{
	const struct ev_begin *begin = (const void *)head;

	if (head->kind != EV_BEGIN || head->size < sizeof(*begin) || begin->magic != EV_MAGIC)
		return -EPROTO;
	r->begun = true;
	return begin->version > EV_VERSION ? -ENOTSUP : 0;
}

static int read_record(struct recording *r)
{
	struct ev_head *head = (struct ev_head *)r->buffer;
	size_t rest;
	int err;

	if (fread(head, 1, sizeof(*head), r->file) != sizeof(*head))
		return r->begun ? -ENODATA : -EPROTO;
	if (head->size < sizeof(*head) || head->size > LARGEST)
		return r->begun ? -EBADMSG : -EPROTO;
	rest = head->size - sizeof(*head);
	if (fread(r->buffer + sizeof(*head), 1, rest, r->file) != rest)
		return r->begun ? -ENODATA : -EPROTO;
	err = r->begun ? 0 : check_begin(r, head);
	if (err)
		return err;
	if (head->crc != checksum(head) || record_check(head))
		return -EBADMSG;
	scrub_record(&r->scrub, head);
	r->offset += head->size;
	r->ended = head->kind == EV_END;
	return 0;
}

int recording_next(struct recording *r, const struct ev_head **record)
{
	if (r->ended)
		return 0;
	if (!r->broken)
		r->broken = read_record(r);
	*record = (struct ev_head *)r->buffer;
	return r->broken ? r->broken : 1;
}

uint64_t recording_offset(const struct recording *r)
{
	return r->offset;
}

const char *recording_why(int err)
{
	switch (err) {
	case -ENODATA:
		return "cut off";
	case -EBADMSG:
		return "damaged";
	case -EPROTO:
		return "not a recording of dbleak";
	case -ENOTSUP:
		return "a recording of a newer dbleak; use that version to read it";
	default:
		return strerror(-err);
	}
}

int recording_close(struct recording *r)
{
	int err = 0;

	if (!r)
		return 0;
	if (r->writing && (fflush(r->file) || ferror(r->file)))
		err = errno ? -errno : -EIO;
	if (fclose(r->file) && r->writing && !err)
		err = -errno;
	scrub_free(&r->scrub);
	free(r);
	return err;
}
