package logseal.test;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.elasticsearch.Build;
import org.elasticsearch.action.support.ActionFilter;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestHeaderDefinition;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.XContentBuilder;

/**
 * Answers GET / and GET /_license as the distribution does: the modules that do so there are not published as jars.
 * With users given it also asks for credentials, as the security module would (TestUsers).
 */
public final class TestPlugin extends Plugin implements ActionPlugin {
    private final Map<String, TestUsers.User> users = TestUsers.read(System.getProperty("logseal.test.users", ""));
    private ClusterService cluster;

    @Override
    public Collection<?> createComponents(PluginServices services) {
        cluster = services.clusterService();
        return List.of();
    }

    @Override
    public Collection<RestHandler> getRestHandlers(
        RestHandlersServices services,
        Supplier<DiscoveryNodes> nodes,
        Predicate<NodeFeature> features
    ) {
        return users.isEmpty()
            ? List.of(new Root(), new License())
            : List.of(new Root(), new License(), new TestUsers.Authenticate(users), new TestUsers.HasPrivileges(users));
    }

    @Override
    public Collection<RestHeaderDefinition> getRestHeaders() {
        return List.of(new RestHeaderDefinition("Authorization", false), new RestHeaderDefinition("Host", false));
    }

    @Override
    public Collection<ActionFilter> getActionFilters() {
        return users.isEmpty() ? List.of() : List.of(new TestUsers.Filter(users, cluster.threadPool().getThreadContext()));
    }

    private final class Root extends BaseRestHandler {
        @Override
        public String getName() {
            return "logseal_test_root";
        }

        @Override
        public List<Route> routes() {
            return List.of(new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
        }

        @Override
        protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
            TestUsers.check(users, request.header("Authorization"));
            return channel -> {
                Build build = Build.current();
                XContentBuilder body = channel.newBuilder().prettyPrint().lfAtEnd();
                body.startObject();
                body.field("name", cluster.getNodeName());
                body.field("cluster_name", cluster.getClusterName().value());
                body.field("cluster_uuid", cluster.state().metadata().clusterUUID());
                body.startObject("version");
                body.field("number", build.qualifiedVersion());
                body.field("build_flavor", "default");
                body.field("build_type", "tar");
                body.field("build_hash", build.hash());
                body.field("build_date", build.date());
                body.field("build_snapshot", build.isSnapshot());
                body.field("lucene_version", org.apache.lucene.util.Version.LATEST.toString());
                body.field("minimum_wire_compatibility_version", build.minWireCompatVersion());
                body.field("minimum_index_compatibility_version", build.minIndexCompatVersion());
                body.endObject();
                body.field("tagline", "You Know, for Search");
                body.endObject();
                channel.sendResponse(new RestResponse(RestStatus.OK, body));
            };
        }
    }

    private static final class License extends BaseRestHandler {
        @Override
        public String getName() {
            return "logseal_test_license";
        }

        @Override
        public List<Route> routes() {
            return List.of(new Route(RestRequest.Method.GET, "/_license"));
        }

        @Override
        protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
            return channel -> {
                XContentBuilder body = channel.newBuilder();
                body.startObject().startObject("license");
                body.field("status", "active").field("uid", "00000000-0000-0000-0000-000000000000").field("type", "basic");
                body.endObject().endObject();
                channel.sendResponse(new RestResponse(RestStatus.OK, body));
            };
        }
    }
}
