/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * site.c - see site.h.  Begins with the table of what is not the owner's code.
 */
#include "user/judge/site.h"

#include <stdbool.h>
#include <string.h>

/* The part of a frame that a pattern is compared with. */
enum site_part {
	IN_PACKAGE,  /* the file, from after a folder into which packages are installed */
	IN_RELATIVE, /* the file, from its beginning, if it does not begin with '/' */
	IN_FILE,     /* the file */
	IN_MODULE,   /* the library or program that was mapped, its name alone */
	IN_PATH,     /* the same with its path */
	IN_FUNCTION, /* the function, the whole of its name */
};

/* Patterns stand one after the other, with a space between; see site_fits() for what they mean. The
 * first row that fits decides. */
struct site_row {
	enum ev_language language;
	enum site_part part;
	enum site_class class;
	const char *patterns;
};

static const struct site_row rows[] = {
	/*
	 * Python: drivers, then ORMs and pools, then the run time.
	 */
	{EV_LANG_PYTHON, IN_PACKAGE, SITE_DATABASE,
	 "psycopg2 psycopg psycopg_c psycopg_binary psycopg_pool psycopg2cffi asyncpg pg8000 "
	 "pgdb.py "
	 "pg.py aiopg momoko postgresql txpostgres"},
	{EV_LANG_PYTHON, IN_PACKAGE, SITE_DATABASE,
	 "MySQLdb pymysql mysql/connector aiomysql asyncmy cymysql mariadb oursql umysql trilogy"},
	{EV_LANG_PYTHON, IN_PACKAGE, SITE_DATABASE,
	 "sqlite3 aiosqlite pysqlite2 pysqlite3 apsw sqlcipher3 libsql redis aioredis hiredis "
	 "txredisapi pypyodbc.py aioodbc turbodbc"},
	{EV_LANG_PYTHON, IN_PACKAGE, SITE_DATABASE,
	 "sqlalchemy flask_sqlalchemy.py flask_sqlalchemy sqlmodel sqlalchemy_utils "
	 "zope/sqlalchemy "
	 "django/db django_redis peewee.py playhouse peewee_async.py peewee_async tortoise pony "
	 "ormar "
	 "databases gino piccolo orator sqlobject storm records.py dataset alembic aerich yoyo "
	 "pandas/io/sql.py"},
	{EV_LANG_PYTHON, IN_PACKAGE, SITE_DATABASE,
	 "DBUtils dbutils psycogreen django_db_geventpool django_postgrespool greenlet"},
	/* the same beside the owner's files: vendored, pip install --target, a checkout */
	{EV_LANG_PYTHON, IN_FILE, SITE_DATABASE,
	 "psycopg2/__init__.py psycopg2/extras.py psycopg2/pool.py psycopg/connection.py "
	 "psycopg/connection_async.py psycopg/cursor.py psycopg_pool/pool.py asyncpg/connection.py "
	 "asyncpg/connect_utils.py asyncpg/pool.py pg8000/core.py pg8000/dbapi.py pg8000/legacy.py "
	 "MySQLdb/__init__.py MySQLdb/connections.py MySQLdb/cursors.py pymysql/__init__.py "
	 "pymysql/connections.py pymysql/cursors.py mysql/connector aiomysql/connection.py "
	 "aiomysql/pool.py aiosqlite/core.py redis/client.py redis/connection.py "
	 "redis/asyncio/client.py redis/asyncio/connection.py"},
	{EV_LANG_PYTHON, IN_FILE, SITE_DATABASE,
	 "sqlalchemy/engine sqlalchemy/orm sqlalchemy/pool sqlalchemy/sql sqlalchemy/util "
	 "sqlalchemy/dialects sqlalchemy/event sqlalchemy/ext django/db/backends django/db/models "
	 "django/db/utils.py django/db/transaction.py peewee.py playhouse/pool.py "
	 "tortoise/backends "
	 "pony/orm/core.py dbutils/pooled_db.py DBUtils/PooledDB.py"},
	{EV_LANG_PYTHON, IN_FILE, SITE_DATABASE, "*/lib*/python3.*/sqlite3 */lib*/pypy3*/sqlite3"},
	{EV_LANG_PYTHON, IN_FILE, SITE_RUNTIME,
	 "<frozen* */lib/python3.* */lib64/python3.* */lib/python3*.zip */lib/pypy3* "
	 "*/lib-python/3"},
	/* programs frozen into one file have relative names */
	{EV_LANG_PYTHON, IN_RELATIVE, SITE_DATABASE, "sqlite3/dbapi2.py sqlite3/__init__.py"},
	{EV_LANG_PYTHON, IN_RELATIVE, SITE_RUNTIME,
	 "asyncio concurrent contextlib.py functools.py importlib runpy.py selectors.py socket.py "
	 "socketserver.py ssl.py threading.py multiprocessing weakref.py"},
	{EV_LANG_PYTHON, IN_FILE, SITE_STARTER, "<string> manage.py"},

	/*
	 * C, C++, Rust: the client libraries, also as wheels and gems carry them; then the same
	 * linked into the program, known by names; then the run time.
	 */
	{EV_LANG_NATIVE, IN_MODULE, SITE_DATABASE,
	 "libpq.so* libpq-*.so* libpqxx*.so* libecpg*.so* libpgtypes*.so* libmariadb*.so* "
	 "libmysqlclient*.so* libmysqlcppconn*.so* libmysqlpp*.so* libsqlite3*.so* libsqlite-*.so* "
	 "libsqlcipher*.so* libhiredis*.so* libredis++*.so*"},
	{EV_LANG_NATIVE, IN_MODULE, SITE_DATABASE,
	 "libodbc*.so* psqlodbc*.so libmaodbc*.so libmyodbc*.so libdbi*.so* libdbd*.so* "
	 "libsoci*.so* libodb*.so* libQt?Sql*.so* libqsql*.so apr_dbd_*.so libgda-*.so* "
	 "libzdb*.so* "
	 "libPocoData*.so* libpgbouncer*.so*"},
	{EV_LANG_NATIVE, IN_MODULE, SITE_DATABASE,
	 "_psycopg*.so _mysql*.so _sqlite3*.so pyodbc*.so hiredis*.so _greenlet*.so Pg.so mysql.so "
	 "MariaDB.so SQLite.so DBI.so pgsql.so pdo*.so mysqli.so mysqlnd.so sqlite3.so redis.so "
	 "pg_ext.so mysql2.so sqlite3_native.so better_sqlite3.node node_sqlite3.node"},
	{EV_LANG_NATIVE, IN_PATH, SITE_DATABASE,
	 "psycopg_c psycopg_binary asyncpg apsw sqlalchemy MySQLdb pymssql "
	 "node_modules/better-sqlite3 "
	 "node_modules/sqlite3 node_modules/libpq"},
	{EV_LANG_NATIVE, IN_FUNCTION, SITE_DATABASE,
	 "sqlite3_* sqlite3LockAndPrepare sqlite3Prepare* PQconnect* PQsetdb* PQping* PQexec* "
	 "PQprepare* PQsend* PQget* PQmakeEmpty* PQcopyResult PQdescribe* PQclear PQfinish "
	 "PQreset* "
	 "mysql_init mysql_connect mysql_real_connect* mysql_query mysql_real_query* "
	 "mysql_send_query mysql_store_result mysql_use_result mysql_next_result mysql_list_* "
	 "mysql_change_user mysql_stmt_* mysql_close redisConnect* redisCommand* "
	 "redisAppendCommand* "
	 "redisGetReply* redisvCommand*"},
	{EV_LANG_NATIVE, IN_FUNCTION, SITE_DATABASE,
	 "pqxx::* soci::* odb::* sql::mysql::* sql::mariadb::* mysqlpp::* sw::redis::* SQLite::* "
	 "sqlite::* sqlite_orm::* QSqlDatabase::* QSqlQuery::*"},
	/* Rust: drivers, then ORMs and pools */
	{EV_LANG_NATIVE, IN_FUNCTION, SITE_DATABASE,
	 "tokio_postgres::* postgres::* postgres_*::* pq_sys::* rusqlite::* libsqlite3_sys::* "
	 "tokio_rusqlite::* sqlite::* mysql_async::* mysql_common::* redis::aio::* "
	 "redis::client::* redis::cluster* redis::cmd::* redis::commands::* redis::connection::* "
	 "sqlx::* sqlx_*::* diesel::* diesel_async::* sea_orm::* sea_query::* "
	 "r2d2::* r2d2_*::* bb8::* bb8_*::* deadpool::* deadpool_*::* mobc::*"},
	{EV_LANG_NATIVE, IN_FILE, SITE_DATABASE,
	 "sqlite3.c fe-connect.c fe-exec.c fe-auth.c fe-protocol3.c fe-secure.c /usr/include/pqxx"},
	{EV_LANG_NATIVE, IN_PACKAGE, SITE_DATABASE,
	 "postgres-* tokio-postgres-* pq-sys-* mysql-* mysql_async-* mysql_common-* rusqlite-* "
	 "tokio-rusqlite-* libsqlite3-sys-* mobc-* "
	 "sqlx-* diesel-* diesel_* sea-orm-* sea-query-* r2d2-* r2d2_* bb8-* deadpool-* redis-*"},
	/* What carries calls in Rust, and never makes them. */
	{EV_LANG_NATIVE, IN_PACKAGE, SITE_RUNTIME,
	 "tokio-* mio-* socket2-* futures-* async-std-* async-io-* async-executor-* smol-* "
	 "polling-* rustls-* native-tls-* tracing-* parking_lot* hashbrown-* once_cell-*"},
	{EV_LANG_NATIVE, IN_MODULE, SITE_RUNTIME,
	 "libc.so* libc-2.*.so ld-linux* ld-musl* ld-2.*.so libpthread* libm.so* libdl.so* "
	 "librt.so* "
	 "libresolv* libssl*.so* libcrypto*.so* libgnutls* libstdc++* libc++* libgcc_s* libuv* "
	 "libtcmalloc* libjemalloc* libasan* libtsan* libubsan* [vdso] linux-vdso* linux-gate*"},
	{EV_LANG_NATIVE, IN_MODULE, SITE_RUNTIME,
	 "python python3 python3.* python2* libpython* pypy pypy3* libpypy* perl perl5* "
	 "libperl.so* "
	 "php php7* php8* php-fpm* php-cgi* libphp* mod_php* ruby ruby2* ruby3* libruby* node "
	 "nodejs "
	 "libnode* java javaw libjvm.so libjli.so libjava.so libnet.so libnio.so libextnet.so "
	 "libj9*.so jsvc dotnet libcoreclr.so libhostfxr.so libhostpolicy.so libSystem.*.so "
	 "libmono* beam.smp"},
	{EV_LANG_NATIVE, IN_PATH, SITE_RUNTIME, "lib-dynload"},
	{EV_LANG_NATIVE, IN_FUNCTION, SITE_RUNTIME,
	 "std::* core::any::* core::array::* core::cell::* core::fmt::* core::future::* "
	 "core::hash::* core::iter::* core::mem::* core::ops::* core::option::* core::panic::* "
	 "core::pin::* core::ptr::* core::result::* core::slice::* core::str::* core::sync::* "
	 "core::task::* core::time::* alloc::alloc::* alloc::boxed::* alloc::collections::* "
	 "alloc::fmt::* alloc::raw_vec::* alloc::rc::* alloc::slice::* alloc::string::* "
	 "alloc::sync::* alloc::vec::* hashbrown::* rust_begin_* "
	 "tokio::* tokio_*::* mio::* socket2::* futures::* futures_*::* async_std::* async_io::* "
	 "async_executor::* smol::* polling::* rustls::* native_tls::* tracing::* "
	 "parking_lot::* once_cell::* "
	 "__libc_start* _start __gnu_cxx::* boost::* __rust_* Interpreter call_stub StubRoutines* "
	 "vtable?stub itable?stub I2C*"},
	/* an interpreter inside a program of another name */
	{EV_LANG_NATIVE, IN_FUNCTION, SITE_RUNTIME,
	 "_Py* Py_* PyObject_* PyEval_* PyRun_* PyImport_* PyVectorcall_* Perl_* zend_* "
	 "execute_ex php_execute_* rb_vm_* vm_exec*"},
	/* usual names for a program's own wrappers of the allocator */
	{EV_LANG_NATIVE, IN_FUNCTION, SITE_RUNTIME,
	 "xmalloc* xcalloc* xrealloc* xreallocarray* xzalloc* xstrdup* xstrndup* xmemdup* "
	 "xasprintf* "
	 "xvasprintf* ?malloc ?calloc ?realloc ?zalloc ?strdup ?strndup *_malloc *_calloc "
	 "*_realloc "
	 "*_zalloc *_strdup *_strndup *_memdup malloc_or_die safe_malloc* checked_malloc* "
	 "operator?new*"},
	{EV_LANG_NATIVE, IN_FILE, SITE_RUNTIME, "/usr/include/c++ /usr/include/boost"},
	/* as Rust's makers, Debian, Fedora and rustup's rust-src have it */
	{EV_LANG_NATIVE, IN_FILE, SITE_RUNTIME,
	 "/rustc /usr/src/rustc-* */rustc-*-src/library */lib/rustlib/src"},
	{EV_LANG_NATIVE, IN_PATH, SITE_PACKAGE,
	 "/usr/lib /usr/lib32 /usr/lib64 /usr/libexec /lib /lib64 /usr/bin /usr/sbin /bin /sbin "
	 "site-packages dist-packages node_modules"},

	/*
	 * Perl.
	 */
	{EV_LANG_PERL, IN_PACKAGE, SITE_DATABASE,
	 "DBI.pm DBI DBD DBIx Rose/DB* Class/DBI* SQL/Abstract* Mojo/Pg* Mojo/mysql* Mojo/SQLite* "
	 "Redis.pm Redis Catalyst/Model/DBI* Apache/DBI.pm"},
	{EV_LANG_PERL, IN_FILE, SITE_DATABASE,
	 "DBD/Pg.pm DBD/mysql.pm DBD/MariaDB.pm DBD/SQLite.pm"},
	{EV_LANG_PERL, IN_FILE, SITE_RUNTIME,
	 "/usr/share/perl /usr/lib/*/perl /usr/lib/*/perl-base core_perl"},

	/*
	 * PHP: its drivers are not written in it.
	 */
	{EV_LANG_PHP, IN_PACKAGE, SITE_DATABASE,
	 "doctrine/dbal doctrine/orm doctrine/persistence illuminate/database "
	 "laravel/framework/src/Illuminate/Database cakephp/database cakephp/orm propel/propel "
	 "yiisoft/yii2/db yiisoft/db* predis/predis catfan/medoo envms/fluentpdo j4mie/idiorm "
	 "gabordemooij/redbean delight-im/db aura/sql cycle/database cycle/orm amphp/mysql "
	 "amphp/postgres"},
	{EV_LANG_PHP, IN_FILE, SITE_DATABASE, "wp-includes/wp-db.php wp-includes/class-wpdb.php"},
	{EV_LANG_PHP, IN_FILE, SITE_PACKAGE, "wp-includes wp-admin /usr/share/php"},

	/*
	 * Ruby.
	 */
	{EV_LANG_RUBY, IN_PACKAGE, SITE_DATABASE,
	 "pg-* mysql2-* sqlite3-* trilogy-* activerecord-* sequel-* connection_pool-* redis-* "
	 "hiredis-* rom-sql-* data_objects-* dm-* do_* pg.rb pg mysql2.rb mysql2 sqlite3.rb "
	 "sqlite3 "
	 "active_record.rb active_record sequel.rb sequel redis.rb redis connection_pool.rb"},
	{EV_LANG_RUBY, IN_FILE, SITE_RUNTIME, "<internal* */lib/ruby/3.* */lib/ruby/2.*"},

	/*
	 * JavaScript.
	 */
	{EV_LANG_JAVASCRIPT, IN_PACKAGE, SITE_DATABASE,
	 "pg pg-pool pg-protocol pg-cursor pg-query-stream pg-native pg-promise postgres slonik "
	 "@databases @vercel/postgres mysql mysql2 mariadb promise-mysql serverless-mysql "
	 "better-sqlite3 sqlite3 sqlite redis @redis ioredis"},
	{EV_LANG_JAVASCRIPT, IN_PACKAGE, SITE_DATABASE,
	 "sequelize @sequelize knex typeorm prisma @prisma objection bookshelf drizzle-orm "
	 "@mikro-orm "
	 "waterline kysely massive generic-pool tarn sequelize-pool named-placeholders sqlstring"},
	{EV_LANG_JAVASCRIPT, IN_FUNCTION, SITE_RUNTIME,
	 "Builtin:* BytecodeHandler:* RegExp:* Stub:*"},
	{EV_LANG_JAVASCRIPT, IN_RELATIVE, SITE_RUNTIME,
	 "node:* internal events.js net.js tls.js timers.js _stream_* bootstrap_node.js module.js"},

	/*
	 * Java: names of classes with dots, whatever the map of compiled code writes.
	 */
	{EV_LANG_JAVA, IN_FUNCTION, SITE_DATABASE,
	 "org.postgresql.* com.impossibl.postgres.* com.mysql.* org.mariadb.* org.sqlite.* "
	 "com.zaxxer.hikari.* org.apache.commons.dbcp* org.apache.commons.pool* "
	 "org.apache.tomcat.jdbc.* org.apache.tomcat.dbcp.* com.mchange.* com.alibaba.druid.* "
	 "io.agroal.* org.vibur.* redis.clients.* io.lettuce.* org.redisson.*"},
	{EV_LANG_JAVA, IN_FUNCTION, SITE_DATABASE,
	 "java.sql.* javax.sql.* javax.persistence.* jakarta.persistence.* org.hibernate.* "
	 "org.eclipse.persistence.* org.apache.openjpa.* org.apache.ibatis.* org.mybatis.* "
	 "org.jooq.* "
	 "org.jdbi.* io.ebean.* org.springframework.jdbc.* org.springframework.orm.* "
	 "org.springframework.data.* org.springframework.transaction.* org.springframework.r2dbc.* "
	 "io.r2dbc.* org.flywaydb.* liquibase.* slick.* doobie.* org.jetbrains.exposed.*"},
	{EV_LANG_JAVA, IN_FUNCTION, SITE_RUNTIME,
	 "java.* javax.* jdk.* sun.* com.sun.* kotlin.* kotlinx.* scala.* groovy.* clojure.* "
	 "Interpreter call_stub StubRoutines*"},
	{EV_LANG_JAVA, IN_FUNCTION, SITE_PACKAGE,
	 "org.springframework.* org.apache.* org.eclipse.* org.junit.* org.slf4j.* io.netty.* "
	 "io.vertx.* io.quarkus.* io.micronaut.* io.undertow.* reactor.* com.google.* "
	 "com.fasterxml.* akka.* play.* jakarta.* ch.qos.* org.jboss.* org.wildfly.*"},

	/*
	 * Go: functions bear the path of their package.
	 */
	{EV_LANG_GO, IN_FUNCTION, SITE_DATABASE,
	 "database/sql.* database/sql/* github.com/lib/pq.* github.com/lib/pq/* "
	 "github.com/jackc/pgx* "
	 "github.com/jackc/pg* github.com/jackc/puddle* github.com/go-sql-driver/mysql* "
	 "github.com/mattn/go-sqlite3* modernc.org/sqlite* github.com/go-pg/pg*"},
	{EV_LANG_GO, IN_FUNCTION, SITE_DATABASE,
	 "github.com/uptrace/bun* github.com/jmoiron/sqlx* gorm.io/* github.com/jinzhu/gorm* "
	 "entgo.io/ent* xorm.io/* github.com/go-gorp/* github.com/volatiletech/sqlboiler* "
	 "github.com/redis/go-redis* github.com/go-redis/* github.com/gomodule/redigo* "
	 "github.com/georgysavva/scany* github.com/go-jet/jet*"},
	{EV_LANG_GO, IN_FUNCTION, SITE_RUNTIME,
	 "runtime.* runtime/* internal/* sync.* sync/* net.* net/* context.* reflect.* testing.* "
	 "crypto/* bufio.* io.* io/* os.* os/* syscall.* time.* sort.* strings.* fmt.* encoding/* "
	 "golang.org/x/*"},
	{EV_LANG_GO, IN_FILE, SITE_RUNTIME, "/usr/local/go/src /usr/lib/go*/src"},
	{EV_LANG_GO, IN_FILE, SITE_PACKAGE, "*/pkg/mod */vendor/*"},
};

