/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_site.c - whose code a frame is, and which frame answers for what was acquired.
 */
#include "tests/unit/support/story.h"

#define APP  4711
#define DIST "/usr/lib/python3/dist-packages/"
#define VENV "/srv/shop/venv/lib/python3.11/site-packages/"
#define LIB  "/usr/lib/x86_64-linux-gnu/"

static enum site_class class_of(enum ev_language language, const char *function, const char *file,
				const char *module)
{
	struct code_frame f = {
		.language = language, .function = function, .file = file, .module = module};

	return site_class(&f, NULL);
}

static void expect_files(enum ev_language language, enum site_class due, const char *const *files)
{
	for (; *files; files++)
		if (class_of(language, "f", *files, NULL) != due)
			fail_msg("%s is %d, not %d", *files, class_of(language, "f", *files, NULL),
				 due);
}

static void expect_functions(enum ev_language language, enum site_class due,
			     const char *const *functions)
{
	for (; *functions; functions++)
		if (class_of(language, *functions, NULL, NULL) != due)
			fail_msg("%s is %d, not %d", *functions,
				 class_of(language, *functions, NULL, NULL), due);
}

static void expect_modules(enum site_class due, const char *const *modules)
{
	for (; *modules; modules++)
		if (class_of(EV_LANG_NATIVE, "f", NULL, *modules) != due)
			fail_msg("%s is %d, not %d", *modules,
				 class_of(EV_LANG_NATIVE, "f", NULL, *modules), due);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void drivers_orms_and_pools_of_python_are_databases(void **state)
{
	(void)state;
	expect_files(EV_LANG_PYTHON, SITE_DATABASE,
		     LIST(DIST "psycopg2/__init__.py", VENV "psycopg/connection.py",
			  VENV "psycopg_pool/pool.py", DIST "MySQLdb/connections.py",
			  DIST "pymysql/cursors.py", VENV "mysql/connector/pooling.py",
			  VENV "aiomysql/pool.py", VENV "asyncpg/connect_utils.py",
			  DIST "sqlalchemy/pool/base.py", DIST "django/db/backends/utils.py",
			  VENV "peewee.py", VENV "tortoise/models.py", VENV "pony/orm/core.py",
			  VENV "dbutils/pooled_db.py", DIST "redis/client.py",
			  VENV "flask_sqlalchemy/session.py",
			  "/usr/lib/python3.11/sqlite3/dbapi2.py",
			  "/srv/deps/SQLAlchemy-1.4.egg/sqlalchemy/engine/base.py",
			  "/srv/shop/app.pyz/psycopg2/__init__.py"));
	/* beside the owner's own files */
	expect_files(EV_LANG_PYTHON, SITE_DATABASE,
		     LIST("/var/task/psycopg2/__init__.py", "/srv/shop/vendor/peewee.py",
			  "/home/me/src/sqlalchemy/lib/sqlalchemy/engine/base.py",
			  "sqlalchemy/orm/session.py", "sqlite3/dbapi2.py"));
}

static void the_run_time_of_python_is_not_what_is_installed_into_it(void **state)
{
	(void)state;
	expect_files(EV_LANG_PYTHON, SITE_RUNTIME,
		     LIST("/usr/lib/python3.11/contextlib.py",
			  "/usr/lib/python3.11/asyncio/runners.py",
			  "/usr/local/lib/python3.12/concurrent/futures/thread.py",
			  "/root/.pyenv/versions/3.9.1/lib/python3.9/threading.py",
			  "<frozen importlib._bootstrap>", "<frozen runpy>", "asyncio/events.py",
			  "contextlib.py", "/usr/lib/pypy3.9/functools.py"));
	expect_files(EV_LANG_PYTHON, SITE_PACKAGE,
		     LIST(DIST "flask/app.py", VENV "gunicorn/workers/sync.py",
			  VENV "pgadmin4/pgadmin/views.py", DIST "django/contrib/admin/options.py",
			  "/usr/local/lib/python3.11/site-packages/shop/report.py"));
}

static void folders_of_the_owner_may_bear_any_name(void **state)
{
	(void)state;
	expect_files(EV_LANG_PYTHON, SITE_OWN,
		     LIST("/srv/shop/app/report.py", "/srv/shop/venv/../app.py", "app.py",
			  "/srv/redis/client_report.py", "/srv/shop/redis/report.py",
			  "/home/sqlalchemy/app.py", "/srv/mysql/report.py",
			  "/srv/shop/peewee/models.py", "/srv/shop/databases/views.py",
			  "/srv/shop/asyncio/worker.py", "/srv/shop/records.py",
			  "queries/report.py", "/opt/psycopg2/app.py", "<ipython-input-3-aa>",
			  "<stdin>", "/srv/shop/app.pyz/shop/report.py",
			  "/srv/site-packages-tool/app.py", "/srv/lib/python/app.py"));
}

static void client_libraries_are_known_by_their_file(void **state)
{
	(void)state;
	expect_modules(
		SITE_DATABASE,
		LIST(LIB "libpq.so.5.15", LIB "libmariadb.so.3", LIB "libsqlite3.so.0.8.6",
		     VENV "psycopg2_binary.libs/libpq-9b38f5e3.so.5.17",
		     DIST "psycopg2/_psycopg.cpython-311-x86_64-linux-gnu.so",
		     DIST "MySQLdb/_mysql.cpython-311-x86_64-linux-gnu.so", LIB "libpqxx-6.4.so",
		     LIB "libmysqlclient.so.21", LIB "libQt5Sql.so.5",
		     "/usr/lib/python3.11/lib-dynload/_sqlite3.cpython-311-x86_64-linux-gnu.so",
		     LIB "perl5/5.36/auto/DBD/Pg/Pg.so", "/usr/lib/php/20220829/pgsql.so",
		     "/srv/shop/node_modules/better-sqlite3/build/Release/better_sqlite3.node"));
	expect_modules(
		SITE_RUNTIME,
		LIST(LIB "libc.so.6", LIB "libssl.so.3", LIB "libstdc++.so.6.0.30",
		     "/lib64/ld-linux-x86-64.so.2", "[vdso]", "/usr/bin/python3.11",
		     "/usr/local/bin/node", LIB "libpython3.11.so.1.0",
		     "/usr/lib/jvm/java-17/lib/server/libjvm.so", "/usr/sbin/php-fpm8.2",
		     "/usr/lib/python3.11/lib-dynload/_asyncio.cpython-311-x86_64-linux-gnu.so",
		     "/opt/jdk/lib/libjli.so", "/opt/jdk/lib/libnio.so", "/opt/app/jsvc",
		     "/opt/dotnet/host/fxr/8.0.1/libhostfxr.so"));
	expect_modules(SITE_PACKAGE,
		       LIST("/usr/bin/psql", LIB "libgdal.so.32",
			    "/usr/lib/postfix/postfix-mysql.so", VENV "numpy/core/_multiarray.so"));
	expect_modules(SITE_OWN,
		       LIST("/srv/shop/bin/shop", "/opt/shop/lib/libwrap.so", "/usr/local/bin/shop",
			    "/usr/local/lib/libshop.so.1", "/home/me/a.out", "/app/nodes",
			    "/app/perlish", "/app/libpqueue.so"));
}

static void a_library_linked_in_is_known_by_its_names(void **state)
{
	struct code_frame amalgamated = {.language = EV_LANG_NATIVE,
					 .function = "openDatabase",
					 .file = "/build/third_party/sqlite3.c",
					 .module = "/srv/shop/shop"};

	(void)state;
	assert_int_equal(site_class(&amalgamated, NULL), SITE_DATABASE);
	expect_functions(EV_LANG_NATIVE, SITE_DATABASE,
			 LIST("sqlite3_open_v2", "sqlite3LockAndPrepare", "PQconnectdb",
			      "PQexecParams", "mysql_real_connect", "mysql_stmt_prepare",
			      "pqxx::connection::connection()", "soci::session::open()",
			      "tokio_postgres::connect", "rusqlite::Connection::open"));
	expect_functions(EV_LANG_NATIVE, SITE_RUNTIME,
			 LIST("_PyObject_MakeTpCall", "PyEval_EvalCode", "zend_execute_scripts",
			      "std::thread::_Invoker::run()",
			      "core::ops::function::FnOnce::call_once", "__libc_start_main",
			      "_start"));
	expect_functions(EV_LANG_NATIVE, SITE_OWN,
			 LIST("PQueue_push", "PQinsert", "mysql_report", "monthly", "sqlite_report",
			      "core::Database::open()", "mysql::Pool::get()", "redis_report",
			      "main"));
}

#define CRATES "/usr/local/cargo/registry/src/index.crates.io-6f17d22bba15001f/"

static void rust_is_known_by_names_and_by_where_cargo_puts_it(void **state)
{
	(void)state;
	expect_functions(EV_LANG_NATIVE, SITE_DATABASE,
			 LIST("<tokio_postgres::client::Client as core::ops::drop::Drop>::drop",
			      "<&mut rusqlite::row::Rows as shop::Listed>::list",
			      "sqlx_core::pool::inner::PoolInner<DB>::acquire::{{closure}}",
			      "deadpool::managed::Pool<M>::get",
			      "postgres::config::Config::connect"));
	expect_functions(EV_LANG_NATIVE, SITE_RUNTIME,
			 LIST("<&std::net::tcp::TcpStream as std::io::Write>::write",
			      "<core::future::from_generator::GenFuture<T> as "
			      "core::future::future::Future>::poll",
			      "<F as futures_core::future::TryFuture>::try_poll",
			      "mio::net::tcp::stream::TcpStream::connect",
			      "<alloc::boxed::Box<F,A> as core::future::future::Future>::poll"));
	expect_functions(EV_LANG_NATIVE, SITE_OWN,
			 LIST("<shop::Order as core::iter::traits::iterator::Iterator>::next",
			      "<T as shop::Listed>::list", "shop::monthly::{{closure}}", "<", "<&",
			      "tokio_shop", "mio"));
	expect_files(EV_LANG_NATIVE, SITE_DATABASE,
		     LIST("/root/.cargo/registry/src/github.com-1ecc62/rusqlite-0.28.0/src/lib.rs",
			  CRATES "tokio-postgres-0.7.7/src/config.rs",
			  "/opt/build/registry/src/index.crates.io-19/sqlx-core-0.8.2/src/lib.rs",
			  "/usr/share/cargo/registry/rusqlite-0.28.0/src/inner_connection.rs"));
	expect_files(
		EV_LANG_NATIVE, SITE_RUNTIME,
		LIST("/rustc/59807616e1fa25/library/std/src/net/tcp.rs",
		     "/usr/src/rustc-1.63.0/library/core/src/future/mod.rs",
		     "/builddir/build/BUILD/rustc-1.80.0-src/library/std/src/rt.rs",
		     "/home/me/.rustup/toolchains/stable/lib/rustlib/src/rust/library/alloc/vec.rs",
		     CRATES "tokio-1.24.2/src/net/tcp/stream.rs",
		     "/usr/share/cargo/registry/mio-0.8.4/src/net/tcp/stream.rs"));
	expect_files(EV_LANG_NATIVE, SITE_PACKAGE,
		     LIST(CRATES "axum-0.7.5/src/routing/mod.rs",
			  "/root/.cargo/git/checkouts/warp-0a1b2c/5e6f7a/src/lib.rs"));
	expect_files(EV_LANG_NATIVE, SITE_OWN,
		     LIST("/srv/shop/src/main.rs", "/srv/registry/src/lib.rs",
			  "/srv/shop/crates/tokio-tools/src/lib.rs", "/srv/cargo/src/rustc.rs"));
}

static void the_other_languages_have_their_own_places(void **state)
{
	(void)state;
	expect_files(EV_LANG_JAVASCRIPT, SITE_DATABASE,
		     LIST("/srv/shop/node_modules/pg/lib/client.js",
			  "/srv/shop/node_modules/.pnpm/mysql2@3/node_modules/mysql2/lib/pool.js",
			  "file:///srv/shop/node_modules/@prisma/client/runtime/library.js"));
	expect_files(EV_LANG_JAVASCRIPT, SITE_RUNTIME,
		     LIST("node:internal/process/task_queues", "node:events", "internal/timers.js",
			  "net.js"));
	expect_files(EV_LANG_JAVASCRIPT, SITE_PACKAGE,
		     LIST("/srv/shop/node_modules/express/lib/router.js",
			  "/srv/shop/node_modules/pgx-tools/index.js"));
	expect_files(EV_LANG_JAVASCRIPT, SITE_OWN,
		     LIST("/srv/shop/server.js", "file:///srv/shop/events.js",
			  "/srv/shop/pg/report.js", "/srv/shop/internal/report.js"));
	expect_functions(EV_LANG_JAVASCRIPT, SITE_RUNTIME,
			 LIST("Builtin:ArgumentsAdaptorTrampoline", "BytecodeHandler:Call"));
	expect_functions(EV_LANG_JAVASCRIPT, SITE_NAMELESS, LIST("handler"));
	expect_functions(EV_LANG_UNKNOWN, SITE_RUNTIME, LIST("Interpreter", "vtable stub"));
	expect_functions(EV_LANG_UNKNOWN, SITE_OWN, LIST("Elixir.Shop.Report:monthly/1"));
	expect_files(EV_LANG_PERL, SITE_DATABASE,
		     LIST("/usr/lib/x86_64-linux-gnu/perl5/5.36/DBI.pm",
			  "/usr/lib/x86_64-linux-gnu/perl5/5.36/DBD/Pg.pm",
			  "/usr/share/perl5/DBIx/Class/Storage.pm"));
	expect_files(EV_LANG_PERL, SITE_RUNTIME, LIST("/usr/share/perl/5.36/Carp.pm"));
	expect_files(EV_LANG_PERL, SITE_PACKAGE, LIST("/usr/share/perl5/Mojolicious.pm"));
	expect_files(EV_LANG_PERL, SITE_OWN,
		     LIST("/srv/shop/report.pl", "/srv/shop/lib/Shop/DBI.pm", "report.pl",
			  "/srv/shop/lib/Shop/Redis/Report.pm"));
	expect_files(EV_LANG_PHP, SITE_DATABASE,
		     LIST("/srv/shop/vendor/doctrine/dbal/src/Connection.php",
			  "/srv/blog/wp-includes/class-wpdb.php"));
	expect_files(EV_LANG_PHP, SITE_PACKAGE,
		     LIST("/srv/shop/vendor/symfony/http-kernel/Kernel.php"));
	expect_files(EV_LANG_PHP, SITE_OWN,
		     LIST("/srv/shop/index.php", "/srv/shop/src/Report.php"));
	expect_files(EV_LANG_RUBY, SITE_DATABASE,
		     LIST("/var/lib/gems/3.1.0/gems/pg-1.5.4/lib/pg.rb",
			  "/usr/lib/ruby/vendor_ruby/active_record/connection_pool.rb"));
	expect_files(EV_LANG_RUBY, SITE_RUNTIME,
		     LIST("/usr/lib/ruby/3.1.0/monitor.rb", "<internal:kernel>"));
	expect_files(EV_LANG_RUBY, SITE_OWN, LIST("/srv/shop/app/models/order.rb"));
	expect_functions(
		EV_LANG_JAVA, SITE_DATABASE,
		LIST("org.postgresql.Driver.connect", "Lorg/postgresql/Driver;::connect",
		     "java.sql.Connection com.zaxxer.hikari.HikariDataSource.getConnection()",
		     "org/hibernate/Session.open", "java.sql.DriverManager.getConnection"));
	expect_functions(EV_LANG_JAVA, SITE_RUNTIME,
			 LIST("java.lang.Thread.run", "Ljava/util/concurrent/FutureTask;::run",
			      "Interpreter"));
	expect_functions(EV_LANG_JAVA, SITE_PACKAGE,
			 LIST("org.springframework.web.Dispatcher.serve"));
	expect_functions(EV_LANG_JAVA, SITE_OWN,
			 LIST("com.shop.Report.monthly", "Lcom/shop/Report;::run"));
	expect_functions(EV_LANG_GO, SITE_DATABASE,
			 LIST("database/sql.(*DB).QueryContext", "github.com/lib/pq.(*conn).send",
			      "github.com/jackc/pgx/v5.(*Conn).Exec"));
	expect_functions(EV_LANG_GO, SITE_RUNTIME,
			 LIST("runtime.goexit", "net/http.(*Server).Serve", "net.Dial"));
	expect_functions(EV_LANG_GO, SITE_OWN,
			 LIST("main.main", "github.com/shop/net.Open", "shop/report.Monthly"));
}

/* The frame of a stack that answers, by its index; -1: none. */
static int answers(const struct place_reported *frames, size_t n)
{
	struct places places = {.more = &story.library};
	const struct place *p;
	int found = -1;

	story.now += 1000;
	places.code = &story.model->code;
	places.arena = arena_open();
	p = places_find(&places, tell_stack(APP, frames, n));
	for (size_t i = 0; p && i < n; i++)
		if (code_frame(&story.model->code, tell_frame(&frames[i])) == p->frame)
			found = i;
	arena_close(places.arena);
	places_free(&places);
	return found;
}

#define ANSWERS(...)                                    \
	answers((struct place_reported[]){__VA_ARGS__}, \
		sizeof((struct place_reported[]){__VA_ARGS__}) / sizeof(struct place_reported))
#define PY(file, line, function)                                 \
	{                                                        \
		EV_LANG_PYTHON, function, file, NULL, line, 0, 0 \
	}
#define C(module, offset, function)                                  \
	{                                                            \
		EV_LANG_NATIVE, function, NULL, module, 0, offset, 0 \
	}

static void the_first_frame_outside_the_libraries_answers(void **state)
{
	(void)state;
	story_begins();
	assert_int_equal(ANSWERS(PY(DIST "psycopg2/__init__.py", 122, "connect"),
				 PY(DIST "sqlalchemy/pool/base.py", 10, "checkout"),
				 PY("/usr/lib/python3.11/contextlib.py", 81, "inner"),
				 PY("/srv/shop/report.py", 42, "monthly"),
				 PY("/srv/shop/main.py", 7, "<module>")),
			 3);
	/* the owner's, further out than a package that called it back */
	assert_int_equal(ANSWERS(PY(DIST "psycopg2/__init__.py", 122, "connect"),
				 PY(VENV "requests_pg/store.py", 3, "save"),
				 PY("/srv/shop/report.py", 42, "monthly"),
				 PY(VENV "gunicorn/workers/sync.py", 1, "run")),
			 2);
	/* the libraries called by main itself, and from a wrapper of the owner */
	assert_int_equal(ANSWERS(C(LIB "libpq.so.5", 1, "PQconnectdb"),
				 C("/srv/shop/shop", 2, "main"),
				 C(LIB "libc.so.6", 3, "__libc_start_main")),
			 1);
	assert_int_equal(ANSWERS(C(LIB "libpq.so.5", 1, "PQexec"),
				 C("/opt/shop/libwrap.so", 2, "wrap_query"),
				 C("/srv/shop/shop", 3, "monthly")),
			 1);
}

static void a_program_that_was_installed_answers_itself(void **state)
{
	(void)state;
	story_begins();
	assert_int_equal(ANSWERS(PY(DIST "psycopg2/__init__.py", 122, "connect"),
				 PY(DIST "reportbot/report.py", 42, "monthly"),
				 PY(DIST "click/core.py", 1, "invoke"),
				 PY("/usr/bin/reportbot", 8, "<module>")),
			 1);
	assert_int_equal(ANSWERS(PY(DIST "django/db/models/query.py", 1, "get"),
				 PY(DIST "django/contrib/admin/options.py", 1200, "changelist"),
				 PY("/srv/shop/manage.py", 22, "main")),
			 1);
	assert_int_equal(ANSWERS(C(LIB "libpq.so.5", 1, "PQexec"), C("/usr/bin/psql", 2, "main")),
			 1);
	assert_int_equal(ANSWERS(C("/srv/shop/node_modules/better-sqlite3/prebuilds/linux-x64.node",
				   1, "Data::GetRowJS"),
				 C("/srv/shop/shop", 2, "main")),
			 1);
	assert_int_equal(ANSWERS(C(LIB "libc.so.6", 1, "malloc"), C("/srv/shop/shop", 2, "xmalloc"),
				 C("/srv/shop/shop", 3, "shop_strdup"),
				 C("/srv/shop/shop", 4, "remember")),
			 3);
	assert_int_equal(ANSWERS(C(LIB "libc.so.6", 1, "malloc"),
				 C("/srv/shop/shop", 2, "remember_malloc_of"),
				 C("/srv/shop/shop", 3, "main")),
			 1);
}

static void how_it_was_started_answers_when_nothing_else_does(void **state)
{
	(void)state;
	story_begins();
	assert_int_equal(ANSWERS(PY(DIST "psycopg2/__init__.py", 122, "connect"),
				 PY("/usr/local/bin/report", 12, "<module>")),
			 1);
	assert_int_equal(ANSWERS(PY(DIST "psycopg2/__init__.py", 122, "connect"),
				 PY("<string>", 1, "<module>")),
			 1);
	/* what a library generated is the library's */
	assert_int_equal(ANSWERS(PY(DIST "sqlalchemy/orm/session.py", 1, "_commit"),
				 PY("<string>", 2, "commit"),
				 PY(DIST "sqlalchemy/orm/scoping.py", 1, "commit"),
				 PY("<string>", 5, "<module>")),
			 3);
	assert_int_equal(ANSWERS(PY(DIST "sqlalchemy/orm/session.py", 1, "_commit"),
				 PY("<string>", 2, "commit"), PY("/srv/shop/report.py", 4, "f")),
			 2);
}

#define SHOP(offset, function) C("/srv/shop/shop", offset, function)

static void who_runs_the_task_of_a_connection_does_not_answer_for_its_requests(void **state)
{
	(void)state;
	story_begins();
	assert_int_equal(ANSWERS(SHOP(1, "tokio_postgres::connection::Connection<S,T>::poll_flush"),
				 SHOP(2, "<tokio_postgres::connection::Connection<S,T> as "
					 "core::future::future::Future>::poll"),
				 SHOP(3, "shop::monthly::{{closure}}::{{closure}}"),
				 SHOP(4, "tokio::runtime::task::raw::poll")),
			 -1);
	/* the driver for programs without tasks runs it for its caller */
	assert_int_equal(ANSWERS(SHOP(1, "tokio_postgres::connection::Connection<S,T>::poll_flush"),
				 SHOP(5, "postgres::connection::Connection::block_on"),
				 SHOP(6, "postgres::client::Client::query"),
				 SHOP(7, "shop::monthly")),
			 3);
	assert_int_equal(ANSWERS(SHOP(8, "tokio_postgres::connect::{{closure}}"),
				 SHOP(9, "shop::monthly::{{closure}}"),
				 SHOP(10, "tokio::runtime::task::raw::poll")),
			 1);
}

static void libraries_alone_have_no_owner(void **state)
{
	(void)state;
	story_begins();
	assert_int_equal(
		ANSWERS(C(LIB "libpq.so.5", 1, "PQexec"), C(LIB "libc.so.6", 2, "start_thread")),
		-1);
	assert_int_equal(ANSWERS(C(LIB "libpq.so.5", 1, NULL),
				 {EV_LANG_NATIVE, NULL, NULL, NULL, 0, 0x7f00, 0},
				 {EV_LANG_NATIVE, NULL, NULL, "[anon]", 0, 0x7f01, 0}),
			 -1);
	/* stripped, but the owner's */
	assert_int_equal(
		ANSWERS(C(LIB "libpq.so.5", 1, "PQexec"), C("/srv/shop/shop", 0x1234, NULL)), 1);
}

static void the_user_may_call_more_a_library(void **state)
{
	static const char *const patterns[][1] = {{"shop/db.py"}, {"db.py"}, {"/srv/shop/db.py"},
						  {"*/db.py"},	  {"Db.*"},  {"/srv/shop/d?.py"}};
	static const char *const others[][1] = {
		{"b.py"}, {"shop/db"}, {"srv"}, {"Db"}, {"/shop/db.py"}};

	(void)state;
	story_begins();
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		story.library = (struct site_patterns){patterns[i], 1};
		assert_int_equal(ANSWERS(PY("/srv/shop/db.py", 3, "Db.session"),
					 PY("/home/me/report.py", 42, "monthly")),
				 1);
	}
	story.library = (struct site_patterns){others[0], 1};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		story.library.pattern = others[i];
		assert_int_equal(ANSWERS(PY("/srv/shop/db.py", 3, "Db.session"),
					 PY("/home/me/report.py", 42, "monthly")),
				 strcmp(others[i][0], "srv") ? 0 : 1);
	}
}

