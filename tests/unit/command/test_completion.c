/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_completion.c - what bash completes, asked of bash itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <unistd.h>

#include "user/command/completion.h"
#include "user/command/option_table.h"

static char path[] = "/tmp/dbleak-completion-XXXXXX";

/* What bash offers behind these words of a command line, the last one to be completed. */
static const char *offered(const char *words)
{
	static char found[4096];
	char command[512];
	FILE *bash;

	snprintf(command, sizeof(command),
		 "bash --norc -c '. %s && COMP_WORDS=(%s) && COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) "
		 "&& "
		 "_dbleak && printf \" %%s \" \"${COMPREPLY[@]}\"'",
		 path, words);
	bash = popen(command, "r");
	assert_non_null(bash);
	found[fread(found, 1, sizeof(found) - 1, bash)] = '\0';
	assert_int_equal(pclose(bash), 0);
	return found;
}

static void a_command_is_offered_with_its_options(void **state)
{
	char option[64];

	(void)state;
	assert_string_equal(offered("dbleak wa"), " watch ");
	assert_string_equal(offered("dbleak --vers"), " --version ");
	assert_string_equal(offered("dbleak help sn"), " snapshot ");
	for (int id = 0; id < COMMANDS; id++) {
		char words[64], all[4096];

		snprintf(words, sizeof(words), "dbleak %s --", command_table[id].name);
		snprintf(all, sizeof(all), "%s", offered(words));
		for (const struct option_row *row = option_table; row->name; row++) {
			snprintf(option, sizeof(option), " --%s ", row->name);
			if (!strstr(all, option) == !!(option_takers(row->name) & 1U << id))
				fail_msg("%s and%s", command_table[id].name, option);
		}
	}
}

/* With the name of the script, cut by a letter, as the last word. */
static const char *offered_file(const char *words)
{
	char line[256];

	snprintf(line, sizeof(line), "%s %.*s", words, (int)strlen(path) - 1, path);
	return offered(line);
}

static void files_are_offered_where_a_file_is_wanted(void **state)
{
	char whole[64];

	(void)state;
	snprintf(whole, sizeof(whole), " %s ", path);
	assert_string_equal(offered_file("dbleak report"), whole);
	assert_string_equal(offered_file("dbleak watch -o"), whole);
	assert_string_equal(offered_file("dbleak watch --record"), whole);
	assert_string_equal(offered_file("dbleak watch --heap"), "  ");
	assert_string_equal(offered_file("dbleak watch"), "  ");
}

static int write_script(void **state)
{
	int fd = mkstemp(path);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

	(void)state;
	if (!file)
		return -1;
	completion_write(file);
	return fclose(file);
}

static int remove_script(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_is_offered_with_its_options),
		cmocka_unit_test(files_are_offered_where_a_file_is_wanted),
	};

	return cmocka_run_group_tests(tests, write_script, remove_script);
}