/* Folders into which installers put the packages of others; the package's name follows. */
static const struct root {
	enum ev_language language;
	const char *folder;
	bool others; /* holds no code of the owner, unless the whole program is there */
} roots[] = {
	{EV_LANG_PYTHON, "site-packages/", true},
	{EV_LANG_PYTHON, "dist-packages/", true},
	{EV_LANG_PYTHON, ".egg/", true},
	{EV_LANG_PYTHON, ".whl/", true},
	{EV_LANG_PYTHON, ".pex/", false},
	{EV_LANG_PYTHON, ".pyz/", false},
	{EV_LANG_PYTHON, ".zip/", false},
	{EV_LANG_JAVASCRIPT, "node_modules/", true},
	{EV_LANG_RUBY, "gems/", true},
	{EV_LANG_RUBY, "vendor_ruby/", true},
	{EV_LANG_PHP, "vendor/", true},
	{EV_LANG_PERL, "perl5/", true},
	{EV_LANG_PERL, "site_perl/", true},
	{EV_LANG_PERL, "vendor_perl/", true},
	{EV_LANG_PERL, "local/share/perl/", true},
	{EV_LANG_NATIVE, ".cargo/registry/src/", true},
	{EV_LANG_NATIVE, "cargo/registry/src/", true},
	{EV_LANG_NATIVE, "registry/src/index.crates.io-", true},
	{EV_LANG_NATIVE, ".cargo/git/checkouts/", true},
	{EV_LANG_NATIVE, "cargo/git/checkouts/", true},
	{EV_LANG_NATIVE, "/usr/share/cargo/registry/", true},
};

