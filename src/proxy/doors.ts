/** The two sockets: the one for shippers with everything behind it, and the one for whoever runs the proxy. */
import type { ClientBook } from '../clients/client-book.ts';
import type { Config } from '../config/config.ts';
import { readUpstreamSettings } from '../config/credentials.ts';
import { firstExpiryMs } from '../config/tls-files.ts';
import { AdminServer } from '../http/admin-server.ts';
import { Admission } from '../http/admission.ts';
import { clientPatterns } from '../http/client-patterns.ts';
import { Handshake } from '../http/handshake.ts';
import type { Readiness } from '../http/health.ts';
import { healthRoutes } from '../http/health.ts';
import type { IntakeContext } from '../http/intake-context.ts';
import { Passthrough } from '../http/passthrough.ts';
import type { RequestHandlerOptions } from '../http/request-handler.ts';
import { createRequestHandler } from '../http/request-handler.ts';
import type { HttpServerOptions } from '../http/server.ts';
import { HttpServer } from '../http/server.ts';
import { readOperatorPublicKey } from '../keys/operator.ts';
import { systemClock } from '../lib/clock.ts';
import { ObjectScanner } from '../lib/json-scan.ts';
import { itemRefusal } from '../metrics.ts';
import type { Access } from './access.ts';
import { createAuthorize } from './authorize.ts';
import { Coverage } from './coverage.ts';
import { noteCertificates } from './delivery-metrics.ts';
import { inClearReasons } from './encryption.ts';
import { OperatorDesk } from './operator-desk.ts';
import { operatorRoutes } from './operator-routes.ts';
import type { ProxyOptions } from './options.ts';
import { prepareClients } from './own-clients.ts';
import { prepareCredentials } from './own-credentials.ts';
import { readinessOf } from './readiness.ts';
import { rejectRoutes } from './reject-routes.ts';
import type { Prepare } from './reload.ts';
import type { Stages } from './stages.ts';

const actionBytesMax = 64 * 1024;
const awayMs = 3_600_000;
/** Requests that are passed through at once, apart from intake. */
const passingMax = 256;

export interface Doors {
  server: HttpServer;
  admin: AdminServer;
  /** Their parts of a reload. */
  prepare: Prepare[];
}

export async function openDoors(
  options: ProxyOptions & Stages,
  access: Access,
  clients: ClientBook | undefined,
): Promise<Doors> {
  const { config, log, metrics, upstream } = options;
  const passthrough = new Passthrough(upstream.connection);
  const handling: RequestHandlerOptions = {
    clients,
    context: intakeContext(options, passthrough),
    handshake: new Handshake(passthrough, () => options.contact.root),
    passing: new Admission({
      requestsMax: passingMax,
      bytesMax: config.intake.memoryBytesMax,
      holdMs: config.intake.holdMax,
      clock: systemClock,
    }),
    hangUpInsteadOf429: clientPatterns(config.intake.closeInsteadOf429),
    log,
    metrics,
  };
  const handler = createRequestHandler(handling);
  const { certificate } = readUpstreamSettings(config);
  if (certificate !== undefined) noteCertificates(metrics, 'upstream', [firstExpiryMs(certificate)]);
  metrics.beforeScrape(() => {
    for (const { door, notAfterMs } of access.expiries) noteCertificates(metrics, door, [notAfterMs]);
  });
  const { host, port } = config.listen;
  const server = await HttpServer.start({ host, port, handler, tls: access.intakeTls, ...boundsOf(config) });
  const admin = await AdminServer.start({
    host: config.adminListen.host,
    port: config.adminListen.port,
    routes: [
      ...healthRoutes({ readiness: () => readiness(options, access), metrics }),
      ...rejectRoutes(options),
      ...operatorRoutes(new OperatorDesk({ ...options, keys: config.operator.keys.map(readOperatorPublicKey) })),
    ],
    token: access.adminToken,
    tls: access.adminTls,
    refused: (reason, from) => access.refused(reason, from),
    failed: (error) => log.event('internal-error', { error }),
  });
  const prepare = [
    (next: Config) => access.prepare(next, server, admin),
    prepareClients(clients),
    prepareCredentials(config, options),
    (next: Config) => ({ changes: [], apply: () => changeLimits(handling, next) }),
  ];
  return { server, admin, prepare };
}

