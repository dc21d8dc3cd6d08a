/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * dump.c - dbleak dump: the records of a recording as lines of JSON.  Needs no root and no kernel.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "user/base/output.h"
#include "user/capture/rights.h"
#include "user/command/command.h"
#include "user/command/infile.h"
#include "user/command/options.h"
#include "user/command/outfile.h"
#include "user/command/parse.h"
#include "user/record/dump.h"
#include "user/record/recording.h"

_Static_assert(EV_KIND_MAX <= 64, "a set of kinds fits into 64 bits");

static void list_kinds(FILE *out)
{
	fputs("dbleak: the kinds are:", out);
	for (unsigned kind = 1; kind < EV_KIND_MAX; kind++)
		fprintf(out, " %s", dump_kind_name((uint16_t)kind));
	fputc('\n', out);
}

/* The set of the named kinds, all for NULL; 0: a name is unknown, which is said. */
static uint64_t kinds_named(const char *names)
{
	uint64_t kinds = 0;

	if (!names)
		return ~0ULL;
	for (;; names++) {
		size_t len = strcspn(names, ",");
		uint16_t kind = dump_kind_of(names, len);

		if (!kind) {
			fprintf(stderr, "dbleak: no kind of record is called \"%.*s\"\n", (int)len,
				names);
			list_kinds(stderr);
			return 0;
		}
		kinds |= 1ULL << kind;
		names += len;
		if (!*names)
			return kinds;
	}
}

/* *read: what ended the reading, 0 at the clean end.  Returns an error of the output. */
static int dump_records(struct recording *r, uint64_t kinds, FILE *out, int *read)
{
	const struct ev_head *record;
	int err = 0;

	while (!err && (*read = recording_next(r, &record)) > 0)
		if (kinds >> record->kind & 1)
			err = dump_record(out, record);
	return err;
}

static int dump_complain(const struct infile *in, const struct recording *r, int err)
{
	if (err != -ENODATA && err != -EBADMSG)
		return infile_refuse(in, err);
	fprintf(stderr, "dbleak: %s: %s after %llu bytes; the records before are printed\n",
		in->name, recording_why(err), (unsigned long long)recording_offset(r));
	return 2;
}

/* A reader that has seen enough, as head has, closes the pipe: nobody is there to be told. */
static int dump_refuse(const char *output, int err)
{
	if (err != -EPIPE)
		fprintf(stderr, "dbleak: cannot write the records to %s: %s\n",
			outfile_name(output), strerror(-err));
	return 2;
}

static int dump_file(const struct options *o, const struct infile *in, uint64_t kinds,
		     struct outfile *out)
{
	struct recording *r = NULL;
	int err = recording_open_read(&r, in->file), read = 0, status = 0;

	rights_end(RIGHTS_READ); /* a recording may be anybody's */
	if (err)
		return dump_complain(in, r, err);
	err = dump_records(r, kinds, out->file ? out->file : stdout, &read);
	if (!err && read != -EPROTO && read != -ENOTSUP)
		err = out->file ? outfile_end(out, true) : output_close(stdout);
	if (read < 0)
		status = dump_complain(in, r, read);
	if (err)
		status = dump_refuse(o->output, err);
	recording_close(r);
	return status;
}

static int dump(const struct options *o, const char *path)
{
	uint64_t kinds = kinds_named(o->kinds);
	struct infile in;
	struct outfile out = {0};
	int status = kinds ? infile_open(&in, path) : 2;

	if (status >= 0)
		return status;
	status = outfile_begin(&out, o->output, in.file);
	if (status >= 0) {
		fclose(in.file);
		return status;
	}
	signal(SIGPIPE, SIG_IGN); /* an error like others */
	status = dump_file(o, &in, kinds, &out);
	outfile_end(&out, false);
	return status;
}

int command_dump(int argc, char **argv)
{
	struct options o;
	int status = options_parse(&o, argc, argv, COMMAND_DUMP);

	if (status < 0 && o.next == argc)
		status = options_misused(COMMAND_DUMP, "which recording? dbleak dump FILE");
	if (status < 0 && o.next + 1 < argc)
		status = options_misused(COMMAND_DUMP, "dump takes one recording, not \"%s\" too",
					 argv[o.next + 1]);
	if (status < 0)
		status = dump(&o, argv[o.next]);
	options_free(&o);
	return status;
}