/*
 * Patterns.
 */

/* Does a glob fit the text up to its end, or up to the end of a component of a path? */
static bool glob(const char *p, const char *end, const char *s)
{
	const char *star = NULL, *again = NULL;

	for (;;) {
		if (p < end && *p == '*') {
			star = ++p;
			again = s;
		} else if (p == end && (!*s || *s == '/')) {
			return true;
		} else if (p < end && *s && (*p == *s || *p == '?')) {
			p++;
			s++;
		} else if (star && *again) {
			p = star;
			s = ++again;
		} else {
			return false;
		}
	}
}

/* '*' is any text, '?' one character.  A pattern fits from the start of any component of a path.
 * A pattern that begins with '/' or '*', or is for a whole text, fits only from the start of the
 * text. */
static bool site_fits(const char *pattern, const char *end, const char *text, bool whole)
{
	whole = whole || *pattern == '/' || *pattern == '*';
	for (;; text++) {
		/* Most patterns differ in the first character, and each frame meets all of them. */
		if ((*pattern == *text || *pattern == '*' || *pattern == '?' || pattern == end) &&
		    glob(pattern, end, text))
			return true;
		text = whole ? NULL : strchr(text, '/');
		if (!text)
			return false;
	}
}

static bool fits_one(const char *patterns, const char *text, bool whole)
{
	while (*patterns) {
		const char *end = strchrnul(patterns, ' ');

		if (site_fits(patterns, end, text, whole))
			return true;
		for (patterns = end; *patterns == ' ';)
			patterns++;
	}
	return false;
}

