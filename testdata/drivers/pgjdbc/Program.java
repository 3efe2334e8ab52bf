import java.io.StringReader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/** pgjdbc: what a program does with it, printed. */
public class Program {
    static final String NUMBER = System.getenv("CLIENT");
    static final int ROWS = Integer.parseInt(System.getenv("ROWS")); // of a large result
    static final String CHANNEL = "channel_" + NUMBER;

    static Connection conn;

    interface Work {
        void run() throws Exception;
    }

    public static void main(String[] args) throws Exception {
        conn = connect();
        statements("setup").run();
        section("settings", statements("settings"));
        section("datestyle", statements("datestyle"));
        section("reset", statements("reset"));
        section("role", statements("role"));
        section("prepared", Program::prepared);
        section("replan", Program::replan);
        section("parameters", Program::parameters);
        section("batch", Program::batch);
        section("copy", Program::copy);
        section("large", Program::large);
        section("portals", Program::portals);
        section("errors", statements("errors"));
        section("savepoints", statements("savepoints"));
        section("transactions", Program::transactions);
        section("cancel", Program::cancel);
        section("large objects", Program::largeObjects);
        section("sqlprepare", statements("sqlprepare"));
        section("notify", Program::notifications);
        section("own notifications", Program::ownNotifications);
        section("temp", statements("temp"));
        section("hold", statements("hold"));
        section("advisory", statements("advisory"));
        conn.close();
    }

    /** A statement has a name from its third execution on. */
    static Connection connect() throws SQLException {
        Properties given = new Properties();
        given.setProperty("user", System.getenv("PGUSER"));
        given.setProperty("password", System.getenv("PGPASSWORD"));
        given.setProperty("ApplicationName", System.getenv("NAME") + " " + NUMBER);
        given.setProperty("options", "-c work_mem=4" + NUMBER + "00kB");
        given.setProperty("sslmode", "disable");
        given.setProperty("prepareThreshold", "3");
        given.setProperty("preparedStatementCacheQueries", "30");
        String host = System.getenv("PGHOST") + ":" + System.getenv("PGPORT");
        return DriverManager.getConnection("jdbc:postgresql://" + host + "/" + System.getenv("PGDATABASE"), given);
    }

    static void section(String name, Work work) throws Exception {
        System.out.println("== " + name);
        work.run();
        statements("state").run();
    }

    static Work statements(String name) {
        return () -> {
            for (String line : Files.readAllLines(Path.of(System.getenv("STATEMENTS"), name + ".sql"))) {
                if (!line.isBlank() && !line.startsWith("#")) {
                    ask(line.strip());
                }
            }
        };
    }

    /** Runs a statement without parameters and prints what comes. */
    static void ask(String sql) throws SQLException {
        System.out.println(sql);
        try (Statement statement = conn.createStatement()) {
            print(statement, statement.execute(sql));
        } catch (SQLException e) {
            fault(e);
        }
    }

    /** Runs a prepared statement. */
    static void ask(PreparedStatement statement, Object... values) throws SQLException {
        try {
            for (int i = 0; i < values.length; i++) {
                statement.setObject(i + 1, values[i]);
            }
            print(statement, statement.execute());
        } catch (SQLException e) {
            fault(e);
        }
    }

    static void print(Statement statement, boolean rows) throws SQLException {
        for (; ; rows = statement.getMoreResults()) {
            if (rows) {
                print(statement.getResultSet());
            } else if (statement.getUpdateCount() >= 0) {
                System.out.println("changed " + statement.getUpdateCount());
            } else {
                return;
            }
        }
    }

    static void print(ResultSet rows) throws SQLException {
        int columns = rows.getMetaData().getColumnCount();
        int n = 0;
        for (; rows.next(); n++) {
            List<String> values = new ArrayList<>();
            for (int i = 1; i <= columns; i++) {
                values.add(rows.getMetaData().getColumnName(i) + "=" + rows.getString(i));
            }
            System.out.println(values);
        }
        System.out.println("rows " + n);
    }

    /** Prints an error, by what PostgreSQL says of it. */
    static void fault(SQLException e) {
        ServerErrorMessage server = e instanceof PSQLException p ? p.getServerErrorMessage() : null;
        if (server == null) {
            System.out.println("! " + e.getSQLState() + " " + e.getMessage());
            return;
        }
        System.out.println("! " + server.getSeverity() + " " + server.getSQLState() + " " + server.getMessage()
                + "|" + server.getDetail() + "|" + server.getHint() + "|" + server.getConstraint());
    }

