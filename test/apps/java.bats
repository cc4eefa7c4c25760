# SPDX-License-Identifier: GPL-2.0-only
load ../helpers

@test "OpenJDK: threads, garbage collection and timers go on" {
	need java
	cat >"$work/Count.java" <<'END'
import java.io.*;
import java.util.*;
import java.util.concurrent.*;
public class Count {
	public static void main(String[] a) throws Exception {
		ExecutorService pool = Executors.newFixedThreadPool(3);
		PrintWriter out = new PrintWriter(new FileWriter("out"), true);
		List<byte[]> kept = new ArrayList<>();
		for (int n = 0; ; n++) {
			final int k = n;
			Future<Integer> f = pool.submit(() -> { byte[] b = new byte[100000]; Arrays.fill(b, (byte) k); return (int) b[k % b.length] & 0xff; });
			int got = f.get(10, TimeUnit.SECONDS);
			if (got != (k & 0xff)) out.println("BAD " + k + " " + got);
			kept.add(new byte[50000]);
			if (kept.size() > 200) kept.clear();
			if (k % 100 == 50) System.gc();
			out.println(n);
			Thread.sleep(5);
		}
	}
}
END
	launch java -Xmx128m -XX:-UsePerfData "$work/Count.java"
	ready() { [ "$(wc -l <"$place/out")" -gt 20 ] 2>/dev/null; }
	wait_for 30 ready
	for i in 1 2 3; do
		cycle 1
		n=$(wc -l <"$place/out")
		more() { [ "$(wc -l <"$place/out")" -gt $((n + 150)) ]; }
		wait_for 20 more
	done
	! grep BAD "$place/out"
	awk '{ if ($1 != NR - 1) { print "line " NR " is " $0; exit 1 } }' "$place/out"
}
