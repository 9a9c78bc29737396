# The proxy, run from source: Node reads the TypeScript as it is. Nothing is compiled, nothing runs as root, and only
# /data is written to, so the rest can be mounted read-only:
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges --ulimit core=0 --ulimit nofile=65536:65536 \
#     --memory-swappiness 0 --stop-timeout 45 -v logseal:/data -p 9280:9280 …
FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --no-audit --no-fund --loglevel=error

FROM node:24.21.0-bookworm-slim
LABEL org.opencontainers.image.title="Logseal" \
      org.opencontainers.image.description="A proxy in front of Elasticsearch that signs every log record, loses none, and proves later that nothing was changed" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production \
    LOGSEAL_DATA_DIR=/data \
    LOGSEAL_LISTEN=0.0.0.0:9280 \
    LOGSEAL_ADMIN_LISTEN=127.0.0.1:9281
WORKDIR /app
COPY package.json LICENSE ./
COPY --from=packages /app/node_modules ./node_modules
COPY config ./config
COPY src ./src
COPY --chmod=755 cli ./cli
RUN install -d -o node -g node -m 0700 /data && ln -s /app/cli/main.ts /usr/local/bin/logseal
# The user `node`, by number, so that a cluster can see that it is not root.
USER 1000:1000
VOLUME /data
EXPOSE 9280 9281
STOPSIGNAL SIGTERM
# Asks readyz with the configuration that the proxy has: address, TLS and token, as long as these come from the environment or the
# file that LOGSEAL_CONFIG names. An admin port that wants client certificates takes another check, or --no-healthcheck.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["node", "cli/main.ts", "health"]
CMD ["node", "src/main.ts"]
