// The PostgreSQL JDBC driver as a program of ../program.ts.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.StringReader;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.PGStatement;
import org.postgresql.util.PSQLException;

public class Jdbc {
  private static final BufferedReader IN = new BufferedReader(new InputStreamReader(System.in));
  private Connection conn;

  public static void main(String[] args) throws Exception {
    System.out.println("{\"version\":" + quote(org.postgresql.util.DriverInfo.DRIVER_VERSION) + "}");
    Jdbc verbs = new Jdbc();
    for (String line; (line = IN.readLine()) != null; ) {
      String[] words = line.split("\t");
      String answer;
      try {
        answer = verbs.perform(words[0], Arrays.copyOfRange(words, 1, words.length));
      } catch (SQLException error) {
        String message = error.getMessage();
        if (error instanceof PSQLException && ((PSQLException) error).getServerErrorMessage() != null)
          message = ((PSQLException) error).getServerErrorMessage().getMessage();
        answer = "{\"error\":{\"sqlstate\":" + quote(error.getSQLState()) + ",\"message\":" + quote(message) + "}}";
      } catch (Exception error) {
        answer = "{\"fault\":" + quote(error.toString()) + "}";
      }
      System.out.println(answer);
    }
  }

  private String perform(String verb, String[] args) throws Exception {
    switch (verb) {
      case "connect": {
        Properties properties = new Properties();
        properties.setProperty("user", args[1]);
        properties.setProperty("password", args[2]);
        conn = DriverManager.getConnection("jdbc:postgresql://127.0.0.1:" + args[0] + "/" + args[3], properties);
        return "{}";
      }
      case "query":
        return query(args[0]);
      case "param":
      case "prepared":
        return prepared(args);
      case "begin":
        conn.setAutoCommit(false);
        return "{}";
      case "commit":
        conn.commit();
        conn.setAutoCommit(true);
        return "{}";
      case "rollback":
        conn.rollback();
        conn.setAutoCommit(true);
        return "{}";
      case "copyin": {
        String lines = String.join("\n", Arrays.copyOfRange(args, 2, args.length)) + "\n";
        driver().getCopyAPI().copyIn("COPY " + args[0] + " (" + args[1] + ") FROM STDIN", new StringReader(lines));
        return "{}";
      }
      case "copyout": {
        StringWriter out = new StringWriter();
        driver().getCopyAPI().copyOut("COPY " + args[0] + " TO STDOUT", out);
        List<List<String>> rows = new ArrayList<>();
        for (String line : out.toString().split("\n")) rows.add(Arrays.asList(line.split("\t")));
        return json(rows);
      }
      case "listen":
        return query("LISTEN " + args[0]);
      case "notified": {
        PGNotification[] heard;
        do heard = driver().getNotifications(10_000);
        while (heard == null || heard.length == 0);
        return json(List.of(List.of(heard[0].getName(), heard[0].getParameter())));
      }
      case "cancel":
        return cancel(args[0]);
      case "close":
        conn.close();
        return "{}";
      default:
        throw new IllegalArgumentException(verb);
    }
  }

  private String query(String sql) throws SQLException {
    try (Statement statement = conn.createStatement()) {
      return statement.execute(sql) ? json(rows(statement.getResultSet())) : json(List.of());
    }
  }

  /** Named on the server from the first execution on. */
  private String prepared(String[] args) throws SQLException {
    try (PreparedStatement statement = conn.prepareStatement(args[0])) {
      statement.unwrap(PGStatement.class).setPrepareThreshold(args.length > 2 ? 1 : 0);
      List<List<String>> found = new ArrayList<>();
      for (int i = 1; i < args.length; i++) {
        statement.setInt(1, Integer.parseInt(args[i]));
        if (statement.execute()) found.addAll(rows(statement.getResultSet()));
      }
      return json(found);
    }
  }

  private String cancel(String sql) throws SQLException {
    try (Statement statement = conn.createStatement()) {
      new Thread(() -> {
        try {
          IN.readLine();
          statement.cancel();
        } catch (Exception error) {
          throw new IllegalStateException(error);
        }
      }).start();
      statement.execute(sql);
      return "{}";
    }
  }

  private PGConnection driver() throws SQLException {
    return conn.unwrap(PGConnection.class);
  }

  private static List<List<String>> rows(ResultSet result) throws SQLException {
    List<List<String>> rows = new ArrayList<>();
    int columns = result.getMetaData().getColumnCount();
    while (result.next()) {
      List<String> row = new ArrayList<>();
      for (int column = 1; column <= columns; column++) row.add(result.getString(column));
      rows.add(row);
    }
    return rows;
  }

  private static String json(List<List<String>> rows) {
    StringBuilder out = new StringBuilder("{\"rows\":[");
    for (int i = 0; i < rows.size(); i++) {
      out.append(i == 0 ? "[" : ",[");
      for (int j = 0; j < rows.get(i).size(); j++) out.append(j == 0 ? "" : ",").append(quote(rows.get(i).get(j)));
      out.append("]");
    }
    return out.append("]}").toString();
  }

  private static String quote(String text) {
    if (text == null) return "null";
    StringBuilder out = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') out.append('\\').append(c);
      else if (c < ' ' || c > '~') out.append(String.format("\\u%04x", (int) c));
      else out.append(c);
    }
    return out.append('"').toString();
  }
}
