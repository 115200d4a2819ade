/* One OpenSearch node on loopback: java -cp 'JARS/*' opensearch.java FOLDER HTTP-PORT TRANSPORT-PORT. It runs until it is killed.
 * The runner's own main class ends without a word, so this is its own. */
import org.codelibs.opensearch.runner.OpenSearchRunner;

class OneNode {
    public static void main(String[] arguments) throws Exception {
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.onBuild((number, settings) -> {
            settings.put("http.port", arguments[1]);
            settings.put("transport.port", arguments[2]);
            settings.put("network.host", "127.0.0.1");
            settings.put("discovery.type", "single-node");
            // A full disk would make indices read-only: the test is not about the disk of its machine.
            settings.put("cluster.routing.allocation.disk.threshold_enabled", false);
        }).build(OpenSearchRunner.newConfigs().clusterName("earshot-test").numOfNode(1).basePath(arguments[0]).disableESLogger());
        Thread.currentThread().join();
    }
}