/* A frame, as the rows look at it. */
struct site_look {
	enum ev_language language;
	const char *file, *module, *function; /* NULL: not known */
	const char *package;		      /* within file; NULL: in no folder of packages */
	bool others;			      /* not the owner's, as the folder says */
	char name[256];			      /* of a Java method, with dots */
};

/* Returns the rest of a path after the last occurrence of a folder; NULL: none.  A folder that
 * begins with a dot may begin in the middle of a component ("x.egg/"). */
static const char *after_folder(const char *path, const char *folder)
{
	const char *found = NULL;

	for (const char *at = path; (at = strstr(at, folder)); at++)
		if (at == path || at[-1] == '/' || (*folder == '.' && at[-1] != '/'))
			found = at + strlen(folder);
	return found;
}

static void find_package(struct site_look *l)
{
	for (size_t i = 0; l->file && i < sizeof(roots) / sizeof(roots[0]); i++) {
		const char *at = roots[i].language == l->language
					 ? after_folder(l->file, roots[i].folder)
					 : NULL;

		if (!at || (l->package && at < l->package))
			continue;
		l->package = at;
		l->others = l->others || roots[i].others;
	}
}

/* "Lorg/h2/Driver;::connect", "void org.h2.Driver.connect(java.lang.String)": from the class on,
 * with dots. */
