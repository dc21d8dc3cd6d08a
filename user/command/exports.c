/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * exports.c - see exports.h.  Begins with the table of exports.
 */
#include "user/command/exports.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/command/progress.h"
#include "user/judge/timeline.h"
#include "user/report/folded.h"
#include "user/report/html.h"
#include "user/report/pprof.h"
#include "user/report/speedscope.h"

static int write_folded(FILE *out, const struct export_input *in)
{
	return report_folded(out, in->view, in->held);
}

static int write_pprof(FILE *out, const struct export_input *in)
{
	return report_pprof(out, in->view, in->held);
}

static int write_speedscope(FILE *out, const struct export_input *in)
{
	return report_speedscope(out, in->view, in->held);
}

static int write_sarif(FILE *out, const struct export_input *in)
{
	return report_sarif(out, in->view, &in->ci);
}

static int write_junit(FILE *out, const struct export_input *in)
{
	return report_junit(out, in->view, &in->ci);
}

static int write_github(FILE *out, const struct export_input *in)
{
	return report_github(out, in->view, &in->ci);
}

static int write_html(FILE *out, const struct export_input *in)
{
	struct timeline *t = timeline_open(in->model, in->view, in->library);
	int err = t ? report_html(out, in->view, t, in->held) : -ENOMEM;

	timeline_close(t);
	return err;
}

/* A row without a function is of an export that this build does not have. */
const struct export_row export_table[EXPORTS] = {
	[EXPORT_FOLDED] = {"folded", write_folded, "folded stacks"},
	[EXPORT_PPROF] = {"pprof", write_pprof, "profile"},
	[EXPORT_SPEEDSCOPE] = {"speedscope", write_speedscope, "speedscope file"},
	[EXPORT_SARIF] = {"sarif", write_sarif, "SARIF log"},
	[EXPORT_JUNIT] = {"junit", write_junit, "test results"},
	[EXPORT_GITHUB] = {"github", write_github, NULL},
	[EXPORT_HTML] = {"html", write_html, "page"},
};

static int exports_refuse(const char *path, const char *option, const char *other)
{
	fprintf(stderr, "dbleak: cannot write %s: --%s and %s cannot be one file\n",
		outfile_name(path), option, other);
	return 2;
}

/* Lines of GitHub's stand between those of any text. */
static bool exports_may_share(const struct options *o, size_t i, const char *report)
{
	return i == EXPORT_GITHUB &&
	       !((o->json || o->events) && outfile_is_same(report, o->exports[i]));
}

/* Two outputs in one file would spoil each other. */
static int exports_check(const struct options *o, size_t i, const char *report)
{
	const char *path = o->exports[i], *option = export_table[i].option;

	if (outfile_is_same(report, path) && !exports_may_share(o, i, report))
		return exports_refuse(path, option, "the report");
	if (o->record && outfile_is_same(o->record, path))
		return exports_refuse(path, option, "the recording");
	for (size_t k = 0; k < i; k++) {
		char other[64];

		if (!o->exports[k] || !outfile_is_same(o->exports[k], path))
			continue;
		snprintf(other, sizeof(other), "--%s", export_table[k].option);
		return exports_refuse(path, option, other);
	}
	return -1;
}

int exports_begin(struct exports *x, const struct options *o, const char *report, FILE *input)
{
	int status = -1;

	for (size_t i = 0; i < EXPORTS && status < 0; i++)
		if (o->exports[i])
			status = exports_check(o, i, report);
	for (size_t i = 0; i < EXPORTS && status < 0; i++)
		status = outfile_begin(&x->files[i], o->exports[i], input);
	return status;
}

static int exports_write_one(struct outfile *file, const struct export_row *row, const char *path,
			     const struct export_input *in, bool quiet)
{
	bool named = outfile_has_place(file) && row->what && !quiet;
	int err = in->held ? row->write(file->file, in) : -ENOMEM, kept;

	kept = outfile_end(file, !err);
	err = err ? err : kept;
	if (!err && named)
		progress_written(row->what, path, 0);
	if (!err)
		return 0;
	fprintf(stderr, "dbleak: cannot write --%s to %s: %s\n", row->option, outfile_name(path),
		strerror(-err));
	return 2;
}

static bool exports_wanted(const struct exports *x)
{
	for (size_t i = 0; i < EXPORTS; i++)
		if (x->files[i].file)
			return true;
	return false;
}

/* The folder that the paths of files are told from: SRCROOT, or where dbleak was started.  NULL: it
 * is not known, or is the root of all. */
static const char *exports_root(char *out, size_t size)
{
	const char *given = getenv("SRCROOT");
	size_t n;

	if (given && *given == '/')
		snprintf(out, size, "%s", given);
	else if (!getcwd(out, size))
		return NULL;
	for (n = strlen(out); n && out[n - 1] == '/'; n--)
		out[n - 1] = '\0';
	return n ? out : NULL;
}

int exports_write(struct exports *x, const struct options *o, const struct model *m,
		  const struct report_view *v)
{
	struct export_input in = {.view = v, .model = m, .library = &o->library};
	char root[PATH_MAX];
	struct held *held;
	int status = 0;

	if (!exports_wanted(x))
		return 0;
	in.ci = (struct ci_options){.root = exports_root(root, sizeof(root)),
				    .fail_on = o->fail_on};
	in.held = held = held_open(m, v, &o->library);
	for (size_t i = 0; i < EXPORTS; i++)
		if (x->files[i].file &&
		    exports_write_one(&x->files[i], &export_table[i], o->exports[i], &in, o->quiet))
			status = 2;
	held_close(held);
	return status;
}

void exports_end(struct exports *x)
{
	for (size_t i = 0; i < EXPORTS; i++)
		outfile_end(&x->files[i], false);
}
