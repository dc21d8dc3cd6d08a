/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * story.h - what happened on a host, told as records: hand-written input for model and judge.
 *
 * A story has a clock in seconds.  Each verb changes one connection and tells its new state, as
 * the ledger would.  Ids of connections are small numbers.
 */
#ifndef STORY_H
#define STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/socket.h>

#include "user/judge/forget.h"
#include "user/judge/judge.h"
#include "user/record/recording.h"

#define STORY_START 1000000000000ULL
#ifndef STORY_CONNECTIONS /* a test of many says how many */
#define STORY_CONNECTIONS 2048
#endif

static struct {
	struct model *model;
	struct report_view *view;
	struct recording *recording; /* of all that is told; NULL: none */
	uint64_t now;
	bool young; /* processes begin with the story, not long before */
	enum ev_database database;
	struct ev_connection connections[STORY_CONNECTIONS];
	struct site_patterns library; /* what the user calls libraries */
} story;

static inline void story_tell(void *record, uint16_t kind, size_t size)
{
	struct ev_head *head = record;

	head->ns = story.now;
	head->kind = kind;
	head->size = (size + 7) & ~7ULL;
	assert_int_equal(record_check(head), 0);
	assert_int_equal(judge_apply(story.model, head), 0);
	if (story.recording)
		assert_int_equal(recording_write(story.recording, head), 0);
}

static inline void story_begins_in(enum ev_mode mode)
{
	struct ev_begin begin = {.magic = EV_MAGIC,
				 .realtime_ns = 1700000000000000000ULL,
				 .min_age_ns = 10000000000ULL,
				 .version = EV_VERSION,
				 .mode = mode,
				 .kernel = "6.1.0",
				 .arch = "x86_64"};
	struct recording *recording = story.recording;

	memset(&story, 0, sizeof(story));
	story.recording = recording;
	story.model = model_open();
	assert_non_null(story.model);
	story.now = STORY_START;
	story.database = EV_DB_POSTGRESQL;
	story_tell(&begin, EV_BEGIN, sizeof(begin));
}

static inline void story_begins(void)
{
	story_begins_in(EV_MODE_WATCH);
}

/* So many seconds after the start. */
static inline void at(double second)
{
	struct ev_tick tick = {};

	story.now = STORY_START + (uint64_t)(second * 1e9);
	story_tell(&tick, EV_TICK, sizeof(tick));
}

static inline uint64_t process_start(uint32_t pid)
{
	return (story.young ? STORY_START : 5000000000ULL) + pid;
}

static inline void process_as(uint32_t pid, const char *comm, enum ev_role role)
{
	struct ev_process p = {.start_ns = process_start(pid),
			       .nofile_limit = 1024,
			       .pid = pid,
			       .parent_pid = 1,
			       .role = role};
	struct ev_usage usage = {.start_ns = p.start_ns,
				 .rss_bytes = 50 << 20,
				 .rss_peak_bytes = 60 << 20,
				 .pid = pid,
				 .open_files = 24};

	snprintf(p.comm, sizeof(p.comm), "%s", comm);
	snprintf(p.cmdline, sizeof(p.cmdline), "%s --serve", comm);
	story_tell(&p, EV_PROCESS, sizeof(p));
	story_tell(&usage, EV_USAGE, sizeof(usage));
}

static inline void process(uint32_t pid)
{
	process_as(pid, "app", EV_ROLE_CLIENT);
}

static inline struct ev_connection *reported(uint32_t id)
{
	assert_true(id < STORY_CONNECTIONS);
	return &story.connections[id];
}

static inline void tell(uint32_t id)
{
	story_tell(reported(id), EV_CONNECTION, sizeof(struct ev_connection));
}

