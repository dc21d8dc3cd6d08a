/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * tree.h - a throw-away folder that stands for "/" in tests of what reads /proc, /sys and /var.
 *
 * Paths are relative to it; folders are made as needed.  Any failure ends the test.
 */
#ifndef TREE_H
#define TREE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char tree_root[64];

static inline const char *tree_path(const char *path)
{
	static char full[PATH_MAX];

	assert_true(snprintf(full, sizeof(full), "%s/%s", tree_root, path) < (int)sizeof(full));
	return full;
}

static inline void tree_folder(const char *path)
{
	char full[PATH_MAX];
	char *at = full + strlen(tree_root) + 1;

	strcpy(full, tree_path(path));
	while ((at = strchr(at, '/'))) {
		*at = '\0';
		mkdir(full, 0700);
		*at++ = '/';
	}
	mkdir(full, 0700);
	assert_int_equal(access(full, R_OK), 0);
}

static inline void tree_bytes(const char *path, const void *bytes, size_t len)
{
	char parent[PATH_MAX];
	char *slash;
	FILE *f;

	strcpy(parent, path);
	slash = strrchr(parent, '/');
	if (slash) {
		*slash = '\0';
		tree_folder(parent);
	}
	f = fopen(tree_path(path), "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static inline void tree_file(const char *path, const char *text)
{
	tree_bytes(path, text, strlen(text));
}

static inline int tree_make(void **state)
{
	(void)state;
	strcpy(tree_root, "/tmp/dbleak-unit-XXXXXX");
	return mkdtemp(tree_root) ? 0 : -1;
}

static inline int tree_remove_one(const char *path, const struct stat *st, int type,
				  struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void tree_delete(const char *path)
{
	nftw(tree_path(path), tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline int tree_remove(void **state)
{
	(void)state;
	return nftw(tree_root, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#define tree_test(f) cmocka_unit_test_setup_teardown(f, tree_make, tree_remove)

#endif
