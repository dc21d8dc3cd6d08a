/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * make_recording.c - large recordings to replay: make_recording FILE KIND COUNT
 *
 * busy: at least COUNT records as a watch of a busy, healthy host gives them.  connections,
 * statements, texts: COUNT connections or statements that stay open; of the statements a thousand
 * texts are shared, or each has its own.  closings: COUNT statements, ten to a connection, and then
 * all connections close.  lives: COUNT texts of processes that each use ten, close all and end.
 * guilty: COUNT processes that each open twelve connections and leave them inside transactions.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "user/record/recording.h"

#define SECOND		  1000000000ULL
#define START		  (1000 * SECOND)
#define PROCESSES	  50
#define EACH		  20 /* connections of a busy process */
#define PROCESSES_OF_MANY 100
#define STATEMENTS_EACH	  200 /* of a connection */
#define STATEMENTS_FEW	  10
#define TEXTS		  1000
#define TEXTS_OF_A_LIFE	  10
#define LIVES_A_SECOND	  20
#define LEAKED_EACH	  12

struct maker {
	struct recording *recording;
	uint64_t now, records, next_id;
	uint32_t prepared; /* by each connection told of from now on */
};

static void put(struct maker *m, void *record, uint16_t kind, size_t bytes)
{
	struct ev_head *head = record;

	head->ns = m->now;
	head->kind = kind;
	head->size = (bytes + 7) & ~7ULL;
	if (recording_write(m->recording, head)) {
		fprintf(stderr, "make_recording: cannot write\n");
		exit(1);
	}
	m->records++;
}

#define PUT(m, record, kind) put(m, &(record), kind, sizeof(record))

static void put_begin(struct maker *m)
{
	struct ev_begin begin = {.magic = EV_MAGIC,
				 .version = EV_VERSION,
				 .min_age_ns = 10 * SECOND,
				 .realtime_ns = 1700000000 * SECOND,
				 .kernel = "6.1.0",
				 .arch = "x86_64"};

	PUT(m, begin, EV_BEGIN);
}

static void put_end(struct maker *m)
{
	struct ev_end end = {.records = m->records};

	PUT(m, end, EV_END);
}

static void put_tick(struct maker *m)
{
	struct ev_tick tick = {};

	m->now += SECOND;
	PUT(m, tick, EV_TICK);
}

static void put_process(struct maker *m, uint32_t pid)
{
	struct ev_process process = {.pid = pid,
				     .start_ns = pid,
				     .nofile_limit = 1024,
				     .comm = "worker",
				     .cmdline = "/usr/bin/worker --queue mail"};

	PUT(m, process, EV_PROCESS);
}

static void put_usage(struct maker *m, uint32_t pid)
{
	struct ev_usage usage = {.pid = pid,
				 .start_ns = pid,
				 .rss_bytes = (80 << 20) + m->now % 4096,
				 .rss_peak_bytes = 81 << 20,
				 .open_files = 40};

	PUT(m, usage, EV_USAGE);
}

static void put_connection(struct maker *m, uint64_t id, uint32_t pid, uint64_t born,
			   uint32_t flags)
{
	uint64_t age = (m->now - born) / SECOND;
	struct ev_connection c = {.id = id,
				  .pid = pid,
				  .tid = pid,
				  .start_ns = pid,
				  .born_ns = born,
				  .used_ns = m->now - SECOND / 10,
				  .requests = 1 + 100 * age,
				  .begun = 50 * age,
				  .committed = 50 * age,
				  .bytes_sent = 6400 * age,
				  .bytes_received = 90000 * age,
				  .rows = 300 * age,
				  .prepared = m->prepared,
				  .user_pid = pid,
				  .user_tid = pid,
				  .database = EV_DB_POSTGRESQL,
				  .signs = EV_SIGN_HANDSHAKE | EV_SIGN_REQUEST | EV_SIGN_REPLY,
				  .status = EV_STATUS_IDLE,
				  .flags = EV_CONN_AUTHENTICATED | flags,
				  .comm = "worker"};

	PUT(m, c, EV_CONNECTION);
}