static inline void identify(uint32_t id, const char *name, const char *user)
{
	struct ev_identity i = {.id = reported(id)->id,
				.port = 5432,
				.local_port = (uint16_t)(40000 + id),
				.family = AF_INET};

	i.address[10] = i.address[11] = 0xff;
	i.address[12] = 10;
	i.address[15] = 5;
	snprintf(i.name, sizeof(i.name), "%s", name);
	snprintf(i.user, sizeof(i.user), "%s", user);
	story_tell(&i, EV_IDENTITY, sizeof(i));
}

static inline void opens(uint32_t id, uint32_t pid, uint32_t tid)
{
	struct ev_connection *c = reported(id);

	*c = (struct ev_connection){.id = id + 100,
				    .start_ns = process_start(pid),
				    .born_ns = story.now,
				    .used_ns = story.now,
				    .pid = pid,
				    .tid = tid,
				    .user_pid = pid,
				    .user_tid = tid,
				    .flags = EV_CONN_AUTHENTICATED,
				    .database = story.database,
				    .signs = EV_SIGN_PORT | EV_SIGN_HANDSHAKE,
				    .status = EV_STATUS_IDLE,
				    .comm = "app"};
	tell(id);
	identify(id, "shop", "app");
}

/* Was there before us.  Last used so many seconds before the story; negative: not known. */
static inline void stood(uint32_t id, uint32_t pid, double used)
{
	struct ev_connection *c = reported(id);

	*c = (struct ev_connection){.id = id + 100,
				    .start_ns = process_start(pid),
				    .used_ns = used < 0 ? 0 : STORY_START - (uint64_t)(used * 1e9),
				    .pid = pid,
				    .flags = EV_CONN_PRE_EXISTING,
				    .database = story.database,
				    .signs = EV_SIGN_PORT | EV_SIGN_SERVER,
				    .comm = "app"};
	tell(id);
	identify(id, "", "");
}

static inline void flags(uint32_t id, uint32_t set)
{
	reported(id)->flags |= set;
	tell(id);
}

static inline void uses_in(uint32_t id, uint32_t tid)
{
	struct ev_connection *c = reported(id);

	if (c->status >= EV_STATUS_TRANSACTION && story.now - c->used_ns > c->longest_gap_ns)
		c->longest_gap_ns = story.now - c->used_ns;
	c->used_ns = story.now;
	c->user_pid = c->pid;
	c->user_tid = tid;
	c->requests++;
	c->request_ns = 0;
	if (c->status == EV_STATUS_UNKNOWN)
		c->status = EV_STATUS_IDLE;
	tell(id);
}

static inline void uses(uint32_t id)
{
	uses_in(id, reported(id)->user_tid);
}

/* A request goes out; uses() is its answer. */
static inline void asks(uint32_t id)
{
	uses(id);
	reported(id)->request_ns = story.now;
	tell(id);
}

static inline void begins(uint32_t id)
{
	struct ev_connection *c = reported(id);

	uses(id);
	c->status = EV_STATUS_TRANSACTION;
	c->transaction_ns = story.now;
	c->begun++;
	tell(id);
}

static inline void ends(uint32_t id, bool committed)
{
	struct ev_connection *c = reported(id);

	uses(id);
	c->status = EV_STATUS_IDLE;
	c->transaction_ns = 0;
	c->committed += committed;
	c->rolled_back += !committed;
	tell(id);
}

static inline void commits(uint32_t id)
{
	ends(id, true);
}

static inline void closes_as(uint32_t id, uint32_t how)
{
	struct ev_connection *c = reported(id);

	c->flags |= EV_CONN_CLOSED | how;
	if (c->status >= EV_STATUS_TRANSACTION)
		c->abandoned++;
	tell(id);
}

static inline void closes(uint32_t id)
{
	closes_as(id, EV_CONN_TERMINATED);
}

/* The server closes its end. */
static inline void hung_up(uint32_t id)
{
	reported(id)->hung_up_ns = story.now;
	reported(id)->request_ns = 0;
	tell(id);
}

