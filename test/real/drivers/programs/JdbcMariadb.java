// MariaDB Connector/J as a program of ../program.ts. It prepares on the server where it is told to, as it is here.
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

public class JdbcMariadb extends Loop {
  private static final String[] ON = {
    "useServerPrepStmts", "allowMultiQueries", "allowLocalInfile", "allowPublicKeyRetrieval", "useBulkStmts"
  };

  public static void main(String[] args) throws Exception {
    new JdbcMariadb().serve(org.mariadb.jdbc.internal.util.constant.Version.version);
  }

  /** Without the connection's number. */
  @Override
  String message(SQLException error) {
    return error.getMessage().replaceFirst("^\\(conn=\\d+\\) ", "");
  }

  @Override
  String perform(String verb, String[] args) throws Exception {
    switch (verb) {
      case "connect": {
        Properties properties = new Properties();
        properties.setProperty("user", args[1]);
        properties.setProperty("password", args[2]);
        for (String option : ON) properties.setProperty(option, "true");
        conn = DriverManager.getConnection("jdbc:mariadb://127.0.0.1:" + args[0] + "/" + args[3], properties);
        return "{}";
      }
      case "many": {
        try (PreparedStatement statement = conn.prepareStatement(args[0])) {
          for (int i = 1; i < args.length; i++) {
            statement.setInt(1, Integer.parseInt(args[i]));
            statement.addBatch();
          }
          statement.executeBatch();
        }
        return "{}";
      }
      case "blob": {
        try (PreparedStatement statement = conn.prepareStatement(args[0])) {
          statement.setBytes(1, bytes(args[2]));
          statement.execute();
        }
        try (Statement statement = conn.createStatement();
            ResultSet result = statement.executeQuery(args[1])) {
          result.next();
          StringBuilder hex = new StringBuilder();
          for (byte b : result.getBytes(1)) hex.append(String.format("%02x", b));
          return json(List.of(List.of(hex.toString())));
        }
      }
      case "multi": {
        try (Statement statement = conn.createStatement()) {
          List<List<String>> found = new ArrayList<>();
          for (boolean more = statement.execute(args[0]);
              more || statement.getUpdateCount() != -1;
              more = statement.getMoreResults()) if (more) found.addAll(rows(statement.getResultSet()));
          return json(found);
        }
      }
      default:
        return super.perform(verb, args);
    }
  }

  private static byte[] bytes(String hex) {
    byte[] found = new byte[hex.length() / 2];
    for (int i = 0; i < found.length; i++) found[i] = (byte) Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
    return found;
  }
}
