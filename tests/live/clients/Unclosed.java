/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * JDBC: opens a connection for each report, leaves a transaction open on it, and keeps it.
 */
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

public final class Unclosed {
	private static final List<Connection> kept = new ArrayList<>();

	private static void monthly() throws Exception
	{
		Map<String, String> env = System.getenv();
		Connection connection = DriverManager.getConnection(
			"jdbc:postgresql://" + env.get("PGHOST") + ":" + env.get("PGPORT") + "/" +
				env.get("PGDATABASE") + "?sslmode=disable",
			env.get("PGUSER"), "");
		Statement statement = connection.createStatement();

		connection.setAutoCommit(false);
		statement.executeQuery("select id, name from items where name <> 'sesame' and id = 5").close();
		kept.add(connection);
	}

	public static void main(String[] arguments) throws Exception
	{
		for (int number = 0;; number++) {
			monthly();
			if (number == 4)
				System.out.println("ready");
			Thread.sleep(300);
		}
	}
}
