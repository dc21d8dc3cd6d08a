/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_completion.c - what bash and fish complete, asked of them, and that zsh reads its script.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <stdbool.h>
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

static bool has_shell(const char *name)
{
	char command[64];

	snprintf(command, sizeof(command), "command -v %s >/dev/null", name);
	return !system(command);
}

/* Another script in the place of bash's. */
static void write_for(enum completion_shell shell)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	completion_write(file, shell);
	assert_int_equal(fclose(file), 0);
}

/* The output of a command that gets the script as its argument. */
static const char *output_of(const char *command)
{
	static char found[65536];
	char whole[512];
	FILE *shell;

	snprintf(whole, sizeof(whole), "%s %s", command, path);
	shell = popen(whole, "r");
	assert_non_null(shell);
	found[fread(found, 1, sizeof(found) - 1, shell)] = '\0';
	assert_int_equal(pclose(shell), 0);
	return found;
}

static void fish_offers_what_each_command_takes(void **state)
{
	const char *all, *part;
	char option[64];

	(void)state;
	if (!has_shell("fish"))
		skip();
	write_for(COMPLETION_FISH);
	all = output_of("ask() { home=$(mktemp -d) && HOME=$home fish --no-config -c 'source "
			"$argv[1]; for c in (complete -C\"dbleak \" | string match -r "
			"\"^[a-z]+\"); echo \"== $c\"; complete -C\"dbleak $c --\"; end; echo ==' "
			"\"$1\" 2>/dev/null; rm -rf \"$home\"; }; ask"); /* fish writes a home */
	for (int id = 0; id < COMMANDS; id++) {
		char head[64];

		snprintf(head, sizeof(head), "== %s\n", command_table[id].name);
		part = strstr(all, head);
		assert_non_null(part);
		for (const struct option_row *row = option_table; row->name; row++) {
			const char *found, *end = strstr(part + 2, "\n==");

			snprintf(option, sizeof(option), "\n--%s\t", row->name);
			found = strstr(part, option);
			if ((found && found < end) != !!(option_takers(row->name) & 1U << id))
				fail_msg("%s and --%s", command_table[id].name, row->name);
		}
	}
}

static void zsh_reads_its_script(void **state)
{
	(void)state;
	if (!has_shell("zsh"))
		skip();
	write_for(COMPLETION_ZSH);
	assert_string_equal(output_of("zsh -n"), "");
	assert_non_null(strstr(output_of("zsh -fc 'autoload -Uz compinit; compinit -u -D; . $1; "
					 "echo ${_comps[dbleak]}' zsh"),
			       "_dbleak"));
}

static int write_script(void **state)
{
	int fd = mkstemp(path);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

	(void)state;
	if (!file)
		return -1;
	completion_write(file, COMPLETION_BASH);
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
		cmocka_unit_test(fish_offers_what_each_command_takes), /* writes over bash's */
		cmocka_unit_test(zsh_reads_its_script),
	};

	return cmocka_run_group_tests(tests, write_script, remove_script);
}