/* The process ends, and all it has open with it. */
static inline void exits(uint32_t pid)
{
	struct ev_exit e = {.start_ns = process_start(pid), .rss_peak_bytes = 70 << 20, .pid = pid};

	for (uint32_t id = 0; id < STORY_CONNECTIONS; id++)
		if (reported(id)->id && reported(id)->pid == pid &&
		    !(reported(id)->flags & EV_CONN_CLOSED))
			closes_as(id, EV_CONN_EXIT);
	story_tell(&e, EV_EXIT, sizeof(e));
}

static inline void says(uint32_t id, const char *sql)
{
	struct ev_sql s = {.id = reported(id)->id, .sent_ns = story.now, .length = strlen(sql)};

	memcpy(s.text, sql, s.length);
	story_tell(&s, EV_SQL, offsetof(struct ev_sql, text) + s.length);
}

/* A statement with that number is open, hash being of its text. */
static inline void prepares(uint32_t id, uint64_t statement, const char *sql, uint64_t hash)
{
	struct ev_statement s = {.id = reported(id)->id,
				 .statement = statement,
				 .born_ns = story.now,
				 .text_hash = hash,
				 .length = strlen(sql)};

	memcpy(s.text, sql, s.length);
	reported(id)->prepared++;
	uses(id);
	story_tell(&s, EV_STATEMENT, sizeof(s));
}

static inline void unprepares(uint32_t id, uint64_t statement)
{
	struct ev_statement_closed s = {.id = reported(id)->id, .statement = statement};

	reported(id)->unprepared++;
	uses(id);
	story_tell(&s, EV_STATEMENT_CLOSED, sizeof(s));
}

static inline void reads(uint32_t id, uint64_t rows, uint64_t bytes, uint64_t grown)
{
	struct ev_result r = {.id = reported(id)->id,
			      .rows = rows,
			      .bytes = bytes,
			      .began_ns = story.now - 1000000000ULL,
			      .grown_bytes = grown,
			      .rss_bytes = (50 << 20) + grown,
			      .rows_exact = rows != UNKNOWN64,
			      .length = 19};

	memcpy(r.text, "SELECT * FROM items", 19);
	story_tell(&r, EV_RESULT, sizeof(r));
}

/* Rows of SQLite, as they come from the capture: how many KiB of it may be the library's own. */
static inline void reads_rows(uint32_t id, uint64_t rows, double seconds, uint64_t grown,
			      uint32_t cache_kib, bool more)
{
	struct ev_result r = {.id = reported(id)->id,
			      .rows = rows,
			      .bytes = UNKNOWN64,
			      .began_ns = story.now - (uint64_t)(seconds * 1e9),
			      .grown_bytes = grown,
			      .rss_bytes = (50 << 20) + grown,
			      .rows_exact = !more,
			      .length = 19,
			      .cache_kib = cache_kib};

	memcpy(r.text, "SELECT * FROM items", 19);
	story_tell(&r, EV_RESULT, sizeof(r));
}

static inline void loses(enum ev_loss_kind kind)
{
	struct ev_loss l = {};

	l.count[kind] = 3;
	story_tell(&l, EV_LOSS, sizeof(l));
}

static inline void holds(uint32_t id, uint32_t pid)
{
	struct ev_holder h = {
		.id = reported(id)->id, .start_ns = process_start(pid), .pid = pid, .holders = 1};

	story_tell(&h, EV_HOLDER, sizeof(h));
}

static inline void is_gone(uint32_t id)
{
	struct ev_gone g = {.id = reported(id)->id, .last_seen_ns = story.now - 1000000000ULL};

	reported(id)->flags |= EV_CONN_CLOSED;
	story_tell(&g, EV_GONE, sizeof(g));
}

/*
 * What client libraries tell.
 */

/* A call site: so many objects of a kind acquired and released up to now. */
static inline struct ev_site site_of(uint32_t pid, uint64_t site, enum ev_resource resource,
				     enum ev_database database, const char *object,
				     const char *release)
{
	struct ev_site s = {.start_ns = process_start(pid),
			    .site = site,
			    .caller = 0x401000 + site,
			    .rows = UNKNOWN64,
			    .pid = pid,
			    .resource = resource,
			    .database = database};

	snprintf(s.object, sizeof(s.object), "%s", object);
	snprintf(s.release, sizeof(s.release), "%s", release);
	return s;
}

