"""psycopg 3: what a program does with it, printed."""

import hashlib
import logging
from datetime import datetime, timezone

import psycopg
from psycopg import pq

from transcript import CHANNEL, GIVEN, LARGE, LARGE_VALUE, NUMBER, SLEEP, fault, print_answer, run, script


def connect():
    """Statements are prepared at their third run."""
    opened = psycopg.connect("", autocommit=True, **GIVEN)
    opened.prepare_threshold = 2
    opened.prepared_max = 20
    return opened


conn = connect()
logging.disable()  # it logs, now and then, what is raised too


def ask(sql, *args, **options):
    print(sql, args)
    try:
        print_answer(conn.execute(sql, args or None, **options))
    except psycopg.Error as error:
        fault(error)


def statements(name):
    def work():
        for sql in script(name):
            ask(sql)
    return name, work


def prepared():
    for i in range(8):
        ask("select i, t from mine where i = %s", i)
        ask("select %s::text || %s", f"run {i}", f" of {NUMBER}", prepare=True)
        ask("select %s::int / %s", 8, i - 4)
    for i in range(40):  # more than it keeps
        conn.execute(f"select {i}, %s::int", [i], prepare=True)
    ask("begin")
    for i in range(4):
        ask("select i, t from mine where i = %s", i, prepare=True)
        ask("savepoint s")
        ask("select %s::int / %s", 8, i - 2, prepare=True)
        ask("rollback to s")
    ask("rollback")
    ask("select no_such_column from mine where i = %s", 1, prepare=True)
    with conn.cursor() as cursor:
        cursor.executemany("insert into mine values (%s, %s)", [(i, f"many {i}") for i in range(100, 150)])
        print(cursor.rowcount)
    ask("delete from mine where i >= 100")
    ask("deallocate all")


def native():
    """Values in PostgreSQL's binary format, and a time in the client's zone."""
    ask("select timestamptz '2024-07-01 12:00:00+00', %s", datetime(2024, 1, 1, tzinfo=timezone.utc))
    ask("select %s::int[], %s::bytea, 1.50::numeric, null, true, '{\"a\": 1}'::jsonb", [1, 2], b"\x00\xff")
    print(conn.execute("select %s::int8, timestamptz '2024-07-01 12:00:00+00'", [1], binary=True).fetchall())


def pipeline():
    with conn.pipeline():
        cursors = [conn.execute("select i, t, %s::text from mine where i = %s", [f"of {NUMBER}", i]) for i in range(1, 8)]
        for cursor in cursors:
            print(cursor.fetchone())
    try:
        with conn.pipeline() as pipe:
            first = conn.execute("insert into mine values (%s, 'before')", [200])
            pipe.sync()
            conn.execute("select 1 / %s", [0])
            last = conn.execute("insert into mine values (%s, 'behind')", [201])
            pipe.sync()
            third = conn.execute("select count(*) from mine where i >= %s", [200])
            print(first.rowcount, third.fetchone(), last.rowcount)
    except psycopg.Error as error:
        fault(error)
    ask("select i, t from mine where i >= 200")
    with conn.pipeline(), conn.transaction():
        conn.execute("delete from mine where i = 200")
        print(conn.execute("select count(*) from mine").fetchone())
    ask("select count(*) from mine")


def copy():
    ask("create table copied (i int primary key, t text)")
    with conn.cursor() as cursor:
        with cursor.copy("copy copied (i, t) from stdin") as stream:
            for i in range(500):
                stream.write_row((i, f"line {i} of {NUMBER}"))
        print(cursor.rowcount)
        with cursor.copy("copy copied to stdout (format binary)") as stream:
            print(hashlib.md5(b"".join(bytes(block) for block in stream)).hexdigest())
        try:
            with cursor.copy("copy copied from stdin") as stream:
                stream.write(b"1000\tgood\nbad\tnot a number\n")
        except psycopg.Error as error:
            fault(error)
        try:
            with cursor.copy("copy copied from stdin") as stream:
                stream.write(b"1000\tgood\n")
                raise ValueError("the source is broken")
        except (ValueError, psycopg.Error) as error:
            fault(error)
        try:
            with cursor.copy("copy (select 1 / (i - 400) from copied order by i) to stdout") as stream:
                for _ in stream:
                    pass
        except psycopg.Error as error:
            fault(error)
    ask("select count(*), sum(i), max(t) from copied")


