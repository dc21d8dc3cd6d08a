/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_redact.c - a command line names its program, script and options; its values stay at home.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/redact.h"

struct one {
	const char *before, *after; /* before: a bar ends each argument, the last one excepted */
};

/* Exactly as long as the arguments, so that a read past their end is seen. */
static size_t redact_bars(char *out, size_t size, const char *bars, unsigned int flags)
{
	size_t len = strlen(bars) + 1;
	char *arguments = malloc(len);

	assert_non_null(arguments);
	for (size_t i = 0; i < len; i++)
		arguments[i] = bars[i] == '|' ? '\0' : bars[i];
	len = redact(out, size, arguments, len, flags);
	free(arguments);
	return len;
}

static void check(const struct one *cases, size_t count, unsigned int flags)
{
	for (size_t i = 0; i < count; i++) {
		char line[256];

		redact_bars(line, sizeof(line), cases[i].before, flags);
		assert_string_equal(line, cases[i].after);
	}
}

#define CHECK(cases, flags) check(cases, sizeof(cases) / sizeof((cases)[0]), flags)

static void programs_and_the_names_of_options_are_shown(void **state)
{
	static const struct one cases[] = {
		{"", ""},
		{"app", "app"},
		{"-bash", "-bash"},
		{"/usr/bin/app|-v|--verbose|x|y", "/usr/bin/app -v --verbose ..."},
		{"app|--dsn=x|--user|y|-dsn|z|-dsn=z",
		 "app --dsn=... --user ... -dsn ... -dsn=..."},
		{"mysql|-uroot|-pgeheim|shop", "mysql -u... -p... ..."},
		{"app|-pgeheim=x|--a'b|--=", "app -p... --a... --=..."},
		{"app|--|-x|--y", "app -- ..."},
		{"app|--token|-geheim|x|--verbose", "app --token ... --verbose"},
		{"app||x", "app ..."},
		{"/opt/my app/run|-v", "/opt/.../run -v"},
		{"/srv/b\xc3\xbc"
		 "cher/run",
		 "/srv/b\xc3\xbc"
		 "cher/run"},
		{"app|run|--config|worker", "app run --config ..."},
	};

	(void)state;
	CHECK(cases, 0);
}

static void scripts_modules_and_classes_are_shown(void **state)
{
	static const struct one cases[] = {
		{"python3|-u|/srv/orders/app.py|--workers|4|x",
		 "python3 -u /srv/orders/app.py --workers ..."},
		{"/usr/bin/python3.11|-W|ignore|-X|dev|app.py|x",
		 "/usr/bin/python3.11 -W ... -X ... app.py ..."},
		{"python|-m|orders.worker|x", "python -m orders.worker ..."},
		{"python|-mgeheim|geheim", "python -m... ..."},
		{"python|-c|import geheim|geheim", "python -c ..."},
		{"python|/usr/bin/gunicorn|-w|4|--bind|0.0.0.0:80|shop.wsgi:app|x",
		 "python /usr/bin/gunicorn -w ... --bind ... shop.wsgi:app ..."},
		{"python|-m|celery|-A|proj|worker|-Q|geheim",
		 "python -m celery -A proj worker -Q ..."},
		{"uvicorn|--reload|shop.main:app", "uvicorn --reload shop.main:app"},
		{"uvicorn|--log|geheim", "uvicorn --log ..."},
		{"python|manage.py|runserver|0:80", "python manage.py runserver ..."},
		{"node|--max-old-space-size=4096|-r|dd-trace|server.js|x",
		 "node --max-old-space-size=... -r ... server.js ..."},
		{"node|--title|geheim|server.js", "node --title ..."},
		{"java|-Xmx4g|-Ddb.pw=x|-cp|a:b|com.acme.Main|x",
		 "java -Xmx... -Ddb.pw=... -cp ... com.acme.Main ..."},
		{"java|-jar|/srv/shop.jar|--spring.x=y", "java -jar /srv/shop.jar --spring.x=..."},
		{"php|-d|x=y|artisan|queue:work", "php -d ... artisan queue:work"},
		{"perl|-w|-Mstrict|x.pl|y", "perl -w -M... x.pl ..."},
		{"perl|-we|geheim|x", "perl -w... ..."},
		{"ruby|bin/rails|server|-p|3000", "ruby bin/rails server -p ..."},
		{"deno|run|https://u:geheim@h/x.ts", "deno run ...//.../x.ts"},
	};

	(void)state;
	CHECK(cases, 0);
}