function boundsOf({ connections }: Config): Partial<HttpServerOptions> {
  const { max, headerBytesMax, headersMax, targetBytesMax } = connections;
  const { headersTimeout, requestTimeout, idleTimeout, keepAlive } = connections;
  return {
    connectionsMax: max,
    headerBytesMax,
    headersMax,
    targetBytesMax,
    headersTimeoutMs: headersTimeout,
    requestTimeoutMs: requestTimeout,
    idleTimeoutMs: idleTimeout,
    keepAliveMs: keepAlive,
  };
}

/** Holds for requests that come; those under way end by the bounds they began with, or the new ones. */
function changeLimits(handling: RequestHandlerOptions, { intake }: Config): void {
  const { bodyBytesMax, documentBytesMax, itemsMax, closeInsteadOf429 } = intake;
  Object.assign(handling.context.limits, { bodyBytesMax, documentBytesMax, itemsMax });
  handling.hangUpInsteadOf429 = clientPatterns(closeInsteadOf429);
}

function intakeContext(options: ProxyOptions & Stages, passthrough: Passthrough): IntakeContext {
  const { config, log, metrics, signing, upstream, instance, contact, notCovered } = options;
  const describe = (dest: string) => upstream.describe(dest);
  const coverage = new Coverage({ describe, notCovered, clock: systemClock, log });
  const { bodyBytesMax, documentBytesMax, itemsMax, depthMax, requestsMax, memoryBytesMax, holdMax } = config.intake;
  return {
    intake: signing.sequencer,
    authorize: createAuthorize({
      mayCreate: async (authorization, dests) => {
        const permission = await upstream.mayCreate(authorization, dests);
        await contact.noteSecured();
        return permission;
      },
      // Before the first contact: who gave the proxy credentials has a search engine that wants them.
      secured: () => instance.state.secured ?? hasCredentials(config),
      clock: systemClock,
      awayMs,
    }),
    learn: (dests) => coverage.learn(dests),
    refresh: async ({ request, caller }, dests) => {
      const path = `/${dests.map((dest) => encodeURIComponent(dest)).join(',')}/_refresh`;
      const authorization = caller.client === undefined ? (request.headers.authorization ?? null) : undefined;
      await upstream.connection.ask('POST', path, undefined, authorization).catch(() => undefined);
    },
    passthrough,
    admission: new Admission({ requestsMax, bytesMax: memoryBytesMax, holdMs: holdMax, clock: systemClock }),
    limits: { bodyBytesMax, documentBytesMax, itemsMax, actionBytesMax },
    scanner: new ObjectScanner({ depthMax }),
    ack: config.ack,
    clock: systemClock,
    counts: {
      bodyBytes: (bytes) => metrics.requestBytes.inc(bytes),
      operations: (count, forwarded, refused) => {
        metrics.recordsReceived.inc(count);
        metrics.recordsForwarded.inc(forwarded);
        for (const { error } of refused) metrics.recordsRefused.inc({ reason: itemRefusal(error.type) });
      },
      acknowledged: (count) => metrics.recordsAcknowledged.inc(count),
    },
  };
}

function hasCredentials({ elasticsearch: { url, apiKeyFile, username } }: Config): boolean {
  return apiKeyFile !== undefined || username !== undefined || url.some((node) => URL.parse(node)?.username);
}

function readiness({ contact, delivery, upstream, wal, signing, notCovered }: Stages, access: Access): Readiness {
  return readinessOf({
    stopping: signing.admission.isClosed,
    freeBytes: wal.freeBytes,
    problem: contact.problem,
    stats: delivery.stats,
    nodesOut: new Set([...delivery.nodesOut, ...upstream.connection.out]),
    transport: access.reasons(),
    inClear: inClearReasons(wal),
    notCovered,
  });
}