def large():
    digest, n = hashlib.md5(), 0
    for i, text in conn.cursor().stream(LARGE):
        n += 1
        digest.update(b"%d %s" % (i, text.encode()))
    print(n, digest.hexdigest())
    ask("select length(%s)", LARGE_VALUE)


def cursors():
    with conn.transaction(), conn.cursor("by_name") as cursor:
        cursor.itersize = 100
        cursor.execute("select i from generate_series(1, %s) i", [1000])
        print(cursor.fetchmany(5), sum(i for i, in cursor))


def transactions():
    with conn.transaction():
        ask("insert into mine values (%s, 'outer')", 300)
        try:
            with conn.transaction("inner"):
                conn.execute("insert into mine values (%s, 'twice')", [300])
        except psycopg.errors.UniqueViolation as error:
            fault(error)
        with conn.transaction(force_rollback=True):
            ask("insert into mine values (%s, 'rolled back')", 301)
    ask("select i, t from mine where i >= 300")
    conn.autocommit = False
    conn.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
    ask("show transaction_isolation")
    ask("select 1/0")
    ask("select 'refused'")
    conn.rollback()
    conn.isolation_level = None
    conn.autocommit = True
    ask("delete from mine where i >= 300")


def cancel():
    def stop(diagnostic):
        if diagnostic.message_primary == "begun":
            conn.cancel()

    conn.add_notice_handler(stop)
    for _ in range(2):
        try:
            conn.execute(SLEEP)
        except psycopg.Error as error:
            fault(error)
        ask("select 'goes on'")
    ask("begin")
    try:
        conn.execute(SLEEP)
    except psycopg.Error as error:
        fault(error)
    ask("select 'refused'")
    ask("rollback")
    conn.remove_notice_handler(stop)
    ask("select 'goes on', %s", NUMBER)


def notify():
    ask(f"listen {CHANNEL}")
    ask(f"notify {CHANNEL}, 'to oneself'")
    notifications(1)
    with connect() as other:
        for i in range(3):
            other.execute("select pg_notify(%s, %s)", (CHANNEL, f"number {i} to {NUMBER}"))
    notifications(3)
    ask(f"unlisten {CHANNEL}")
    ask(f"notify {CHANNEL}, 'to nobody'")
    ask(f"listen {CHANNEL}")
    ask(f"notify {CHANNEL}, 'the last'")
    notifications(1)


heard = []
conn.add_notify_handler(lambda n: heard.append((n.channel, n.payload, n.pid)))


def listen():
    """Wait for the next ones, beside those that come with an answer."""
    for n in conn.wait(psycopg.generators.notifies(conn.pgconn)):
        heard.append((n.relname.decode(), n.extra.decode(), n.be_pid))


def notifications(n):
    while len(heard) < n:
        listen()
    for _ in range(n):
        print(heard.pop(0)[:2])


def own_notifications():
    ask("listen news")
    ask("notify news")
    while not any(pid == conn.info.backend_pid for _, _, pid in heard):
        listen()
    print("from oneself")
    ask("unlisten news")
    heard.clear()


for sql in script("setup"):
    ask(sql)
print(pq.__impl__)
run(
    [
        statements("settings"), statements("datestyle"), statements("reset"), statements("role"), ("prepared", prepared), ("native", native),
        ("pipeline", pipeline), ("copy", copy), ("large", large), ("cursors", cursors), statements("errors"),
        statements("savepoints"), ("transactions", transactions), ("cancel", cancel), statements("sqlprepare"),
        ("notify", notify), ("own notifications", own_notifications), statements("temp"), statements("hold"),
        statements("advisory"),
    ],
    statements("state")[1],
)
conn.close()
