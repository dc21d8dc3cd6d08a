/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * sarif.c - the leaks as SARIF 2.1.0, which code scanners and editors read; see ci.h.
 *
 * The format: https://docs.oasis-open.org/sarif/sarif/v2.1.0/.  A result's fingerprint is the one
 * of all other outputs.
 */
#include "user/report/ci.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/base/json_value.h"
#include "user/report/ci_words.h"
#include "user/report/names.h"

#define SCHEMA	     "https://json.schemastore.org/sarif-2.1.0.json"
#define FRAMES_MOST  64
#define CAUSES	     (CAUSE_UNFREED_MEMORY + 1)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static json_t *sarif_object_of(const char *key, json_t *value)
{
	return json_object_of(&(struct json_pair){key, value}, 1);
}

/* A text that no viewer takes for a link: "[words](place)" is one.  The caller frees it; NULL
 * without memory. */
static char *sarif_safe(const char *text)
{
	char *safe = escape_terminal(text, strlen(text));

	for (char *at = safe; at && (at = strstr(at, "]("));)
		at[1] = ' ';
	return safe;
}

static json_t *sarif_text(const char *text)
{
	char *safe = sarif_safe(text);
	json_t *value = safe ? json_text(safe) : NULL;

	free(safe);
	return value;
}

static json_t *sarif_message(const char *text)
{
	return sarif_object_of("text", sarif_text(text));
}

/* A path as a part of a URI: whatever is no plain character is written as %XX. */
static json_t *sarif_uri(const char *before, const char *path)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "-._~/";
	size_t n = strlen(before);
	char *uri = malloc(n + 3 * strlen(path) + 1), *at = uri + n;
	json_t *value;

	if (!uri)
		return NULL;
	memcpy(uri, before, n);
	for (; *path; path++)
		if (strchr(plain, *path))
			*at++ = *path;
		else
			at += sprintf(at, "%%%02X", (unsigned char)*path);
	*at = '\0';
	value = json_text(uri);
	free(uri);
	return value;
}

static json_t *sarif_artifact(const struct frame_view *f, const char *root)
{
	const char *path = ci_path(f, root);
	bool below = path != f->file;

	const struct json_pair pairs[] = {
		{"uri", sarif_uri(*path == '/' ? "file://" : "", path)},
		{"uriBaseId", below ? json_text("SRCROOT") : json_null()},
	};

	if (below)
		return json_object_of(pairs, COUNT(pairs));
	json_decref(pairs[1].value);
	return json_object_of(pairs, 1);
}

