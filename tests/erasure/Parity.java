import java.nio.charset.StandardCharsets;
import org.apache.hadoop.io.erasurecode.ErasureCoderOptions;
import org.apache.hadoop.io.erasurecode.rawcoder.RSLegacyRawErasureCoderFactory;
import org.apache.hadoop.io.erasurecode.rawcoder.RSRawErasureCoderFactory;
import org.apache.hadoop.io.erasurecode.rawcoder.RawErasureCoderFactory;
import org.apache.hadoop.io.erasurecode.rawcoder.RawErasureEncoder;
import org.apache.hadoop.io.erasurecode.rawcoder.XORRawErasureCoderFactory;

/** Parity of known data by Hadoop's coders: a line for each "CODEC K M BYTES" argument. */
public class Parity {
  public static void main(String[] args) throws Exception {
    for (String arg : args) {
      String[] words = arg.split(" ");
      int k = Integer.parseInt(words[1]), m = Integer.parseInt(words[2]);
      int bytes = Integer.parseInt(words[3]);
      RawErasureCoderFactory factory =
          words[0].equals("rs") ? new RSRawErasureCoderFactory()
              : words[0].equals("xor") ? new XORRawErasureCoderFactory()
              : new RSLegacyRawErasureCoderFactory();
      RawErasureEncoder encoder = factory.createEncoder(new ErasureCoderOptions(k, m));
      byte[][] data = new byte[k][bytes], parity = new byte[m][bytes];
      for (int unit = 0; unit < k; unit++) {
        for (int i = 0; i < bytes; i++) {
          data[unit][i] = (byte) (31 * unit + 7 * i + i * i);
        }
      }
      encoder.encode(data, parity);
      StringBuilder hex = new StringBuilder();
      for (byte[] unit : parity) {
        for (byte b : unit) {
          hex.append(String.format("%02x", b));
        }
      }
      System.out.println(words[0] + " " + k + " " + m + " " + hex);
    }
  }
}
