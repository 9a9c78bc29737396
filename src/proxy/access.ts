/**
 * What both ports want of whoever comes in: their TLS files and the admin token, read at start and again on reload. Says in the
 * log who was turned away, seldom enough that nobody can flood it. Which client may do what is decided elsewhere.
 */
import { readAdminToken } from '../config/admin-token.ts';
import type { Config } from '../config/config.ts';
import { isLoopback } from '../config/loopback.ts';
import type { TlsFiles } from '../config/tls-files.ts';
import {
  adminHasTls,
  expiryFault,
  fingerprintOf,
  firstExpiryMs,
  readAdminTlsFiles,
  readTlsFiles,
} from '../config/tls-files.ts';
import { LogsealError } from '../errors.ts';
import type { AdminServer } from '../http/admin-server.ts';
import type { DoorTls } from '../http/door.ts';
import type { HttpServer } from '../http/server.ts';
import { systemClock } from '../lib/clock.ts';
import { RareReports } from '../lib/rare-reports.ts';
import type { EventLog } from '../log.ts';
import type { Prepared } from './reload.ts';

type Door = 'intake' | 'admin';

interface AccessFiles {
  readonly intake: TlsFiles | undefined;
  readonly admin: TlsFiles | undefined;
  readonly token: string | undefined;
}

export class Access {
  readonly #config: Config;
  readonly #log: Pick<EventLog, 'event'>;
  readonly #reports = new RareReports(systemClock);
  #files: AccessFiles;

  /** Errors: CONFIG_INVALID, naming the file. */
  constructor(config: Config, log: Pick<EventLog, 'event'>) {
    this.#config = config;
    this.#log = log;
    this.#files = readFiles(config);
    const { intake } = this.#files;
    const fault = intake && expiryFault(intake, systemClock.now());
    if (fault !== undefined) log.event('tls-certificate-invalid', { reason: fault });
    const { listen, adminListen } = config;
    if (intake === undefined && !isLoopback(listen.host)) log.event('intake-in-clear', { listen });
    if (!isLoopback(adminListen.host) && !adminHasTls(config)) log.event('admin-in-clear', { listen: adminListen });
  }

  get intakeTls(): DoorTls | undefined {
    return this.#tls('intake', this.#files.intake, this.#config.tls.clientCertificates);
  }

  get adminTls(): DoorTls | undefined {
    const wanted = this.#config.admin.clientCaFile === undefined ? 'none' : 'require';
    return this.#tls('admin', this.#files.admin, wanted);
  }

  get adminToken(): string | undefined {
    return this.#files.token;
  }

  /** When the certificates in force end, milliseconds, by door. */
  get expiries(): { door: Door; notAfterMs: number }[] {
    const doors = ['intake', 'admin'] as const;
    return doors.flatMap((door) => {
      const files = this.#files[door];
      return files === undefined ? [] : [{ door, notAfterMs: firstExpiryMs(files.certificate) }];
    });
  }

  /** Somebody was not let in at the admin port. */
  refused(reason: string, from: string): void {
    this.#reports.offer(`admin ${reason}`, (leftOut) => this.#log.event('admin-refused', { reason, from, leftOut }));
  }

  /** Sentences for readyz: what an operator should know and may have decided so. */
  reasons(): string[] {
    const { listen } = this.#config;
    const { intake } = this.#files;
    if (intake === undefined) {
      return isLoopback(listen.host) ? [] : [`shippers of other machines reach ${listen.host} without TLS`];
    }
    const fault = expiryFault(intake, systemClock.now());
    return fault === undefined ? [] : [fault];
  }

  /** Throws CONFIG_INVALID when anything of it cannot be used; nothing has changed then. */
  prepare(config: Config, server: HttpServer, admin: AdminServer): Prepared {
    const before = this.#files;
    const after = readFiles(config);
    const fault = after.intake && expiryFault(after.intake, systemClock.now());
    if (fault !== undefined) throw new LogsealError('CONFIG_INVALID', `${config.tls.certificateFile}: ${fault}`);
    const changes: string[] = [];
    if (after.intake && after.intake.certificate !== before.intake?.certificate) {
      changes.push(`certificate ${fingerprintOf(after.intake)}`);
    }
    if (after.token !== before.token) changes.push('admin token');
    return {
      changes,
      apply: () => {
        this.#files = after;
        if (after.intake) server.replaceTlsFiles(after.intake);
        if (after.admin) admin.replaceTlsFiles(after.admin);
        admin.token = after.token;
      },
    };
  }

  #tls(door: Door, files: TlsFiles | undefined, clientCertificates: DoorTls['clientCertificates']) {
    if (files === undefined) return undefined;
    const failed = (reason: string, from: string) => {
      const event = reason === 'ERR_SSL_HTTP_REQUEST' ? 'tls-plain-http' : 'tls-handshake-failed';
      this.#reports.offer(`${door} ${reason}`, (leftOut) => this.#log.event(event, { door, reason, from, leftOut }));
    };
    return { files, clientCertificates, failed };
  }
}

function readFiles(config: Config): AccessFiles {
  return { intake: readTlsFiles(config), admin: readAdminTlsFiles(config), token: readAdminToken(config) };
}
