// JDBC as tools and applications use it: all that DatabaseMetaData answers (what DBeaver, Liquibase, Flyway, jOOQ and schema crawlers ask),
// ordinary statements, and HikariCP as the pool. `tour`: everything once; `day SEED COUNT`: as many operations, drawn by the seed.
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.util.List;
import java.util.Random;
import java.util.UUID;

public class Tour {
    interface Operation {
        void run(Connection c, Random random) throws Exception;
    }

    static final List<Operation> DAY = List.of(Tour::read, Tour::write, Tour::batch, Tour::cursor, Tour::transaction, Tour::types, Tour::generated);

    public static void main(String[] args) throws Exception {
        try (HikariDataSource pool = pool(null); HikariDataSource tested = pool("SELECT 1")) {
            if (args[0].equals("tour")) {
                try (Connection c = pool.getConnection()) {
                    metadata(c);
                    session(c);
                }
                try (Connection c = tested.getConnection()) {
                    c.setReadOnly(true);
                    c.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
                    c.setSchema("sales");
                    c.setNetworkTimeout(Runnable::run, 60_000);
                    read(c, "SELECT * FROM targets");
                }
                try (Connection c = tested.getConnection()) {
                    c.isValid(1);
                    c.setAutoCommit(false);
                    c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
                    read(c, "SELECT 1");
                }
                for (Operation operation : DAY)
                    try (Connection c = pool.getConnection()) {
                        operation.run(c, new Random(1));
                    }
                return;
            }
            Random random = new Random(Long.parseLong(args[1]));
            for (int left = Integer.parseInt(args[2]); left > 0; left--)
                try (Connection c = pool.getConnection()) {
                    DAY.get(random.nextInt(DAY.size())).run(c, random);
                }
        }
    }

    static HikariDataSource pool(String test) {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(String.format("jdbc:postgresql://%s:%s/%s?sslmode=disable&gssEncMode=disable", env("PGHOST"), env("PGPORT"), env("PGDATABASE")));
        config.setUsername(env("PGUSER"));
        config.setPassword(env("PGPASSWORD"));
        config.setMaximumPoolSize(2);
        config.setMinimumIdle(1);
        config.setConnectionInitSql("SET TIME ZONE 'UTC'");
        config.setConnectionTestQuery(test);
        config.setTransactionIsolation("TRANSACTION_READ_COMMITTED");
        config.addDataSourceProperty("ApplicationName", "shop");
        config.addDataSourceProperty("prepareThreshold", "2");
        return new HikariDataSource(config);
    }

    static String env(String name) {
        return System.getenv(name);
    }

