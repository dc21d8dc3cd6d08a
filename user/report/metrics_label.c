/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * metrics_label.c - see metrics_label.h.
 */
#include "user/report/metrics_label.h"

#include <stdio.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/base/service.h"

#define VALUE_COLUMNS 120
#define VALUE_SIZE    (4 * VALUE_COLUMNS + 1)
#define NAME_SIZE     256

static void labels_put(struct labels *l, const char *text, size_t length)
{
	memcpy(l->text + l->used, text, length);
	l->used += length;
	l->text[l->used] = '\0';
}

/* Both formats of the exposition escape these two in a value; a line feed is escaped before. */
static size_t quote(char *out, const char *s)
{
	size_t n = 0;

	for (; *s; s++) {
		if (*s == '\\' || *s == '"')
			out[n++] = '\\';
		out[n++] = *s;
	}
	return n;
}

static void labels_add(struct labels *l, const char *name, const char *value)
{
	char fit[VALUE_SIZE], quoted[2 * VALUE_SIZE];
	size_t length;

	if (!value || !*value)
		return;
	escape_fit(fit, sizeof(fit), value, strlen(value), VALUE_COLUMNS, ESCAPE_CUT_MIDDLE);
	length = quote(quoted, fit);
	if (l->used + strlen(name) + length + 5 > sizeof(l->text))
		return;
	if (l->used)
		labels_put(l, ",", 1);
	labels_put(l, name, strlen(name));
	labels_put(l, "=\"", 2);
	labels_put(l, quoted, length);
	labels_put(l, "\"", 1);
}

void labels_client(struct labels *l, const struct process_view *p)
{
	char script[NAME_SIZE] = "";

	if (p->cmdline)
		service_name(script, sizeof(script), p->cmdline);
	labels_add(l, "process", p->comm && *p->comm ? p->comm : "?");
	labels_add(l, "script", script);
	labels_add(l, "unit", p->unit);
	labels_add(l, "container", p->container_name ? p->container_name : p->container_id);
	labels_add(l, "pod", p->pod);
	labels_add(l, "namespace", p->pod_namespace);
}

void labels_other_client(struct labels *l)
{
	labels_add(l, "process", LABEL_OTHER);
}

void labels_pool(struct labels *l, const struct endpoint_view *e, bool all_others, bool semantic)
{
	char name[3 * NAME_SIZE];

	snprintf(name, sizeof(name), "%s%s%s%s%s", e->address ? e->address : "?",
		 e->name ? "/" : "", e->name ? e->name : "", e->user ? " as " : "",
		 e->user ? e->user : "");
	labels_add(l, semantic ? "db_system_name" : "database", database_name(e->database));
	labels_add(l, semantic ? "db_client_connection_pool_name" : "endpoint",
		   all_others ? LABEL_OTHER : name);
}

/* "report.py:42 monthly" or "libshop.so+0x1f2" */
static void site_text(char *out, size_t size, const struct frame_view *site)
{
	if (site->file)
		snprintf(out, size, "%s:%u %s", site->file, site->line,
			 site->function ? site->function : "");
	else if (site->function)
		snprintf(out, size, "%s in %s", site->function, site->module ? site->module : "?");
	else
		snprintf(out, size, "%s+0x%llx", site->module ? site->module : "?",
			 (unsigned long long)site->offset);
}

void labels_finding(struct labels *l, const struct finding_view *f, bool all_others)
{
	char site[4 * NAME_SIZE] = "";

	labels_add(l, "cause", cause_name(f->cause));
	labels_add(l, "verdict", verdict_name(f->verdict));
	if (all_others) {
		labels_add(l, "site", LABEL_OTHER);
		return;
	}
	if (f->site)
		site_text(site, sizeof(site), f->site);
	labels_add(l, "endpoint", f->endpoint);
	labels_add(l, "site", site);
	labels_add(l, "fingerprint", f->fingerprint);
}
