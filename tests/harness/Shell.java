// A long-lived FsShell: starting a JVM for each command would take seconds.
//
// Reads a command per line of standard input, its words base64-encoded with spaces between; "-" is an
// empty word. Answers each with one line: exit code, standard output, standard error, both base64.
// A first word "=USER" runs the rest as that user; a first word "@CLASS" runs that tool of Hadoop's
// instead of FsShell.
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.security.PrivilegedExceptionAction;
import java.util.*;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FsShell;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.hadoop.util.Tool;
import org.apache.hadoop.util.ToolRunner;

public class Shell {
  // One of each name, as connections are kept for each.
  private static final Map<String, UserGroupInformation> users = new HashMap<>();

  public static void main(String[] args) throws Exception {
    PrintStream answers = System.out;
    PrintStream errors = System.err;
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
    Base64.Decoder decode = Base64.getDecoder();
    Base64.Encoder encode = Base64.getEncoder();
    for (String line; (line = lines.readLine()) != null; ) {
      List<String> words = new ArrayList<>(Arrays.asList(args));
      for (String word : line.split(" ")) {
        words.add(word.equals("-") ? "" : new String(decode.decode(word), StandardCharsets.UTF_8));
      }
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      ByteArrayOutputStream err = new ByteArrayOutputStream();
      System.setOut(new PrintStream(out, true));
      System.setErr(new PrintStream(err, true));
      int code;
      try {
        code = run(words);
      } catch (Throwable t) {
        t.printStackTrace(System.err);
        code = 99;
      }
      System.out.flush();
      System.err.flush();
      System.setOut(answers);
      System.setErr(errors);
      answers.println(code + " ." + encode.encodeToString(out.toByteArray()) + " ." + encode.encodeToString(err.toByteArray()));
      answers.flush();
    }
  }

  private static int run(List<String> words) throws Exception {
    if (words.get(0).startsWith("=")) {
      UserGroupInformation user = users.computeIfAbsent(
          words.remove(0).substring(1), UserGroupInformation::createRemoteUser);
      return user.doAs((PrivilegedExceptionAction<Integer>) () -> run(words));
    }
    Tool tool = new FsShell();
    Configuration conf = new Configuration();
    if (words.get(0).startsWith("@")) {
      conf = new org.apache.hadoop.hdfs.HdfsConfiguration();
      tool = (Tool) Class.forName(words.remove(0).substring(1))
          .getConstructor(Configuration.class).newInstance(conf);
    }
    return ToolRunner.run(conf, tool, words.toArray(new String[0]));
  }
}
