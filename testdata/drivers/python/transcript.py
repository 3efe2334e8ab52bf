"""What the programs for the Python drivers have in common: sections, and how answers are printed."""

import os

NUMBER = int(os.environ["CLIENT"])
NAME = f"{os.environ['NAME']} {NUMBER}"
ROWS = int(os.environ["ROWS"])  # of a large result
GIVEN = {"application_name": NAME, "options": f"-c work_mem=4{NUMBER}00kB"}
CHANNEL = f"channel_{NUMBER}"
SLEEP = "do $$ begin raise notice 'begun'; perform pg_sleep(300); end $$"
LARGE = f"select i, repeat(md5(i::text), 5) from generate_series(1, {ROWS}) i"
LARGE_VALUE = "große Parameter " * (3 * ROWS)


def script(name):
    """The statements of one of the files for all drivers."""
    with open(os.path.join(os.environ["STATEMENTS"], name + ".sql")) as file:
        lines = [line.strip() for line in file]
    return [line for line in lines if line and not line.startswith("#")]


def fault(error):
    """Print an error, by what PostgreSQL says of it."""
    diag = getattr(error, "diag", None)
    if diag is None or diag.sqlstate is None:
        print("!", type(error).__name__, error)
        return
    print("!", type(error).__name__, diag.severity, diag.sqlstate, diag.message_primary, diag.message_detail, diag.constraint_name)


def print_answer(cursor):
    """Print the rows of a cursor, if it has any, and its command's tag."""
    if cursor.description:
        print([column[0] for column in cursor.description])
        for row in cursor.fetchall():
            print(row)
    print(cursor.statusmessage)


def run(sections, state):
    """Run the sections. A file of statements is a section of its own name."""
    for name, work in sections:
        print("==", name)
        work()
        state()
