/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * view.c - the names of the JSON contract.
 */
#include "user/judge/view.h"

const char *verdict_name(enum verdict v)
{
	static const char *const names[] = {"ok", "unknown", "bounded", "big", "stuck", "leaking"};

	return names[v];
}

const char *confidence_name(enum confidence c)
{
	static const char *const names[] = {"possible", "likely", "certain"};

	return names[c];
}

const char *kind_name(enum kind k)
{
	static const char *const names[] = {"frequent", "sporadic", "one-time", "implicit"};

	return names[k];
}

const char *cause_name(enum cause c)
{
	static const char *const names[] = {
		"unclosed-connection", "open-transaction", "unclosed-statement",
		"cache-growth",	       "unbounded-result", "unfreed-result",
		"unclosed-cursor",     "wal-growth",	   "unfreed-memory"};

	return names[c];
}

const char *resource_name(enum resource r)
{
	static const char *const names[] = {"connection", "transaction", "statement",
					    "cursor",	  "result",	 "memory"};

	return names[r];
}

int view_exit_status(const struct report_view *v)
{
	for (size_t i = 0; i < v->process_count; i++)
		if (v->processes[i].verdict >= VERDICT_STUCK)
			return 1;
	return 0;
}

uint64_t finding_not_judged(const struct finding_view *f)
{
	if (f->acquired == UNKNOWN64 || f->released == UNKNOWN64 || f->open == UNKNOWN64)
		return UNKNOWN64;
	if (f->acquired < f->released || f->acquired - f->released < f->open)
		return UNKNOWN64; /* some were there before they were counted */
	return f->acquired - f->released - f->open;
}

const char *database_name(enum ev_database d)
{
	static const char *const names[] = {"unknown", "postgresql", "mysql", "sqlite", "redis"};

	return d <= EV_DB_REDIS ? names[d] : names[0];
}

/* A recording of a later version may hold a language that this version does not know. */
const char *language_name(enum ev_language l)
{
	static const char *const names[] = {"unknown", "native",     "python", "perl", "php",
					    "ruby",    "javascript", "java",   "go"};

	return l < sizeof(names) / sizeof(names[0]) ? names[l] : names[0];
}

const char *tier_name(enum ev_tier t)
{
	static const char *const names[] = {"off", "growth", "client", "full"};

	return t < sizeof(names) / sizeof(names[0]) ? names[t] : names[0];
}

const char *limit_name(enum ev_limit l)
{
	static const char *const names[] = {"none", "cgroup", "process", "host"};

	return l < sizeof(names) / sizeof(names[0]) ? names[l] : names[0];
}
