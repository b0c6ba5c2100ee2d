import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/** One node of the released server in this process. The launcher that would do this is not published as a jar. */
public class ElasticsearchNode {
  public static void main(String[] none) throws Exception {
    LogConfigurator.configureESLogging();
    Path config = Path.of(System.getProperty("es.path.conf"));
    var settings = Settings.builder()
        .loadFromPath(config.resolve("elasticsearch.yml"))
        .put("path.home", System.getProperty("es.path.home"))
        .build();
    LogConfigurator.registerErrorListener();
    LogConfigurator.setNodeName(settings.get("node.name"));
    LogConfigurator.setClusterName(settings.get("cluster.name"));
    var environment = new Environment(settings, config);
    LogConfigurator.configure(environment, true);
    var modules = PluginsLoader.loadModulesBundles(environment.modulesDir(), false);
    var node = new Node(environment, PluginsLoader.createPluginsLoader(modules, Set.of(), Map.of()));
    var ended = new CountDownLatch(1);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      try {
        node.prepareForClose();
        node.close();
        node.awaitClose(10, TimeUnit.SECONDS);
      } catch (Exception failure) {
        failure.printStackTrace();
      }
      ended.countDown();
    }));
    node.start();
    ended.await();
  }
}
