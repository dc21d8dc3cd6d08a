# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Private database servers for the live tests.

Each server lives in a folder of its own below one temporary folder, runs as an ordinary user on
free ports of 127.0.0.1 and ::1 and on its own Unix socket, and is stopped and wiped at the end.
Servers and settings of the system are never touched.
"""
import contextlib
import functools
import glob
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
INSIDE = os.path.join(HERE, "inside")
SID = os.path.join(TOP, "build", "mysql", "root")  # a root file system, made by scripts/mysql-server
ROWS = 600_000        # of table items in PostgreSQL
MYSQL_ROWS = 200_000  # the same in MariaDB
PASSWORD = "opensesame"
OWNER = "nobody"


def free_port():
    """A TCP port that is free on both loopback addresses."""
    while True:
        with socket.socket(socket.AF_INET6) as probe:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            probe.bind(("::", 0))
            port = probe.getsockname()[1]
        if port > 1024:
            return port


def newest(pattern):
    found = sorted(glob.glob(pattern))
    return found[-1] if found else None


class Server:
    """Common life of a server: prepare, start, wait, stop."""
    polite = signal.SIGKILL  # its data is thrown away
    who = {"user": OWNER, "group": "nogroup", "extra_groups": []}  # that starts its programs

    def __init__(self, folder, janitor):
        self.folder = os.path.join(folder, self.name)
        self.janitor = janitor
        self.process = None

    def call(self, *argv, **more):
        done = subprocess.run(argv, stdout=self.log, stderr=self.log, cwd=self.folder, **self.who, **more)
        if done.returncode:
            raise RuntimeError(f"{argv[0]} exited {done.returncode}; its last words:\n{self.tail()}")
        return done

    def start(self):
        os.mkdir(self.folder, 0o755)
        shutil.chown(self.folder, OWNER, "nogroup")
        self.log = open(os.path.join(self.folder, "log"), "ab")
        self.port = free_port()
        self.prepare()
        self.process = subprocess.Popen(
            self.command(), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            start_new_session=True, **self.who)
        self.janitor.watch(self.process.pid, self.polite)
        self.wait()
        self.fill()

    def certificate(self):
        """A key and a certificate signed with it, in the server's folder."""
        key, crt = os.path.join(self.folder, "key.pem"), os.path.join(self.folder, "crt.pem")
        self.call("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                  "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", crt)
        os.chmod(key, 0o600)
        return key, crt

    def wait(self):
        deadline = time.monotonic() + 60
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not start; see its log:\n{self.tail()}")
            time.sleep(0.1)

    def tail(self):
        with open(os.path.join(self.folder, "log"), errors="replace") as log:
            return log.read()[-2000:]

    def pids(self):
        """The server's own processes, which must never be accused."""
        return self.janitor.family(self.process.pid) if self.process else set()

    def stop(self):
        if self.process:
            self.janitor.end(self.process)
            self.process = None


class PostgreSQL(Server):
    name = "postgresql"
    polite = signal.SIGQUIT  # at once, but removing its shared memory
    hba = "local all secret scram-sha-256\nhost all secret all scram-sha-256\n" \
          "local all all trust\nhost all all all trust\n" \
          "local replication all trust\nhost replication all all trust\n"
    settings = {"max_connections": 1500, "shared_buffers": "64MB", "wal_level": "logical",
                "autovacuum": "off", "fsync": "off", "full_page_writes": "off", "jit": "off",
                "max_prepared_transactions": 0, "listen_addresses": "127.0.0.1,::1"}

    @staticmethod
    def missing():
        return None if newest("/usr/lib/postgresql/*/bin/postgres") else "PostgreSQL's server"

    def __init__(self, folder, janitor):
        super().__init__(folder, janitor)
        self.bin = os.path.dirname(newest("/usr/lib/postgresql/*/bin/postgres") or "")
        self.data = os.path.join(self.folder, "data")

    def prepare(self):
        self.call(f"{self.bin}/initdb", "-D", self.data, "-U", "app", "--no-sync", "-E", "UTF8",
                  "--locale=C", "-A", "trust")
        settings = dict(self.settings, port=self.port, unix_socket_directories=self.folder)
        with open(os.path.join(self.data, "postgresql.auto.conf"), "a") as conf:
            conf.writelines(f"{key} = '{value}'\n" for key, value in settings.items())
        with open(os.path.join(self.data, "pg_hba.conf"), "w") as hba:
            hba.write(self.hba)

    def command(self):
        return [f"{self.bin}/postgres", "-D", self.data]

    def answers(self):
        return subprocess.run([f"{self.bin}/pg_isready", "-q", "-h", self.folder, "-p",
                               str(self.port)]).returncode == 0

    def sql(self, text, database="shop"):
        done = subprocess.run(
            [f"{self.bin}/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.folder,
             "-p", str(self.port), "-U", "app", "-d", database, "-f", "-"],
            input=text, text=True, capture_output=True)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {done.stderr}")
        return done.stdout

    def fill(self):
        self.sql("create database shop", "postgres")
        self.sql(f"""
            create role secret login superuser password '{PASSWORD}';
            create table items (id int primary key, name text not null, price int not null);
            insert into items select i, 'item ' || i, i % 1000 from generate_series(1, {ROWS}) i;
            create table notes (id int, body text);
            create table copied (id int, body text);
            analyze items;""")
        # Now, since it waits for every writing transaction to end.
        self.sql("select pg_create_logical_replication_slot('news', 'test_decoding')")

    def endpoint(self, way, driver="psycopg2"):
        """The environment that leads a client here over `way`: tcp4, tcp6 or unix."""
        host = {"tcp4": "127.0.0.1", "tcp6": "::1", "unix": self.folder}[way]
        return {"DB_KIND": "postgresql", "DB_DRIVER": driver, "PGHOST": host,
                "PGPORT": str(self.port), "PGUSER": "app", "PGDATABASE": "shop",
                "DB_URL": f"postgresql+psycopg2://app@/shop?host={host}&port={self.port}"}

    def address(self, way):
        """The same as the report prints it."""
        return {"tcp4": f"127.0.0.1:{self.port}", "tcp6": f"[::1]:{self.port}",
                "unix": f"{self.folder}/.s.PGSQL.{self.port}"}[way]

    def sessions(self):
        """{application name: (sessions, idle in transaction, at work)}"""
        lines = self.sql("""
            select application_name, count(*), count(*) filter (where state like 'idle in transaction%'),
                   count(*) filter (where state not like 'idle%')
            from pg_stat_activity group by 1""").splitlines()
        fields = [line.split("|") for line in lines]
        return {name: tuple(map(int, counts)) for name, *counts in fields}


class TlsPostgreSQL(PostgreSQL):
    """The same, with a certificate of its own; its clients must use it."""
    name = "postgresql-tls"

    def prepare(self):
        super().prepare()
        key, crt = self.certificate()
        with open(os.path.join(self.data, "postgresql.auto.conf"), "a") as conf:
            conf.write(f"ssl = on\nssl_key_file = '{key}'\nssl_cert_file = '{crt}'\n")

    def fill(self):
        self.sql("create database shop", "postgres")
        self.sql("create table items as select i as id, 'item ' || i as name, i as price "
                 f"from generate_series(1, {MYSQL_ROWS}) i; alter table items add primary key (id)")

    def endpoint(self, way, driver="psycopg2"):
        return dict(super().endpoint(way, driver), PGSSLMODE="require")

    def knock(self):
        subprocess.run([f"{self.bin}/psql", "-X", "-q", "-c", "select 1"], env=self.endpoint("tcp4"), check=True,
                       stdout=subprocess.DEVNULL)


class MariaDB(Server):
    name = "mariadb"

    @staticmethod
    def missing():
        return None if shutil.which("mariadbd", path="/usr/sbin:/usr/bin") else "MariaDB's server"

    def prepare(self):
        self.socket = os.path.join(self.folder, "mysqld.sock")
        self.data = os.path.join(self.folder, "data")
        self.call("mariadb-install-db", "--no-defaults", f"--datadir={self.data}",
                  "--auth-root-authentication-method=normal", "--skip-test-db",
                  "--innodb-log-file-size=16M", "--innodb-use-native-aio=0",
                  f"--tmpdir={self.folder}")  # each server removes all temporary tables there at its start

    def command(self):
        return ["mariadbd", "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}",
                f"--port={self.port}", "--bind-address=127.0.0.1,::1", "--skip-name-resolve",
                f"--pid-file={self.folder}/pid", "--max-connections=1500", "--local-infile=1",
                "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=128M",
                "--innodb-log-file-size=16M", "--innodb-use-native-aio=0", f"--tmpdir={self.folder}",
                "--sync-binlog=0"]

    def answers(self):
        return os.path.exists(self.socket) and subprocess.run(
            ["mariadb", "--no-defaults", "-u", "root", "-S", self.socket, "-e", "do 1"],
            capture_output=True).returncode == 0

    def sql(self, text, database="shop"):
        done = subprocess.run(["mariadb", "--no-defaults", "-u", "root", "-S", self.socket, "-N", "-B",
                               database], input=text, text=True, capture_output=True)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {done.stderr}")
        return done.stdout

    def fill(self):
        self.sql(f"""
            create database shop;
            create user app identified by '';
            create user secret identified by '{PASSWORD}';
            grant all on *.* to app; grant all on *.* to secret;
            use shop;
            create table items (id int primary key, name varchar(100) not null, price int not null);
            insert into items select seq, concat('item ', seq), seq % 1000 from seq_1_to_{MYSQL_ROWS};
            create table notes (id int, body text);
            create table loaded (id int, body text);""", "mysql")

    def endpoint(self, way, driver="pymysql"):
        host = {"tcp4": "127.0.0.1", "tcp6": "::1", "unix": "localhost"}[way]
        place = {"tcp4": f"127.0.0.1:{self.port}", "tcp6": f"[::1]:{self.port}", "unix": "localhost"}[way]
        unix = self.socket if way == "unix" else ""
        query = f"?unix_socket={unix}" if unix else ""
        return {"DB_KIND": "mysql", "DB_DRIVER": driver, "DB_HOST": host, "DB_PORT": str(self.port),
                "DB_SOCKET": unix, "DB_USER": "app", "DB_NAME": "shop",
                "DB_URL": f"mysql+{driver}://app@{place}/shop{query}"}

    def address(self, way):
        return {"tcp4": f"127.0.0.1:{self.port}", "tcp6": f"[::1]:{self.port}",
                "unix": self.socket}[way]


class TlsMariaDB(MariaDB):
    """The same, with a certificate of its own; DB_TLS leads its clients to it."""
    name = "mariadb-tls"

    def prepare(self):
        super().prepare()
        self.key, self.crt = self.certificate()

    def command(self):
        return [*super().command(), f"--ssl-key={self.key}", f"--ssl-cert={self.crt}", f"--ssl-ca={self.crt}",
                "--version=11.8.3-MariaDB"]  # it greets as newer ones do, without 5.5.5- before its version

    def endpoint(self, way, driver="pymysql"):
        plain = super().endpoint(way, driver)
        url = plain["DB_URL"] + ("&" if "?" in plain["DB_URL"] else "?") + f"ssl_ca={self.crt}"
        if driver == "pymysql":
            url += "&ssl_check_hostname=false"
        return dict(plain, DB_TLS=self.crt, DB_URL=url)

    def knock(self):
        subprocess.run(["mariadb", "--no-defaults", f"--ssl-ca={self.crt}", "-u", "app", "-h", "127.0.0.1", "-P",
                        str(self.port), "-e", "do 1"], check=True)


class MySQL(TlsMariaDB):
    """MySQL's own, of Debian's sid: passwords by caching_sha2_password, TLS required over TCP."""
    name = "mysql-tls"
    who = {}  # as root, which `inside` drops

    @staticmethod
    @functools.cache
    def missing():
        done = subprocess.run([os.path.join(TOP, "scripts", "mysql-server")], capture_output=True, text=True)
        return f"MySQL's server of Debian's sid ({done.stdout.strip()})" if done.returncode else None

    def mysqld(self, *more):
        return [INSIDE, SID, self.folder, "/usr/sbin/mysqld", "--no-defaults", f"--datadir={self.data}",
                "--skip-log-bin", "--innodb-use-native-aio=0", "--innodb-redo-log-capacity=64M",
                f"--tmpdir={self.folder}", *more]

    def prepare(self):
        self.socket = os.path.join(self.folder, "mysqld.sock")
        self.data = os.path.join(self.folder, "data")
        self.call(*self.mysqld("--initialize-insecure"))  # makes keys and certificates, too
        self.crt = os.path.join(self.data, "ca.pem")
        self.key = None

    def command(self):
        return self.mysqld(f"--socket={self.socket}", f"--port={self.port}", "--bind-address=127.0.0.1,::1",
                           "--skip-name-resolve", f"--pid-file={self.folder}/pid", "--max-connections=600",
                           "--local-infile=1", "--mysqlx=OFF", "--secure-file-priv=NULL",
                           "--require-secure-transport=ON", "--innodb-flush-log-at-trx-commit=0",
                           "--innodb-buffer-pool-size=64M")

    def fill(self):
        self.sql(f"""
            create database shop;
            create user app identified by '{PASSWORD}';
            grant all on *.* to app;
            use shop;
            create table items (id int primary key, name varchar(100) not null, price int not null);
            set session cte_max_recursion_depth = {MYSQL_ROWS};
            insert into items with recursive n as (select 1 as i union all select i + 1 from n where i < {MYSQL_ROWS})
                select i, concat('item ', i), i % 1000 from n;
            create table notes (id int, body text);
            create table loaded (id int, body text);""", "mysql")

    def endpoint(self, way, driver="pymysql"):
        """Over TCP with TLS; over a Unix socket without."""
        found = super().endpoint(way, driver) if way != "unix" else MariaDB.endpoint(self, way, driver)
        return dict(found, DB_PASSWORD=PASSWORD, DB_URL=found["DB_URL"].replace("//app@", f"//app:{PASSWORD}@"))

    def knock(self):
        """Through each TLS library that clients come with: GnuTLS, OpenSSL, sid's OpenSSL, Node's own."""
        program = os.path.join(self.folder, "mysqlclient_habits")
        shutil.copy(os.path.join(TOP, "build", "clients", "mysqlclient_habits"), program)
        clients = os.path.join(HERE, "clients")
        env = dict(os.environ, **self.endpoint("tcp4"), NODE_PATH=os.path.join(TOP, "build", "npm", "node_modules"),
                   MYSQL2="mysql2-now", MYSQLCLIENT="libmysqlclient.so.24")
        knocks = [["mariadb", "--no-defaults", f"--ssl-ca={self.crt}", "-u", "app", f"-p{PASSWORD}", "-h", "127.0.0.1",
                   "-P", str(self.port), "-e", "do 1"], ["/usr/bin/python3", "-Bc", "import db; db.connect()"],
                  [INSIDE, SID, self.janitor.folder, program, "once"],
                  ["node", os.path.join(clients, "tls_node.js"), "mysql2", "once"]]
        started = [subprocess.Popen(argv, env=env, cwd=clients, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
                   for argv in knocks]
        for one in started:
            one.wait(60)


class Redis(Server):
    name = "redis"

    @staticmethod
    def missing():
        return None if shutil.which("redis-server", path="/usr/sbin:/usr/bin") else "redis-server"

    def prepare(self):
        self.socket = os.path.join(self.folder, "redis.sock")

    def command(self):
        return ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "::1", "--unixsocket", self.socket,
                "--unixsocketperm", "777", "--save", "", "--appendonly", "no", "--dir", self.folder]

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return os.path.exists(self.socket) and connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def fill(self):
        pass

    def endpoint(self, way, driver="hiredis"):
        return {"DB_KIND": "redis", "DB_DRIVER": driver, "DB_HOST": "::1" if way == "tcp6" else "127.0.0.1",
                "DB_PORT": str(self.port), "DB_SOCKET": self.socket}


class PgBouncer(Server):
    """A pooler in front of the private PostgreSQL, its server connections kept idle."""
    name = "pgbouncer"
    # $PGBOUNCER serves where it is unpacked but not installed.
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin") or os.environ.get("PGBOUNCER")

    @classmethod
    def missing(cls):
        return None if cls.program else "pgbouncer"

    def __init__(self, folder, janitor, postgresql):
        super().__init__(folder, janitor)
        self.behind = postgresql

    def prepare(self):
        with open(os.path.join(self.folder, "ini"), "w") as ini:
            ini.write(f"[databases]\nshop = host=127.0.0.1 port={self.behind.port} user=app\n"
                      f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\n"
                      f"unix_socket_dir =\nauth_type = any\npool_mode = transaction\n"
                      f"default_pool_size = 20\nserver_idle_timeout = 600\nmax_client_conn = 200\n"
                      f"ignore_startup_parameters = extra_float_digits\n")

    def command(self):
        return [self.program, os.path.join(self.folder, "ini")]

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def fill(self):
        pass

    def endpoint(self, way, driver="psycopg2"):
        return dict(self.behind.endpoint("tcp4", driver), PGPORT=str(self.port),
                    DB_URL=f"postgresql+psycopg2://app@/shop?host=127.0.0.1&port={self.port}")

    def address(self, way):
        return f"127.0.0.1:{self.port}"


class SQLite(Server):
    """No server at all: a file with the tables, of which each client gets a copy."""
    name = "sqlite"

    @staticmethod
    def missing():
        return None

    def start(self):
        os.mkdir(self.folder, 0o755)
        self.file = os.path.join(self.folder, "shop.db")
        with contextlib.closing(sqlite3.connect(self.file)) as base, base:
            base.execute("create table items (id integer primary key, name text, price int)")
            base.execute("create table notes (id integer primary key, body blob)")
            base.executemany("insert into items values (?, ?, ?)", ((i, f"item {i}", i % 1000) for i in range(1, 20001)))
            base.executemany("insert into notes values (?, ?)", ((i, bytes(100)) for i in range(1, 101)))

    def endpoint(self, way, driver=None):
        return {}

    def address(self, way):
        """Within the client's own folder."""
        return way