static inline void tell_site(struct ev_site *s)
{
	story_tell(s, EV_SITE, sizeof(*s));
}

static inline void acquires(struct ev_site *s, uint64_t n)
{
	s->acquired += n;
	s->first_ns = s->first_ns ? s->first_ns : story.now;
	s->last_ns = story.now;
}

static inline struct ev_handle handle_of(const struct ev_site *s, uint64_t address)
{
	return (struct ev_handle){.start_ns = s->start_ns,
				  .handle = address,
				  .born_ns = story.now,
				  .site = s->site,
				  .rows = UNKNOWN64,
				  .bytes = UNKNOWN64,
				  .pid = s->pid,
				  .tid = s->pid,
				  .resource = s->resource,
				  .database = s->database};
}

static inline void tell_handle(struct ev_handle *h)
{
	story_tell(h, EV_HANDLE, sizeof(*h));
}

static inline void frees(const struct ev_handle *h)
{
	struct ev_handle_closed c = {.start_ns = h->start_ns,
				     .handle = h->handle,
				     .born_ns = h->born_ns,
				     .pid = h->pid,
				     .resource = h->resource};

	story_tell(&c, EV_HANDLE_CLOSED, sizeof(c));
}

/* A connection of SQLite to a file, or to ":memory:". */
static inline void opens_file(uint32_t id, uint32_t pid, uint32_t tid, const char *path)
{
	struct ev_connection *c = reported(id);
	struct ev_identity i = {.id = 1ULL << 63 | id, .family = AF_UNIX};

	*c = (struct ev_connection){.id = i.id,
				    .start_ns = process_start(pid),
				    .born_ns = story.now,
				    .used_ns = story.now,
				    .pid = pid,
				    .tid = tid,
				    .user_pid = pid,
				    .user_tid = tid,
				    .database = EV_DB_SQLITE,
				    .signs = EV_SIGN_LIBRARY,
				    .status = EV_STATUS_IDLE,
				    .comm = "app"};
	tell(id);
	snprintf(i.path, sizeof(i.path), "%s", path);
	story_tell(&i, EV_IDENTITY, sizeof(i));
}

/* So many unfinished statements since then (seconds; negative: none), and a log of so many bytes.
 */
static inline void reads_file(uint32_t id, uint32_t reading, double since, uint64_t wal)
{
	struct ev_file f = {.id = reported(id)->id,
			    .wal_bytes = wal,
			    .reading_ns = since < 0 ? 0 : STORY_START + (uint64_t)(since * 1e9),
			    .reading = reading,
			    .length = 19};

	memcpy(f.text, "SELECT * FROM items", 19);
	story_tell(&f, EV_FILE, sizeof(f));
}

/*
 * Where things happened.
 */

struct place_reported {
	enum ev_language language;
	const char *function, *file, *module;
	uint32_t line;
	uint64_t offset;
	uint32_t flags;
};

static inline uint64_t reported_hash(uint64_t hash, const char *s)
{
	for (; s && *s; s++)
		hash = (hash ^ (unsigned char)*s) * 0x100000001b3ULL;
	return (hash ^ 0xff) * 0x100000001b3ULL;
}

static inline uint16_t reported_text(struct ev_frame *f, size_t *used, const char *s)
{
	size_t n = s ? strlen(s) : 0;

	assert_true(*used + n <= sizeof(f->text));
	memcpy(f->text + *used, s ? s : "", n);
	*used += n;
	return n;
}

