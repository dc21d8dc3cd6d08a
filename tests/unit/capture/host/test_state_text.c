/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What files of container run times say, where users of the host may have written them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/host/state_text.h"

#define ANSWER 256

static char answer[ANSWER];

/* Asks with exactly the bytes of the file and a NUL, so that a checked build sees a read behind it.
 */
static size_t ask_sized(enum state_question question, const char *file, const char *id, size_t size)
{
	size_t n = strlen(file);
	char *bytes = malloc(n + 1), *out = malloc(size + 1);
	size_t used;

	assert_non_null(bytes);
	assert_non_null(out);
	memcpy(bytes, file, n + 1);
	out[size] = '#';
	used = state_text(question, id, bytes, n, out, size);
	assert_true(used <= size);
	assert_int_equal(out[size], '#');
	memset(answer, 0, sizeof(answer));
	memcpy(answer, out, used);
	free(bytes);
	free(out);
	return used;
}

static size_t ask(enum state_question question, const char *file)
{
	return ask_sized(question, file, "", ANSWER - 1);
}

#define assert_answer(question, file, text)                          \
	do {                                                         \
		assert_int_equal(ask(question, file), sizeof(text)); \
		assert_memory_equal(answer, text, sizeof(text));     \
	} while (0)

static void docker_names_a_container_and_its_image(void **state)
{
	(void)state;
	assert_answer(STATE_DOCKER_NAME, "{\"Name\":\"/shop\",\"Config\":{\"Image\":\"nginx:1\"}}",
		      "/shop\0nginx:1");
	assert_answer(STATE_DOCKER_NAME, "{\"Name\":\"/shop\"}", "/shop");
	assert_answer(STATE_DOCKER_NAME, "{\"Name\":\"/shop\",\"Config\":{\"Image\":7}}", "/shop");
	/* An image is never taken for the name. */
	assert_int_equal(ask(STATE_DOCKER_NAME, "{\"Config\":{\"Image\":\"nginx\"}}"), 0);
	assert_int_equal(ask(STATE_DOCKER_NAME, "{\"Name\":[\"/shop\"]}"), 0);
}

static void docker_s_folder_has_an_old_name_too(void **state)
{
	(void)state;
	assert_answer(STATE_DOCKER_ROOT, "{\"data-root\":\"/data\",\"graph\":\"/old\"}", "/data");
	assert_answer(STATE_DOCKER_ROOT, "{\"graph\":\"/old\"}", "/old");
	assert_int_equal(ask(STATE_DOCKER_ROOT, "{\"data-root\":{}}"), 0);
}

static void podman_is_asked_for_one_container(void **state)
{
	static const char file[] = "[{\"id\":\"a1\",\"names\":[\"first\"]},{\"id\":5},"
				   "{\"id\":\"b2\",\"names\":[\"shop\",\"other\"]},"
				   "{\"id\":\"c3\",\"names\":[]},{\"id\":\"d4\"}]";

	(void)state;
	assert_int_equal(ask_sized(STATE_PODMAN_NAME, file, "b2", 64), 5);
	assert_string_equal(answer, "shop");
	assert_int_equal(ask_sized(STATE_PODMAN_NAME, file, "b", 64), 0);
	assert_int_equal(ask_sized(STATE_PODMAN_NAME, file, "c3", 64), 0);
	assert_int_equal(ask_sized(STATE_PODMAN_NAME, file, "d4", 64), 0);
	assert_int_equal(ask_sized(STATE_PODMAN_NAME, "{\"id\":\"b2\"}", "b2", 64), 0);
}

static void podman_s_folders_stand_in_quotes(void **state)
{
	(void)state;
	assert_answer(STATE_PODMAN_ROOTS,
		      "[storage]\n# graphroot = \"/no\"\n  graphroot = \"/a\"\n"
		      "driver = \"overlay\"\nrunroot=\"/b\"",
		      "/a\0/b");
	assert_int_equal(ask(STATE_PODMAN_ROOTS, "graphroot = /bare\nrunroot = \"/open\n"), 0);
	assert_int_equal(ask(STATE_PODMAN_ROOTS, ""), 0);
}

static void containerd_s_folder_stands_before_the_first_table(void **state)
{
	(void)state;
	assert_answer(STATE_CONTAINERD_ROOT, "version = 2\n\tstate = '/run/c'\n[a]\n", "/run/c");
	assert_answer(STATE_CONTAINERD_ROOT, "state=\"/run/it's\"", "/run/it's");
	assert_int_equal(ask(STATE_CONTAINERD_ROOT, "[plugins]\nstate = \"/no\"\n"), 0);
	assert_int_equal(ask(STATE_CONTAINERD_ROOT, "stated = \"/no\"\n"), 0);
	assert_int_equal(ask(STATE_CONTAINERD_ROOT, "state = \"/open'\n"), 0);
	assert_int_equal(ask(STATE_CONTAINERD_ROOT, "state"), 0);
}

