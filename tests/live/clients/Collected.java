/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Collects garbage beside a connection to PostgreSQL, and says how often: `collected FULL PARTIAL`,
 * as its GarbageCollectorMXBeans have it.
 */
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;

public final class Collected {
	private static final Set<String> FULL =
		Set.of("MarkSweepCompact", "PS MarkSweep", "G1 Old Generation");
	private static byte[] kept;

	private static long[] counts()
	{
		long[] n = new long[2];

		for (GarbageCollectorMXBean bean : ManagementFactory.getGarbageCollectorMXBeans())
			n[FULL.contains(bean.getName()) ? 0 : 1] += bean.getCollectionCount();
		return n;
	}

	/* Until the server is ready for a query. */
	private static void readAll(DataInputStream in) throws Exception
	{
		byte kind;

		do {
			kind = in.readByte();
			in.readNBytes(in.readInt() - 4);
		} while (kind != 'Z');
	}

	private static Socket connect() throws Exception
	{
		Map<String, String> env = System.getenv();
		Socket socket = new Socket(env.get("PGHOST"), Integer.parseInt(env.get("PGPORT")));
		DataOutputStream out = new DataOutputStream(
			new BufferedOutputStream(socket.getOutputStream()));
		byte[] words = ("user\0" + env.get("PGUSER") + "\0database\0" + env.get("PGDATABASE") + "\0\0")
				       .getBytes(StandardCharsets.UTF_8);
		byte[] query = "select 1\0".getBytes(StandardCharsets.UTF_8);

		out.writeInt(8 + words.length);
		out.writeInt(196608);
		out.write(words);
		out.flush();
		DataInputStream in = new DataInputStream(socket.getInputStream());
		readAll(in);
		out.writeByte('Q');
		out.writeInt(4 + query.length);
		out.write(query);
		out.flush();
		readAll(in);
		return socket;
	}

	public static void main(String[] args) throws Exception
	{
		Socket socket = connect();
		long[] before;
		long[] after;

		Thread.sleep(5000); /* until somebody watches */
		before = counts();
		for (int i = 0; i < 5; i++)
			System.gc();
		for (int i = 0; i < 400000; i++)
			kept = new byte[1024];
		after = counts();
		System.out.println("collected " + (after[0] - before[0]) + " " + (after[1] - before[1]));
		System.out.flush();
		Thread.sleep(1500);
		socket.close();
	}
}
