/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * A server whose requests, lines over TCP, need a connection of HikariCP: see
 * cases_pools_languages.py.
 */
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.sql.Connection;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;

public final class Served {
	private static final String ROW =
		"select id, name from items where name <> 'sesame' and id = 3";
	private static final List<Connection> kept =
		Collections.synchronizedList(new ArrayList<>());
	private static HikariDataSource pool;

	private static void open()
	{
		Map<String, String> env = System.getenv();
		HikariConfig config = new HikariConfig();

		config.setJdbcUrl("jdbc:postgresql://" + env.get("PGHOST") + ":" + env.get("PGPORT") + "/" +
				  env.get("PGDATABASE"));
		config.setUsername(env.get("PGUSER"));
		config.setPassword(env.get("PGPASSWORD"));
		config.setMaximumPoolSize(10);
		config.setConnectionTimeout(3000000);
		pool = new HikariDataSource(config);
	}

	private static void query(Connection connection, String text) throws Exception
	{
		try (Statement statement = connection.createStatement()) {
			statement.execute(text);
		}
	}

	private static void get(String text) throws Exception
	{
		try (Connection connection = pool.getConnection()) { // WAITS
			query(connection, text);
		}
	}

	private static void answer(String word, String argument) throws Exception
	{
		switch (word) {
		case "keep":
			Connection connection = pool.getConnection();
			query(connection, ROW);
			kept.add(connection);
			break;
		case "get":
			get(ROW);
			break;
		case "busy":
			while (true)
				get("select pg_sleep(2)");
		case "call":
			Socket other = new Socket("127.0.0.1", Integer.parseInt(argument));
			other.getOutputStream().write('\n');
			other.getInputStream().read();
		}
	}

	private static void serve(Socket client)
	{
		try {
			BufferedReader lines = new BufferedReader(new InputStreamReader(client.getInputStream()));

			for (String line = lines.readLine(); line != null; line = lines.readLine()) {
				String[] words = line.split(" ");

				answer(words[0], words.length > 1 ? words[1] : "");
				client.getOutputStream().write("ok\n".getBytes());
			}
		} catch (Exception trouble) {
			System.err.println(trouble);
		}
	}

	public static void main(String[] args) throws Exception
	{
		ServerSocket listener = new ServerSocket(0, 100, InetAddress.getByName("127.0.0.1"));

		open();
		System.out.println("port " + listener.getLocalPort());
		System.out.println("ready");
		while (true) {
			Socket client = listener.accept();
			Thread thread = new Thread(() -> serve(client));

			thread.setDaemon(true);
			thread.start();
		}
	}
}