static void nerdctl_s_file_holds_an_id_alone(void **state)
{
	(void)state;
	assert_answer(STATE_NERDCTL_ID, "0123abcd\nmore", "0123abcd");
	assert_answer(STATE_NERDCTL_ID, "", "");
}

static void a_spec_answers_each_text_at_its_place(void **state)
{
	(void)state;
	assert_answer(STATE_CRI_SPEC,
		      "{\"process\":{},\"annotations\":{"
		      "\"io.kubernetes.cri.container-type\":\"container\","
		      "\"io.kubernetes.cri.container-name\":\"web\","
		      "\"io.kubernetes.cri.sandbox-namespace\":\"shop\","
		      "\"io.kubernetes.cri.image-name\":8}}",
		      "container\0web\0\0shop\0\0");
	assert_answer(STATE_CRI_SPEC, "{\"process\":{},\"annotations\":{\"nerdctl/name\":\"db\"}}",
		      "\0\0\0\0\0db");
	assert_answer(STATE_CRIO_SPEC,
		      "{\"process\":{},\"annotations\":{\"io.kubernetes.pod.name\":\"pod-1\","
		      "\"nerdctl/name\":\"never\"}}",
		      "\0\0pod-1\0\0\0");
}

static void a_spec_says_that_there_is_a_process(void **state)
{
	(void)state;
	assert_answer(STATE_CRI_SPEC, "{\"process\":{}}", "\0\0\0\0\0");
	assert_answer(STATE_CRI_SPEC, "{\"process\":{},\"annotations\":[]}", "\0\0\0\0\0");
	assert_int_equal(ask(STATE_CRI_SPEC, "{\"annotations\":{\"nerdctl/name\":\"db\"}}"), 0);
	assert_int_equal(ask(STATE_CRI_SPEC, "{\"process\":1}"), 0);
}

static void bytes_that_are_no_json_say_nothing(void **state)
{
	static const char *const files[] = {"",
					    "{",
					    "null",
					    "[[[[",
					    "{\"Name\":\"\\u0000\"}",
					    "\"x\"",
					    "\xff\xfe",
					    "{\"Name\":\"\xc3\"}"};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		for (int question = 0; question < STATE_QUESTIONS; question++)
			if (question != STATE_NERDCTL_ID)
				assert_int_equal(ask((enum state_question)question, files[i]), 0);
}

/* Nested deeper than a parser may follow without running out of its stack. */
static void a_deep_file_is_refused(void **state)
{
	enum { DEPTH = 200000 };
	char *file = malloc(DEPTH + 1);

	(void)state;
	assert_non_null(file);
	memset(file, '[', DEPTH);
	file[DEPTH] = '\0';
	assert_int_equal(ask(STATE_PODMAN_NAME, file), 0);
	free(file);
}

static void a_text_that_does_not_fit_is_left_out_whole(void **state)
{
	static const char file[] = "{\"Name\":\"/shop\",\"Config\":{\"Image\":\"nginx\"}}";

	(void)state;
	for (size_t size = 0; size < 6; size++)
		assert_true(ask_sized(STATE_DOCKER_NAME, file, "", size) == 0);
	assert_int_equal(ask_sized(STATE_DOCKER_NAME, file, "", 11), 6);
	assert_string_equal(answer, "/shop");
	assert_int_equal(ask_sized(STATE_DOCKER_NAME, file, "", 12), 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(docker_names_a_container_and_its_image),
		cmocka_unit_test(docker_s_folder_has_an_old_name_too),
		cmocka_unit_test(podman_is_asked_for_one_container),
		cmocka_unit_test(podman_s_folders_stand_in_quotes),
		cmocka_unit_test(containerd_s_folder_stands_before_the_first_table),
		cmocka_unit_test(nerdctl_s_file_holds_an_id_alone),
		cmocka_unit_test(a_spec_answers_each_text_at_its_place),
		cmocka_unit_test(a_spec_says_that_there_is_a_process),
		cmocka_unit_test(bytes_that_are_no_json_say_nothing),
		cmocka_unit_test(a_deep_file_is_refused),
		cmocka_unit_test(a_text_that_does_not_fit_is_left_out_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