static void wrapped_programs_are_shown(void **state)
{
	static const struct one cases[] = {
		{"sudo|-u|app|mysql|-pgeheim", "sudo -u ... mysql -p..."},
		{"sudo|--unheard-of|geheim|mysql", "sudo --unheard-of ..."},
		{"env|-i|DB_PASS=geheim|python|app.py", "env -i DB_PASS=... python app.py"},
		{"timeout|-k|5|30|nice|-n|5|psql|-h|db", "timeout -k ... nice -n ... psql -h ..."},
		{"sh|-c|cd /srv && PW='a b' exec python app.py --pw=x|geheim",
		 "sh -c cd ...; PW=... exec python app.py --pw=... ..."},
		{"bash|-lc|echo \"geheim; x\" && mysql -pgeheim > geheim 2>&1",
		 "bash -l... echo ...; mysql -p... ..."},
		{"sh|-c|mysql -p$(cat geheim) x", "sh -c mysql ..."},
		{"sh|-c|cat <<E\ngeheim\nE", "sh -c cat ..."},
		{"sh|-c|run 'geheim", "sh -c run ..."},
		{"sh|-c|java $OPTS -jar a.jar # geheim; geheim", "sh -c java ... -jar a.jar ..."},
		{"sh|-c|sh -c \"sh -c 'mysql -pgeheim'\"", "sh -c sh -c sh -c mysql -p..."},
		{"su|-|shop|-c|psql -W geheim", "su ... -c psql -W ..."},
		{"bundle|exec|puma|-C|geheim", "bundle exec puma -C ..."},
	};

	(void)state;
	CHECK(cases, 0);
}

static void titles_are_shown_by_their_known_words(void **state)
{
	static const struct one cases[] = {
		{"nginx: worker process", "nginx: worker process"},
		{"gunicorn: master [shop.wsgi:app]", "gunicorn: master [shop.wsgi:app]"},
		{"gunicorn: worker [root:geheim]", "gunicorn: worker ..."},
		{"postgres: app shop 127.0.0.1(4242) idle", "postgres: app ... idle"},
		{"php-fpm: pool www", "php-fpm: pool www"},
		{"[celeryd: celery@h:MainProcess] -active- (worker)", "celeryd: ..."},
		{"mysql -pgeheim shop", "mysql -p... ..."},
		{"app password=geheim", "app ..."},
		{"  x", "..."},
	};

	(void)state;
	CHECK(cases, 0);
}

static void values_are_shown_to_who_asks(void **state)
{
	static const struct one cases[] = {
		{"app|--port|80|--name=x|a/b.conf|-j8", "app --port 80 --name=x a/b.conf -j8"},
		{"app|http://db:80/shop|10.0.0.1:5432", "app http://db:80/shop 10.0.0.1:5432"},
		{"psql|host=h port=5 user=u", "psql host=h port=5 user=u"},
		{"mysql|-e|SELECT a FROM t WHERE b = 'c'", "mysql -e SELECT a FROM t WHERE b = ?"},
		{"app|-Dx=y", "app -D..."},
		{"java|-Dx.y=z|A", "java -Dx.y=z A"},
	};

	(void)state;
	CHECK(cases, REDACT_SHOW_VALUES);
}