static void java_name(struct site_look *l)
{
	const char *s = l->function, *space = NULL;
	size_t n = 0;

	for (const char *at = s; *at && *at != '('; at++)
		space = *at == ' ' ? at : space;
	s = space ? space + 1 : s;
	s += *s == 'L' && strchr(s, ';') != NULL;
	while (n < sizeof(l->name) - 1 && s[n]) {
		l->name[n] = s[n] == '/' ? '.' : s[n];
		n++;
	}
	l->name[n] = '\0';
	l->function = l->name;
}

/* A method of Rust, from its type on: "<&mut shop::Order as shop::Listed>::list" from "shop::Order"
 * on.  A type of one letter stands for any: then the trait tells whose the method is. */
static void rust_name(struct site_look *l)
{
	const char *s = l->function;

	while (strchr("<&*[(", *s) || !strncmp(s, "mut ", 4) || !strncmp(s, "dyn ", 4) ||
	       !strncmp(s, "impl ", 5)) {
		if (!*s)
			return;
		s = strchr("<&*[(", *s) ? s + 1 : strchr(s, ' ') + 1;
	}
	if (*s && !strncmp(s + 1, " as ", 4))
		s += 5;
	l->function = s;
}

static void site_look_at(struct site_look *l, const struct code_frame *f)
{
	l->language = f->language == EV_LANG_UNKNOWN ? EV_LANG_NATIVE : f->language;
	l->file = f->file;
	l->module = f->module;
	l->function = f->function;
	l->package = NULL;
	l->others = false;
	if (l->language == EV_LANG_JAVA && l->function)
		java_name(l);
	if (l->language == EV_LANG_NATIVE && l->function && *l->function == '<')
		rust_name(l);
	find_package(l);
}