    static void metadata(Connection c) throws Exception {
        DatabaseMetaData data = c.getMetaData();
        all(data.getCatalogs());
        all(data.getSchemas());
        all(data.getSchemas(null, "pub%"));
        all(data.getTableTypes());
        all(data.getTypeInfo());
        all(data.getClientInfoProperties());
        all(data.getUDTs(null, null, "%", null));
        all(data.getProcedures(null, "public", "%"));
        all(data.getProcedureColumns(null, "public", "%", "%"));
        all(data.getFunctions(null, "public", "%"));
        all(data.getFunctionColumns(null, "public", "%", "%"));
        all(data.getTables(null, null, "%", null));
        all(data.getTables(null, "public", "%", new String[] {"TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "TYPE", "INDEX", "PARTITIONED TABLE"}));
        all(data.getTables(null, "sales", "targets", new String[] {"TABLE"}));
        all(data.getColumns(null, "public", "%", "%"));
        for (String table : List.of("customers", "orders", "order_items", "events", "documents", "order_totals")) {
            all(data.getPrimaryKeys(null, "public", table));
            all(data.getImportedKeys(null, "public", table));
            all(data.getExportedKeys(null, "public", table));
            all(data.getIndexInfo(null, "public", table, false, true));
            all(data.getIndexInfo(null, "public", table, true, false));
            all(data.getTablePrivileges(null, "public", table));
            all(data.getColumnPrivileges(null, "public", table, "%"));
            all(data.getBestRowIdentifier(null, "public", table, DatabaseMetaData.bestRowSession, true));
            all(data.getVersionColumns(null, "public", table));
        }
        all(data.getCrossReference(null, "public", "customers", null, "public", "orders"));
        data.getSQLKeywords();
        data.getMaxTableNameLength();
        data.getMaxIndexLength();
        data.getDatabaseProductVersion();
        data.getUserName();
        data.getNumericFunctions();
        data.supportsTransactionIsolationLevel(Connection.TRANSACTION_SERIALIZABLE);
        try (PreparedStatement s = c.prepareStatement("SELECT c.*, o.total, o.reference FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.id = ? AND o.state = 'new'")) {
            s.getParameterMetaData().getParameterCount();
            for (int column = 1; column <= s.getMetaData().getColumnCount(); column++) {
                s.getMetaData().isAutoIncrement(column);
                s.getMetaData().isNullable(column);
                ((org.postgresql.PGResultSetMetaData) s.getMetaData()).getBaseTableName(column);
                s.getMetaData().getColumnTypeName(column);
            }
        }
    }

    static void session(Connection c) throws Exception {
        c.getCatalog();
        c.getSchema();
        c.setClientInfo("ApplicationName", "tour");
        c.setReadOnly(true);
        c.setReadOnly(false);
        c.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
        c.getTransactionIsolation();
        c.getTypeMap();
        try (Statement s = c.createStatement()) {
            s.setQueryTimeout(5);
            s.execute("SHOW TRANSACTION ISOLATION LEVEL");
            s.execute("SELECT 1; SELECT 2");
            s.setMaxRows(3);
            all(s.executeQuery("SELECT * FROM customers"));
        }
        try (Statement s = c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
            ResultSet rows = s.executeQuery("SELECT id, name FROM products WHERE id = 1");
            rows.next();
            rows.updateString("name", "Thing 1");
            rows.updateRow();
        }
        org.postgresql.PGConnection own = c.unwrap(org.postgresql.PGConnection.class);
        own.getNotifications();
        own.getCopyAPI().copyIn("COPY events (kind) FROM STDIN", new java.io.StringReader("copied\n"));
        try (CallableStatement s = c.prepareCall("{? = call lower(?)}")) {
            s.registerOutParameter(1, Types.VARCHAR);
            s.setString(2, "A");
            s.execute();
        }
    }

    static void read(Connection c, Random random) throws Exception {
        try (PreparedStatement s = c.prepareStatement("SELECT c.id, c.email, c.tags, c.settings, o.total, o.reference FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE c.id = ? OR c.name = ?")) {
            for (int n = 0; n < 3; n++) {
                s.setInt(1, 1 + random.nextInt(50));
                s.setString(2, "Person 1");
                ResultSet rows = s.executeQuery();
                while (rows.next()) {
                    rows.getArray(3).getArray();
                    rows.getObject(4);
                }
            }
        }
        try (PreparedStatement s = c.prepareStatement("SELECT * FROM products WHERE id = ANY (?) ORDER BY {fn lcase(name)} LIMIT ?")) {
            s.setArray(1, c.createArrayOf("int4", new Integer[] {1, 2, 3}));
            s.setInt(2, 5);
            all(s.executeQuery());
        }
        read(c, "SELECT state, count(*) FROM orders GROUP BY state");
    }

    static void write(Connection c, Random random) throws Exception {
        try (PreparedStatement s = c.prepareStatement("UPDATE products SET stock = stock + ? WHERE id = ?")) {
            s.setInt(1, 1);
            s.setInt(2, 1 + random.nextInt(20));
            s.executeUpdate();
        }
        try (PreparedStatement s = c.prepareStatement("INSERT INTO sales.targets (region, year, amount) VALUES (?, ?, ?) ON CONFLICT (region, year) DO UPDATE SET amount = excluded.amount")) {
            s.setString(1, "jdbc" + random.nextInt(5));
            s.setInt(2, 2024);
            s.setBigDecimal(3, java.math.BigDecimal.TEN);
            s.executeUpdate();
        }
        try (PreparedStatement s = c.prepareStatement("DELETE FROM events WHERE kind = ? AND at < now() - ?::interval")) {
            s.setString(1, "batch");
            s.setString(2, "1 hour");
            s.executeUpdate();
        }
    }

    static void batch(Connection c, Random random) throws Exception {
        try (PreparedStatement s = c.prepareStatement("INSERT INTO events (kind, payload) VALUES (?, ?::jsonb)")) {
            for (int n = 0; n < 10; n++) {
                s.setString(1, "batch");
                s.setString(2, "{\"n\": " + random.nextInt(10) + "}");
                s.addBatch();
            }
            s.executeBatch();
        }
    }

    static void cursor(Connection c, Random random) throws Exception {
        c.setAutoCommit(false);
        try (PreparedStatement s = c.prepareStatement("SELECT * FROM customers WHERE id <= ?")) {
            s.setFetchSize(10);
            s.setInt(1, 45);
            all(s.executeQuery());
        }
        c.commit();
    }

    static void transaction(Connection c, Random random) throws Exception {
        c.setAutoCommit(false);
        read(c, "SELECT id FROM customers WHERE id = " + (1 + random.nextInt(50)) + " FOR UPDATE");
        Savepoint a = c.setSavepoint("a");
        try (Statement s = c.createStatement()) {
            s.executeUpdate("INSERT INTO customers (email, name) VALUES ('PERSON1@example.org', 'Twice')");
        } catch (SQLException twice) {
            c.rollback(a);
        }
        c.setSavepoint();
        read(c, "SELECT pg_try_advisory_xact_lock(7)");
        c.commit();
        c.setAutoCommit(true);
    }

    static void types(Connection c, Random random) throws Exception {
        try (PreparedStatement s = c.prepareStatement("INSERT INTO documents (id, customer_id, title, body, during) VALUES (?, ?, ?, ?, ?::int4range) RETURNING id")) {
            s.setObject(1, UUID.randomUUID());
            s.setInt(2, 1 + random.nextInt(50));
            s.setString(3, "né");
            s.setBytes(4, new byte[] {0, 1});
            s.setString(5, "[1,5)");
            all(s.executeQuery());
        }
        try (PreparedStatement s = c.prepareStatement("SELECT ?, ?, ?, ?")) {
            s.setObject(1, java.time.OffsetDateTime.now());
            s.setObject(2, java.time.LocalDate.now());
            s.setNull(3, Types.VARCHAR);
            s.setBoolean(4, true);
            all(s.executeQuery());
        }
        try (PreparedStatement s = c.prepareStatement("UPDATE orders SET state = ? WHERE id = ?")) {
            s.setObject(1, "sent", Types.OTHER);
            s.setLong(2, 1 + random.nextInt(50));
            s.executeUpdate();
        }
    }

    static void generated(Connection c, Random random) throws Exception {
        try (PreparedStatement s = c.prepareStatement("INSERT INTO customers (email, name) VALUES (?, ?)", Statement.RETURN_GENERATED_KEYS)) {
            s.setString(1, "jdbc-" + UUID.randomUUID() + "@example.org");
            s.setString(2, "Ann Person");
            s.executeUpdate();
            all(s.getGeneratedKeys());
        }
        try (PreparedStatement s = c.prepareStatement("INSERT INTO orders (customer_id) VALUES (1)", new String[] {"id", "reference"})) {
            s.executeUpdate();
            all(s.getGeneratedKeys());
        }
        read(c, "SELECT nextval('invoice_numbers')");
        read(c, "SELECT currval(pg_get_serial_sequence('customers', 'id'))");
    }

    static void read(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement()) {
            s.execute(sql);
        }
    }

    static void all(ResultSet rows) throws SQLException {
        try (rows) {
            while (rows.next()) rows.getObject(1);
        }
    }
}
