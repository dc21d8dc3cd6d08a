/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fingerprint.c - see fingerprint.h.
 */
#include "user/judge/fingerprint.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "user/base/service.h"

#define SERVICE_SIZE 128

/* FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
#define FNV_OFFSET 14695981039346656037ULL
#define FNV_PRIME  1099511628211ULL

/* The NUL counts, too: "ab" and "c" are not "a" and "bc". */
static uint64_t add(uint64_t hash, const char *text)
{
	size_t length = text ? strlen(text) : 0;

	for (size_t i = 0; i <= length; i++)
		hash = (hash ^ (uint8_t)(i < length ? text[i] : 0)) * FNV_PRIME;
	return hash;
}

static const char *base_of(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}

void fingerprint_set(const struct process_view *p, struct finding_view *f)
{
	char service[SERVICE_SIZE] = "";
	uint64_t hash = FNV_OFFSET;

	if (p->cmdline)
		service_name(service, sizeof(service), p->cmdline);
	hash = add(hash, p->comm);
	hash = add(hash, service);
	hash = add(hash, cause_name(f->cause));
	hash = add(hash, resource_name(f->resource));
	hash = add(hash, database_name(f->database));
	if (f->site) {
		hash = add(hash, base_of(f->site->file ? f->site->file : f->site->module));
		hash = add(hash, f->site->function);
	}
	snprintf(f->fingerprint, sizeof(f->fingerprint), "%016" PRIx64, hash);
}
