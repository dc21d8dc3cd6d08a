/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * baseline_file.c - see baseline_file.h.
 */
#include "user/command/baseline_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct baseline *baseline_complain(const char *path, const char *why, size_t line)
{
	char at[32] = "";

	if (line)
		snprintf(at, sizeof(at), " (line %zu)", line);
	fprintf(stderr, "dbleak: cannot take %s as a baseline: %s%s\n",
		strcmp(path, "-") ? path : "standard input", why, at);
	return NULL;
}

/* One byte more than a baseline may have, so that too large a file is seen. */
static struct baseline *read_all(FILE *file, const char *path)
{
	char *bytes = malloc(BASELINE_BYTES_MOST + 1);
	struct baseline *b = NULL;
	const char *why;
	size_t n, line;

	if (!bytes)
		return baseline_complain(path, strerror(ENOMEM), 0);
	errno = 0;
	n = fread(bytes, 1, BASELINE_BYTES_MOST + 1, file);
	if (ferror(file)) {
		baseline_complain(path, strerror(errno ? errno : EIO), 0);
	} else {
		b = baseline_read(bytes, n, &why, &line);
		if (!b)
			baseline_complain(path, why, line);
	}
	free(bytes);
	return b;
}

struct baseline *baseline_file_read(const char *path)
{
	bool stream = !strcmp(path, "-");
	FILE *file = stream ? stdin : fopen(path, "re");
	struct baseline *b;

	if (!file)
		return baseline_complain(path, strerror(errno), 0);
	b = read_all(file, path);
	if (!stream)
		fclose(file);
	return b;
}
