/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_redact.c - secrets on command lines are hidden, the rest stays.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "../../user/base/redact.h"

static const struct {
	const char *before, *after;
} cases[] = {
	{"", ""},
	{"python3 app.py --workers 4", "python3 app.py --workers 4"},
	{"app postgresql://u:p@ss@db:5432/shop", "app postgresql://u:****@db:5432/shop"},
	{"app --url=mysql://root:x@h/d -v", "app --url=mysql://root:*@h/d -v"},
	{"app http://host:80/a@b", "app http://host:****@b"}, /* in doubt it hides */
	{"app --password=hunter2 -v", "app --password=******* -v"},
	{"app --db-password hunter2 -v", "app --db-password ******* -v"},
	{"app --password --verbose", "app --password --verbose"},
	{"env PGPASSWORD=geheim psql", "env PGPASSWORD=****** psql"},
	{"psql host=x password=y user=z", "psql host=x password=* user=z"},
	{"app jdbc:mysql://h/d?user=a&password=b&ssl=1", "app jdbc:mysql://h/d?user=a&password=*&ssl=1"},
	{"/usr/bin/mysql -uroot -psecret shop", "/usr/bin/mysql -uroot -p****** shop"},
	{"mariadb-dump -psecret", "mariadb-dump -p******"},
	{"server -p8080", "server -p8080"},
	{"app API_TOKEN=abc", "app API_TOKEN=***"},
};

static void secrets_are_hidden_and_the_rest_stays(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char line[128];

		snprintf(line, sizeof(line), "%s", cases[i].before);
		redact(line);
		assert_string_equal(line, cases[i].after);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_are_hidden_and_the_rest_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