static const char *site_part_of(const struct site_look *l, enum site_part part)
{
	const char *slash;

	switch (part) {
	case IN_PACKAGE:
		return l->package;
	case IN_RELATIVE:
		return l->file && *l->file != '/' ? l->file : NULL;
	case IN_FILE:
		return l->file;
	case IN_MODULE:
		slash = l->module ? strrchr(l->module, '/') : NULL;
		return slash ? slash + 1 : l->module;
	case IN_PATH:
		return l->module;
	default:
		return l->function;
	}
}

static bool row_fits(const struct site_row *r, const struct site_look *l)
{
	const char *text = r->language == l->language ? site_part_of(l, r->part) : NULL;

	/* site-packages/ lies in a folder of the run time, but does not belong to it. */
	if (!text || (r->part == IN_FILE && r->class == SITE_RUNTIME && l->others))
		return false;
	return fits_one(r->patterns, text, r->part == IN_FUNCTION || r->part == IN_RELATIVE);
}

static bool is_called_library(const struct site_look *l, const struct site_patterns *more)
{
	const char *const texts[] = {l->file, l->module, l->function};

	for (size_t i = 0; more && i < more->count; i++)
		for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++) {
			const char *p = more->pattern[i];

			if (texts[t] &&
			    site_fits(p, p + strlen(p), texts[t], texts[t] == l->function))
				return true;
		}
	return false;
}