static void two_lines_of_a_function_are_two_places(void **state)
{
	struct places places = {};
	const struct place *a, *b, *c;

	(void)state;
	story_begins();
	places.code = &story.model->code;
	places.arena = arena_open();
	a = places_find(&places, through_sqlalchemy(APP, "/srv/shop/report.py", 42, "monthly"));
	b = places_find(&places, through_sqlalchemy(APP, "/srv/shop/report.py", 43, "monthly"));
	assert_non_null(a);
	assert_ptr_not_equal(a, b);
	c = places_find(&places, tell_stack(APP,
					    (struct place_reported[]){
						    PY(DIST "psycopg2/extras.py", 1, "execute"),
						    PY("/srv/shop/report.py", 42, "monthly")},
					    2));
	assert_ptr_equal(a, c);
	assert_null(places_find(&places, 12345));
	assert_null(places_find(&places, 0));
	arena_close(places.arena);
	places_free(&places);
}

static uint64_t stack_of_program(uint32_t pid)
{
	return through_sqlalchemy(pid, "/srv/shop/report.py", 42, "monthly");
}

/* What a frame is does not depend on the process; the place that a stack leads to does. */
static void processes_of_one_program_share_the_classes_of_their_frames(void **state)
{
	struct table classes = {};
	struct places one = {.shared = &classes}, other = {.shared = &classes};
	const struct place *a, *b;
	size_t frames;

	(void)state;
	story_begins();
	one.code = other.code = &story.model->code;
	one.arena = other.arena = arena_open();
	a = places_find(&one, stack_of_program(APP));
	frames = classes.count;
	assert_true(frames > 1);
	b = places_find(&other, stack_of_program(APP + 1));
	assert_int_equal(classes.count, frames);
	assert_ptr_equal(a->frame, b->frame);
	assert_ptr_not_equal(a, b);
	places_free(&one);
	places_free(&other);
	arena_close(one.arena);
	table_free(&classes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drivers_orms_and_pools_of_python_are_databases),
		cmocka_unit_test(the_run_time_of_python_is_not_what_is_installed_into_it),
		cmocka_unit_test(folders_of_the_owner_may_bear_any_name),
		cmocka_unit_test(client_libraries_are_known_by_their_file),
		cmocka_unit_test(a_library_linked_in_is_known_by_its_names),
		cmocka_unit_test(the_other_languages_have_their_own_places),
		cmocka_unit_test(rust_is_known_by_names_and_by_where_cargo_puts_it),
		cmocka_unit_test_teardown(the_first_frame_outside_the_libraries_answers,
					  story_teardown),
		cmocka_unit_test_teardown(a_program_that_was_installed_answers_itself,
					  story_teardown),
		cmocka_unit_test_teardown(how_it_was_started_answers_when_nothing_else_does,
					  story_teardown),
		cmocka_unit_test_teardown(
			who_runs_the_task_of_a_connection_does_not_answer_for_its_requests,
			story_teardown),
		cmocka_unit_test_teardown(libraries_alone_have_no_owner, story_teardown),
		cmocka_unit_test_teardown(the_user_may_call_more_a_library, story_teardown),
		cmocka_unit_test_teardown(two_lines_of_a_function_are_two_places, story_teardown),
		cmocka_unit_test_teardown(
			processes_of_one_program_share_the_classes_of_their_frames, story_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
