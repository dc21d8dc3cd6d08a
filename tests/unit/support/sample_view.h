/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sample_view.h - small report trees for the tests of the reports, to be changed case by case.
 *
 * Each function returns a value whose strings are constants; nothing here is to be freed.
 */
#ifndef DBLEAK_TESTS_SAMPLE_VIEW_H
#define DBLEAK_TESTS_SAMPLE_VIEW_H

#include "user/judge/view.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline struct finding_view sample_finding(void)
{
	static const char *evidence[] = {
		"each was opened while earlier ones sat idle and were never used again"};

	return (struct finding_view){
		.verdict = VERDICT_LEAKING,
		.confidence = CONFIDENCE_CERTAIN,
		.cause = CAUSE_UNCLOSED_CONNECTION,
		.kind = KIND_FREQUENT,
		.resource = RESOURCE_CONNECTION,
		.database = EV_DB_POSTGRESQL,
		.endpoint = "10.0.0.5:5432/shop as app",
		.server = "10.0.0.5:5432",
		.acquired = 12,
		.open = 12,
		.oldest_seconds = 31,
		.growth_per_minute = 24,
		.in_transaction = 12,
		.bytes = UNKNOWN64,
		.rows = UNKNOWN64,
		.sql = "SELECT * FROM orders WHERE month = ?",
		.evidence = evidence,
		.evidence_count = 1,
		.advice = "close the session: `with Session() as s:` or s.close()",
		.exhausts_limit = "open files 1024",
		.exhausts_seconds = 2530,
	};
}

/* Two frames, the owner's last; both are the caller's. */
static inline void sample_site(struct finding_view *f, struct frame_view frames[2])
{
	frames[0] = (struct frame_view){
		.language = EV_LANG_PYTHON,
		.function = "connect",
		.file = "/usr/lib/python3/dist-packages/psycopg2/__init__.py",
		.line = 122};
	frames[1] = (struct frame_view){.language = EV_LANG_PYTHON,
					.function = "monthly",
					.file = "/srv/shop/app/report.py",
					.line = 42};
	f->stack = frames;
	f->stack_count = 2;
	f->site = &frames[1];
}

/* What was taken at the place of sample_site() and is kept. */
static inline struct finding_view sample_memory(void)
{
	struct finding_view f = sample_finding();

	f.confidence = CONFIDENCE_LIKELY;
	f.cause = CAUSE_CACHE_GROWTH;
	f.resource = RESOURCE_MEMORY;
	f.acquired = f.released = f.open = UNKNOWN64;
	f.in_transaction = 0;
	f.oldest_seconds = f.growth_per_minute = -1;
	f.bytes = 71000000;
	f.advice = "bound the cache";
	f.exhausts_limit = "memory 512 MiB of docker web1";
	f.exhausts_earliest = 2100;
	f.exhausts_latest = 3600;
	f.memory = (struct memory_cost){.tier = EV_TIER_GROWTH,
					.placed = true,
					.held = 71000000,
					.error = 6000000,
					.grown = 96000000,
					.seconds = 60,
					.per_minute = 70000000};
	return f;
}

static inline struct endpoint_view sample_endpoint(uint64_t open)
{
	return (struct endpoint_view){
		.database = EV_DB_POSTGRESQL,
		.address = "10.0.0.5:5432",
		.name = "shop",
		.user = "app",
		.connections = {.open = open, .peak = open, .opened = open, .idle = open},
		.oldest_idle_seconds = 31,
	};
}

/* Endpoint and findings are the caller's. */
static inline struct process_view sample_process(uint32_t pid, enum verdict verdict,
						 struct endpoint_view *endpoint,
						 struct finding_view *finding)
{
	return (struct process_view){
		.pid = pid,
		.comm = "python3",
		.cmdline = "/usr/bin/python3 orders-api",
		.verdict = verdict,
		.endpoints = endpoint,
		.endpoint_count = endpoint != NULL,
		.findings = finding,
		.finding_count = finding != NULL,
		.uid = UNKNOWN32,
		.rss_start = 40000000,
		.rss_end = 52000000,
		.rss_peak = UNKNOWN64,
		.memory = {.start = UNKNOWN64,
			   .end = UNKNOWN64,
			   .peak = UNKNOWN64,
			   .swapped = UNKNOWN64,
			   .limit = UNKNOWN64,
			   .limit_used = UNKNOWN64},
	};
}

static inline struct report_view sample_view(struct process_view *processes, size_t count)
{
	return (struct report_view){
		.mode = EV_MODE_WATCH,
		.start_realtime_ns = 1700000000123456789ULL,
		.seconds = 30.2,
		.kernel = "6.1.0",
		.arch = "x86_64",
		.processes = processes,
		.process_count = count,
		.budget_percent = -1,
		.cpu_percent = 0.4,
		.events = 123,
		.rss_bytes = 4000000,
		.kernel_bytes = UNKNOWN64,
	};
}

#endif