/* A script in a folder of programs, which an installer wrote to call into a package. */
static bool is_starter(const struct site_look *l)
{
	const char *slash = l->file ? strrchr(l->file, '/') : NULL;

	return l->language == EV_LANG_PYTHON && slash && slash - l->file >= 4 &&
	       !memcmp(slash - 4, "/bin", 4) && !strchr(slash, '.') && l->function &&
	       !strcmp(l->function, "<module>");
}

/* Does the frame have nothing that anybody could look up?  Interpreted code has a file. */
static bool is_nameless(const struct code_frame *f)
{
	switch (f->language) {
	case EV_LANG_PYTHON:
	case EV_LANG_PERL:
	case EV_LANG_PHP:
	case EV_LANG_RUBY:
	case EV_LANG_JAVASCRIPT:
		return !f->file;
	default:
		return !f->function && !f->file && (!f->module || *f->module != '/');
	}
}

enum site_class site_class(const struct code_frame *f, const struct site_patterns *more)
{
	struct site_look l;

	site_look_at(&l, f);
	if (is_called_library(&l, more))
		return SITE_DATABASE;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (row_fits(&rows[i], &l))
			return rows[i].class;
	if (is_nameless(f))
		return SITE_NAMELESS;
	if (l.others)
		return SITE_PACKAGE;
	return is_starter(&l) ? SITE_STARTER : SITE_OWN;
}

/*
 * Places.
 */

void places_free(struct places *p)
{
	table_free(&p->by_stack);
	table_free(&p->by_frame);
	table_free(&p->classes);
}

/* Virtual machines, which compile what they run, and what makes them write /tmp/perf-PID.map. */
static const struct machine {
	const char *modules, *how;
} machines[] = {
	{"libjvm.so libj9vm*",
	 "lines of Java are not known: start java with -XX:+PreserveFramePointer, and when it is "
	 "warm run `jcmd PID Compiler.perfmap` (JDK 17 and newer)"},
	{"libcoreclr.so", "lines of .NET are not known: start it with DOTNET_PerfMapEnabled=1"},
	{"libmono* beam.smp", "lines of what a virtual machine compiles are not known"},
};

const char *site_machine(const char *module)
{
	const char *slash = module ? strrchr(module, '/') : NULL;

	for (size_t i = 0; slash && i < sizeof(machines) / sizeof(machines[0]); i++)
		if (fits_one(machines[i].modules, slash + 1, false))
			return machines[i].how;
	return NULL;
}

/* Does the frame enter the program that a virtual machine runs, code being true if frames of that
 * program were met?  Whoever called the machine only starts it. */
static bool enters_machine(const struct code_frame *f, bool code)
{
	return code && f && f->language == EV_LANG_NATIVE && site_machine(f->module);
}

