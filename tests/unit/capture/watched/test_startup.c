/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_startup.c - what a startup message tells, whole and cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/capture/watched/startup.h"

static const char whole[] = "user\0app\0database\0shop\0application_name\0web";

/* Memory that ends with the message, so that a read past its end is seen. */
static struct ev_identity read_first(size_t length)
{
	struct ev_identity id = {};
	char *message = malloc(length ? length : 1);

	memcpy(message, whole, length);
	startup_read(&id, message, length);
	free(message);
	return id;
}

static void a_whole_message_names_all(void **state)
{
	struct ev_identity id = read_first(sizeof(whole));

	(void)state;
	assert_string_equal(id.user, "app");
	assert_string_equal(id.name, "shop");
	assert_string_equal(id.application, "web");
}

static void a_message_cut_anywhere_tells_its_whole_pairs(void **state)
{
	(void)state;
	for (size_t length = 0; length < sizeof(whole); length++) {
		struct ev_identity id = read_first(length);

		assert_string_equal(id.user, length >= sizeof("user\0app") ? "app" : "");
		assert_string_equal(id.name,
				    length >= sizeof("user\0app\0database\0shop") ? "shop" : "");
		assert_string_equal(id.application, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_message_names_all),
		cmocka_unit_test(a_message_cut_anywhere_tells_its_whole_pairs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