static void passwords_are_never_shown(void **state)
{
	static const struct one cases[] = {
		{"app|postgresql://u:geheim@h:5432/shop", "app postgresql://...@h:5432/shop"},
		{"app|postgres://u:p@geheim@h/d|https://geheim@h/x",
		 "app postgres://...@h/d https://...@h/x"},
		{"app|postgres://a:geheim@h/d,postgres://b:geheim@i/d", "app postgres://...@i/d"},
		{"app|to=postgres://u:geheim@h/d", "app to=postgres://...@h/d"},
		{"app|password=geheim://x@y", "app password=..."},
		{"app|postgres://h/d?password=geheim|jdbc:mysql://h/d?u=x",
		 "app postgres://h/d?... jdbc:mysql://h/d?..."},
		{"app|https://hooks/services/T0/geheim", "app https://hooks/..."},
		{"app|root:geheim@tcp(h:1)/d", "app ..."},
		{"app|root:geheim@h|scott/geheim@h", "app ...@h ...@h"},
		{"sqlplus|scott/geheim", "sqlplus ..."},
		{"echo|geheim", "echo ..."},
		{"curl|-u|admin:geheim|-H|Authorization: Bearer geheim",
		 "curl -u ... -H Authorization:..."},
		{"curl|-H|Authorization:|Bearer|geheim|-v", "curl -H Authorization:... ... -v"},
		{"app|--password|geheim|geheim|--x", "app --password ... --x"},
		{"app|--password||geheim|--x", "app --password ... --x"},
		{"app|--token|-geheim|--db.pass=geheim|--pass:geheim",
		 "app --token ... --db.pass=... --pass:..."},
		{"app|password|=|geheim", "app ..."},
		{"app|passwd=\"a|geheim\"|-v", "app passwd=... ... -v"},
		{"app|c=y,pwd=geheim,z", "app c=y,pwd=..."},
		{"app|run -pgeheim|-v|run --x -p geheim", "app run -p... -v run --x -p..."},
		{"app|opt=password=geheim|opt=b:geheim", "app opt=... opt=..."},
		{"app|h=db,p=geheim|/p:geheim", "app h=db,p=... /p:..."},
		{"app|{\"password\":\"geheim\"}|--j={\"a\":\"geheim\"}", "app ... --j=..."},
		{"app|p%61ssword=geheim|p%2561ss%3dgeheim", "app ..."},
		{"app|-p|geheim|-W|geheim|-a|geheim|-pgeheim|-p1234",
		 "app -p ... -W ... -a ... -p... -p..."},
		{"app|eyJhbGciOiJIUzI1NiJ9.geheim", "app ..."},
		{"python|-c|x(pw='geheim')", "python -c ..."},
		{"mysql|-e|SET PASSWORD = 'geheim'", "mysql -e SET PASSWORD = ?"},
		{"mysql|-e|SET|PASSWORD='geheim'|geheim", "mysql -e SET ..."},
		{"app|DB_PW=geheim|userPin=geheim|sid:geheim|a|LICENSE|geheim",
		 "app DB_PW=... userPin=... sid:... a ..."},
		{"sh|-c|app --x 'password is geheim'", "sh -c app --x ..."},
	};

	(void)state;
	CHECK(cases, REDACT_SHOW_VALUES);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char line[256];

		redact_bars(line, sizeof(line), cases[i].before, 0);
		assert_null(strstr(line, "geheim"));
	}
}

static void what_is_cut_is_not_shown(void **state)
{
	static const char arguments[] = "app\0--port\0"
					"80\0postgres://u:geheim"; /* @h came next */
	char line[256];

	(void)state;
	redact(line, sizeof(line), arguments, sizeof(arguments) - 1,
	       REDACT_SHOW_VALUES | REDACT_CUT);
	assert_string_equal(line, "app --port 80 ...");
	redact(line, sizeof(line), "geheim", 6, REDACT_CUT);
	assert_string_equal(line, "...");
	for (size_t size = 0; size < 20; size++) {
		char *small = malloc(size ? size : 1);
		size_t len = redact_bars(small, size,
					 "/b\xc3\xbc"
					 "cher/x|--a=b|c",
					 0);

		assert_non_null(small);
		if (size) {
			assert_int_equal(len, strlen(small));
			assert_true(len < size && (!len || (unsigned char)small[len - 1] < 0xc0));
		}
		free(small);
	}
}

static void a_name_keeps_no_password(void **state)
{
	static const struct one cases[] = {
		{"python3", "python3"},
		{"kworker/0:1-eve", "kworker/0:1-eve"},
		{"celery@host", "celery@host"},
		{"auth-service", "auth-service"},
		{"pw=geheim", "pw=..."},
		{"token: geheim", "token:..."},
		{"u:geheim@h", "u:...@h"},
		{"pw=", "pw="},
		{"pw=g", "pw=."},
		{"c=b,k=geheim", "c=b,k=..."},
		{"pg://u:pw@h", "pg:...@h"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[16];

		snprintf(name, sizeof(name), "%s", cases[i].before);
		redact_name(name);
		assert_string_equal(name, cases[i].after);
	}
}

static void a_path_keeps_no_password(void **state)
{
	static const struct {
		const char *path;
		size_t shown;
	} cases[] = {
		{"/srv/shop.db", 12},	       {"file:x.db?key=geheim", 9},
		{"data:text/javascript,x", 5}, {"https://u:geheim@h/x.js", 8},
		{"file:///srv/x.mjs?t=1", 17}, {"", 0},
		{"webpack://app/./x.js", 20},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(redact_path(cases[i].path), cases[i].shown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_and_the_names_of_options_are_shown),
		cmocka_unit_test(scripts_modules_and_classes_are_shown),
		cmocka_unit_test(wrapped_programs_are_shown),
		cmocka_unit_test(titles_are_shown_by_their_known_words),
		cmocka_unit_test(values_are_shown_to_who_asks),
		cmocka_unit_test(passwords_are_never_shown),
		cmocka_unit_test(what_is_cut_is_not_shown),
		cmocka_unit_test(a_name_keeps_no_password),
		cmocka_unit_test(a_path_keeps_no_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