/* Is it a frame of a program that a virtual machine may have compiled? */
static bool is_compiled_by_machine(const struct code_frame *f)
{
	return !f || f->language == EV_LANG_JAVA ||
	       (f->language == EV_LANG_NATIVE && is_nameless(f));
}

/* Tasks of a driver that send all requests of a connection.  Whoever runs such a task is not who
 * asks, unless the driver itself runs it for its caller. */
#define CARRIERS     "tokio_postgres::connection::Connection<*"
#define CARRIED_HERE "postgres::*"

/* Is the frame above a carrier whose caller is not known to ask, carried telling of those before?
 */
static bool is_carried(const struct code_frame *f, bool carried)
{
	struct site_look l;

	if (!f || f->language != EV_LANG_NATIVE || !f->function)
		return carried;
	site_look_at(&l, f);
	if (fits_one(CARRIERS, l.function, true))
		return true;
	return carried && !fits_one(CARRIED_HERE, l.function, true);
}

/* Without memory for the entry, a class is only found again. */
enum site_class places_class(struct places *p, const struct code_frame *f)
{
	struct table_key key = {(uintptr_t)f, 0};
	struct table *classes = p->shared ? p->shared : &p->classes;
	uintptr_t known = (uintptr_t)table_get(classes, key);

	if (known)
		return (enum site_class)(known - 1);
	known = (uintptr_t)site_class(f, p->more) + 1;
	table_put(classes, key, (void *)known);
	return (enum site_class)(known - 1);
}

const struct code_frame *places_frame(struct places *p, const struct code_stack *s)
{
	const struct code_frame *package = NULL, *starter = NULL;
	bool code = false, carried = false;

	for (uint32_t i = 0; i < s->count; i++) {
		const struct code_frame *f = code_frame(p->code, s->frame[i]);
		enum site_class class = f ? places_class(p, f) : SITE_NAMELESS;

		carried = is_carried(f, carried);
		if (class == SITE_OWN)
			return carried ? NULL : f;
		if (enters_machine(f, code))
			break;
		code = code || is_compiled_by_machine(f);
		if (class == SITE_PACKAGE && !package)
			package = f;
		/* A starter called by a library is code that the library generated, not the start
		 * of the program. */
		if (class == SITE_STARTER && !starter)
			starter = f;
		else if (class == SITE_DATABASE || class == SITE_PACKAGE)
			starter = NULL;
	}
	return package ? package : starter;
}

static bool site_same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

const struct code_frame *places_caller(struct places *p, const struct code_stack *s)
{
	const struct code_frame *answers = NULL;

	for (uint32_t i = 0; i < s->count; i++) {
		const struct code_frame *f = code_frame(p->code, s->frame[i]);

		if (!f || places_class(p, f) != SITE_OWN)
			continue;
		if (!answers)
			answers = f;
		else if (!site_same_text(f->function, answers->function) ||
			 !site_same_text(f->file, answers->file))
			return f;
	}
	return NULL;
}

static uint64_t site_mix(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3ULL;
	return (hash ^ 0xff) * 0x100000001b3ULL;
}

/* A place is one line of one function; without a line, one address. */
static struct table_key frame_key(const struct code_frame *f)
{
	uint64_t at = f->line ? f->line : f->offset;

	return (struct table_key){site_mix(site_mix(0xcbf29ce484222325ULL, f->function), f->file),
				  site_mix(at << 8 | f->language, f->line ? NULL : f->module)};
}

static const struct place *place_make(struct places *p, const struct code_stack *s)
{
	const struct code_frame *f = places_frame(p, s);
	struct place *place;

	if (!f)
		return NULL;
	place = table_get(&p->by_frame, frame_key(f));
	if (place)
		return place;
	place = arena_alloc(p->arena, sizeof(*place));
	if (!place)
		return NULL;
	*place = (struct place){f, s};
	return table_put(&p->by_frame, frame_key(f), place) ? NULL : place;
}

const struct place *places_find(struct places *p, uint64_t stack)
{
	static const struct place none;
	struct table_key key = {stack, 0};
	const struct code_stack *s = code_stack(p->code, stack);
	const struct place *place = s ? table_get(&p->by_stack, key) : NULL;

	if (!s || place)
		return place == &none ? NULL : place;
	place = place_make(p, s);
	/* Without memory for the entry, the place is only searched for again. */
	table_put(&p->by_stack, key, (void *)(place ? place : &none));
	return place;
}