static json_t *sarif_physical(const struct frame_view *f, const char *root)
{
	json_t *artifact = sarif_artifact(f, root);

	if (!f->line)
		return sarif_object_of("artifactLocation", artifact);

	const struct json_pair pairs[] = {
		{"artifactLocation", artifact},
		{"region", sarif_object_of("startLine", json_count(f->line))},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *sarif_logical(const struct frame_view *f)
{
	const struct json_pair pairs[] = {
		{"fullyQualifiedName", sarif_text(f->function ? f->function : "?")},
		{"kind", json_text("function")},
	};

	return json_array_with(json_array(), json_object_of(pairs, COUNT(pairs)));
}

static json_t *sarif_location(const struct frame_view *f, const char *root)
{
	const struct json_pair pairs[] = {
		{"logicalLocations", sarif_logical(f)},
		{"physicalLocation", f->file ? sarif_physical(f, root) : NULL},
	};

	return json_object_of(pairs, f->file ? 2 : 1);
}

static json_t *sarif_frame(const struct frame_view *f, const char *root)
{
	const struct json_pair pairs[] = {
		{"location", sarif_location(f, root)},
		{"module", f->module ? sarif_text(f->module) : NULL},
	};

	return json_object_of(pairs, f->module ? 2 : 1);
}

static json_t *sarif_stack(const char *message, const struct frame_view *stack, size_t count,
			   const char *root)
{
	json_t *frames = json_array();

	for (size_t i = 0; i < count && i < FRAMES_MOST; i++)
		frames = json_array_with(frames, sarif_frame(&stack[i], root));

	const struct json_pair pairs[] = {
		{"message", sarif_message(message)},
		{"frames", frames},
	};

	return json_object_of(pairs, COUNT(pairs));
}

/* How it was acquired, then where those are now who wait for it and who has it. */
static json_t *sarif_stacks(const struct finding_view *f, const char *root)
{
	const struct {
		const char *message;
		const struct frame_view *stack;
		size_t count;
	} all[] = {
		{"where it was acquired, the innermost call first", f->stack, f->stack_count},
		{"where the first one waits for it now", f->waiters.stack, f->waiters.stack_count},
		{"where the thread is now that used the oldest one last", f->holder.stack,
		 f->holder.stack_count},
	};
	json_t *stacks = json_array();

	for (size_t i = 0; i < COUNT(all); i++)
		if (all[i].count)
			stacks = json_array_with(stacks, sarif_stack(all[i].message, all[i].stack,
								     all[i].count, root));
	return stacks;
}

/* A step on the way to the finding's line, and from there into the library.  Viewers jump from step
 * to step, so each has a line. */
static bool is_step(const struct frame_view *f)
{
	return f->file && f->line;
}

static json_t *sarif_step_location(const struct finding_view *f, const struct frame_view *frame,
				   const char *root)
{
	const char *text = frame->function ? frame->function : "?";

	const struct json_pair pairs[] = {
		{"logicalLocations", sarif_logical(frame)},
		{"physicalLocation", sarif_physical(frame, root)},
		{"message", sarif_message(frame == f->site ? ci_rule_sentence(f->cause) : text)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *sarif_step(const struct finding_view *f, const struct frame_view *frame,
			  size_t depth, const char *root)
{
	const char *importance = frame == f->site	      ? "essential"
				 : f->site && frame < f->site ? "unimportant"
							      : "important";
	const struct json_pair pairs[] = {
		{"location", sarif_step_location(f, frame, root)},
		{"nestingLevel", json_count(depth)},
		{"executionOrder", json_count(depth + 1)},
		{"importance", json_text(importance)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

/* The stack of the acquisition as a way through the code, the outermost call first. */
static json_t *sarif_flows(const struct finding_view *f, const char *root)
{
	size_t n = f->stack_count < FRAMES_MOST ? f->stack_count : FRAMES_MOST, depth = 0;
	json_t *steps = json_array();

	for (size_t i = n; i-- > 0;)
		if (is_step(&f->stack[i]))
			steps = json_array_with(steps, sarif_step(f, &f->stack[i], depth++, root));
	if (!depth) {
		json_decref(steps);
		return json_array();
	}
	return json_array_with(
		json_array(),
		sarif_object_of(
			"threadFlows",
			json_array_with(json_array(), sarif_object_of("locations", steps))));
}

static const char *const levels[] = {
	[CI_NOTE] = "note", [CI_WARNING] = "warning", [CI_ERROR] = "error"};

static json_t *sarif_rule(enum cause cause)
{
	struct words id = {0};

	words_rule(&id, cause);

	const struct json_pair pairs[] = {
		{"id", json_text(id.text)},
		{"name", json_text(cause_name(cause))},
		{"shortDescription", sarif_message(ci_rule_sentence(cause))},
		{"defaultConfiguration", sarif_object_of("level", json_text(levels[CI_WARNING]))},
	};

	return json_object_of(pairs, COUNT(pairs));
}

static json_t *sarif_driver(const struct report_view *v)
{
	json_t *rules = json_array();

	for (int cause = 0; cause < CAUSES; cause++)
		rules = json_array_with(rules, sarif_rule(cause));

	const struct json_pair pairs[] = {
		{"name", json_text("dbleak")},
		{"rules", rules},
		{"version", v->version ? sarif_text(v->version) : NULL},
	};

	return json_object_of(pairs, v->version ? 3 : 2);
}

static json_t *sarif_nullable(const char *text)
{
	return text ? sarif_text(text) : json_null();
}

static json_t *sarif_properties(const struct leak *l)
{
	const struct finding_view *f = &l->sum;

	const struct json_pair pairs[] = {
		{"verdict", json_text(verdict_name(f->verdict))},
		{"confidence", json_text(confidence_name(f->confidence))},
		{"resource", json_text(resource_name(f->resource))},
		{"database", json_text(database_name(f->database))},
		{"endpoint", sarif_nullable(f->endpoint)},
		{"open", json_count(f->open)},
		{"comm", sarif_nullable(l->process->comm)},
		{"pid", json_count(l->process->pid)},
		{"processes", json_count(l->processes)},
		{"container", sarif_nullable(container_of(l->process))},
		{"test", sarif_nullable(f->test)},
	};

	return json_object_of(pairs, COUNT(pairs));
}

/* The line that answers, else the innermost frame that has a file; empty: nothing is known. */
static json_t *sarif_locations(const struct leak *l, const char *root)
{
	const struct frame_view *f = l->finding->site ? l->finding->site : leak_frame(l);
	json_t *all = json_array();

	return f ? json_array_with(all, sarif_location(f, root)) : all;
}

/* The message of a leak: lines with ends between them. */
static json_t *sarif_lines(const struct leak *l)
{
	struct ci_message m;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	json_t *value = NULL;

	if (!out)
		return NULL;
	ci_message(&m, l);
	for (size_t i = 0; i < m.count; i++) {
		char *safe = sarif_safe(m.lines[i].text);

		fprintf(out, "%s%s", i ? "\n" : "", safe ? safe : "?");
		free(safe);
	}
	if (!fclose(out))
		value = sarif_object_of("text", json_text(text));
	free(text);
	return value;
}

static void drop_empty(json_t *object, const char *key)
{
	if (object && !json_array_size(json_object_get(object, key)))
		json_object_del(object, key);
}

static json_t *sarif_result(const struct report_view *v, const struct leak *l, const char *root)
{
	struct words id = {0};
	const char *state = !v->baseline.given ? "none" : l->finding->known ? "unchanged" : "new";
	json_t *result;

	words_rule(&id, l->finding->cause);

	const struct json_pair pairs[] = {
		{"ruleId", json_text(id.text)},
		{"ruleIndex", json_integer(l->finding->cause)},
		{"kind", json_text("fail")},
		{"level", json_text(levels[ci_level(&l->sum)])},
		{"message", sarif_lines(l)},
		{"locations", sarif_locations(l, root)},
		{"partialFingerprints",
		 sarif_object_of("dbleak/v1", json_text(l->finding->fingerprint))},
		{"stacks", sarif_stacks(l->finding, root)},
		{"codeFlows", sarif_flows(l->finding, root)},
		{"properties", sarif_properties(l)},
		{"baselineState", json_text(state)},
	};

	result = json_object_of(pairs, COUNT(pairs));
	if (!v->baseline.given && result)
		json_object_del(result, "baselineState");
	drop_empty(result, "stacks");
	drop_empty(result, "codeFlows");
	return result;
}

/* A tool that sees no results is told whether nothing leaks or nothing could be seen. */
static json_t *sarif_invocations(const struct report_view *v)
{
	const struct json_pair cut[] = {
		{"level", json_text("warning")},
		{"message", sarif_message("the recording was cut, and what came after is not in "
					  "this report")},
	};
	json_t *notes = json_array(), *note = json_object_of(cut, COUNT(cut));

	if (v->cut)
		notes = json_array_with(notes, note);
	else
		json_decref(note);

	const struct json_pair pairs[] = {
		{"executionSuccessful", json_boolean(!v->cut)},
		{"exitCode", json_integer(v->exit_status)},
		{"toolExecutionNotifications", notes},
	};

	return json_array_with(json_array(), json_object_of(pairs, COUNT(pairs)));
}

static json_t *sarif_bases(const char *root)
{
	char *folder = NULL;
	json_t *base;

	if (!root)
		return json_object();
	folder = malloc(strlen(root) + 2);
	if (!folder)
		return NULL;
	strcat(strcpy(folder, root), "/");
	base = sarif_object_of("uri", sarif_uri("file://", folder));
	free(folder);
	return sarif_object_of("SRCROOT", base);
}

static json_t *sarif_run(const struct report_view *v, const struct leak *leaks, size_t count,
			 const char *root)
{
	json_t *results = json_array();

	for (size_t i = 0; i < count; i++)
		results = json_array_with(results, sarif_result(v, &leaks[i], root));

	const struct json_pair pairs[] = {
		{"tool", sarif_object_of("driver", sarif_driver(v))},
		{"invocations", sarif_invocations(v)},
		{"originalUriBaseIds", sarif_bases(root)},
		{"columnKind", json_text("unicodeCodePoints")},
		{"results", results},
	};

	return json_array_with(json_array(), json_object_of(pairs, COUNT(pairs)));
}

int report_sarif(FILE *out, const struct report_view *v, const struct ci_options *o)
{
	size_t count;
	struct leak *leaks = leaks_list(v, &count);
	json_t *log = NULL;
	int failed;

	if (leaks) {
		const struct json_pair pairs[] = {
			{"$schema", json_text(SCHEMA)},
			{"version", json_text("2.1.0")},
			{"runs", sarif_run(v, leaks, count, o->root)},
		};

		log = json_object_of(pairs, COUNT(pairs));
	}
	free(leaks);
	if (!log)
		return -ENOMEM;
	errno = 0;
	failed = json_dumpf(log, out, JSON_INDENT(1) | JSON_ENSURE_ASCII);
	json_decref(log);
	if (failed || fputc('\n', out) == EOF || fflush(out) || ferror(out))
		return errno ? -errno : -EIO;
	return 0;
}
