# The proxy, run from source: Node reads the TypeScript as it is. Nothing is compiled, nothing runs as root, and only
# /data is written to, so the rest can be mounted read-only.
FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --no-audit --no-fund --loglevel=error

FROM node:24.21.0-bookworm-slim
LABEL org.opencontainers.image.title="Logseal" \
      org.opencontainers.image.description="A proxy in front of Elasticsearch that signs every log record, loses none, and proves later that nothing was changed" \
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
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.LOGSEAL_ADMIN_LISTEN.split(':').pop()}/readyz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "src/main.ts"]