static void put_identity(struct maker *m, uint64_t id)
{
	struct ev_identity to = {.id = id,
				 .family = AF_INET,
				 .port = 5432,
				 .user = "app",
				 .name = "shop",
				 .application = "worker",
				 .address = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 5}};

	PUT(m, to, EV_IDENTITY);
}

static uint64_t open_connection(struct maker *m, uint32_t pid)
{
	uint64_t id = ++m->next_id;

	put_connection(m, id, pid, m->now, 0);
	put_identity(m, id);
	return id;
}

static uint32_t make_text(char *text, size_t room, unsigned int which)
{
	return snprintf(text, room, "SELECT id, name, price FROM items_%u WHERE id = ?", which);
}

static void put_sql(struct maker *m, uint64_t id)
{
	struct ev_sql sql = {.id = id, .sent_ns = m->now};

	sql.length = make_text(sql.text, sizeof(sql.text), id % 40);
	put(m, &sql, EV_SQL, offsetof(struct ev_sql, text) + sql.length);
}

static void put_statement(struct maker *m, uint64_t id, uint64_t name, unsigned int text)
{
	struct ev_statement s = {.id = id, .statement = name, .born_ns = m->now, .text_hash = text};

	s.length = make_text(s.text, sizeof(s.text), text);
	put(m, &s, EV_STATEMENT, offsetof(struct ev_statement, text) + s.length);
}

static void put_statement_closed(struct maker *m, uint64_t id, uint64_t name)
{
	struct ev_statement_closed closed = {.id = id, .statement = name};

	PUT(m, closed, EV_STATEMENT_CLOSED);
}

/* A second of a pool's life: one connection is replaced, all are used. */
static void live_on(struct maker *m, uint32_t pid, uint64_t *ids, uint64_t *born, unsigned int tick)
{
	unsigned int replaced = tick % EACH;

	put_connection(m, ids[replaced], pid, born[replaced], EV_CONN_TERMINATED | EV_CONN_CLOSED);
	ids[replaced] = open_connection(m, pid);
	born[replaced] = m->now;
	for (int i = 0; i < EACH; i++)
		put_connection(m, ids[i], pid, born[i], 0);
	put_sql(m, ids[tick % 7]);
	put_statement(m, ids[0], tick, tick % 40);
	put_statement_closed(m, ids[0], tick);
	if (tick % 5 == 0)
		put_usage(m, pid);
}

static void make_busy(struct maker *m, uint64_t count)
{
	static uint64_t ids[PROCESSES][EACH], born[PROCESSES][EACH];

	for (uint32_t p = 0; p < PROCESSES; p++) {
		put_process(m, p + 1);
		for (int i = 0; i < EACH; i++) {
			ids[p][i] = open_connection(m, p + 1);
			born[p][i] = m->now;
		}
	}
	for (unsigned int tick = 0; m->records < count; tick++) {
		put_tick(m);
		for (uint32_t p = 0; p < PROCESSES; p++)
			live_on(m, p + 1, ids[p], born[p], tick);
	}
}

static void make_connections(struct maker *m, uint64_t count)
{
	for (uint32_t p = 0; p < PROCESSES_OF_MANY; p++)
		put_process(m, p + 1);
	for (uint64_t i = 0; i < count; i++)
		open_connection(m, i % PROCESSES_OF_MANY + 1);
}

static void make_statements(struct maker *m, uint64_t count, uint64_t texts, uint32_t each)
{
	uint64_t id = 0;

	for (uint32_t p = 0; p < PROCESSES_OF_MANY; p++)
		put_process(m, p + 1);
	for (uint64_t i = 0; i < count; i++) {
		if (i % each == 0)
			id = open_connection(m, i / each % PROCESSES_OF_MANY + 1);
		put_statement(m, id, i, i % texts);
	}
}

