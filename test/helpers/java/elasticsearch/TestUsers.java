package logseal.test;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.elasticsearch.ElasticsearchSecurityException;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.ActionRequest;
import org.elasticsearch.action.ActionResponse;
import org.elasticsearch.action.IndicesRequest;
import org.elasticsearch.action.support.ActionFilter;
import org.elasticsearch.action.support.ActionFilterChain;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.common.util.concurrent.ThreadContext;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.tasks.Task;
import org.elasticsearch.xcontent.XContentBuilder;

/**
 * Who may write where, in the shapes of the security module: 401 without known credentials (Basic, or ApiKey with the
 * user as id), 403 for a write or an index creation outside the user's patterns, and the two requests that ask.
 */
final class TestUsers {
    record User(String name, String password, List<String> write) {
        boolean mayWrite(String index) {
            return write.stream().anyMatch(pattern ->
                pattern.endsWith("*") ? index.startsWith(pattern.substring(0, pattern.length() - 1)) : index.equals(pattern));
        }
    }

    /** user:password:pattern,pattern;… */
    static Map<String, User> read(String text) {
        Map<String, User> users = new HashMap<>();
        for (String entry : text.split(";")) {
            if (entry.isEmpty()) continue;
            String[] parts = entry.split(":", 3);
            users.put(parts[0], new User(parts[0], parts[1], Arrays.asList(parts[2].split(","))));
        }
        return Map.copyOf(users);
    }

    /** The user of an Authorization header, null where no users are set. */
    static User check(Map<String, User> users, String authorization) {
        if (users.isEmpty()) return null;
        if (authorization == null) throw refused("missing authentication credentials for REST request");
        String[] words = authorization.split(" ", 2);
        if (words.length == 2 && (words[0].equalsIgnoreCase("Basic") || words[0].equalsIgnoreCase("ApiKey"))) {
            String pair = new String(Base64.getDecoder().decode(words[1].trim()), StandardCharsets.UTF_8);
            int colon = pair.indexOf(':');
            User user = colon < 0 ? null : users.get(pair.substring(0, colon));
            if (user != null && user.password().equals(pair.substring(colon + 1))) return user;
        }
        throw refused("unable to authenticate user for REST request");
    }

    private static ElasticsearchSecurityException refused(String message) {
        var failure = new ElasticsearchSecurityException(message, RestStatus.UNAUTHORIZED);
        failure.addBodyHeader("WWW-Authenticate", "Basic realm=\"security\", charset=\"UTF-8\"", "ApiKey");
        return failure;
    }

    /** Host is in the context of whatever a REST request set off, and of nothing that the node does by itself. */
    static final class Filter implements ActionFilter {
        private final Map<String, User> users;
        private final ThreadContext context;

        Filter(Map<String, User> users, ThreadContext context) {
            this.users = users;
            this.context = context;
        }

        @Override
        public int order() {
            return Integer.MIN_VALUE;
        }

        @Override
        public <Request extends ActionRequest, Response extends ActionResponse> void apply(
            Task task,
            String action,
            Request request,
            ActionListener<Response> listener,
            ActionFilterChain<Request, Response> chain
        ) {
            try {
                if (context.getHeader("Host") != null && context.isSystemContext() == false) {
                    User user = check(users, context.getHeader("Authorization"));
                    boolean writes = action.startsWith("indices:data/write") || action.startsWith("indices:admin/auto_create")
                        || action.startsWith("indices:admin/create") || action.startsWith("indices:admin/delete");
                    if (writes && request instanceof IndicesRequest names) {
                        for (String index : names.indices()) {
                            if (user.mayWrite(index)) continue;
                            throw new ElasticsearchSecurityException(
                                "action [" + action + "] is unauthorized for user [" + user.name() + "] on indices [" + index + "]",
                                RestStatus.FORBIDDEN
                            );
                        }
                    }
                }
            } catch (RuntimeException failure) {
                listener.onFailure(failure);
                return;
            }
            chain.proceed(task, action, request, listener);
        }
    }

    static final class Authenticate extends BaseRestHandler {
        private final Map<String, User> users;

        Authenticate(Map<String, User> users) {
            this.users = users;
        }

        @Override
        public String getName() {
            return "logseal_test_authenticate";
        }

        @Override
        public List<Route> routes() {
            return List.of(new Route(RestRequest.Method.GET, "/_security/_authenticate"));
        }

        @Override
        protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
            User user = check(users, request.header("Authorization"));
            return channel -> {
                XContentBuilder body = channel.newBuilder();
                body.startObject().field("username", user.name()).field("roles", List.of()).field("enabled", true);
                body.field("authentication_type", "realm").endObject();
                channel.sendResponse(new RestResponse(RestStatus.OK, body));
            };
        }
    }

    static final class HasPrivileges extends BaseRestHandler {
        private final Map<String, User> users;

        HasPrivileges(Map<String, User> users) {
            this.users = users;
        }

        @Override
        public String getName() {
            return "logseal_test_has_privileges";
        }

        @Override
        public List<Route> routes() {
            String path = "/_security/user/_has_privileges";
            return List.of(new Route(RestRequest.Method.GET, path), new Route(RestRequest.Method.POST, path));
        }

        @Override
        protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) throws java.io.IOException {
            User user = check(users, request.header("Authorization"));
            Map<String, Map<String, Boolean>> answer = new HashMap<>();
            try (var parser = request.contentParser()) {
                if (parser.map().get("index") instanceof List<?> asked) {
                    for (Object one : asked) {
                        Map<?, ?> entry = (Map<?, ?>) one;
                        for (Object name : listOf(entry.get("names"))) {
                            Map<String, Boolean> rights = answer.computeIfAbsent(name.toString(), key -> new HashMap<>());
                            for (Object right : listOf(entry.get("privileges"))) {
                                rights.put(right.toString(), right.equals("read") || user.mayWrite(name.toString()));
                            }
                        }
                    }
                }
            }
            boolean all = answer.values().stream().allMatch(rights -> rights.values().stream().allMatch(right -> right));
            return channel -> {
                XContentBuilder body = channel.newBuilder();
                body.startObject().field("username", user.name()).field("has_all_requested", all);
                body.field("cluster", Map.of()).field("index", answer).field("application", Map.of()).endObject();
                channel.sendResponse(new RestResponse(RestStatus.OK, body));
            };
        }

        private static List<?> listOf(Object value) {
            return value instanceof List<?> list ? list : List.of(value);
        }
    }
}
