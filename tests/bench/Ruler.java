import java.io.BufferedReader;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import software.amazon.event.ruler.Machine;

/**
 * event-ruler on the files of a benchmark; prints one JSON object with the members of `eventrouterctl rule bench`.
 *
 * <pre>Ruler RULES.tsv EVENTS.jsonl REUSE LOAD_SECONDS RUN_SECONDS</pre>
 *
 * RULES.tsv has an id, a tab and a pattern on each line. REUSE (true or false) is the machine's additional name state reuse. Time is the CPU
 * time of the one thread that matches: compiling to machine code and collecting garbage, which other threads do, are not in it. When one
 * pass over all events would take too long, the first ones that fit are measured (hash_events).
 */
public final class Ruler {
    private static final int PASSES = 5;
    private static final int ADDED = 10000;

    private final List<String> ids = new ArrayList<>();
    private final List<String> patterns = new ArrayList<>();
    private final List<String> events = new ArrayList<>();
    private final Machine machine;
    private long matches;
    private long hash;

    private Ruler(boolean reuse) {
        machine = (Machine) Machine.builder().withAdditionalNameStateReuse(reuse).build();
    }

    private static long cpu() {
        return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    }

    private static long heap() {
        System.gc();
        System.gc();
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }

    private void read(String rules, String lines) throws IOException {
        try (BufferedReader reader = Files.newBufferedReader(Paths.get(rules), StandardCharsets.UTF_8)) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                int tab = line.indexOf('\t');
                ids.add(line.substring(0, tab));
                patterns.add(line.substring(tab + 1));
            }
        }
        events.addAll(Files.readAllLines(Paths.get(lines), StandardCharsets.UTF_8));
    }

    /** False when time is over. */
    private boolean load(long limit) throws IOException {
        long end = System.nanoTime() + limit;
        for (int i = 0; i < ids.size(); i++) {
            machine.addRule(ids.get(i), patterns.get(i));
            if (System.nanoTime() > end) {
                return false;
            }
        }
        return true;
    }

    private void count(int line, List<String> matched) {
        for (String id : matched) {
            long value = 0xcbf29ce484222325L;
            for (byte octet : (line + ":" + id).getBytes(StandardCharsets.UTF_8)) {
                value = (value ^ (octet & 0xff)) * 0x100000001b3L;
            }
            hash += value;
        }
        matches += matched.size();
    }

    /** How many events fit into the time; counts what matched. */
    private int first(long limit) throws Exception {
        long end = cpu() + limit;
        int done = 0;
        while (done < events.size() && (done == 0 || cpu() < end)) {
            count(done, machine.rulesForJSONEvent(events.get(done)));
            done++;
        }
        return done;
    }

    private long pass(int n) throws Exception {
        long start = cpu();
        for (int i = 0; i < n; i++) {
            machine.rulesForJSONEvent(events.get(i));
        }
        return cpu() - start;
    }

    private double median(int n, long warm) throws Exception {
        long[] times = new long[PASSES];
        for (long end = cpu() + warm; cpu() < end;) {
            pass(n);
        }
        for (int i = 0; i < PASSES; i++) {
            times[i] = pass(n);
        }
        Arrays.sort(times);
        return (double) times[PASSES / 2] / n;
    }

    /** Takes rules out and puts them back one by one; microseconds. */
    private long[] adds(long limit) throws IOException {
        int n = Math.min(ADDED, ids.size());
        long[] times = new long[n];
        long end = System.nanoTime() + limit;
        int done = 0;
        for (int i = ids.size() - n; i < ids.size() && (done == 0 || System.nanoTime() < end); i++) {
            machine.deleteRule(ids.get(i), patterns.get(i));
            long start = System.nanoTime();
            machine.addRule(ids.get(i), patterns.get(i));
            times[done++] = (System.nanoTime() - start) / 1000;
        }
        times = Arrays.copyOf(times, done);
        Arrays.sort(times);
        return times;
    }

    public static void main(String[] args) throws Exception {
        Ruler ruler = new Ruler(Boolean.parseBoolean(args[2]));
        long loadLimit = Long.parseLong(args[3]) * 1000000000L, runLimit = Long.parseLong(args[4]) * 1000000000L;
        ruler.read(args[0], args[1]);
        long before = heap(), start = System.nanoTime();
        if (!ruler.load(loadLimit)) {
            System.out.println("{\"status\":\"not loadable in " + args[3] + " s\"}");
            return;
        }
        double load = (System.nanoTime() - start) / 1e9;
        long bytes = heap() - before;
        int n = ruler.first(runLimit / 8);
        double ns = ruler.median(n, runLimit / 4);
        long[] adds = ruler.adds(runLimit / 4);
        System.out.printf(java.util.Locale.ROOT,
            "{\"status\":\"ok\",\"ns_per_event\":%.1f,\"events\":%d,\"hash_events\":%d,\"matches_total\":%d,\"match_hash\":\"%016x\","
                + "\"load_s\":%.3f,\"add_p99_us\":%d,\"add_max_us\":%d,\"bytes_per_rule\":%d}%n",
            ns, ruler.events.size(), n, ruler.matches, ruler.hash, load, adds[adds.length - 1 - adds.length / 100],
            adds[adds.length - 1], bytes / Math.max(1, ruler.ids.size()));
    }
}
