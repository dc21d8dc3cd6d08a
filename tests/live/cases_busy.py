# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Round `busy`: healthy programs at full speed, none of which may be accused."""
from rounds import Case


def pgbench_tables(servers, folder):
    server = servers["postgresql"]
    if server.sql("select to_regclass('pgbench_accounts')").strip():
        return
    server.sql("""
        create table pgbench_accounts as select i as aid, 1 as bid, 0 as abalance, repeat(' ', 84)::char(84) as filler
            from generate_series(1, 100000) i;
        alter table pgbench_accounts add primary key (aid);
        create table pgbench_branches as select 1 as bid, 0 as bbalance, ''::char(88) as filler;
        create table pgbench_tellers as select i as tid, 1 as bid, 0 as tbalance, ''::char(84) as filler
            from generate_series(1, 10) i;
        create table pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22))""")


def sysbench_tables(servers, folder):
    server = servers["mariadb"]
    server.sql("""
        create table if not exists sbtest1 (id int primary key auto_increment, k int not null default 0,
            c char(120) not null default '', pad char(60) not null default '', key k_1 (k));
        insert into sbtest1 (k, c, pad) select seq, md5(seq), md5(seq) from seq_1_to_10000""")


def busy(sentence, client, server="postgresql", way="tcp4", driver=None, **more):
    return Case(sentence, client, server, way, driver, round="busy", **more)


BENCH = {"says_ready": False, "prepare": pgbench_tables}

CASES = [
    busy("pgbench with eight prepared sessions is well", ["pgbench", "-n", "-c", "8", "-j", "2", "-M", "prepared",
         "-T", "120", "shop"], way="unix", sockets=(8, 8), counts={"connections.opened": (8, 9)}, **BENCH),
    busy("pgbench that connects for each transaction is well", ["pgbench", "-n", "-C", "-c", "2", "-T", "120", "shop"],
         sockets=(0, 3), counts={"connections.opened": (50, 1000000)}, **BENCH),
    busy("sysbench on MariaDB is well", ["sysbench", "oltp_read_only", "--db-driver=mysql",
         "--mysql-socket={DB_SOCKET}",
         "--mysql-user=app", "--mysql-db=shop", "--tables=1", "--table-size=10000", "--threads=2", "--time=120", "run"],
         "mariadb", "unix", says_ready=False, prepare=sysbench_tables, sockets=(2, 2)),
    busy("600,000 rows read one by one are well", ["pq_wire", "rows"], way="tcp6", sockets=(1, 1), slack=0),
    busy("6,000 shapes of statements are well", ["shapes.py"], way="tcp4", driver="psycopg2", sockets=(1, 1),
         says_ready=False),
    busy("6,000 shapes of statements are well on MariaDB", ["shapes.py"], "mariadb", "tcp6", "mysqldb",
         sockets=(1, 1), says_ready=False),
]


def quiet_ring(look):
    """Healthy load, however fast, puts almost nothing through the ring."""
    if look.report is None:
        return ["no report"]
    rate = look.report["cost"]["events"] / look.report["window"]["seconds"]
    return [] if rate < 200 else [f"{rate:.0f} records a second went through the ring"]
