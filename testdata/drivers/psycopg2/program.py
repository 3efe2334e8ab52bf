"""psycopg2: what a program does with it, printed."""

import hashlib
import io
import select
import threading

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.extras

from transcript import CHANNEL, GIVEN, LARGE, LARGE_VALUE, NUMBER, ROWS, fault, print_answer, run, script

conn = psycopg2.connect("", **GIVEN)
conn.autocommit = True


def ask(sql, *args):
    print(sql, args)
    try:
        with conn.cursor() as cursor:
            cursor.execute(sql, args or None)
            print_answer(cursor)
    except psycopg2.Error as error:
        fault(error)


def statements(name):
    def work():
        for sql in script(name):
            ask(sql)
    return name, work


def parameters():
    for i in range(5):
        ask("select t, %s from mine where i = %s", f"of {NUMBER}", i + 1)
    with conn.cursor() as cursor:
        psycopg2.extras.execute_values(cursor, "insert into mine values %s", [(i, f"value {i}") for i in range(100, 150)])
        print(cursor.statusmessage)
        psycopg2.extras.execute_batch(cursor, "delete from mine where i = %s", [(i,) for i in range(100, 150)], page_size=20)
        print(cursor.statusmessage)
    ask("select count(*) from mine")
    ask("select %s, %s, %s, %s", None, 1.5, [1, 2], "it's \\")


def copy():
    ask("create table copied (i int primary key, t text)")
    with conn.cursor() as cursor:
        cursor.copy_from(io.StringIO("".join(f"{i}\tline {i} of {NUMBER}\n" for i in range(500))), "copied")
        print(cursor.rowcount)
        out = io.StringIO()
        cursor.copy_expert("copy copied to stdout with (format csv)", out)
        print(hashlib.md5(out.getvalue().encode()).hexdigest())
        for text in ("1000\tgood\nbad\tnot a number\n", "7\ttwice\n"):
            try:
                cursor.copy_expert("copy copied from stdin", io.StringIO(text))
            except psycopg2.Error as error:
                fault(error)
        try:
            cursor.copy_expert("copy (select 1 / (i - 400) from copied order by i) to stdout", io.StringIO())
        except psycopg2.Error as error:
            fault(error)
    ask("select count(*), sum(i), max(t) from copied")


def large():
    with conn.cursor() as cursor:
        cursor.execute(LARGE)
        digest, n = hashlib.md5(), 0
        for i, text in cursor:
            n += 1
            digest.update(b"%d %s" % (i, text.encode()))
        print(n, digest.hexdigest())
    ask("select length(%s)", LARGE_VALUE)


def cursors():
    """Named cursors are DECLARE and FETCH in a transaction."""
    conn.autocommit = False
    with conn.cursor("by_name") as cursor:
        cursor.itersize = 100
        cursor.execute("select i from generate_series(1, 1000) i")
        print(cursor.fetchmany(5), sum(i for i, in cursor))
    conn.commit()
    conn.autocommit = True


def transactions():
    conn.autocommit = False
    try:
        with conn, conn.cursor() as cursor:
            cursor.execute("insert into mine values (300, 'kept')")
        with conn, conn.cursor() as cursor:
            cursor.execute("insert into mine values (301, 'rolled back')")
            cursor.execute("insert into mine values (300, 'twice')")
    except psycopg2.errors.UniqueViolation as error:
        fault(error)
    ask("select i, t from mine where i >= 300")
    ask("select 1/0")
    ask("select 'refused'")
    print(conn.info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_INERROR)
    conn.rollback()
    conn.set_session(isolation_level="SERIALIZABLE", readonly=True)
    ask("show transaction_isolation")
    ask("delete from mine where i = 300")
    conn.rollback()
    conn.set_session(isolation_level="READ COMMITTED", readonly=False)
    conn.tpc_begin(conn.xid(1, f"psycopg2_{NUMBER}", "b"))
    ask("delete from mine where i = 300")
    conn.tpc_prepare()
    conn.tpc_commit()
    ask("select count(*) from mine")
    conn.rollback()
    conn.autocommit = True


def cancel():
    """A thread cancels until the statement has ended: it cannot know when it has begun."""
    for begin in (False, True):
        conn.autocommit = not begin
        ask("select 'before'")
        ended = threading.Event()

        def work():
            while not ended.wait(0.05):
                conn.cancel()

        thread = threading.Thread(target=work)
        thread.start()
        ask("select pg_sleep(300)")
        ended.set()
        thread.join()
        if begin:
            ask("select 'refused'")
            conn.rollback()
    conn.autocommit = True
    ask("select 'goes on'")


def notify():
    ask(f"listen {CHANNEL}")
    ask(f"notify {CHANNEL}, 'to oneself'")
    notifications(1)
    with psycopg2.connect("", **GIVEN) as other:
        with other.cursor() as cursor:
            for i in range(3):
                cursor.execute("select pg_notify(%s, %s)", (CHANNEL, f"number {i} to {NUMBER}"))
    other.close()
    notifications(3)
    ask(f"unlisten {CHANNEL}")
    ask(f"notify {CHANNEL}, 'to nobody'")
    ask(f"listen {CHANNEL}")
    ask(f"notify {CHANNEL}, 'the last'")
    notifications(1)


def notifications(n):
    while len(conn.notifies) < n:
        select.select([conn], [], [])
        conn.poll()
    for _ in range(n):
        notification = conn.notifies.pop(0)
        print(notification.channel, notification.payload)


def own_notifications():
    ask("listen news")
    ask("notify news")
    while not any(n.pid == conn.info.backend_pid for n in conn.notifies):
        select.select([conn], [], [])
        conn.poll()
    print("from oneself")
    ask("unlisten news")
    conn.notifies.clear()


def large_objects():
    conn.autocommit = False
    object = conn.lobject(0, "rwb")
    object.write(f"object of {NUMBER}".encode() * max(20, ROWS // 18))
    object.seek(5)
    print(object.tell(), object.read(10))
    object.truncate(100)
    print(object.seek(0, 2))
    object.close()
    object.unlink()
    conn.commit()
    conn.autocommit = True


for sql in script("setup"):
    ask(sql)
run(
    [
        statements("settings"), statements("datestyle"), statements("reset"), statements("role"), ("parameters", parameters), ("copy", copy),
        ("large", large), ("cursors", cursors), statements("errors"), statements("savepoints"), ("transactions", transactions),
        ("cancel", cancel), ("large objects", large_objects), statements("sqlprepare"), ("notify", notify),
        ("own notifications", own_notifications), statements("temp"), statements("hold"), statements("advisory"),
    ],
    statements("state")[1],
)
conn.close()