/* Connections that close with all their statements open, at once. */
static void make_closings(struct maker *m, uint64_t count)
{
	make_statements(m, count, TEXTS, STATEMENTS_FEW);
	m->prepared = STATEMENTS_FEW;
	for (uint64_t id = 1; id <= m->next_id; id++)
		put_connection(m, id, (id - 1) % PROCESSES_OF_MANY + 1, m->now,
			       EV_CONN_TERMINATED | EV_CONN_CLOSED);
}

static void put_exit(struct maker *m, uint32_t pid)
{
	struct ev_exit gone = {.pid = pid, .start_ns = pid};

	PUT(m, gone, EV_EXIT);
}

/* Each process prepares and closes statements of its own, leaves nothing open, and ends. */
static void make_lives(struct maker *m, uint64_t count)
{
	for (uint64_t i = 0; i < count; i += TEXTS_OF_A_LIFE) {
		uint32_t pid = i / TEXTS_OF_A_LIFE + 1;
		uint64_t id, born = m->now;

		if (pid % LIVES_A_SECOND == 0)
			put_tick(m);
		put_process(m, pid);
		id = open_connection(m, pid);
		for (uint64_t at = i; at < i + TEXTS_OF_A_LIFE; at++) {
			put_statement(m, id, at, at);
			put_statement_closed(m, id, at);
		}
		put_connection(m, id, pid, born, EV_CONN_TERMINATED | EV_CONN_CLOSED);
		put_exit(m, pid);
	}
}

static void leak_connection(struct maker *m, uint32_t pid)
{
	struct ev_connection c = {.id = ++m->next_id,
				  .pid = pid,
				  .tid = pid,
				  .start_ns = pid,
				  .born_ns = m->now,
				  .used_ns = m->now,
				  .requests = 2,
				  .begun = 1,
				  .user_pid = pid,
				  .user_tid = pid,
				  .database = EV_DB_POSTGRESQL,
				  .signs = EV_SIGN_HANDSHAKE | EV_SIGN_REQUEST | EV_SIGN_REPLY,
				  .status = EV_STATUS_TRANSACTION,
				  .flags = EV_CONN_AUTHENTICATED | EV_CONN_WROTE,
				  .comm = "worker"};

	PUT(m, c, EV_CONNECTION);
	put_identity(m, c.id);
	put_sql(m, c.id);
}

static void make_guilty(struct maker *m, uint64_t count)
{
	for (uint32_t pid = 1; pid <= count; pid++)
		put_process(m, pid);
	for (int i = 0; i < LEAKED_EACH; i++) {
		put_tick(m);
		for (uint32_t pid = 1; pid <= count; pid++) {
			leak_connection(m, pid);
			put_usage(m, pid);
		}
	}
}

int main(int argc, char **argv)
{
	struct maker m = {.now = START};
	const char *kind = argc == 4 ? argv[2] : "";
	uint64_t count = argc == 4 ? strtoull(argv[3], NULL, 10) : 0;
	FILE *file = count ? fopen(argv[1], "wxe") : NULL;

	if (!file || recording_open_write(&m.recording, file)) {
		fprintf(stderr,
			"usage: make_recording NEW-FILE busy|connections|statements|texts|closings|"
			"lives|guilty COUNT\n");
		return 2;
	}
	put_begin(&m);
	if (!strcmp(kind, "busy"))
		make_busy(&m, count);
	else if (!strcmp(kind, "connections"))
		make_connections(&m, count);
	else if (!strcmp(kind, "closings"))
		make_closings(&m, count);
	else if (!strcmp(kind, "guilty"))
		make_guilty(&m, count);
	else if (!strcmp(kind, "lives"))
		make_lives(&m, count);
	else
		make_statements(&m, count, strcmp(kind, "texts") ? TEXTS : count, STATEMENTS_EACH);
	put_tick(&m);
	put_end(&m);
	printf("%llu\n", (unsigned long long)m.records);
	return recording_close(m.recording) ? 1 : 0;
}