static inline uint64_t tell_frame(const struct place_reported *p)
{
	struct ev_frame f = {
		.line = p->line, .offset = p->offset, .language = p->language, .flags = p->flags};
	size_t used = 0;

	f.function_length = reported_text(&f, &used, p->function);
	f.file_length = reported_text(&f, &used, p->file);
	f.module_length = reported_text(&f, &used, p->module);
	f.id = reported_hash(
		reported_hash(
			reported_hash(p->line << 8 | p->offset << 24 | p->language, p->function),
			p->file),
		p->module);
	story_tell(&f, EV_FRAME, offsetof(struct ev_frame, text) + used);
	return f.id;
}

/* A stack, the innermost frame first. */
/* flags: enum ev_stack_flag */
static inline uint64_t tell_flagged_stack(uint32_t pid, const struct place_reported *frames,
					  size_t n, uint32_t flags)
{
	struct ev_stack s = {.id = 7 + flags,
			     .start_ns = process_start(pid),
			     .pid = pid,
			     .flags = flags,
			     .count = n};

	assert_true(n <= EV_STACK_FRAMES);
	for (size_t i = 0; i < n; i++) {
		s.frame[i] = tell_frame(&frames[i]);
		s.id = (s.id ^ s.frame[i]) * 0x100000001b3ULL;
	}
	story_tell(&s, EV_STACK, offsetof(struct ev_stack, frame) + n * sizeof(s.frame[0]));
	return s.id;
}

static inline uint64_t tell_stack(uint32_t pid, const struct place_reported *frames, size_t n)
{
	return tell_flagged_stack(pid, frames, n, 0);
}

/* SQLAlchemy's way from a line of a program to psycopg2. */
static inline uint64_t through_sqlalchemy(uint32_t pid, const char *file, uint32_t line,
					  const char *function)
{
#define DIST "/usr/lib/python3/dist-packages/"
	const struct place_reported frames[] = {
		{EV_LANG_PYTHON, "connect", DIST "psycopg2/__init__.py", NULL, 122, 0, 0},
		{EV_LANG_PYTHON, "connect", DIST "sqlalchemy/engine/default.py", NULL, 598, 0, 0},
		{EV_LANG_PYTHON, "__exit__", "/usr/lib/python3.11/contextlib.py", NULL, 81, 0, 0},
		{EV_LANG_PYTHON, "execute", DIST "sqlalchemy/orm/session.py", NULL, 1714, 0, 0},
		{EV_LANG_PYTHON, function, file, NULL, line, 0, 0},
		{EV_LANG_PYTHON, "<module>", "/srv/shop/main.py", NULL, 9, 0, 0},
	};
#undef DIST

	return tell_stack(pid, frames, sizeof(frames) / sizeof(frames[0]));
}

static inline void shows(struct ev_evidence e, uint64_t stack)
{
	e.stack = stack;
	e.at_ns = story.now;
	story_tell(&e, EV_EVIDENCE, sizeof(e));
}

/* Of a connection: EV_AT_OPENED, EV_AT_BEGUN, EV_AT_RESULT; of its statement: EV_AT_PREPARED. */
static inline void shows_of(enum ev_evidence_kind kind, uint32_t id, uint64_t statement,
			    uint64_t stack)
{
	shows((struct ev_evidence){.kind = kind,
				   .object = reported(id)->id ? reported(id)->id : id + 100,
				   .second = statement,
				   .start_ns = reported(id)->start_ns,
				   .pid = reported(id)->pid},
	      stack);
}

static inline void shows_of_handle(const struct ev_handle *h, uint64_t stack)
{
	shows((struct ev_evidence){.kind = EV_AT_ACQUIRED,
				   .object = h->handle,
				   .second = h->born_ns,
				   .start_ns = h->start_ns,
				   .pid = h->pid,
				   .resource = h->resource},
	      stack);
}

static inline void shows_of_site(const struct ev_site *s, uint64_t stack)
{
	shows((struct ev_evidence){.kind = EV_AT_SITE,
				   .object = s->site,
				   .start_ns = s->start_ns,
				   .pid = s->pid},
	      stack);
}

