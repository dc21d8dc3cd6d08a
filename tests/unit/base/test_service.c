/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_service.c - a process is named by what it runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/service.h"

static void a_process_is_named_by_what_it_runs(void **state)
{
	static const struct {
		const char *cmdline, *name;
	} cases[] = {
		{"/usr/bin/python3 /srv/shop/app.py ...", "app.py"},
		{"python3 -u -X ... -W ignore /srv/app.py", "app.py"},
		{"python3 -m shop.worker --queue ...", "shop.worker"},
		{"python3 -mshop.worker", "shop.worker"},
		{"python3 -c ...", ""},
		{"/usr/bin/python3 /usr/bin/gunicorn -w 4 shop:app", "gunicorn shop:app"},
		{"gunicorn -w ... shop:app", "shop:app"},
		{"/usr/bin/python3 /usr/local/bin/celery -A shop worker", "celery shop"},
		{"python3 manage.py runserver ...", "manage.py runserver"},
		{"node --require ./trace.js /srv/api/server.js", "server.js"},
		{"java -Xmx128m -cp /a.jar:/b.jar com.example.Main ...", "com.example.Main"},
		{"java -Xmx128m -jar /srv/orders.jar --port ...", "orders.jar"},
		{"java -Xmx128m -Dx=y -classpath ... App6", "App6"},
		{"php -d memory_limit=1G /srv/app.php", "app.php"},
		{"perl -I lib /srv/app1.pl", "app1.pl"},
		{"perl -Ilib -w app1.pl", "app1.pl"},
		{"ruby -I lib bin/rails server", "rails server"},
		{"/srv/feed --serve", ""},
		{"/srv/shop serve --port ...", "serve"},
		{"sh -c ...", ""},
		{"sudo -u shop python3 x.py", ""},
		{"python3", ""},
		{"python3 ...", ""},
		{"python3 /srv/folder/", "/srv/folder/"},
		{"-", ""},
		{"", ""},
		{"   ", ""},
	};
	char name[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length = service_name(name, sizeof(name), cases[i].cmdline);

		if (strcmp(name, cases[i].name))
			fail_msg("'%s' is named '%s', not '%s'", cases[i].cmdline, name,
				 cases[i].name);
		assert_int_equal(length, strlen(name));
	}
}

static void a_long_name_is_cut(void **state)
{
	char name[8];

	(void)state;
	assert_int_equal(service_name(name, sizeof(name), "python3 a-long-name.py"), 7);
	assert_string_equal(name, "a-long-");
	assert_int_equal(service_name(name, sizeof(name), "python3 manage. runserver"), 7);
	assert_string_equal(name, "manage.");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_is_named_by_what_it_runs),
		cmocka_unit_test(a_long_name_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