    static void prepared() throws SQLException {
        List<PreparedStatement> all = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
            all.add(conn.prepareStatement("select " + i + " as n, i, t from mine where i = ?"));
        }
        for (int round = 0; round < 6; round++) {
            if (round == 3) {
                conn.setAutoCommit(false);
            }
            for (int i = 0; i < all.size(); i++) {
                ask(all.get(i), (i + round) % 10 + 1);
                if (round >= 3 && i % 4 == 0) {
                    conn.commit();
                }
            }
        }
        conn.commit();
        conn.setAutoCommit(true);
        for (PreparedStatement statement : all) {
            statement.close();
        }
        try (PreparedStatement division = conn.prepareStatement("select ?::int / ?::int as q")) {
            for (int i = 0; i < 8; i++) {
                ask(division, Integer.parseInt(NUMBER), i - 5);
            }
        }
        for (int i = 0; i < 50; i++) { // more than it keeps
            try (PreparedStatement one = conn.prepareStatement("select " + i + " + ?::int as n")) {
                for (int j = 0; j < 3; j++) {
                    one.setInt(1, j);
                    one.executeQuery().close();
                }
            }
        }
    }

    /** Changes a table below a statement; pgjdbc prepares again what has failed so. */
    static void replan() throws SQLException {
        ask("create table growing as select 1 as a");
        try (PreparedStatement statement = conn.prepareStatement("select * from growing where a = ?")) {
            for (int i = 0; i < 3; i++) {
                for (int j = 0; j < 5; j++) {
                    ask(statement, 1);
                }
                ask("alter table growing add column b" + i + " int default " + NUMBER);
            }
        }
    }

    static void parameters() throws SQLException {
        try (PreparedStatement statement = conn.prepareStatement("select i, t, ?::text as x, timestamptz '2024-07-01 12:00:00+00' as at from mine where i = ?")) {
            ask(statement, "of " + NUMBER, 1);
            ask(statement, "of " + NUMBER, 2);
        }
        try (PreparedStatement statement = conn.prepareStatement("insert into mine values (?, ?) returning i", Statement.RETURN_GENERATED_KEYS)) {
            ask(statement, 100, "new");
            ask(statement, 100, "twice");
        }
        ask("delete from mine where i = 100; select count(*) from mine; select 1/0");
        ask("delete from mine where i = 100; select count(*) from mine");
    }

    static void batch() throws SQLException {
        try (PreparedStatement statement = conn.prepareStatement("insert into mine values (?, ?)")) {
            for (boolean fails : new boolean[] {false, true}) {
                conn.setAutoCommit(fails);
                for (int i = 0; i < 200; i++) {
                    statement.setInt(1, fails && i == 150 ? 1 : 200 + i + (fails ? 1000 : 0));
                    statement.setString(2, "of a batch");
                    statement.addBatch();
                }
                try {
                    System.out.println(Arrays.stream(statement.executeBatch()).sum());
                } catch (BatchUpdateException e) {
                    fault(e.getNextException() == null ? e : e.getNextException());
                }
                if (!fails) {
                    conn.commit();
                }
            }
        }
        try (Statement statement = conn.createStatement()) {
            statement.addBatch("delete from mine where i >= 300");
            statement.addBatch("update mine set t = t || '.' where i >= 200");
            statement.addBatch("delete from mine where i >= 200");
            System.out.println(Arrays.toString(statement.executeBatch()));
        }
        ask("select count(*) from mine");
    }

    static void copy() throws Exception {
        ask("create table copied (i int primary key, t text)");
        CopyManager copy = conn.unwrap(PGConnection.class).getCopyAPI();
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < 500; i++) {
            lines.append(i).append("\tline ").append(i).append(" of ").append(NUMBER).append('\n');
        }
        System.out.println(copy.copyIn("copy copied from stdin", new StringReader(lines.toString())));
        StringWriter out = new StringWriter();
        System.out.println(copy.copyOut("copy copied to stdout", out) + " " + out.toString().equals(lines.toString()));
        for (String text : List.of("1000\tgood\nbad\tnot a number\n", "7\ttwice\n")) {
            try {
                copy.copyIn("copy copied from stdin", new StringReader(text));
            } catch (SQLException e) {
                fault(e);
            }
        }
        try {
            copy.copyOut("copy (select 1 / (i - 400) from copied order by i) to stdout", new StringWriter());
        } catch (SQLException e) {
            fault(e);
        }
        ask("select count(*), sum(i), max(t) from copied");
    }

    static void large() throws Exception {
        MessageDigest digest = MessageDigest.getInstance("MD5");
        int n = 0;
        try (Statement statement = conn.createStatement();
                ResultSet rows = statement.executeQuery("select i, repeat(md5(i::text), 5) from generate_series(1, " + ROWS + ") i")) {
            for (; rows.next(); n++) {
                digest.update((rows.getInt(1) + rows.getString(2)).getBytes(StandardCharsets.UTF_8));
            }
        }
        System.out.println(n + " " + HexFormat.of().formatHex(digest.digest()));
        try (PreparedStatement statement = conn.prepareStatement("select length(?::text) as n")) {
            ask(statement, "große Parameter ".repeat(3 * ROWS));
        }
    }

    /** Reads a few rows at a time, with a Sync between, in a transaction. */
    static void portals() throws SQLException {
        conn.setAutoCommit(false);
        for (int n : new int[] {1000, 30}) {
            try (PreparedStatement statement = conn.prepareStatement("select i from generate_series(1, ?) i")) {
                statement.setFetchSize(7);
                statement.setInt(1, n);
                long sum = 0;
                try (ResultSet rows = statement.executeQuery()) {
                    while (rows.next() && rows.getInt(1) < 100) {
                        sum += rows.getInt(1);
                    }
                }
                System.out.println(sum);
            }
        }
        conn.commit();
        conn.setAutoCommit(true);
    }

    static void transactions() throws SQLException {
        conn.setAutoCommit(false);
        ask("insert into mine values (300, 'outer')");
        Savepoint savepoint = conn.setSavepoint("inner");
        ask("insert into mine values (300, 'twice')");
        ask("select 'refused'");
        conn.rollback(savepoint);
        ask("select count(*) from mine where i = 300");
        conn.commit();
        conn.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        conn.setReadOnly(true);
        ask("show transaction_isolation");
        ask("delete from mine where i = 300");
        conn.rollback();
        conn.setReadOnly(false);
        conn.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
        ask("delete from mine where i = 300");
        conn.commit();
        ask("select 1/0");
        try {
            conn.commit();
            System.out.println("committed");
        } catch (SQLException e) {
            fault(e);
        }
        conn.setAutoCommit(true);
        ask("select count(*) from mine");
    }

    /** A thread cancels the statement when it has told that it has begun. */
    static void cancel() throws Exception {
        for (boolean inTransaction : new boolean[] {false, true}) {
            conn.setAutoCommit(!inTransaction);
            try (Statement statement = conn.createStatement()) {
                Thread thread = new Thread(() -> {
                    try {
                        while (statement.getWarnings() == null) {
                            Thread.sleep(5);
                        }
                        statement.cancel();
                    } catch (SQLException | InterruptedException e) {
                        System.out.println(e);
                    }
                });
                thread.setDaemon(true);
                thread.start();
                try {
                    statement.execute("do $$ begin raise notice 'begun'; perform pg_sleep(300); end $$");
                } catch (SQLException e) {
                    fault(e);
                }
                thread.join();
            }
            if (inTransaction) {
                ask("select 'refused'");
                conn.rollback();
            }
        }
        conn.setAutoCommit(true);
        ask("select 'goes on'");
    }

    /** Large objects are function calls of the protocol, and their descriptors the transaction's. */
    static void largeObjects() throws SQLException {
        conn.setAutoCommit(false);
        LargeObjectManager all = conn.unwrap(PGConnection.class).getLargeObjectAPI();
        long oid = all.createLO();
        LargeObject object = all.open(oid);
        object.write(("object of " + NUMBER + " ").repeat(Math.max(20, ROWS / 18)).getBytes(StandardCharsets.UTF_8));
        object.seek(10);
        System.out.println(new String(object.read(20), StandardCharsets.UTF_8) + " " + object.size() + " " + object.tell());
        object.truncate(100);
        System.out.println(object.size());
        object.close();
        all.delete(oid);
        conn.commit();
        conn.setAutoCommit(true);
    }

    static void notifications() throws SQLException {
        ask("listen " + CHANNEL);
        ask("notify " + CHANNEL + ", 'to oneself'");
        await(1);
        try (Connection other = connect(); PreparedStatement statement = other.prepareStatement("select pg_notify(?, ?)")) {
            for (int i = 0; i < 3; i++) {
                statement.setString(1, CHANNEL);
                statement.setString(2, "number " + i + " to " + NUMBER);
                statement.execute();
            }
        }
        await(3);
        ask("unlisten " + CHANNEL);
        ask("notify " + CHANNEL + ", 'to nobody'");
        ask("listen " + CHANNEL);
        ask("notify " + CHANNEL + ", 'the last'");
        await(1);
    }

    static void await(int n) throws SQLException {
        while (n > 0) {
            for (PGNotification heard : conn.unwrap(PGConnection.class).getNotifications(100)) {
                System.out.println(heard.getName() + " " + heard.getParameter());
                n--;
            }
        }
    }

    static void ownNotifications() throws SQLException {
        PGConnection pg = conn.unwrap(PGConnection.class);
        ask("listen news");
        ask("notify news");
        while (Arrays.stream(pg.getNotifications(100)).noneMatch(n -> n.getPID() == pg.getBackendPID())) {
            Thread.onSpinWait();
        }
        System.out.println("from oneself");
        ask("unlisten news");
    }
}
