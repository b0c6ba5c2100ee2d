import java.util.concurrent.CountDownLatch;
import org.codelibs.opensearch.runner.OpenSearchRunner;

/** One node on the port, with its files in the folder: `OpenSearchNode PORT FOLDER`. */
public class OpenSearchNode {
  public static void main(String[] words) throws Exception {
    int port = Integer.parseInt(words[0]);
    var runner = new OpenSearchRunner();
    // The runner looks for ports by itself, from a base up to a bound; what is put here last counts.
    runner.setMaxHttpPort(65_535);
    runner.onBuild((number, settings) -> {
      settings.put("discovery.type", "single-node");
      settings.put("network.host", "127.0.0.1");
      settings.put("http.port", port);
      settings.put("transport.port", 0);
      settings.putList("node.roles", "cluster_manager", "data", "ingest");
    });
    runner.build(OpenSearchRunner.newConfigs().clusterName("integration").numOfNode(1).basePath(words[1]).baseHttpPort(port - 1));
    var ended = new CountDownLatch(1);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      try {
        runner.close();
      } catch (Exception failure) {
        failure.printStackTrace();
      }
      ended.countDown();
    }));
    ended.await();
  }
}
