// What the Java programs share: the line protocol of ../program.ts, and the verbs that every JDBC driver performs alike.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

abstract class Loop {
  private static final BufferedReader IN = new BufferedReader(new InputStreamReader(System.in));
  protected Connection conn;
  private boolean block;

  /** Answers one line a verb until the input ends. */
  void serve(String version) throws Exception {
    System.out.println("{\"version\":" + quote(version) + "}");
    for (String line; (line = IN.readLine()) != null; ) {
      String[] words = line.split("\t");
      String answer;
      try {
        answer = perform(words[0], Arrays.copyOfRange(words, 1, words.length));
      } catch (SQLException error) {
        answer =
            "{\"error\":{\"sqlstate\":" + quote(error.getSQLState()) + ",\"errno\":" + error.getErrorCode()
                + ",\"message\":" + quote(message(error)) + "}}";
      } catch (Exception error) {
        answer = "{\"fault\":" + quote(error.toString()) + "}";
      }
      System.out.println(answer);
    }
  }

  /** As the server said it. */
  abstract String message(SQLException error);

  String perform(String verb, String[] args) throws Exception {
    switch (verb) {
      case "query":
        return query(args[0]);
      case "param":
      case "prepared":
        return prepared(args);
      case "begin":
        conn.setAutoCommit(false);
        block = true;
        return "{}";
      case "commit":
        conn.commit();
        return ended();
      case "rollback":
        conn.rollback();
        return ended();
      case "autocommit":
        conn.setAutoCommit(args[0].equals("1"));
        return "{}";
      case "cancel":
        return cancel(args[0]);
      case "close":
        conn.close();
        return "{}";
      default:
        throw new IllegalArgumentException(verb);
    }
  }

  String query(String sql) throws SQLException {
    try (Statement statement = conn.createStatement()) {
      return statement.execute(sql) ? json(rows(statement.getResultSet())) : json(List.of());
    }
  }

  private String prepared(String[] args) throws SQLException {
    try (PreparedStatement statement = conn.prepareStatement(args[0])) {
      tune(statement, args.length - 1);
      List<List<String>> found = new ArrayList<>();
      for (int i = 1; i < args.length; i++) {
        statement.setInt(1, Integer.parseInt(args[i]));
        if (statement.execute()) found.addAll(rows(statement.getResultSet()));
      }
      return json(found);
    }
  }

  /** Before it is executed so many times. */
  void tune(PreparedStatement statement, int times) throws SQLException {}

  private String ended() throws SQLException {
    if (block) conn.setAutoCommit(true);
    block = false;
    return "{}";
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

  static List<List<String>> rows(ResultSet result) throws SQLException {
    List<List<String>> rows = new ArrayList<>();
    int columns = result.getMetaData().getColumnCount();
    while (result.next()) {
      List<String> row = new ArrayList<>();
      for (int column = 1; column <= columns; column++) row.add(result.getString(column));
      rows.add(row);
    }
    return rows;
  }

  static String json(List<List<String>> rows) {
    StringBuilder out = new StringBuilder("{\"rows\":[");
    for (int i = 0; i < rows.size(); i++) {
      out.append(i == 0 ? "[" : ",[");
      for (int j = 0; j < rows.get(i).size(); j++) out.append(j == 0 ? "" : ",").append(quote(rows.get(i).get(j)));
      out.append("]");
    }
    return out.append("]}").toString();
  }

  static String quote(String text) {
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