/* The lines of that kind that a rule told. */
static inline size_t lines_told(const struct explained_rule *r, enum explained what)
{
	size_t n = 0;

	for (size_t i = 0; i < r->line_count; i++)
		n += r->lines[i].what == what && r->lines[i].text && *r->lines[i].text;
	return n;
}

/* Whatever happened, each rule tells what it has proved or not, and is right in that. */
static inline void expect_each_rule_explained(const struct process_view *p)
{
	const struct explanation *e = p->explanation;
	size_t found = 0;

	assert_non_null(e);
	assert_true(e->rule_count || e->not_judged);
	for (size_t i = 0; i < e->rule_count; i++) {
		const struct explained_rule *r = &e->rules[i];
		size_t own = lines_told(r, EXPLAINED_FOUND);

		if (lines_told(r, EXPLAINED_PROVEN) + lines_told(r, EXPLAINED_NOT) == 0)
			fail_msg("%s gives no reason", r->function);
		if (own && !lines_told(r, EXPLAINED_PROVEN))
			fail_msg("%s found something, but proved nothing", r->function);
		for (size_t k = 0; k < r->line_count; k++)
			assert_true(r->lines[k].text && *r->lines[k].text);
		found += own;
	}
	assert_int_equal(found, p->finding_count);
}

static inline size_t findings_in(const struct report_view *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->process_count; i++)
		n += v->processes[i].finding_count;
	return n;
}

/* An explanation is given of that process alone, and nothing else changes. */
static inline void expect_explained(const struct report_view *plain, uint32_t pid)
{
	struct report_view *v = judge_explain(story.model, &story.library, pid);

	assert_non_null(v);
	for (size_t i = 0; i < v->process_count; i++)
		if (v->processes[i].pid == pid)
			expect_each_rule_explained(&v->processes[i]);
		else
			assert_null(v->processes[i].explanation);
	assert_int_equal(findings_in(v), findings_in(plain));
	view_close(v);
}

#define STORY_EXPLAINED 8 /* a view with more processes takes too long */

static inline const struct report_view *verdict(void)
{
	view_close(story.view);
	story.view = judge_view(story.model, &story.library);
	assert_non_null(story.view);
	if (story.view->process_count <= STORY_EXPLAINED)
		for (size_t i = 0; i < story.view->process_count; i++)
			expect_explained(story.view, story.view->processes[i].pid);
	return story.view;
}

static inline const struct process_view *verdict_of(uint32_t pid)
{
	const struct report_view *v = verdict();

	for (size_t i = 0; i < v->process_count; i++)
		if (v->processes[i].pid == pid)
			return &v->processes[i];
	return NULL;
}

static inline const struct finding_view *finding(const struct process_view *p, enum cause cause)
{
	for (size_t i = 0; p && i < p->finding_count; i++)
		if (p->findings[i].cause == cause)
			return &p->findings[i];
	return NULL;
}

static inline bool has_evidence(const struct finding_view *f, const char *code)
{
	for (size_t i = 0; i < f->evidence_count; i++)
		if (!strcmp(f->evidence_facts[i].code, code))
			return true;
	return false;
}

static inline void story_ends(void)
{
	view_close(story.view);
	model_close(story.model);
	story.view = NULL;
	story.model = NULL;
}

static inline int story_teardown(void **state)
{
	(void)state;
	story_ends();
	return 0;
}

/* The process is in the report and nothing is held against it. */
static inline void expect_silence(uint32_t pid)
{
	const struct process_view *p = verdict_of(pid);

	assert_non_null(p);
	for (size_t i = 0; i < p->finding_count; i++)
		print_error("accused: %s %s: %s\n", verdict_name(p->findings[i].verdict),
			    cause_name(p->findings[i].cause),
			    p->findings[i].evidence_count ? p->findings[i].evidence[0] : "");
	assert_int_equal(p->finding_count, 0);
	assert_true(p->verdict <= VERDICT_BOUNDED);
}

#endif
