// The PostgreSQL JDBC driver as a program of ../program.ts.
import java.io.StringReader;
import java.io.StringWriter;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.PGStatement;
import org.postgresql.util.PSQLException;

public class Jdbc extends Loop {
  public static void main(String[] args) throws Exception {
    new Jdbc().serve(org.postgresql.util.DriverInfo.DRIVER_VERSION);
  }

  @Override
  String message(SQLException error) {
    if (error instanceof PSQLException && ((PSQLException) error).getServerErrorMessage() != null)
      return ((PSQLException) error).getServerErrorMessage().getMessage();
    return error.getMessage();
  }

  @Override
  String perform(String verb, String[] args) throws Exception {
    switch (verb) {
      case "connect": {
        Properties properties = new Properties();
        properties.setProperty("user", args[1]);
        properties.setProperty("password", args[2]);
        conn = DriverManager.getConnection("jdbc:postgresql://127.0.0.1:" + args[0] + "/" + args[3], properties);
        return "{}";
      }
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
      default:
        return super.perform(verb, args);
    }
  }

  /** Named on the server from the first execution on. */
  @Override
  void tune(PreparedStatement statement, int times) throws SQLException {
    statement.unwrap(PGStatement.class).setPrepareThreshold(times > 1 ? 1 : 0);
  }

  private PGConnection driver() throws SQLException {
    return conn.unwrap(PGConnection.class);
  }
}
