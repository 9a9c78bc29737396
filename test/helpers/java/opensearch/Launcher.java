import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.codelibs.opensearch.runner.node.OpenSearchRunnerNode;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.http.HttpServerTransport;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.Plugin;

/**
 * Starts one real OpenSearch node, with the modules of the distribution that a log shipper meets, from published jars:
 * arguments are settings as key=value. Prints "READY port" once HTTP answers. Ends on SIGTERM, or when standard input
 * closes, so that a node never outlives the test that started it.
 */
public final class Launcher {
    private static final Collection<Class<? extends Plugin>> MODULES = List.of(
        org.opensearch.transport.Netty4ModulePlugin.class,
        org.opensearch.analysis.common.CommonAnalysisModulePlugin.class,
        org.opensearch.ingest.common.IngestCommonModulePlugin.class,
        org.opensearch.ingest.useragent.IngestUserAgentModulePlugin.class,
        org.opensearch.index.mapper.MapperExtrasModulePlugin.class,
        org.opensearch.painless.PainlessModulePlugin.class,
        org.opensearch.index.reindex.ReindexModulePlugin.class
    );

    public static void main(String[] arguments) throws Exception {
        Settings.Builder settings = Settings.builder();
        for (String argument : arguments) {
            int equals = argument.indexOf('=');
            settings.put(argument.substring(0, equals), argument.substring(equals + 1));
        }
        LogConfigurator.registerErrorListener();
        Settings given = settings.build();
        Path config = Path.of(given.get("path.home")).resolve("config");
        var environment = InternalSettingsPreparer.prepareEnvironment(given, Map.of(), config, () -> "logseal-test");
        Node node = new OpenSearchRunnerNode(environment, MODULES);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node)));
        node.start();
        int port = node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress().getPort();
        System.out.println("READY " + port);
        System.out.flush();
        while (System.in.read() >= 0) {}
        System.exit(0);
    }

    private static void close(Node node) {
        try {
            node.close();
            node.awaitClose(20, TimeUnit.SECONDS);
        } catch (Exception failure) {
            failure.printStackTrace();
        }
    }
}
