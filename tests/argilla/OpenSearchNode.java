import org.codelibs.opensearch.runner.OpenSearchRunner;

/** One OpenSearch node on loopback: OpenSearchNode FOLDER HTTP_PORT TRANSPORT_PORT */
public class OpenSearchNode {
    public static void main(String[] arguments) throws Exception {
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.setMaxHttpPort(-1); // exactly the port given, no looking for a free one
        runner.onBuild((number, settings) -> {
            settings.put("http.port", arguments[1]);
            settings.put("transport.port", arguments[2]);
            settings.put("network.host", "127.0.0.1");
            settings.put("discovery.type", "single-node");
            settings.put("cluster.routing.allocation.disk.threshold_enabled", false);
            settings.put("action.auto_create_index", false);
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                runner.close();
            } catch (Exception error) {
                System.err.println(error);
            }
        }));
        runner.build("-basePath", arguments[0], "-numOfNode", "1", "-clusterName", "argilla",
                "-pluginTypes", "org.opensearch.knn.plugin.KNNPlugin");
        while (!runner.isClosed()) {
            Thread.sleep(500);
        }
    }
}
