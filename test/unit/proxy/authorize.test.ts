import t from 'tap';
import { LogsealError } from '../../../src/errors.ts';
import { createAuthorize } from '../../../src/proxy/authorize.ts';
import type { Permission } from '../../../src/upstream/privileges.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

function rig(secured: boolean | undefined) {
  const clock = new ManualClock();
  const state: { permission: Permission | Error } = { permission: { kind: 'allowed' } };
  const authorize = createAuthorize({
    mayCreate: async () => {
      if (state.permission instanceof Error) throw state.permission;
      return state.permission;
    },
    secured: () => secured,
    clock,
    awayMs: 3_600_000,
  });
  return { clock, state, authorize };
}

const away = new LogsealError('UPSTREAM_REFUSED', 'away');

t.test('in an outage a credential seen good within the hour holds, for where it was good, and no other', async (t) => {
  const { clock, state, authorize } = rig(true);
  t.strictSame(await authorize('Basic good', ['web', 'app']), { kind: 'ok' });
  state.permission = away;
  t.strictSame(await authorize('Basic good', ['app']), { kind: 'ok' });
  await t.rejects(authorize('Basic good', ['app', 'other']), { code: 'UPSTREAM_REFUSED' }, 'another destination');
  await t.rejects(authorize('Basic bad', ['app']), { code: 'UPSTREAM_REFUSED' }, 'another credential');
  await t.rejects(authorize(undefined, ['app']), { code: 'UPSTREAM_REFUSED' }, 'none');
  await clock.advance(3_600_001);
  await t.rejects(authorize('Basic good', ['app']), { code: 'UPSTREAM_REFUSED' }, 'an hour later');
});

t.test(
  'in an outage everybody is accepted where no credentials are wanted, and nobody where that is not known',
  async (t) => {
    const open = rig(false);
    open.state.permission = away;
    t.strictSame(await open.authorize(undefined, ['web']), { kind: 'ok' });
    const unknown = rig(undefined);
    unknown.state.permission = away;
    await t.rejects(unknown.authorize(undefined, ['web']), { code: 'UPSTREAM_REFUSED' });
    open.state.permission = new TypeError('a fault of ours');
    await t.rejects(open.authorize(undefined, ['web']), TypeError, 'only an outage is one');
  },
);

t.test("a refusal is Elasticsearch's own, whole or by destination, and is not remembered as good", async (t) => {
  const { state, authorize } = rig(true);
  const body = { error: { type: 'security_exception' }, status: 401 };
  state.permission = { kind: 'unauthenticated', status: 401, body, challenges: ['Basic realm="security"', 'ApiKey'] };
  t.strictSame(await authorize('Basic bad', ['web']), {
    kind: 'unauthorized',
    status: 401,
    headers: { 'www-authenticate': 'Basic realm="security", ApiKey' },
    body,
  });
  state.permission = { ...state.permission, challenges: [] };
  t.match(await authorize('Basic bad', ['web']), { headers: {} });
  state.permission = { kind: 'denied', dests: new Set(['app']), user: 'shipper' };
  t.strictSame(await authorize('Basic half', ['web', 'app']), {
    kind: 'forbidden',
    reasons: new Map([
      ['app', 'action [indices:data/write/bulk[s]] is unauthorized for user [shipper] on indices [app]'],
    ]),
  });
  state.permission = away;
  await t.rejects(authorize('Basic half', ['web']), { code: 'UPSTREAM_REFUSED' });
});
